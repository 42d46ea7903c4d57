"""Sizes of the embedded store made so small that what is rare happens all the time."""

from types import ModuleType

from kept.stores.sqlite import backlog, checkpoints, claims, part_index

SMALL_STEPS: tuple[tuple[ModuleType, str, int], ...] = (
    (backlog, "GENERATION_ROWS", 25),
    (backlog, "_PIECE_ROWS_MIN", 3),
    (backlog, "_PIECE_RATIO", 1),
    (part_index, "_BUCKET_BITS", 4),
    (claims, "_FILTER_BITS", 1 << 10),
    (claims, "_FILTER_KEYS_MAX", 150),
    (checkpoints, "CHANGES_BETWEEN", 60),
    (checkpoints, "LOG_PAGES_MAX", 100),
)
