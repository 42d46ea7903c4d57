"""A base in DuckDB: compressed tables in this process's memory, and nothing of them on any disk.

A base holds personal facts. DuckDB writes encrypted files only with an extension that has to be fetched
from the network, so none are written: no temporary folder is named, files cannot be opened at all,
and with the process the base is gone, however it ends.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import msgspec

from kept.core.policy.sql_targets import Dialect
from kept.core.policy_sql.lookups import Lookup
from kept.core.policy_sql.schema import BaseSchema
from kept.errors import StoreError

_ROWS_AT_ONCE: Final = 2_000
"""To plan an insertion takes as long as to insert some hundred rows."""
_encode = msgspec.json.Encoder().encode


class DuckDbBase:
    """Implements `base_port.Base`."""

    dialect: Final[Dialect] = "duckdb"

    def __init__(self, *, threads: int, memory_limit: str) -> None:
        """Open an empty base.

        Args:
            threads: how many cores a query may use.
            memory_limit: what it may take of memory, such as `4GiB`; beyond it a query is refused.
        """
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": "",
                "autoinstall_known_extensions": False,
            },
        )
        # Last, for it forbids to set anything that speaks of files.
        self._connection.execute("SET enable_external_access = false")
        self._schema: BaseSchema | None = None
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._is_attached = False

    def begin(self, schema: BaseSchema) -> None:
        """Begin anew with empty tables."""
        self._schema = schema
        if self._is_attached:
            self._run("USE memory")
            self._run("DETACH base")
        # Unlike the database of a connection, one that is attached is compressed in memory.
        self._run("ATTACH ':memory:' AS base (COMPRESS)")
        self._run("USE base")
        self._is_attached = True
        self._waiting = {"customers": [], "claimed": []}
        for table in self._waiting:
            self._run(schema.create(table))

    def add(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows to `customers` or `claimed`; columns that are left out are NULL."""
        waiting = self._waiting[table]
        waiting += rows
        if len(waiting) >= _ROWS_AT_ONCE:
            self._insert(table)

    def _insert(self, table: str) -> None:
        """Put what waits for it into a table."""
        rows, self._waiting[table] = self._waiting[table], []
        if rows and self._schema is not None:
            self._run(self._schema.insert(table), [_encode(rows).decode()])

    def look_up(self, lookup: Lookup) -> None:
        """Take a small table, in the place of an older one of its name."""
        self._run(lookup.create)
        for start in range(0, len(lookup.rows), _ROWS_AT_ONCE):
            rows = lookup.rows[start : start + _ROWS_AT_ONCE]
            self._run(lookup.insert, [_encode(rows).decode()])

    def settle(self) -> None:
        """Compress what was added."""
        for table in self._waiting:
            self._insert(table)
        self._run("CHECKPOINT base")

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query by their columns' names.

        Raises:
            StoreError: it needs more memory than the base may take.
        """
        return list(self.walk(query))

    def walk(self, query: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query one after the other, however many there are."""
        for table in self._waiting:
            self._insert(table)
        cursor = self._run(query)
        columns = [column[0] for column in cursor.description or ()]
        try:
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield dict(zip(columns, row, strict=True))
        except duckdb.Error as error:
            raise _translated(error) from error

    def interrupt(self) -> None:
        """Break off the query that is being answered, if one is."""
        self._connection.interrupt()

    def close(self) -> None:
        """Let go of everything that the base holds."""
        self._connection.close()

    def _run(self, sql: str, parameters: Sequence[Any] | None = None) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql, parameters)
        except duckdb.Error as error:
            raise _translated(error) from error


def _translated(error: duckdb.Error) -> StoreError:
    """Return DuckDB's error as ours; its message may quote a value, so that it is left out."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError("the question needs more memory than a base may take")
    return StoreError(f"the base could not be asked ({type(error).__name__})")
