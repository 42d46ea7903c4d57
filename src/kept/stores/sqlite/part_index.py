"""Which events and decisions a part has: an index that is written behind, sorted.

Entries are led by a bucket, a span of consecutive ids, so that a sorted generation falls on few
pages however long the history is. What is not in the index yet is kept in memory as two plain
arrays, and read back from the tables when the store is opened.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, LiteralString

from kept.stores.codecs import pack_ids
from kept.stores.sqlite.backlog import Backlog
from kept.stores.sqlite.session import Session

KIND_EVENT: Final = 0
KIND_DECISION: Final = 1

_BUCKET_BITS: Final = 18
_SEARCHED_MAX: Final = 8
"""How many parts are looked for one by one among what is not in the index yet."""
_MARK_NAMES: Final = {KIND_EVENT: "event index", KIND_DECISION: "decision index"}

Fetch = Callable[[LiteralString, tuple[Any, ...]], list[Any]]


class PartIndex:
    """The index of one kind of item."""

    def __init__(
        self,
        session: Session,
        queries: Mapping[str, LiteralString],
        *,
        kind: int,
        load_tail: LiteralString,
    ) -> None:
        """Load the parts of the items after the mark."""
        self._session = session
        self._kind = kind
        self._find_buckets = queries["find_index_buckets"]
        self._find_entries = queries["find_index_entries"]
        self._save_mark = queries["save_mark"]
        self._delete_entries = queries["delete_index_entries"]
        self._delete_items = queries["delete_index_items"]
        self._forgotten: set[int] = set()
        self._forgotten_items: set[int] = set()
        self._backlog = Backlog(session, queries["insert_index_entry"])
        self._backlog_until = 0
        mark = session.fetch_one(queries["load_mark"], (_MARK_NAMES[kind],))
        tail = session.fetch(load_tail, (mark[0] if mark else 0,))
        # Items and their parts; one attribute, so that a reading thread sees both change at once.
        self._tail = (
            array("q", [item_id for item_id, _ in tail]),
            array("q", [part_id for _, part_id in tail]),
        )
        self._committed_length = len(tail)

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Note items of this transaction: rows that begin with their id and part; ids grow."""
        items, parts = self._tail
        parts.extend([row[1] for row in rows])
        items.extend([row[0] for row in rows])

    def find(self, part_ids: Sequence[int], *, newest: int, fetch: Fetch) -> list[int]:
        """Return the ids of all (or the `newest`) items of these parts, in ascending order."""
        wanted = frozenset(part_ids)
        # Memory before disk: what moves over in between is then seen twice, not never.
        found = self._find_in_tail(wanted, after=0)
        packed = pack_ids(wanted)
        for (bucket,) in fetch(self._find_buckets, (self._kind,)):
            if newest and _count_from(found, (bucket + 1) << _BUCKET_BITS) >= newest:
                break
            rows = fetch(self._find_entries, (self._kind, bucket, packed))
            found.update(item_id for (item_id,) in rows)
        ascending = sorted(found)
        return ascending[-newest:] if newest else ascending

    def find_from(
        self, part_ids: Sequence[int], *, after: int, limit: int, fetch: Fetch
    ) -> list[int]:
        """Return the ids of at most `limit` items of these parts above one, in ascending order."""
        wanted = frozenset(part_ids)
        tail = self._find_in_tail(wanted, after=after)
        packed = pack_ids(wanted)
        found: set[int] = set()
        for (bucket,) in reversed(fetch(self._find_buckets, (self._kind,))):
            if bucket < after >> _BUCKET_BITS:
                continue
            if len(found) >= limit:
                break
            rows = fetch(self._find_entries, (self._kind, bucket, packed))
            found.update(item_id for (item_id,) in rows if item_id > after)
        return sorted(found | tail)[:limit]

    def _find_in_tail(self, wanted: frozenset[int], *, after: int) -> set[int]:
        """Return the ids above one of those items of these parts that are not in the index yet."""
        items, parts = self._tail
        # Copies, for another thread may read; what it adds meanwhile has a part before it has an id.
        first = bisect_right(items, after)
        items = items[first:]
        parts = parts[first : first + len(items)]
        if len(wanted) > _SEARCHED_MAX:
            return {item for item, part in zip(items, parts, strict=False) if part in wanted}
        # To look for a few parts in thousands of bytes takes a tenth of looking at each element.
        packed, width = parts.tobytes(), parts.itemsize
        found: set[int] = set()
        for part in wanted:
            pattern = part.to_bytes(width, sys.byteorder, signed=True)
            place = packed.find(pattern)
            while place >= 0:
                if place % width == 0:
                    found.add(items[place // width])
                place = packed.find(pattern, place + 1)
        return found

    def forget_items(self, part_id: int, item_ids: Sequence[int]) -> None:
        """Remove whatever the index says of some items of a part."""
        self._write_rest()
        buckets: dict[int, list[int]] = {}
        for item_id in item_ids:
            buckets.setdefault(item_id >> _BUCKET_BITS, []).append(item_id)
        for bucket, ids in buckets.items():
            row = (self._kind, bucket, part_id, pack_ids(ids))
            self._session.write(self._delete_items, row)
        items, _ = self._tail
        if items:
            self._forgotten_items.update(item_id for item_id in item_ids if item_id >= items[0])

    def write_behind(self, row_count: int) -> None:
        """Write a piece of the generation that waits, if one does."""
        if self._backlog.is_empty:
            return
        self._backlog.write_piece(row_count)
        if self._backlog.is_written:
            name = _MARK_NAMES[self._kind]
            self._session.write(self._save_mark, (name, self._backlog_until))

    def forget(self, part_ids: Sequence[int]) -> None:
        """Remove whatever the index says of these parts."""
        self._write_rest()
        packed = pack_ids(part_ids)
        for (bucket,) in self._session.fetch(self._find_buckets, (self._kind,)):
            self._session.write(self._delete_entries, (self._kind, bucket, packed))
        self._forgotten.update(part_ids)

    def committed(self) -> None:
        """Let go of what is in the index now, and begin the next generation."""
        items, parts = self._tail
        self._committed_length = len(items)
        was_waiting = not self._backlog.is_empty
        self._backlog.committed()
        if not self._backlog.is_empty:
            return
        if was_waiting:
            count = bisect_right(items, self._backlog_until)
            items, parts = self._tail = (items[count:], parts[count:])
            self._committed_length = len(items)
        if self._forgotten or self._forgotten_items:
            self._leave_out_forgotten()
            items, parts = self._tail
        if self._backlog.is_due(len(items)):
            self._backlog_until = items[-1]
            kind = self._kind
            rows = [
                (kind, item >> _BUCKET_BITS, part, item)
                for item, part in zip(items, parts, strict=True)
            ]
            rows.sort()
            self._backlog.fill(rows)

    def rolled_back(self) -> None:
        """Take back the items of this transaction."""
        items, parts = self._tail
        del items[self._committed_length :]
        del parts[self._committed_length :]
        self._backlog.rolled_back()
        self._forgotten.clear()
        self._forgotten_items.clear()

    def _write_rest(self) -> None:
        """Write the generation that waits, so that what is removed is not written afterwards."""
        if not self._backlog.is_empty:
            self._backlog.write_rest()
            self._session.write(self._save_mark, (_MARK_NAMES[self._kind], self._backlog_until))

    def _leave_out_forgotten(self) -> None:
        """Take what was forgotten out of what is not in the index yet."""
        kept = [
            (item, part)
            for item, part in zip(*self._tail, strict=True)
            if part not in self._forgotten and item not in self._forgotten_items
        ]
        self._tail = (
            array("q", [item for item, _ in kept]),
            array("q", [part for _, part in kept]),
        )
        self._committed_length = len(kept)
        self._forgotten.clear()
        self._forgotten_items.clear()


def _count_from(items: set[int], least: int) -> int:
    """Return how many ids are not below one."""
    return sum(item >= least for item in items)
