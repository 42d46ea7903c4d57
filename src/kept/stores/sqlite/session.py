"""The one write connection, its transaction, and what happens when a write fails."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, get_ident
from types import TracebackType
from typing import Any, LiteralString, Protocol

from kept.errors import StoreError
from kept.stores.codecs import pack_ids
from kept.stores.sqlite.connections import open_writer, translate


class Participant(Protocol):
    """A room of the store that keeps something in memory beside the database."""

    def flush(self) -> None:
        """Write what waits, just before the commit; may be called earlier, to read it back."""

    def committed(self) -> None:
        """Make final what memory holds: the disk has it."""

    def rolled_back(self) -> None:
        """Take back what memory holds of this transaction."""


class Session:
    """Runs statements on the write connection; everything that fails there fails for good.

    Memory is ahead of the disk after a failed write, so the session refuses to write again: the
    store must be opened anew, and then stands where the disk stands.
    """

    def __init__(self, path: Path) -> None:
        """Open the connection, making the file if there is none."""
        self.path = path
        # Held during a transaction, or by `pause`. A lock is not fair: a busy writer would take it
        # again before whoever waits wakes up, so the writer also waits for `_may_begin`.
        self._gate = Lock()
        self._may_begin = Event()
        self._may_begin.set()
        self.participants: list[Participant] = []
        self.in_transaction = False
        self._owner = 0
        self._failure: StoreError | None = None
        try:
            self.connection = open_writer(path)
        except sqlite3.Error as error:
            raise translate(error, path=path) from error

    @property
    def is_ours(self) -> bool:
        """Return whether the calling thread is the one inside the transaction."""
        return self.in_transaction and self._owner == get_ident()

    @property
    def changes(self) -> int:
        """Return how many rows have been changed since the store was opened."""
        return self.connection.total_changes

    def transaction(self, *, alone: bool = False) -> "Transaction":
        """Return the write transaction, to be entered by `with`; nobody else ever writes."""
        return Transaction(self)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Keep the time between two transactions for what is done inside, on another thread."""
        self._may_begin.clear()
        try:
            with self._gate:
                yield
        finally:
            self._may_begin.set()

    def begin(self) -> None:
        """Begin the transaction."""
        if self.is_ours:
            raise AssertionError("a transaction within a transaction")
        if not self._may_begin.is_set():
            self._may_begin.wait()
        self._gate.acquire()
        try:
            self._refuse_after_failure()
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._gate.release()
            raise translate(error, path=self.path) from error
        except BaseException:
            self._gate.release()
            raise
        self.in_transaction = True
        self._owner = get_ident()

    def commit(self) -> None:
        """Write what waits, commit, and return when it is on the disk."""
        try:
            self._refuse_after_failure()
            self.flush()
            self._execute("COMMIT")
        except BaseException as error:
            # Whatever it was, rows of this transaction may be lost while memory counts on them.
            self.fail(error)
            self.rollback()
            raise
        try:
            for participant in self.participants:
                participant.committed()
        finally:
            self.in_transaction = False
            self._gate.release()

    def rollback(self) -> None:
        """Undo the transaction, on disk and in memory."""
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            # SQLite rolls back by itself when the file is reopened.
            self.fail(translate(error, path=self.path))
        finally:
            try:
                for participant in self.participants:
                    participant.rolled_back()
            finally:
                self.in_transaction = False
                self._gate.release()

    def flush(self) -> None:
        """Hand what participants hold back to SQLite, so that reads see it."""
        for participant in self.participants:
            participant.flush()

    def require_transaction(self) -> None:
        """Refuse a write that nothing would ever commit: a bug of the caller."""
        if not self.in_transaction:
            raise AssertionError("a write outside of `transaction()`")

    def write(self, sql: LiteralString, parameters: tuple[Any, ...]) -> sqlite3.Cursor:
        """Run one statement of the transaction."""
        self.require_transaction()
        return self._execute(sql, parameters)

    def write_all(self, sql: LiteralString, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement of the transaction for each row."""
        self.require_transaction()
        try:
            self.connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise self.fail(translate(error, path=self.path)) from error

    def write_returning(self, sql: LiteralString, parameters: tuple[Any, ...]) -> int:
        """Run one statement that returns one number."""
        self.require_transaction()
        try:
            rows = self.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self.fail(translate(error, path=self.path)) from error
        return int(rows[0][0])

    def fetch(self, sql: LiteralString, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Return all rows of a query, the transaction's own writes included."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise translate(error, path=self.path) from error

    def fetch_one(self, sql: LiteralString, parameters: tuple[Any, ...] = ()) -> Any:
        """Return the first row of a query, or None."""
        try:
            return self.connection.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise translate(error, path=self.path) from error

    def fetch_by_ids(
        self, ids: Sequence[int], *, one: LiteralString, many: LiteralString
    ) -> list[Any]:
        """Return all rows of a query by ids; `one` takes an id, `many` a JSON list of them."""
        if len(ids) == 1:
            # The commonest case by far, and half as dear.
            return self.fetch(one, (ids[0],))
        return self.fetch(many, (pack_ids(ids),)) if ids else []

    def fail(self, error: BaseException) -> StoreError:
        """Note the first failure, after which nothing is written any more; return it as ours."""
        failure = error if isinstance(error, StoreError) else StoreError(f"a write failed: {error}")
        if self._failure is None:
            self._failure = failure
        return failure

    def close(self) -> None:
        """Close the connection."""
        try:
            self.connection.close()
        except sqlite3.Error as error:
            raise translate(error, path=self.path) from error

    def _execute(self, sql: LiteralString, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self.connection.execute(sql, parameters)
        except sqlite3.Error as error:
            raise self.fail(translate(error, path=self.path)) from error

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(
                f"nothing more is written after a failed write; open the store again "
                f"({self._failure})"
            ) from self._failure


class Transaction:
    """Begins on entering; commits on leaving, or rolls back if an exception leaves."""

    def __init__(self, session: Session) -> None:
        """Belong to a session."""
        self._session = session

    def __enter__(self) -> None:
        self._session.begin()

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
