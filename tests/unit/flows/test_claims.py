"""An event counts once, however long after it somebody repeats it who may."""

import pytest

from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, SECOND
from kept.flows.stage import Stage
from kept.flows.tick import housekeep
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""
HISTORY = 3_650 * DAY
"""How far back the brand of the scenarios keeps events."""


@pytest.fixture
def stage() -> Stage:
    """Give an empty stage at noon."""
    return Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)


def count_again(stage: Stage, occurred_at: int | None) -> int:
    """Import one order; return how many of it are new."""
    item = WireItem(
        type="track",
        event="Order Completed",
        user_id="ana",
        message_id="orders.csv:1",
        timestamp=None if occurred_at is None else occurred_at / SECOND,
    )
    return stage.signal(item, source="history", body={}).accepted


def wait(stage: Stage, length: int) -> None:
    """Let time pass, at whose end old keys are dropped."""
    stage.now += length
    with stage.transaction():
        housekeep(stage.engine, stage.now)


@pytest.mark.parametrize("age", [DAY // 2, 5 * DAY, 400 * DAY, None])
def test_a_file_that_is_imported_again_counts_once(stage: Stage, age: int | None) -> None:
    """Weeks later, and a year later, whether its rows say when they happened or not."""
    occurred_at = None if age is None else NOON - age
    assert count_again(stage, occurred_at) == 1
    for _ in range(25):
        wait(stage, 17 * DAY if age is not None else 14 * DAY)
        assert count_again(stage, occurred_at) == 0


def test_keys_of_history_go_with_the_history(stage: Stage) -> None:
    """What is older is refused by its age, so that no key of it need be kept; younger ones are."""
    store = stage.store
    old, young = NOON - 400 * DAY, NOON - 4 * DAY
    for occurred_at in (old, young):
        assert count_again(stage, occurred_at) == 1
    claims = store._claims  # type: ignore[attr-defined]
    assert sum(map(len, claims.values())) == 2
    wait(stage, HISTORY - 300 * DAY)
    assert sum(map(len, claims.values())) == 1
    assert count_again(stage, young) == 0
