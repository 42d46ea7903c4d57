"""SQLite's connections as Kept uses them, and its errors as Kept raises them."""

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, LiteralString

from kept.errors import DiskFullError, StoreError

BUSY_TIMEOUT_SECONDS: Final = 10
PAGE_BYTES: Final = 4096
WRITER_CACHE_KIB: Final = 32 * 1024
READER_CACHE_KIB: Final = 4 * 1024
STATEMENTS_CACHED: Final = 256
IDLE_READERS_MAX: Final = 16

# SQLite's extended codes for "no room", beside SQLITE_FULL itself: growing the shared-memory file.
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})


def translate(error: sqlite3.Error, *, path: Path) -> StoreError:
    """Return the driver's error as ours; raise it `from` the driver's."""
    if getattr(error, "sqlite_errorcode", None) in _NO_ROOM:
        return DiskFullError(
            f"there is no room left for {path}; free some, then start again: "
            "nothing that was acknowledged is lost"
        )
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreError(f"the database {path} cannot be used: {error} ({name})")


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the one connection that writes; transactions are begun and ended by hand."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    for pragma in (
        f"PRAGMA page_size = {PAGE_BYTES}",
        "PRAGMA journal_mode = WAL",
        # FULL: a commit returns when it is on the disk. macOS needs fullfsync for that to be true.
        "PRAGMA synchronous = FULL",
        "PRAGMA fullfsync = ON",
        "PRAGMA checkpoint_fullfsync = ON",
        # Checkpoints run on a thread of their own.
        "PRAGMA wal_autocheckpoint = 0",
        f"PRAGMA cache_size = -{WRITER_CACHE_KIB}",
        # What is deleted is overwritten: forgetting must not leave values in free pages.
        "PRAGMA secure_delete = ON",
        "PRAGMA temp_store = MEMORY",
    ):
        connection.execute(pragma)
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that can only read."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    connection.execute("PRAGMA query_only = ON")
    return connection


def open_checkpointer(path: Path) -> sqlite3.Connection:
    """Open a connection that moves pages from the log into the file and never waits for others."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


class Readers:
    """Connections that only read, each lent to one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open none yet."""
        self._path = path
        # Appending to and popping from a deque are atomic.
        self._idle: deque[sqlite3.Connection] = deque()
        self._is_closed = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; errors of the driver become ours."""
        self.require_open()
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        except sqlite3.Error as error:
            raise translate(error, path=self._path) from error

    def fetch(self, sql: LiteralString, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Return all rows of a query."""
        with self.lend() as connection:
            return connection.execute(sql, parameters).fetchall()

    def require_open(self) -> None:
        """Refuse to read from a store that was closed."""
        if self._is_closed:
            raise StoreError(f"the store {self._path} is closed")

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle.popleft().close()

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return open_reader(self._path)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._is_closed or len(self._idle) >= IDLE_READERS_MAX:
            connection.close()
        else:
            self._idle.append(connection)
