"""From events, decisions and messages to rows of history, which tell nothing personal.

What a brand declares as not personal stands in columns of its own; everything else is only in the
sealed record beside it. A special category is never open, whatever it was declared as.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kept.core.brand.model import Brand
from kept.core.decision import Decision
from kept.core.event import (
    MESSAGE_BOUNCED,
    MESSAGE_CLICKED,
    MESSAGE_COMPLAINED,
    MESSAGE_DELIVERED,
    MESSAGE_LEAVING,
    MESSAGE_OPENED,
    MESSAGE_REPLIED,
    MESSAGE_SETTLED,
    SOURCE_SELF,
    Event,
)
from kept.core.explicit_consent import guards_of
from kept.core.history_rows import Place, declared_places, places_behind
from kept.core.message import Message
from kept.core.reason import code_of
from kept.core.retention import is_proof

Row = dict[str, Any]
FEEDBACK_EVENTS: Final = {
    MESSAGE_DELIVERED: "delivered",
    MESSAGE_OPENED: "opened",
    MESSAGE_CLICKED: "clicked",
    MESSAGE_BOUNCED: "bounced",
    MESSAGE_COMPLAINED: "complained",
    MESSAGE_REPLIED: "replied",
}
"""Events of our own that tell what was reported of a message -> the word for it."""
OUTSIDE: Final = "(outside)"
"""Stands for what a tool outside wanted to do: it names its actions as it likes."""
_OF_MESSAGES: Final = frozenset({*FEEDBACK_EVENTS, MESSAGE_LEAVING, MESSAGE_SETTLED})
_OWN_OPEN: Final = (
    "action",
    "kind",
    "purpose",
    "topic",
    "channel",
    "attempt_at",
    "outcome",
    "machine",
)
"""What events of our own about a message say of it that is the brand's, and nobody's."""
_DECISION_IN_ID: Final = re.compile(r"m(\d{1,18})-")
_GROUPS: Final = ("properties", "traits", "context")
NAMES_MAX: Final = 10_000
"""Of so many names of one event it is remembered whether they may be open: sources invent them."""


class OpenPlaces(msgspec.Struct, frozen=True):
    """Where in events stands what may be open, and where never, whatever else says so."""

    plain: frozenset[Place]
    closed: frozenset[Place]

    @property
    def digest(self) -> str:
        """Return a name for exactly these places."""
        return hashlib.sha256(msgspec.json.encode(self.listed())).hexdigest()[:16]

    def listed(self) -> tuple[list[Place], list[Place]]:
        """Return both in an order of their own, to be kept."""
        return sorted(self.plain), sorted(self.closed)

    def shows(self, event: str, path: str) -> bool:
        """Return whether a place of an event may be open."""
        wide = ((event, path), ("", path))
        if not any(place in self.plain for place in wide):
            return False
        return not any(place in self.closed for place in (*wide, ("*", path)))

    def lost_since(self, before: "OpenPlaces") -> list[Place]:
        """Return what was open before and may not be any more; an empty event stands for every one."""
        lost = {place for place in before.plain if not self.shows(*place)}
        wide = {path for event, path in before.plain if not event}
        lost |= {
            place
            for place in self.closed - before.closed
            if place[1] in wide and ("", place[1]) not in lost
        }
        return sorted(lost)

    def narrowed_to(self, now: "OpenPlaces") -> "OpenPlaces":
        """Return what is still open of what was open before."""
        lost = set(now.lost_since(self))
        return OpenPlaces(self.plain - lost, self.closed | now.closed)


def open_places(brand: Brand) -> OpenPlaces:
    """Return which places of a brand's events may be open."""
    plain, personal = declared_places(brand)
    guarded = {
        place
        for guard in guards_of(brand)
        for fact in guard.facts
        for place in places_behind(brand, fact)
    }
    return OpenPlaces(plain, personal | guarded)


class Opener:
    """Takes out of events what may be open, and remembers of each name whether it may."""

    def __init__(self, places: OpenPlaces) -> None:
        """Take the places; nothing is known of any event yet."""
        self.places = places
        self._known: dict[str, dict[str, dict[str, bool]]] = {}

    def open(self, event: Event) -> dict[str, Row]:
        """Return what may be open of an event, by group."""
        known = self._known.get(event.name)
        if known is None:
            known = self._known[event.name] = {group: {} for group in _GROUPS}
        groups: dict[str, Row] = {}
        for group, is_open in known.items():
            values: Row = getattr(event, group)
            shown = groups[group] = {}
            if len(is_open) > NAMES_MAX:
                is_open.clear()
            for name in values:
                if name not in is_open:
                    is_open[name] = self.places.shows(event.name, f"{group}.{name}")
                if is_open[name]:
                    shown[name] = values[name]
        return groups


def event_row(opener: Opener, sequence: int, part_id: int, event: Event) -> Row:
    """Return an event as a row, but for what is sealed of it."""
    groups = opener.open(event)
    if event.source == SOURCE_SELF and event.name in _OF_MESSAGES:
        groups["properties"] = _told_of_message(event.properties)
    return {
        "sequence": sequence,
        "part": part_id,
        "event": event.name,
        "type": event.type,
        "source": event.source,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        **groups,
        "is_proof": is_proof(event),
    }


def _told_of_message(properties: Row) -> Row:
    told = {name: properties[name] for name in _OWN_OPEN if name in properties}
    # The id itself may name an object, such as an invoice, and so somebody.
    found = _DECISION_IN_ID.match(str(properties.get("message_id", "")))
    return told | ({"decision_id": int(found[1])} if found else {})


def decision_row(part_id: int, decision: Decision) -> Row:
    """Return a decision as a row, but for what is sealed of it."""
    is_outside = decision.request.outside is not None
    return {
        "decision_id": decision.decision_id,
        "part": part_id,
        "decided_at": decision.decided_at,
        "placement": decision.request.placement,
        "brand_version": decision.brand_version,
        "semantics": decision.semantics,
        "is_silence": decision.is_silence,
        "chosen": [
            {"action": OUTSIDE if is_outside else one.action, "channel": one.channel}
            for one in decision.chosen
        ],
        "considered": [
            {
                "action": OUTSIDE if is_outside else one.action,
                "reason": code_of(one.reason) if one.reason is not None else None,
            }
            for one in decision.considered
        ],
    }


def outcome_row(outcome_id: int, message: Message) -> Row:
    """Return what became of a message as a row; nothing of it is sealed, for all of it is open."""
    reason = message.reason
    return {
        "outcome_id": outcome_id,
        "part": message.part_id,
        "decision_id": message.decision_id,
        "action": message.action,
        "kind": message.kind,
        "purpose": message.purpose,
        "topic": message.topic,
        "entity": message.entity,
        "channel": message.channel,
        "is_promotional": message.promotional,
        "state": message.state,
        "reason": reason.get("code") if isinstance(reason, dict) else None,
        "queued_at": message.queued_at,
        "attempted_at": message.attempted_at or None,
        "settled_at": message.settled_at or message.queued_at,
        "attempt_count": message.attempt_count,
    }


def places_from(listed: Iterable[Iterable[Place]]) -> OpenPlaces:
    """Return places as `OpenPlaces.listed` gave them to be kept."""
    plain, closed = (frozenset((event, path) for event, path in places) for places in listed)
    return OpenPlaces(plain, closed)
