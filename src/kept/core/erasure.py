"""An erasure as values: what was asked for, what became of it, and the receipt that the customer keeps.

A receipt names nobody: whoever holds it knows whose it is.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.event import Identifier
from kept.core.values import DAY, MINUTE, NEVER, format_instant

ASK_FIRST: Final = MINUTE
ASK_LONGEST: Final = DAY
"""A recipient that does not take the request is asked again, at first soon and at last once a day."""
CONFIRM_EVERY: Final = DAY
"""A recipient that took the request and has not confirmed is asked again so often."""
ALARM_AFTER: Final = 7 * DAY
"""The operator is alerted about a recipient that has not confirmed for so long."""

RecipientState: TypeAlias = Literal["waiting", "told", "confirmed"]
How: TypeAlias = Literal["call", "manual", "none"]


class RecipientErasure(msgspec.Struct, frozen=True, kw_only=True):
    """How far a recipient of the customer's data has come with erasing it."""

    recipient: str
    how: How
    """A signed call; a person who writes to it; or nothing that the brand declared."""
    state: RecipientState = "waiting"
    attempt_count: int = 0
    told_at: int = 0
    confirmed_at: int = 0
    next_at: int = 0
    """When it is asked next (µs), 0 where a person must see to it."""
    is_alarmed: bool = False


class HeldNote(msgspec.Struct, frozen=True, kw_only=True):
    """That something is kept although it would be erased: by which law, how much, until when."""

    hold: str
    law: str
    record_count: int
    until: int
    told: dict[str, str] = {}
    """What the customer is told of it, by locale."""


class ErasureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure from the asking to the last confirmation."""

    request_id: str
    erased_at: int
    actor: str
    confirmed_by: str
    """How it was made sure that the asking person is the one who is forgotten."""
    is_suppressed: bool
    identifiers: tuple[Identifier, ...] = ()
    """Whom recipients must forget; empty as soon as nobody need be asked any more."""
    message_ids: tuple[str, ...] = ()
    """What was written into files of ours under these ids; empty as soon as it is erased there."""
    event_count: int = 0
    decision_count: int = 0
    message_count: int = 0
    withdrawn_count: int = 0
    in_flight: tuple[str, ...] = ()
    """Channels on which something had begun to leave when it was asked."""
    held: tuple[HeldNote, ...] = ()
    recipients: tuple[RecipientErasure, ...] = ()
    log_index: int = -1
    """The leaf of the consent log that records it."""
    are_files_erased: bool = False
    files_erased_by: tuple[int, ...] = ()
    """Which nodes have erased their own files; each has files of its own."""
    """Whether what was written into files of ours is gone: messages, and what tools were told."""

    @property
    def is_closed(self) -> bool:
        """Return whether nothing is left anywhere, as every recipient has confirmed."""
        return self.are_files_erased and all(one.state == "confirmed" for one in self.recipients)

    @property
    def next_at(self) -> int:
        """Return when something is to be done next, 0 once it is closed."""
        if self.is_closed:
            return 0
        if not self.are_files_erased:
            return self.erased_at
        waiting = [one.next_at for one in self.recipients if one.next_at]
        alarms = [
            self.erased_at + ALARM_AFTER
            for one in self.recipients
            if one.state != "confirmed" and not one.is_alarmed
        ]
        # What waits for a person alone stands in nobody's way, however long it waits.
        return min([*waiting, *alarms], default=NEVER)


def ask_again_at(one: RecipientErasure, now: int, *, draw: int) -> int:
    """Return when a recipient that did not take the request is asked again; `draw` spreads them."""
    wait: int = min(ASK_FIRST * 2 ** min(one.attempt_count, 20), ASK_LONGEST)
    return now + wait // 2 + (wait // 2) * (draw % 1_000) // 1_000


def note_told(one: RecipientErasure, now: int, *, is_done: bool) -> RecipientErasure:
    """Return a recipient that took the request, and perhaps said that it is done."""
    return msgspec.structs.replace(
        one,
        state="confirmed" if is_done else "told",
        attempt_count=one.attempt_count + 1,
        told_at=one.told_at or now,
        confirmed_at=now if is_done else 0,
        next_at=0 if is_done else now + CONFIRM_EVERY,
    )


def note_untaken(one: RecipientErasure, now: int, *, draw: int) -> RecipientErasure:
    """Return a recipient that did not take the request."""
    tried = msgspec.structs.replace(one, attempt_count=one.attempt_count + 1)
    return msgspec.structs.replace(tried, next_at=ask_again_at(tried, now, draw=draw))


def note_confirmed(one: RecipientErasure, now: int) -> RecipientErasure:
    """Return a recipient that confirmed, by a call of its own or to a person."""
    return msgspec.structs.replace(
        one, state="confirmed", told_at=one.told_at or now, confirmed_at=now, next_at=0
    )


def write_request(record: ErasureRecord, recipient: str) -> bytes:
    """Return what a recipient is told: whom to forget, and under which id to confirm."""
    identifiers: dict[str, list[str]] = {}
    for one in record.identifiers:
        identifiers.setdefault(one.namespace, []).append(one.value)
    return msgspec.json.encode(
        {
            "type": "erasure.requested",
            "timestamp": format_instant(record.erased_at),
            "data": {
                "request_id": record.request_id,
                "recipient": recipient,
                "identifiers": identifiers,
            },
        }
    )


def write_receipt(record: ErasureRecord, *, brand: str) -> dict[str, Any]:
    """Return the receipt: what was done and when, and what is left, in plain words and numbers."""
    return {
        "type": "kept/erasure-receipt@v1",
        "brand": brand,
        "request_id": record.request_id,
        "erased_at": format_instant(record.erased_at),
        "identity_confirmed_by": record.confirmed_by,
        "erased": {
            "events": record.event_count,
            "decisions": record.decision_count,
            "messages": record.message_count,
        },
        "withdrawn_messages": record.withdrawn_count,
        "left_before": list(record.in_flight),
        "kept_by_law": [
            {
                "hold": note.hold,
                "law": note.law,
                "records": note.record_count,
                "until": format_instant(note.until),
                "told": note.told,
            }
            for note in record.held
        ],
        "recipients": [
            {
                "recipient": one.recipient,
                "state": one.state,
                "told_at": format_instant(one.told_at) if one.told_at else "",
                "confirmed_at": format_instant(one.confirmed_at) if one.confirmed_at else "",
            }
            for one in record.recipients
        ],
        "complete": record.is_closed,
        "backups": "copies made before are unreadable once the key epoch of their time is destroyed",
    }


def end_of_day(instant: int) -> int:
    """Return the end of an instant's day in UTC (µs): what happened before it counts as late.

    All who are forgotten on one day share it, so that it does not tell whose identifiers were one's.
    """
    return (instant // DAY + 1) * DAY
