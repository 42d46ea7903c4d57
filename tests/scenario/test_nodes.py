"""Many small worlds on several nodes that share a store: in turn, and at the same moment.

The judge is that of one node. A world is made of its seed alone; `--seed 4711` plays one again.
"""

import pytest

from kept.flows import shared_customers
from kept.flows.shared_customers import SharedCustomers
from tests.memory_shared import Shared
from tests.scenario.judge import judge
from tests.scenario.nodes_world import ConcurrentWorld, NodesWorld

STEPS = 300
ROUNDS = 60


def play_in_turn(seed: int, nodes: int) -> NodesWorld:
    """Play one world whose steps are done by one node after another."""
    print(f"replay with --seed {seed}")
    world = NodesWorld(seed, Shared().connect, nodes=nodes)
    world.run(STEPS)
    return world


def play_at_once(seed: int, nodes: int, rounds: int = ROUNDS) -> ConcurrentWorld:
    """Play one world whose nodes work at the same moment, call by call in any order."""
    print(f"replay with --seed {seed}")
    world = ConcurrentWorld(seed, nodes=nodes)
    world.run(rounds)
    return world


def judged(world: NodesWorld) -> list[str]:
    """Return everything that was promised and not kept."""
    world.take_turn()
    return list(world.look(lambda: judge(world)))


def test_every_promise_is_kept_by_several_nodes_in_turn(world_seed: int) -> None:
    """G1 to G12: a node that died, or whose memory is old, breaks none of them."""
    assert judged(play_in_turn(world_seed, 3)) == []


def test_every_promise_is_kept_by_several_nodes_at_once(world_seed: int) -> None:
    """G1 to G12: in whatever order their calls reach the store."""
    assert judged(play_at_once(world_seed, 2 + world_seed % 3)) == []


def test_the_worlds_of_several_nodes_are_eventful() -> None:
    """What nothing happens in proves nothing: customers move between nodes, and work is done again."""
    worlds: list[NodesWorld] = [play_at_once(seed, 3) for seed in range(4)]
    worlds += [play_in_turn(seed, 3) for seed in range(4)]
    assert sum(len(world.left) for world in worlds) > 60
    assert sum(world.retries for world in worlds) > 40
    assert sum(world.crashes for world in worlds) > 30
    reloaded = [node.customers.reloaded_count for world in worlds for node in world.nodes]
    assert sum(reloaded) > 20


def never_anew(self: SharedCustomers, customer_ids: list[int], versions: dict[int, int]) -> None:
    """Take whoever is in memory for as they are now."""
    missing = [each for each in customer_ids if each not in self._by_id]
    LOAD_ANEW(self, missing, versions)


LOAD_ANEW = SharedCustomers._load_anew


def test_the_judge_sees_when_memory_counts_whatever_its_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A control: with the versions not compared, the same worlds break their promises."""
    monkeypatch.setattr(shared_customers.SharedCustomers, "_load_anew", never_anew)
    assert any(fails(lambda seed=seed: play_in_turn(seed, 3)) for seed in range(6))


def fails(play: object) -> bool:
    """Return whether a world breaks a promise, or trips over what it finds."""
    try:
        return bool(judged(play()))  # type: ignore[operator]
    except (AssertionError, KeyError):
        return True
