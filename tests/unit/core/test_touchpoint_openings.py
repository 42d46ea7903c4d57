"""Openings by machines are marked, openings by people are not."""

from typing import Any

import pytest

from kept.core.values import SECOND, moment_of
from tests.unit.core.touchpoint_sample import NOW, event

PERSON = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def is_marked(name: str = "Email Opened", **fields: Any) -> bool:
    """Return whether an opening comes out marked as a machine's."""
    return bool(event(event=name, **fields).properties.get("machine"))


@pytest.mark.parametrize(
    "properties",
    [
        {"machine": True},
        {"sg_machine_open": True},
        {"MachineOpen": "true"},
        {"is_bot": 1},
        {"is_prefetched": "Yes"},
        {"sec-purpose": "prefetch;prerender"},
        {"X-Purpose": "preview"},
        {"user_agent": "Mozilla/5.0"},
        {"userAgent": "Barracuda Sentinel (EE)"},
        {"userAgent": "python-requests/2.32"},
        {"userAgent": "Mozilla/5.0 (compatible; SomeBot/1.0; +http://x.example)"},
    ],
)
def test_a_machine_that_shows_itself_is_marked(properties: dict[str, Any]) -> None:
    """By the provider's own flag, by the request's purpose, by its agent."""
    assert is_marked(properties=properties)
    assert is_marked("Email Link Clicked", properties=properties)


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"machine": False},
        {"is_bot": "false"},
        {"bot": None},
        {"userAgent": PERSON},
        {"userAgent": None},
        {"userAgent": PROXY},
        {"userAgent": PROXY, "delivered_at": "no time"},
        {"subject": "Our robot lawnmower"},
        {"purpose": "newsletter"},
    ],
)
def test_where_nothing_tells_it_counts_as_a_persons(properties: dict[str, Any]) -> None:
    """A proxy that also stands for people proves nothing alone."""
    assert not is_marked(properties=properties)


def test_the_context_is_looked_at_too() -> None:
    """A pixel's request puts its agent there."""
    assert is_marked(context={"userAgent": "Mozilla/5.0"})
    assert not is_marked(context={"userAgent": PERSON})


def test_a_proxy_that_comes_at_once_was_the_first_reader() -> None:
    """Nobody reads within two seconds of the delivery."""
    opened = {"timestamp": moment_of(NOW - SECOND).isoformat()}
    for ago, expected in ((2 * SECOND, True), (3 * SECOND, False), (0, False)):
        sent = {"userAgent": PROXY, "deliveredAt": moment_of(NOW - ago).isoformat()}
        assert is_marked(properties=sent, **opened) is expected
    at_once = {"userAgent": PERSON, "sent_at": moment_of(NOW - 2 * SECOND).isoformat()}
    assert not is_marked(properties=at_once, **opened)


def test_other_events_are_left_as_they_are() -> None:
    """A bot that buys is another matter."""
    assert not is_marked("Order Completed", properties={"is_bot": True})
