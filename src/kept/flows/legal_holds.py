"""What the law obliges to keep of somebody who is forgotten: taken out, sealed apart, and dated."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kept.core.brand.model import LegalHold
from kept.core.brand.units import parse_duration
from kept.core.erasure import HeldNote
from kept.core.event import Event
from kept.core.state import Stamped
from kept.errors import NotFoundError
from kept.flows.engine import Engine
from kept.flows.erasure_records import ERASURE
from kept.flows.note_in_log import note_operator
from kept.ports import HeldRecord
from kept.retention_port import retained_number

_encode: Final = msgspec.json.Encoder().encode


def hold_records(
    engine: Engine, part_ids: list[int], *, number: int, now: int
) -> tuple[HeldNote, ...]:
    """Seal what the brand's legal holds name under keys of their own; return what is told of it.

    A hold keeps its events whole, and beside them the fields that it names; nothing else.
    """
    holds = engine.bundle.brand.brand.legal_holds
    earlier = _notes_of_retained(engine, part_ids, now)
    if not holds:
        return tuple(earlier)
    events = [stored.event for stored in engine.store.load_part_events(part_ids)]
    notes = earlier
    for name, hold in sorted(holds.items()):
        keep = parse_duration(hold.keep)
        found = [
            HeldRecord(hold=name, until=event.occurred_at + keep, body=_write(event, hold, events))
            for event in events
            if event.name in hold.events and event.occurred_at + keep > now
        ]
        if found:
            engine.store.hold_records(number, found)
            notes.append(
                HeldNote(
                    hold=name,
                    law=hold.law,
                    record_count=len(found),
                    until=max(record.until for record in found),
                    told=hold.told,
                )
            )
    return tuple(notes)


def read_held(
    engine: Engine, request_id: str, *, actor: str, because: str, now: int
) -> list[HeldRecord]:
    """Return what is held after an erasure, for whoever the law lets ask; who asked is kept.

    Raises:
        NotFoundError: there is no such erasure.
    """
    row = engine.store.load_request(request_id)
    if row is None or row.kind != ERASURE:
        raise NotFoundError(f"there is no erasure {request_id[:100]!r}")
    detail = {"request": request_id, "because": because}
    note_operator(
        engine.store, "staff_access", actor=actor, verb="read_held", detail=detail, now=now
    )
    return engine.store.load_held_records(row.number)


def hold_past_its_time(
    engine: Engine,
    part_id: int,
    events: Sequence[Event],
    traits: Mapping[str, Stamped],
    *,
    now: int,
) -> None:
    """Seal what a legal hold keeps of events that are removed because their own time has passed."""
    told = {name: said.value for name, said in traits.items()}
    found = []
    for name, hold in sorted(engine.bundle.brand.brand.legal_holds.items()):
        keep = parse_duration(hold.keep)
        wanted = {
            field.removeprefix("trait."): told[field.removeprefix("trait.")]
            for field in hold.fields
            if field.startswith("trait.") and field.removeprefix("trait.") in told
        }
        found += [
            HeldRecord(
                hold=name,
                until=event.occurred_at + keep,
                body=_encode({"event": event, "traits": wanted}),
            )
            for event in events
            if event.name in hold.events and event.occurred_at + keep > now
        ]
    if found:
        engine.store.hold_records(retained_number(part_id), found)


def _notes_of_retained(engine: Engine, part_ids: list[int], now: int) -> list[HeldNote]:
    """Return what is told of records that were held apart before, as their own time had passed."""
    by_hold: dict[str, list[HeldRecord]] = {}
    for part_id in part_ids:
        for record in engine.store.load_held_records(retained_number(part_id)):
            if record.until > now:
                by_hold.setdefault(record.hold, []).append(record)
    declared = engine.bundle.brand.brand.legal_holds
    return [
        HeldNote(
            hold=name,
            law=declared[name].law if name in declared else "",
            record_count=len(records),
            until=max(record.until for record in records),
            told=declared[name].told if name in declared else {},
        )
        for name, records in sorted(by_hold.items())
    ]


def _write(event: Event, hold: LegalHold, events: list[Event]) -> bytes:
    """Return one held record as JSON: the event, and the traits that the law wants beside it."""
    wanted = [field.removeprefix("trait.") for field in hold.fields if field.startswith("trait.")]
    traits: dict[str, Any] = {}
    for each in sorted(events, key=lambda one: (one.occurred_at, one.event_key)):
        traits |= {name: each.traits[name] for name in wanted if name in each.traits}
    return _encode({"event": event, "traits": traits})
