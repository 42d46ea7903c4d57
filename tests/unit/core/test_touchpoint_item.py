"""What may stand in an event, and what is said of that which may not."""

import json
from typing import Any

import pytest

from kept.core.touchpoint_item import (
    DEPTH_MAX,
    EVENT_BYTES_MAX,
    KEY_LENGTH_MAX,
    PROPERTIES_MAX,
    Rejected,
    WireItem,
    check_item,
    parse_item,
)


def parsed(raw: bytes | str) -> WireItem:
    """Return the item that these bytes must give."""
    result = parse_item(raw.encode() if isinstance(raw, str) else raw)
    assert isinstance(result, WireItem), result
    return result


def refused(raw: bytes | str) -> Rejected:
    """Return the rejection that these bytes must meet."""
    result = parse_item(raw.encode() if isinstance(raw, str) else raw)
    assert isinstance(result, Rejected), result
    return result


def nested(depth: int, *, inner: str = "1") -> str:
    """Return an item with lists standing in each other within its properties."""
    return '{"properties":{"a":' + "[" * depth + inner + "]" * depth + "}}"


def test_an_item_is_read_as_it_stands() -> None:
    """Known members are typed, unknown ones passed over."""
    item = parsed('{"type":"track","event":"A","userId":7,"properties":{"x":[1,{"y":null}]},"z":1}')
    assert (item.type, item.event, item.user_id) == ("track", "A", 7)
    assert item.properties == {"x": [1, {"y": None}]}


def test_an_event_of_33_kilobytes_is_too_large() -> None:
    """The bound is counted in bytes, as sent."""
    frame = '{"event":""}'
    assert parsed('{"event":"%s"}' % ("x" * (EVENT_BYTES_MAX - len(frame)))).event
    found = refused('{"event":"%s"}' % ("x" * (33 * 1024)))
    assert found.code == "event.too_large"
    assert str(EVENT_BYTES_MAX) in found.detail


def test_ten_thousand_and_one_properties_are_too_many() -> None:
    """A mapped row can hold them, though no event on the wire has room for so many."""
    assert isinstance(
        check_item({"properties": {f"p{i}": i for i in range(PROPERTIES_MAX)}}), WireItem
    )
    found = check_item({"properties": {f"p{i}": i for i in range(PROPERTIES_MAX + 1)}})
    assert isinstance(found, Rejected)
    assert (found.code, found.field) == ("event.too_many_properties", "properties")


@pytest.mark.parametrize("inner", ["1", '"\\u0000"', '"e\u0301"'])
def test_nesting_is_bounded_on_both_paths(inner: str) -> None:
    """The fast decoder and the slow one draw the same line."""
    deep = refused(nested(DEPTH_MAX + 1, inner=inner))
    assert deep.code == "event.too_deep"
    allowed = parse_item(nested(DEPTH_MAX, inner=inner).encode())
    assert getattr(allowed, "code", "") != "event.too_deep"
    objects = '{"properties":' + '{"a":' * (DEPTH_MAX + 1) + "1" + "}" * (DEPTH_MAX + 1) + "}"
    assert isinstance(parse_item(objects.encode()), WireItem)
    assert refused(objects.replace(":1}", ':{"b":1}}')).code == "event.too_deep"


def test_a_thousand_brackets_end_nothing() -> None:
    """No recursion of ours or of the decoder's is worn out."""
    for depth in (900, 5_000, 15_000):
        assert refused(nested(depth)).code == "event.too_deep"


def test_a_long_key_is_refused_wherever_it_stands() -> None:
    """Keys are names; what is longer is data in the wrong place."""
    assert parsed('{"traits":{"%s":1}}' % ("k" * KEY_LENGTH_MAX)).traits
    found = refused('{"traits":{"a":{"%s":1}}}' % ("k" * (KEY_LENGTH_MAX + 1)))
    assert (found.code, found.field) == ("event.bad_key", f"traits.a.{'k' * 40}…")


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "-9223372036854775809", "1e400", "-1e999", "9" * 5_000]
)
def test_a_number_beyond_64_bits_is_refused_and_named(number: str) -> None:
    """Nothing behind the wire computes with it, and cutting it would change it."""
    found = refused('{"properties":{"a":[0,{"b":' + number + "}]}}")
    assert found.code == "event.bad_number"
    if len(number) < 100:
        assert found.field == "properties.a.1.b"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_python_writes_for_no_number_is_refused_and_named(number: str) -> None:
    """It is no JSON; its neighbours in the batch are, so it is refused alone."""
    found = refused('{"properties":{"x":' + number + "}}")
    assert (found.code, found.field) == ("event.bad_number", "properties.x")


def test_the_widest_numbers_pass() -> None:
    """All of int64, and any finite float."""
    item = parsed('{"properties":{"a":9223372036854775807,"b":-9223372036854775808,"c":1e308}}')
    assert item.properties == {"a": 2**63 - 1, "b": -(2**63), "c": 1e308}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (r'{"properties":{"a":"x\u0000y"}}', "properties.a"),
        (r'{"properties":{"a":{"\u0000":1}}}', "properties.a"),
        (r'{"properties":{"a":"\ud83d"}}', "properties.a"),
        (r'{"context":{"a":["\udc00\ud83d"]}}', "context.a.0"),
        (r'{"event":"\ud800"}', "event"),
    ],
)
def test_nul_and_half_a_character_are_refused_and_named(raw: str, field: str) -> None:
    """No database takes them, and an emoji cut in two cannot be mended by guessing."""
    found = refused(raw)
    assert (found.code, found.field) == ("event.bad_text", field)


@pytest.mark.parametrize("raw", [b'{"event":"\xff"}', b'{"event":"\xed\xa0\x80"}'])
def test_what_is_no_utf8_is_refused(raw: bytes) -> None:
    """Not even the slow path guesses a charset for one item."""
    assert refused(raw).code == "event.bad_text"


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    """The look for trouble is coarse, the judgement is not."""
    assert parsed(r'{"event":"C:\\u0000"}').event == "C:\\u0000"


@pytest.mark.parametrize(
    "raw",
    [
        '{"event":"Cafe\u0301"}',
        r'{"event":"Cafe\u0301"}',
        r'{"event":"Caf\u00e9"}',
        '{"event":"Caf\\u0065\u0301"}',
        '{"event":"Café"}',
    ],
)
def test_text_is_nfc_however_it_was_written(raw: str) -> None:
    """An accent written apart is the same letter."""
    assert parsed(raw).event == "Café"


def test_an_accent_after_an_escape_breaks_nothing() -> None:
    """A line break followed by a tilde is no escaped letter."""
    assert parsed('{"event":"a\\n\u0303"}').event == "a\n\u0303"
    assert parsed(r'{"event":"\ud83c\udf89 \u6771"}').event == "🎉 東"


@pytest.mark.parametrize("raw", ["", "{", '{"a":tru}', '{"a":1}}', "undefined", '{"a":01}'])
def test_what_is_no_json_is_refused(raw: str) -> None:
    """With the decoder's own words, which name the place."""
    assert refused(raw).code == "event.not_json"


@pytest.mark.parametrize("raw", ["[]", "1", "null", '"text"', "true"])
def test_what_is_no_object_is_refused(raw: str) -> None:
    """Valid JSON, and no event."""
    assert refused(raw).code == "event.not_an_object"


def test_the_empty_lists_of_php_are_empty_objects() -> None:
    """Its encoder cannot tell them apart."""
    item = parsed('{"type":"track","properties":[],"traits":[],"context":[],"integrations":[]}')
    assert (item.properties, item.traits, item.context, item.integrations) == ({}, {}, {}, {})


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ('{"event":5}', "event"),
        ('{"userId":[1]}', "userId"),
        ('{"userId":true}', "userId"),
        ('{"properties":[1]}', "properties"),
        ('{"properties":"x"}', "properties"),
        ('{"timestamp":[1]}', "timestamp"),
        ('{"mergeProperties":{"a":1}}', "mergeProperties"),
        ('{"mergeProperties":[{"type":{}}]}', "mergeProperties[0][...]"),
    ],
)
def test_a_wrong_type_is_refused_and_named(raw: str, field: str) -> None:
    """As the sender spells it."""
    found = refused(raw)
    assert (found.code, found.field) == ("event.bad_field", field)


def test_absent_and_null_are_the_same() -> None:
    """SDKs write null for what they do not know."""
    names = ("type", "event", "userId", "messageId", "timestamp", "properties", "context")
    assert parsed(json.dumps(dict.fromkeys(names))) == WireItem()


def test_mapped_values_meet_the_same_bounds() -> None:
    """A row of a file has never been bytes, and is no more welcome for it."""
    tuples: dict[str, Any] = {"properties": {"a": (1, "e\u0301")}}
    assert check_item(tuples) == WireItem(properties={"a": [1, "é"]})
    found = check_item({"properties": {"a": [float("nan")]}})
    assert isinstance(found, Rejected)
    assert found.field == "properties.a.0"
