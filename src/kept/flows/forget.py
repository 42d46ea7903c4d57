"""Forget somebody: cut everything off at once, erase it, and keep only what keeps it so.

All of it is one transaction. What is kept is a tombstone for each identifier, a keyed hash that
says of nobody who they were: late events are not taken, and whoever comes back is asked anew. What
recipients outside must forget is kept, sealed, until they have confirmed.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from kept.clock import random_bytes
from kept.core.consent import CONSENT_WITHDRAWN
from kept.core.erasure import ErasureRecord, end_of_day
from kept.core.event import Event, Identifier
from kept.core.message import IN_FLIGHT_STATES
from kept.core.named_people import find_named, spells_any
from kept.core.touchpoint_identifiers import other_spellings
from kept.core.touchpoint_item import Rejected
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.erasure_records import save_record
from kept.flows.guard import Erased, keep_erasure
from kept.flows.history_list import note_gone
from kept.flows.legal_holds import hold_records
from kept.flows.note_in_log import note_operator
from kept.flows.react import react
from kept.flows.recipients import find_recipients
from kept.flows.resolve import find_customer, take_evidence
from kept.ports import Store

UNFORGOTTEN_MAX: Final = 100_000
"""Ways of naming somebody that are known to be of nobody forgotten, before they are looked up anew."""
_QUARANTINE_CHUNK: Final = 100
_SALT_BYTES: Final = 8


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, by whom, and how it was made sure who asks."""

    request_id: str
    actor: str
    confirmed_by: str
    is_suppressed: bool = False
    """Whether nothing is taken of them any more, even if they come back."""
    is_forwarded: bool = True
    """Whether recipients outside are told."""


def forget(engine: Engine, wanted: Identifier, wish: Wish, now: int) -> ErasureRecord:
    """Forget the customer whom an identifier leads to; nobody known by it is forgotten beforehand."""
    customer = find_customer(engine.customers, [(wanted, False), (wanted, True)])
    identifiers = (
        sorted({part.identifier for part in customer.parts.values()}) if customer else [wanted]
    )
    bury(
        engine,
        identifiers,
        until=end_of_day(now),
        is_suppressed=wish.is_suppressed,
        is_forwarded=wish.is_forwarded,
    )
    if customer is None:
        return _record(engine, _begin_record(wish, identifiers, now), [], now)
    record, neighbours = _erase(engine, customer, sorted(customer.parts), wish, now)
    for other in _regroup(engine, neighbours, now):
        react(engine, other, now)
    return record


def _begin_record(wish: Wish, identifiers: Iterable[Identifier], now: int) -> ErasureRecord:
    return ErasureRecord(
        request_id=wish.request_id,
        erased_at=now,
        actor=wish.actor,
        confirmed_by=wish.confirmed_by,
        is_suppressed=wish.is_suppressed,
        identifiers=tuple(identifiers),
    )


def _record(
    engine: Engine, record: ErasureRecord, part_ids: Sequence[int], now: int
) -> ErasureRecord:
    """Keep an erasure and that it was done; return it with its place in the consent log."""
    detail = {
        "request": record.request_id,
        "confirmed_by": record.confirmed_by,
        "erased": {
            "events": record.event_count,
            "decisions": record.decision_count,
            "messages": record.message_count,
        },
        # By their numbers the consent log tells what was forgotten from what was damaged.
        "parts": list(part_ids),
    }
    index = note_operator(
        engine.store, "erasure", actor=record.actor, verb="forget", detail=detail, now=now
    )
    record = msgspec.structs.replace(record, log_index=index)
    save_record(engine.store, record, number=engine.store.next_request_number())
    engine.counts["forgotten", ""] += 1
    return record


def _erase(
    engine: Engine, customer: Customer, part_ids: list[int], wish: Wish, now: int
) -> tuple[ErasureRecord, set[int]]:
    """Erase parts of a customer; return what became of them, and whose evidence is to be weighed anew."""
    identifiers = sorted({customer.parts[part_id].identifier for part_id in part_ids})
    messages = engine.store.load_part_messages(part_ids)
    held = hold_records(engine, part_ids, number=engine.store.next_request_number(), now=now)
    recipients = find_recipients(engine, customer, messages, now) if wish.is_forwarded else ()
    leaving = [one for one in messages if one.state in IN_FLIGHT_STATES]
    withdrawn = sum(one.is_open for one in messages) - len(leaving)
    engine.customers.forget(customer)
    neighbours = _neighbours(engine.store, part_ids) | (set(customer.parts) - set(part_ids))
    # Nobody may work with keys that are destroyed, or take up who was forgotten.
    engine.store.change_control()
    counts = engine.store.erase_parts(part_ids)
    note_gone(engine.store, parts=part_ids, request_id=wish.request_id)
    _erase_quarantined(engine, identifiers)
    record = msgspec.structs.replace(
        _begin_record(wish, identifiers, now),
        message_ids=tuple(one.message_id for one in messages),
        event_count=counts.events,
        decision_count=counts.decisions,
        message_count=counts.messages,
        withdrawn_count=withdrawn,
        in_flight=tuple(sorted({one.channel for one in leaving})),
        held=held,
        recipients=recipients,
    )
    return _record(engine, record, part_ids, now), neighbours


def _neighbours(store: Store, part_ids: Sequence[int]) -> set[int]:
    """Return parts of others that evidence led to, and that it did not join."""
    ends = {end for link in store.load_links(part_ids) for end in (link.part_a, link.part_b)}
    return ends - set(part_ids)


def _regroup(engine: Engine, part_ids: set[int], now: int) -> list[Customer]:
    """Look afresh at who is who among those who are left: limits may not be exceeded any more."""
    if not part_ids:
        return []
    changed = take_evidence(
        engine.customers, engine.store, [], engine.bundle.namespaces, begun=part_ids
    )
    if engine.customers.regrouped:
        engine.note_regrouped(now)
    return changed


def bury(
    engine: Engine,
    identifiers: Iterable[Identifier],
    *,
    until: int,
    is_suppressed: bool,
    is_forwarded: bool = True,
) -> None:
    """Keep a tombstone for each identifier, as its sources vouched for it and as others may claim it.

    Forgetting somebody (`until`) does not lift a suppression: that is only done in so many words.
    """
    store = engine.store
    for identifier in identifiers:
        for claimed in (False, True):
            stone = store.find_tombstone(identifier, claimed=claimed)
            stays = bool(until) and stone is not None and stone.is_suppressed
            _keep_stone(
                engine,
                Erased(
                    key=store.lookup_key(identifier, claimed=claimed),
                    what=0,
                    until=until,
                    is_suppressed=is_suppressed or stays,
                    is_forwarded=is_forwarded,
                    salt=random_bytes(_SALT_BYTES),
                ),
            )


def _keep_stone(engine: Engine, erased: Erased) -> None:
    engine.store.change_control()
    engine.store.save_tombstone(erased.key, until=erased.until, is_suppressed=erased.is_suppressed)
    keep_erasure(engine.store, erased)
    engine.unforgotten.clear()


def forget_again(engine: Engine, erasures: Iterable[Erased], now: int) -> None:
    """Forget identifiers once more, in a store that does not know of it.

    It came from a backup of before, or the process died between the guard and the commit. Nobody
    knows what was told to whom, so that it is an erasure like any other: what a law keeps is kept,
    and recipients are told. Nothing is decided yet. Every state must be stored.
    """
    store, customers = engine.store, engine.customers
    waiting: dict[int, Erased] = {}
    for erased in erasures:
        part = store.find_part_by_key(erased.key) if erased.until else None
        if part is not None:
            waiting[part.part_id] = erased
        _keep_stone(engine, erased)
    neighbours: set[int] = set()
    while waiting:
        (part,) = store.load_parts([min(waiting)])
        customer = customers.home_of(part)
        part_ids = sorted(set(customer.parts) & set(waiting))
        known = [waiting.pop(part_id) for part_id in part_ids]
        wish = Wish(
            request_id=f"again-{random_bytes(_SALT_BYTES).hex()}",
            actor="kept",
            confirmed_by="the guard log",
            is_suppressed=any(erased.is_suppressed for erased in known),
            is_forwarded=any(erased.is_forwarded for erased in known),
        )
        _, touched = _erase(engine, customer, part_ids, wish, now)
        neighbours = (neighbours | touched) - set(part_ids)
    _regroup(engine, neighbours, now)


def _erase_quarantined(engine: Engine, identifiers: Sequence[Identifier]) -> None:
    """Drop what could not be taken and names one of these people: it has no part of its own."""
    values = [one.value for one in identifiers]
    after, found = 0, []
    while rows := engine.store.read_quarantine(after=after, limit=_QUARANTINE_CHUNK):
        after = rows[-1].quarantine_id
        found += [row.quarantine_id for row in rows if spells_any(row.payload, values)]
    engine.store.erase_quarantined(found)


# -- those who were forgotten, and what comes after


def leave_out_forgotten(engine: Engine, events: Sequence[Event]) -> Sequence[Event]:
    """Return events without the forgotten; those that are about one of them are left out.

    What happened before they were forgotten comes too late, whenever it arrives.
    """
    if not engine.store.has_tombstones():
        return events
    living = (
        event
        if (event.identifiers, event.vouched_count) in engine.unforgotten
        else _leave_out(engine, event)
        for event in events
    )
    return [event for event in living if event is not None]


def _leave_out(engine: Engine, event: Event) -> Event | None:
    """Return an event without identifiers of the forgotten, None if it falls to one of them."""
    kept: list[Identifier] = []
    vouched_count, is_marked = 0, False
    for position, identifier in enumerate(event.identifiers):
        claimed = position >= event.vouched_count
        stone = engine.store.find_tombstone(identifier, claimed=claimed)
        is_marked |= stone is not None
        if stone is not None and (stone.is_suppressed or event.occurred_at < stone.until):
            if position == 0:
                return None
            continue
        kept.append(identifier)
        vouched_count += not claimed
    if not is_marked:
        if len(engine.unforgotten) >= UNFORGOTTEN_MAX:
            engine.unforgotten.clear()
        engine.unforgotten.add((event.identifiers, event.vouched_count))
    if len(kept) == len(event.identifiers):
        return event
    return msgspec.structs.replace(event, identifiers=tuple(kept), vouched_count=vouched_count)


def leave_out_named(engine: Engine, rejected: Sequence[Rejected], now: int) -> Sequence[Rejected]:
    """Return what could not be taken, without what names somebody forgotten: it is not kept either."""
    if not engine.store.has_tombstones():
        return rejected
    namespaces = {name: name for name in engine.bundle.namespaces}
    for name, namespace in engine.bundle.brand.sources.namespaces.items():
        for trait in (namespace.trait, *other_spellings([namespace.trait])):
            namespaces[trait] = name
    return [
        one
        for one in rejected
        if not any(
            _is_forgotten(engine, named, now) for named in find_named(one.payload, namespaces)
        )
    ]


def _is_forgotten(engine: Engine, identifier: Identifier, at: int) -> bool:
    stone = engine.store.find_tombstone(identifier, claimed=False)
    return stone is not None and (stone.is_suppressed or at < stone.until)


def refuse_for_returned(engine: Engine, customer: Customer, part_id: int, now: int) -> None:
    """Keep the opt-outs of somebody who was forgotten and begins anew in force, if an event tells of one.

    Nobody knows any more what they had refused, so that everything counts that can be refused. It
    counts from when they were forgotten, so that what they allow anew is later.
    """
    if not engine.customers.returned_at:
        return
    refused_at, engine.customers.returned_at = engine.customers.returned_at, 0
    for properties in refusals_of(engine):
        engine.append_own(customer, part_id, CONSENT_WITHDRAWN, properties, now, at=refused_at)


def refusals_of(engine: Engine) -> list[dict[str, Any]]:
    """Return what withdraws every purpose that needs no contract and no law."""
    return [
        {"purpose": name}
        for name, purpose in sorted(engine.bundle.brand.consent.purposes.items())
        if purpose.basis in ("consent", "legitimate_interest")
    ]
