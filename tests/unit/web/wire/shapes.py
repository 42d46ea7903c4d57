"""What real SDKs send, written down by hand: one request each, with what must come of it."""

import base64
import gzip
import json
from typing import Any, Final

import msgspec

from tests.unit.web.wire.wire_sample import basic

_KEY: Final = "shop-key"
_SENT: Final = "2025-11-03T10:00:00.000Z"
_THEN: Final = "2025-11-03T09:59:58.000Z"
_UUID: Final = "7da89ba6-733c-49ed-9263-451d5ca1fa3e"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it leaves an SDK, and the events in it as `name` and identifiers."""

    sdk: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    events: tuple[tuple[str, ...], ...]
    query: str = ""


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _python(**fields: Any) -> dict[str, Any]:
    """Return an item of the Python SDK, which writes null for whichever id is not given."""
    return {
        "integrations": {},
        "anonymousId": None,
        "timestamp": "2025-11-03T09:59:58.000000+00:00",
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
        "messageId": f"py-{fields['type']}",
        **fields,
    }


def _browser(**fields: Any) -> dict[str, Any]:
    """Return an item of the browser SDK of the Segment family."""
    return {
        "timestamp": _THEN,
        "integrations": {},
        "anonymousId": _UUID,
        "context": {
            "page": {"path": "/", "referrer": "", "search": "", "title": "", "url": "http://x/"},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
            "locale": "en-US",
            "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
            "timezone": "UTC",
        },
        "messageId": f"ajs-next-1762163998000-{fields['type']}",
        "writeKey": _KEY,
        "sentAt": _SENT,
        "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []},
        **fields,
    }


def _rudder(**fields: Any) -> dict[str, Any]:
    """Return an item of the RudderStack browser SDK: traits in the context, no `timestamp`."""
    return {
        "channel": "web",
        "context": {
            "sessionId": 1762163998000,
            "app": {"name": "RudderLabs JavaScript SDK", "version": "3.34.1"},
            "traits": {"email": "Ana@example.org"},
            "library": {"name": "RudderLabs JavaScript SDK", "version": "3.34.1"},
            "campaign": {},
        },
        "originalTimestamp": _THEN,
        "integrations": {"All": True},
        "messageId": f"rudder-{fields['type']}",
        "userId": "",
        "anonymousId": _UUID,
        **fields,
    }


_COOKIE: Final = f"anonymous_id:{_UUID}"
_RUDDER_HEADERS: Final = (
    basic(_KEY),
    (b"content-type", b"application/json;charset=UTF-8"),
    (b"anonymousid", base64.b64encode(_UUID.encode())),
    (b"sentat", _SENT.encode()),
)
_FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
_TEXT: Final = (b"content-type", b"text/plain")
_PACKED: Final = (b"content-encoding", b"gzip")

_PYTHON_BATCH: Final = {
    "batch": [
        _python(type="identify", userId="u1", traits={"email": "Ana@example.org"}),
        _python(type="track", userId=None, anonymousId="123456", event="A", properties={}),
        _python(type="page", userId="u1", name="Home", category="Shop", properties={}),
        _python(type="group", userId="u1", groupId="g1", traits={"name": "Acme"}),
        _python(type="alias", userId="u1", previousId="anon-9"),
    ],
    "sentAt": "2025-11-03T10:00:00.000000+00:00",
    "writeKey": _KEY,
}
_PYTHON_EVENTS: Final = (
    ("Identified", "user_id:u1", "email:ana@example.org"),
    ("A", "anonymous_id:123456"),
    ("Page Viewed", "user_id:u1"),
    ("Grouped", "user_id:u1", "group_id:g1"),
    ("Aliased", "user_id:u1", "anonymous_id:anon-9"),
)

SHAPES: Final = (
    Shape(
        sdk="segment-analytics-python 2.4.0",
        path="/v1/batch",
        headers=(basic(_KEY), (b"content-type", b"application/json")),
        body=_json(_PYTHON_BATCH),
        events=_PYTHON_EVENTS,
    ),
    Shape(
        sdk="rudder-sdk-python 2.1.9, always packed",
        path="/v1/batch",
        headers=(basic(_KEY), (b"content-type", b"application/json"), _PACKED),
        body=gzip.compress(_json({k: v for k, v in _PYTHON_BATCH.items() if k != "writeKey"})),
        events=_PYTHON_EVENTS,
    ),
    Shape(
        sdk="@segment/analytics-node 3.1.0",
        path="/v1/batch",
        headers=(basic(_KEY), (b"content-type", b"application/json"), (b"x-retry-count", b"1")),
        body=_json(
            {
                "batch": [
                    {
                        "timestamp": _THEN,
                        "integrations": {},
                        "userId": "n1",
                        "event": "Order Completed",
                        "type": "track",
                        "properties": {"tracking_number": 7},
                        "context": {"library": {"name": "@segment/analytics-node"}},
                        "messageId": "node-next-1762163998000-0f9c5a6e",
                        "_metadata": {"nodeVersion": "22.0.0", "jsRuntime": "node"},
                    }
                ],
                "writeKey": _KEY,
                "sentAt": _SENT,
            }
        ),
        events=(("Order Completed", "user_id:n1", "parcel:7"),),
    ),
    Shape(
        sdk="@rudderstack/rudder-sdk-node 3.0.13, packed JSON that is labelled a form",
        path="/v1/batch",
        headers=(basic(_KEY), _FORM, _PACKED),
        body=gzip.compress(
            _json(
                {
                    "batch": [
                        {
                            "type": "identify",
                            "userId": "r1",
                            "context": {"traits": {"email": "r@example.org"}},
                            "originalTimestamp": _THEN,
                            "messageId": "2a8b",
                            "_metadata": {"nodeVersion": "22.0.0"},
                            "channel": "server",
                        }
                    ],
                    "sentAt": _SENT,
                }
            )
        ),
        events=(("Identified", "user_id:r1", "email:r@example.org"),),
    ),
    Shape(
        sdk="@segment/analytics-next 1.84.3, a page buffered until after identify",
        path="/v1/p",
        headers=(basic(_KEY), _TEXT),
        body=_json(_browser(type="page", name="Home", userId="u1", properties={"path": "/"})),
        events=(("Page Viewed", "user_id:u1", _COOKIE),),
    ),
    Shape(
        sdk="@segment/analytics-next 1.84.3, identify",
        path="/v1/i",
        headers=(basic(_KEY), _TEXT),
        body=_json(_browser(type="identify", userId="u1", traits={"email": "Ana@example.org"})),
        events=(("Identified", "user_id:u1", "email:ana@example.org", _COOKIE),),
    ),
    Shape(
        sdk="@segment/analytics-next 1.84.3, alias after identify: of u1 with u1",
        path="/v1/a",
        headers=(basic(_KEY), _TEXT),
        body=_json(_browser(type="alias", userId="u1", previousId="u1")),
        events=(("Aliased", "user_id:u1", _COOKIE),),
    ),
    Shape(
        sdk="@segment/analytics-next 1.84.3, batching",
        path="/v1/b",
        headers=(basic(_KEY), _TEXT),
        body=_json(
            {
                "batch": [
                    _browser(type="track", event="A", userId=None, properties={"p": 1}),
                    _browser(type="screen", name="S", userId=None, properties={}),
                ],
                "sentAt": _SENT,
                "writeKey": _KEY,
            }
        ),
        events=(("A", _COOKIE), ("Screen Viewed", _COOKIE)),
    ),
    Shape(
        sdk="@rudderstack/analytics-js 3.34.1, identify",
        path="/v1/identify",
        headers=_RUDDER_HEADERS,
        body=_json(_rudder(type="identify", userId="u1", event=None)),
        events=(("Identified", "user_id:u1", "email:ana@example.org", _COOKIE),),
    ),
    Shape(
        sdk="@rudderstack/analytics-js 3.34.1, a beacon: the key in the query alone",
        path="/beacon/v1/batch",
        query="writeKey=" + _KEY,
        headers=(_TEXT,),
        body=_json(
            {
                "batch": [_rudder(type="page", name="Home", properties={"path": "/"})],
                "sentAt": _SENT,
            }
        ),
        events=(("Page Viewed", "email:ana@example.org", _COOKIE),),
    ),
    Shape(
        sdk="@jitsu/js 1.11.0, key and secret in a header, masked in the body",
        path="/api/s/track",
        headers=((b"x-write-key", b"shop-key:s3cret"), (b"content-type", b"application/json")),
        body=_json(
            {
                "type": "track",
                "event": "A",
                "properties": {},
                "userId": None,
                "anonymousId": "c2hvcnQtaWQtb2YtMjJfY2g",
                "context": {"library": {"name": "@jitsu/js"}, "traits": {}},
                "timestamp": _THEN,
                "sentAt": _SENT,
                "messageId": "d2hhdGV2ZXItMjItY2hhcmE",
                "writeKey": "shop-key:***",
            }
        ),
        events=(("A", "anonymous_id:c2hvcnQtaWQtb2YtMjJfY2g"),),
    ),
    Shape(
        sdk="@dittofeed/sdk-node 0.1.2, without any time",
        path="/api/public/apps/batch",
        headers=((b"authorization", _KEY.encode()), (b"content-type", b"application/json")),
        body=_json(
            {
                "batch": [
                    {"type": "track", "messageId": "m1", "userId": "u1", "event": "A"},
                    {"type": "identify", "messageId": "m2", "userId": "u1", "traits": {}},
                ]
            }
        ),
        events=(("A", "user_id:u1"), ("Identified", "user_id:u1")),
    ),
)
