"""Laws of unmerging: two people who were one for a while are what they would have been apart (G10)."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kept.core.decision import Facts, Request
from kept.core.event import Event, Identifier
from kept.core.fold.fold import decode_state, encode_state
from kept.core.state import State
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, HOUR, SECOND
from kept.errors import ConflictError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.recover import recover
from kept.flows.regroup import merge, unmerge
from kept.flows.resolve import resolve
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead

NOW = 1_772_452_800_000_000
Pair = tuple[Identifier, Identifier]
ANA, BO = Identifier("user_id", "ana"), Identifier("user_id", "bo")
MAIL, WORK, FAMILY = (
    Identifier("email", f"{name}.example.com") for name in ("ana@home", "ana@work", "us@family")
)
pairs = st.sampled_from([(ANA, BO), (ANA, MAIL), (MAIL, WORK), (BO, FAMILY), (WORK, FAMILY)])
"""Whom the operator holds for two: two users, or what events tell of one user and an address."""


@st.composite
def said(draw: st.DrawFn) -> tuple[str, WireItem]:
    """Draw what a touchpoint says of Ana or Bo, by one or several of their names, or of both."""
    user = draw(st.sampled_from(["ana", "bo"]))
    emails = [f"{user}@home.example.com", f"{user}@work.example.com", FAMILY.value]
    named: dict[str, Any] = {"user_id": user}
    if draw(st.booleans()):
        by_email = {"id": draw(st.sampled_from(emails)), "type": "email"}
        named["context"] = {"externalIds": [by_email]}
    if draw(st.integers(0, 3)) == 0:
        named["anonymous_id"] = draw(st.sampled_from([f"c-{user}", "tablet"]))
    if draw(st.integers(0, 3)) == 0:
        del named["user_id"]
        named.setdefault("anonymous_id", f"c-{user}")
    source, told = draw(st.sampled_from(_SAYINGS))
    if source == "web":
        named = {"anonymous_id": f"c-{user}"} | {k: v for k, v in named.items() if k != "context"}
    if source == "billing":
        named = {"user_id": user}
    context = named.get("context", {}) | told.get("context", {})
    item = WireItem(
        **{
            "type": "track",
            "message_id": str(draw(st.integers(1, 10**9))),
            "timestamp": (NOW - draw(st.integers(0, 5 * 24)) * HOUR) / SECOND,
            **told,
            **named,
            "context": context,
        }
    )
    return source, item


def _marketing(event: str) -> dict[str, Any]:
    return {"event": event, "properties": {"entity": "shop", "purpose": "marketing"}}


def _categories(*, allowed: bool) -> dict[str, Any]:
    told = {"consent": {"categoryPreferences": {"Advertising": allowed}}}
    return {"event": "Segment Consent Preference Updated", "context": told}


_SAYINGS: list[tuple[str, dict[str, Any]]] = [
    ("shop", _marketing("Consent Given")),
    ("shop", _marketing("Consent Given")),
    ("shop", _marketing("Consent Withdrawn")),
    ("shop", {"event": "Order Completed", "properties": {"total": 7}}),
    ("shop", {"event": "Order Completed", "properties": {"total": 5}}),
    ("shop", {"event": "Case Opened", "properties": {"case_id": "k1"}}),
    ("shop", {"event": "Case Resolved", "properties": {"case_id": "k1"}}),
    ("shop", {"type": "identify", "traits": {"first_name": "A", "zone": "Asia/Tokyo"}}),
    ("billing", {"event": "Bill Issued", "properties": {"bill_id": "b1", "amount": 4}}),
    ("billing", {"event": "Bill Paid", "properties": {"bill_id": "b1"}}),
    ("web", {"type": "page"}),
    ("web", _categories(allowed=True)),
    ("web", _categories(allowed=False)),
]

streams = st.lists(said(), max_size=14, unique_by=lambda one: one[1].message_id)
doings = st.lists(
    st.tuples(st.integers(0, 14), st.sampled_from(["merge", "merge", "flush"])), max_size=6
)


class Folk:
    """An engine that hears and regroups, and sends nothing."""

    def __init__(self, pair: Pair) -> None:
        """Know nobody but the two whom the operator has in mind."""
        self.pair = pair
        self.store = MemoryStore()
        self.engine = self.open_engine()
        for one in pair:
            named = {"id": one.value, "type": one.namespace}
            who: dict[str, Any] = {"context": {"externalIds": [named]}}
            if one.namespace == "user_id":
                who = {"user_id": one.value}
            self.hear("shop", WireItem(type="page", timestamp=NOW / SECOND, **who))

    def open_engine(self) -> Engine:
        """Return an engine on what is durable."""
        engine = Engine(
            self.store, compile_larkmead(), secret=b"x", public_url="https://kept.example"
        )
        with self.store.transaction():
            recover(engine, NOW)
        return engine

    def hear(self, source: str, item: WireItem) -> None:
        """Take what a touchpoint says, and let nothing follow from it."""
        engine = self.engine
        event = engine.bundle.touchpoints[source].read(item, received_at=NOW)
        assert isinstance(event, Event)
        with self.store.transaction():
            customer, part_id = resolve(
                engine.customers, self.store, event, engine.bundle.namespaces
            )
            engine.fold(customer, part_id, event)

    def act(self, doing: str) -> None:
        """Let the operator merge the two, or let time do its work."""
        with self.store.transaction():
            if doing == "merge":
                with suppress(ConflictError):
                    merge(self.engine, *self.pair, actor="test", now=NOW)
            elif doing == "separate":
                unmerge(self.engine, *self.pair, actor="test", now=NOW)
            elif doing == "look":
                for customer in self.everybody():
                    look(self.engine, customer)
            else:
                self.engine.customers.flush(100)

    def everybody(self) -> list[Customer]:
        """Return all customers."""
        count = self.store.read_counts()["parts"]
        parts = self.store.load_parts(list(range(1, count + 1)))
        homes = {part.part_id: self.engine.customers.home_of(part) for part in parts}
        return list({home.customer_id: home for home in homes.values()}.values())


def look(engine: Engine, customer: Customer) -> Facts:
    """Return what a decision reads of a customer, but for what their number draws."""
    facts = engine.look(customer, Request(), NOW).facts
    return msgspec.structs.replace(facts, draw=0)


def described(engine: Engine, customers: Sequence[Customer]) -> dict[Any, Any]:
    """Return all that is known of each customer, by the names of their parts."""
    return {
        frozenset((part.identifier, part.claimed) for part in customer.parts.values()): (
            look(engine, customer),
            copied(customer.total(engine.plan)),
            copied(customer.restricting(engine.plan)),
            {
                (customer.parts[part_id].identifier, customer.parts[part_id].claimed): copied(state)
                for part_id, state in customer.states.items()
            },
        )
        for customer in customers
    }


def copied(state: State | None) -> State | None:
    """Return a state as it comes back from the disk."""
    return None if state is None else decode_state(encode_state(state))


@given(pairs, streams, doings, st.data())
def test_unmerging_gives_what_the_two_would_have_been_apart(
    pair: Pair,
    stream: list[tuple[str, WireItem]],
    doing: list[tuple[int, str]],
    data: st.DataObject,
) -> None:
    """G10: whatever made them one, and whatever was heard meanwhile, in whatever order."""
    apart = Folk(pair)
    apart.act("separate")
    for source, item in stream:
        apart.hear(source, item)

    mixed = Folk(pair)
    other = data.draw(st.permutations(stream))
    separated_after = data.draw(st.integers(0, len(stream)))
    for position in range(len(other) + 1):
        for at, what in doing:
            if at == position:
                mixed.act(what)
        if position == separated_after:
            mixed.act("separate")
        if position < len(other):
            mixed.hear(*other[position])
            # What was added up is not added up again: it must stay right by itself.
            mixed.act("look")

    expected = described(apart.engine, apart.everybody())
    assert described(mixed.engine, mixed.everybody()) == expected
    mixed.engine = mixed.open_engine()
    assert described(mixed.engine, mixed.everybody()) == expected


@given(pairs, streams, st.integers(0, 6 * 24))
def test_while_they_are_one_the_most_restrictive_word_counts(
    pair: Pair, stream: list[tuple[str, WireItem]], hours: int
) -> None:
    """G10: a no of either holds for both, unless they said yes again after they had become one."""
    folk = Folk(pair)
    for source, item in stream:
        folk.hear(source, item)
    joined_at = NOW - hours * HOUR
    # Unless what was heard had made them one already.
    with folk.store.transaction(), suppress(ConflictError):
        merge(folk.engine, *pair, actor="test", now=joined_at)
    ana = folk.engine.customers.find_part(pair[0], claimed=False)
    assert ana is not None
    one = folk.engine.customers.home_of(ana)
    told = one.total(folk.engine.plan).consents
    key = "p|shop|marketing|"
    words = [(one.parts[p], state.consents.get(key)) for p, state in one.states.items()]
    noes = [word.at for _, word in words if word is not None and word.value is False]
    yeses = [
        word.at
        for part, word in words
        if word is not None and word.value is True and not part.claimed
    ]
    if noes and not any(at >= one.joined_at and at >= max(noes) for at in yeses):
        assert told[key].value is False
    if not noes and yeses:
        assert told[key].value is True
    if not yeses:
        assert key not in told or told[key].value is False


def test_the_streams_join_and_part() -> None:
    """What never makes the two one proves nothing: an event joins Ana and her address, and they part."""
    folk = Folk((ANA, MAIL))
    assert len(folk.everybody()) == 2
    by_email = {"externalIds": [{"id": MAIL.value, "type": "email"}]}
    told = WireItem(type="page", user_id="ana", timestamp=(NOW - DAY) / SECOND, context=by_email)
    folk.hear("shop", told)
    assert len(folk.everybody()) == 1
    folk.act("separate")
    assert len(folk.everybody()) == 2
