"""Kept heard by the browser SDKs in real Chromium, from a page on another origin."""

import functools
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from kept.core.event import Event
from tests.e2e.relay import Fault, Relay
from tests.e2e.sdks import Clients
from tests.e2e.served import SITE_KEY, Served, new_id
from tests.e2e.stored import read_events

pytestmark = [pytest.mark.sdk, pytest.mark.browser]

SDKS = ("segment", "rudder")
CALLS = """user => {
    analytics.identify(user, {language: "en"});
    analytics.track("Product Viewed", {sku: "tea"});
    analytics.page("Tea");
    analytics.track("Never Declared");
    analytics.track("Product Viewed", {sku: "pot"});
}"""
CALL_COUNT = 5
EXPECTED = Counter({"Identified": 1, "Product Viewed": 2, "Page Viewed": 1})


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves the pages and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture(scope="module")
def site(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site whose pages have an SDK bundled in, on an origin that the brand lists."""
    folder = tmp_path_factory.mktemp("site")
    for sdk in SDKS:
        clients.bundle(f"browser_{sdk}.js", folder / f"{sdk}.js")
        page = f'<!doctype html><title>Tea</title><script src="{sdk}.js"></script>'
        (folder / f"{sdk}.html").write_text(page)
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A real Chromium."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """Somebody who was never here: no cookies, nothing stored."""
    context = browser.new_context()
    yield context
    context.close()


def visit(visitor: BrowserContext, site: str, sdk: str, relay: Relay, **options: bool) -> Page:
    """Open a page and let its SDK load as it would."""
    page = visitor.new_page()
    page.goto(f"{site}/{sdk}.html")
    page.evaluate(
        "options => window.start(options)", {"url": relay.url, "key": SITE_KEY, **options}
    )
    return page


def sent_count(relay: Relay) -> int:
    """Return how many events were answered with success."""
    return sum(len(each.events) for each in relay.with_events if each.status == 200)


def arrived(served: Served, folder: Path, relay: Relay, user: str) -> list[Event]:
    """Return what is stored of a user once the SDK has had all its events acknowledged."""
    served.wait_for(lambda: sent_count(relay) >= CALL_COUNT)
    return read_events(served, folder, user=user)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_page_is_heard_event_by_event(
    kept_server: Served, relay: Relay, site: str, visitor: BrowserContext, tmp_path: Path, sdk: str
) -> None:
    """The SDK asks for its settings first, then sends; a bad event is set aside alone."""
    user = new_id("user")
    page = visit(visitor, site, sdk, relay)
    page.evaluate(CALLS, user)

    events = arrived(kept_server, tmp_path, relay, user)

    assert Counter(event.name for event in events) == EXPECTED
    assert {event.properties.get("sku") for event in events} == {None, "tea", "pot"}
    (viewed,) = (event for event in events if event.name == "Page Viewed")
    assert viewed.properties["name"] == "Tea"
    # A page's key is public: it names people, and vouches for nobody.
    assert {event.vouched_count for event in events} == {0}
    wanted = f"/v1/projects/{SITE_KEY}/settings" if sdk == "segment" else "/sourceConfig/"
    assert wanted in relay.paths()
    assert {each.status for each in relay.passed} == {200}


@pytest.mark.parametrize("sdk", SDKS)
def test_a_batch_waiting_in_a_page_survives_its_being_left(
    kept_server: Served, relay: Relay, site: str, visitor: BrowserContext, tmp_path: Path, sdk: str
) -> None:
    """One SDK sends it while the page goes, the other keeps it and sends it from the next page."""
    user = new_id("user")
    page = visit(visitor, site, sdk, relay, batching=True)
    page.evaluate(CALLS, user)
    page.wait_for_timeout(300)  # the SDK's own queue takes the calls up on its timers
    assert sent_count(relay) == 0
    page.goto("about:blank")
    if sdk == "rudder":
        visit(visitor, site, sdk, relay, batching=True).goto("about:blank")
        visit(visitor, site, sdk, relay)

    events = arrived(kept_server, tmp_path, relay, user)

    assert Counter(event.name for event in events) == EXPECTED
    assert {each.path for each in relay.with_events} <= {"/v1/b", "/v1/batch"}


def test_a_beacon_sent_while_the_page_goes_is_heard(
    kept_server: Served, relay: Relay, site: str, visitor: BrowserContext, tmp_path: Path
) -> None:
    """A beacon has no headers of its own: the key stands in the query, the body is plain text."""
    user = new_id("user")
    page = visit(visitor, site, "rudder", relay, beacon=True)
    page.evaluate(CALLS, user)
    page.goto("about:blank")

    events = arrived(kept_server, tmp_path, relay, user)

    assert Counter(event.name for event in events) == EXPECTED
    (beacon,) = relay.with_events
    assert beacon.path == "/beacon/v1/batch"
    assert SITE_KEY in beacon.query
    assert "authorization" not in beacon.headers


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault(429, retry_after=1), Fault(503)], id="refused"),
        pytest.param([Fault(503, when="after"), Fault(500, when="after")], id="answer-lost"),
    ],
)
def test_a_page_s_retry_delivers_exactly_once(
    kept_server: Served,
    relay: Relay,
    site: str,
    visitor: BrowserContext,
    tmp_path: Path,
    sdk: str,
    faults: list[Fault],
) -> None:
    """Whether Kept never heard of the first attempts or took them, each event is there once."""
    user = new_id("user")
    page = visit(visitor, site, sdk, relay)
    relay.fail(*faults)
    page.evaluate(CALLS, user)

    events = arrived(kept_server, tmp_path, relay, user)

    assert Counter(event.name for event in events) == EXPECTED
    failed = [each for each in relay.with_events if each.status != 200]
    assert len(failed) == len(faults)
