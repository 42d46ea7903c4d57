"""The same policy makes the same decisions of the same record: whatever happened in it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.memory_recorded import MemoryRecorded
from bench.month import (
    STARTED_AT,
    example_bundle,
    example_texts,
    hear,
    play_month,
    track,
    work,
)
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.event import Identifier
from kept.core.message import Message
from kept.core.values import DAY, HOUR
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.play import play
from kept.flows.react import react
from kept.flows.regroup import merge
from kept.flows.replay import player as replay_player
from kept.flows.stage import Stage
from kept.flows.take_brand import begin, choose_slots, fill, take
from kept.ports import BrandRow, StoredEvent
from kept.runtime.folder import load_checked
from kept.runtime.master_key import open_keys_to_read
from kept.runtime.stories import read_stories
from kept.stores.memory import MemoryStore
from kept.stores.sqlite import SqliteStore
from kept.stores.sqlite.recorded import SqliteRecorded
from kept.stores.vault import SealingVault
from tests.memory_shared import Shared
from tests.scenario.larkmead import LARKMEAD, compile_larkmead
from tests.scenario.nodes_world import NodesWorld
from tests.scenario.replays import play_again
from tests.scenario.world import START, World
from tests.tree import ROOT
from tests.unit.flows.test_guarantees import NOON, introduce, tell
from tests.vaults import make_vault

EXAMPLE = ROOT / "examples" / "ferrowen"
STORIES = sorted(path.name for path in (EXAMPLE / "stories").glob("*.yaml"))
STEPS = 400


def live(seed: int) -> tuple[World, MemoryRecorded]:
    """Let a world go on: people, providers that fail, brakes, merges, and processes that die."""
    store = MemoryStore()
    world = World(seed, lambda: store)
    world.run(STEPS)
    return world, MemoryRecorded(store)


def test_every_decision_of_a_world_comes_out_as_recorded(world_seed: int) -> None:
    """G7, from the signals on: not one decision differs, is missing, or is made beside the record."""
    _, recorded = live(world_seed)
    again = play_again(recorded, compile_larkmead())
    assert again.differences == []
    assert again.counts["decisions"] == len(list(recorded.read_all_decisions()))


@pytest.mark.parametrize("seed", [33, 34, 37, 53, 56, 191])
def test_a_message_taken_back_at_its_hand_over_is_taken_back_there(seed: int) -> None:
    """Out of the order of a look; for another address; and one that bounced after it was given up."""
    _, recorded = live(seed)
    assert play_again(recorded, compile_larkmead()).differences == []


@pytest.mark.parametrize("nodes", [1, 3])
def test_the_record_of_nodes_is_played_again(nodes: int) -> None:
    """One alone to the last decision; of several that take turns nearly all come out as recorded."""
    shared = Shared()
    world = NodesWorld(1, shared.connect, nodes=nodes)
    world.run(STEPS)
    recorded = MemoryRecorded(shared.connect())
    again = play_again(recorded, compile_larkmead())
    made = len(list(recorded.read_all_decisions()))
    assert made > 200
    assert len(again.differences) <= (0 if nodes == 1 else made // 10)


@pytest.mark.parametrize("seed", [3, 17, 41])
def test_a_replay_may_begin_and_end_in_the_middle(seed: int) -> None:
    """What stood, and what was on its way, when the period began, stands again."""
    world, recorded = live(seed)
    since, until = (START + world.now) // 2 - 12 * DAY, world.now - 5 * DAY
    again = play_again(recorded, compile_larkmead(), since=since, until=until)
    assert again.differences == []
    made = [row for row in recorded.read_all_decisions() if since <= row.decided_at < until]
    assert again.counts["decisions"] == len(made) > 0


def test_who_is_joined_after_the_end_is_decided_nothing_for() -> None:
    """What an operator said of who is who is taken up, and nothing follows from it any more."""
    store = MemoryStore()
    stage = Stage(compile_larkmead(), store, now=NOON, shadow=False)
    for user in ("ana", "ben"):
        introduce(stage, user)
    tell(stage, "Page Viewed", user_id="ana")
    stage.advance(stage.now + 5 * DAY)
    until = stage.now
    pair = (Identifier("user_id", "ana"), Identifier("user_id", "ben"))
    with stage.store.transaction():
        merge(stage.engine, *pair, actor="ops", now=until + HOUR)
    recorded = MemoryRecorded(store)
    made = [row for row in recorded.read_all_decisions() if row.decided_at < until]
    bundle = compile_larkmead()
    for instead in (None, bundle):
        again = play_again(recorded, bundle, instead=instead, until=until)
        assert again.counts["decisions"] == len(made) > 0
        assert all(one.at < until for each in again.played for one in each.answers)


def test_a_world_on_the_disk_is_played_beside_the_server(tmp_path: Path) -> None:
    """The folder is read through the vault while another process has it open."""
    world = World(5, lambda: SqliteStore(tmp_path, vault=make_vault(tmp_path)))
    world.run(STEPS)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.db")}
    recorded = SqliteRecorded(tmp_path, vault=SealingVault(open_keys_to_read(tmp_path)))
    again = play_again(recorded, compile_larkmead())
    recorded.close()
    assert again.differences == []
    assert again.counts["decisions"] == world.store.next_decision_id() - 1
    assert before == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.db")}
    world.store.close()


@pytest.mark.parametrize("name", STORIES)
def test_every_story_of_the_example_is_played_again(name: str) -> None:
    """All touchpoints, gates, tools, approvals, breaches, brakes, imports and shadow mode."""
    bundle = example_bundle()
    store = MemoryStore()
    play(read_stories(EXAMPLE)[f"stories/{name}"], bundle, store)
    again = play_again(MemoryRecorded(store), bundle)
    assert again.differences == []
    assert again.counts["decisions"] == store.next_decision_id() - 1


def test_a_month_of_the_example_brand_is_played_again() -> None:
    """A whole simulated run: not one of its decisions differs, and no look is missing."""
    store = MemoryStore()
    play_month(store, customers=25, signals=1_200, pace=HOUR)
    again = play_again(MemoryRecorded(store), example_bundle())
    assert again.differences == []
    assert again.counts["decisions"] == store.next_decision_id() - 1
    assert again.counts["looks that the record did not make"] == 0


def test_a_brand_that_changed_amid_the_record_decides_from_then_on() -> None:
    """Each decision is made again by the version that made it, its new facts folded from the start."""
    store = MemoryStore()
    engine = play_month(store, customers=8, signals=300, pace=HOUR)
    texts = dict(example_texts())
    texts["facts.yaml"] = texts["facts.yaml"].replace(
        "  promotions_opened:\n",
        "  orders_at_all: {count: Order Completed}\n  promotions_opened:\n",
    )
    texts["contact.yaml"] = texts["contact.yaml"].replace("a_week: {count: 2", "a_week: {count: 1")
    brand = load_checked(texts)
    now = STARTED_AT + 60 * DAY
    with store.transaction():
        slots = choose_slots(brand.facts, store)
        preparation = begin(engine, compile_brand(brand, slots=slots), texts, slots)
        while not preparation.is_filled:
            fill(engine, preparation, limit=1_000)
        take(engine, preparation, now)
    for number in range(40):
        order = {"order_id": f"late-{number}", "total": 20.00, "category": "garden"}
        hear(
            engine,
            "app_backend",
            track(f"c{number % 8}", "Order Completed", order),
            9_000 + number,
            now,
        )
        now += 9 * HOUR
        work(engine, now)
    recorded = MemoryRecorded(store)
    before = example_bundle()
    assert {one.brand_version for one in recorded.read_settings()} == {
        before.policy.version,
        brand.version,
    }
    row = BrandRow(version=brand.version, in_force_at=now, texts=texts)
    again = play_again(recorded, before, brands=[row])
    assert again.differences == []
    assert again.counts["decisions"] == store.next_decision_id() - 1


def test_a_record_that_lost_a_signal_is_found_out() -> None:
    """A control: with one order left out of the stream, decisions differ, and the first says in what."""
    _, recorded = live(6)
    read = recorded.read_events

    def without_one(part_ids: list[int]) -> list[StoredEvent]:
        events = read(part_ids)
        orders = [one for one in events if one.event.name == "Order Completed"]
        return [one for one in events if not orders or one is not orders[0]]

    recorded.read_events = without_one  # type: ignore[method-assign, assignment]
    again = play_again(recorded, compile_larkmead())
    differs = [one for one in again.differences if one.kind == "differs"]
    assert differs
    assert differs[0].what.startswith("facts.")


def test_a_changed_decision_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: a flow that looks twice makes decisions that the record has not."""
    _, recorded = live(2)

    def twice(engine: Engine, customer: Customer, now: int) -> list[Message]:
        react(engine, customer, now)
        customer.standing = None
        return react(engine, customer, now)

    monkeypatch.setattr(replay_player, "react", twice)
    assert any(one.kind == "extra" for one in play_again(recorded, compile_larkmead()).differences)


def test_a_stricter_cap_spares_contacts_and_breaks_no_guarantee() -> None:
    """Another policy on the same record: fewer promotions, and the recount finds nothing broken."""
    texts = dict(LARKMEAD)
    texts["contact.yaml"] = texts["contact.yaml"].replace(
        "promotions_a_week: {count: 2", "promotions_a_week: {count: 1"
    )
    tried = compile_brand(load_brand(texts))
    made: dict[str, int] = {"recorded": 0, "tried": 0}
    for seed in range(6):
        _, recorded = live(seed)
        again = play_again(recorded, compile_larkmead(), instead=tried)
        assert [one.violations for one in again.played if one.violations] == []
        made["recorded"] += _promotions(recorded.messages())
        made["tried"] += _promotions(one for each in again.played for one in each.messages.values())
    assert 0 < made["tried"] < made["recorded"]


def _promotions(messages: Iterable[Message]) -> int:
    return sum(1 for one in messages if one.promotional and one.attempted_at)
