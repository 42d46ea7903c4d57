"""Callbacks of providers, read as feedback."""

import json
from typing import Any

import pytest

from kept.core.feedback import Callback, Feedback, parse_callback
from kept.errors import InvalidEventError

NOW = 1_700_000_000_000_000
AT = "2023-11-14T22:00:00Z"
AT_INSTANT = 1_699_999_200_000_000


def read(*items: Any) -> Callback:
    """Read a callback of these events."""
    return parse_callback(json.dumps({"events": items}).encode(), now=NOW)


def test_one_object_is_a_callback() -> None:
    """The simplest body that a provider can send."""
    body = b'{"type": "delivered", "message_id": "m7"}'
    assert parse_callback(body, now=NOW).feedback == (
        Feedback(outcome="delivered", message_id="m7", occurred_at=NOW),
    )


def test_every_kind_of_outcome_is_read() -> None:
    """With what belongs to each: hard or soft, the link, the words of a reply."""
    callback = read(
        {"type": "bounced", "provider_id": "p1", "bounce": "hard", "detail": "5.1.1", "id": "e1"},
        {"type": "bounced", "provider_id": "p2", "bounce": "soft"},
        {"type": "opened", "message_id": "m3", "occurred_at": AT},
        {"type": "clicked", "message_id": "m3", "url": "https://shop.example/a"},
        {"type": "complained", "message_id": "m4"},
        {"type": "replied", "message_id": "m5", "text": "STOP\r\n\u202e"},
    )
    assert callback.unreadable == ()
    assert callback.feedback == (
        Feedback(
            outcome="bounced",
            provider_id="p1",
            hard=True,
            detail="5.1.1",
            occurrence="e1",
            occurred_at=NOW,
        ),
        Feedback(outcome="bounced", provider_id="p2", occurred_at=NOW),
        Feedback(outcome="opened", message_id="m3", occurred_at=AT_INSTANT, occurrence=AT),
        Feedback(
            outcome="clicked", message_id="m3", detail="https://shop.example/a", occurred_at=NOW
        ),
        Feedback(outcome="complained", message_id="m4", occurred_at=NOW),
        Feedback(outcome="replied", message_id="m5", detail="STOP\n", occurred_at=NOW),
    )


@pytest.mark.parametrize(
    "signs",
    [
        {"machine": True},
        {"user_agent": "Mozilla/5.0"},
        {"user_agent": "Barracuda Sentinel"},
        {"user_agent": "python-requests/2.31"},
        {
            "user_agent": "GoogleImageProxy",
            "occurred_at": AT,
            "delivered_at": "2023-11-14T21:59:59Z",
        },
    ],
)
@pytest.mark.parametrize("kind", ["opened", "clicked"])
def test_a_machines_opening_is_known_as_one(kind: str, signs: dict[str, Any]) -> None:
    """By its own word, by its agent, or by being there before anybody could be."""
    (feedback,) = read({"type": kind, "message_id": "m1", **signs}).feedback
    assert feedback.machine


def test_a_persons_opening_counts() -> None:
    """An ordinary mail reader, or no word about it at all."""
    agent = (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    )
    callback = read({"type": "opened", "message_id": "m1", "user_agent": agent},
                    {"type": "opened", "message_id": "m1"})  # fmt: skip
    assert [feedback.machine for feedback in callback.feedback] == [False, False]


def test_one_bad_item_does_not_spoil_the_others() -> None:
    """Each is told with its place."""
    callback = read(
        {"type": "delivered", "message_id": "m1"},
        {"type": "exploded", "message_id": "m1"},
        {"type": "opened"},
        "nonsense",
        {"type": "bounced", "message_id": "m1"},
        {"type": "opened", "message_id": "m1", "occurred_at": "yesterday"},
        {"type": "opened", "message_id": 7},
        {"type": "clicked", "message_id": "m2"},
    )
    assert [feedback.message_id for feedback in callback.feedback] == ["m1", "m2"]
    assert [item.index for item in callback.unreadable] == [1, 2, 3, 4, 5, 6]
    assert "names no message" in callback.unreadable[1].detail


def test_nothing_is_reported_before_it_happens() -> None:
    """A clock that runs ahead is set to now."""
    (feedback,) = read({"type": "opened", "message_id": "m", "occurred_at": "2033-01-01"}).feedback
    assert feedback.occurred_at == NOW


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b'"text"',
        b"7",
        b"null",
        b'{"events": 7}',
        b"[" * 100_000,
        json.dumps([{"type": "opened"}] * 1_001).encode(),
        b'{"type": "opened", "x": "' + b"x" * 1_000_000 + b'"}',
    ],
)
def test_what_is_no_callback_is_refused_as_a_whole(body: bytes) -> None:
    """With an error that says what is wrong, and without harm."""
    with pytest.raises(InvalidEventError):
        parse_callback(body, now=NOW)
