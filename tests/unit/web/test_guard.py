"""Where a request comes from, whose page makes it, and who must wait."""

from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from kept.core.staff import ADDRESS_FAILURES_FREE, FAILURES_FREE, FAILURES_KEPT, Failures
from kept.errors import SettingsError
from kept.settings import FAILURES_MAX, Settings, read_staff_settings
from kept.web.address import address_of, read_proxies
from kept.web.cookies import Cookies, form_token, is_same_site
from kept.web.lockout import LockOut

NOW = 1_767_225_600_000_000
PROXIES = read_proxies("10.0.0.0/8, ::1")


def scope(client: str = "10.0.0.1", **headers: str) -> dict[str, Any]:
    """Return a request."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (client, 1), "headers": pairs}


def settings(**changes: Any) -> Settings:
    """Return the settings of a server."""
    return Settings(brand=Path("b"), data=Path("d"), **changes)


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.7, 10.2.2.2", "203.0.113.7"),
        ("10.0.0.1", "10.3.3.3", "10.3.3.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("203.0.113.9", "1.1.1.1", "203.0.113.9"),
    ],
)
def test_only_a_trusted_proxy_is_believed(client: str, forwarded: str, address: str) -> None:
    """And of what it forwards only what no caller can have written."""
    assert address_of(scope(client, x_forwarded_for=forwarded), PROXIES) == address
    assert address_of(scope(client, x_forwarded_for=forwarded), ()) == client


def test_a_proxy_that_is_no_network_is_refused_at_the_start() -> None:
    """With the name of the setting."""
    with pytest.raises(SettingsError, match="KEPT_TRUSTED_PROXIES"):
        read_proxies("the proxy")


def test_a_page_elsewhere_is_told_from_our_own() -> None:
    """By its origin or by what the browser says of it; who says nothing is refused."""
    public = settings(public_url="https://kept.example")
    own = "https://kept.example"
    assert is_same_site(public, scope(origin=own))
    assert is_same_site(public, scope(origin="null", sec_fetch_site="same-origin"))
    assert is_same_site(public, scope(sec_fetch_site="same-origin"))
    for wrong in (
        scope(),
        scope(origin="null"),
        scope(origin="https://kept.example.evil"),
        scope(origin="http://kept.example"),
        scope(origin=own, sec_fetch_site="cross-site"),
        scope(origin="https://evil.example", sec_fetch_site="same-origin"),
        scope(sec_fetch_site="none"),
    ):
        assert not is_same_site(public, wrong)
    local = settings(port=8080)
    assert is_same_site(local, scope(host="127.0.0.1:8080", origin="http://127.0.0.1:8080"))
    assert not is_same_site(local, scope(host="evil.example", origin="http://evil.example"))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"public_url": "https://kept.example"}, "__Host-kept-session"),
        ({}, "kept-session"),
        ({"host": "0.0.0.0", "public_url": "https://kept.example"}, "__Host-kept-session"),
    ],
)
def test_cookies_are_named_and_protected_as_https_allows(
    changes: dict[str, str], name: str
) -> None:
    """And read back by the same name only."""
    cookies = Cookies(settings(**changes))
    response = Response()
    cookies.put(response, "session", "value", seconds=60)
    header = response.headers["set-cookie"]
    assert header.startswith(f"{name}=value;")
    assert ("Secure" in header) is name.startswith("__Host-")
    assert cookies.read(scope(cookie=f"a=b; {name}=value"), "session") == "value"
    assert cookies.read(scope(cookie=f"x{name}=value"), "session") == ""
    assert cookies.read(scope(cookie=f"{name}={'x' * 200}"), "session") == ""


@pytest.mark.parametrize("changes", [{"host": "0.0.0.0"}, {"public_url": "http://kept.example"}])
def test_where_no_cookie_is_safe_there_is_none(changes: dict[str, str]) -> None:
    """Nobody signs in over a network in the clear."""
    cookies = Cookies(settings(**changes))
    assert not cookies.are_possible
    assert cookies.read(scope(cookie="kept-session=value"), "session") == ""


def test_the_token_of_a_form_belongs_to_one_cookie() -> None:
    """And tells nothing of it."""
    assert form_token("a") != form_token("b")
    assert "a" * 32 not in form_token("a" * 32)


def test_tries_at_the_same_moment_are_counted_one_by_one() -> None:
    """A hundred parallel guesses are not a hundred free ones."""
    lock_out = LockOut({}, secret=b"s")
    waits = [lock_out.begin("ana", "1.1.1.1", now=NOW)[0] for _ in range(100)]
    assert waits[:FAILURES_FREE] == [0] * FAILURES_FREE
    assert all(waits[FAILURES_FREE:])


def test_an_address_waits_whatever_names_it_tries() -> None:
    """And another address does not; names and addresses are kept as hashes."""
    lock_out = LockOut({}, secret=b"s")
    for number in range(ADDRESS_FAILURES_FREE):
        wait, noted = lock_out.begin(f"name-{number}", "1.1.1.1", now=NOW)
        assert wait == 0
        assert not any("name" in name or "1.1.1.1" in name for name in noted)
    assert lock_out.begin("name-x", "1.1.1.1", now=NOW)[0] > 0
    assert lock_out.begin("name-x", "2.2.2.2", now=NOW)[0] == 0


def test_who_signs_in_is_forgiven_and_their_address_not_wholly() -> None:
    """A right password of one's own does not pay for guesses at others."""
    lock_out = LockOut({}, secret=b"s")
    for name in ("a", "b", "ana"):
        lock_out.begin(name, "1.1.1.1", now=NOW)
    names, left = lock_out.succeed("ana", "1.1.1.1")
    assert len(names) == 1
    assert [each.count for each in left.values()] == [2]


def test_what_was_kept_goes_on_after_a_restart() -> None:
    """Until a day has passed, or an admin lifts it."""
    before = LockOut({}, secret=b"s")
    kept: dict[str, Failures] = {}
    for _ in range(FAILURES_FREE):
        kept |= before.begin("ana", "1.1.1.1", now=NOW)[1]
    after = LockOut(kept, secret=b"s")
    assert after.begin("ana", "2.2.2.2", now=NOW)[0] > 0
    assert after.begin("ana", "2.2.2.2", now=NOW + FAILURES_KEPT)[0] == 0
    lifted = LockOut(kept, secret=b"s")
    assert set(lifted.forget_account("ana")) <= set(kept)
    assert lifted.begin("ana", "2.2.2.2", now=NOW)[0] == 0


def test_failures_are_bounded() -> None:
    """Of too many the oldest are forgotten."""
    lock_out = LockOut({}, secret=b"s")
    for number in range(FAILURES_MAX // 2 + 10):
        lock_out.begin(str(number), str(number), now=NOW)
    assert len(lock_out) == FAILURES_MAX


def test_settings_of_staff_come_from_the_environment() -> None:
    """Each by its name in capitals; what cannot be used is refused."""
    read = read_staff_settings({"KEPT_SESSION_HOURS": "3", "KEPT_LOCAL_ACCOUNTS": "false"})
    assert (read.session_hours, read.local_accounts) == (3, False)
    with pytest.raises(SettingsError, match="session_hours"):
        read_staff_settings({"KEPT_SESSION_HOURS": "soon"})
