"""Every store can be read as a record: as it stands, without touching it, and to be played again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.memory_recorded import MemoryRecorded
from kept.errors import SettingsError
from kept.recorded_port import Recorded
from kept.runtime.master_key import open_keys_to_read
from kept.stores.memory import MemoryStore
from kept.stores.postgres import (
    VAULT_SUFFIX,
    Address,
    KeyDatabase,
    PostgresRecorded,
    VaultDatabase,
)
from kept.stores.sqlite import SqliteStore
from kept.stores.sqlite.recorded import SqliteRecorded
from kept.stores.vault import MasterKeyFile, SealingVault
from tests.postgres import Server, open_postgres
from tests.scenario.larkmead import compile_larkmead
from tests.scenario.nodes_world import NodesWorld
from tests.scenario.replays import play_again
from tests.scenario.world import World
from tests.vaults import make_vault

SEED = 7
STEPS = 150


class Kind(NamedTuple):
    """One adapter: a world on its store, and how that is read."""

    make_world: Callable[[], World]
    read: Callable[[], Recorded]


def read_postgres(address: Address, folder: Path, *, snapshot: str = "") -> PostgresRecorded:
    """Read a shared store as a command does, in transactions that write nothing."""
    beside = address.beside(address.database + VAULT_SUFFIX)
    database = VaultDatabase(beside, main=address, reads_only=True)
    try:
        vault = SealingVault(KeyDatabase(database, MasterKeyFile(folder / "master-key")))
        return PostgresRecorded(address, vault=vault, snapshot=snapshot)
    except BaseException:
        database.close()
        raise


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    """Give each adapter."""
    if request.param == "memory":
        store = MemoryStore()
        yield Kind(lambda: World(SEED, lambda: store), lambda: MemoryRecorded(store))
    elif request.param == "sqlite":
        yield Kind(
            lambda: World(SEED, lambda: SqliteStore(tmp_path, vault=make_vault(tmp_path))),
            lambda: SqliteRecorded(tmp_path, vault=SealingVault(open_keys_to_read(tmp_path))),
        )
    else:
        server: Server = request.getfixturevalue("postgres")
        address = server.lend()
        yield Kind(
            lambda: NodesWorld(SEED, lambda: open_postgres(address, tmp_path), nodes=1),
            lambda: read_postgres(address, tmp_path),
        )
        server.give_back(address)


def test_a_record_is_what_its_store_holds_and_is_played_again(kind: Kind) -> None:
    """Everything that the port hands out, beside the store that is still open, and then a replay."""
    world = kind.make_world()
    world.run(STEPS)
    store = world.store
    recorded = kind.read()
    parts = list(recorded.read_parts())
    ids = [part.part_id for part in parts]
    assert parts == store.load_parts(ids)
    assert [part.part_id for part in parts] == sorted(ids)
    assert sorted(recorded.read_links()) == sorted(set(store.load_links(ids)))
    events = recorded.read_events(ids)
    assert events == store.load_part_events(ids)
    decided = recorded.read_decisions(ids)
    assert [one.decision_id for one in decided] == sorted(one.decision_id for one in decided)
    assert decided[::-1] == store.read_decisions(ids, newest=10_000)
    key = "message_id"
    messages = sorted(recorded.read_messages(ids), key=lambda one: str(getattr(one, key)))
    known = sorted(store.load_part_messages(ids), key=lambda one: str(getattr(one, key)))
    assert messages == known
    assert recorded.read_acts() == store.read_audit(newest=10_000)[::-1]
    assert recorded.read_brands() == []
    assert recorded.read_dossiers(ids) == recorded.read_breaches() == []
    first, last = recorded.read_span()
    instants = [one.event.received_at for one in events] + [one.decided_at for one in decided]
    assert first <= min(instants)
    assert last == max(instants)
    again = play_again(recorded, compile_larkmead())
    assert again.differences == []
    assert again.counts["decisions"] >= len(decided) > 50
    recorded.close()
    store.close()


def test_what_came_later_is_not_in_the_record(kind: Kind) -> None:
    """A record is read as it stood when it was opened, whatever its server does meanwhile."""
    world = kind.make_world()
    world.run(20)
    recorded = kind.read()
    if isinstance(recorded, MemoryRecorded):
        pytest.skip("what is in memory is read as it is")
    ids = [part.part_id for part in recorded.read_parts()]
    before = recorded.read_events(ids), recorded.read_decisions(ids)
    world.run(20)
    assert (recorded.read_events(ids), recorded.read_decisions(ids)) == before
    assert len(world.store.load_part_events(ids)) > len(before[0])
    recorded.close()
    world.store.close()


@pytest.mark.postgres
def test_readers_of_one_snapshot_see_the_same(postgres: Server, tmp_path: Path) -> None:
    """Several processes play one record, though its nodes go on between their beginnings."""
    address = postgres.lend()
    world = NodesWorld(SEED, lambda: open_postgres(address, tmp_path), nodes=1)
    world.run(20)
    first = read_postgres(address, tmp_path)
    parts = list(first.read_parts())
    world.run(STEPS)
    second = read_postgres(address, tmp_path, snapshot=first.export_snapshot())
    assert list(second.read_parts()) == parts
    assert second.read_span() == first.read_span()
    second.close()
    first.close()
    world.store.close()
    postgres.give_back(address)


@pytest.mark.postgres
def test_a_database_that_is_no_record_is_refused_and_nothing_is_made(
    postgres: Server, tmp_path: Path
) -> None:
    """An empty database stays empty, and no database of keys comes into being."""
    MasterKeyFile.make(tmp_path / "master-key")
    empty = postgres.make()
    with pytest.raises(SettingsError, match="is not there"):
        read_postgres(empty, tmp_path)
    fresh = postgres.lend()
    with pytest.raises(SettingsError, match="holds no store yet"):
        read_postgres(fresh, tmp_path)
    assert not postgres.fetch(
        f"SELECT 1 FROM pg_database WHERE datname = '{empty.database}{VAULT_SUFFIX}'"
    )
    postgres.give_back(fresh)
