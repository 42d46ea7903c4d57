"""Story 38 over HTTP: a tool outside asks first, and hears within seconds of whom it may not contact."""

import base64
import hashlib
import hmac
import json
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from kept.clock import SystemClock, read_monotonic
from kept.core.values import SECOND
from tests.contract.servers import Desk, Request, http_server
from tests.e2e.served import (
    DIALLER_KEY,
    MAIL_SECRET,
    NEWSLETTER_KEY,
    NEWSLETTER_SECRET,
    SHOP_KEY,
    SITE_KEY,
    Served,
    bearer,
    new_id,
    problem,
    serve,
    sign_standard,
)

SECONDS_MAX: Final = 5
"""What story 38 promises."""
SHOP: Final = {"entity": "shop", "purpose": "marketing"}


@pytest.fixture
def newsletter() -> Iterator[tuple[Desk, str]]:
    """Yield the mind of a tool, and where it is called."""
    desk = Desk()
    with http_server(desk) as port:
        yield desk, f"http://127.0.0.1:{port}/suppressions"


def serve_live(folder: Path, url: str, *options: str) -> AbstractContextManager[Served]:
    """Start a server that really calls tools, on this machine."""
    live = ("--deliver", "providers", "--allow-private-webhooks", *options)
    return serve(folder, *live, environment={"HARBOUR_NEWSLETTER_URL": url})


def told_of(desk: Desk, address: str) -> list[dict[str, Any]]:
    """Return what a tool took that is about an address, in its order."""
    return [
        one
        for request in list(desk.requests)
        for one in json.loads(request.body)["data"]["suppressions"]
        if address in one["identifiers"].get("email", ())
    ]


def is_signed(request: Request) -> bool:
    """Return whether a request is what Standard Webhooks calls authentic."""
    headers = request.headers
    key = base64.b64decode(NEWSLETTER_SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


def message_to(server: Served, address: str) -> str:
    """Return the id of a message that was written to an address, empty if there is none."""
    index = server.data / "outbox" / "index.jsonl"
    lines = index.read_text().splitlines() if index.exists() else []
    return next((one["message_id"] for one in map(json.loads, lines) if one["to"] == address), "")


def may_i(server: Served, address: str) -> bool:
    """Ask as the newsletter whether it may write to an address."""
    body = {"identifiers": {"email": address}, "channel": "email", **SHOP}
    answer = server.http.post("/v1/may-i", json=body, headers=bearer(NEWSLETTER_KEY))
    return bool(server.ok(answer)["allowed"])


def test_a_tool_hears_of_an_opt_out_and_of_its_end(
    tmp_path: Path, newsletter: tuple[Desk, str]
) -> None:
    """Within five seconds of the answer, signed, in its own namespace, and lifted by an opt-in."""
    desk, url = newsletter
    with serve_live(tmp_path, url) as server:
        user = server.introduce(phone="+351910000001")
        address = f"{user}@mail.example"
        server.track("Consent Given", user, **SHOP)
        assert may_i(server, address)
        server.track("Unsubscribed", user, **SHOP)
        answered_at = read_monotonic()
        (told,) = server.wait_for(lambda: told_of(desk, address))
        assert read_monotonic() - answered_at < SECONDS_MAX * SECOND
        assert {name: told[name] for name in told if name not in ("id", "at")} == {
            "identifiers": {"email": [address]},
            "entity": "shop",
            "purpose": "marketing",
            "channel": "",
            "topic": "",
            "allowed": False,
        }
        assert not may_i(server, address)
        server.track("Consent Given", user, **SHOP)
        server.wait_for(lambda: len(told_of(desk, address)) == 2)
        assert [one["allowed"] for one in told_of(desk, address)] == [False, True]
        assert may_i(server, address)
        assert all(map(is_signed, desk.requests))
        assert {request.path for request in desk.requests} == {"/suppressions"}
        server.wait_for(lambda: server.metric('kept_suppressions_told_total{source="newsletter"}'))
        assert server.metric('kept_oldest_suppression_seconds{source="newsletter"}') == 0
        slowest = 'kept_suppression_seconds{quantile="0.99",source="newsletter"}'
        assert 0 < server.metric(slowest) < SECONDS_MAX


def test_a_bounced_address_and_a_new_one_are_told(
    tmp_path: Path, newsletter: tuple[Desk, str]
) -> None:
    """A hard bounce closes the address alone; who opted out is told again by each new address."""
    desk, url = newsletter
    with serve_live(tmp_path, url) as server:
        user = server.introduce()
        address = f"{user}@mail.example"
        server.track("Account Opened", user)
        message = server.wait_for(lambda: message_to(server, address))
        event = {"type": "bounced", "bounce": "hard", "message_id": message, "id": new_id("b")}
        body = json.dumps(event).encode()
        headers = sign_standard(MAIL_SECRET, body, at=SystemClock().now() // SECOND)
        server.ok(server.http.post("/v1/feedback/email", content=body, headers=headers))
        (told,) = server.wait_for(lambda: told_of(desk, address))
        assert (told["channel"], told["purpose"], told["allowed"]) == ("email", "", False)
        server.track("Unsubscribed", user, **SHOP)
        server.wait_for(lambda: len(told_of(desk, address)) == 2)
        other = f"new-{address}"
        server.ok(
            server.http.post(
                "/v1/identify",
                json={"userId": user, "traits": {"email": other}, "messageId": new_id("m")},
                auth=(SHOP_KEY, ""),
            )
        )
        (again,) = server.wait_for(lambda: told_of(desk, other))
        assert again["purpose"] == "marketing"
        assert sorted(again["identifiers"]["email"]) == sorted([address, other])


def test_a_tool_that_is_down_is_told_when_it_is_back_and_holds_up_nobody(
    tmp_path: Path, newsletter: tuple[Desk, str]
) -> None:
    """In order, at once for all that waits, under one id however often it is tried."""
    desk, url = newsletter
    desk.status = 503
    with serve_live(tmp_path, url) as server:
        user = server.introduce()
        address = f"{user}@mail.example"
        server.track("Unsubscribed", user, **SHOP)
        server.wait_for(lambda: len(desk.requests) >= 2)
        assert len({request.headers["webhook-id"] for request in desk.requests}) == 1
        server.track("Consent Given", user, **SHOP)
        server.track("Unsubscribed", user, channel="email")
        assert fetched(server, user)
        desk.requests.clear()
        desk.status = 200
        server.wait_for(lambda: told_of(desk, address)[2:])
        last = told_of(desk, address)
        # What holds is told, and the refusal that was lifted meanwhile is told as lifted.
        assert [one["allowed"] for one in last] == [True, True, False]
        assert last[-1]["channel"] == "email"


def test_a_killed_server_owes_no_tool_anything(
    tmp_path: Path, newsletter: tuple[Desk, str]
) -> None:
    """Killed between the answer to an opt-out and the call: the next process makes the call."""
    desk, url = newsletter
    desk.status = 503
    with serve_live(tmp_path, url) as server:
        users = [server.introduce() for _ in range(20)]
        for user in users:
            server.track("Unsubscribed", user, **SHOP)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    desk.requests.clear()
    desk.status = 200
    with serve_live(tmp_path, url) as server:
        for user in users:
            (told,) = server.wait_for(partial(told_of, desk, f"{user}@mail.example"))
            assert told["allowed"] is False


@pytest.mark.parametrize("options", [(), ("--shadow", "--deliver", "providers")])
def test_nothing_leaves_the_machine_until_it_is_said(
    tmp_path: Path, newsletter: tuple[Desk, str], options: tuple[str, ...]
) -> None:
    """In shadow, and while messages become files, tools are told in files; live, of all of it again."""
    desk, url = newsletter
    with serve(tmp_path, *options, environment={"HARBOUR_NEWSLETTER_URL": url}) as server:
        user = server.introduce()
        server.track("Unsubscribed", user, **SHOP)
        folder = tmp_path / "data" / "outbox" / "suppressions" / "newsletter"
        (file,) = server.wait_for(lambda: list(folder.glob("*.json")))
        assert f"{user}@mail.example" in file.read_text()
    assert desk.requests == []
    with serve_live(tmp_path, url) as server:
        server.wait_for(lambda: told_of(desk, f"{user}@mail.example"))


def fetched(server: Served, user: str, after: int = 0) -> list[dict[str, Any]]:
    """Fetch everything as the dialler, page by page, and return what is about somebody."""
    found: list[dict[str, Any]] = []
    while True:
        answer = server.http.get(
            "/v1/suppressions", params={"after": after, "limit": 2}, headers=bearer(DIALLER_KEY)
        )
        page = server.ok(answer)
        found += [
            one for one in page["suppressions"] if user in one["identifiers"].get("user_id", ())
        ]
        if not page["has_more"]:
            assert page["next"] >= after
            return found
        assert page["next"] > after
        after = page["next"]


def test_a_tool_that_cannot_be_called_fetches_the_same(kept_server: Served) -> None:
    """By its key, in its namespaces, for its channels, from where it stopped."""
    server = kept_server
    user = server.introduce(phone="+351910000777")
    server.track("Unsubscribed", user, channel="email")
    server.track("Unsubscribed", user, channel="calls")
    server.track("Unsubscribed", user, **SHOP)
    server.track("Unsubscribed", user, **SHOP)
    told = fetched(server, user)
    assert [(one["channel"], one["purpose"]) for one in told] == [("calls", ""), ("", "marketing")]
    assert all(
        one["identifiers"] == {"phone": ["+351910000777"], "user_id": [user]} for one in told
    )
    assert len({one["id"] for one in told}) == 2
    newest = server.ok(
        server.http.get("/v1/suppressions", params={"after": 10**9}, headers=bearer(DIALLER_KEY))
    )
    assert newest == {"suppressions": [], "next": 10**9, "has_more": False}


def test_history_that_comes_in_tells_no_tool(kept_server: Served) -> None:
    """Story 39: an import is silent, also to tools."""
    user = new_id("user")
    batch = [
        {"type": "track", "userId": user, "event": "Account Opened", "messageId": new_id("h"),
         "timestamp": "2025-01-01T00:00:00Z", "context": {"gpc": True}}
    ]  # fmt: skip
    told = kept_server.ok(kept_server.admin("POST", "/import/old_shop", {"batch": batch}))
    assert not told["rejected"]
    assert fetched(kept_server, user) == []


def test_only_a_tool_that_the_brand_tells_may_fetch(kept_server: Served) -> None:
    """Others are told why not, and a limit is a limit."""
    get = kept_server.http.get
    problem(get("/v1/suppressions"), 401, "unknown_caller")
    for key in (SHOP_KEY, SITE_KEY):
        problem(get("/v1/suppressions", headers=bearer(key)), 403, "not_allowed")
    for query in ({"after": -1}, {"after": "x"}, {"limit": 0}, {"limit": 201}):
        answer = get("/v1/suppressions", params=query, headers=bearer(DIALLER_KEY))
        problem(answer, 400, "input")
