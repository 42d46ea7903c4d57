"""Killed at any moment, the store holds all that was acknowledged, and nothing by halves."""

import os
from pathlib import Path

import pytest

from kept.clock import new_id
from tests.crash.store_rounds import live_and_die

pytestmark = pytest.mark.crash

ROUNDS = int(os.environ.get("KEPT_CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("KEPT_CRASH_SEED", "0"))


def test_a_killed_store_holds_what_was_acknowledged_and_nothing_torn(tmp_path: Path) -> None:
    """After each kill it equals the model after the last acknowledgement, or one commit later."""
    seed = SEED or int(new_id()[:8], 16)
    print(f"repeat with KEPT_CRASH_SEED={seed} KEPT_CRASH_ROUNDS={ROUNDS}")
    live_and_die(tmp_path, seed=seed, rounds=ROUNDS)
