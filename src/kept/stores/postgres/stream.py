"""The stream of events in PostgreSQL, and the keys that de-duplicate it."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import msgspec

from kept.core.event import Event
from kept.errors import DamagedError, ForgottenError
from kept.log_port import EventRow
from kept.ports import StoredEvent, Vault
from kept.stores.codecs import decode_event, encode_event
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.numbers import Numbers
from kept.stores.postgres.readers import Readers
from kept.stores.postgres.session import Session


class Stream:
    """Events in the order of their sequences, which grow and may have gaps."""

    def __init__(
        self,
        session: Session,
        readers: Readers,
        batch: Batch,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take where rows are kept meanwhile, and where they are read."""
        self._session = session
        self._readers = readers
        self._batch = batch
        self._vault = vault
        self._queries = queries
        self.numbers = Numbers(session, "event_sequence", queries)
        session.participants.append(self.numbers)

    def append_event(self, part_id: int, event: Event) -> int:
        """Add an event to the stream and return its sequence, which grows."""
        sequence = self.numbers.take()
        sealed = self._vault.seal(part_id, "event", encode_event(event), sequence)
        self._batch.put("events", sequence, (part_id, sequence, sealed))
        return sequence

    def next_sequence(self) -> int:
        """Return the sequence that the next event appended will have."""
        return self.numbers.peek()

    def last_sequence(self) -> int:
        """Return the highest sequence that was given to any event, 0 if there is none."""
        return self.numbers.last()

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""
        self._batch.settle("events")
        return self._decode(self._session.fetch(self._queries["load_events"], (after, limit)))

    def load_part_events(
        self, part_ids: Sequence[int], *, newest: int = 0, after: int = 0, limit: int = 0
    ) -> list[StoredEvent]:
        """Return events of these parts: all, the `newest`, or `limit` of them from `after` on."""
        self._batch.settle("events")
        wanted = sorted(set(part_ids))
        if newest and not limit:
            rows = self._session.fetch(self._queries["load_newest_events"], (wanted, newest))
            return self._decode(rows[::-1])
        # A limit of NULL is none.
        parameters = (wanted, after if limit else -1, limit or None)
        return self._decode(self._session.fetch(self._queries["load_part_events"], parameters))

    def erase_events(self, part_id: int, sequences: Sequence[int]) -> None:
        """Remove some events of a part; their sequences are not given again."""
        self._session.require_transaction()
        self._batch.settle("events")
        self._session.write(self._queries["delete_events"], (part_id, list(sequences)))

    def replace_event(self, part_id: int, sequence: int, event: Event) -> None:
        """Put another event in the place of one."""
        self._batch.settle("events")
        sealed = self._vault.seal(part_id, "event", encode_event(event), sequence)
        self._session.write(self._queries["replace_event"], (part_id, sequence, sealed))

    def drop_emptied_events(self) -> None:
        """Do nothing: erased events leave no places here."""
        self._session.require_transaction()

    def read_events(self, *, after: int, limit: int) -> list[EventRow]:
        """Return committed events in stream order from `after`, also those that cannot be opened."""
        rows = self._readers.fetch(self._queries["load_events"], (after, limit))
        self._vault.prepare({row[0] for row in rows})
        return [
            EventRow(
                sequence=sequence, part_id=part_id, event=self._try_open(part_id, body, sequence)
            )
            for part_id, sequence, body in rows
        ]

    def _try_open(self, part_id: int, body: bytes, sequence: int) -> Event | None:
        try:
            return decode_event(self._vault.open(part_id, "event", body, sequence))
        except (DamagedError, ForgottenError, msgspec.MsgspecError):
            return None

    def _decode(self, rows: Sequence[Any]) -> list[StoredEvent]:
        """Return rows as events."""
        self._vault.prepare({row[0] for row in rows})
        unseal = self._vault.open
        return [
            StoredEvent(
                sequence=sequence,
                part_id=part_id,
                event=decode_event(unseal(part_id, "event", body, sequence)),
            )
            for part_id, sequence, body in rows
        ]


class Claims:
    """Which event keys were claimed within which hour; what is foreseen is asked about at once."""

    def __init__(
        self, session: Session, batch: Batch, stream: Stream, queries: Mapping[str, LiteralString]
    ) -> None:
        """Take where rows are kept meanwhile; a claim is followed by an event of the stream."""
        self._session = session
        self._batch = batch
        self._stream = stream
        self._find = queries["find_claims"]
        self._foresee = queries["foresee_claims"]
        self._forget = queries["forget_claims"]
        self._known: dict[tuple[int, int], bool] = {}

    def foresee_claims(self, keys: Sequence[tuple[int, int]]) -> None:
        """Find out which (event key, hour) were claimed already, and have as many sequences ready."""
        self._session.require_transaction()
        places = sorted({(hour, key) for key, hour in keys} - self._known.keys())
        if not places:
            return
        # A sequence for each that turns out to be claimed already is lost, and costs nothing.
        rows = self._session.write(self._foresee, _columns(places))
        self._stream.numbers.give([number for _, _, number in rows if number is not None])
        found = {(hour, key) for hour, key, number in rows if number is None}
        self._known |= {place: place in found for place in places}

    def claim(self, event_key: int, *, hour: int) -> bool:
        """Return True and remember the key if it was not claimed yet within its hour."""
        self._session.require_transaction()
        place = (hour, event_key)
        if place not in self._known:
            self._ask([place])
        if self._known[place]:
            return False
        self._known[place] = True
        self._batch.put("claims", place, place)
        return True

    def forget_claims(self, *, from_hour: int = 0, before_hour: int, limit: int = 0) -> int:
        """Drop keys of hours within a span (at most `limit` of them, if given); return how many."""
        self._session.require_transaction()
        self._batch.settle("claims")
        self._known.clear()
        ((count,),) = self._session.write(self._forget, (from_hour, before_hour, limit or None))
        return int(count)

    def flush(self) -> None:
        """Do nothing: rows wait in the batch."""

    def committed(self) -> None:
        """Others may claim now."""
        self._known.clear()

    def rolled_back(self) -> None:
        """Nothing was claimed."""
        self._known.clear()

    def _ask(self, places: Sequence[tuple[int, int]]) -> None:
        rows = self._session.write(self._find, _columns(places))
        found = {(hour, key) for hour, key in rows}
        for place in places:
            self._known[place] = place in found


def _columns(places: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [hour for hour, _ in places], [key for _, key in places]
