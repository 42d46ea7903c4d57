"""Fill a base: everybody's facts at one instant, read from a store as it was then.

Nobody who writes waits for it. What stored states do not hold yet is folded in from the stream, as at
a start, so that a base has exactly what the server knew at the instant of its snapshot.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kept.base_port import Base, Snapshot
from kept.core.bundle import Bundle
from kept.core.decision import Facts, OpenMessage
from kept.core.facts import View, read_facts
from kept.core.fold.fold import FoldPlan, decode_state, fold_event
from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.core.policy_sql.lookups import drawn_table, zones_table
from kept.core.policy_sql.rows import RowWriter
from kept.core.policy_sql.schema import schema_of
from kept.core.state import State
from kept.flows.customers import Customer
from kept.flows.engine import open_messages_of
from kept.ports import StoredEvent

CUSTOMERS_AT_ONCE: Final = 500
SAMPLED_MAX: Final = 100
SETTLED_AFTER: Final = 100_000
"""After so many customers what was added is compressed, which bounds the memory that it takes."""
_EVENTS_AT_ONCE: Final = 5_000


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """What a base was filled with."""

    instant: int
    """The instant at which everything in it is valid (µs)."""
    customers: int
    claimed: int
    """Of how many something is merely claimed."""
    unknown: int
    """Of how many something is unknown."""
    sample: tuple["Sampled", ...]
    """Some of the customers as the engine sees them, by whom the base is proved."""


class Sampled(msgspec.Struct, frozen=True):
    """A customer who is in a base, as the engine sees them."""

    customer_id: int
    facts: Facts
    open_messages: tuple[OpenMessage, ...]


def extract_base(
    base: Base,
    snapshot: Snapshot,
    bundle: Bundle,
    plan: FoldPlan,
    *,
    now: int,
    go_on: Callable[[int], bool] = lambda count: True,
) -> Extracted | None:
    """Fill a base with everybody, and return what is in it; None if it was not to go on.

    Args:
        plan: the fold by which the stored states were made.
        go_on: is told how many are in, and says whether to go on.
    """
    writer, tail = RowWriter(bundle), _load_tail(snapshot)
    base.begin(schema_of(bundle))
    zones: set[str] = set()
    sample = _Sample()
    count = claimed_count = unknown_count = after = 0
    while ids := snapshot.list_customers(after=after, limit=CUSTOMERS_AT_ONCE):
        after = ids[-1]
        rows, claims = [], []
        for customer in load_customers(snapshot, plan, ids, tail):
            facts = read_facts(
                bundle.fact_plan,
                customer.total(plan),
                customer.restricting(plan),
                view=View(),
                identifiers=customer.identifiers,
                customer_id=customer.customer_id,
                now=now,
            )
            messages = open_messages_of(customer)
            rows.append(writer.write(customer.customer_id, facts, messages))
            sample.offer(customer.customer_id, facts, messages)
            unknown_count += bool(facts.unknown)
            claimed = writer.write_claimed(customer.customer_id, facts)
            if claimed is not None:
                claims.append(claimed)
            if facts.zone is not None:
                zones.add(facts.zone)
        base.add("customers", rows)
        base.add("claimed", claims)
        count += len(rows)
        claimed_count += len(claims)
        if count // SETTLED_AFTER != (count - len(rows)) // SETTLED_AFTER:
            base.settle()
        if not go_on(count):
            return None
    base.look_up(zones_table(bundle.policy, zones, now))
    base.look_up(drawn_table(bundle.policy))
    base.settle()
    return Extracted(
        instant=now,
        customers=count,
        claimed=claimed_count,
        unknown=unknown_count,
        sample=tuple(sample.taken),
    )


class _Sample:
    """Some customers from everywhere, however many there are."""

    def __init__(self) -> None:
        self.taken: list[Sampled] = []
        self._stride = 1
        self._seen = 0

    def offer(self, customer_id: int, facts: Facts, open_messages: tuple[OpenMessage, ...]) -> None:
        """Take this one or not: ever fewer, the more there are."""
        if self._seen % self._stride == 0:
            self.taken.append(Sampled(customer_id, facts, open_messages))
            if len(self.taken) == SAMPLED_MAX:
                self.taken, self._stride = self.taken[::2], self._stride * 2
        self._seen += 1


def load_customers(
    snapshot: Snapshot,
    plan: FoldPlan,
    customer_ids: Sequence[int],
    tail: dict[int, list[StoredEvent]],
) -> list[Customer]:
    """Return these customers with the states of all their parts, up to the end of the stream."""
    parts = snapshot.load_customers(customer_ids)
    part_ids = [part.part_id for own in parts.values() for part in own]
    states: dict[int, State] = {}
    applied = dict.fromkeys(part_ids, 0)
    for row in snapshot.load_states(part_ids):
        states[row.part_id] = decode_state(row.state)
        applied[row.part_id] = row.applied_sequence
    several = [part.part_id for own in parts.values() if len(own) > 1 for part in own]
    links: dict[int, list[Link]] = {}
    for link in snapshot.load_links(several) if several else ():
        links.setdefault(link.part_a, []).append(link)
        links.setdefault(link.part_b, []).append(link)
    home = {part.part_id: customer_id for customer_id, own in parts.items() for part in own}
    messages: dict[int, list[Message]] = {}
    for message in snapshot.load_open_messages(part_ids):
        messages.setdefault(home[message.part_id], []).append(message)
    for part_id in part_ids:
        state = states.setdefault(part_id, State())
        for stored in tail.get(part_id, ()):
            if stored.sequence > applied[part_id]:
                fold_event(plan, state, stored.event)
                applied[part_id] = stored.sequence
    return [
        _customer(customer_id, own, states, applied, links, messages)
        for customer_id, own in parts.items()
        if own
    ]


def _customer(
    customer_id: int,
    parts: list[Part],
    states: dict[int, State],
    applied: dict[int, int],
    links: dict[int, list[Link]],
    messages: dict[int, list[Message]],
) -> Customer:
    ids = [part.part_id for part in parts]
    own_links: dict[tuple[int, int, str], int] = {
        (link.part_a, link.part_b, link.evidence): link.first_at
        for part_id in ids
        for link in links.get(part_id, ())
    }
    return Customer(
        customer_id,
        {part.part_id: part for part in parts},
        {part_id: states[part_id] for part_id in ids},
        {part_id: applied[part_id] for part_id in ids},
        own_links,
        {message.message_id: message for message in messages.get(customer_id, ())},
    )


def _load_tail(snapshot: Snapshot) -> dict[int, list[StoredEvent]]:
    """Return the events that stored states may not hold yet, by part."""
    tail: dict[int, list[StoredEvent]] = {}
    after = snapshot.load_mark()
    while events := snapshot.load_events(after=after, limit=_EVENTS_AT_ONCE):
        after = events[-1].sequence
        for stored in events:
            tail.setdefault(stored.part_id, []).append(stored)
    return tail
