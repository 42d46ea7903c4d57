"""One call of each route about history and about everybody at once, for the test that goes through all routes."""

from collections.abc import Callable
from typing import Any, Final

import httpx

from tests.e2e.served import SHOP_KEY, Served, bearer

ANALYSIS: Final = {"purpose": "service", "entity": "shop"}
CAMPAIGN: Final = {"action": "tea_club", "pace": 1}


def _asked(method: str, path: str, body: Any = None) -> Callable[[Served], httpx.Response]:
    """Return a call that needs a base, which is taken first."""

    def call(server: Served) -> httpx.Response:
        server.ok(server.admin("DELETE", "/base"))
        server.ok(server.admin("POST", "/base", {}))
        server.wait_for(lambda: server.ok(server.admin("GET", "/base"))["state"] == "ready")
        return server.admin(method, path, body)

    return call


def _stop_campaign(server: Served) -> httpx.Response:
    """Stop a campaign that has somebody left to wake: whom a brake kept from what they would get."""
    server.ok(server.admin("POST", "/brakes", {"scope": "action:tea_club"}))
    for _ in range(3):
        user = server.introduce()
        server.make_regular(user)
        server.track("Consent Given", user, entity="shop", purpose="marketing")
    server.ok(server.admin("DELETE", "/brakes/action:tea_club"))
    server.ok(_begin_campaign(server))
    return server.admin("DELETE", "/campaign")


def _begin_campaign(server: Served) -> httpx.Response:
    """Begin a campaign where none is under way."""
    server.admin("DELETE", "/campaign")
    return _asked("POST", "/campaign", CAMPAIGN)(server)


def _list_refused(server: Served) -> httpx.Response:
    """List what tools outside were refused, where there is such a contact."""
    asked = {"entity": "shop", "purpose": "marketing", "channel": "email"}
    body = {"identifiers": {"user_id": server.introduce()}, **asked}
    server.ok(server.http.post("/v1/may-i", json=body, headers=bearer(SHOP_KEY)))
    return server.admin("GET", "/refused-contacts")


ANALYSES: Final[dict[str, Callable[[Served], httpx.Response]]] = {
    "listRefusedContacts": _list_refused,
    "showHistory": lambda server: server.admin("GET", "/history"),
    "exportHistory": lambda server: server.admin("POST", "/history/export"),
    "listReadable": lambda server: server.admin("POST", "/history/readable", ANALYSIS),
    "noteQuery": lambda server: server.admin("POST", "/history/queries", {**ANALYSIS, "count": 1}),
    "readHistory": lambda server: server.admin("POST", "/history/read", ANALYSIS),
    "noteReplay": lambda server: server.admin(
        "POST", "/replays", {**ANALYSIS, "brand_version": "tried"}
    ),
    "prepareBase": lambda server: server.admin("POST", "/base", {}),
    "showBase": lambda server: server.admin("GET", "/base"),
    "dropBase": lambda server: server.admin("DELETE", "/base"),
    "showAudience": _asked("POST", "/base/audience", {"where": "TRUE"}),
    "showReach": _asked("POST", "/base/reach", {}),
    "beginCampaign": _begin_campaign,
    "showCampaign": lambda server: server.admin("GET", "/campaign"),
    "stopCampaign": _stop_campaign,
}
