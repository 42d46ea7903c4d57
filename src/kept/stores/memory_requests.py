"""Requests, tombstones and held records in memory: the part of the port that is about forgetting."""

from collections.abc import Sequence

import msgspec

from kept.core.event import Identifier
from kept.ports import HeldRecord, RequestRow, Tombstone
from kept.stores.memory_undo import Undo


def lookup_key(identifier: Identifier, *, claimed: bool) -> bytes:
    """Return the bytes under which an identifier is found."""
    return msgspec.msgpack.encode((identifier, claimed))


class MemoryRequests(Undo):
    """What customers asked for under the law, in plain dictionaries."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._tombstones: dict[bytes, Tombstone] = {}
        self._requests: dict[int, RequestRow] = {}
        self._held: dict[int, tuple[HeldRecord, ...]] = {}

    def save_tombstone(self, key: bytes, *, until: int, is_suppressed: bool) -> None:
        """Keep that the identifier under a lookup key was forgotten; the later end stays."""
        known = self._tombstones.get(key)
        if known is not None:
            until = max(until, known.until)
        self._put(self._tombstones, key, Tombstone(until=until, is_suppressed=is_suppressed))

    def has_tombstones(self) -> bool:
        """Return whether any identifier was ever forgotten or suppressed."""
        return bool(self._tombstones)

    def find_tombstone(self, identifier: Identifier, *, claimed: bool) -> Tombstone | None:
        """Return what is kept of a forgotten identifier, None if it was never forgotten."""
        if not self._tombstones:
            return None
        return self._tombstones.get(lookup_key(identifier, claimed=claimed))

    def next_request_number(self) -> int:
        """Return the number that the next request shall have."""
        return len(self._requests) + 1

    def save_request(self, row: RequestRow) -> None:
        """Insert or replace a request by its number."""
        self._put(self._requests, row.number, row)

    def load_request(self, request_id: str) -> RequestRow | None:
        """Return a request by its id."""
        found = (row for row in self._requests.values() if row.request_id == request_id)
        return next(found, None)

    def load_requests(self, *, newest: int) -> list[RequestRow]:
        """Return the newest requests, newest first."""
        return list(self._requests.values())[::-1][:newest]

    def load_due_requests(self, *, now: int, limit: int) -> list[RequestRow]:
        """Return open requests with next_at <= now, the earliest first."""
        due = [row for row in self._requests.values() if 0 < row.next_at <= now]
        return sorted(due, key=lambda row: (row.next_at, row.number))[:limit]

    def hold_records(self, number: int, records: Sequence[HeldRecord]) -> None:
        """Keep what the law obliges to keep of the customer of a request."""
        self._put(self._held, number, (*self._held.get(number, ()), *records))

    def load_held_records(self, number: int) -> list[HeldRecord]:
        """Return what is held of the customer of a request."""
        return list(self._held.get(number, ()))

    def drop_held_records(self, *, now: int, limit: int) -> int:
        """Remove what need not be held any longer, of at most so many requests; return of how many."""
        self._require_transaction()
        expired = [
            number
            for number, records in self._held.items()
            if any(record.until <= now for record in records)
        ][:limit]
        for number in expired:
            left = tuple(record for record in self._held[number] if record.until > now)
            self._put(self._held, number, left)
        return len(expired)

    def drop_emptied_events(self) -> None:
        """Do nothing: erased events leave no places here."""
        self._require_transaction()
