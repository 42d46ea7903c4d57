"""A base says of everybody, in one query, what the engine says of each: in worlds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kept.analytics.duckdb_base import DuckDbBase
from kept.base_port import SnapshotStore
from kept.core.decision import OUTBOUND, Request
from kept.core.policy_sql.answers import read_told, told_of
from kept.core.policy_sql.query import write_query
from kept.flows.engine import Engine, open_messages_of
from kept.flows.extract_base import extract_base
from kept.flows.prove_base import find_differences
from kept.stores.memory import MemoryStore
from kept.stores.sqlite import SqliteStore
from tests.scenario.test_simulation import play, play_in_memory
from tests.vaults import make_vault


@pytest.fixture(scope="module")
def base() -> Iterator[DuckDbBase]:
    """Return a base that all tests fill anew."""
    opened = DuckDbBase(threads=1, memory_limit="1GiB")
    yield opened
    opened.close()


def compare(
    base: DuckDbBase, engine: Engine, store: SnapshotStore, now: int, *, also: str = ""
) -> int:
    """Assert that both say the same of everybody, outbound and at a placement; return of how many."""
    bundle = engine.bundle
    with store.snapshot() as snapshot:
        found = extract_base(base, snapshot, bundle, engine.plan, now=now)
    assert found is not None
    for placement in dict.fromkeys((OUTBOUND, also or OUTBOUND)):
        query = write_query(
            bundle,
            now=now,
            request=Request(placement=placement),
            controls=engine.controls,
            has_claims=bool(found.claimed),
            has_unknown=bool(found.unknown),
        )
        for row in base.walk(query.text):
            told = read_told(query, bundle.policy, row)
            customer = engine.customers.get(told.customer_id)
            request = Request(placement=placement, open_messages=open_messages_of(customer))
            assert told == told_of(engine.look(customer, request, now))
    assert found.sample
    assert find_differences(base, bundle, found, engine.controls) == []
    return found.customers


def test_everybody_in_a_world(base: DuckDbBase, world_seed: int) -> None:
    """Merged and claimed customers, brakes, silent sources, messages in flight, crashes."""
    world = play_in_memory(world_seed)
    assert isinstance(world.store, MemoryStore)
    also = ("web", "desk", "billing")[world_seed % 3]
    assert compare(base, world.engine, world.store, world.now, also=also) > 0


def test_everybody_on_the_disk(base: DuckDbBase, tmp_path: Path) -> None:
    """From SQLite too, where stored states are behind what the engine knows."""
    world = play(1, lambda: SqliteStore(tmp_path, vault=make_vault(tmp_path)))
    store = world.store
    assert isinstance(store, SqliteStore)
    with store.transaction():
        for customer_id in store.list_customers(after=0, limit=10):
            customer = world.engine.customers.get(customer_id)
            world.engine.append_own(customer, customer.own_part, "Page Viewed", {}, world.now)
    assert store.load_mark() < store.last_sequence()
    assert compare(base, world.engine, store, world.now) > 0
    store.close()
