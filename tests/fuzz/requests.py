"""What comes over HTTP: the wire formats, webhooks, links and passes, and the protocol itself."""

import contextlib
import gzip
import json
import zlib
from typing import Any, Final

import msgspec

from kept.core import data_use_link
from kept.core.data_use_link import DataUseLink
from kept.core.event import Event
from kept.core.readers import UNREADABLE, reader_for
from kept.core.signed import Signer
from kept.core.touchpoint_item import Rejected, instant_of_moment, parse_item, parse_time
from kept.core.unsubscribe import Unsubscribe, make_token, read_token
from kept.core.values import DAY
from kept.errors import InputError, KeptError
from kept.flows.regroup import parse_identifier
from kept.stores.codecs import decode_event, encode_event
from kept.web.asgi import Header
from kept.web.callers import ACTOR_HEADER
from kept.web.decide import read_questions
from kept.web.endpoints import trace_id_of
from kept.web.passes import Pass, make_pass, read_pass
from kept.web.unsubscribe import read_form, words_for
from kept.web.wire.batch import Parsed, reparse
from kept.web.wire.body import open_body, read_data
from kept.web.wire.cors import preflight_headers
from kept.web.wire.keys import offered_keys
from kept.web.wire.routes import ROUTES, find_route
from kept.web.wire.segment import parse_request, read_gpc, read_query
from kept.web.wire.signature import check_signature
from kept.web.wire.split import split_array, split_object
from kept.web.wire.webhook import compile_webhooks
from tests.fuzz.target import CANARY, check_refusal, fuzz, words_of
from tests.unit.core.touchpoint_sample import NOW, SECRET, SOURCES, TOUCHPOINTS
from tests.unit.web.connection import Connection
from tests.unit.web.wire.test_signature import sign
from tests.unit.web.wire.wire_sample import KEYS, basic

INT64: Final = range(-(2**63), 2**63)
TYPES: Final = ("bool", "int", "decimal", "text", "date", "timestamp", "money(EUR)", "money(JPY)")
NAMING: Final = frozenset({"event.not_allowed", "event.unknown_type"})
"""Refusals that repeat what the sender called its event, which is a word of its own and no value."""
READERS: Final = [reader_for(name) for name in TYPES]
WEBHOOKS: Final = compile_webhooks(TOUCHPOINTS, {"helpdesk": [SECRET], "replies": ["token"]})

EVENT: Final = json.dumps(
    {
        "type": "track",
        "event": "Basket Changed",
        "userId": CANARY,
        "anonymousId": None,
        "messageId": "m-1",
        "timestamp": "2025-11-03T09:00:00.000+01:00",
        "sentAt": "2025-11-03T09:00:01Z",
        "properties": {
            "total": 12.5,
            "when": "2025-01-31",
            "note": "café",
            "n": [1, {"a": "9 EUR"}],
        },
        "traits": {"email": f"{CANARY}@example.org"},
        "context": {
            "externalIds": [{"id": CANARY, "type": "card"}],
            "consent": {"categoryPreferences": {"marketing": False}},
        },
        "integrations": {"All": True},
    }
)
BATCH: Final = f'{{"batch":[{EVENT},{EVENT}],"sentAt":"2025-11-03T09:00:02Z","writeKey":"web-key"}}'


def check_event(event: Event) -> None:
    """Hold that what was accepted can be kept, counted and found again."""
    again = decode_event(encode_event(event))
    assert again == event
    msgspec.json.encode(event)
    assert event.occurred_at in INT64
    assert event.event_key in INT64
    assert 0 <= event.vouched_count <= len(event.identifiers)
    for identifier in event.identifiers:
        assert 0 < len(identifier.value) <= 256
        identifier.value.encode()
    for value in (*event.properties.values(), *event.traits.values()):
        for read in READERS:
            found = read(value)
            if found is not UNREADABLE and isinstance(found, int):
                assert found in INT64


def check_parsed(parsed: Parsed) -> None:
    """Hold it of every event, and that what was rejected is kept in a form that can be mended."""
    for event in parsed.events:
        check_event(event)
    for rejected in parsed.rejected:
        assert rejected.code.count(".") == 1
        assert rejected.detail
        assert CANARY not in rejected.detail or rejected.code in NAMING
        with contextlib.suppress(InputError):
            again = reparse(rejected.payload, TOUCHPOINTS["shop"], received_at=NOW)
            assert all(isinstance(each, Event) for each in again.events)


def headers_of(words: list[str]) -> list[Header]:
    """Return the headers that words such as `h:name=value` stand for."""
    found: list[Header] = []
    for word in words:
        if word.startswith("h:"):
            name, _, value = word[2:].partition("=")
            found.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return found


@fuzz(
    "request",
    "kept.web.wire.segment",
    f"/v1/track shop\n{EVENT}",
    f"/v1/batch\n{BATCH}",
    f"/v1/b web gpc gzip h:sentat=2025-11-03T09:00:00Z\n{BATCH}",
    f"/v1/identify shop h:content-type=text/plain;charset=utf-16\n{EVENT}",
    f"/beacon/v1/batch ?writeKey=shop-key\n{BATCH}",
    f"/v1/pixel/track shop ?data={EVENT.replace(' ', '')} h:user-agent=x\n",
    f"/v1/page web h:origin=http://localhost:3000 deflate\n{EVENT}",
    f"/v1/batch shop\ndata={BATCH}",
    '/v1/batch shop\n{"batch":[{"type":"track","event":"A","userId":1e400},{"a":"\\ud800"}]}',
)
def run_request(data: bytes) -> None:
    """A request to one of the SDKs' paths, however it is wrapped, signed and labelled."""
    words, body = words_of(data)
    route = find_route(words[0]) or ROUTES["/v1/batch"]
    if route.kind in ("settings", "source_config"):
        route = ROUTES["/v1/batch"]
    headers = headers_of(words)
    headers += [basic(f"{word}-key") for word in words if word in TOUCHPOINTS]
    if "gpc" in words:
        headers.append((b"sec-gpc", b"1"))
    if "gzip" in words:
        body = gzip.compress(body, 1)
    if "deflate" in words:
        body = zlib.compress(body, 1)
        headers.append((b"content-encoding", b"deflate"))
    try:
        parsed = parse_request(
            route,
            headers=headers,
            query=next((word[1:] for word in words if word.startswith("?")), ""),
            body=body,
            keys=KEYS,
            touchpoints=TOUCHPOINTS,
            received_at=NOW,
        )
    except InputError as error:
        check_refusal(error, data)
        return
    check_parsed(parsed)


@fuzz("item", "kept.core.touchpoint_item", EVENT, '{"userId":9e99,"event":"é","traits":[]}')
def run_item(data: bytes) -> None:
    """One event, as bytes, read by each touchpoint."""
    item = parse_item(data)
    if isinstance(item, Rejected):
        assert item.detail
        assert CANARY not in item.detail or item.code in NAMING
        return
    for touchpoint in TOUCHPOINTS.values():
        event = touchpoint.read(item, received_at=NOW)
        if isinstance(event, Event):
            check_event(event)


@fuzz(
    "body",
    "kept.web.wire.body",
    b"gzip application/json\n" + gzip.compress(EVENT.encode()),
    b"deflate x\n" + zlib.compress(EVENT.encode()),
    b" text/plain;charset=utf-16\n" + EVENT.encode("utf-16"),
    b" application/x-www-form-urlencoded\ndata=eyJhIjoxfQ%3D%3D",
)
def run_body(data: bytes) -> None:
    """A body as bytes, with labels that may lie: unpacked within bounds, or refused."""
    words, body = words_of(data)
    try:
        opened = open_body(body, encoding=words[0], content_type=words[-1])
    except InputError as error:
        check_refusal(error, data)
        return
    assert len(opened) <= 3 * 4 * 1024 * 1024
    with contextlib.suppress(InputError):
        read_data(opened.decode("latin-1"))


@fuzz("split", "kept.web.wire.split", BATCH, '[1,{"a":[}]', '{"a":"\\"","b":[[],{}],"a":NaN}')
def run_split(data: bytes) -> None:
    """A batch that the decoder refused: taken apart by its quotes and brackets, or not at all."""
    with contextlib.suppress(InputError):
        for element in split_array(data):
            assert element in data
    with contextlib.suppress(InputError):
        split_object(data)


@fuzz(
    "time",
    "kept.core.touchpoint_item",
    "2025-11-03T09:00:00Z",
    "1762160400",
    "9" * 18,
    "0001-01-01",
)
def run_time(data: bytes) -> None:
    """An event's time: an instant that fits, or refused."""
    moment = parse_time(data.decode("utf-8", "surrogateescape"))
    if moment is not None and not isinstance(moment, Rejected):
        assert instant_of_moment(moment) in INT64


@fuzz(
    "headers",
    "kept.web.wire.keys",
    "authorization: Basic c2hvcC1rZXk6\nx-write-key: a:b\nsec-gpc: 1\naccept-language: de-CH,de;q=0.9",
    "authorization: Bearer shop-key\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
    "access-control-request-headers: authorization, x-any",
)
def run_headers(data: bytes) -> None:
    """Headers that say who asks, for what page, in which language, and what may not be sold."""
    headers = [
        (name.strip().lower(), value.strip())
        for line in data.split(b"\n")
        for name, _, value in [line.partition(b":")]
    ]
    named = dict(headers)
    for key in offered_keys(named, read_some_query(data)):
        found = KEYS.find(key, now=NOW)
        assert found is None or found.source in TOUCHPOINTS
    assert read_gpc(headers) == ((b"sec-gpc", b"1") in headers)
    for _, value in preflight_headers(headers):
        assert not set(value) & set(b"\r\n\0")
    trace = trace_id_of(named.get(b"traceparent", b""))
    assert trace == "" or (len(trace) == 32 and trace.isalnum())
    assert words_for(named.get(b"accept-language", b"").decode("latin-1"))["button"]
    named.get(ACTOR_HEADER, b"").decode("utf-8", "replace")


def read_some_query(data: bytes) -> dict[str, str]:
    """Return the parameters in any bytes, where they can be read."""
    try:
        return read_query(data.decode("latin-1"))
    except InputError:
        return {}


DELIVERY: Final = json.dumps(
    {
        "event": "conversation_created",
        "id": "d-1",
        "created_at": "2025-11-03T09:00:00Z",
        "contacts": [{"email": f"{CANARY}@example.org"}],
        "conversation": {"id": 7, "subject": "Where is it?"},
    }
)


@fuzz(
    "webhook",
    "kept.web.wire.webhook",
    f"helpdesk signed\n{DELIVERY}",
    f"helpdesk signed\n[{DELIVERY},{DELIVERY},3]",
    "replies ?token=token h:content-type=application/x-www-form-urlencoded\nBody=STOP&From=%2B351911",
    f"helpdesk h:webhook-id=a h:webhook-timestamp=1 h:webhook-signature=v1,x\n{DELIVERY}",
)
def run_webhook(data: bytes) -> None:
    """A delivery of another system: believed only with its signature, mapped or quarantined."""
    words, body = words_of(data)
    webhook = WEBHOOKS.get(words[0], WEBHOOKS["helpdesk"])
    headers = headers_of(words)
    if "signed" in words:
        headers += list(sign(body=body).items())
    query = next((word[1:] for word in words if word.startswith("?")), "")
    try:
        parsed = webhook.parse(headers=headers, query=query, body=body, keys=KEYS, received_at=NOW)
    except InputError as error:
        check_refusal(error, data)
        return
    assert "signed" in words or webhook is WEBHOOKS["replies"], "believed without a signature"
    for event in parsed.events:
        check_event(event)
    for rejected in parsed.rejected:
        assert CANARY not in rejected.detail or rejected.code in NAMING
        webhook.reparse(rejected.payload, received_at=NOW)


@fuzz(
    "signature",
    "kept.web.wire.signature",
    "h:x-signature=sha256=00 h:webhook-id=a h:webhook-timestamp=1762164000 h:webhook-signature=v1,AA==\n{}",
    "h:authorization=Bearer\xa0token ?token=x\n{}",
)
def run_signature(data: bytes) -> None:
    """Nobody who does not know the secret makes up a signature, in any scheme."""
    words, body = words_of(data)
    named = dict(headers_of(words))
    query = read_some_query(next((w[1:] for w in words if w.startswith("?")), "").encode("latin-1"))
    signature = SOURCES["helpdesk"].signature
    assert signature is not None
    secret = "whsec_" + "c2VjcmV0" * 5
    for scheme in ("standard_webhooks", "hmac_sha256", "hmac_sha1", "token"):
        wanted = msgspec.structs.replace(signature, scheme=scheme, header="x-signature")
        try:
            check_signature(
                wanted, secrets=[secret], headers=named, query=query, body=body, now=NOW
            )
        except KeptError as error:
            assert secret not in str(error)
            continue
        raise AssertionError(f"{scheme}: forged")


TOLD: Final = Unsubscribe(
    part_id=7, entity="shop", purpose="marketing", channel="email", message_id="m1"
)
LINK_SECRET: Final = b"l" * 32
SHOWN: Final = DataUseLink(part_id=7, until=NOW + DAY, shows_values=False)
PASS: Final = Pass(part_id=7, expires_at=NOW + 1, source="shop")


@fuzz(
    "token",
    "kept.core.unsubscribe",
    make_token(TOLD, secret=LINK_SECRET),
    make_pass(PASS, secret=LINK_SECRET),
    data_use_link.make_token(SHOWN, secret=LINK_SECRET),
    "1.AAAA.AAAA",
)
def run_token(data: bytes) -> None:
    """A link or a pass: exactly what we wrote, or nothing; one is never taken for the other."""
    text = data.decode("utf-8", "surrogateescape")
    told = read_token(text, [LINK_SECRET])
    granted = read_pass(text, secret=LINK_SECRET, now=NOW)
    assert told is None or make_token(told, secret=LINK_SECRET) == text
    assert granted is None or make_pass(granted, secret=LINK_SECRET) == text
    shown = data_use_link.read_token(text, [LINK_SECRET], now=NOW)
    assert shown in (None, SHOWN), "a link to somebody's data was forged"
    assert sum(each is not None for each in (told, granted, shown)) <= 1
    assert told in (None, TOLD), "a link was forged"
    assert granted in (None, PASS), "a pass was forged"
    Signer(version="x", prefix=b"x", length_max=100).read(text, [LINK_SECRET])


@fuzz(
    "form",
    "kept.web.unsubscribe",
    "application/x-www-form-urlencoded\nList-Unsubscribe=One-Click",
    'multipart/form-data;boundary="b"\n--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"'
    "\r\n\r\nOne-Click\r\n--b--\r\n",
)
def run_form(data: bytes) -> None:
    """What is posted to leave with one click."""
    words, body = words_of(data)
    fields = read_form(body[: 8 * 1024], " ".join(words))
    assert all(isinstance(value, str) for value in fields.values())


@fuzz(
    "questions",
    "kept.web.decide",
    f'{{"placement":"banner","identifiers":{{"user_id":"{CANARY}"}},"count":2}}',
    f'{{"questions":[{{"placement":"till","identifiers":{{"card":"{CANARY}"}}}}]}}',
)
def run_questions(data: bytes) -> None:
    """What a placement asks."""
    try:
        questions, _ = read_questions(data)
    except InputError as error:
        check_refusal(error, data)
        return
    assert 0 < len(questions) <= 50


@fuzz("identifier", "kept.flows.regroup", f"email:{CANARY}@example.org", ":", "a:b:c")
def run_identifier(data: bytes) -> None:
    """An identifier as operators write it."""
    try:
        found = parse_identifier(data.decode("utf-8", "surrogateescape"))
    except KeptError:
        return
    assert parse_identifier(str(found)) == found


HEAD: Final = b"POST /v1/track HTTP/1.1\r\nhost: a\r\n"


@fuzz(
    "http",
    "kept.web.protocol",
    HEAD + b"content-length: 2\r\n\r\n{}",
    HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: b\r\n\r\n",
    HEAD + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\n{}",
    HEAD + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n{}",
    b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n" + HEAD + b"content-length: 2\r\n\r\n{}",
    b"GET http://a/%2e%2e?x=%zz HTTP/1.0\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
)
def run_http(data: bytes) -> None:
    """Bytes on a connection, however they are cut into packets: no request more than there were."""
    cuts = data[-1] % 7 if data else 0
    size = max(1, len(data) // (cuts + 1))
    packets = [data[start : start + size] for start in range(0, len(data), size)]
    with Connection() as connection:
        connection.send(*packets)
        connection.wait()
        seen: list[Any] = list(connection.seen)
        written = connection.wire.written
        assert written.count(b"HTTP/1.1 200 OK\r\n") <= len(seen)
        # A request has a line of its own, so that there are never more of them than lines.
        assert len(seen) <= data.count(b"\n")
        for one in seen:
            assert one.body in data or b"chunked" in data.lower()
            for name, value in one.headers:
                assert not set(name + value) & set(b"\r\n\0")
