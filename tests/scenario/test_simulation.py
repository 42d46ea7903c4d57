"""Many small worlds: customers, touchpoints, providers and crashes by chance, judged by the providers' logs.

A world is made of its seed alone. `--seed 4711` plays one again; `--seeds 500` plays so many.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from kept.core.decision import Chosen
from kept.core.message import Message
from kept.flows import deliver, react
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.ports import Store
from kept.stores.memory import MemoryStore
from kept.stores.sqlite import SqliteStore
from tests.scenario.judge import judge
from tests.scenario.world import World
from tests.vaults import make_vault

STEPS = 400


def play(seed: int, open_store: Callable[[], Store]) -> World:
    """Play one world to its end."""
    print(f"replay with --seed {seed}")
    world = World(seed, open_store)
    world.run(STEPS)
    return world


def play_in_memory(seed: int) -> World:
    """Play one world on a store that outlives its engine, and not this test."""
    store = MemoryStore()
    return play(seed, lambda: store)


def test_every_promise_is_kept_in_every_world(world_seed: int) -> None:
    """G1, G2, G3, G4, G5, G7, G9, G10 and G12 hold whatever happens, in whatever order."""
    assert judge(play_in_memory(world_seed)) == []


@pytest.mark.parametrize("seed", [1])
def test_every_promise_is_kept_on_the_disk_as_well(seed: int, tmp_path: Path) -> None:
    """The same worlds on SQLite, which is closed and opened again at each crash."""
    world = play(seed, lambda: SqliteStore(tmp_path, vault=make_vault(tmp_path)))
    assert judge(world) == []
    world.store.close()


def test_the_worlds_are_eventful() -> None:
    """What nothing happens in proves nothing: messages leave, are stopped, and processes die."""
    worlds = [play_in_memory(seed) for seed in range(8)]
    assert sum(len(world.left) for world in worlds) > 100
    assert sum(one.message.promotional for world in worlds for one in world.left) > 15
    assert sum(world.crashes for world in worlds) > 40
    assert sum(one.stops_marketing for world in worlds for one in world.answered) > 20
    assert any(one.message.attempt_count > 1 for world in worlds for one in world.left)


def skip_the_second_look(engine: Engine, customer: Customer, message: Message, now: int) -> Chosen:
    """Let a message leave as it was decided when it was queued."""
    return Chosen(action=message.action, about=message.about, due_at=message.due_at)


def test_the_judge_sees_when_nobody_decides_again_at_the_hand_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G3: a control: with the second decision switched off, the same worlds break their caps."""
    monkeypatch.setattr(deliver, "judge", skip_the_second_look)
    found = [told for seed in range(6) for told in judge(play_in_memory(seed))]
    assert any(told.startswith("G3") for told in found)


def withdraw_nothing(engine: Engine, customer: Customer, now: int) -> list[Message]:
    """Leave in the queue whatever is there."""
    return []


def test_the_judge_sees_when_a_stop_withdraws_nothing_and_nobody_decides_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G1: a control: with both of its mechanisms switched off, messages leave after the stop."""
    monkeypatch.setattr(react, "recheck", withdraw_nothing)
    monkeypatch.setattr(deliver, "judge", skip_the_second_look)
    found = (told for seed in range(40) for told in judge(play_in_memory(seed)))
    assert any(told.startswith("G1") and "after the stop" in told for told in found)


def test_the_judge_sees_what_only_the_second_look_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """G1: a control: withdrawal alone reaches neither what was on its way and is retried, nor a brake."""
    monkeypatch.setattr(deliver, "judge", skip_the_second_look)
    found = (told for seed in range(40) for told in judge(play_in_memory(seed)))
    assert any(told.startswith("G1") and "after the stop" in told for told in found)


def test_what_no_answer_withdrew_is_stopped_at_the_hand_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G1: no control: the second look does not need the first, and holds every promise alone."""
    monkeypatch.setattr(react, "recheck", withdraw_nothing)
    assert [told for seed in range(12) for told in judge(play_in_memory(seed))] == []


def test_the_judge_sees_when_an_opt_out_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """G2: a control: with both looks switched off, messages leave without a basis."""
    monkeypatch.setattr(deliver, "judge", skip_the_second_look)
    monkeypatch.setattr(react, "judge", skip_the_second_look)
    found = (told for seed in range(40) for told in judge(play_in_memory(seed)))
    assert any(told.startswith("G2") for told in found)
