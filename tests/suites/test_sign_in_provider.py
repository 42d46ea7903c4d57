"""Signing in by a real identity provider, in real Chromium: there, back, and out again."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.sdks import CLIENTS, Clients
from tests.e2e.served import TIMEOUT_SECONDS, Served, serve

pytestmark = [pytest.mark.browser]
SECRET: Final = "a secret: with signs & spaces"
BACK: Final = "/sign-in/provider/back"


@contextmanager
def identity_provider(node: str, redirect_uri: str, *, conforms: bool) -> Iterator[str]:
    """Start the provider; yield its issuer."""
    plan = {
        "client_id": "kept",
        "client_secret": SECRET,
        "redirect_uri": redirect_uri,
        "conforms": conforms,
    }
    process = subprocess.Popen(
        [node, str(CLIENTS / "identity_provider.mjs"), json.dumps(plan)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["issuer"]
    finally:
        process.stdin.close()
        process.wait(TIMEOUT_SECONDS)
        process.stdout.close()


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


@pytest.fixture(scope="module", params=[False, True], ids=["in the token", "asked for"])
def server(
    request: pytest.FixtureRequest,
    clients: Clients,
    node: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """A server whose staff sign in by a provider that tells groups one way or the other."""
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}{BACK}"
    with identity_provider(node, redirect_uri, conforms=request.param) as issuer:
        environment = {
            "KEPT_OIDC_ISSUER": issuer,
            "KEPT_OIDC_CLIENT_ID": "kept",
            "KEPT_OIDC_CLIENT_SECRET": "env:THE_SECRET",
            "KEPT_OIDC_SCOPES": "openid email groups",
            "KEPT_OIDC_ROLES": "cx=supervisor;owners=policy_owner",
            "KEPT_OIDC_NAME": "Harbour ID",
            "THE_SECRET": SECRET,
        }
        folder = tmp_path_factory.mktemp("kept")
        with serve(folder, "--port", str(port), environment=environment) as served:
            yield served


@pytest.fixture(scope="module")
def chromium_browser(chromium: str) -> Iterator[Browser]:
    """A real Chromium."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(chromium_browser: Browser) -> Iterator[Page]:
    """A page of somebody who was never here."""
    context = chromium_browser.new_context()
    yield context.new_page()
    context.close()


def sign_in(page: Page, server: Served, who: str) -> list[str]:
    """Go to the provider, prove who one is there, and come back; return where one came back to."""
    came_back: list[str] = []
    page.on("request", lambda asked: came_back.append(asked.url) if BACK in asked.url else None)
    page.goto(f"{server.url}/sign-in")
    page.get_by_role("link", name="Sign in with Harbour ID").click()
    page.locator("input[name=login]").fill(who)
    page.locator("input[name=password]").fill("anything")
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{server.url}/**")
    return came_back


def me(page: Page) -> Any:
    """Return who the server takes the browser for."""
    return page.evaluate("fetch('/v1/me').then(answer => answer.json())")


def test_whoever_has_a_group_that_is_mapped_is_signed_in_as_that(
    page: Page, server: Served
) -> None:
    """With the name and the roles that the provider says, and no more."""
    sign_in(page, server, "ana+cx+everybody")
    assert page.url == f"{server.url}/"
    told = me(page)
    assert (told["name"], told["roles"]) == ("ana@harbour.example", ["supervisor"])
    page.goto(f"{server.url}/account")
    assert page.locator("h1").inner_text() == "ana@harbour.example"
    assert page.get_by_text("Change your password").count() == 0
    (entry,) = [
        each
        for each in server.ok(server.admin("GET", "/audit"))["entries"]
        if each["verb"] == "sign_in" and each["name"] == "ana@harbour.example"
    ][:1]
    assert entry["detail"]["way"] == "oidc"
    page.get_by_role("button", name="Sign out").click()
    assert page.locator("h1").inner_text() == "You are signed out"
    leave = page.get_by_role("link", name="Sign out of Harbour ID as well")
    assert "/session/end" in str(leave.get_attribute("href"))
    assert me(page)["code"] == "unknown_caller"


def test_whoever_has_no_such_group_has_no_access(page: Page, server: Served) -> None:
    """The provider knows them; here they are nobody, and are told so."""
    sign_in(page, server, "bruno+everybody")
    assert "gives you no role" in page.locator(".wrong").inner_text()
    assert me(page)["code"] == "unknown_caller"
    names = [each["name"] for each in server.ok(server.admin("GET", "/staff"))["staff"]]
    assert "bruno@harbour.example" not in names


def test_an_answer_of_the_provider_is_good_once_and_in_one_browser(
    chromium_browser: Browser, page: Page, server: Served
) -> None:
    """Whoever sees the address later, in a log or over a shoulder, gets nothing by it."""
    (address,) = sign_in(page, server, "carla+cx")
    with chromium_browser.new_context() as context:
        other = context.new_page()
        other.goto(address)
        assert other.locator("h1").inner_text() == "You are not signed in"
    page.goto(address)
    assert "begin again" in page.locator(".wrong").inner_text()


def test_who_is_disabled_here_is_out_whatever_the_provider_says(page: Page, server: Served) -> None:
    """At once, and at the next try."""
    sign_in(page, server, "dario+cx")
    staff = server.ok(server.admin("GET", "/staff"))["staff"]
    dario = next(each for each in staff if each["name"] == "dario@harbour.example")
    assert dario["way"] == "oidc"
    changed = server.admin("POST", f"/staff/{dario['staff_id']}/roles", {"roles": ["admin"]})
    assert changed.status_code == 403
    server.ok(server.admin("POST", f"/staff/{dario['staff_id']}/disable"))
    assert me(page)["code"] == "unknown_caller"
    page.goto(f"{server.url}/sign-in")
    page.get_by_role("link", name="Sign in with Harbour ID").click()
    page.wait_for_url(f"{server.url}/**")
    assert "disabled" in page.locator(".wrong").inner_text()
