"""Take events: claim, resolve, store, fold, and everything that follows, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kept.core.event import Event
from kept.core.message import IN_FLIGHT_STATES
from kept.core.touchpoint_item import Rejected
from kept.flows.claims import claim, hours_of
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.forget import leave_out_forgotten, leave_out_named, refuse_for_returned
from kept.flows.import_events import settle_before
from kept.flows.missing_stops import apply_awaited
from kept.flows.overrule import overrule
from kept.flows.react import react
from kept.flows.resolve import find_customer, resolve
from kept.flows.together import Wants


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """A hand-over that had begun to leave before the event was heard (guarantee G1)."""

    message_id: str
    action: str
    channel: str
    attempted_at: int


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request's events."""

    accepted: int
    duplicates: int
    forgotten: int
    """Of people who were forgotten: they are not taken."""
    quarantined: int
    in_flight: tuple[InFlight, ...]
    withdrawn: tuple[str, ...]


def ingest(
    engine: Engine,
    events: Sequence[Event],
    rejected: Sequence[Rejected],
    *,
    source: str,
    now: int,
) -> Ingested:
    """Take events of one request, each on its own; one that cannot be taken is quarantined.

    Those of an import are folded, and nothing is decided or sent because of them.
    """
    silent = source in engine.plan.imports
    policy = engine.bundle.policy
    touched: dict[int, tuple[Customer, int]] = {}
    regrouped_count = engine.customers.regrouped_count
    duplicates: list[Event] = []
    living = leave_out_forgotten(engine, events)
    forgotten = len(events) - len(living)
    for event in living:
        if not claim(engine, event):
            duplicates.append(event)
            continue
        customer, part_id = resolve(engine.customers, engine.store, event, engine.bundle.namespaces)
        if not silent:
            settle_before(engine, customer, event.received_at)
        event = overrule(engine.plan, customer, event)  # noqa: PLW2901 - the event as it is taken
        engine.fold(customer, part_id, event, silent=silent)
        apply_awaited(engine, event.received_at, silent=silent)
        refuse_for_returned(engine, customer, part_id, event.received_at)
        standing = customer.standing
        # An event that nothing is decided by leaves the answer that stands.
        if standing is None or policy.is_influenced_by(event.name) or now >= standing.until:
            touched[customer.customer_id] = customer, part_id
    quarantined = _quarantine(engine, rejected, source=source, now=now)
    forgotten += len(rejected) - quarantined
    if not silent and (events or rejected):
        engine.heard_at[source] = now
    accepted = len(living) - len(duplicates)
    engine.counts["events", source] += accepted
    engine.counts["duplicates", source] += len(duplicates)
    engine.counts["of_the_forgotten", source] += forgotten
    engine.counts["quarantined", source] += quarantined
    in_flight: list[InFlight] = []
    withdrawn: list[str] = []
    if touched and not silent:
        customers: Iterable[Customer] = [customer for customer, _ in touched.values()]
        if engine.customers.regrouped_count != regrouped_count:
            customers = _newest(engine, touched)
        in_flight, withdrawn = _follow(engine, customers, now)
    if duplicates and not silent:
        in_flight += _still_leaving(engine, duplicates, told={one.message_id for one in in_flight})
    return Ingested(
        accepted=accepted,
        duplicates=len(duplicates),
        forgotten=forgotten,
        quarantined=quarantined,
        in_flight=tuple(in_flight),
        withdrawn=tuple(withdrawn),
    )


def _quarantine(engine: Engine, rejected: Sequence[Rejected], *, source: str, now: int) -> int:
    """Keep what could not be taken, unless it names somebody forgotten; return how much it was."""
    kept = leave_out_named(engine, rejected, now)
    for one in kept:
        engine.store.quarantine(
            source=source, received_at=now, code=one.code, detail=one.detail, payload=one.payload
        )
    return len(kept)


def wants_of(events: Sequence[Event]) -> Wants:
    """Return what taking events will touch, as far as they say so themselves."""
    return Wants(
        identifiers=[
            (identifier, position >= event.vouched_count)
            for event in events
            for position, identifier in enumerate(event.identifiers)
        ],
        claims=[(event.event_key, hour) for event in events for hour in hours_of(event)],
    )


def _follow(
    engine: Engine, touched: Iterable[Customer], now: int
) -> tuple[list[InFlight], list[str]]:
    """React once for each customer that the events were about."""
    in_flight: list[InFlight] = []
    withdrawn: list[str] = []
    for customer in touched:
        withdrawn += [message.message_id for message in react(engine, customer, now)]
        in_flight += _leaving(customer)
    return in_flight, withdrawn


def _leaving(customer: Customer) -> list[InFlight]:
    """Return a customer's messages that are on their way."""
    return [
        InFlight(
            message_id=message.message_id,
            action=message.action,
            channel=message.channel,
            attempted_at=message.attempted_at,
        )
        for message in customer.messages.values()
        if message.state in IN_FLIGHT_STATES
    ]


def _still_leaving(
    engine: Engine, duplicates: Iterable[Event], *, told: set[str]
) -> list[InFlight]:
    """Return what is on its way to those whom events were about that had been taken before.

    The first answer may never have arrived, so that what it listed is told again.
    """
    found: dict[int, Customer] = {}
    for event in duplicates:
        anchor = event.identifiers[0], event.vouched_count == 0
        customer = find_customer(engine.customers, [anchor])
        if customer is not None:
            found[customer.customer_id] = customer
    leaving = (one for customer in found.values() for one in _leaving(customer))
    return [one for one in leaving if one.message_id not in told]


def _newest(engine: Engine, touched: Mapping[int, tuple[Customer, int]]) -> Iterable[Customer]:
    """Return customers as they are now: an event of the same request may have merged some."""
    homes = [
        engine.customers.home_of(customer.parts[part_id]) for customer, part_id in touched.values()
    ]
    return {customer.customer_id: customer for customer in homes}.values()
