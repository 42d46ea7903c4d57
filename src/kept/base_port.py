"""What deciding for everybody asks of the world: a store as it was at one instant, and a base.

A base is a columnar copy of what decisions read, valid at one instant, in which one query decides for
everybody (`core.policy_sql`).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.core.policy.sql_targets import Dialect
from kept.core.policy_sql.lookups import Lookup
from kept.core.policy_sql.schema import BaseSchema
from kept.ports import StateRow, StoredEvent


class Snapshot(Protocol):
    """A store as it was at one instant, whatever is written meanwhile; it belongs to one thread."""

    def load_mark(self) -> int:
        """Return up to where in the stream stored states hold every event."""

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""

    def list_customers(self, *, after: int, limit: int) -> list[int]:
        """Return ids of customers in ascending order from `after` (exclusive)."""

    def load_customers(self, customer_ids: Sequence[int]) -> dict[int, list[Part]]:
        """Return the parts of many customers, each in order of their ids."""

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return the stored states of these parts, in order of their ids."""

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""


class SnapshotStore(Protocol):
    """A store that can be read as it is at one instant while others write to it."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Return the store as it is now; any thread may ask, and reads it alone."""


class Base(Protocol):
    """A base: tables of one engine, filled once and asked often; one thread at a time.

    Queries are of `core.policy_sql`; their conditions are written for the engine's dialect. Only
    `interrupt` is called by other threads, while the base is open.
    """

    @property
    def dialect(self) -> Dialect:
        """Return for which engine conditions are to be written."""

    def begin(self, schema: BaseSchema) -> None:
        """Begin anew with empty tables."""

    def add(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Take over rows of `customers` or `claimed`; columns that are left out are NULL."""

    def look_up(self, lookup: Lookup) -> None:
        """Take a small table, in the place of an older one of its name."""

    def settle(self) -> None:
        """Take it that everybody is in: from now on the base is asked."""

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query by their columns' names."""

    def walk(self, query: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query one after the other, however many there are."""

    def interrupt(self) -> None:
        """Break off the query that is being answered, if one is: it raises a `StoreError`."""

    def close(self) -> None:
        """Let go of everything that the base holds."""
