"""The stories of the brands that are shipped, with PostgreSQL under them."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import Server, open_postgres
from tests.scenario.told import STORIES, differences_on


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("name", STORIES)
def test_a_story_comes_out_the_same_on_postgresql(
    postgres: Server, tmp_path: Path, name: str, nodes: int
) -> None:
    """On an empty database, heard by one node, or by two in turn."""
    address = postgres.lend()
    with ExitStack() as opened:
        stores = [open_postgres(address, tmp_path) for _ in range(nodes)]
        for store in stores:
            opened.callback(store.close)
        assert differences_on(stores, name) == []
    postgres.give_back(address)
