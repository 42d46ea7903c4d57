"""Keep every opt-out outside of the backups too, and apply them again after a restore.

A backup is older than the newest opt-outs. Each is therefore also kept in the store's guard, which
a restore leaves alone; when the store is opened, those that it does not contain are folded in
before anything is decided. Those of somebody whom it does not know are folded in when they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from kept.core.consent import GPC, read_consents, restricts
from kept.core.event import Event
from kept.core.fold.fold import FoldPlan
from kept.ports import Store


class Stop(msgspec.Struct, frozen=True, array_like=True):
    """One event that restricts, and whom it is about by lookup key only."""

    key: bytes
    name: str
    message_id: str
    source: str
    event_key: int
    occurred_at: int
    properties: dict[str, Any]
    context: dict[str, Any]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Stop).decode
_CATEGORIES: Final = "categoryPreferences"
_TOLD: Final = ("entity", "purpose", "channel", "topic", "topics", "channels")


class Erased(msgspec.Struct, frozen=True, array_like=True):
    """That an identifier was forgotten; it may name somebody in a backup from before."""

    key: bytes
    what: Literal[0]
    """Tells it from a `Stop`, whose second member is a text."""
    until: int
    """Before when everything is forgotten; 0 where only whether they are suppressed changes."""
    is_suppressed: bool
    is_forwarded: bool = True
    """Whether recipients outside are told."""
    salt: bytes = b""
    """Tells a record from an earlier one of the same words: of two, the later one counts again."""


_decode_erased: Final = msgspec.msgpack.Decoder(Erased).decode


def is_stop(record: bytes) -> bool:
    """Return whether a record of the guard is one that can be applied."""
    return _read(record) is not None


def _read(record: bytes) -> Stop | Erased | None:
    for decode in (_decode, _decode_erased):
        try:
            return decode(record)
        except msgspec.MsgspecError:
            continue
    return None


def keep_erasure(store: Store, erased: Erased) -> None:
    """Keep outside of the backups that an identifier was forgotten."""
    store.append_guard(_encode(erased))


def find_missing_erasures(store: Store) -> Iterator[Erased]:
    """Yield which identifiers were forgotten after the backup that this store comes from."""
    for record in store.load_guard():
        kept = _read(record)
        if isinstance(kept, Erased):
            yield kept


def keep_stop(store: Store, plan: FoldPlan, part_id: int, event: Event) -> None:
    """Keep an event outside of the backups if it restricts."""
    said = read_consents(event, plan.categories)
    if not any(restricts(key, word) for key, word in said):
        return
    (part,) = store.load_parts([part_id])
    stop = Stop(
        key=store.lookup_key(part.identifier, claimed=part.claimed),
        name=event.name,
        # Sources make their ids of what they like, a customer's address perhaps.
        message_id=f"kept-stop-{event.event_key}",
        source=event.source,
        event_key=event.event_key,
        occurred_at=event.occurred_at,
        properties=_only_words(event.properties),
        context=_only_categories(event, plan),
    )
    store.append_guard(_encode(stop))


def _only_words(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of consent, without whatever else a source may put there."""
    told: dict[str, Any] = {}
    for name in _TOLD:
        value = properties.get(name)
        if isinstance(value, str):
            told[name] = value
        elif isinstance(value, dict):
            told[name] = {word: said for word, said in value.items() if isinstance(said, bool)}
    return told


def _only_categories(event: Event, plan: FoldPlan) -> dict[str, Any]:
    """Return what a context says of consent, category by category, and the Sec-GPC signal."""
    kept: dict[str, Any] = {GPC: True} if event.context.get(GPC) is True else {}
    consent = event.context.get("consent")
    told = consent.get(_CATEGORIES) if isinstance(consent, dict) else None
    if isinstance(told, dict):
        known = {name: told[name] is True for name in plan.categories if name in told}
        # An empty object refuses everything, so that one in which nothing is known is left out.
        if known or not told:
            kept["consent"] = {_CATEGORIES: known}
    return kept


class MissingStop(msgspec.Struct, frozen=True):
    """A stop that the store does not contain, and the record of the guard that tells of it."""

    record: bytes
    stop: Stop


def find_missing_stops(store: Store) -> Iterator[MissingStop]:
    """Yield what was withdrawn after the backup that this store comes from."""
    for record in store.load_guard():
        stop = _read(record)
        if isinstance(stop, Stop):
            yield MissingStop(record, stop)


def event_of(stop: Stop, now: int) -> Event:
    """Return the event that a stop was, as it is heard again."""
    return Event(
        event_key=stop.event_key,
        message_id=stop.message_id,
        source=stop.source,
        name=stop.name,
        type="track",
        occurred_at=stop.occurred_at,
        received_at=now,
        properties=stop.properties,
        context=stop.context,
    )
