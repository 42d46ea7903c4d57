"""A stranger at every door: who may not come in does not, and no answer helps them."""

import re
from itertools import count
from typing import Any

import httpx
import pytest

from kept.core.unsubscribe import Unsubscribe, make_token
from kept.web.endpoints import Endpoint
from kept.web.passes import Pass, make_pass
from kept.web.routes import ENDPOINTS
from tests.e2e.served import SHOP_KEY, SITE_KEY, Served

JSON = {"content-type": "application/json"}
_addresses = count(1)


def path_of(endpoint: Endpoint) -> str:
    """Return a path of a route; whatever it names is not there."""
    path = re.sub(r"\{\w+\}", "1", endpoint.path)
    return f"{path}?data=%7B%7D" if "/pixel/" in path else path


def call_from_elsewhere(server: Served, method: str, path: str, **request: Any) -> httpx.Response:
    """Call from an address of its own: whoever fails too often from one is asked to wait."""
    number = next(_addresses)
    elsewhere = httpx.HTTPTransport(local_address=f"127.1.{number // 250}.{number % 250 + 1}")
    with httpx.Client(base_url=server.url, transport=elsewhere, timeout=30) as client:
        return client.request(method, path, **request)


def knock(server: Served, endpoint: Endpoint, **headers: str) -> httpx.Response:
    """Call a route with a harmless body and these headers."""
    content = b'{"mark":"read"}' if endpoint.path.startswith("/v1/inbox/{") else b"{}"
    return call_from_elsewhere(
        server,
        endpoint.method,
        path_of(endpoint),
        content=content if endpoint.method == "POST" else None,
        headers=JSON | headers,
    )


def routes(*who: str) -> list[Endpoint]:
    """Return the routes that these may call."""
    return [each for each in ENDPOINTS if each.who in who]


def named(endpoint: Endpoint) -> str:
    """Return how a route is called in a test's name."""
    return f"{endpoint.method} {endpoint.path}"


@pytest.mark.parametrize("endpoint", routes("source", "server", "operator", "customer"), ids=named)
def test_nobody_comes_in_without_a_key(kept_server: Served, endpoint: Endpoint) -> None:
    """And is told no more than that."""
    answer = knock(kept_server, endpoint)
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "unknown_caller"
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("endpoint", routes("operator"), ids=named)
@pytest.mark.parametrize("offered", ["shop", "site", "basic", "cookie", "query"])
def test_nobody_operates_without_the_operators_token(
    kept_server: Served, endpoint: Endpoint, offered: str
) -> None:
    """No write key will do, and nothing that a browser sends along by itself."""
    token = kept_server.token
    basic = httpx.BasicAuth(token, "")._auth_header
    headers = {
        "shop": {"authorization": f"Bearer {SHOP_KEY}"},
        "site": {"authorization": f"Bearer {SITE_KEY}"},
        "basic": {"authorization": basic},
        "cookie": {"cookie": f"token={token}; authorization=Bearer {token}"},
        "query": {},
    }[offered]
    url = path_of(endpoint) + (f"?writeKey={token}" if offered == "query" else "")
    answer = call_from_elsewhere(kept_server, endpoint.method, url, headers=JSON | headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("endpoint", routes("server"), ids=named)
def test_a_key_that_everybody_can_read_is_no_servers(
    kept_server: Served, endpoint: Endpoint
) -> None:
    """A page's key may not do what a server's may."""
    answer = knock(kept_server, endpoint, authorization=f"Bearer {SITE_KEY}")
    assert answer.status_code == 403


@pytest.mark.parametrize("endpoint", routes("signer", "link"), ids=named)
def test_what_is_not_signed_is_not_heard(kept_server: Served, endpoint: Endpoint) -> None:
    """Not even with a key or the operator's token."""
    for key in (SHOP_KEY, kept_server.token):
        answer = knock(kept_server, endpoint, authorization=f"Bearer {key}")
        assert answer.status_code in (401, 403, 404)


@pytest.mark.parametrize("endpoint", routes("watcher"), ids=named)
def test_a_page_elsewhere_cannot_watch_through_a_name_of_its_own(
    kept_server: Served, endpoint: Endpoint
) -> None:
    """DNS rebinding: the browser is on this machine, but the name it asked for is not ours."""
    assert knock(kept_server, endpoint, host="evil.example").status_code == 401
    assert knock(kept_server, endpoint, host="127.0.0.1.evil.example").status_code == 401


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=named)
def test_no_answer_is_guessed_at_kept_or_framed(kept_server: Served, endpoint: Endpoint) -> None:
    """Its type is what it says; what is personal is stored nowhere; a page runs nothing foreign."""
    # The token would revoke itself where another test's administrator signed in.
    token = kept_server.token if endpoint.name != "revokeAdminToken" else ""
    for key in ("", SHOP_KEY, token):
        answer = knock(kept_server, endpoint, **({"authorization": f"Bearer {key}"} if key else {}))
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert "server" not in answer.headers
        for cookie in answer.headers.get_list("set-cookie"):
            # Pages for staff alone, and none that a script or another site could use.
            assert endpoint.tag == "Signing in"
            assert "HttpOnly" in cookie
            assert re.search("samesite=(lax|strict)", cookie, re.IGNORECASE)
        assert answer.headers.get("access-control-allow-origin", "*") == "*"
        assert "access-control-allow-credentials" not in answer.headers
        if endpoint.who not in ("anyone", "watcher"):
            assert answer.headers["cache-control"] == "no-store"
        if answer.headers["content-type"].startswith("text/html"):
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["referrer-policy"] == "no-referrer"


def test_settings_and_pictures_are_kept_by_no_cache(kept_server: Served) -> None:
    """The one names the address that was asked for, which a stranger may have made up."""
    for path in (
        f"/v1/projects/{SITE_KEY}/settings",
        f"/sourceConfig?writeKey={SITE_KEY}",
        f'/v1/pixel/page?writeKey={SITE_KEY}&data={{"anonymousId":"x"}}',
    ):
        answer = kept_server.http.get(path, headers={"host": "evil.example"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"


def test_no_name_of_the_brand_is_told_to_strangers(kept_server: Served) -> None:
    """A mistaken name is repeated, and not answered with the right ones."""
    asked = {"placement": "nowhere", "identifiers": {"user_id": "u"}}
    answers = [
        kept_server.http.post("/v1/decide", json=asked, auth=(SITE_KEY, "")),
        kept_server.http.post("/v1/hooks/nowhere", json={}),
        kept_server.http.post("/v1/feedback/nowhere", json={}),
    ]
    for answer in answers:
        assert answer.status_code == 404
        assert not re.search(r"till|billing|help_desk|payments|inbox|email", answer.text)


@pytest.mark.parametrize("number", [2**63, 2**64, -1, "1e3", ""])
@pytest.mark.parametrize("path", ["quarantine?after", "quarantine?limit", "audit?newest"])
def test_no_number_in_a_query_breaks_anything(
    kept_server: Served, path: str, number: object
) -> None:
    """SQLite's integers have 63 bits, and a query's have none."""
    answer = kept_server.http.get(
        f"/v1/admin/{path}={number}", headers={"authorization": f"Bearer {kept_server.token}"}
    )
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fpages.py",
        "/static/%2e%2e/templates/status.liquid",
        "/static/..\\..\\pages.py",
        "/static//etc/passwd",
        "/static/status.css%00.js",
    ],
)
def test_no_path_leads_out_of_our_own_files(kept_server: Served, path: str) -> None:
    """Files are looked up by name among those that were read at the start."""
    answer = kept_server.http.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_a_link_or_a_pass_that_somebody_made_up_opens_nothing(kept_server: Served) -> None:
    """A secret of the forger's own, a link used as a pass, a pass used as a link."""
    told = Unsubscribe(
        part_id=1, entity="harbour", purpose="marketing", channel="email", message_id="m1"
    )
    link = make_token(told, secret=b"f" * 32)
    granted = make_pass(Pass(part_id=1, expires_at=2**62, source="shop"), secret=b"f" * 32)
    for token in (link, granted, link + "A", link.replace("1.", "2.", 1)):
        assert kept_server.http.get(f"/u/{token}").status_code == 404
        answer = kept_server.http.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 404
        inbox = kept_server.http.get("/v1/inbox", headers={"authorization": f"Bearer {token}"})
        assert inbox.status_code == 401


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "PATCH", "PROPFIND"])
def test_no_method_is_answered_that_nobody_needs(kept_server: Served, method: str) -> None:
    """Nothing is traced back, tunnelled or written."""
    for path in ("/health", "/v1/track"):
        assert kept_server.http.request(method, path).status_code in (400, 404, 405)


def test_a_name_of_the_caller_does_not_break_the_audit(kept_server: Served) -> None:
    """It is one line without hidden characters, and short."""
    headers = {
        b"authorization": f"Bearer {kept_server.token}".encode(),
        b"x-kept-actor": "ana\u202eadmin \u2028 forged".encode() + b"x" * 500,
    }
    kept_server.ok(kept_server.http.post("/v1/admin/reload", headers=headers))
    line = kept_server.ok(kept_server.http.get("/v1/admin/audit?newest=1", headers=headers))
    actor = line["entries"][0]["actor"]
    assert "\u202e" not in actor
    assert "\u2028" not in actor
    assert len(actor) < 120
