"""Rows on replays: recorded signals a second on one core, with all wakes in between and no disk.

The record is a month of the example brand's customers. What is timed is what a replay does with what
it has read: fold, react, decide, and look again at everybody whenever time alone changes something.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from bench.memory_recorded import MemoryRecorded
from bench.month import example_bundle, example_texts, play_month
from bench.row import Figures
from bench.scale import Scale
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.flows.replay.components import connect, find_joins, load_components
from kept.flows.replay.played import Component, Period
from kept.flows.replay.player import Player
from kept.flows.replay.policies import AsRecorded, Instead, RecordedBrands, Timeline
from kept.runtime.collector import spare_collector
from kept.stores.memory import MemoryStore
from kept.stores.replay import ReplayStore

SAME: Final = "replay on one core, the recorded policy: every decision compared"
OTHER: Final = "replay on one core, another policy"
UNIT: Final = "signals/s"
SIGNALS_A_CUSTOMER: Final = 300
"""In a month: ten a day, most of them pages that are looked at."""


class Count(msgspec.Struct, frozen=True):
    """How much was played, and in how many seconds of the processor."""

    signals: int
    decisions: int
    wakes: int
    differences: int
    seconds: float


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Play a month under its own policy, and under another one."""
    del directory  # Nothing here touches the disk.
    signals = scale.replayed_signals
    store = MemoryStore()
    play_month(store, customers=max(signals // SIGNALS_A_CUSTOMER, 2), signals=signals)
    recorded = MemoryRecorded(store)
    components = read_all(recorded)
    bundle = example_bundle()
    brands = RecordedBrands((), known=bundle)
    timeline = Timeline(recorded.read_settings(), recorded.read_acts())
    _, last = recorded.read_span()
    period = Period(since=0, until=last + 1, ends_at=last)
    as_recorded = AsRecorded(brands, timeline, fallback=bundle)
    instead = Instead(compile_brand(load_brand(_change(example_texts()))), brands, timeline)
    spare_collector()
    for _ in range(scale.rounds):
        same = play_all(Player(ReplayStore(), as_recorded, period=period, follows=True), components)
        if same.differences:
            raise AssertionError(f"{same.differences} decisions did not come out as recorded")
        figures.add(SAME, same.signals / same.seconds, UNIT)
        other = play_all(Player(ReplayStore(), instead, period=period, follows=False), components)
        figures.add(OTHER, other.signals / other.seconds, UNIT)


def _change(texts: dict[str, str]) -> dict[str, str]:
    contact = texts["contact.yaml"]
    changed = contact.replace("promotions_a_week: {count: 2", "promotions_a_week: {count: 1")
    if changed == contact:
        raise AssertionError("the example has no such cap any more")
    return texts | {"contact.yaml": changed}


def play_all(player: Player, components: Iterable[Component]) -> Count:
    """Play components and count."""
    signals = decisions = wakes = differences = 0
    begun = time.process_time()
    for component in components:
        played = player.play(component)
        signals += played.heard.total()
        decisions += played.decided.total()
        wakes += played.counts["wakes"]
        differences += len(played.differences)
    return Count(signals, decisions, wakes, differences, time.process_time() - begun)


def read_all(recorded: MemoryRecorded) -> list[Component]:
    """Read a whole record into memory, ready to be played."""
    joins = find_joins(recorded.read_acts())
    connected = connect(recorded.read_parts(), recorded.read_links())
    return list(load_components(recorded, connected, joins))
