"""Staff over HTTP: who gets in, what each may do, and what ends it, at once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest

from kept.core.access import Role, permissions_of
from kept.core.staff import ADDRESS_FAILURES_FREE, FAILURES_FREE
from kept.web.routes import ENDPOINTS
from tests.e2e.people import PASSWORD, Browser, invite, signed_in
from tests.e2e.served import Served, bearer, problem, serve

GUARDED = [each for each in ENDPOINTS if each.who in ("operator", "watcher")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for the tests of this file, which sign in often."""
    with serve(tmp_path_factory.mktemp("kept")) as served:
        yield served


@pytest.mark.parametrize("role", get_args(Role))
def test_each_role_may_do_what_the_table_says_and_nothing_else(tmp_path: Path, role: str) -> None:
    """Every route of an operator answers 403 exactly where the role lacks what it needs."""
    with serve(tmp_path) as served:
        person = signed_in(served, role)
        token = served.ok(person.http.get("/v1/me"))["form_token"]
        # A name that is not this machine's: there, whoever watches must be known as well.
        headers = {
            "host": "kept.example",
            "x-kept-form-token": token,
            "sec-fetch-site": "same-origin",
        }
        held = permissions_of([role])
        for endpoint in GUARDED:
            path = re.sub(r"\{\w+\}", "x", endpoint.path)
            answer = person.http.request(endpoint.method, path, content=b"{", headers=headers)
            assert answer.status_code not in (401, 429), endpoint.name
            is_refused = answer.status_code == 403
            is_import = endpoint.name == "importBatch"
            assert is_refused is (endpoint.needs not in held) or is_import, endpoint.name
            if endpoint.needs not in held:
                assert f"`{endpoint.needs}`" in problem(answer, 403, "not_allowed")["detail"]


def test_a_person_is_invited_chooses_a_password_and_signs_in(server: Served) -> None:
    """By a link that is good once; the password stands nowhere."""
    name, path = invite(server, "viewer")
    browser = Browser(server)
    assert name in browser.show(path).text
    refused = browser.post(path, {"new": "short", "again": "short"})
    assert refused.status_code == 400
    assert "fewer than 12" in refused.text
    unlike = browser.post(path, {"new": PASSWORD, "again": PASSWORD + "!"})
    assert "not the same" in unlike.text
    accepted = browser.post(path, {"new": PASSWORD, "again": PASSWORD})
    assert (accepted.status_code, accepted.headers["location"]) == (303, "/")
    me = server.ok(browser.http.get("/v1/me"))
    assert (me["name"], me["roles"]) == (name, ["viewer"])
    again = Browser(server)
    assert again.show(path).status_code == 404
    assert again.sign_in(name).status_code == 303
    assert PASSWORD.encode() not in (server.data / "kept.db").read_bytes()


def test_neither_a_wrong_password_nor_an_unknown_name_tells_which_it_is(server: Served) -> None:
    """Word for word the same answer."""
    known = signed_in(server, "viewer")
    texts = []
    for name in (known.name, "nobody@harbour.example"):
        browser = Browser(server)
        answer = browser.sign_in(name, "not the password of anybody")
        assert answer.status_code == 401
        texts.append(re.sub(r'value="[^"]*"', "", answer.text))
        assert not answer.cookies.get("kept-session")
    assert texts[0] == texts[1]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Served) -> None:
    """HttpOnly, SameSite, for the whole host and nobody else; the session's hash alone is kept."""
    person = signed_in(server, "viewer")
    browser = Browser(server)
    answer = browser.sign_in(person.name)
    (cookie,) = (
        each for each in answer.headers.get_list("set-cookie") if each.startswith("kept-session=")
    )
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    value = cookie.partition("=")[2].partition(";")[0].encode()
    assert value not in (server.data / "kept.db").read_bytes()
    assert value not in (server.data / "kept.db-wal").read_bytes()


def test_over_https_the_cookie_has_the_prefix_that_no_other_host_can_set(tmp_path: Path) -> None:
    """Behind a public address every cookie is `__Host-` and Secure; without https nobody signs in."""
    with serve(tmp_path, "--public-url", "https://kept.harbour.example") as served:
        answer = served.http.get("/sign-in")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-kept-before=")
        assert "Secure" in cookie
        # Who watches is asked to sign in, and a program for its token.
        page = served.http.get("/", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in")
        assert served.http.get("/").status_code == 401
    with serve(tmp_path, "--public-url", "http://127.0.0.1:9") as served:
        problem(served.http.get("/sign-in"), 403, "not_allowed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "OWN", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "OWN", "sec-fetch-site": "same-site"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "OWN"}, 200),
    ],
)
def test_what_another_page_makes_a_browser_ask_changes_nothing(
    server: Served, headers: dict[str, str], status: int
) -> None:
    """Even with the right token of the form, which no other page can read."""
    person = signed_in(server, "supervisor")
    token = server.ok(person.http.get("/v1/me"))["form_token"]
    sent = {name: server.url if value == "OWN" else value for name, value in headers.items()}
    brake = {"scope": "channel:calls"}
    answer = person.http.post(
        "/v1/admin/brakes", json=brake, headers=sent | {"x-kept-form-token": token}
    )
    assert answer.status_code == status, answer.text
    # The right page without its token is refused as well.
    own = {"origin": server.url}
    problem(person.http.post("/v1/admin/brakes", json=brake, headers=own), 403, "not_allowed")
    for wrong in ("", "0" * 64):
        answer = person.http.post("/sign-out", data={"form_token": wrong}, headers=own)
        problem(answer, 403, "not_allowed")
    assert person.http.get("/v1/me").status_code == 200


def test_a_form_of_another_browser_signs_nobody_in(server: Served) -> None:
    """Else somebody could be signed in as somebody else without noticing."""
    person, other = signed_in(server, "viewer"), Browser(server)
    foreign = Browser(server).form_token("/sign-in")
    fields = {"name": person.name, "password": PASSWORD, "form_token": foreign}
    problem(other.post("/sign-in", fields), 403, "not_allowed")


def test_each_sign_in_has_a_cookie_of_its_own_and_ends_the_one_before(server: Served) -> None:
    """Whoever knew the old one, or put it there, has nothing."""
    person, thief = signed_in(server, "viewer"), Browser(server)
    before = person.http.cookies["kept-session"]
    thief.http.cookies.set("kept-session", before)
    assert thief.http.get("/v1/me").status_code == 200
    assert person.sign_in(person.name).status_code == 303
    assert person.http.cookies["kept-session"] != before
    assert thief.http.get("/v1/me").status_code == 401
    assert person.http.get("/v1/me").status_code == 200


def test_whoever_took_a_session_over_does_not_guess_the_password_by_it(tmp_path: Path) -> None:
    """The form that changes it counts failures as the sign-in does, and the log tells of them."""
    with serve(tmp_path) as served:
        person = signed_in(served, "viewer")
        new = {"new": "another quay, same tea", "again": "another quay, same tea"}
        guesses = [
            person.post("/account/password", new | {"old": "x" * 12}, page="/account").status_code
            for _ in range(FAILURES_FREE + 1)
        ]
        assert guesses == [401] * FAILURES_FREE + [429]
        right = person.post("/account/password", new | {"old": PASSWORD}, page="/account")
        assert right.status_code == 429
        assert Browser(served).sign_in(person.name).status_code == 429
        problem(person.call("GET", "/v1/admin/staff"), 403, "not_allowed")
        log = (tmp_path / "log").read_text()
        assert log.count("refused: a wrong name or password") == FAILURES_FREE
        assert "refused: not allowed" in log
        assert person.name not in log


def test_no_page_elsewhere_signs_anybody_in_by_the_provider(tmp_path: Path) -> None:
    """It would ask nothing of somebody whom it knows; a click on our own page begins it."""
    provider = {
        "KEPT_OIDC_ISSUER": "http://127.0.0.1:9",
        "KEPT_OIDC_CLIENT_ID": "kept",
        "KEPT_OIDC_ROLES": "cx=agent",
    }
    with serve(tmp_path, environment=provider) as served:
        for site in ("cross-site", "same-site"):
            answer = served.http.get("/sign-in/provider", headers={"sec-fetch-site": site})
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
            assert not answer.cookies
        own = served.http.get("/sign-in/provider", headers={"sec-fetch-site": "same-origin"})
        assert own.status_code == 503


def test_sign_out_role_change_and_disabling_end_sessions_at_once(server: Served) -> None:
    """In every browser, and by the next request."""
    person = signed_in(server, "viewer")
    second = Browser(server)
    assert second.sign_in(person.name).status_code == 303
    assert "signed out" in second.post("/sign-out", {}, page="/account").text
    assert second.http.get("/v1/me").status_code == 401
    assert person.http.get("/v1/me").status_code == 200
    path = f"/staff/{person.staff_id}"
    changed = server.ok(server.admin("POST", f"{path}/roles", {"roles": ["agent"]}))
    assert changed["roles"] == ["agent"]
    assert person.http.get("/v1/me").status_code == 401
    assert person.sign_in(person.name).status_code == 303
    server.ok(server.admin("POST", f"{path}/disable"))
    assert person.http.get("/v1/me").status_code == 401
    assert person.sign_in(person.name).status_code == 401
    server.ok(server.admin("POST", f"{path}/enable"))
    assert person.sign_in(person.name).status_code == 303
    made = server.ok(server.admin("POST", f"{path}/reset"))
    assert person.http.get("/v1/me").status_code == 401
    assert person.sign_in(person.name).status_code == 401
    assert "/invitations/" in made["invitation_url"]


def test_a_person_sees_and_ends_their_own_sessions_and_changes_the_password(
    server: Served,
) -> None:
    """A new password signs every other browser out."""
    person, second = signed_in(server, "viewer"), Browser(server)
    second.sign_in(person.name)
    page = person.show("/account").text
    assert page.count("<li>") == 2
    assert "this browser" in page
    person.post("/account/sessions/end", {"session": "others"}, page="/account")
    assert second.http.get("/v1/me").status_code == 401
    second.sign_in(person.name)
    new = {"old": PASSWORD, "new": "another quay, same tea", "again": "another quay, same tea"}
    wrong = person.post("/account/password", new | {"old": "x"}, page="/account")
    assert wrong.status_code == 401
    assert person.post("/account/password", new, page="/account").status_code == 303
    assert person.http.get("/v1/me").status_code == 200
    assert second.http.get("/v1/me").status_code == 401
    assert second.sign_in(person.name).status_code == 401
    assert second.sign_in(person.name, new["new"]).status_code == 303


def test_failures_lock_an_account_out_and_a_restart_forgives_nobody(tmp_path: Path) -> None:
    """The right password is not even looked at; an account that does not exist waits as well."""
    with serve(tmp_path) as served:
        person = signed_in(served, "viewer")
        browser = Browser(served)
        for name in (person.name, "nobody@harbour.example")[:1]:
            for _ in range(FAILURES_FREE):
                assert browser.sign_in(name, "wrong wrong wrong").status_code == 401
        locked = browser.sign_in(person.name)
        assert locked.status_code == 429
        assert int(locked.headers["retry-after"]) >= 1
        assert "Try again in" in locked.text
        # A session that was there before goes on.
        assert person.http.get("/v1/me").status_code == 200
        name, staff_id = person.name, person.staff_id
    with serve(tmp_path) as served:
        browser = Browser(served)
        assert browser.sign_in(name).status_code == 429
        made = served.ok(served.admin("POST", f"/staff/{staff_id}/reset"))
        path = "/" + made["invitation_url"].split("/", 3)[3]
        assert browser.post(path, {"new": PASSWORD, "again": PASSWORD}).status_code == 303
        assert browser.sign_in(name).status_code == 303


def test_one_address_may_try_only_so_often(own_server: Served) -> None:
    """Whatever names it tries, each of them once."""
    browser = Browser(own_server)
    codes = [
        browser.sign_in(f"nobody-{number}@harbour.example").status_code
        for number in range(ADDRESS_FAILURES_FREE + 2)
    ]
    assert codes == [401] * ADDRESS_FAILURES_FREE + [429] * 2


def test_an_actor_is_named_by_number_in_the_audit_and_by_name_when_it_is_read(
    server: Served,
) -> None:
    """And nobody who signed in can say that they are somebody else."""
    person = signed_in(server, "supervisor")
    token = server.ok(person.http.get("/v1/me"))["form_token"]
    headers = {"origin": server.url, "x-kept-form-token": token, "x-kept-actor": "somebody else"}
    server.ok(
        person.http.post("/v1/admin/brakes", json={"scope": "purpose:marketing"}, headers=headers)
    )
    server.ok(person.call("DELETE", "/v1/admin/brakes/purpose:marketing"))
    entries = server.ok(server.admin("GET", "/audit?newest=50"))["entries"]
    entry = next(each for each in entries if each["verb"] == "pause")
    assert entry["actor"] == f"staff:{person.staff_id}"
    assert entry["name"] == person.name


def test_the_last_way_in_is_not_shut(own_server: Served) -> None:
    """The admin token goes only when somebody else can administer, and they stay from then on."""
    revoke = "/admin-token/revoke"
    problem(own_server.admin("POST", revoke), 409, "conflict")
    person = signed_in(own_server, "admin")
    own_server.ok(own_server.admin("POST", revoke))
    problem(own_server.admin("GET", "/staff"), 401, "unknown_caller")
    assert person.call("GET", "/v1/admin/staff").status_code == 200
    path = f"/v1/admin/staff/{person.staff_id}"
    problem(person.call("POST", f"{path}/disable"), 409, "conflict")
    problem(person.call("POST", f"{path}/roles", {"roles": ["viewer"]}), 409, "conflict")


def test_names_and_roles_that_cannot_be_used_are_said(server: Served) -> None:
    """With what there is."""
    name, _ = invite(server, "viewer")
    again = {"name": name.upper(), "roles": ["viewer"]}
    problem(server.admin("POST", "/staff", again), 409, "conflict")
    for roles in ([], ["owner"]):
        told = problem(server.admin("POST", "/staff", {"name": "x", "roles": roles}), 400, "input")
        assert "policy_owner" in told["detail"]
    problem(server.admin("POST", "/staff", {"name": " ", "roles": ["viewer"]}), 400, "input")
    problem(server.admin("POST", "/staff/4711/disable"), 404, "not_found")


# -- tokens


def make_token(server: Served, name: str, *scopes: str, **more: object) -> str:
    """Make an API token and return it."""
    wanted = {"name": name, "scopes": scopes, **more}
    return str(server.ok(server.admin("POST", "/tokens", wanted))["token"])


def test_a_token_does_what_it_carries_and_is_shown_once(server: Served) -> None:
    """Nothing of it is kept but a hash, and revoked it opens nothing."""
    token = make_token(server, "dashboard", "metrics", "brake")
    own = server.http.get("/v1/admin/brakes", headers=bearer(token))
    problem(own, 403, "not_allowed")
    put = server.http.post(
        "/v1/admin/brakes", json={"scope": "channel:inbox"}, headers=bearer(token)
    )
    assert server.ok(put)["actor"] == "token:dashboard"
    server.ok(server.http.delete("/v1/admin/brakes/channel:inbox", headers=bearer(token)))
    listed = server.admin("GET", "/tokens")
    assert token not in listed.text
    (view,) = (each for each in server.ok(listed)["tokens"] if each["name"] == "dashboard")
    assert view["scopes"] == ["metrics", "brake"]
    for file in server.data.rglob("*"):
        assert not file.is_file() or token.encode() not in file.read_bytes()
    problem(
        server.admin("POST", "/tokens", {"name": "dashboard", "scopes": ["metrics"]}),
        409,
        "conflict",
    )
    server.ok(server.admin("DELETE", "/tokens/dashboard"))
    answer = server.http.get("/metrics", headers=bearer(token) | {"host": "kept.example"})
    problem(answer, 401, "unknown_caller")
    problem(server.admin("DELETE", "/tokens/dashboard"), 404, "not_found")


def test_a_token_for_another_network_opens_nothing_here(server: Served) -> None:
    """And says that it may not, since whoever shows it knows it."""
    token = make_token(server, "elsewhere", "status", networks=["10.0.0.0/8"])
    problem(server.http.get("/v1/admin/brakes", headers=bearer(token)), 403, "not_allowed")
    token = make_token(server, "here", "status", networks=["127.0.0.0/8"])
    server.ok(server.http.get("/v1/admin/brakes", headers=bearer(token)))


@pytest.mark.parametrize("scopes", [["approve"], ["staff"], ["tokens"], ["moon"], []])
def test_a_token_carries_nothing_that_only_a_person_may_do(
    server: Served, scopes: list[str]
) -> None:
    """Nor what nobody knows."""
    told = problem(server.admin("POST", "/tokens", {"name": "x", "scopes": scopes}), 400, "input")
    assert "scopes are" in told["detail"]


def test_a_session_that_is_not_used_ends_by_itself(tmp_path: Path) -> None:
    """The limits are settings; a session of no time at all is over before the next request."""
    with serve(tmp_path, environment={"KEPT_SESSION_IDLE_MINUTES": "0"}) as served:
        browser = Browser(served)
        _, path = invite(served, "viewer")
        browser.post(path, {"new": PASSWORD, "again": PASSWORD})
        assert browser.http.get("/v1/me").status_code == 401
        page = browser.show("/account")
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in")


def test_no_page_lets_anything_else_in(server: Served) -> None:
    """Nothing from another host, no script or style in the page, nothing kept by a cache."""
    person = signed_in(server, "viewer")
    _, path = invite(server, "viewer")
    answers: list[httpx.Response] = [
        Browser(server).show("/sign-in"),
        Browser(server).show(path),
        person.show("/account"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
