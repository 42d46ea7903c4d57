"""Two hundred kills of the store, in four rows that may run beside each other."""

from pathlib import Path

import pytest

from kept.clock import new_id
from tests.crash.store_rounds import live_and_die

pytestmark = pytest.mark.crash

ROUNDS_A_ROW = 50


@pytest.mark.parametrize("row", range(4))
def test_two_hundred_kills_lose_nothing(tmp_path: Path, row: int) -> None:
    """The same as tests/crash, often enough to meet what is rare."""
    seed = int(new_id()[:8], 16)
    print(f"row {row}: repeat with KEPT_CRASH_SEED={seed} KEPT_CRASH_ROUNDS={ROUNDS_A_ROW}")
    live_and_die(tmp_path, seed=seed, rounds=ROUNDS_A_ROW)
