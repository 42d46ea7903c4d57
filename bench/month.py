"""A month of a brand's customers, made by the flows of a server on virtual time, to be played again.

The brand is the example, with all of its touchpoints. Customers come in sessions: most of what they
do is to look at pages; some order, have a bill, open a case, or say what they think of messages.
"""

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.message import Accepted
from kept.core.touchpoint_item import Rejected, WireItem
from kept.core.values import DAY, HOUR, MINUTE, SECOND, format_instant
from kept.flows import deliver
from kept.flows.ask import Question, ask
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.tick import tick
from kept.ports import Store
from kept.runtime.folder import load_checked, read_folder

EXAMPLE: Final = Path(__file__).parent.parent / "examples" / "ferrowen"
STARTED_AT: Final = 1_772_442_000_000_000
"""2026-03-02T09:00:00Z, a Monday."""
SPAN: Final = 28 * DAY
SESSION: Final = 12
"""How many pages a session has, on average."""


@cache
def example_texts() -> dict[str, str]:
    """Return the example brand's folder."""
    return read_folder(EXAMPLE)


@cache
def example_bundle() -> Bundle:
    """Return the example brand."""
    return compile_brand(load_checked(example_texts()))


def play_month(
    store: Store, *, customers: int, signals: int, seed: int = 1, pace: int = 15 * MINUTE
) -> Engine:
    """Let so many customers cause about so many signals in a month, with everything that follows.

    Time passes in steps of `pace` (µs) while nothing is heard.
    """
    engine = Engine(
        store,
        example_bundle(),
        secret=b"a month is played by nobody outside of it",
        public_url="https://kept.example",
    )
    chance = random.Random(seed)
    heard = sorted(_signals(chance, customers, signals), key=lambda one: one[:2])
    now = STARTED_AT
    for number, (at, _, source, item) in enumerate(heard):
        while now < at:
            now = min(at, now + pace)
            work(engine, now)
        hear(engine, source, item, number, now)
        if number % 50 == 0:
            # Now and then somebody calls, and the desk asks what to say.
            who = {"user_id": str(item.user_id)}
            question = Question(placement="desk", identifiers=who)
            with store.transaction():
                ask(engine, question, source="call_centre", now=now)
    for _ in range(DAY // pace):
        now += pace
        work(engine, now)
    return engine


def work(engine: Engine, now: int) -> None:
    """Do what is due, as the writer and the senders do."""
    channels = list(engine.bundle.policy.channels)
    while True:
        with engine.store.transaction():
            woken = tick(engine, now)
            begun = deliver.take_due(engine, rooms=dict.fromkeys(channels, 100), now=now)
        for message, _ in begun:
            with engine.store.transaction():
                deliver.settle(engine, message.message_id, Accepted(), now)
        if not (woken or begun):
            return


def hear(engine: Engine, source: str, item: WireItem, number: int, now: int) -> None:
    """Take one item as the web layer would."""
    told = WireItem(
        type=item.type,
        event=item.event,
        user_id=item.user_id,
        message_id=f"month-{number}",
        timestamp=now / SECOND,
        properties=item.properties,
        traits=item.traits,
        context=item.context,
    )
    event = engine.bundle.touchpoints[source].read(told, received_at=now)
    assert not isinstance(event, Rejected), f"{source}: {event.detail}"
    with engine.store.transaction():
        ingest(engine, [event], [], source=source, now=now)


def _signals(
    chance: random.Random, customers: int, signals: int
) -> Iterator[tuple[int, int, str, WireItem]]:
    count = 0
    for number in range(customers):
        for at, source, item in _first(chance, f"c{number}"):
            count += 1
            yield at, count, source, item
    while count < signals:
        who = f"c{int(chance.random() * customers)}"
        at = STARTED_AT + HOUR + int(chance.random() * (SPAN - DAY))
        for at_page, source, item in _session(chance, who, at):
            count += 1
            yield at_page, count, source, item


def _first(chance: random.Random, who: str) -> Iterator[tuple[int, str, WireItem]]:
    """Yield how somebody becomes a customer, and what they allow."""
    at = STARTED_AT + int(chance.random() * HOUR)
    traits: dict[str, Any] = {
        "first_name": f"Name of {who}",
        "email": f"{who}@mail.example",
        "locale": chance.choice(["en", "pt", "de"]),
        "zone": chance.choice(["Europe/Lisbon", "Europe/Berlin", "Atlantic/Azores"]),
    }
    yield at, "app_backend", WireItem(type="identify", user_id=who, traits=traits)
    yield at + 1, "app_backend", track(who, "Account Opened", {})
    if chance.random() < 0.7:
        for entity in ("shop", "travel", "connections"):
            told = {"entity": entity, "purpose": "marketing", "channel": "email"}
            yield at + 2, "app_backend", track(who, "Consent Given", told)


def _session(chance: random.Random, who: str, at: int) -> Iterator[tuple[int, str, WireItem]]:
    pages = 1 + int(chance.random() * 2 * SESSION)
    for page in range(pages):
        at += int(chance.random() * 40 * SECOND)
        name, page_told = chance.choice(
            [
                ("Page Viewed", {"name": f"page {page % 7}"}),
                ("Product Viewed", {"product_id": f"p{page % 9}", "category": "kitchen"}),
                ("Page Viewed", {"name": f"page {page % 5}"}),
                ("Place Viewed", {"destination": chance.choice(["Lisbon", "Madeira", "Berlin"])}),
            ]
        )
        yield at, "app_backend", track(who, name, page_told)
    told: dict[str, Any]
    draw = chance.random()
    if draw < 0.10:
        order = f"{who}-{at}"
        told = {"order_id": order, "total": 49.90, "category": "kitchen"}
        yield at + MINUTE, "app_backend", track(who, "Order Completed", told)
    elif draw < 0.25:
        told = {"bill_id": f"{who}-{at}", "amount": 59.90}
        due = {"service": "fibre", "due_at": format_instant(at + 5 * DAY)}
        yield at + MINUTE, "billing", track(who, "Bill Issued", told | due)
        if chance.random() < 0.5:
            yield at + 4 * DAY, "billing", track(who, "Bill Paid", told)
    elif draw < 0.28:
        told = {"case_id": f"{who}-{at}", "subject": "Wrong colour", "topic": "order"}
        yield at + MINUTE, "helpdesk", track(who, "Case Opened", told)
        yield at + 2 * DAY, "helpdesk", track(who, "Case Resolved", told)
    elif draw < 0.31:
        told = {"purpose": "marketing", "channel": "email"}
        yield at + MINUTE, "app_backend", track(who, "Unsubscribed", told)


def track(who: str, name: str, properties: dict[str, Any]) -> WireItem:
    """Return what a touchpoint says that somebody did."""
    return WireItem(type="track", event=name, user_id=who, properties=properties)
