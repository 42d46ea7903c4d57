"""A server killed at any moment under load: what it acknowledged is there, and nothing is said twice."""

import os
from pathlib import Path

import pytest

from kept.clock import new_id
from tests.crash.server_rounds import kill_servers

pytestmark = [pytest.mark.crash, pytest.mark.network]

ROUNDS = int(os.environ.get("KEPT_SERVER_KILLS", "3"))
SEED = int(os.environ.get("KEPT_CRASH_SEED", "0"))


def test_a_killed_server_loses_nothing_and_repeats_no_promotion(tmp_path: Path) -> None:
    """By the clients' and the providers' own logs: each event once, no promotion twice, each note sent."""
    seed = SEED or int(new_id()[:8], 16)
    print(f"repeat with KEPT_CRASH_SEED={seed} KEPT_SERVER_KILLS={ROUNDS}")
    kill_servers(tmp_path, seed=seed, rounds=ROUNDS)
