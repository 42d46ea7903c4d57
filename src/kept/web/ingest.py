"""Events from SDKs: read, handed to the writer, answered once they and what follows are durable.

The answer is always 200 and JSON, since some SDKs re-send after a 204 and some drop a batch, or end
their process, after a 400; only a request of which nothing can be read is refused as a whole.
"""

import base64
import re
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope

from kept.clock import read_monotonic
from kept.errors import NotAllowedError, NotFoundError, UnknownCallerError
from kept.flows.ingest import InFlight, Ingested, ingest, wants_of
from kept.web.asgi import JSON, header_of, query_of, read_body
from kept.web.front import Front
from kept.web.metrics import seconds
from kept.web.wire.batch import Parsed
from kept.web.wire.body import BODY_BYTES_MAX
from kept.web.wire.keys import offered_keys
from kept.web.wire.routes import Route
from kept.web.wire.sdk_settings import rudder_source_config, segment_settings
from kept.web.wire.segment import check_origin, parse_request, read_query

_HOST: Final = re.compile(r"[\w.-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")
_SPEAKERS: Final = frozenset({"browser", "server"})
GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent picture of one pixel."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of a request; `success` says that all of it is durable."""

    success: bool = True
    in_flight: tuple[InFlight, ...] | msgspec.UnsetType = msgspec.UNSET
    """Hand-overs that had begun to leave before these events were heard; nothing else that they
    forbid leaves after this answer. Not told to browsers, whose key proves nobody."""
    withdrawn: int | msgspec.UnsetType = msgspec.UNSET
    """How many queued messages these events took back. Not told to browsers either."""
    quarantined: int = 0
    """How many items could not be taken and were kept to be mended."""


_encode: Final = msgspec.json.Encoder().encode
_NOTHING: Final = _encode(Taken(in_flight=(), withdrawn=0))
_NOTHING_PUBLIC: Final = _encode(Taken())


async def take_events(
    front: Front, route: Route, scope: Scope, receive: Receive
) -> tuple[bytes, bytes] | None:
    """Take a request of one of the SDKs; return the answer's media type and body."""
    started = read_monotonic()
    body = b""
    if route.kind != "pixel":
        read = await read_body(receive, bytes_max=BODY_BYTES_MAX)
        if read is None:
            return None
        body = read
    weight = len(body)
    front.begin(weight)
    try:
        runtime = front.runtime
        parsed = parse_request(
            route,
            headers=scope["headers"],
            query=query_of(scope),
            body=body,
            keys=runtime.keys,
            touchpoints=runtime.bundle.touchpoints,
            received_at=runtime.clock.now(),
            address=front.guard.address(scope),
        )
        # A few bytes of gzip unpack to a thousand times as many, and those are what waits.
        unpacked = max(parsed.bytes_count - weight, 0)
        front.begin(unpacked)
        weight += unpacked
        kind = runtime.bundle.touchpoints[parsed.source].source.kind
        if kind not in _SPEAKERS:
            raise NotAllowedError(
                f"{parsed.source} is a source of kind {kind}; events come from servers and browsers"
            )
        taken = await hand_over(front, parsed, started=started)
    finally:
        front.end(weight)
    if route.kind == "pixel":
        return b"image/gif", GIF
    return JSON, encode_taken(taken, is_public=kind == "browser")


async def hand_over(front: Front, parsed: Parsed, *, started: int) -> Ingested | None:
    """Hand parsed events to the writer; return once they are durable (None where there are none)."""
    if not parsed.events and not parsed.rejected:
        return None
    taken = await front.runtime.ask(
        lambda engine, now: ingest(
            engine, parsed.events, parsed.rejected, source=parsed.source, now=now
        ),
        lambda _: wants_of(parsed.events),
    )
    took = seconds(read_monotonic() - started)
    front.meters.durable.observe(took)
    if taken.withdrawn or taken.in_flight:
        front.meters.stopped_by_event.observe(took)
    return taken


def encode_taken(taken: Ingested | None, *, is_public: bool) -> bytes:
    """Return the answer to a request with events."""
    if taken is None:
        return _NOTHING_PUBLIC if is_public else _NOTHING
    if is_public:
        return _encode(Taken(quarantined=taken.quarantined))
    return _encode(
        Taken(
            in_flight=taken.in_flight,
            withdrawn=len(taken.withdrawn),
            quarantined=taken.quarantined,
        )
    )


def read_settings(front: Front, route: Route, scope: Scope) -> dict[str, Any]:
    """Return what a browser SDK asks for before it sends anything.

    Raises:
        NotFoundError: the key in the path is nobody's.
        UnknownCallerError: no known key came with the request.
    """
    if route.kind == "settings":
        if _source_of(front, scope, route.key) is None:
            raise NotFoundError("no source has this write key")
        return segment_settings(route.key, base_url=base_url(front, scope))
    query = query_of(scope)
    for key in offered_keys(dict(scope["headers"]), read_query(query) if query else {}):
        source = _source_of(front, scope, key)
        if source is not None:
            return rudder_source_config(source, key=key)
    raise UnknownCallerError("no known write key came with the request")


def _source_of(front: Front, scope: Scope, key: str) -> str | None:
    """Return whose key it is, None if nobody's; raises where it may not be used from there."""
    runtime = front.runtime
    now, address = runtime.clock.now(), front.guard.address(scope)
    found = runtime.keys.find(key, now=now, address=address)
    if found is None or found.source not in runtime.bundle.touchpoints:
        return None
    origin = header_of(scope, b"origin") or None
    check_origin(runtime.bundle.touchpoints[found.source], found, origin)
    return found.source


def base_url(front: Front, scope: Scope) -> str:
    """Return where the caller reaches this server: as the operator says, else as it did just now."""
    settings = front.runtime.settings
    if settings.public_url:
        return settings.public_url
    host = next((str(value, "latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return f"{scope['scheme']}://{host}" if _HOST.fullmatch(host) else settings.own_url
