"""Laws of the wire: whatever comes, only our own errors, and no good event is lost."""

import contextlib
import gzip
import json
import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kept.core.event import Event
from kept.core.touchpoint import Rejected
from kept.core.touchpoint_identifiers import clean_value
from kept.core.touchpoint_item import WireItem, check_item, parse_item
from kept.core.values import MINUTE
from kept.errors import InputError, InvalidEventError
from kept.web.wire.batch import reparse
from kept.web.wire.body import open_body
from kept.web.wire.routes import ROUTES
from kept.web.wire.segment import parse_request
from kept.web.wire.split import split_array
from kept.web.wire.webhook import compile_webhooks
from tests.unit.core.touchpoint_sample import HISTORY, NOW, SECRET, TOUCHPOINTS
from tests.unit.web.wire.test_signature import sign
from tests.unit.web.wire.wire_sample import KEYS, basic, post

POSTED = sorted(path for path, route in ROUTES.items() if route.kind in {"event", "batch"})
HELPDESK = compile_webhooks(TOUCHPOINTS, {"helpdesk": [SECRET]})["helpdesk"]
WORDS = st.sampled_from(
    [
        "type",
        "event",
        "name",
        "category",
        "userId",
        "anonymousId",
        "previousId",
        "groupId",
        "messageId",
        "timestamp",
        "sentAt",
        "originalTimestamp",
        "properties",
        "traits",
        "context",
        "integrations",
        "batch",
        "externalIds",
        "email",
        "id",
        "mergeProperties",
        "writeKey",
        "track",
        "identify",
        "alias",
        "A",
        "u1",
        "null",
        "0000",
        "2025-11-03T09:00:00Z",
    ]
)
TEXTS = WORDS | st.text(max_size=20)
# Half a character is no text to Python's encoder, but it is to JSON and to browsers.
ODD_TEXTS = TEXTS | st.text(st.characters(), max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXTS, inner, max_size=5),
    max_leaves=15,
)
SANE_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=15,
)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page", "group", "alias", "merge"])},
    optional={
        "event": st.just("A"),
        "userId": SCALARS,
        "anonymousId": SCALARS,
        "previousId": SCALARS,
        "messageId": SCALARS,
        "timestamp": st.integers() | st.just("2025-11-03T09:00:00Z"),
        "sentAt": st.integers() | st.just("2025-11-03T09:00:01Z"),
        "properties": VALUES,
        "traits": VALUES,
        "context": VALUES,
        "mergeProperties": VALUES,
    },
)


def good(number: int) -> dict[str, Any]:
    """Return an event that must be taken."""
    return {"type": "track", "event": "Good", "userId": "u1", "messageId": f"good-{number}"}


def ask(path: str, body: bytes, *, query: str = "") -> None:
    """Send a request to a path; only our own refusals may come of it."""
    with contextlib.suppress(InputError):
        parse_request(
            ROUTES[path],
            headers=[basic()],
            query=query,
            body=body,
            keys=KEYS,
            touchpoints=TOUCHPOINTS,
            received_at=NOW,
        )


@given(st.sampled_from(sorted(ROUTES)), st.binary(max_size=200), st.text(max_size=50))
@example("/v1/batch", b"[" * 3_000, "")
@example("/v1/batch", b'{"batch":' * 3_000, "")
@example("/v1/track", b'{"a":' * 3_000, "")
@example("/v1/pixel/track", b"", "data=" + "A" * 3_000)
def test_no_bytes_raise_anything_but_our_errors(path: str, body: bytes, query: str) -> None:
    """A public port is asked anything."""
    ask(path, body, query=query)
    ask(path, gzip.compress(body), query=query)


@given(st.sampled_from(POSTED), VALUES)
def test_no_json_raises_anything_but_our_errors(path: str, value: Any) -> None:
    """Any shape of any depth, on any path, as itself and as a batch."""
    ask(path, json.dumps(value).encode())
    ask(path, json.dumps({"batch": [value], "context": value, "sentAt": value}).encode())


@given(st.lists(VALUES | ITEMS, max_size=5), st.data())
def test_good_events_are_never_lost_among_bad_ones(others: list[Any], data: st.DataObject) -> None:
    """Every item of a batch is either an event or kept with its reason, in its own right."""
    items = [*others, good(1), good(2)]
    order = data.draw(st.permutations(items))
    parsed = post("/v1/batch", {"batch": order})
    taken = {event.message_id for event in parsed.events}
    assert {"good-1", "good-2"} <= taken
    assert len(parsed.events) + len(parsed.rejected) == len(items)
    for rejected in parsed.rejected:
        assert rejected.code.startswith("event.")
        assert rejected.detail
        again = reparse(rejected.payload, TOUCHPOINTS["shop"], received_at=NOW)
        assert [each.code for each in again.rejected] == [rejected.code]


@given(others=st.lists(SANE_VALUES, max_size=4), cut=st.integers(min_value=1), packed=st.booleans())
def test_of_a_batch_that_is_cut_off_nothing_is_taken(
    others: list[Any], cut: int, *, packed: bool
) -> None:
    """Or its sender would believe that all of it arrived."""
    body = json.dumps({"batch": [good(1), *others], "sentAt": "2025-11-03T10:00:00Z"}).encode()
    if packed:
        body = gzip.compress(body, mtime=0)
    with pytest.raises(InvalidEventError):
        post("/v1/batch", body[: -(cut % (len(body) - 1)) - 1])


@given(st.dictionaries(WORDS, SANE_VALUES) | ITEMS)
@example({"properties": {"a": [[[[[[[[1]]]]]]]]}})
@example({"event": "e\u0301"})
def test_the_fast_way_and_the_slow_way_agree(item: dict[str, Any]) -> None:
    """What the decoder takes at once is what the mending path would make of it."""
    for raw in (json.dumps(item), json.dumps(item, ensure_ascii=False)):
        try:
            fast = parse_item(raw.encode())
        except UnicodeEncodeError:
            continue  # half a character cannot be written out
        slow = check_item(json.loads(raw))
        if isinstance(fast, WireItem):
            assert msgspec.to_builtins(fast) == msgspec.to_builtins(slow)
        else:
            assert isinstance(slow, Rejected)
            assert slow.code == fast.code


@given(
    source=st.sampled_from(["shop", "web", "till", "mirror"]),
    fields=ITEMS,
    sent_at=st.integers(),
    gpc=st.booleans(),
)
def test_an_event_keeps_its_promises(
    source: str, fields: dict[str, Any], sent_at: int, *, gpc: bool
) -> None:
    """Whoever sends it: dated within bounds, keyed within 63 bits, vouched for from the front."""
    item = check_item(fields)
    assume(isinstance(item, WireItem))
    assert isinstance(item, WireItem)
    touchpoint = TOUCHPOINTS[source]
    event = touchpoint.read(item, received_at=NOW, sent_at=sent_at, gpc=gpc)
    if isinstance(event, Rejected):
        return
    assert event == touchpoint.read(item, received_at=NOW, sent_at=sent_at, gpc=gpc)
    assert NOW - HISTORY <= event.occurred_at <= NOW + 5 * MINUTE
    assert 0 <= event.event_key < 2**63
    assert 0 < len(event.message_id) <= 100
    assert event.claim_hour >= 0
    assert len(set(event.identifiers)) == len(event.identifiers) > 0
    vouches = () if source == "web" else touchpoint.source.vouches
    assert [i.namespace in vouches for i in event.identifiers] == [
        place < event.vouched_count for place in range(len(event.identifiers))
    ]
    assert not gpc or event.context["gpc"] is True
    assert not {"traits", "externalIds"} & event.context.keys()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event


@given(ODD_TEXTS | st.integers() | st.floats())
def test_cleaning_a_value_twice_is_cleaning_it_once(value: Any) -> None:
    """Or a value read back from the store would be another customer."""
    once = clean_value(value)
    assert clean_value(once) == once
    assert unicodedata.is_normalized("NFC", once)


@given(st.sampled_from(["user_id", "email", "phone"]), st.text(max_size=40))
def test_an_identifier_survives_the_wire_and_back(namespace: str, value: str) -> None:
    """Escaped or spelled out, composed or not, with spaces around it: one value, one identifier."""
    assume("\0" not in value)
    found = set()
    for text in (value, f" {value}\t", unicodedata.normalize("NFD", value)):
        for is_escaped in (True, False):
            external = [{"type": namespace, "id": text}, {"type": "card", "id": "anchor"}]
            item = {"type": "page", "messageId": "m", "context": {"externalIds": external}}
            body = json.dumps(item, ensure_ascii=is_escaped).encode()
            (event,) = post("/v1/page", body).events
            found.add(event.identifiers)
    (identifiers,) = found
    for identifier in identifiers:
        told = {identifier.namespace: identifier.value}
        assert TOUCHPOINTS["shop"].name_identifiers(told) == (identifier,)


@given(st.lists(VALUES, max_size=6))
def test_a_list_is_taken_apart_as_a_parser_would(values: list[Any]) -> None:
    """The bracket counter and a real parser find the same elements."""
    text = json.dumps(values)
    assert [json.dumps(json.loads(each)) for each in split_array(text.encode())] == [
        json.dumps(each) for each in json.loads(text)
    ]


@given(SANE_VALUES)
def test_a_body_is_opened_to_what_was_packed(value: Any) -> None:
    """Gzip, a mark at the beginning, another charset: the same JSON."""
    text = json.dumps([value], ensure_ascii=False)
    for body in (
        text.encode(),
        gzip.compress(text.encode()),
        text.encode("utf-8-sig"),
        text.encode("utf-16"),
        gzip.compress(text.encode("utf-16")),
    ):
        assert open_body(body) == text.encode()


@given(VALUES | st.lists(st.dictionaries(WORDS, VALUES)))
def test_no_webhook_raises_anything_but_our_errors(value: Any) -> None:
    """A system that is trusted to sign is not trusted to make sense."""
    body = json.dumps(value).encode()
    try:
        parsed = HELPDESK.parse(
            headers=list(sign(body=body).items()), query="", body=body, keys=KEYS, received_at=NOW
        )
    except InputError:
        return
    count = len(value) if isinstance(value, list) else 1
    assert len(parsed.events) + len(parsed.rejected) + parsed.ignored_count == count
