"""Run a target on inputs that are there: its seeds, its corpus, and what mutation makes of them."""

import time
from pathlib import Path
from typing import Final

from tests.fuzz.target import Target

CORPUS: Final = Path(__file__).parent / "corpus"
"""For each target a folder of inputs that once broke something, or reach what others do not."""


def corpus_of(target: Target) -> list[bytes]:
    """Return what is kept of a target, the seeds first."""
    kept = sorted((CORPUS / target.name).glob("*"))
    return [*target.seeds, *(path.read_bytes() for path in kept)]


def try_input(target: Target, data: bytes) -> None:
    """Run a target once; it must end in time."""
    began = time.process_time()
    target.run(data)
    took = time.process_time() - began
    if took > target.seconds_max:
        raise AssertionError(f"{target.name} takes {took:.1f} s for {len(data)} bytes")
