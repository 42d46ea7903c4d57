"""The store adapters that the battery runs on, each behind the same small handle."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from kept.ports import Store
from kept.stores.memory import MemoryStore
from kept.stores.postgres import PostgresStore, numbers
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import PlainVault
from tests.conftest import TOOLS_ARE_REQUIRED
from tests.contract.small_steps import SMALL_STEPS
from tests.memory_shared import Shared
from tests.postgres import TEMPLATE, Server, find_binaries, open_postgres, running_server
from tests.vaults import make_vault


class Stores(Protocol):
    """Opens the one store of a test, as often as the test asks."""

    def open(self) -> Store:
        """Open the store; one that is open already is closed first."""

    def open_fallible(self) -> Store:
        """Open the store for a test in which a write fails."""

    def open_shared(self) -> Store:
        """Open the store for a test in which other threads read."""

    def spoil(self) -> None:
        """Take the store's tables away behind its back, so that whatever it does fails."""

    def lose_event(self, sequence: int) -> None:
        """Take one event out of the stream behind the store's back; the store is closed."""

    def shut(self) -> None:
        """Close the store, to see what it says then."""

    def close(self) -> None:
        """Close the store if it is open."""


class SqliteStores:
    """SQLite in a temporary folder."""

    def __init__(self, folder: Path, *, is_sealed: bool = True) -> None:
        """Name the folder; nothing is open yet."""
        self.folder = folder
        self.is_sealed = is_sealed
        self._store: SqliteStore | None = None

    def open(self) -> Store:
        """Open the store; one that is open already is closed first."""
        self.close()
        vault = make_vault(self.folder) if self.is_sealed else PlainVault()
        self._store = SqliteStore(self.folder, vault=vault)
        return self._store

    def open_fallible(self) -> Store:
        """Open the store for a test in which a write fails."""
        return self.open()

    def open_shared(self) -> Store:
        """Open the store for a test in which other threads read."""
        return self.open()

    def spoil(self) -> None:
        """Drop every table through a connection of its own."""
        with self.connect() as connection:
            names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            for (name,) in names.fetchall():
                connection.execute(f'DROP TABLE "{name}"')

    def lose_event(self, sequence: int) -> None:
        """Delete an event through a connection of its own."""
        with self.connect() as connection:
            connection.execute("DELETE FROM events WHERE sequence = ?", (sequence,))

    def connect(self) -> closing[sqlite3.Connection]:
        """Return a connection beside the store's."""
        return closing(sqlite3.connect(self.folder / "kept.db", isolation_level=None))

    def shut(self) -> None:
        """Close the store, to see what it says then."""
        self.close()

    def close(self) -> None:
        """Close the store if it is open."""
        if self._store is not None:
            self._store.close()
            self._store = None


class MemoryStores:
    """A store in memory: opening it again gives the same one, for nothing else remembers it."""

    def __init__(self) -> None:
        """Begin with an empty store."""
        self._store = MemoryStore()

    def open(self) -> Store:
        """Return the store."""
        return self._store

    def open_fallible(self) -> Store:
        """Skip the test: no write fails."""
        pytest.skip("memory does not fail")

    def open_shared(self) -> Store:
        """Skip the test: a story is played on one thread."""
        pytest.skip("memory is for one thread")

    def spoil(self) -> None:
        """Skip the test: nothing lies below that could fail."""
        pytest.skip("memory does not fail")

    def lose_event(self, sequence: int) -> None:
        """Skip the test: nothing happens behind the store's back."""
        pytest.skip(f"memory does not lose event {sequence}")

    def shut(self) -> None:
        """Skip the test: there is nothing to shut."""
        pytest.skip("memory cannot be closed")

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class SharedMemoryStores(MemoryStores):
    """A store in memory that several nodes share: opening it again is another node's connection."""

    def __init__(self) -> None:
        """Begin with an empty store."""
        self._shared = Shared()

    def open(self) -> Store:
        """Connect."""
        return self._shared.connect()


class PostgresStores:
    """PostgreSQL: a database of the test's own, and one for its keys."""

    def __init__(self, server: Server, folder: Path) -> None:
        """Take empty databases; nothing is open yet."""
        self.server = server
        self.address = server.lend()
        self._folder = folder
        self._opened: list[PostgresStore] = []
        self._is_spoilt = False

    def open(self) -> Store:
        """Open the store; what is open already is closed first."""
        self.close()
        return self.open_another()

    def open_another(self) -> PostgresStore:
        """Open the store once more, as another node does."""
        store = open_postgres(self.address, self._folder)
        self._opened.append(store)
        return store

    def open_fallible(self) -> Store:
        """Skip the test: what fails there comes from another node here, and is no failure."""
        pytest.skip("another node was first, and the store goes on")

    def open_shared(self) -> Store:
        """Open the store for a test in which other threads read."""
        return self.open()

    def spoil(self) -> None:
        """Hide every table through a connection of its own."""
        self.server.run("ALTER SCHEMA kept RENAME TO hidden", self.address.database)
        self._is_spoilt = True

    def lose_event(self, sequence: int) -> None:
        """Skip the test: sequences have gaps here, so that none is seen to be missing."""
        pytest.skip(f"nobody can tell that event {sequence} is missing")

    def shut(self) -> None:
        """Close the store, to see what it says then."""
        self.close()

    def close(self) -> None:
        """Close what is open."""
        while self._opened:
            self._opened.pop().close()

    def give_back(self) -> None:
        """Let the next test have the databases."""
        self.close()
        if self._is_spoilt:
            self.server.run("ALTER SCHEMA hidden RENAME TO kept", self.address.database)
        self.server.give_back(self.address)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one PostgreSQL for all tests, with a template that has the schema and no key."""
    if find_binaries() is None:
        if TOOLS_ARE_REQUIRED:
            pytest.fail("PostgreSQL is not installed, and KEPT_CI_REQUIRE=1 asks for it")
        pytest.skip("PostgreSQL is not installed")
    with running_server() as server:
        server.make_template(TEMPLATE)
        yield server


STORES = [
    "sqlite", "sqlite, small steps", "sqlite, unsealed", "memory", "memory, shared", "postgres",
]  # fmt: skip


@pytest.fixture(params=STORES)
def stores(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stores]:
    """Give each adapter; SQLite a second time, writing behind in tiny steps."""
    if request.param == "postgres":
        # One by one, ids are as dense as elsewhere.
        monkeypatch.setattr(numbers, "AHEAD_MAX", 1)
        given = PostgresStores(request.getfixturevalue("postgres"), tmp_path)
        yield given
        given.give_back()
        return
    if request.param == "sqlite, small steps":
        for module, name, value in SMALL_STEPS:
            monkeypatch.setattr(module, name, value)
    opened: MemoryStores | SqliteStores
    if request.param == "memory":
        opened = MemoryStores()
    elif request.param == "memory, shared":
        opened = SharedMemoryStores()
    else:
        opened = SqliteStores(tmp_path / "data", is_sealed="unsealed" not in request.param)
    yield opened
    opened.close()


@pytest.fixture
def store(stores: Stores) -> Store:
    """Give an empty store."""
    return stores.open()


@pytest.fixture
def nodes(postgres: Server, tmp_path: Path) -> Iterator[PostgresStores]:
    """Give a store that may be opened many times."""
    stores = PostgresStores(postgres, tmp_path)
    yield stores
    stores.give_back()


@pytest.fixture
def one(nodes: PostgresStores) -> PostgresStore:
    """Give a node."""
    return nodes.open_another()


@pytest.fixture
def other(nodes: PostgresStores, one: PostgresStore) -> PostgresStore:
    """Give another node on the same store."""
    return nodes.open_another()


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Give a thread of its own to a node that has to wait."""
    with ThreadPoolExecutor(1) as executor:
        yield executor
