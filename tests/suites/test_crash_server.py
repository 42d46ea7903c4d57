"""Two hundred kills of the whole server under load, in two rows that may run beside each other."""

import statistics
from pathlib import Path

import pytest

from kept.clock import new_id
from tests.crash.server_rounds import kill_servers

pytestmark = pytest.mark.crash

ROUNDS_A_ROW = 100


@pytest.mark.parametrize("row", range(2))
def test_two_hundred_kills_lose_nothing_and_repeat_no_promotion(tmp_path: Path, row: int) -> None:
    """The same as tests/crash, often enough to meet what is rare, with providers that hang up."""
    seed = int(new_id()[:8], 16)
    print(f"row {row}: repeat with KEPT_CRASH_SEED={seed} KEPT_SERVER_KILLS={ROUNDS_A_ROW}")
    started = kill_servers(tmp_path, seed=seed, rounds=ROUNDS_A_ROW)
    print(f"ready after {statistics.median(started):.2f} s (median), {max(started):.2f} s at most")
