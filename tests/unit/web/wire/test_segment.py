"""Requests of SDKs: who sends them, what is taken, and what is set aside."""

import base64
import gzip
import json
from typing import Any

import pytest

from kept.core.values import SECOND, moment_of
from kept.errors import InvalidEventError, NotAllowedError, TooLargeError
from kept.web.wire.batch import BATCH_COUNT_MAX, PAYLOAD_BYTES_MAX, reparse
from kept.web.wire.segment import read_gpc
from tests.unit.core.touchpoint_sample import NOW, TOUCHPOINTS, names
from tests.unit.web.wire.wire_sample import basic, codes, only, post

GOOD = {"type": "track", "event": "A", "userId": "u1", "messageId": "m1"}
PAGE = {"type": "page", "anonymousId": "a1", "messageId": "m2"}


def batch(*items: str, shared: str = "") -> bytes:
    """Return a batch of items that are written by hand."""
    return f'{{"batch":[{",".join(items)}]{shared}}}'.encode()


# -- who sends


def test_a_request_without_a_known_key_is_refused() -> None:
    """And told where a key may stand."""
    for key in (None, "wrong-key"):
        with pytest.raises(NotAllowedError, match="write key"):
            post("/v1/track", GOOD, key=key)


@pytest.mark.parametrize(
    ("headers", "query", "body"),
    [
        ([basic("shop-key")], "", {}),
        ([(b"authorization", b"Bearer shop-key")], "", {}),
        ([(b"authorization", b"shop-key")], "", {}),
        ([(b"x-write-key", b"shop-key:secret")], "", {"writeKey": "shop-key:***"}),
        ([], "writeKey=shop-key", {}),
        ([], "", {"writeKey": "shop-key"}),
        ([(b"authorization", b"Bearer an-oauth-token")], "", {"writeKey": "shop-key"}),
    ],
)
def test_a_key_may_stand_in_many_places(
    headers: list[tuple[bytes, bytes]], query: str, body: dict[str, str]
) -> None:
    """In the header, the query or the body, of an item or of a batch."""
    parsed = post("/v1/track", {**GOOD, **body}, *headers, query=query, key=None)
    assert (parsed.source, len(parsed.events)) == ("shop", 1)
    parsed = post("/v1/batch", {"batch": [GOOD], **body}, *headers, query=query, key=None)
    assert (parsed.source, len(parsed.events)) == ("shop", 1)


def test_a_bad_item_does_not_hide_the_key_in_the_body() -> None:
    """The key is looked for in a body that is not quite JSON, too."""
    body = batch(json.dumps(GOOD), "NaN", shared=',"writeKey":"shop-key"')
    assert len(post("/v1/batch", body, key=None).events) == 1
    with pytest.raises(NotAllowedError):
        post("/v1/batch", batch("NaN"), key=None)


@pytest.mark.parametrize(
    "origin",
    [None, b"https://www.example.org", b"https://www.example.org:8443", b"http://localhost:5173"],
)
def test_a_page_on_a_listed_origin_may_use_the_key(origin: bytes | None) -> None:
    """An origin without a port has any; a server names none."""
    headers = [(b"origin", origin)] if origin else []
    assert post("/v1/page", PAGE, *headers, key="web-key").events


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example",
        b"http://www.example.org",
        b"null",
        b"https://www.example.org.evil.example",
    ],
)
def test_a_page_on_a_foreign_origin_may_not(origin: bytes) -> None:
    """The message names the origin and the list that it is not on."""
    with pytest.raises(NotAllowedError, match=r"sources\.yaml"):
        post("/v1/page", PAGE, (b"origin", origin), key="web-key")
    assert post("/v1/page", PAGE, (b"origin", origin), key="shop-key").events


# -- what is taken


def test_the_path_names_the_type() -> None:
    """Of an item that names none, or another."""
    for item in ({**GOOD, "type": None}, GOOD, {"userId": "u1"}):
        (event,) = post("/v1/identify", item).events
        assert (event.type, event.name) == ("identify", "Identified")


def test_a_batch_may_be_a_single_item_or_a_bare_list() -> None:
    """Some clients forget the frame."""
    assert len(post("/v1/batch", GOOD).events) == 1
    assert len(post("/v1/batch", [GOOD, PAGE]).events) == 2
    assert len(post("/v1/batch", b"[%s,NaN]" % json.dumps(GOOD).encode()).events) == 1


def test_a_single_bad_item_on_the_batch_path_waits_too() -> None:
    """It is set aside as if it had come in a batch."""
    body = b'{"type":"page","userId":"u","properties":{"x":NaN}}'
    assert codes(post("/v1/batch", body)) == ["event.bad_number"]


def test_an_empty_batch_is_nothing() -> None:
    """And nothing is wrong with it."""
    parsed = post("/v1/batch", {"batch": [], "sentAt": None})
    assert (parsed.events, parsed.rejected) == ([], [])


def test_what_is_said_of_all_is_said_of_each() -> None:
    """Context and integrations of the batch are merged in; an item's own come first."""
    body = {
        "batch": [{**GOOD, "context": {"ip": "1.1.1.1"}, "integrations": {"B": False}}, PAGE],
        "context": {"ip": "2.2.2.2", "locale": "pt"},
        "integrations": {"All": False, "B": True},
    }
    first, second = post("/v1/batch", body).events
    assert first.context == {
        "ip": "1.1.1.1",
        "locale": "pt",
        "integrations": {"All": False, "B": False},
    }
    assert second.context["ip"] == "2.2.2.2"


def test_the_batchs_sending_time_corrects_every_item() -> None:
    """A phone two hours fast."""
    wrong = moment_of(NOW + 7_200 * SECOND).isoformat()
    body: dict[str, Any] = {"batch": [{**GOOD, "timestamp": wrong}], "sentAt": wrong}
    (event,) = post("/v1/batch", body).events
    assert event.occurred_at == NOW


def test_a_sending_time_may_stand_in_a_header() -> None:
    """One browser SDK puts it there for single events."""
    wrong = moment_of(NOW + 7_200 * SECOND).isoformat()
    item = {**GOOD, "originalTimestamp": wrong}
    (event,) = post("/v1/track", item, (b"sentat", wrong.encode())).events
    assert event.occurred_at == NOW
    (event,) = post("/v1/track", item, (b"sentat", b"soon")).events
    assert event.occurred_at == NOW  # two hours ahead is not believed either
    (event,) = post("/v1/track", {**item, "sentAt": wrong}, (b"sentat", b"2025-01-01")).events
    assert event.occurred_at == NOW


def test_unreadable_words_for_all_are_passed_over() -> None:
    """Each by itself: a bad time costs neither the items nor the context."""
    body = batch(json.dumps(GOOD), shared=',"sentAt":"soon","context":{"locale":"pt"},"type":7')
    (event,) = post("/v1/batch", body).events
    assert event.context == {"locale": "pt"}


def test_a_huge_context_for_all_is_refused() -> None:
    """Or a small request would become a large history."""
    with pytest.raises(TooLargeError, match="context"):
        post("/v1/batch", {"batch": [GOOD], "context": {"x": "y" * 40_000}})


def test_gpc_is_heard() -> None:
    """Only `1` counts, among several headers too."""
    (event,) = post("/v1/page", PAGE, (b"sec-gpc", b"1"), key="web-key").events
    assert event.context["gpc"] is True
    assert not read_gpc([(b"sec-gpc", b"0"), (b"sec-gpc", b"true"), (b"sec-gpc", b"1, 0")])
    assert read_gpc([(b"sec-gpc", b"0"), (b"sec-gpc", b"1")])
    assert not read_gpc([])


def test_a_pixel_carries_an_event_in_its_query() -> None:
    """The key comes within the data; the agent comes from the request."""
    item = {**GOOD, "event": "Email Opened", "writeKey": "shop-key"}
    query = "data=" + base64.b64encode(json.dumps(item).encode()).decode()
    agent = (b"user-agent", b"Mozilla/5.0")
    (event,) = post("/v1/pixel/track", b"", agent, query=query, key=None).events
    assert event.properties == {"machine": True}
    assert event.context == {"userAgent": "Mozilla/5.0"}
    with pytest.raises(InvalidEventError):
        post("/v1/pixel/track", b"", query="")


# -- what is set aside


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ('{"type":"track","event":"A","userId":"u","properties":{"x":NaN}}', "event.bad_number"),
        ('{"type":"track","event":"A","userId":"\\ud83d"}', "event.bad_text"),
        ('{"type":"track","event":"A","userId":"u\\u0000"}', "event.bad_text"),
        ('{"properties":' + '{"a":' * 5_000 + "1" + "}" * 5_001, "event.too_deep"),
        ('{"type":"track","event":"%s"}' % ("x" * 33_000), "event.too_large"),
        ("tru", "event.not_json"),
        ("", "event.not_json"),
        ('{"a" 1}', "event.not_json"),
        ("17", "event.not_an_object"),
        ("[]", "event.not_an_object"),
        ("{}", "event.unknown_type"),
        ('{"type":"track","userId":"u"}', "event.no_name"),
        ('{"type":"track","event":"A"}', "event.no_identifier"),
        ('{"type":"track","event":"A","userId":"0000-0000"}', "event.no_identifier"),
        ('{"type":"track","event":7,"userId":"u"}', "event.bad_field"),
        ('{"type":"page","userId":"u","timestamp":"1970-01-01T00:00:00Z"}', "event.too_old"),
        ('{"type":"page","userId":"u","timestamp":"?"}', "event.bad_time"),
        ('{"type":"track","event":"Message Settled","userId":"u"}', "event.not_allowed"),
    ],
)
def test_one_bad_item_never_spoils_the_rest(bad: str, code: str) -> None:
    """Wherever it stands, the good ones around it are taken, and it waits to be mended."""
    good, page = json.dumps(GOOD), json.dumps(PAGE)
    for items in (
        [bad, good, page],
        [good, bad, page],
        [good, page, bad, good.replace("m1", "m3")],
    ):
        if items[-1] == "":
            continue  # a comma at the end is forgiven
        parsed = post("/v1/batch", batch(*items, shared=',"sentAt":"2025-11-03T10:00:00Z"'))
        assert len(parsed.events) == len(items) - 1
        assert codes(parsed) == [code]


def test_what_is_set_aside_can_be_mended_and_read_again() -> None:
    """With what was said of all items, and at the time when it came."""
    stamped = {**GOOD, "timestamp": moment_of(NOW + 3_600 * SECOND).isoformat()}
    body = {
        "batch": [{**stamped, "event": None}],
        "sentAt": moment_of(NOW + 3_600 * SECOND).isoformat(),
        "context": {"locale": "pt"},
    }
    rejected = only(post("/v1/batch", body, (b"sec-gpc", b"1")))
    mended = rejected.payload.replace(b'"event": null', b'"event": "A"')
    again = reparse(mended, TOUCHPOINTS["shop"], received_at=NOW)
    taken = {**body, "batch": [stamped]}
    assert again.events == post("/v1/batch", taken, (b"sec-gpc", b"1")).events
    assert codes(reparse(rejected.payload, TOUCHPOINTS["shop"], received_at=NOW)) == codes(
        post("/v1/batch", body)
    )


@pytest.mark.parametrize("said", ['""', '"\\ud800"', "NaN"])
def test_the_key_in_a_bad_event_is_not_kept(said: str) -> None:
    """Whoever may see what it says, to mend it, is not handed the key of its source."""
    event = f'{{"writeKey":"shop-key","type":"track","event":{said},"userId":"u1"}}'
    listed = batch(event, shared=',"writeKey":"shop-key"')
    for path, body in (("/v1/track", event.encode()), ("/v1/batch", listed)):
        kept = only(post(path, body, key=None)).payload
        assert b"shop-key" not in kept
        assert f'"event":{said},"userId":"u1"'.encode() in kept


def test_what_a_path_named_is_still_known_when_it_is_read_again() -> None:
    """The type was in the path, so it is kept with the item."""
    rejected = only(post("/v1/identify", {"userId": None, "traits": {"first_name": "Ana"}}))
    mended = rejected.payload.replace(b'"userId": null', b'"userId": "u1"')
    (event,) = reparse(mended, TOUCHPOINTS["shop"], received_at=NOW).events
    assert (event.type, event.traits) == ("identify", {"first_name": "Ana"})
    (event,) = reparse(json.dumps(GOOD).encode(), TOUCHPOINTS["shop"], received_at=NOW).events
    assert event.name == "A"


def test_what_is_kept_of_a_bad_item_has_a_bound() -> None:
    """The quarantine is no store for whoever finds a key."""
    parsed = post("/v1/batch", batch(json.dumps({**GOOD, "event": "x" * 1_000_000})))
    assert len(only(parsed).payload) < PAYLOAD_BYTES_MAX + 100


# -- what is refused as a whole


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"{",
        b'{"batch":[{},',
        b"{}{}",
        b'{"batch":{}}',
        b'{"batch":7}',
        b"7",
        b'"x"',
    ],
)
def test_what_is_no_json_is_refused_as_a_whole(body: bytes) -> None:
    """A cut connection must not look like success."""
    with pytest.raises(InvalidEventError) as caught:
        post("/v1/batch", body)
    assert not isinstance(caught.value, TooLargeError)


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"null", b"tru"])
def test_a_single_event_that_is_no_object_is_refused(body: bytes) -> None:
    """There is no rest that it could spoil."""
    with pytest.raises(InvalidEventError):
        post("/v1/track", body)


def test_a_single_event_of_33_kilobytes_is_too_large() -> None:
    """Clearly, with 413."""
    with pytest.raises(TooLargeError, match="32768"):
        post("/v1/track", {**GOOD, "event": "x" * 33_000})


def test_a_batch_of_too_many_is_too_large() -> None:
    """It says how many are taken at once."""
    with pytest.raises(TooLargeError, match=str(BATCH_COUNT_MAX)):
        post("/v1/batch", batch(*["{}"] * (BATCH_COUNT_MAX + 1)))


def test_a_bomb_in_a_batch_is_too_large() -> None:
    """Packed well, it is still a bomb."""
    with pytest.raises(TooLargeError):
        post("/v1/batch", gzip.compress(b'{"batch":[' + b" " * 10_000_000 + b"]}"))


def test_a_query_without_end_is_refused() -> None:
    """Its parameters are counted before they are kept."""
    with pytest.raises(InvalidEventError, match="parameters"):
        post("/v1/track", GOOD, query="&".join(f"a{i}=1" for i in range(200)))


def test_huge_integers_wait_alone() -> None:
    """As an id, as a property, as a time."""
    huge = 10**30
    parsed = post(
        "/v1/batch",
        batch(
            json.dumps({"type": "page", "userId": huge}),
            json.dumps({"type": "page", "userId": "u", "properties": {"n": huge}}),
            json.dumps({"type": "page", "userId": "u", "timestamp": huge}),
            json.dumps(PAGE),
        ),
    )
    assert codes(parsed) == ["event.bad_number"] * 3
    assert [each.field for each in parsed.rejected] == ["userId", "properties.n", "timestamp"]
    assert [names(event) for event in parsed.events] == [["anonymous_id:a1"]]


def test_a_packed_request_weighs_what_it_unpacks_to() -> None:
    """A few bytes of gzip would else wait for the writer by the thousand."""
    body = json.dumps({"batch": [{"type": "track", "event": "A", "userId": "u", "x": "y" * 9_000}]})
    packed = gzip.compress(body.encode())
    assert len(packed) < 200
    assert post("/v1/batch", packed).bytes_count == len(body)
