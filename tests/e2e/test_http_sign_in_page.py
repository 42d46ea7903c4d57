"""The pages of sign-in in a real browser: whole without a script, and nothing from elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.people import PASSWORD, invite
from tests.e2e.served import Served

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium, driven."""
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("has_script", [True, False])
def test_a_person_chooses_a_password_signs_out_and_in_again(
    browser: Any, kept_server: Served, *, has_script: bool
) -> None:
    """By hand, from the invitation on; no complaint of the browser, no other host."""
    name, path = invite(kept_server, "viewer")
    with browser.new_context(java_script_enabled=has_script) as context:
        page = context.new_page()
        complaints: list[str] = []
        hosts = set()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("request", lambda asked: hosts.add(asked.url.split("/")[2]))
        page.goto(f"{kept_server.url}{path}")
        assert name in page.locator("main").inner_text()
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button").click()
        page.wait_for_url(f"{kept_server.url}/")
        page.get_by_role("link", name="your account").click()
        assert page.locator("h1").inner_text() == name
        page.get_by_role("button", name="Sign out").click()
        assert page.locator("h1").inner_text() == "You are signed out"
        page.get_by_role("link", name="Sign in again").click()
        page.get_by_label("Name").fill(name.upper())
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{kept_server.url}/")
        assert complaints == []
        assert hosts == {kept_server.url.removeprefix("http://")}


@pytest.mark.parametrize("width", [360, 1280])
def test_the_pages_fit_every_screen(browser: Any, kept_server: Served, width: int) -> None:
    """Nothing runs over the edge, a long name and a long browser included."""
    long_name = f"{'a-long-name-' * 9}{width}@harbour.example"
    name, path = invite(kept_server, "admin", "supervisor", name=long_name)
    with browser.new_context(
        viewport={"width": width, "height": 800}, user_agent="Agent" * 40
    ) as context:
        page = context.new_page()
        fits = "document.documentElement.scrollWidth <= window.innerWidth"
        page.goto(f"{kept_server.url}{path}")
        assert page.evaluate(fits)
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button").click()
        for shown in ("/account", "/sign-in"):
            page.goto(f"{kept_server.url}{shown}")
            assert page.evaluate(fits), (shown, name)
