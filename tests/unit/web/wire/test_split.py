"""A batch is taken apart by its brackets alone, when nothing else helps."""

import pytest

from kept.errors import InvalidEventError, TooLargeError
from kept.web.wire.split import TOKENS_MAX, split_array, split_object


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (b"[1]", [b"1"]),
        (b'[ {"a": [1, 2]} , NaN,"x]," ]', [b'{"a": [1, 2]}', b"NaN", b'"x],"']),
        (rb'["\"]",tru]', [rb'"\"]"', b"tru"]),
        (b"[1,,2]", [b"1", b"", b"2"]),
        (b"[1,]", [b"1"]),
        (b'[{"a":"\xff"}]', [b'{"a":"\xff"}']),
    ],
)
def test_elements_stay_as_they_stand(text: bytes, elements: list[bytes]) -> None:
    """Whatever they hold; an empty place is an element that will fail by itself."""
    got = split_array(text)
    assert got[: len(elements)] == elements
    assert all(each == b"" for each in got[len(elements) :])


def test_members_stay_as_they_stand() -> None:
    """By their names, escapes undone."""
    text = rb'{"batch" : [{"a":NaN}], "s\u0065ntAt":"x", "n":{"batch":1}, "\ud800":2}'
    assert split_object(text) == {
        "batch": b'[{"a":NaN}]',
        "sentAt": b'"x"',
        "n": b'{"batch":1}',
    }
    assert split_object(b"{}") == {}


@pytest.mark.parametrize(
    "text",
    [
        b"[",
        b"[1",
        b'["a]',
        b'["a\\"]',
        b"[{]}",
        b"[]]",
        b"[1] x",
        b"[1][2]",
        b"{}",
        b"",
        b"x",
        b'["' + b"\\" * 100_001,
    ],
)
def test_what_is_cut_off_is_refused(text: bytes) -> None:
    """Of half a batch nothing is taken, so that the sender sends it again."""
    with pytest.raises(InvalidEventError, match="not JSON"):
        split_array(text)


def test_a_member_without_a_name_is_refused() -> None:
    """Then it is no object."""
    with pytest.raises(InvalidEventError, match="no name"):
        split_object(b"{1:2}")


def test_a_hundred_thousand_brackets_are_only_counted() -> None:
    """No recursion, and an end to patience."""
    deep = b"[" * 50_000 + b"]" * 50_000
    assert split_array(b"[1,%s,2]" % deep) == [b"1", deep, b"2"]
    with pytest.raises(TooLargeError, match="split it"):
        split_array(b"[" * (TOKENS_MAX + 1))
    with pytest.raises(TooLargeError):
        split_array(b"[" + b"1," * (TOKENS_MAX + 1) + b"1]")
