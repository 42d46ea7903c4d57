"""One call of each route about history, for the test that goes through all routes."""

from collections.abc import Callable
from typing import Final

import httpx

from tests.e2e.served import Served

ANALYSIS: Final = {"purpose": "service", "entity": "shop"}

HISTORY_CALLS: Final[dict[str, Callable[[Served], httpx.Response]]] = {
    "showHistory": lambda server: server.admin("GET", "/history"),
    "exportHistory": lambda server: server.admin("POST", "/history/export"),
    "listReadable": lambda server: server.admin("POST", "/history/readable", ANALYSIS),
    "noteQuery": lambda server: server.admin("POST", "/history/queries", {**ANALYSIS, "count": 1}),
    "readHistory": lambda server: server.admin("POST", "/history/read", ANALYSIS),
    "noteReplay": lambda server: server.admin(
        "POST", "/replays", {**ANALYSIS, "brand_version": "tried"}
    ),
}
