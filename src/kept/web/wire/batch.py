"""A batch of events: taken apart, each item read on its own, what is bad kept for mending."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from kept.core.event import Event
from kept.core.touchpoint import Touchpoint
from kept.core.touchpoint_item import (
    EVENT_BYTES_MAX,
    Rejected,
    WireItem,
    instant_of_moment,
    parse_item,
)
from kept.errors import InputError, TooLargeError
from kept.web.wire.split import split_array, split_object

BATCH_COUNT_MAX: Final = 2_500
PAYLOAD_BYTES_MAX: Final = 256 * 1024
"""How much is kept of an item that was not taken, so that a page of them fits into memory."""

KEY_MEMBER: Final = "writeKey"
"""The member of a body in which some SDKs put the write key."""

BAD_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for a body that is not what it should be."""

_NULL: Final = msgspec.Raw(b"null")
_SHARED: Final = {
    "type": "type",
    "sentAt": "sent_at",
    "context": "context",
    "integrations": "integrations",
}
"""What may be said of all items at once, as it is called on the wire and here."""


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a request held. `ignored_count` items were understood, and nobody asked for them."""

    source: str
    events: list[Event]
    rejected: list[Rejected]
    ignored_count: int = 0
    bytes_count: int = 0
    """How large the request was once it was unpacked."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Items as they stand, and what was said of all of them at once, in the form of an item."""

    items: Sequence[bytes | msgspec.Raw]
    shared: WireItem = WireItem()


class _Request(msgspec.Struct, rename="camel"):
    """A body that holds a batch, its members as they stand."""

    batch: list[msgspec.Raw] | None = None
    type: msgspec.Raw = _NULL
    sent_at: msgspec.Raw = _NULL
    context: msgspec.Raw = _NULL
    integrations: msgspec.Raw = _NULL


_REQUEST: Final = msgspec.json.Decoder(_Request)
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_batch(text: bytes) -> Batch | None:
    """Return the batch that a body or a rejected item's payload holds; None if it holds none."""
    try:
        if text.lstrip().startswith(b"["):
            return Batch(items=_ITEMS.decode(text))
        request = _REQUEST.decode(text)
    except BAD_JSON:
        return _mend_batch(text)
    if request.batch is None:
        return None
    members = {name: bytes(getattr(request, field)) for name, field in _SHARED.items()}
    return Batch(items=request.batch, shared=_read_shared(members))


def parse_batch(
    batch: Batch,
    touchpoint: Touchpoint,
    *,
    received_at: int,
    gpc: bool = False,
    may_send: Callable[[Event], bool] | None = None,
) -> Parsed:
    """Return the events of a batch, and apart from them what could not be taken.

    `may_send` says which events the key that was used may send, if not all of its source's.
    """
    if len(batch.items) > BATCH_COUNT_MAX:
        raise TooLargeError(
            f"the batch has {len(batch.items)} events; at most {BATCH_COUNT_MAX} are taken at once"
        )
    shared = batch.shared
    sent_at = None if shared.sent_at is None else instant_of_moment(shared.sent_at)
    shares = bool(shared.type or shared.context or shared.integrations)
    events: list[Event] = []
    rejected: list[Rejected] = []
    for position, raw in enumerate(batch.items):
        item = parse_item(bytes(raw))
        if isinstance(item, WireItem):
            if shares:
                item = _share(item, shared)
            event = touchpoint.read(
                item, received_at=received_at, sent_at=sent_at, gpc=gpc, position=position
            )
            if isinstance(event, Event):
                if may_send is None or may_send(event):
                    events.append(event)
                    continue
                event = Rejected(
                    code="event.not_allowed",
                    detail=f"the key that was used may not send {event.name!r}",
                    field="event",
                )
            item = event
        payload = _keep(bytes(raw), shared, gpc=gpc)
        rejected.append(msgspec.structs.replace(item, payload=payload))
    return Parsed(source=touchpoint.name, events=events, rejected=rejected)


def _mend_batch(text: bytes) -> Batch | None:
    """Return what can be told apart in a body that the decoder refused."""
    if text.lstrip().startswith(b"["):
        return Batch(items=split_array(text))
    members = split_object(text)
    if "batch" not in members:
        return None
    return Batch(items=split_array(members["batch"]), shared=_read_shared(members))


def _read_shared(members: Mapping[str, bytes]) -> WireItem:
    """Return what is said of all items at once; a member that cannot be read says nothing."""
    spelled = [
        b'"%s":%s' % (name.encode(), members[name])
        for name in _SHARED
        if members.get(name, b"null") not in {b"null", b"{}"}
    ]
    if sum(map(len, spelled)) > EVENT_BYTES_MAX:
        raise TooLargeError(f"the context of all events has more than {EVENT_BYTES_MAX} bytes")
    shared = WireItem()
    for each in spelled:
        item = parse_item(b"{%s}" % each)
        if isinstance(item, WireItem):
            changes = {
                field: value
                for field in _SHARED.values()
                if (value := getattr(item, field)) is not None and value != ""
            }
            shared = msgspec.structs.replace(shared, **changes)
    return shared


def _share(item: WireItem, shared: WireItem) -> WireItem:
    """Return an item with what was said of all items; its own words come first."""
    if item.type == shared.type and not shared.context and not shared.integrations:
        return item
    return msgspec.structs.replace(
        item,
        type=shared.type or item.type,  # only a path names a type for all, and then it is right
        context={**(shared.context or {}), **(item.context or {})},
        integrations={**(shared.integrations or {}), **(item.integrations or {})},
    )


def _keep(raw: bytes, shared: WireItem, *, gpc: bool) -> bytes:
    """Return an item as a request of its own, so that it can be mended and read again."""
    raw = _without_key(raw)
    if gpc:
        shared = msgspec.structs.replace(shared, context={**(shared.context or {}), "gpc": True})
    head = msgspec.json.encode(shared)[:-1]
    return head + (b"," if len(head) > 1 else b"") + b'"batch":[%s]}' % raw[:PAYLOAD_BYTES_MAX]


def _without_key(raw: bytes) -> bytes:
    """Return an item without the write key that may stand in it: whoever mends it learns no key."""
    try:
        try:
            members: Mapping[str, bytes | msgspec.Raw] = _MEMBERS.decode(raw)
        except BAD_JSON:
            members = split_object(raw)
    except InputError:
        return raw
    if KEY_MEMBER not in members:
        return raw
    return msgspec.json.encode(
        {name: msgspec.Raw(each) for name, each in members.items() if name != KEY_MEMBER}
    )


def reparse(payload: bytes, touchpoint: Touchpoint, *, received_at: int) -> Parsed:
    """Read again what was once rejected and is mended; `received_at` is when it first came."""
    batch = read_batch(payload) or Batch(items=[payload])
    return parse_batch(batch, touchpoint, received_at=received_at)
