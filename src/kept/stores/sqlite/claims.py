"""De-duplication: which event keys were claimed within which hour.

A key is random, so inserting it where it belongs dirties a page of its own, which costs more than
all the rest of an event. Instead a transaction keeps its claims as one small row, memory answers
for them, and a generation of many is sorted into the table later. A key that memory does not know
is looked up in the table, unless a filter knows that it cannot be there.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, LiteralString, TypeAlias

from kept.stores.sqlite.backlog import Backlog
from kept.stores.sqlite.session import Session

_Keys: TypeAlias = defaultdict[int, set[int]]

_FILTER_BITS: Final = 1 << 27
_FILTER_KEYS_MAX: Final = 1 << 25


class KeyFilter:
    """Knows for sure of some keys that they were never added.

    A key is a hash already, so its low bits are its place in the bitmap (16 MiB, mapped by the
    system as it fills).
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.clear()

    def clear(self) -> None:
        """Forget every key."""
        self._bits = bytearray(_FILTER_BITS >> 3)
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Return whether a quarter of the bits is used, so that a clear answer becomes rarer."""
        return self._count >= _FILTER_KEYS_MAX

    def add(self, key: int) -> bool:
        """Add a key and return whether it may have been there before."""
        place = key & (_FILTER_BITS - 1)
        byte = self._bits[place >> 3]
        bit = 1 << (place & 7)
        if byte & bit:
            return True
        self._bits[place >> 3] = byte | bit
        self._count += 1
        return False


class Claims:
    """The keys of the last days: recent ones in memory, the others in the table."""

    def __init__(self, session: Session, queries: Mapping[str, LiteralString]) -> None:
        """Load what recent transactions claimed."""
        self._session = session
        self._find = queries["find_claim"]
        self._find_any = queries["find_any_claim"]
        self._insert = queries["insert_claim"]
        self._insert_batch = queries["insert_claim_batch"]
        self._delete_batches = queries["delete_claim_batches"]
        self._delete = queries["delete_claims"]
        # By hour: `fresh` grows, `frozen` is the generation before it, on its way into the table.
        self._fresh: _Keys = defaultdict(set)
        self._frozen: _Keys = defaultdict(set)
        self._fresh_count = 0
        self._backlog = Backlog(session, self._insert)
        self._frozen_until = 0
        self._settled: tuple[_Keys, _Keys, int, int] | None = None
        # What this transaction claimed: hour, key, hour, key ...; and up to where it is written.
        self._batch: list[int] = []
        self._written = 0
        self._filter = KeyFilter()
        # Hours of which the filter has every key that is in the table, and those where it has not.
        self._covered: set[int] = set()
        self._uncovered: set[int] = set()
        self._last_batch = 0
        for batch_id, packed in session.fetch(queries["load_claim_batches"]):
            self._last_batch = batch_id
            self._remember(struct.unpack(f"<{len(packed) >> 3}q", packed))

    def claim(self, event_key: int, *, hour: int) -> bool:
        """Return True and remember the key if it was not claimed yet within its hour."""
        self._session.require_transaction()
        fresh = self._fresh[hour]
        if event_key in fresh or (self._frozen and event_key in self._frozen[hour]):
            return False
        may_be_stored = self._filter.add(event_key)
        if hour not in self._covered and not self._cover(hour):
            may_be_stored = True
        if may_be_stored and self._session.fetch_one(self._find, (hour, event_key)):
            return False
        fresh.add(event_key)
        self._batch += (hour, event_key)
        return True

    def forget_claims(self, *, from_hour: int = 0, before_hour: int, limit: int = 0) -> int:
        """Drop keys of hours within a span (at most `limit` of them, if given); return how many."""
        in_memory = (hour for keys in (self._fresh, self._frozen) for hour in keys)
        if any(from_hour <= hour < before_hour for hour in in_memory):
            self._settle()
        cursor = self._session.write(self._delete, (from_hour, before_hour, limit or -1))
        return cursor.rowcount

    def flush(self) -> None:
        """Write this transaction's claims as one row, and a piece of the generation before them."""
        batch = self._batch[self._written :]
        if not batch:
            return
        self._written = len(self._batch)
        self._last_batch += 1
        packed = struct.pack(f"<{len(batch)}q", *batch)
        self._session.write(self._insert_batch, (self._last_batch, packed))
        if not self._backlog.is_empty:
            self._backlog.write_piece(len(batch) >> 1)
            if self._backlog.is_written:
                self._session.write(self._delete_batches, (self._frozen_until,))

    def committed(self) -> None:
        """Let go of what has been sorted into the table, and begin the next generation."""
        self._fresh_count += len(self._batch) >> 1
        self._batch.clear()
        self._written = 0
        self._settled = None
        self._backlog.committed()
        if self._backlog.is_empty:
            self._frozen.clear()
        if self._backlog.is_due(self._fresh_count):
            self._freeze()
        if self._filter.is_full:
            self._start_filter_again()

    def rolled_back(self) -> None:
        """Give back what this transaction claimed."""
        mine = self._batch
        if self._settled is not None:
            self._fresh, self._frozen, self._fresh_count, length = self._settled
            # What was claimed after the settling never came into these.
            mine = mine[:length]
            self._settled = None
        for hour, key in zip(mine[::2], mine[1::2], strict=True):
            self._fresh[hour].discard(key)
        self._batch.clear()
        self._written = 0
        self._backlog.rolled_back()

    def _remember(self, pairs: Sequence[int]) -> None:
        """Take up claims of a transaction before the store was opened."""
        for hour, key in zip(pairs[::2], pairs[1::2], strict=True):
            self._fresh[hour].add(key)
            self._filter.add(key)
        self._fresh_count += len(pairs) >> 1

    def _cover(self, hour: int) -> bool:
        """Return whether the filter has every key of an hour, as for an hour that begins now."""
        if hour in self._uncovered:
            return False
        is_new = self._session.fetch_one(self._find_any, (hour,)) is None
        (self._covered if is_new else self._uncovered).add(hour)
        return is_new

    def _start_filter_again(self) -> None:
        """Empty the filter but for what will still move into the table."""
        self._filter.clear()
        self._covered.clear()
        self._uncovered.clear()
        for keys in (*self._fresh.values(), *self._frozen.values()):
            for key in keys:
                self._filter.add(key)

    def _freeze(self) -> None:
        """Make what is fresh the generation that moves into the table."""
        self._frozen, self._fresh, self._fresh_count = self._fresh, defaultdict(set), 0
        self._frozen_until = self._last_batch
        self._backlog.fill(list(_sort(self._frozen)))

    def _settle(self) -> None:
        """Move everything into the table at once; memory follows when this is committed."""
        self.flush()
        self._backlog.write_rest()
        self._session.write_all(self._insert, _sort(self._fresh))
        self._session.write(self._delete_batches, (self._last_batch,))
        if self._settled is None:
            length = len(self._batch)
            self._settled = (self._fresh, self._frozen, self._fresh_count, length)
        self._fresh, self._frozen = defaultdict(set), defaultdict(set)
        self._fresh_count = -(len(self._batch) >> 1)


def _sort(keys: Mapping[int, Iterable[int]]) -> Iterable[tuple[int, int]]:
    """Yield (hour, key) in the order of the table."""
    for hour in sorted(keys):
        for key in sorted(keys[hour]):
            yield hour, key
