"""The stories of the example brand, and worlds of several nodes, with PostgreSQL under them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept.core.compile import compile_brand
from kept.core.values import NEVER
from kept.flows.play import play
from kept.ports import Store
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import read_stories
from tests.postgres import TEMPLATE, Server, open_postgres, running_server
from tests.scenario.judge import judge
from tests.scenario.nodes_world import NodesWorld
from tests.tree import ROOT

BRAND = ROOT / "examples" / "ferrowen"
WORLDS = 6
STEPS = 200


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run one PostgreSQL for the module."""
    with running_server() as running:
        running.make_template(TEMPLATE)
        yield running


class Told:
    """A store that can say when it next has something to do."""

    def __init__(self, store: Store) -> None:
        """Take a store."""
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def next_instant(self, channels: list[str]) -> int:
        """Return the earliest wake, or due message on one of these channels; NEVER without any."""
        wakes = self._store.load_due_wakes(now=NEVER, limit=1)
        due = self._store.load_due_messages(now=NEVER, channels=channels, limit=1)
        return min((*(at for _, at in wakes), *(one.due_at for one in due)), default=NEVER)


def test_every_story_comes_out_the_same(server: Server, tmp_path: Path) -> None:
    """Each on an empty database of its own, as it does in memory."""
    bundle = compile_brand(load_checked(read_folder(BRAND)))
    differ = {}
    stories = read_stories(BRAND)
    # Where nodes share a store, a source is known to be silent two seconds later.
    del stories["stories/30-till-falls-silent.yaml"]
    for name, story in stories.items():
        address = server.lend()
        folder = tmp_path / name.replace("/", "-")
        folder.mkdir()
        store = open_postgres(address, folder)
        differences, _ = play(story, bundle, Told(store))
        store.close()
        server.give_back(address)
        if differences:
            differ[name] = [str(each) for each in differences]
    assert differ == {}


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
