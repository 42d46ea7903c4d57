"""Who is speaking: the write key of a request, wherever its SDK puts it."""

import base64
import binascii
from collections.abc import Iterator, Mapping


def offered_keys(headers: Mapping[bytes, bytes], query: Mapping[str, str]) -> Iterator[str]:
    """Yield what may be the write key of a request, the usual places first.

    Basic carries it as the user, with or without a colon; Bearer as it is; some put the bare key
    into `Authorization`, some `key:secret` into `X-Write-Key`, beacons put it into the query.
    """
    header = headers.get(b"authorization", b"").decode("latin-1").strip()
    if header:
        scheme, _, rest = header.partition(" ")
        rest = rest.strip()
        if scheme.lower() == "basic":
            yield from _both(_decode_basic(rest))
        elif rest:
            yield rest
        yield header
    yield from _both(headers.get(b"x-write-key", b"").decode("latin-1").strip())
    if "writeKey" in query:
        yield query["writeKey"]


def _both(pair: str) -> Iterator[str]:
    """Yield the part before the colon, and the whole where there is more."""
    head, colon, tail = pair.partition(":")
    if head:
        yield head
    if colon and tail:
        yield pair


def _decode_basic(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
