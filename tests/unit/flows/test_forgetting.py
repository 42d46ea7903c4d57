"""Customers of whom there is too much to keep: what was forgotten is unknown, and the operator hears of it."""

from typing import Any

import pytest

from kept.core.event import Identifier
from kept.core.fold import forgetting
from kept.core.reason import ContactsUnknown
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, HOUR, SECOND, format_instant
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""


@pytest.fixture
def stage() -> Stage:
    """Give a stage at noon, with Ana, who wants the offers of both companies."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    traits = {"email": "ana@example.com", "first_name": "Ana", "zone": "Europe/Lisbon"}
    told = WireItem(type="identify", user_id="ana", timestamp=NOON / SECOND, traits=traits)
    stage.signal(told, source="shop", body={})
    for entity in ("shop", "bank"):
        tell(stage, "Consent Given", entity=entity, purpose="marketing")
    return stage


def tell(stage: Stage, event: str, *, source: str = "shop", at: int = 0, **told: Any) -> None:
    """Let a touchpoint say one thing about Ana."""
    item = WireItem(
        type="track", event=event, user_id="ana", timestamp=(at or stage.now) / SECOND,
        properties=told,
    )  # fmt: skip
    stage.signal(item, source=source, body={})


def look(stage: Stage) -> None:
    """Let Ana look at a page."""
    item = WireItem(type="page", user_id="ana", timestamp=stage.now / SECOND)
    stage.signal(item, source="shop", body={})


def bill(stage: Stage, number: int, *, at: int = 0, due_at: int = 0) -> None:
    """Issue a bill."""
    due = format_instant(due_at or stage.now + 300 * DAY)
    tell(
        stage, "Bill Issued", source="billing", at=at,
        bill_id=f"b{number}", amount=40, due_at=due,
    )  # fmt: skip


def said(stage: Stage) -> list[str]:
    """Return which actions left, in order."""
    return [one.message.action for one in stage.handed_over]


def test_a_flood_of_bills_leaves_nothing_to_guess(stage: Stage) -> None:
    """G12: with more bills than are kept nobody knows what is due; the operator is told, and once."""
    for number in range(forgetting.OBJECTS_MAX + 5):
        bill(stage, number)
        stage.now += SECOND
    bill(stage, 999, due_at=stage.now - 2 * DAY)
    stage.advance(stage.now + DAY)
    assert said(stage) == []
    alerts = [(one["code"], one["fact"]) for one in stage.engine.alerts]
    assert alerts == [("outgrown", "bill")]
    ana = stage.find(Identifier("user_id", "ana"))
    assert ana is not None
    assert ana.standing is not None
    assert {"owes_us", "grace"} <= set(ana.standing.decision.holds)


def test_a_long_life_with_many_old_bills_is_no_flood(stage: Stage) -> None:
    """What was forgotten and is older than the brand's history counts for nothing anyway."""
    history = stage.engine.bundle.fact_plan.history
    for number in range(forgetting.OBJECTS_MAX + 5):
        at = stage.now - history + (number + 1) * HOUR
        bill(stage, number, at=at, due_at=at)
        tell(stage, "Bill Paid", source="billing", at=at + SECOND, bill_id=f"b{number}")
    stage.advance(stage.now + 20 * HOUR)
    bill(stage, 999, due_at=stage.now - 2 * DAY)
    stage.advance(stage.now + DAY)
    assert said(stage) == ["bill_due"]


def test_a_forgotten_contact_still_fills_its_cap(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G3: where bills crowded the offers out of memory, a third offer waits until none can count."""
    monkeypatch.setattr(forgetting, "CONTACTS_MAX", 2)
    look(stage)
    tell(stage, "Order Completed", total=5)
    assert said(stage) == ["lamp_offer", "first_order_thanks"]
    for number in range(2):
        bill(stage, number, due_at=stage.now - 2 * DAY)
        stage.now += SECOND
        tell(stage, "Bill Paid", source="billing", bill_id=f"b{number}")
        stage.advance(stage.now + 2 * DAY + HOUR)
    assert said(stage)[2:] == ["bill_due", "bill_due"]
    ana = stage.find(Identifier("user_id", "ana"))
    assert ana is not None
    contacts = ana.total(stage.engine.plan).contacts.values()
    assert {one.kind for one in contacts} == {"service"}
    look(stage)
    assert "lamp_offer" not in said(stage)[2:]
    assert ana.standing is not None
    assert any(isinstance(one.reason, ContactsUnknown) for one in ana.standing.decision.considered)
    stage.advance(stage.now + 9 * DAY)
    look(stage)
    tell(stage, "Order Completed", total=5)
    assert said(stage)[-1] == "lamp_offer"
    assert said(stage).count("first_order_thanks") == 1
