"""Kept heard by the server-side SDKs, as installed from their registries and unmodified."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kept.clock import SystemClock
from kept.core.values import MINUTE
from tests.e2e.relay import Fault, Relay
from tests.e2e.sdks import Clients, drive_python
from tests.e2e.served import SHOP_KEY, Served, new_id
from tests.e2e.stored import read_events

pytestmark = pytest.mark.sdk

Drive = Callable[[dict[str, Any]], list[str]]
SDKS = ("segment-python", "rudder-python", "segment-node", "rudder-node")
ORDERS = 3


@pytest.fixture
def drive(request: pytest.FixtureRequest) -> Drive:
    """One SDK, ready to carry out a plan."""
    match request.param:
        case "segment-python":
            return lambda plan: drive_python("segment", plan)
        case "rudder-python":
            return lambda plan: drive_python("rudderstack", plan)
        case "segment-node":
            clients: Clients = request.getfixturevalue("clients")
            return lambda plan: clients.drive("segment_node.mjs", plan)
        case _:
            clients = request.getfixturevalue("clients")
            return lambda plan: clients.drive("rudder_node.mjs", plan)


def life_of(user: str) -> list[dict[str, Any]]:
    """Return the calls of an application about one customer, a mistake among them."""
    bought = [
        {
            "type": "track",
            "event": "Order Completed",
            "properties": {"order_id": f"o-{n}", "total": 300},
        }
        for n in range(ORDERS)
    ]
    steps: list[dict[str, Any]] = [
        {"type": "identify", "traits": {"first_name": "Ana", "email": f"{user}@mail.example"}},
        {"type": "track", "event": "Account Opened", "properties": {"plan": "tea"}},
        *bought[:1],
        # No source may send what sources.yaml does not know: this one alone is set aside.
        {"type": "track", "event": "Never Declared", "properties": {}},
        *bought[1:],
    ]
    return [{**step, "userId": user} for step in steps]


EXPECTED = Counter({"Identified": 1, "Account Opened": 1, "Order Completed": ORDERS})


@pytest.mark.parametrize("drive", SDKS, indirect=True)
@pytest.mark.parametrize("is_packed", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("is_batch", [True, False], ids=["batch", "single"])
def test_what_an_sdk_sends_arrives_once_and_whole(
    kept_server: Served,
    relay: Relay,
    drive: Drive,
    tmp_path: Path,
    *,
    is_batch: bool,
    is_packed: bool,
) -> None:
    """Packed or not, together or one by one; a bad event is set aside, and loses no other."""
    user, now = new_id("user"), SystemClock().now()
    quarantined = kept_server.metric('kept_quarantined_events_total{source="shop"}')
    plan = {"url": relay.url, "key": SHOP_KEY, "batch": is_batch, "gzip": is_packed}

    assert drive(plan | {"steps": life_of(user)}) == []

    events = read_events(kept_server, tmp_path, user=user)
    assert Counter(event.name for event in events) == EXPECTED
    assert {event.properties.get("order_id") for event in events} == {None, "o-0", "o-1", "o-2"}
    assert all(abs(event.occurred_at - now) < MINUTE for event in events)
    (identified,) = (event for event in events if event.name == "Identified")
    assert identified.traits["first_name"] == "Ana"
    after = kept_server.metric('kept_quarantined_events_total{source="shop"}')
    assert after - quarantined == 1
    # What is decided rests on it at once, as soon as the customer has allowed it.
    kept_server.track("Consent Given", user, entity="shop", purpose="marketing")
    assert kept_server.ask("till", user)["shown"][0]["action"] == "tea_club"

    sent = relay.with_events
    assert {request.status for request in sent} == {200}
    assert sum(len(request.events) for request in sent) == len(life_of(user))
    assert (len(sent) <= 2) is is_batch


@pytest.mark.parametrize("drive", SDKS, indirect=True)
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault(429, retry_after=1), Fault(503)], id="refused"),
        pytest.param([Fault(503, when="after"), Fault(500, when="after")], id="answer-lost"),
    ],
)
def test_a_retry_delivers_exactly_once(
    kept_server: Served, relay: Relay, drive: Drive, tmp_path: Path, faults: list[Fault]
) -> None:
    """Whether Kept never heard of the first attempts or took them, each event is there once."""
    user = new_id("user")
    relay.fail(*faults)
    plan = {"url": relay.url, "key": SHOP_KEY, "batch": True, "gzip": True}

    assert drive(plan | {"steps": life_of(user)}) == []

    events = read_events(kept_server, tmp_path, user=user)
    assert Counter(event.name for event in events) == EXPECTED
    attempts = Counter(
        event["messageId"] for request in relay.with_events for event in request.events
    )
    assert max(attempts.values()) >= 2, "nothing was sent again, so that nothing was tried here"
    assert relay.with_events[-1].status == 200
