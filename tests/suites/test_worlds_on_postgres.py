"""Worlds of several nodes, with PostgreSQL under them."""

from pathlib import Path

import pytest

from tests.postgres import Server, open_postgres
from tests.scenario.judge import judge
from tests.scenario.nodes_world import NodesWorld

WORLDS = 6
STEPS = 200


@pytest.mark.parametrize("seed", range(WORLDS))
def test_every_promise_is_kept_on_postgresql(postgres: Server, tmp_path: Path, seed: int) -> None:
    """G1 to G12, by three nodes that die."""
    address = postgres.lend()
    world = NodesWorld(seed, lambda: open_postgres(address, tmp_path), nodes=3)
    world.run(STEPS)
    world.take_turn()
    assert world.look(lambda: judge(world)) == []
    for node in world.nodes:
        node.store.close()
    postgres.give_back(address)
