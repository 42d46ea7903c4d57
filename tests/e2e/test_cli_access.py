"""Staff, tokens and keys from the command line, as an operator types them."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from kept.cli.client import TOKEN_VARIABLE
from tests.e2e.command import ok, run_kept
from tests.e2e.people import PASSWORD, Browser
from tests.e2e.served import SHOP_KEY, Served, bearer, new_id, problem, serve, stop


def invited(printed: str) -> str:
    """Return the path of the invitation that a command printed."""
    (url,) = re.findall(r"http://\S+/invitations/\S+", printed)
    return str(urlsplit(url).path)


def test_a_member_of_staff_is_invited_changed_and_shut_out(own_server: Served) -> None:
    """By the name that they sign in with, or by their number."""
    data = ("--data", own_server.data)
    path = invited(ok("staff", "add", "Ana@Harbour.example", "agent", "viewer", *data))
    browser = Browser(own_server)
    assert browser.post(path, {"new": PASSWORD, "again": PASSWORD}).status_code == 303
    listed = ok("staff", "list", *data)
    assert "ana@harbour.example" in listed
    assert "viewer, agent" in listed
    assert "supervisor now" in ok("staff", "role", "ana@harbour.example", "supervisor", *data)
    assert browser.http.get("/v1/me").status_code == 401
    ok("staff", "disable", "1", *data)
    assert browser.sign_in("ana@harbour.example").status_code == 401
    ok("staff", "enable", "1", *data)
    assert browser.sign_in("ana@harbour.example").status_code == 303
    path = invited(ok("staff", "reset", "1", *data))
    assert browser.show(path).status_code == 200
    wrong = run_kept("staff", "disable", "nobody", *data)
    assert wrong.code == 1
    assert "kept staff list" in wrong.err
    assert "policy_owner" in run_kept("staff", "add", "x", "owner", *data).err


def test_a_token_is_made_used_and_revoked(own_server: Served) -> None:
    """It is shown once; the list says what it may do."""
    data = ("--data", own_server.data)
    made = ok("token", "add", "watcher", "--scope", "status", "--days", "1", *data).strip()
    own_server.ok(own_server.http.get("/v1/admin/brakes", headers=bearer(made)))
    listed = ok("token", "list", *data)
    assert "watcher" in listed
    assert made not in listed
    assert "The admin token of the first start is good as well." in listed
    ok("token", "revoke", "watcher", *data)
    problem(own_server.http.get("/v1/admin/brakes", headers=bearer(made)), 401, "unknown_caller")


def test_a_key_is_restricted_rotated_and_revoked(own_server: Served) -> None:
    """The old one is good for the grace; the list shows no key."""
    data = ("--data", own_server.data)
    old = ok("key", "add", "shop", "--event", "Account Opened", "--no-asks", *data).strip()
    listed = ok("key", "list", *data)
    assert old not in listed
    assert "Account Opened" in listed
    assert "sources.yaml names a key for" in listed
    key_id = own_server.ok(own_server.admin("GET", "/keys"))["keys"][0]["key_id"]
    new = ok("key", "rotate", key_id, "--grace-days", "0.5", *data).strip()
    for key in (old, new, SHOP_KEY):
        own_server.track("Account Opened", new_id("user"), key=key)
    ok("key", "revoke", "shop", "--key", key_id, *data)
    body = {"userId": "u", "event": "Account Opened"}
    problem(
        own_server.http.post("/v1/track", json=body, headers=bearer(old)), 401, "unknown_caller"
    )
    assert "lost 1 key(s)" in ok("key", "revoke", "shop", *data)


def test_the_admin_token_is_put_away_and_comes_back_when_all_else_is_lost(tmp_path: Path) -> None:
    """Without it the command line needs a token of its own; `renew-admin` needs the folder alone."""
    with serve(tmp_path) as served:
        data = ("--data", served.data)
        early = run_kept("token", "revoke-admin", *data)
        assert early.code == 1
        assert "nobody else has the role admin" in early.err
        path = invited(ok("staff", "add", "boss", "admin", *data))
        browser = Browser(served)
        browser.post(path, {"new": PASSWORD, "again": PASSWORD})
        ok("token", "revoke-admin", *data)
        assert not (served.data / "admin-token").exists()
        gone = run_kept("staff", "list", *data)
        assert gone.code == 1
        assert f"No such file or directory: {served.data / 'admin-token'}" in " ".join(
            gone.err.split()
        )
        for told in ("KEPT_TOKEN", "--as NAME"):
            assert told in gone.err
        boss = ("--as", "boss", "--password", PASSWORD, *data)
        ok("staff", "add", "rui", "viewer", *boss)
        assert "agent now" in ok("staff", "role", "rui", "agent", *boss)
        ok("staff", "disable", "rui", *boss)
        assert "rui" in ok("staff", "list", *boss)
        made = ok("token", "add", "ops", "--scope", "status", "--days", "1", *boss).strip()
        served.ok(served.http.get("/v1/admin/brakes", headers=bearer(made)))
        assert "first start" not in ok("token", "list", *boss)
        ok("token", "revoke", "ops", *boss)
        running = run_kept("token", "renew-admin", *data)
        assert "in use" in running.err
        assert TOKEN_VARIABLE == "KEPT_TOKEN"
        assert stop(served.process) == 0
        ok("token", "renew-admin", *data)
        folder = served.data
    before = folder / "admin-token"
    assert not before.exists()
    with serve(tmp_path) as served:
        served.ok(served.admin("GET", "/staff"))
