"""The one write connection of a node, its transaction, and what happens when it fails."""

from collections.abc import Callable, Sequence
from threading import Lock, get_ident
from types import TracebackType
from typing import Any, Final, LiteralString, Protocol

from kept.clock import read_monotonic
from kept.core.values import SECOND
from kept.errors import ContendedError, KeptError, StoreError
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import UnfitValueError, Wire
from kept.stores.postgres.migrations import migrate
from kept.stores.postgres.readers import Readers

IDLE_SECONDS: Final = 2.0
"""How long a transaction may wait for its own node, before the server ends it: a node that stalls
loses its locks by itself, and nothing that it had is durable then."""
STAY_SECONDS: Final = 0.5
"""After how much work without a statement a node says that it is still there."""
LOCK_SECONDS: Final = 4.0
"""How long a lock is waited for: longer than a node that stalls can hold it."""
STATEMENT_SECONDS: Final = 30.0

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT open_transaction(false)"
_BEGIN_ALONE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT open_transaction(true)"

LOG_LOCK: Final = 2
REQUESTS_LOCK: Final = 3
"""Locks of the whole store. Whoever holds one waits for no customer any more, and takes them in the
order of their numbers, so that nobody waits in a circle."""


class Participant(Protocol):
    """A room of the store that keeps something in memory beside the database."""

    def flush(self) -> None:
        """Write what waits, just before the commit; may be called earlier, to read it back."""

    def committed(self) -> None:
        """Make final what memory holds: the database has it."""

    def rolled_back(self) -> None:
        """Take back what memory holds of this transaction."""


class Session:
    """Runs statements on the write connection.

    What comes in the way of another node rolls back, and the next transaction may begin. Any other
    failure is for good: the store must be opened anew.
    """

    def __init__(self, address: Address, readers: Readers) -> None:
        """Connect."""
        self.place = address.place
        self._readers = readers
        self._wire = Wire(
            address,
            {
                "synchronous_commit": "on",
                "default_transaction_isolation": "read committed",
                "idle_in_transaction_session_timeout": f"{IDLE_SECONDS * 1000:.0f}ms",
                "lock_timeout": f"{LOCK_SECONDS * 1000:.0f}ms",
                "statement_timeout": f"{STATEMENT_SECONDS * 1000:.0f}ms",
            },
        )
        self._gate = Lock()
        self.participants: list[Participant] = []
        self.on_begin: Callable[[int], None] = lambda control_version: None
        """Is told the control version at which each transaction begins."""
        self.in_transaction = False
        self.is_alone = False
        self.control_version = 0
        self.began_at = 0
        self.has_tombstones = False
        """These three as they were told when the transaction began."""
        self._owner = 0
        self._asked_at = 0
        self._broken: KeptError | UnfitValueError | None = None
        self._failure: StoreError | None = None
        self._late: list[int] = []

    def migrate(self) -> None:
        """Bring the schema to the version that this program knows."""
        migrate(self._wire, "migrations")

    @property
    def is_ours(self) -> bool:
        """Return whether the calling thread is the one inside the transaction."""
        return self.in_transaction and self._owner == get_ident()

    @property
    def holds_late_lock(self) -> bool:
        """Return whether a lock of the whole store is held: no customer is waited for then."""
        return bool(self._late)

    def transaction(self, *, alone: bool = False) -> "Transaction":
        """Return the write transaction, to be entered by `with`."""
        return Transaction(self, alone=alone)

    def begin(self, *, alone: bool) -> None:
        """Begin the transaction, and note what the server tells at its beginning."""
        if self.is_ours:
            raise AssertionError("a transaction within a transaction")
        self._gate.acquire()
        try:
            self._refuse_after_failure()
            self._broken = None
            self._late = []
            self._open_transaction(_BEGIN_ALONE if alone else _BEGIN)
        except BaseException as error:
            if not isinstance(error, ContendedError):
                self._fail(error)
            self._gate.release()
            raise
        self.is_alone = alone
        self.in_transaction = True
        self._owner = get_ident()
        self.on_begin(self.control_version)

    def commit(self) -> None:
        """Write what waits, commit, and return when it is durable."""
        try:
            self._refuse_broken()
            self.flush()
            self._end()
        except BaseException as error:
            self._note(error)
            self.rollback()
            raise
        try:
            for participant in self.participants:
                participant.committed()
        finally:
            self.in_transaction = False
            self._gate.release()

    def rollback(self) -> None:
        """Undo the transaction, in the database and in memory."""
        try:
            self._wire.execute("ROLLBACK")
        except KeptError as error:
            # The server rolls back by itself when the connection ends.
            self._fail(error)
        finally:
            try:
                for participant in self.participants:
                    participant.rolled_back()
            finally:
                self.in_transaction = False
                self._gate.release()

    def flush(self) -> None:
        """Write what participants hold back, so that reads see it."""
        for participant in self.participants:
            participant.flush()

    def require_transaction(self) -> None:
        """Refuse a write that nothing would ever commit: a bug of the caller."""
        if not self.in_transaction:
            raise AssertionError("a write outside of `transaction()`")

    def write(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement of the transaction, and return what it returns."""
        self.require_transaction()
        return self._ask(sql, parameters)

    def fetch(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query: of the transaction if it is the caller's, else what is committed."""
        if self.is_ours:
            return self._ask(sql, parameters)
        return self._readers.fetch(sql, parameters)

    def fetch_one(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> Any:
        """Return the first row of a query, or None."""
        rows = self.fetch(sql, parameters)
        return rows[0] if rows else None

    def take_late(self, lock: int, sql: LiteralString, try_sql: LiteralString) -> None:
        """Take a lock of the whole store until the transaction ends.

        Raises:
            ContendedError: it would have to be waited for out of order, and somebody has it.
        """
        if lock in self._late:
            return
        if self._late and lock < max(self._late):
            ((is_taken,),) = self.write(try_sql, (lock,))
            if not is_taken:
                raise self.refuse(ContendedError(f"another node was first in {self.place}"))
        else:
            self.write(sql, (lock,))
        self._late.append(lock)

    def stay(self) -> None:
        """Let a node that is slow, on a machine that is busy, not be taken for one that stalls."""
        if read_monotonic() - self._asked_at > STAY_SECONDS * SECOND:
            self._ask("SELECT 1", ())

    def refuse(self, error: KeptError) -> KeptError:
        """Note why this transaction cannot become durable any more, and return that."""
        self._broken = error
        return error

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def _ask(self, sql: LiteralString, parameters: Sequence[Any]) -> list[Any]:
        self._refuse_broken()
        try:
            rows = self._wire.fetch(sql, parameters)
        except (KeptError, UnfitValueError) as error:
            self._note(error)
            raise
        self._asked_at = read_monotonic()
        return rows

    def _open_transaction(self, sql: str) -> None:
        self._wire.told = ""
        try:
            self._wire.execute(sql)
        except ContendedError:
            self._wire.execute("ROLLBACK")
            raise
        told = self._wire.told.split(" ")
        if len(told) != 4:  # "kept", and what follows
            raise StoreError(f"{self.place} does not tell what a transaction needs: no notice came")
        self._asked_at = read_monotonic()
        self.control_version, self.began_at = int(told[1]), int(told[2])
        self.has_tombstones = told[3] == "1"

    def _end(self) -> None:
        # A statement that failed and was forgiven has undone the whole transaction: the server
        # answers that it rolled back, and calls that no error.
        if self._wire.execute("COMMIT") != "COMMIT":
            raise StoreError(f"{self.place} rolled a transaction back")

    def _note(self, error: BaseException) -> None:
        """Remember what broke this transaction, or the whole session."""
        if isinstance(error, ContendedError | UnfitValueError):
            self._broken = self._broken or error
        else:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        failure = error if isinstance(error, StoreError) else StoreError(f"a write failed: {error}")
        self._failure = self._failure or failure

    def _refuse_broken(self) -> None:
        self._refuse_after_failure()
        if isinstance(self._broken, UnfitValueError):
            raise self._broken
        if self._broken is not None:
            raise ContendedError(
                str(self._broken),
                customers=getattr(self._broken, "customers", ()),
                alone=getattr(self._broken, "alone", False),
            ) from self._broken

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(
                f"nothing more is written after a failed write; open the store again "
                f"({self._failure})"
            ) from self._failure


class Transaction:
    """Begins on entering; commits on leaving, or rolls back if an exception leaves."""

    def __init__(self, session: Session, *, alone: bool) -> None:
        """Belong to a session."""
        self._session = session
        self._alone = alone

    def __enter__(self) -> None:
        self._session.begin(alone=self._alone)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._session.commit()
        else:
            self._session.rollback()
