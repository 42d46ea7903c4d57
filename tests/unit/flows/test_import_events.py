"""An import never sends anything, whatever else makes somebody look at a customer meanwhile."""

from typing import Any

import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.event import Event, Identifier
from kept.core.values import DAY
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.import_events import settle_import
from kept.flows.ingest import ingest
from kept.flows.react import react
from kept.flows.resolve import find_customer
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""


def told(source: str, name: str, key: int, *, traits: dict[str, Any], **properties: Any) -> Event:
    """Return an event of three days ago about Ana."""
    return Event(
        event_key=key,
        message_id=f"m{key}",
        source=source,
        name=name,
        type="track",
        occurred_at=NOON - 3 * DAY,
        received_at=NOON,
        identifiers=(Identifier("user_id", "ana"),),
        vouched_count=1,
        properties=properties,
        traits=traits,
    )


def heard_from(source: str, *, is_settled: bool) -> Engine:
    """Return an engine that heard of Ana's overdue bill, and then looked at her for some reason."""
    bundle = compile_brand(load_brand(LARKMEAD))
    engine = Engine(MemoryStore(), bundle, secret=b"", public_url="https://kept.example")
    ana = {"email": "ana@example.com", "zone": "Europe/Lisbon", "region": "PT"}
    bill = {"bill_id": "b1", "amount": 40, "due_at": "2026-02-20T00:00:00Z"}
    with engine.store.transaction():
        who = told(source, "Identified", 1, traits=ana)
        ingest(engine, [who], [], source=source, now=NOON)
        ingest(
            engine, [told(source, "Bill Issued", 2, traits={}, **bill)], [], source=source, now=NOON
        )
        if is_settled:
            settle_import(engine, NOON)
        react(engine, customer_of(engine), NOON)
    return engine


def customer_of(engine: Engine) -> Customer:
    """Return Ana."""
    found = find_customer(engine.customers, [(Identifier("user_id", "ana"), False)])
    assert found is not None
    return found


@pytest.mark.parametrize("is_settled", [True, False])
def test_what_history_makes_hold_is_not_said(is_settled: bool) -> None:  # noqa: FBT001 - a parameter
    """A wake or a callback may come before the turn of those whose history came in."""
    engine = heard_from("history", is_settled=is_settled)
    with engine.store.transaction():
        assert not customer_of(engine).messages
        # A day later that is as true as it was.
        react(engine, customer_of(engine), NOON + DAY)
        assert not customer_of(engine).messages


def test_the_same_is_said_when_it_is_heard_live() -> None:
    """It is history that is silent, and not the action that has nothing to say."""
    engine = heard_from("billing", is_settled=False)
    with engine.store.transaction():
        said = {one.action for one in customer_of(engine).messages.values()}
        assert said == {"bill_due", "bill_reminder"}


def test_history_of_one_who_cannot_be_looked_at_keeps_nobody_elses_waiting() -> None:
    """They are passed over, and taken stock of later."""
    engine = heard_from("history", is_settled=True)
    ana = customer_of(engine)
    engine.customers.imported[ana.customer_id] = ana
    engine.customers.set_aside[ana.customer_id] = NOON + DAY
    with engine.store.transaction():
        assert settle_import(engine, NOON) == 0
        assert list(engine.customers.imported) == [ana.customer_id]
        assert settle_import(engine, NOON + DAY) == 1
