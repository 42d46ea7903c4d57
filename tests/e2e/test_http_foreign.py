"""What other systems send: webhooks by their signature, providers' callbacks by theirs."""

import json
from typing import Any

import httpx
import pytest

from kept.clock import SystemClock
from kept.core.values import SECOND
from tests.e2e.served import (
    DESK_SECRET,
    MAIL_SECRET,
    PAYMENTS_SECRET,
    SHOP_KEY,
    Served,
    bearer,
    new_id,
    problem,
    sign_plain,
    sign_standard,
)


def now() -> int:
    """Return the machine's time in seconds, which signatures carry."""
    return SystemClock().now() // SECOND


def ticket(user: str, what: str = "opened") -> bytes:
    """Return what the help desk posts when a ticket of a customer's changes."""
    told = {"event": f"ticket.{what}", "id": new_id("hook"), "ticket": f"t-{user}"}
    return json.dumps(told | {"customer": {"email": f"{user}@mail.example"}}).encode()


def post_ticket(server: Served, body: bytes, *, secret: str = DESK_SECRET) -> httpx.Response:
    """Post a signed ticket."""
    return server.http.post("/v1/hooks/help_desk", content=body, headers=sign_plain(secret, body))


def test_a_signed_ticket_becomes_a_case_and_hushes(kept_server: Served) -> None:
    """Without code: the mapping makes the event, and promotions stop at once."""
    user = kept_server.introduce()
    kept_server.make_regular(user)
    kept_server.track("Consent Given", user, entity="shop", purpose="marketing")
    assert kept_server.ask("till", user)["shown"]
    told = kept_server.ok(post_ticket(kept_server, ticket(user)))
    assert told["success"] is True
    assert told["withdrawn"] == 1
    answer = kept_server.ask("till", user)
    assert answer["silence"] is True
    explained = kept_server.ok(kept_server.admin("GET", f"/decisions/{answer['decision_id']}"))
    assert any("has an open matter" in line for line in explained["explained"]["holds"])
    assert "We would rather put this right first." in explained["customer"]
    assert explained["explained"]["would_change"] == ["If the customer had no case: tea_club."]


def test_a_webhook_sent_twice_counts_once(kept_server: Served) -> None:
    """Senders repeat what they are not sure of."""
    body = ticket(kept_server.introduce())
    for _ in range(2):
        assert kept_server.ok(post_ticket(kept_server, body))["quarantined"] == 0
    assert kept_server.metric('kept_duplicate_events_total{source="help_desk"}') >= 1


def test_a_delivery_that_no_mapping_takes_is_ignored(kept_server: Served) -> None:
    """Other systems tell more than anybody asked for."""
    body = json.dumps({"event": "ticket.viewed", "id": new_id("hook")}).encode()
    assert kept_server.ok(post_ticket(kept_server, body))["ignored"] == 1


def test_a_webhook_that_lacks_what_identifies_is_put_aside(kept_server: Served) -> None:
    """It can be mended and replayed."""
    body = json.dumps({"event": "ticket.opened", "id": new_id("hook"), "ticket": "t"}).encode()
    assert kept_server.ok(post_ticket(kept_server, body))["quarantined"] == 1


@pytest.mark.parametrize("forgery", ["wrong secret", "no signature", "changed body"])
def test_a_forged_webhook_is_401_and_nothing_is_taken(kept_server: Served, forgery: str) -> None:
    """Whoever cannot sign is nobody."""
    user = kept_server.introduce()
    body = ticket(user)
    headers = {
        "wrong secret": sign_plain("guessed", body),
        "no signature": {},
        "changed body": sign_plain(DESK_SECRET, body + b" "),
    }[forgery]
    answer = kept_server.http.post("/v1/hooks/help_desk", content=body, headers=headers)
    problem(answer, 401, "unknown_caller")
    found = kept_server.ok(
        kept_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
    )
    assert found["objects"] == {}


def test_a_standard_webhook_is_good_for_five_minutes(kept_server: Served) -> None:
    """An old one sent again by somebody else is not taken."""
    user = kept_server.introduce()
    told = {"type": "payment.succeeded", "id": new_id("p"), "data": {"customer": user, "bill": "b"}}
    body = json.dumps(told).encode()
    path = "/v1/hooks/payments"
    old = sign_standard(PAYMENTS_SECRET, body, at=now() - 600)
    problem(kept_server.http.post(path, content=body, headers=old), 401, "unknown_caller")
    fresh = sign_standard(PAYMENTS_SECRET, body, at=now())
    assert kept_server.ok(kept_server.http.post(path, content=body, headers=fresh))["success"]


def test_a_webhook_of_nobody_is_404(kept_server: Served) -> None:
    """Nor is a server's key good for it."""
    for source in ("nobody", "shop"):
        answer = kept_server.http.post(
            f"/v1/hooks/{source}", content=b"{}", headers=bearer(SHOP_KEY)
        )
        problem(answer, 404, "not_found")


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"\xff\xfe", b"[" * 50_000])
def test_a_signed_webhook_that_is_no_json_is_400(kept_server: Served, body: bytes) -> None:
    """So that the sender tries again, or its people look."""
    problem(post_ticket(kept_server, body), 400, "event.invalid")


# -- what providers report


def post_feedback(server: Served, told: Any, **rest: Any) -> httpx.Response:
    """Post a callback as the mail provider does."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    headers = sign_standard(rest.pop("secret", MAIL_SECRET), body, at=rest.pop("at", now()))
    channel = rest.pop("channel", "email")
    headers |= rest
    return server.http.post(f"/v1/feedback/{channel}", content=body, headers=headers)


def welcomed(server: Served) -> tuple[str, str]:
    """Return a customer to whom a welcome was handed over, and the message's id."""
    user = server.introduce()
    server.track("Account Opened", user)

    def delivered() -> str:
        found = find(server, user)
        return next(
            (one["message_id"] for one in found["contacts"] if one["outcome"] == "delivered"), ""
        )

    return user, server.wait_for(delivered)


def find(server: Served, user: str) -> Any:
    """Return what operators see of a customer."""
    return server.ok(server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"}))


def test_what_a_provider_reports_is_learnt(kept_server: Served) -> None:
    """Delivered and opened are taken, a repetition changes nothing, a stranger's id matches nothing."""
    _, message_id = welcomed(kept_server)
    told = {"events": [{"type": "opened", "message_id": message_id, "id": "1"}, {"type": "sung"}]}
    answer = kept_server.ok(post_feedback(kept_server, told))
    assert (answer["learnt"], answer["unmatched"]) == (1, 0)
    assert answer["unreadable"][0]["index"] == 1
    assert kept_server.ok(post_feedback(kept_server, told))["learnt"] == 1
    unknown = {"type": "delivered", "message_id": "m0-nothing"}
    assert kept_server.ok(post_feedback(kept_server, unknown))["unmatched"] == 1


def test_a_hard_bounce_closes_the_address(kept_server: Served) -> None:
    """Nothing more is sent where nothing arrives."""
    user, message_id = welcomed(kept_server)
    bounced = {"type": "bounced", "bounce": "soft", "message_id": message_id}
    assert kept_server.ok(post_feedback(kept_server, bounced))["learnt"] == 1
    assert find(kept_server, user)["closed"] == {}
    bounced = {"type": "bounced", "bounce": "hard", "message_id": message_id, "id": "again"}
    assert kept_server.ok(post_feedback(kept_server, bounced))["learnt"] == 1
    assert find(kept_server, user)["closed"] == {"email": "bounced"}


def test_a_delivery_report_may_be_posted_as_it_is(kept_server: Served) -> None:
    """A mail server speaks RFC 3464."""
    _, message_id = welcomed(kept_server)
    report = (
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        "Final-Recipient: rfc822; x@mail.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{message_id}@kept>\r\n\r\n.\r\n--b--\r\n"
    ).encode()
    answer = post_feedback(kept_server, report, **{"content-type": "message/rfc822"})
    assert kept_server.ok(answer)["learnt"] == 1
    nothing = post_feedback(
        kept_server, b"Subject: hello\r\n\r\n", **{"content-type": "message/rfc822"}
    )
    assert len(kept_server.ok(nothing)["unreadable"]) == 1


@pytest.mark.parametrize("forgery", ["secret", "age", "signature"])
def test_a_forged_callback_is_401_and_nothing_is_learnt(kept_server: Served, forgery: str) -> None:
    """Nobody else may say that a message bounced."""
    _, message_id = welcomed(kept_server)
    told = {"type": "bounced", "bounce": "hard", "message_id": message_id}
    before = kept_server.metric('kept_feedback_total{outcome="bounced"}')
    answer = {
        "secret": lambda: post_feedback(kept_server, told, secret=PAYMENTS_SECRET),
        "age": lambda: post_feedback(kept_server, told, at=now() - 3_600),
        "signature": lambda: kept_server.http.post("/v1/feedback/email", json=told),
    }[forgery]()
    problem(answer, 401, "unknown_caller")
    assert kept_server.metric('kept_feedback_total{outcome="bounced"}') == before


def test_a_channel_without_a_secret_takes_no_callbacks(kept_server: Served) -> None:
    """It says so, and names the setting; an unknown one is 404."""
    problem(post_feedback(kept_server, {}, channel="calls"), 403, "not_allowed")
    problem(post_feedback(kept_server, {}, channel="pigeon"), 404, "not_found")


def test_a_callback_that_cannot_be_read_is_400(kept_server: Served) -> None:
    """And one without measure is 413."""
    for broken in (b"{", b'"text"', b"\xff", b"[" * 50_000):
        problem(post_feedback(kept_server, broken), 400, "event.invalid")
    assert post_feedback(kept_server, b" " * 1_000_001).status_code == 413
