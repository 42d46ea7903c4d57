"""A shared store as it was at one instant: a read transaction on a connection of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, LiteralString

from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.ports import StateRow, StoredEvent, Vault
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import Wire
from kept.stores.postgres.texts import from_text
from kept.stores.snapshot_rows import SnapshotRows

BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
READS_ALONE: Final = {
    "default_transaction_read_only": "on",
    # Less than an answer is waited for.
    "statement_timeout": "55s",
    # What is done between two questions may take its time.
    "idle_in_transaction_session_timeout": "0",
}


class PostgresSnapshot:
    """Implements `base_port.Snapshot`."""

    def __init__(self, wire: Wire, *, vault: Vault, queries: Mapping[str, LiteralString]) -> None:
        """Take a connection in whose transaction everything is read."""
        self._wire = wire
        self._vault = vault
        self._rows = SnapshotRows(vault)
        self._queries = queries

    def load_mark(self) -> int:
        """Return the end of the stream: each transaction writes events and their states together."""
        ((end,),) = self._fetch("find_last_sequence")
        return int(end)

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""
        rows = self._fetch("load_events", after, limit)
        self._vault.prepare({row[0] for row in rows})
        return self._rows.open_events((sequence, part_id, body) for part_id, sequence, body in rows)

    def list_customers(self, *, after: int, limit: int) -> list[int]:
        """Return ids of customers in ascending order."""
        return [row[0] for row in self._fetch("list_customers", after, limit)]

    def load_customers(self, customer_ids: Sequence[int]) -> dict[int, list[Part]]:
        """Return the parts of many customers, each in order of their ids."""
        found: dict[int, list[Part]] = {customer_id: [] for customer_id in customer_ids}
        rows = sorted(self._fetch("load_customers", list(customer_ids)))
        self._vault.prepare({row[0] for row in rows})
        for part in self._rows.open_parts(rows):
            found[part.customer_id].append(part)
        return found

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return the stored states of these parts, in order of their ids."""
        return self._rows.open_states(sorted(self._fetch("load_states", list(part_ids))))

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""
        rows = self._fetch("load_links", list(part_ids))
        # A link is stored at each of its ends.
        return sorted({Link(min(a, b), max(a, b), *rest) for a, b, *rest in rows})

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""
        rows = self._fetch("load_open_messages", list(part_ids))
        return self._rows.open_messages((from_text(key), *rest) for key, *rest in rows)

    def _fetch(self, name: str, *parameters: Any) -> list[Any]:
        return self._wire.fetch(self._queries[name], parameters)


@contextmanager
def take_snapshot(
    address: Address, *, vault: Vault, queries: Mapping[str, LiteralString]
) -> Iterator[PostgresSnapshot]:
    """Open a connection whose one transaction sees the store as it is now.

    While it is open the database keeps old versions of rows that are written meanwhile.
    """
    wire = Wire(address, READS_ALONE)
    try:
        wire.execute(BEGIN)
        # The first read fixes the instant.
        wire.fetch(queries["find_last_sequence"])
        yield PostgresSnapshot(wire, vault=vault, queries=queries)
    finally:
        wire.close()
