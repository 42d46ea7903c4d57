"""A touchpoint: what a source may say and vouch for, and how its wire items become events.

A browser's key is public, so whatever comes with it may be forged: the whitelist of `sources.yaml`
decides what may be said at all, and `vouched_count` how much of who was named is to be believed.

Everything that depends on the brand alone is worked out once, in `Touchpoint`; reading an event
then is a few look-ups, because this runs for every event.
"""

from hashlib import blake2b
from typing import Any, Final

import msgspec

from kept.core.brand.model import FactsFile, Source, SourcesFile
from kept.core.event import (
    ALIASED,
    CHANNEL_CLOSED,
    CLOCK_TOLERANCE,
    CORRECTED,
    GROUPED,
    IDENTIFIED,
    MESSAGE_LEAVING,
    MESSAGE_SETTLED,
    PAGE_VIEWED,
    RESTRICTED,
    RESTRICTION_LIFTED,
    SCREEN_VIEWED,
    Event,
)
from kept.core.touchpoint_identifiers import Namespaces, Recogniser, clean_value, other_spellings
from kept.core.touchpoint_item import Rejected, WireItem, instant_of_moment
from kept.core.touchpoint_openings import OPENINGS, is_machine_opening
from kept.core.values import DAY, HOUR

__all__ = ["Rejected", "Touchpoint", "WireItem", "compile_touchpoints"]

MESSAGE_ID_LENGTH_MAX: Final = 100
NAME_LENGTH_MAX: Final = 200
IDENTIFIER_COUNT_MAX: Final = 20
"""An event that names more is a list of people, not a person."""

RESERVED_NAMES: Final = frozenset(
    {
        MESSAGE_LEAVING,
        MESSAGE_SETTLED,
        CHANNEL_CLOSED,
        CORRECTED,
        RESTRICTED,
        RESTRICTION_LIFTED,
    }
)
"""What Kept itself causes: no `*` covers these names, only their being listed outright."""

NAMES: Final = {
    "identify": IDENTIFIED,
    "page": PAGE_VIEWED,
    "screen": SCREEN_VIEWED,
    "group": GROUPED,
    "alias": ALIASED,
    "merge": ALIASED,
}
"""What an event is called that carries no name of its own, by its type."""

_EVERYWHERE: Final = {"All": True}
"""What SDKs say of `integrations` unless told otherwise; it need not be kept with every event."""


def compile_touchpoints(
    sources: SourcesFile, facts: FactsFile, *, history: int
) -> dict[str, "Touchpoint"]:
    """Return the brand's touchpoints by name; `history` is how far back events are kept, in µs."""
    namespaces = Namespaces(sources, facts)
    spellings = other_spellings(facts.traits)
    keys_of: dict[str, set[str]] = {}
    for kind in facts.objects.values():
        for event in kind.events:
            keys_of.setdefault(event, set()).add(kind.key)
    return {
        name: Touchpoint(
            name,
            source,
            namespaces=namespaces,
            keys_of={event: frozenset(keys) for event, keys in keys_of.items()},
            spellings=spellings,
            history=history,
        )
        for name, source in sources.sources.items()
    }


class Touchpoint:
    """A source of `sources.yaml`, compiled."""

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        namespaces: Namespaces,
        keys_of: dict[str, frozenset[str]],
        spellings: dict[str, str],
        history: int,
    ) -> None:
        """Work out once what depends on the brand alone."""
        self.name = name
        self.source = source
        self.history = history
        self.keys_of = keys_of
        """Event -> the properties that say which objects it changes."""
        recogniser = Recogniser(source, namespaces)
        self._recognise = recogniser.recognise
        self.name_identifiers = recogniser.name
        self.origins = frozenset(origin.lower() for origin in source.origins)
        """Pages that may use the source's keys, as browsers name them; empty for any."""
        self._key_prefix = name.encode() + b"\0"
        listed = source.events + tuple(mapping.event for mapping in source.mappings)
        self._names = frozenset(each for each in listed if not each.endswith("*"))
        self._prefixes = tuple(each[:-1] for each in listed if each.endswith("*"))
        self._traits = frozenset(source.traits)
        self._tells_any_trait = not source.traits and source.kind != "browser"
        self._spellings = spellings

    def may_send(self, name: str) -> bool:
        """Return whether this source is allowed an event of this name."""
        return name in self._names or (
            name.startswith(self._prefixes) and name not in RESERVED_NAMES
        )

    def read(
        self,
        item: WireItem,
        *,
        received_at: int,
        sent_at: int | None = None,
        gpc: bool = False,
        position: int = 0,
    ) -> Event | Rejected:
        """Return the event that an item speaks of, or why it is not taken.

        `sent_at` is that of the whole request, for items that carry none. `position` is the item's
        place in its request: it tells apart items that have neither a message id nor a time.
        """
        name = item.event if item.type == "track" else NAMES.get(item.type)
        if name not in self._names:
            name = _clean_name(name)
            if not name:
                return _reject_nameless(item)
            if not self.may_send(name):
                return self._reject_name(name)
        properties = item.properties or {}
        context = item.context or {}
        # Before a group's traits stand beside them: those name the group and not the customer.
        identifiers, vouched_count = self._recognise(item, properties, context)
        if not 0 < len(identifiers) <= IDENTIFIER_COUNT_MAX:
            return _reject_identifiers(len(identifiers))
        occurred_at, claim_hour = _date(item, sent_at=sent_at, received_at=received_at)
        if occurred_at < received_at - self.history:
            return _reject_age(received_at - occurred_at)
        if item.type != "track":
            properties = _shape_properties(item, properties)
        if name in OPENINGS and is_machine_opening(properties, context, occurred_at=occurred_at):
            properties = properties | {"machine": True}
        integrations = item.integrations if item.integrations != _EVERYWHERE else None
        if gpc or integrations or "traits" in context or "externalIds" in context:
            context = _shape_context(context, integrations, gpc=gpc)
        message_id = item.message_id.strip() if type(item.message_id) is str else ""
        if not 0 < len(message_id) <= MESSAGE_ID_LENGTH_MAX:
            message_id = _message_id(item, received_at=received_at, position=position)
        digest = blake2b(self._key_prefix + message_id.encode(), digest_size=8).digest()
        return Event(
            event_key=int.from_bytes(digest, "big") >> 1,
            message_id=message_id,
            source=self.name,
            name=name,
            type=item.type,
            occurred_at=occurred_at,
            received_at=received_at,
            identifiers=identifiers,
            vouched_count=vouched_count,
            claim_hour=claim_hour,
            properties=properties,
            traits=self._told(item) if item.type == "identify" else {},
            context=context,
        )

    def _told(self, item: WireItem) -> dict[str, Any]:
        """Return the traits that an identify tells, as declared, if this source may tell them."""
        told = item.traits or {}
        cached = item.context and item.context.get("traits")
        if isinstance(cached, dict):
            told = cached | told
        spelled = {self._spellings.get(name, name): value for name, value in told.items()}
        if self._tells_any_trait:
            return spelled
        return {name: value for name, value in spelled.items() if name in self._traits}

    def _reject_name(self, name: str) -> Rejected:
        return Rejected(
            code="event.not_allowed",
            detail=f"{self.name} may not send {name[:NAME_LENGTH_MAX]!r}; "
            "list it under `events` in sources.yaml if it may",
            field="event",
        )


def _clean_name(name: str | None) -> str:
    """Return an event's name without what nobody sees, cut to a length that a list can hold."""
    return " ".join(clean_value(name or "").split())[:NAME_LENGTH_MAX]


def _shape_properties(item: WireItem, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of an event that carries some of them beside `properties`."""
    beside: dict[str, Any] = {}
    if item.type == "group":
        # A group's traits are facts of the event: the customer's own traits come by identify.
        beside = item.traits or {}
        if item.group_id is not None:
            beside = beside | {"group_id": clean_value(item.group_id)}
    if item.name is not None:
        beside = {**beside, "name": item.name}
    if item.category is not None:
        beside = {**beside, "category": item.category}
    return beside | properties if beside else properties


def _shape_context(
    context: dict[str, Any], integrations: dict[str, Any] | None, *, gpc: bool
) -> dict[str, Any]:
    """Return the context without what has become identifiers and traits, and with what belongs."""
    shaped = {key: value for key, value in context.items() if key not in {"traits", "externalIds"}}
    if integrations:
        shaped["integrations"] = integrations
    if gpc:
        shaped["gpc"] = True
    return shaped


def _date(item: WireItem, *, sent_at: int | None, received_at: int) -> tuple[int, int]:
    """Return when an event happened by our clock, and the hour that the sender itself stamped.

    The stamped hour is 0 where there is none, or where it lies so far ahead that it means nothing.
    """
    moment = item.original_timestamp
    if moment is None:
        moment = item.timestamp
        if moment is None:
            return received_at, 0
    occurred_at = stamped_at = instant_of_moment(moment)
    if item.sent_at is not None:
        sent_at = instant_of_moment(item.sent_at)
    # Sent before it happened: the sender's clock was set in between, so the pair says nothing.
    if sent_at is not None and sent_at - stamped_at >= -CLOCK_TOLERANCE:
        occurred_at = received_at - (sent_at - stamped_at)
    if occurred_at > received_at + CLOCK_TOLERANCE:
        occurred_at = received_at
    return occurred_at, stamped_at // HOUR if 0 < stamped_at < received_at + DAY else 0


def _message_id(item: WireItem, *, received_at: int, position: int) -> str:
    """Return a message id for an item that has none, or one that is too long to keep.

    A derived id is a hash of all that the item says but its `sentAt`, so the same bytes sent again
    are the same event. Without a time of its own a second event would look like the first sent
    again, so then the moment and place of arrival count too, and nothing is taken for a repetition.
    """
    given = "" if item.message_id is None else str(item.message_id).strip()
    if 0 < len(given) <= MESSAGE_ID_LENGTH_MAX:
        return given
    if given:
        return "long-" + blake2b(given.encode(), digest_size=16).hexdigest()
    content = msgspec.json.encode(msgspec.structs.replace(item, sent_at=None), order="sorted")
    if item.timestamp is None and item.original_timestamp is None:
        content += f"{received_at}/{position}".encode()
    return "auto-" + blake2b(content, digest_size=16).hexdigest()


def _reject_nameless(item: WireItem) -> Rejected:
    if item.type == "track":
        return Rejected(
            code="event.no_name", detail="a track needs the name of its event", field="event"
        )
    known = ", ".join(("track", *NAMES))
    return Rejected(
        code="event.unknown_type",
        detail=f"{item.type[:40]!r} is not a type of event; known are {known}",
        field="type",
    )


def _reject_identifiers(count: int) -> Rejected:
    if count:
        return Rejected(
            code="event.too_many_identifiers",
            detail=f"the event names {count} identifiers; at most {IDENTIFIER_COUNT_MAX} are taken",
            field="context.externalIds",
        )
    return Rejected(
        code="event.no_identifier",
        detail="the event names nobody: it needs a userId, an anonymousId or another identifier "
        "that sources.yaml lets this source name, and that is not a placeholder such as null",
        field="userId",
    )


def _reject_age(age: int) -> Rejected:
    return Rejected(
        code="event.too_old",
        detail=f"the event is {age // DAY} days old, older than the brand's history; "
        "was a clock years off?",
        field="timestamp",
    )
