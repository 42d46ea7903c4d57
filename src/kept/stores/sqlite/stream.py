"""The stream of events in SQLite."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

import msgspec

from kept.core.event import Event
from kept.errors import DamagedError, ForgottenError, StoreError
from kept.log_port import EventRow
from kept.ports import StoredEvent, Vault
from kept.stores.codecs import decode_event, encode_event, pack_ids
from kept.stores.sqlite.connections import Readers
from kept.stores.sqlite.derived import STATES_MARK
from kept.stores.sqlite.part_index import KIND_EVENT, PartIndex
from kept.stores.sqlite.session import Session


class Stream:
    """Events in the order in which they were taken; the sequence is counted in memory."""

    def __init__(
        self,
        session: Session,
        readers: Readers,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Find the end of the stream and make sure that none of its last events is missing."""
        self._session = session
        self._readers = readers
        self._seal = vault.seal
        self._open = vault.open
        self._insert = queries["insert_event"]
        self._load = queries["load_events"]
        self._load_by_sequence = queries["load_events_by_sequence"]
        self._index = PartIndex(
            session, queries, kind=KIND_EVENT, load_tail=queries["load_parts_of_events"]
        )
        self._delete = queries["delete_events"]
        self._empty = queries["empty_events"]
        self._replace = queries["replace_event"]
        self._rows: list[tuple[int, int, bytes]] = []
        self._committed_last: int
        (self._committed_last,) = session.fetch_one(queries["find_last_sequence"])
        self._last = self._committed_last
        self._check_tail(queries)

    def append_event(self, part_id: int, event: Event) -> int:
        """Add an event to the stream and return its sequence, which grows by one each time."""
        self._session.require_transaction()
        sequence = self._last = self._last + 1
        sealed = self._seal(part_id, "event", encode_event(event), sequence)
        self._rows.append((sequence, part_id, sealed))
        return sequence

    def last_sequence(self) -> int:
        """Return the sequence of the newest event, 0 if there is none."""
        return self._last

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""
        self.flush()
        return self._decode(self._session.fetch(self._load, (after, limit)))

    def load_part_events(
        self, part_ids: Sequence[int], *, newest: int = 0, after: int = 0, limit: int = 0
    ) -> list[StoredEvent]:
        """Return events of these parts: all, the `newest`, or `limit` of them from `after` on."""
        self.flush()
        fetch = self._session.fetch
        if limit:
            sequences = self._index.find_from(part_ids, after=after, limit=limit, fetch=fetch)
        else:
            sequences = self._index.find(part_ids, newest=newest, fetch=fetch)
        packed = pack_ids(sequences)
        return self._decode(self._session.fetch(self._load_by_sequence, (packed,)))

    def forget(self, part_ids: Sequence[int], *, mark: int) -> int:
        """Remove the events of these parts, and return how many there were.

        From the mark on they stay as empty rows, so that a start can tell that none is missing.
        """
        sequences = self._index.find(part_ids, newest=0, fetch=self._session.fetch)
        self._remove(sequences, mark=mark)
        self._index.forget(part_ids)
        return len(sequences)

    def forget_items(self, part_id: int, sequences: Sequence[int], *, mark: int) -> None:
        """Remove some events of a part, as `forget` does all of them."""
        self.flush()
        self._remove(sequences, mark=mark)
        self._index.forget_items(part_id, sequences)

    def replace_event(self, part_id: int, sequence: int, event: Event) -> None:
        """Put another event in the place of one."""
        self.flush()
        sealed = self._seal(part_id, "event", encode_event(event), sequence)
        self._session.write(self._replace, (sealed, sequence, part_id))

    def _remove(self, sequences: Sequence[int], *, mark: int) -> None:
        packed = pack_ids(sequences)
        self._session.write(self._delete, (packed, mark))
        self._session.write(self._empty, (packed, mark))

    def read_events(self, *, after: int, limit: int) -> list[EventRow]:
        """Return committed events in stream order from `after`, also those that cannot be opened."""
        return [
            EventRow(
                sequence=sequence, part_id=part_id, event=self._try_open(part_id, body, sequence)
            )
            for sequence, part_id, body in self._readers.fetch(self._load, (after, limit))
        ]

    def _try_open(self, part_id: int, body: bytes, sequence: int) -> Event | None:
        try:
            return decode_event(self._open(part_id, "event", body, sequence))
        except (DamagedError, ForgottenError, msgspec.MsgspecError):
            return None

    def flush(self) -> None:
        """Write the events that this transaction has appended so far, and a piece of the index."""
        rows = self._rows
        if not rows:
            return
        self._session.write_all(self._insert, rows)
        self._index.add(rows)
        self._index.write_behind(len(rows))
        rows.clear()

    def committed(self) -> None:
        """Keep the end of the stream."""
        self._committed_last = self._last
        self._index.committed()

    def rolled_back(self) -> None:
        """Go back to the end of the stream before this transaction."""
        self._rows.clear()
        self._last = self._committed_last
        self._index.rolled_back()

    def _check_tail(self, queries: Mapping[str, LiteralString]) -> None:
        """Refuse a stream that ends before its mark or lacks events after it."""
        row = self._session.fetch_one(queries["load_mark"], (STATES_MARK,))
        mark = row[0] if row else 0
        (count,) = self._session.fetch_one(queries["count_events_after"], (mark,))
        if count != self._last - mark:
            raise StoreError(
                f"the stream in {self._session.path} is damaged: states hold events up to {mark}, "
                f"the newest event is {self._last}, but {count} lie between; restore a backup"
            )

    def _decode(self, rows: list[tuple[int, int, bytes]]) -> list[StoredEvent]:
        """Return rows as events."""
        unseal = self._open
        return [
            StoredEvent(
                sequence=sequence,
                part_id=part_id,
                event=decode_event(unseal(part_id, "event", body, sequence)),
            )
            for sequence, part_id, body in rows
        ]
