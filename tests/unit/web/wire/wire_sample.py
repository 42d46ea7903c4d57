"""The sample brand's keys, and the shortest way to send a request."""

import base64
import json
from typing import Any, Final

from kept.core.keys import KeyRing, WriteKey, hash_key
from kept.core.touchpoint import Rejected
from kept.web.wire.batch import Parsed
from kept.web.wire.routes import find_route
from kept.web.wire.segment import parse_request
from tests.unit.core.touchpoint_sample import NOW, TOUCHPOINTS

KEYS: Final = KeyRing(WriteKey(digest=hash_key(f"{name}-key"), source=name) for name in TOUCHPOINTS)


def basic(key: str = "shop-key") -> tuple[bytes, bytes]:
    """Return the header by which most SDKs say who they are."""
    return b"authorization", b"Basic " + base64.b64encode(key.encode() + b":")


def post(
    path: str,
    body: Any,
    *headers: tuple[bytes, bytes],
    query: str = "",
    key: str | None = "shop-key",
    received_at: int = NOW,
) -> Parsed:
    """Return what comes of a request; a body that is no bytes is sent as JSON."""
    route = find_route(path)
    assert route is not None
    return parse_request(
        route,
        headers=[*headers, *([basic(key)] if key else [])],
        query=query,
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        keys=KEYS,
        touchpoints=TOUCHPOINTS,
        received_at=received_at,
    )


def codes(parsed: Parsed) -> list[str]:
    """Return the codes of what was rejected, in order."""
    return [rejected.code for rejected in parsed.rejected]


def only(parsed: Parsed) -> Rejected:
    """Return the one rejection there is."""
    (rejected,) = parsed.rejected
    return rejected
