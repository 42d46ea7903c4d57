"""The paths of SDKs are known, others are not."""

import pytest

from kept.web.wire.routes import ROUTES, Route, find_route


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/track", Route(kind="event", type="track")),
        ("/v1/merge", Route(kind="event", type="merge")),
        ("/v1/p", Route(kind="event", type="page")),
        ("/v1/s", Route(kind="event", type="screen")),
        ("/v1/batch", Route(kind="batch")),
        ("/v1/batch/", Route(kind="batch")),
        ("/v1/b", Route(kind="batch")),
        ("/beacon/v1/batch", Route(kind="batch")),
        ("/api/public/apps/batch", Route(kind="batch")),
        ("/api/s/identify", Route(kind="event", type="identify")),
        ("/v1/pixel/page", Route(kind="pixel", type="page")),
        ("/sourceConfig/", Route(kind="source_config")),
        ("/sourceConfig", Route(kind="source_config")),
        ("/v1/projects/abc:d/settings", Route(kind="settings", key="abc:d")),
    ],
)
def test_a_path_means_what_its_sdk_means(path: str, route: Route) -> None:
    """With a slash at the end or without."""
    assert find_route(path) == route


@pytest.mark.parametrize(
    "path", ["/", "", "/v1", "/v1/x", "/v1/Track", "/v1/projects//settings", "/v1/track/x", "//"]
)
def test_other_paths_belong_to_nobody_here(path: str) -> None:
    """The API and the pages are routed elsewhere."""
    assert find_route(path) is None


def test_every_type_has_a_path_of_its_own() -> None:
    """Seven types, each posted alone."""
    posted = {route.type for path, route in ROUTES.items() if path.startswith("/v1/")}
    assert posted >= {"identify", "track", "page", "screen", "group", "alias", "merge"}
