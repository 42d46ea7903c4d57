"""A store on SQLite as it was at one instant: a read transaction on a connection of its own."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.ports import StateRow, StoredEvent, Vault
from kept.stores.codecs import pack_ids
from kept.stores.snapshot_rows import SnapshotRows
from kept.stores.sqlite.connections import open_reader, translate
from kept.stores.sqlite.derived import STATES_MARK


class SqliteSnapshot:
    """Implements `base_port.Snapshot`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take a connection in whose transaction everything is read."""
        self._connection = connection
        self._path = path
        self._rows = SnapshotRows(vault)
        self._queries = queries

    def load_mark(self) -> int:
        """Return up to where in the stream stored states hold every event."""
        rows = self._fetch("load_mark", (STATES_MARK,))
        return rows[0][0] if rows else 0

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""
        return self._rows.open_events(self._fetch("load_events", (after, limit)))

    def list_customers(self, *, after: int, limit: int) -> list[int]:
        """Return ids of customers in ascending order."""
        return [row[0] for row in self._fetch("list_customers", (after, limit))]

    def load_customers(self, customer_ids: Sequence[int]) -> dict[int, list[Part]]:
        """Return the parts of many customers, each in order of their ids."""
        found: dict[int, list[Part]] = {customer_id: [] for customer_id in customer_ids}
        for part in self._rows.open_parts(self._fetch("load_customers", (pack_ids(customer_ids),))):
            found[part.customer_id].append(part)
        return found

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return the stored states of these parts, in order of their ids."""
        return self._rows.open_states(self._fetch("load_states", (pack_ids(part_ids),)))

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""
        return [Link(*row) for row in self._fetch("load_links", (pack_ids(part_ids),))]

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""
        return self._rows.open_messages(self._fetch("load_open_messages", (pack_ids(part_ids),)))

    def _fetch(self, query: str, parameters: tuple[Any, ...]) -> list[Any]:
        try:
            return self._connection.execute(self._queries[query], parameters).fetchall()
        except sqlite3.Error as error:
            raise translate(error, path=self._path) from error


@contextmanager
def take_snapshot(
    path: Path, *, vault: Vault, queries: Mapping[str, LiteralString]
) -> Iterator[SqliteSnapshot]:
    """Open a connection whose one transaction sees the store as it is now.

    While it is open the log cannot be folded back into the file beyond this instant, so that it
    grows by whatever is written meanwhile.
    """
    try:
        connection = open_reader(path)
        try:
            connection.execute("BEGIN")
            # The first read fixes the instant.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            yield SqliteSnapshot(connection, path, vault=vault, queries=queries)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translate(error, path=path) from error
