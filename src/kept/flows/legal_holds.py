"""What the law obliges to keep of somebody who is forgotten: taken out, sealed apart, and dated."""

from typing import Any, Final

import msgspec

from kept.core.brand.model import LegalHold
from kept.core.brand.units import parse_duration
from kept.core.erasure import HeldNote
from kept.core.event import Event
from kept.errors import NotFoundError
from kept.flows.engine import Engine
from kept.flows.erasure_records import ERASURE
from kept.flows.note_in_log import note_operator
from kept.ports import HeldRecord

_encode: Final = msgspec.json.Encoder().encode


def hold_records(
    engine: Engine, part_ids: list[int], *, number: int, now: int
) -> tuple[HeldNote, ...]:
    """Seal what the brand's legal holds name under keys of their own; return what is told of it.

    A hold keeps its events whole, and beside them the fields that it names; nothing else.
    """
    holds = engine.bundle.brand.brand.legal_holds
    if not holds:
        return ()
    events = [stored.event for stored in engine.store.load_part_events(part_ids)]
    notes = []
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


def _write(event: Event, hold: LegalHold, events: list[Event]) -> bytes:
    """Return one held record as JSON: the event, and the traits that the law wants beside it."""
    wanted = [field.removeprefix("trait.") for field in hold.fields if field.startswith("trait.")]
    traits: dict[str, Any] = {}
    for each in sorted(events, key=lambda one: (one.occurred_at, one.event_key)):
        traits |= {name: each.traits[name] for name in wanted if name in each.traits}
    return _encode({"event": event, "traits": traits})
