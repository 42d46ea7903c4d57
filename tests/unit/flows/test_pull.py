"""The inbox and the call list, on the real flows and a brand that says bills and offers through them."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from kept.core.brand.load import load_brand
from kept.core.check import check_folder, errors_of
from kept.core.compile import compile_brand
from kept.core.event import Identifier
from kept.core.identity import Part
from kept.core.touchpoint_item import Rejected, WireItem
from kept.core.values import DAY, SECOND, format_instant
from kept.flows.deliver import customer_of
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.pull import CallOutcome, Mark, mark_item, next_call, pull_inbox, settle_call
from kept.flows.recover import recover
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""
ANA = Identifier("user_id", "ana")
BILL: Final = "actions/bill_due.yaml"
CONSENT: Final = "consent.yaml"
PULLED: Final = """channels:
  inbox: {adapter: inbox, cost: 0.01 EUR}
  calls: {adapter: call_list, cost: 1.00 EUR, address: phone}
"""
TEXTS: Final = LARKMEAD | {
    CONSENT: LARKMEAD[CONSENT].replace("channels:\n", PULLED, 1),
    BILL: LARKMEAD[BILL].replace("[email, sms]", "[inbox]"),
}
CALLED: Final = TEXTS | {BILL: LARKMEAD[BILL].replace("[email, sms]", "[calls]")}


@pytest.fixture
def stage() -> Stage:
    """Give a stage at noon on which Ana is known."""
    assert errors_of(check_folder(TEXTS)) == []
    stage = Stage(compile_brand(load_brand(TEXTS)), MemoryStore(), now=NOON, shadow=False)
    traits = {"email": "ana@example.com", "phone": "+351912345678", "zone": "Europe/Lisbon"}
    tell(stage, "Identified", traits=traits)
    return stage


def tell(stage: Stage, event: str, *, source: str = "shop", **details: Any) -> None:
    """Let a touchpoint say one thing about Ana, a second later."""
    stage.now += SECOND
    kind = {"Identified": "identify"}.get(event, "track")
    item = WireItem(
        type=kind,
        event=event if kind == "track" else None,
        user_id="ana",
        timestamp=stage.now / SECOND,
        **details,
    )
    stage.signal(item, source=source, body={})


def reopened(stage: Stage, texts: Mapping[str, str]) -> Engine:
    """Return another engine on the same store, as after a restart on another brand folder."""
    engine = Engine(
        stage.store,
        compile_brand(load_brand(texts)),
        secret=stage.engine.secret,
        public_url="https://k.example",
    )
    with stage.store.transaction():
        recover(engine, stage.now)
    return engine


def inbox(stage: Stage, engine: Engine) -> list[str]:
    """Return the actions whose messages Ana's inbox shows."""
    with stage.store.transaction():
        ana = engine.customers.find_part(ANA, claimed=False)
        assert ana is not None
        customer = engine.customers.home_of(ana)
        items = pull_inbox(engine, customer, stage.now, channels=["inbox"], source="shop")
    return [item.action for item in items]


def _rename_bill(text: str) -> str:
    """Return a file of the brand that calls bills by another name."""
    for before in ("  bill:\n", "about: bill\n", "exists(bill,"):
        text = text.replace(before, before.replace("bill", "invoice"))
    return text


@pytest.mark.parametrize("gone", ["the action", "the kind of object"])
def test_what_a_new_brand_folder_cannot_say_is_not_shown_any_more(stage: Stage, gone: str) -> None:
    """Whose action or object was taken out of the folder goes from the inbox; the rest stays."""
    due = format_instant(stage.now - 2 * DAY)
    bill = {"bill_id": "b1", "amount": 40, "due_at": due}
    tell(stage, "Bill Issued", source="billing", properties=bill)
    assert inbox(stage, stage.engine) == ["bill_due"]
    if gone == "the action":
        texts = {file: text for file, text in TEXTS.items() if file != BILL}
    else:
        texts = {file: _rename_bill(text) for file, text in TEXTS.items()}
    assert errors_of(check_folder(texts)) == []
    assert inbox(stage, reopened(stage, texts)) == []


def marked(stage: Stage, *marks: Mark) -> str:
    """Return what is kept of Ana's only message once she did all this with it."""
    (message,) = stage.store.load_messages_in(["delivered"], limit=9)
    with stage.store.transaction():
        ana = customer_of(stage.engine, message)
        for mark in marks:
            mark_item(
                stage.engine, ana, message.message_id, mark, channels=["inbox"], now=stage.now
            )
    kept = stage.store.load_message(message.message_id)
    assert kept is not None
    return kept.mark


def test_what_was_dismissed_or_declined_does_not_come_back(stage: Stage) -> None:
    """A page that was left open says late that it was read, or says again what it said."""
    due = format_instant(stage.now - 2 * DAY)
    bill = {"bill_id": "b1", "amount": 40, "due_at": due}
    tell(stage, "Bill Issued", source="billing", properties=bill)
    assert inbox(stage, stage.engine) == ["bill_due"]
    assert marked(stage, "read") == "read"
    assert marked(stage, "dismissed", "read") == "dismissed"
    assert inbox(stage, stage.engine) == []
    assert marked(stage, "declined", "dismissed", "read") == "declined"
    heard = stage.store.last_sequence()
    assert marked(stage, "declined") == "declined"
    assert stage.store.last_sequence() == heard
    assert inbox(stage, stage.engine) == []


def take_call(stage: Stage) -> tuple[Engine, str]:
    """Let a bill be told by phone; return the engine, and the call that was handed out."""
    engine = reopened(stage, CALLED)
    due = format_instant(stage.now - 2 * DAY)
    bill = {"bill_id": "b1", "amount": 40, "due_at": due}
    item = WireItem(type="track", event="Bill Issued", user_id="ana", properties=bill)
    event = engine.bundle.touchpoints["billing"].read(item, received_at=stage.now)
    assert not isinstance(event, Rejected)
    with stage.store.transaction():
        ingest(engine, [event], [], source="billing", now=stage.now)
        card = next_call(engine, stage.now, channels=["calls"], source="shop")
    assert card is not None
    return engine, card.message_id


def end_call(stage: Stage, engine: Engine, message_id: str, outcome: CallOutcome) -> bool:
    """Say how a call went; return whether it waited for that."""
    with stage.store.transaction():
        return settle_call(engine, message_id, outcome, channels=["calls"], now=stage.now)


def test_a_call_that_was_handed_out_is_nobody_elses_after_a_restart(stage: Stage) -> None:
    """The agent who has it talks to the customer meanwhile, and says how it went."""
    _, message_id = take_call(stage)
    engine = reopened(stage, CALLED)
    with stage.store.transaction():
        assert next_call(engine, stage.now, channels=["calls"], source="shop") is None
    assert end_call(stage, engine, message_id, "do_not_call")
    settled = stage.store.load_message(message_id)
    assert settled is not None
    assert settled.state == "delivered"


@pytest.mark.parametrize("before", ["reached", "no_answer", "wrong_number"])
def test_whoever_says_do_not_call_is_heard_after_the_call_was_settled(
    stage: Stage, before: CallOutcome
) -> None:
    """G1: what the customer said counts, also where the agent's first word on the call was another."""
    engine, message_id = take_call(stage)
    assert end_call(stage, engine, message_id, before)
    ana = engine.customers.find_part(ANA, claimed=False)
    assert ana is not None
    assert not _is_opted_out(engine, ana)
    assert not end_call(stage, engine, message_id, "do_not_call")
    assert _is_opted_out(engine, ana)
    settled = stage.store.load_message(message_id)
    assert settled is not None
    # It waited to be tried again, and is not any more.
    assert settled.state == {"no_answer": "withdrawn", "reached": "delivered"}.get(before, "failed")


def _is_opted_out(engine: Engine, part: Part) -> bool:
    consents = engine.customers.home_of(part).total(engine.plan).consents
    return any(key.endswith("calls") and not said.value for key, said in consents.items())


def test_what_else_is_said_of_a_call_that_was_settled_changes_nothing(stage: Stage) -> None:
    """The first word on how it went stands."""
    engine, message_id = take_call(stage)
    assert end_call(stage, engine, message_id, "reached")
    settled = stage.store.load_message(message_id)
    for outcome in ("declined", "wrong_number", "busy"):
        assert not end_call(stage, engine, message_id, outcome)
    assert stage.store.load_message(message_id) == settled
    ana = engine.customers.find_part(ANA, claimed=False)
    assert ana is not None
    state = engine.customers.home_of(ana).total(engine.plan)
    assert (state.declines, state.closed_addresses) == ({}, {})
