"""The stories of the brands that are shipped, with PostgreSQL under them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import TEMPLATE, Server, open_postgres, running_server
from tests.scenario.told import STORIES, differences_on


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run one PostgreSQL for the module."""
    with running_server() as running:
        running.make_template(TEMPLATE)
        yield running


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("name", STORIES)
def test_a_story_comes_out_the_same_on_postgresql(
    server: Server, tmp_path: Path, name: str, nodes: int
) -> None:
    """On an empty database, heard by one node, or by two in turn."""
    address = server.lend()
    with ExitStack() as opened:
        stores = [open_postgres(address, tmp_path) for _ in range(nodes)]
        for store in stores:
            opened.callback(store.close)
        assert differences_on(stores, name) == []
    server.give_back(address)
