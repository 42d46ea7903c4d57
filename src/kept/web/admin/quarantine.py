"""Events that could not be taken, over HTTP: look, mend, replay, drop."""

import asyncio
from typing import Annotated, Final, Literal

import msgspec

from kept.core.mask import is_masked, mask_json
from kept.core.values import format_instant
from kept.errors import ConflictError, InputError, InvalidEventError
from kept.flows.note_in_log import note_operator
from kept.flows.quarantine import drop, find_quarantined, replay
from kept.ports import Quarantined
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.wire.batch import Parsed, reparse

ITEMS_MAX: Final = 200
_SHOWN: Final = frozenset({"type", "event", "timestamp", "sentAt", "originalTimestamp"})
"""Members of an item that say what happened and when, and not to whom."""


class QuarantineQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the list."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    """The last id of the part before."""
    limit: int = 50
    state: Literal["held", "replayed", "dropped", ""] = "held"
    """Empty for all."""


class QuarantinedView(msgspec.Struct, frozen=True, kw_only=True):
    """One event that could not be taken."""

    quarantine_id: int
    source: str
    received_at: str
    code: str
    detail: str
    state: str
    payload: str
    """As it came, but for values, which are masked unless one asked for them with a reason."""


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list; go on with `next_after` as `after`, 0 at the end."""

    items: tuple[QuarantinedView, ...]
    next_after: int


class Mended(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A replay; without a payload the stored one is read again, as after a change of the brand."""

    payload: str = ""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events."""

    quarantine_id: int
    accepted: int
    duplicates: int


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Said once it is durable."""

    quarantine_id: int


async def list_quarantine(call: Call) -> Quarantine:
    """Return events that could not be taken, oldest first."""
    query: QuarantineQuery = call.query
    store = call.front.runtime.writer.engine.store
    limit = max(1, min(query.limit, ITEMS_MAX))
    found = await asyncio.to_thread(store.read_quarantine, after=query.after, limit=limit)
    await _note_read(call, [item.quarantine_id for item in found])
    return Quarantine(
        items=tuple(view_quarantined(item) for item in found if query.state in ("", item.state)),
        next_after=found[-1].quarantine_id if len(found) == limit else 0,
    )


async def show_quarantined(call: Call) -> QuarantinedView:
    """Return one event that could not be taken."""
    item = await _find(call)
    await _note_read(call, [item.quarantine_id])
    return view_quarantined(item)


async def _note_read(call: Call, ids: list[int]) -> None:
    """Record that somebody read payloads, which may hold anybody's data."""
    if not ids:
        return
    actor, detail = call.caller.actor, {"first": ids[0], "last": ids[-1]}
    await call.front.runtime.ask(
        lambda engine, now: note_operator(
            engine.store,
            "staff_access",
            actor=actor,
            verb="read_quarantine",
            detail=detail,
            now=now,
        )
    )


async def replay_quarantined(call: Call) -> Replayed:
    """Read an event again, mended if a payload is given, and take it."""
    item = await _find(call)
    if item.state != "held":
        raise ConflictError(f"{item.quarantine_id} was {item.state} already")
    mended: Mended = call.body
    if is_masked(mended.payload):
        raise InputError(
            "the payload holds masked values, which would be taken as they stand; unmask it first, "
            "and mend that"
        )
    parsed = _reparse(call, item, mended.payload.encode() or item.payload)
    if parsed.rejected or not parsed.events:
        raise InvalidEventError(
            "; ".join(f"{each.code}: {each.detail}" for each in parsed.rejected)
            or "there is no event in this payload"
        )
    actor = call.caller.actor
    taken = await call.front.runtime.ask(
        lambda engine, now: replay(engine, item.quarantine_id, parsed.events, actor=actor, now=now)
    )
    return Replayed(
        quarantine_id=item.quarantine_id, accepted=taken.accepted, duplicates=taken.duplicates
    )


async def drop_quarantined(call: Call) -> Dropped:
    """Give an event up."""
    quarantine_id, actor = call.number("quarantine_id"), call.caller.actor
    await call.front.runtime.ask(
        lambda engine, now: drop(engine, quarantine_id, actor=actor, now=now)
    )
    return Dropped(quarantine_id=quarantine_id)


async def _find(call: Call) -> Quarantined:
    store = call.front.runtime.writer.engine.store
    return await asyncio.to_thread(find_quarantined, store, call.number("quarantine_id"))


def _reparse(call: Call, item: Quarantined, payload: bytes) -> Parsed:
    front = call.front
    touchpoint = front.runtime.bundle.touchpoints.get(item.source)
    if touchpoint is None:
        raise ConflictError(f"the brand has no source {item.source!r} any more")
    if touchpoint.source.kind == "webhook":
        webhook = front.signers.find_webhook(item.source)
        return webhook.reparse(payload, received_at=item.received_at)
    return reparse(payload, touchpoint, received_at=item.received_at)


def view_quarantined(item: Quarantined, *, is_unmasked: bool = False) -> QuarantinedView:
    """Return an event that could not be taken as staff see it."""
    return QuarantinedView(
        quarantine_id=item.quarantine_id,
        source=item.source,
        received_at=format_instant(item.received_at),
        code=item.code,
        detail=item.detail,
        state=item.state,
        payload=(
            item.payload.decode("utf-8", "replace") if is_unmasked else _mask_payload(item.payload)
        ),
    )


def _mask_payload(payload: bytes) -> str:
    """Return a payload with its structure and the names of its events, and every value masked."""
    try:
        masked = mask_json(msgspec.json.decode(payload), kept=_SHOWN)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"(no JSON, {len(payload)} bytes)"
    return msgspec.json.encode(masked).decode()


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/quarantine",
        name="listQuarantine",
        summary="List events that could not be taken.",
        handler=list_quarantine,
        tag="Operating",
        who="operator",
        needs="quarantine",
        query=QuarantineQuery,
        answer=Quarantine,
        statuses=(400, 503),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/quarantine/{quarantine_id}",
        name="showQuarantined",
        summary="Show an event that could not be taken.",
        handler=show_quarantined,
        tag="Operating",
        who="operator",
        needs="quarantine",
        answer=QuarantinedView,
        statuses=(400, 404, 503),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/quarantine/{quarantine_id}/replay",
        name="replayQuarantined",
        summary="Read an event again, mended or not, and take it.",
        handler=replay_quarantined,
        tag="Operating",
        who="operator",
        needs="quarantine",
        body=Mended,
        answer=Replayed,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/quarantine/{quarantine_id}/drop",
        name="dropQuarantined",
        summary="Give an event up.",
        handler=drop_quarantined,
        tag="Operating",
        who="operator",
        needs="quarantine",
        answer=Dropped,
        statuses=(400, 404, 409, *BUSY),
    ),
)
