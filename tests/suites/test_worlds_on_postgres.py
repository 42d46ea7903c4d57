"""Worlds of several nodes, with PostgreSQL under them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import TEMPLATE, Server, open_postgres, running_server
from tests.scenario.judge import judge
from tests.scenario.nodes_world import NodesWorld

WORLDS = 6
STEPS = 200


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run one PostgreSQL for the module."""
    with running_server() as running:
        running.make_template(TEMPLATE)
        yield running


@pytest.mark.parametrize("seed", range(WORLDS))
def test_every_promise_is_kept_on_postgresql(server: Server, tmp_path: Path, seed: int) -> None:
    """G1 to G12, by three nodes that die."""
    address = server.lend()
    world = NodesWorld(seed, lambda: open_postgres(address, tmp_path), nodes=3)
    world.run(STEPS)
    world.take_turn()
    assert world.look(lambda: judge(world)) == []
    for node in world.nodes:
        node.store.close()
    server.give_back(address)
