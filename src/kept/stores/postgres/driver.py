"""Connections to PostgreSQL as threads use them, and the driver's errors as Kept raises them.

The driver is asynchronous, and whoever uses it here is a thread: each connection has an event loop
of its own, which the thread that asks runs until the answer is there.
"""

import asyncio
import importlib
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ssl import SSLError
from threading import RLock
from typing import Any, Final, LiteralString, TypeVar

import uvloop

from kept.errors import ContendedError, DiskFullError, KeptError, SettingsError, StoreError
from kept.stores.postgres.address import Address

T = TypeVar("T")

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
"""How long an answer may take before the connection is given up: longer than any statement may run."""
STATEMENTS_CACHED: Final = 512
SERVER_MIN: Final = 150_000

ALWAYS: Final[Mapping[str, str]] = {
    "search_path": "kept",
    "application_name": "kept",
    "timezone": "UTC",
    "client_min_messages": "notice",
    "jit": "off",
    # A host that is gone without a word loses its connections, and its locks with them.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""What every connection of Kept is set to."""

# Another transaction was first: the same work may be done again.
_CONTENDED: Final = frozenset(
    {
        "23505",  # unique_violation: it began the same part, or claimed the same event
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available: taken, or waited for too long
    }
)
_NO_ROOM: Final = frozenset({"53100"})
_DATA_EXCEPTION: Final = "22"
"""The class of states that say of a value that it cannot be."""
_MISSING: Final = "3D000"
_ENDED: Final = "08003"
_REFUSED: Final = frozenset({"28P01", "28000", "42501"})


class UnfitValueError(AssertionError):
    """A value that PostgreSQL does not hold came so far: a bug of whoever let it in, and no outage."""


def load_driver() -> Any:
    """Return the driver, which only those need who use PostgreSQL.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        return importlib.import_module("asyncpg")
    except ImportError as error:
        raise SettingsError(
            "a PostgreSQL database is asked for, and its driver is not installed: "
            "pip install 'kept[postgres]'"
        ) from error


def translate(error: BaseException, *, place: str) -> KeptError:
    """Return an error of the driver or the network as ours; raise it `from` that one."""
    state = getattr(error, "sqlstate", None)
    if state in _CONTENDED:
        return ContendedError(f"another node was first in {place} ({type(error).__name__})")
    if state in _NO_ROOM:
        return DiskFullError(
            f"there is no room left for {place}; free some: nothing that was acknowledged is lost"
        )
    if state == _MISSING:
        return SettingsError(f"{place} is not there; make it, or name another one")
    if state in _REFUSED:
        return SettingsError(
            f"{place} refuses this user or what it asks for ({state}); look at its password and "
            "rights"
        )
    if state == _ENDED:
        return StoreError(
            f"{place} ended the connection; the log of PostgreSQL says why: it was stopped, or this "
            "node was idle within a transaction for longer than others wait for it"
        )
    if isinstance(error, SSLError):
        return SettingsError(
            f"{place} does not prove that it is the one that is meant ({error.reason}); look at "
            "`sslmode` and `sslrootcert` in its address, and at its certificate"
        )
    if isinstance(error, ConnectionError | TimeoutError) and not state:
        return StoreError(
            f"{place} does not answer ({type(error).__name__}); is PostgreSQL running there, and is "
            "the address right?"
        )
    # The message of an error may hold values of the row that it is about; its name does not.
    told = f" ({state})" if state else ""
    return StoreError(f"{place} cannot be used: {type(error).__name__}{told}")


def is_missing(error: SettingsError) -> bool:
    """Return whether an error says that the server has no database of this name."""
    return getattr(error.__cause__, "sqlstate", None) == _MISSING


def quote_setting(value: str) -> str:
    """Return a value as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


class Wire:
    """One connection, used by one thread at a time."""

    def __init__(self, address: Address, settings: Mapping[str, str]) -> None:
        """Connect.

        Raises:
            StoreError: nobody answers, or refuses.
        """
        self._driver = load_driver()
        self.address = address
        self.told = ""
        """The last notice of the server."""
        # Any call into the loop; a thread that comes second waits.
        self._lock = RLock()
        self._loop = uvloop.new_event_loop()
        self._errors = (
            self._driver.PostgresError,
            self._driver.InterfaceError,
            self._driver.InternalClientError,
            OSError,
            TimeoutError,
            asyncio.TimeoutError,
        )
        try:
            self._connection: Any = self._run(self._connect({**ALWAYS, **settings}))
        except BaseException:
            self._loop.close()
            raise

    async def _connect(self, settings: Mapping[str, str]) -> Any:
        connection = await self._driver.connect(
            self.address.url,
            timeout=CONNECT_SECONDS,
            command_timeout=ANSWER_SECONDS,
            statement_cache_size=STATEMENTS_CACHED,
            max_cached_statement_lifetime=0,
        )
        connection.add_log_listener(self._hear)
        # Set by statements, not with the greeting: a pooler would not pass that on.
        texts = [f"SET {name} = {quote_setting(value)}" for name, value in settings.items()]
        await connection.execute("; ".join(texts))
        return connection

    def fetch(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of one statement."""
        rows: list[Any] = self._run(self._connection.fetch(sql, *parameters))
        return rows

    def copy(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add many rows to a table of Kept's."""
        self._run(
            self._connection.copy_records_to_table(
                table, schema_name="kept", columns=columns, records=rows
            )
        )

    def read_as_of(self, snapshot: str) -> None:
        """Let the transaction that was just begun see what another one sees, which exported this."""
        self.execute(f"SET TRANSACTION SNAPSHOT {quote_setting(snapshot)}")

    def execute(self, sql: str) -> str:
        """Run statements without parameters in one go; return the tag of the last."""
        tag: str = self._run(self._connection.execute(sql))
        return tag

    def close(self) -> None:
        """Let go of the connection; closing twice does nothing."""
        with self._lock:
            if self._loop.is_closed():
                return
            with suppress(KeptError):
                self._run(self._connection.close(timeout=1.0))
            with suppress(KeptError):
                # What the transport still has to do when it is closed is done in the next round.
                self._run(asyncio.sleep(0))
            self._loop.close()

    @property
    def is_open(self) -> bool:
        """Return whether the connection can still be used, as far as anybody knows here."""
        return not self._loop.is_closed() and not self._connection.is_closed()

    @property
    def server_version(self) -> int:
        """Return the version of the server as a number, 180001 for 18.1."""
        found = self._connection.get_server_version()
        return int(found.major) * 10_000 + int(found.minor)

    def _hear(self, connection: Any, message: Any) -> None:
        self.told = str(message.message)

    def _run(self, work: "Coroutine[Any, Any, T]") -> T:
        """Run the loop until the work is done, on this thread if no other loop runs on it."""
        with self._lock:
            if self._loop.is_closed():
                work.close()
                raise StoreError(f"{self.address.place} was closed")
            try:
                if asyncio._get_running_loop() is None:  # noqa: SLF001 - `get_running_loop` raises instead
                    return self._loop.run_until_complete(work)
                with ThreadPoolExecutor(1) as beside:
                    return beside.submit(self._loop.run_until_complete, work).result()
            except self._errors as error:
                if self._is_unfit(error):
                    raise UnfitValueError(
                        f"{self.address.place} does not hold a value that was given to it"
                    ) from error
                raise translate(error, place=self.address.place) from error

    def _is_unfit(self, error: BaseException) -> bool:
        if isinstance(error, self._driver.InterfaceError):
            # What the driver cannot write is a wrong value to it; all else is a wrong use of it.
            return isinstance(error, ValueError)
        return str(getattr(error, "sqlstate", None)).startswith(_DATA_EXCEPTION)
