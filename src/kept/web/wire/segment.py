"""Requests of the Segment family of SDKs, as events.

One bad item never spoils the rest: each is read on its own, and what cannot be taken is handed
back with its bytes, to be kept, mended and read again. Only a request that is too large, is no JSON
at all or comes from nobody is refused as a whole, because several SDKs drop a refused batch and
one ends its process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from kept.core.keys import KeyRing, WriteKey, is_listed_origin
from kept.core.touchpoint import Touchpoint
from kept.core.touchpoint_item import Rejected, WireItem, parse_time
from kept.errors import InvalidEventError, NotAllowedError, TooLargeError, UnknownCallerError
from kept.web.wire.batch import BAD_JSON, KEY_MEMBER, Batch, Parsed, parse_batch, read_batch
from kept.web.wire.body import open_body, read_data
from kept.web.wire.keys import offered_keys
from kept.web.wire.routes import Route
from kept.web.wire.split import split_object

# The headers by which a prefetching machine gives itself away.
_TOLD: Final = (
    (b"user-agent", "userAgent"),
    (b"sec-purpose", "secPurpose"),
    (b"purpose", "purpose"),
)

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""As ASGI gives them: names in lower case."""


class _Signed(msgspec.Struct, rename="camel"):
    """The one member of a body that says who sends it."""

    write_key: str | None = None


_SIGNED: Final = msgspec.json.Decoder(_Signed)


def parse_request(
    route: Route,
    *,
    headers: Headers,
    query: str,
    body: bytes,
    keys: KeyRing,
    touchpoints: Mapping[str, Touchpoint],
    received_at: int,
    address: str = "",
) -> Parsed:
    """Return the events of a request to one of the SDKs' paths.

    Raises `NotAllowedError` where no known write key is offered, or where a page on a foreign
    origin or somebody at another address uses it, and `InvalidEventError` (`TooLargeError`) where
    nothing in the body can be read.
    """
    named = dict(headers)
    parameters = read_query(query) if query else {}
    is_pixel = route.kind == "pixel"
    if is_pixel:
        text = read_data(parameters.get("data", ""))
    else:
        text = open_body(
            body,
            encoding=named.get(b"content-encoding", b"").decode("latin-1"),
            content_type=named.get(b"content-type", b"").decode("latin-1"),
        )
    offered = chain(offered_keys(named, parameters), _signature(text))
    key, touchpoint = find_touchpoint(
        offered, keys=keys, touchpoints=touchpoints, now=received_at, address=address
    )
    check_origin(touchpoint, key, named.get(b"origin"))
    batch = read_batch(text) if route.kind == "batch" else None
    is_single = batch is None
    if batch is None:
        context = _describe_pixel(named) if is_pixel else None
        batch = Batch(items=[text], shared=WireItem(type=route.type, context=context))
    batch = _date_batch(batch, named)
    parsed = parse_batch(
        batch,
        touchpoint,
        received_at=received_at,
        gpc=read_gpc(headers),
        may_send=key.may_send if key.events else None,
    )
    if is_single:
        _refuse_unreadable(parsed)
    return msgspec.structs.replace(parsed, bytes_count=len(text))


def _date_batch(batch: Batch, named: Mapping[bytes, bytes]) -> Batch:
    """Return a batch with the `SentAt` that some SDKs put into a header."""
    if batch.shared.sent_at is not None or b"sentat" not in named:
        return batch
    sent_at = parse_time(named[b"sentat"].decode("latin-1"))
    if isinstance(sent_at, Rejected):
        return batch
    return msgspec.structs.replace(
        batch, shared=msgspec.structs.replace(batch.shared, sent_at=sent_at)
    )


def _refuse_unreadable(parsed: Parsed) -> None:
    """Raise where the only event of a request is too large, or no JSON object at all."""
    for each in parsed.rejected:
        if each.code == "event.too_large":
            raise TooLargeError(each.detail)
        if each.code in {"event.not_json", "event.not_an_object"}:
            raise InvalidEventError(each.detail)


def _describe_pixel(named: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return what the request for a picture tells of whoever fetched it."""
    return {
        name: named[header].decode("latin-1")[:500] for header, name in _TOLD if header in named
    }


def read_gpc(headers: Headers) -> bool:
    """Return whether a browser says that data may be neither sold nor shared (`Sec-GPC: 1`)."""
    return (b"sec-gpc", b"1") in headers


def check_origin(touchpoint: Touchpoint, key: WriteKey, origin: bytes | None) -> None:
    """Refuse a page on an origin that the source, or the key, does not list."""
    allowed = touchpoint.origins
    if origin is None or not (allowed or key.origins):
        return
    text = origin.decode("latin-1").lower()
    if allowed and not is_listed_origin(text, allowed):
        raise NotAllowedError(
            f"pages on {text[:100]} may not use the key of {touchpoint.name}; "
            "list the origin in sources.yaml if they may"
        )
    if key.origins and not is_listed_origin(text, key.origins):
        raise NotAllowedError(f"pages on {text[:100]} may not use this key of {touchpoint.name}")


def find_touchpoint(
    offered: Iterable[str],
    *,
    keys: KeyRing,
    touchpoints: Mapping[str, Touchpoint],
    now: int,
    address: str,
) -> tuple[WriteKey, Touchpoint]:
    """Return the first key among those offered that is one, and the touchpoint it belongs to.

    Raises:
        UnknownCallerError: none belongs to a source.
        NotAllowedError: it may not be used from this address.
    """
    for text in offered:
        key = keys.find(text, now=now, address=address)
        if key is not None and key.source in touchpoints:
            return key, touchpoints[key.source]
    raise UnknownCallerError(
        "no known write key came with the request; send it as the user of HTTP Basic "
        "authentication, as a Bearer token, or as `writeKey` in the body"
    )


def _signature(text: bytes) -> Iterator[str]:
    """Yield the write key that stands in a body, looked for only when nothing else was offered."""
    try:
        key = _SIGNED.decode(text).write_key
    except BAD_JSON:
        # One bad item must not hide who sent the others.
        key = split_object(text).get(KEY_MEMBER, b"").strip(b'"').decode(errors="replace")
    if key:
        yield key


def read_query(query: str) -> dict[str, str]:
    """Return the parameters of a query; of several with one name, the last."""
    try:
        return dict(parse_qsl(query, max_num_fields=100))
    except ValueError:
        raise InvalidEventError("the query has more than 100 parameters") from None
