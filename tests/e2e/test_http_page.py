"""The pages in a real browser: alive with a script, whole without one, and nothing from elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest

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


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that remembers what it complained of, and whom it asked."""
    opened = browser.new_page()
    opened.complaints = []
    opened.hosts = set()
    opened.on("console", lambda said: opened.complaints.append(said.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("request", lambda asked: opened.hosts.add(asked.url.split("/")[2]))
    yield opened
    opened.close()


def test_the_page_shows_what_happens_without_being_loaded_again(
    page: Any, own_server: Served
) -> None:
    """A brake appears by itself; no complaint of the browser, no other host."""
    page.goto(f"{own_server.url}/")
    assert page.title().startswith("Harbour Tea")
    assert page.locator(".state").inner_text() == "Listening"
    own_server.ok(own_server.admin("POST", "/brakes", {"scope": "all", "because": "<b>look</b>"}))
    page.wait_for_selector("text=Paused: all", timeout=15_000)
    assert "<b>look</b>" in page.locator(".notice.brake").inner_text()
    assert page.complaints == []
    assert page.hosts == {own_server.url.removeprefix("http://")}


def test_the_page_is_whole_without_a_script(browser: Any, kept_server: Served) -> None:
    """Everything is written by the server."""
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(f"{kept_server.url}/")
        assert plain.locator(".tiles article").count() == 4
        assert plain.locator(".sources tbody tr").count() == 8


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_every_screen(page: Any, kept_server: Served, width: int) -> None:
    """Nothing runs over the edge."""
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{kept_server.url}/")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_person_leaves_with_one_press(page: Any, kept_server: Served) -> None:
    """The page of the link, pressed by a hand."""
    user = kept_server.introduce()
    kept_server.make_regular(user)
    kept_server.track("Consent Given", user, entity="shop", purpose="marketing")
    (item,) = kept_server.inbox(user)
    link = next(word for word in item["text"].split() if "/u/" in word)
    page.goto(link)
    assert kept_server.inbox(user) == [item]
    page.get_by_role("button").click()
    page.wait_for_selector("text=We have stopped")
    assert kept_server.inbox(user) == []
    assert page.complaints == []
