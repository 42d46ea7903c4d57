"""How long this machine's disk takes to make a small append durable: the floor of all others."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

APPEND_BYTES = 64 * 1024
"""About a batch of one hundred events."""


def measure_fsync(directory: Path, *, count: int, append_bytes: int = APPEND_BYTES) -> list[float]:
    """Append and fsync `count` times, nothing else, and return the seconds that each took."""
    path = directory / "fsync.bench"
    block = os.urandom(append_bytes)
    seconds = []
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    try:
        for _ in range(count):
            begun = time.perf_counter()
            os.write(file, block)
            os.fsync(file)
            seconds.append(time.perf_counter() - begun)
    finally:
        os.close(file)
        path.unlink()
    return seconds


def percentile(sorted_values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` % of the values do not exceed."""
    if not sorted_values:
        raise ValueError("no values, no percentile")
    rank = -(-len(sorted_values) * percent // 100)
    return sorted_values[max(int(rank), 1) - 1]
