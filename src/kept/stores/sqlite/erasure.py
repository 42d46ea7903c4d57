"""Forgetting in SQLite: rows are removed, keys are destroyed, tombstones and requests are kept."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

from kept.core.event import Identifier
from kept.ports import (
    ErasedCounts,
    HeldRecord,
    RequestRow,
    Tombstone,
    Vault,
)
from kept.retention_port import hold_part, request_part
from kept.stores.codecs import pack_ids
from kept.stores.request_rows import read_request, write_request
from kept.stores.sqlite.derived import STATES_MARK
from kept.stores.sqlite.records import Records
from kept.stores.sqlite.session import Session
from kept.stores.sqlite.stream import Stream

LAST_IDS: Final = (("last part", "find_last_part"), ("last decision", "find_last_decision"))
"""Marks of the highest ids there ever were, and how they are found."""
_BY_PARTS: tuple[LiteralString, ...] = (
    "delete_states",
    "delete_notices",
    "empty_leaves",
    "delete_accesses",
    "delete_dossiers",
    "delete_links",
    # Both read `parts`, which goes last.
    "delete_wakes",
    "delete_parts",
)


class Erasure:
    """Removes parts for good; keys go when the transaction is on the disk, or at the next start."""

    def __init__(
        self,
        session: Session,
        stream: Stream,
        records: Records,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Destroy the keys that a crash left."""
        self._session = session
        self._stream = stream
        self._records = records
        self._vault = vault
        self._queries = queries
        self._any_tombstone = session.fetch_one(queries["load_any_tombstone"]) is not None
        self._waiting: list[int] = []
        left = [part_id for (part_id,) in session.fetch(queries["load_keys_to_destroy"])]
        if left:
            vault.destroy(left)
        self._destroyed = left

    def erase_parts(self, part_ids: Sequence[int]) -> ErasedCounts:
        """Remove everything of these parts; their keys are destroyed with the commit."""
        session, queries = self._session, self._queries
        session.require_transaction()
        session.flush()
        packed = pack_ids(part_ids)
        # While the newest are still there: their ids are not given again.
        for name, find in LAST_IDS:
            (last,) = session.fetch_one(queries[find])
            session.write(queries["save_mark"], (name, last))
        events = self._stream.forget(part_ids, mark=self._load_mark())
        decisions = self._records.forget(part_ids)
        messages = session.write(queries["delete_messages"], (packed,)).rowcount
        for name in _BY_PARTS:
            session.write(queries[name], (packed,))
        self._destroy_later(part_ids)
        return ErasedCounts(events=events, decisions=decisions, messages=messages)

    def erase_events(self, part_id: int, sequences: Sequence[int]) -> None:
        """Remove some events of a part."""
        self._session.require_transaction()
        self._stream.forget_items(part_id, sequences, mark=self._load_mark())

    def list_customers(self, *, after: int, limit: int) -> list[int]:
        """Return ids of customers in ascending order."""
        return [row[0] for row in self._fetch("list_customers", (after, limit))]

    def erase_quarantined(self, quarantine_ids: Sequence[int]) -> None:
        """Remove quarantined events."""
        self._session.write(self._queries["delete_quarantined"], (pack_ids(quarantine_ids),))

    def save_tombstone(self, key: bytes, *, until: int, is_suppressed: bool) -> None:
        """Keep that the identifier under a lookup key was forgotten."""
        self._session.write(self._queries["save_tombstone"], (key, until, int(is_suppressed)))
        self._any_tombstone = True

    def has_tombstones(self) -> bool:
        """Return whether any identifier was ever forgotten or suppressed."""
        return self._any_tombstone

    def find_tombstone(self, identifier: Identifier, *, claimed: bool) -> Tombstone | None:
        """Return what is kept of a forgotten identifier, None if it was never forgotten."""
        if not self._any_tombstone:
            return None
        key = self._vault.lookup_key(identifier, claimed=claimed)
        row = self._session.fetch_one(self._queries["find_tombstone"], (key,))
        return Tombstone(until=row[0], is_suppressed=bool(row[1])) if row else None

    def next_request_number(self) -> int:
        """Return the number that the next request shall have."""
        return int(self._session.fetch_one(self._queries["find_last_request"])[0]) + 1

    def save_request(self, row: RequestRow) -> None:
        """Insert or replace a request; the key of one that is closed is destroyed."""
        self._session.write(self._queries["save_request"], write_request(self._vault, row))
        if row.is_closed:
            self._destroy_later([request_part(row.number)])

    def load_request(self, request_id: str) -> RequestRow | None:
        """Return a request by its id."""
        row = self._session.fetch_one(self._queries["load_request"], (request_id,))
        return read_request(self._vault, row) if row else None

    def load_requests(self, *, newest: int) -> list[RequestRow]:
        """Return the newest requests, newest first."""
        return [read_request(self._vault, row) for row in self._fetch("load_requests", (newest,))]

    def load_due_requests(self, *, now: int, limit: int) -> list[RequestRow]:
        """Return requests for which something is to be done, the earliest first."""
        return [
            read_request(self._vault, row) for row in self._fetch("load_due_requests", (now, limit))
        ]

    def hold_records(self, number: int, records: Sequence[HeldRecord]) -> None:
        """Keep what the law obliges to keep of a request's customer, sealed apart."""
        (last,) = self._session.fetch_one(self._queries["find_last_held_record"])
        for held_id, record in enumerate(records, start=last + 1):
            sealed = self._vault.seal(hold_part(number), "held", record.body, held_id)
            row = (held_id, number, record.hold, record.until, sealed)
            self._session.write(self._queries["insert_held_record"], row)

    def load_held_records(self, number: int) -> list[HeldRecord]:
        """Return what is held of a request's customer."""
        return [
            HeldRecord(
                hold=hold,
                until=until,
                body=self._vault.open(hold_part(number), "held", sealed, held_id),
            )
            for held_id, _, hold, until, sealed in self._fetch("load_held_records", (number,))
        ]

    def drop_held_records(self, *, now: int, limit: int) -> int:
        """Remove what need not be held any longer, of at most so many requests; return of how many."""
        self._session.require_transaction()
        expired = [number for (number,) in self._fetch("find_expired_holds", (now, limit))]
        if expired:
            self._session.write(self._queries["delete_expired_holds"], (now, pack_ids(expired)))
        for number in expired:
            if not self._session.fetch_one(self._queries["count_held_records"], (number,))[0]:
                self._destroy_later([hold_part(number)])
        return len(expired)

    def drop_emptied_events(self) -> None:
        """Remove the places of erased events that no start will count any more."""
        self._session.write(self._queries["delete_emptied_events"], (self._load_mark(),))

    def flush(self) -> None:
        """Note which keys are gone."""
        if self._destroyed:
            packed = pack_ids(self._destroyed)
            self._session.write(self._queries["clear_keys_to_destroy"], (packed,))

    def committed(self) -> None:
        """Destroy the keys of what is removed on the disk now."""
        self._destroyed = []
        if self._waiting:
            self._vault.destroy(self._waiting)
            self._destroyed, self._waiting = self._waiting, []

    def rolled_back(self) -> None:
        """Keep the keys: nothing was removed."""
        self._waiting = []

    def _destroy_later(self, part_ids: Sequence[int]) -> None:
        self._session.write_all(
            self._queries["add_key_to_destroy"], [(part_id,) for part_id in part_ids]
        )
        self._waiting += part_ids

    def _load_mark(self) -> int:
        row = self._session.fetch_one(self._queries["load_mark"], (STATES_MARK,))
        return min(row[0] if row else 0, self._stream.last_sequence())

    def _fetch(self, name: str, parameters: tuple[Any, ...]) -> list[Any]:
        return self._session.fetch(self._queries[name], parameters)
