"""Events over HTTP: taken from whoever may send them, answered always alike, one bad one apart."""

import base64
import gzip
import json
import re
from typing import Any

import httpx
import pytest

from kept.web.wire.routes import ROUTES
from tests.e2e.served import (
    COUNTER_KEY,
    SHOP_KEY,
    SITE_KEY,
    Served,
    bearer,
    new_id,
    problem,
)

ORIGIN = {"origin": "https://www.harbour.example"}


def event(**rest: Any) -> dict[str, Any]:
    """Return one valid event of the shop."""
    told = {"userId": new_id("user"), "event": "Account Opened", "messageId": new_id("m")}
    return {"type": "track", **told, **rest}


@pytest.mark.parametrize(
    "path", [path for path, route in ROUTES.items() if route.kind in ("event", "batch")]
)
def test_every_path_of_an_sdk_answers_200_and_json(kept_server: Served, path: str) -> None:
    """Some SDKs re-send after anything but exactly 200, so the answer is that, with or without a slash."""
    body = {"batch": [event()]} if ROUTES[path].kind == "batch" else event(previousId="x")
    for each in (path, f"{path}/"):
        answer = kept_server.http.post(each, json=body, auth=(SHOP_KEY, ""))
        assert kept_server.ok(answer)["success"] is True
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("where", ["basic", "bearer", "bare", "header", "body", "query"])
def test_a_write_key_is_found_wherever_an_sdk_puts_it(kept_server: Served, where: str) -> None:
    """Basic, Bearer, bare, in a header, in the body, in the query."""
    headers = {
        "basic": {"authorization": "Basic " + base64.b64encode(f"{SHOP_KEY}:".encode()).decode()},
        "bearer": bearer(SHOP_KEY),
        "bare": {"authorization": SHOP_KEY},
        "header": {"x-write-key": f"{SHOP_KEY}:"},
    }.get(where, {})
    body = event() | ({"writeKey": SHOP_KEY} if where == "body" else {})
    params = {"writeKey": SHOP_KEY} if where == "query" else {}
    answer = kept_server.http.post("/v1/track", json=body, headers=headers, params=params)
    assert kept_server.ok(answer)["success"] is True


def test_an_unknown_key_is_401_and_nothing_is_taken(kept_server: Served) -> None:
    """Nobody knows who asks."""
    before = kept_server.ok(kept_server.http.get("/status.json"))["stored"]["events"]
    answer = kept_server.http.post("/v1/track", json=event(), auth=("guessed", ""))
    problem(answer, 401, "unknown_caller")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert kept_server.ok(kept_server.http.get("/status.json"))["stored"]["events"] == before


def test_a_key_of_a_source_that_is_no_sender_is_403(kept_server: Served) -> None:
    """A webhook's or an import's key sends no events of its own."""
    made = kept_server.ok(kept_server.admin("POST", "/keys", {"source": "old_shop"}))
    answer = kept_server.http.post("/v1/track", json=event(), auth=(made["key"], ""))
    problem(answer, 403, "not_allowed")


def test_a_browser_is_told_nothing_of_messages(kept_server: Served) -> None:
    """Its key is public: whoever holds it learns only that the events are safe."""
    body = {"anonymousId": new_id("anon"), "event": "Product Viewed", "messageId": new_id("m")}
    answer = kept_server.http.post("/v1/t", json=body, auth=(SITE_KEY, ""), headers=ORIGIN)
    assert kept_server.ok(answer) == {"success": True, "quarantined": 0}


def test_an_empty_batch_is_taken(kept_server: Served) -> None:
    """There is nothing to refuse in nothing."""
    answer = kept_server.http.post("/v1/batch", json={"batch": []}, auth=(SHOP_KEY, ""))
    assert kept_server.ok(answer) == {
        "success": True,
        "in_flight": [],
        "withdrawn": 0,
        "quarantined": 0,
    }


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "track", "event": "Account Opened", "userId": "null"},
        {"type": "track", "event": "Account Opened", "userId": "0000-0000"},
        {"type": "track", "event": "Account Opened"},
        {"type": "track", "userId": "u1"},
        {"type": "sing", "userId": "u1"},
        {"type": "track", "event": "Case Opened", "userId": "u1"},
        {"type": "track", "event": "Account Opened", "userId": "u1", "timestamp": "1999-01-01"},
        {"type": "track", "event": "Account Opened", "userId": "u1", "properties": [1]},
        {
            "type": "track",
            "event": "Order Completed",
            "userId": "u1",
            "properties": {"x": "y" * 33_000},
        },
        {
            "type": "track",
            "event": "Order Completed",
            "userId": "u1",
            "properties": {f"p{i}": 1 for i in range(10_001)},
        },
        "not an object",
        None,
    ],
    ids=lambda bad: json.dumps(bad)[:60],
)
def test_one_bad_event_is_put_aside_and_the_rest_is_taken(kept_server: Served, bad: Any) -> None:
    """A batch is never refused because of one item in it."""
    good = event()
    answer = kept_server.http.post("/v1/batch", json={"batch": [good, bad]}, auth=(SHOP_KEY, ""))
    assert kept_server.ok(answer)["quarantined"] == 1
    assert kept_server.admin(
        "POST", "/customers/find", {"identifier": f"user_id:{good['userId']}"}
    ).is_success


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "event.invalid"),
        (b"{", 400, "event.invalid"),
        (b"\x00\xff", 400, "event.invalid"),
        (b"[" * 100_000, 400, "event.invalid"),
        (b"nothing", 400, "event.invalid"),
        (b"\x1f\x8b\x08rubbish", 400, "event.invalid"),
    ],
)
def test_a_request_that_nobody_can_read_is_refused(
    kept_server: Served, body: bytes, status: int, code: str
) -> None:
    """With a reason, and without harm to anybody else."""
    answer = kept_server.http.post("/v1/batch", content=body, auth=(SHOP_KEY, ""))
    problem(answer, status, code)
    assert kept_server.ok(kept_server.http.get("/health")) == {"alive": True}


def test_a_gzip_bomb_is_put_down(kept_server: Served) -> None:
    """A few kilobytes that would unpack to a gigabyte are refused before they do."""
    bomb = gzip.compress(b"0" * 64 * 1024 * 1024)
    answer = kept_server.http.post("/v1/batch", content=bomb, auth=(SHOP_KEY, ""))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_without_end_is_cut_off(kept_server: Served) -> None:
    """What is larger than any SDK sends is refused while it arrives."""

    def endless() -> Any:
        for _ in range(80):
            yield b" " * 65_536

    try:
        answer = kept_server.http.post("/v1/batch", content=endless(), auth=(SHOP_KEY, ""))
    except httpx.TransportError:
        return  # the server hung up while we were still talking, which is as good
    assert answer.status_code == 413


def test_gzip_is_known_by_its_first_bytes(kept_server: Served) -> None:
    """SDKs label it as a form, or as text, or not at all."""
    packed = gzip.compress(json.dumps({"batch": [event()]}).encode())
    for label in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
        answer = kept_server.http.post(
            "/v1/batch", content=packed, auth=(SHOP_KEY, ""), headers={"content-type": label}
        )
        assert kept_server.ok(answer)["quarantined"] == 0


def test_an_event_sent_twice_counts_once(kept_server: Served) -> None:
    """A retry carries the same message id; to another source it is another event."""
    body = event(event="Order Completed", properties={"total": 5})
    before = kept_server.metric('kept_duplicate_events_total{source="shop"}')
    for _ in range(3):
        kept_server.ok(kept_server.http.post("/v1/track", json=body, auth=(SHOP_KEY, "")))
    assert kept_server.metric('kept_duplicate_events_total{source="shop"}') == before + 2
    kept_server.ok(kept_server.http.post("/v1/track", json=body, auth=(COUNTER_KEY, "")))
    assert kept_server.metric('kept_duplicate_events_total{source="shop"}') == before + 2


def test_a_pixel_takes_an_event_and_gives_a_picture(kept_server: Served) -> None:
    """For places where nothing but a picture may be loaded."""
    told = {"anonymousId": new_id("anon"), "event": "Product Viewed", "messageId": new_id("m")}
    data = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
    params = {"data": data, "writeKey": SITE_KEY}
    answer = kept_server.http.get("/v1/pixel/track", params=params)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/gif"
    assert answer.content.startswith(b"GIF89a")
    missing = kept_server.http.get("/v1/pixel/track", params={"writeKey": SITE_KEY, "data": "%"})
    problem(missing, 400, "event.invalid")


# -- what browsers ask first


def test_browser_sdks_are_told_to_send_here_and_nowhere_else(kept_server: Served) -> None:
    """Without these two answers they send no event at all."""
    host = kept_server.url.removeprefix("http://")
    answer = kept_server.http.get(f"/v1/projects/{SITE_KEY}/settings", headers=ORIGIN)
    assert kept_server.ok(answer)["integrations"]["Segment.io"]["apiHost"] == f"{host}/v1"
    assert answer.headers["access-control-allow-origin"] == "*"
    for path in ("/sourceConfig", "/sourceConfig/"):
        answer = kept_server.http.get(path, params={"writeKey": SITE_KEY}, headers=ORIGIN)
        assert kept_server.ok(answer)["source"]["enabled"] is True
    problem(kept_server.http.get("/v1/projects/guessed/settings"), 404, "not_found")
    problem(kept_server.http.get("/sourceConfig"), 401, "unknown_caller")


@pytest.mark.parametrize(
    "path", ["/v1/t", "/v1/batch", "/beacon/v1/batch", "/v1/decide", "/v1/inbox", "/sourceConfig/"]
)
def test_every_origin_may_ask_whether_it_may_send(kept_server: Served, path: str) -> None:
    """The write key decides, and no cookie is ever read."""
    headers = ORIGIN | {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, rsa-retry-attempt",
    }
    answer = kept_server.http.options(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "authorization, rsa-retry-attempt"
    assert "access-control-allow-credentials" not in answer.headers


def test_errors_too_may_be_read_by_pages(kept_server: Served) -> None:
    """A page that cannot read why it was refused cannot come back when it should."""
    answer = kept_server.http.post("/v1/t", json={}, auth=("guessed", ""), headers=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


def test_a_page_on_a_foreign_origin_may_not_use_a_key(kept_server: Served) -> None:
    """A source that lists its origins takes events from no other page."""
    body = {"anonymousId": new_id("anon"), "event": "Product Viewed"}
    answer = kept_server.http.post(
        "/v1/t", json=body, auth=(SITE_KEY, ""), headers={"origin": "https://evil.example"}
    )
    problem(answer, 403, "not_allowed")


def test_admin_routes_are_not_shared_with_pages(kept_server: Served) -> None:
    """No page elsewhere reads an operator's answers."""
    answer = kept_server.admin("GET", "/brakes")
    assert "access-control-allow-origin" not in answer.headers
    assert kept_server.http.options("/v1/admin/brakes").status_code == 405


def test_a_request_keeps_its_name(kept_server: Served) -> None:
    """A caller's own id comes back, a harmful one is replaced."""
    told = kept_server.http.get("/health", headers={"x-request-id": "abc-123"})
    assert told.headers["x-request-id"] == "abc-123"
    for harmful in ("a b", "x" * 500, 'a"b'):
        answer = kept_server.http.get("/health", headers={"x-request-id": harmful})
        assert answer.headers["x-request-id"] not in ("", harmful)


def test_sec_gpc_is_heard_as_an_opt_out(kept_server: Served) -> None:
    """A browser that says so is believed by that alone, and only by exactly `1`."""
    user = kept_server.introduce()
    body = {"userId": user, "event": "Account Opened", "messageId": new_id("m")}
    headers = bearer(SHOP_KEY) | {"sec-gpc": "1"}
    kept_server.ok(kept_server.http.post("/v1/track", json=body, headers=headers))
    found = kept_server.ok(
        kept_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
    )
    assert any("gpc" in scope for scope in found["consents"])


def test_a_head_that_is_too_large_ends_the_connection(kept_server: Served) -> None:
    """Headers without end would fill the memory."""
    try:
        answer = kept_server.http.get("/health", headers={"x-long": "x" * 600_000})
    except httpx.TransportError:
        return
    assert answer.status_code == 400


# -- hostile values


@pytest.mark.parametrize(
    "name",
    [
        "Ana\r\nBcc: everybody@mail.example",
        "\u202egnirts desrever",
        "A\u200bn\u200da\ufeff",
        "<script>alert(1)</script>",
        "{{ 7 | times: 7 }}",
        "\ud800",
        "\x00\x1b[31m",
        "A" * 5_000,
    ],
    ids=ascii,
)
def test_a_hostile_name_is_shown_as_one_harmless_line(kept_server: Served, name: str) -> None:
    """Whoever fills in a form writes neither headers, nor markup, nor templates, nor hidden text."""
    user = kept_server.introduce()
    body = {"userId": user, "traits": {"first_name": name}, "messageId": new_id("m")}
    told = json.dumps({"batch": [{"type": "identify", **body}]})
    kept_server.ok(kept_server.http.post("/v1/batch", content=told, auth=(SHOP_KEY, "")))
    kept_server.make_regular(user)
    kept_server.track("Consent Given", user, entity="shop", purpose="marketing")
    (item,) = kept_server.inbox(user)
    say = kept_server.ask("till", user)["shown"][0]["say"]
    for text in (item["title"], say):
        assert text.isprintable()
        assert not re.search("[\u200b-\u200f\u202a-\u202e\ufeff]", text)
    assert "49" not in say


def test_an_unknown_time_zone_harms_nobody(kept_server: Served) -> None:
    """It is as good as none."""
    for zone in ("Mars/Base", "../../etc/passwd", "UTC+99", "", 7):
        user = kept_server.introduce(zone=zone)
        assert "decision_id" in kept_server.ask("till", user)


def test_a_storm_of_merges_joins_nobody_without_end(kept_server: Served) -> None:
    """Hundreds of people with one address stay apart, and the server stays quick."""
    shared = f"{new_id('storm')}@mail.example"
    batch = [
        {
            "type": "identify",
            "userId": new_id("user"),
            "messageId": new_id("m"),
            "traits": {"email": shared},
        }
        for _ in range(400)
    ]
    answer = kept_server.http.post("/v1/batch", json={"batch": batch}, auth=(SHOP_KEY, ""))
    assert kept_server.ok(answer)["quarantined"] == 0
    found = kept_server.ok(
        kept_server.admin(
            "POST", "/customers/find", {"identifier": f"user_id:{batch[0]['userId']}"}
        )
    )
    assert len(found["parts"]) <= 2
