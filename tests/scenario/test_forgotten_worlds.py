"""Worlds in which people are forgotten amid everything else, crashes and restores of memory included."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kept.core.event import Identifier
from kept.flows.forget import Wish, forget
from kept.flows.resolve import find_customer
from kept.ports import Store
from kept.stores.memory import MemoryStore
from kept.stores.sqlite import SqliteStore
from tests.scenario.judge import judge
from tests.scenario.world import PEOPLE, Erased, World
from tests.vaults import make_vault

STEPS = 400


class ForgettingWorld(World):
    """A world whose operator forgets people as often as they are regrouped."""

    def regroup(self) -> None:
        """Forget somebody, or regroup as elsewhere."""
        if self.random.random() < 0.5:
            super().regroup()
            return
        wanted = Identifier("user_id", f"u{self.random.randrange(PEOPLE)}")
        customer = find_customer(self.engine.customers, [(wanted, False), (wanted, True)])
        if customer is None:
            return
        known = frozenset(part.identifier for part in customer.parts.values())
        parts = frozenset(customer.parts)
        events = self.store.load_part_events(sorted(parts))
        wish = Wish(request_id=f"r{self.step}", actor="world", confirmed_by="the seed")
        if self.commit(lambda: forget(self.engine, wanted, wish, self.now)) is not None:
            self.erased_events += events
            self.erased.append(
                Erased(
                    step=self.step,
                    at=self.now,
                    sequence=self.store.last_sequence(),
                    part_ids=parts,
                    identifiers=known,
                )
            )


def play(seed: int, open_store: Callable[[], Store]) -> ForgettingWorld:
    """Play one seed's world to its end."""
    print(f"replay with --seed {seed}")
    world = ForgettingWorld(seed, open_store)
    world.run(STEPS)
    return world


def play_in_memory(seed: int) -> ForgettingWorld:
    """Play a world whose store outlives its crashes in memory."""
    store = MemoryStore()
    return play(seed, lambda: store)


def test_whoever_is_forgotten_stays_so_and_nobody_else_notices(world_seed: int) -> None:
    """G11, and every other guarantee for everybody who is left."""
    assert judge(play_in_memory(world_seed)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_forgotten_stays_so_on_the_disk(seed: int, tmp_path: Path) -> None:
    """The same with sealed records, keys that are destroyed, and crashes in between."""
    world = play(seed, lambda: SqliteStore(tmp_path, vault=make_vault(tmp_path)))
    assert judge(world) == []
    world.store.close()


def test_in_these_worlds_people_are_forgotten() -> None:
    """Several times, and some of them come back."""
    worlds = [play_in_memory(seed) for seed in range(6)]
    assert sum(len(world.erased) for world in worlds) >= 10
    assert any(
        find_customer(world.engine.customers, [(identifier, False)])
        for world in worlds
        for erased in world.erased
        for identifier in erased.identifiers
    )


def test_the_judge_sees_late_events_that_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: where tombstones are not heeded, somebody is brought back."""
    monkeypatch.setattr("kept.flows.ingest.leave_out_forgotten", lambda engine, events: events)
    told = [line for seed in range(12) for line in judge(play_in_memory(seed))]
    assert any("brings somebody back" in line for line in told)
