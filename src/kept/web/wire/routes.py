"""The paths that SDKs really use, and what is meant by each."""

import re
from typing import Final, Literal, TypeAlias

import msgspec

RouteKind: TypeAlias = Literal["event", "batch", "pixel", "settings", "source_config"]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a path means; `type` is that of the event, `key` a write key that stands in the path."""

    kind: RouteKind
    type: str = ""
    key: str = ""


_TYPES: Final = ("identify", "track", "page", "screen", "group", "alias", "merge")
_LETTERS: Final = {
    "i": "identify",
    "t": "track",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
}

ROUTES: Final[dict[str, Route]] = {
    **{f"/v1/{name}": Route(kind="event", type=name) for name in _TYPES},
    # The browser SDK of the Segment family, one event at a time.
    **{f"/v1/{letter}": Route(kind="event", type=name) for letter, name in _LETTERS.items()},
    # Jitsu's.
    **{f"/api/s/{name}": Route(kind="event", type=name) for name in _TYPES},
    "/v1/batch": Route(kind="batch"),
    "/v1/b": Route(kind="batch"),
    "/beacon/v1/batch": Route(kind="batch"),
    # Dittofeed's.
    "/api/public/apps/batch": Route(kind="batch"),
    **{f"/v1/pixel/{name}": Route(kind="pixel", type=name) for name in _TYPES},
    "/sourceConfig": Route(kind="source_config"),
}
"""Fixed paths; a slash at the end is allowed to each."""

_SETTINGS: Final = re.compile(r"/v1/projects/([^/]{1,512})/settings/?")


def find_route(path: str) -> Route | None:
    """Return what a path means, or None if it belongs to no SDK."""
    route = ROUTES.get(path) or ROUTES.get(path.removesuffix("/"))
    if route is None and (match := _SETTINGS.fullmatch(path)):
        return Route(kind="settings", key=match[1])
    return route
