"""A store in memory as a record to be played again."""

from collections.abc import Collection, Iterator

import msgspec

from kept.core.dossier import Dossier
from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.ports import BrandRow, DecisionRow, StoredEvent
from kept.ports_access import AuditEntry
from kept.recorded_port import Setting, Trace, find_settings
from kept.stores.memory import MemoryStore

_ALL = 1 << 30
_decode_trace = msgspec.msgpack.Decoder(Trace).decode


class MemoryRecorded:
    """Reads what a store in memory holds; implements `recorded_port.Recorded`."""

    def __init__(self, store: MemoryStore) -> None:
        """Take the store."""
        self._store = store
        self.is_shared = store.is_shared

    def read_span(self) -> tuple[int, int]:
        """Return the first and the last instant of which the record knows."""
        events = self._store.load_events(after=0, limit=_ALL)
        instants = [one.event.received_at for one in (*events[:1], *events[-1:])]
        instants += [row.decided_at for row in self._decisions()]
        return (min(instants), max(instants)) if instants else (0, 0)

    def read_brands(self) -> list[BrandRow]:
        """Return every folder that was in force."""
        return self._store.list_brands()

    def read_acts(self) -> list[AuditEntry]:
        """Return what operators did, oldest first."""
        return self._store.read_audit(newest=_ALL)[::-1]

    def read_settings(self) -> Iterator[Setting]:
        """Yield the first decision, and each by another brand or other controls."""
        return find_settings(_decode_trace(row.trace) for row in self._decisions())

    def read_parts(self) -> Iterator[Part]:
        """Yield all parts in order of their ids."""
        customers = self._store.list_customers(after=0, limit=_ALL)
        parts = [part for one in customers for part in self._store.load_customer(one)]
        yield from sorted(parts, key=lambda part: part.part_id)

    def read_links(self) -> Iterator[Link]:
        """Yield all evidence."""
        yield from set(self._store.load_links([part.part_id for part in self.read_parts()]))

    def read_events(self, part_ids: Collection[int]) -> list[StoredEvent]:
        """Return the events of these parts in stream order."""
        return self._store.load_part_events(list(part_ids))

    def read_decisions(self, part_ids: Collection[int]) -> list[DecisionRow]:
        """Return the decisions about these parts in order of their ids."""
        return [row for row in self._decisions() if row.part_id in part_ids]

    def _decisions(self) -> Iterator[DecisionRow]:
        for decision_id in range(1, self._store.next_decision_id()):
            row = self._store.read_decision(decision_id)
            if row is not None:
                yield row

    def read_all_decisions(self) -> Iterator[DecisionRow]:
        """Yield all decisions in order of their ids."""
        return self._decisions()

    def messages(self) -> list[Message]:
        """Return the messages of everybody."""
        return self.read_messages([part.part_id for part in self.read_parts()])

    def read_messages(self, part_ids: Collection[int]) -> list[Message]:
        """Return the messages of these parts, oldest first."""
        return self._store.load_part_messages(list(part_ids))

    def read_dossiers(self, part_ids: Collection[int]) -> list[Dossier]:
        """Return what was put before a person about these parts, and what breaches found of them."""
        load = self._store.load_part_dossiers
        return [*load("approval", list(part_ids)), *load("finding", list(part_ids))]

    def read_breaches(self) -> list[Dossier]:
        """Return the breaches that were declared."""
        return self._store.load_dossiers("breach", limit=_ALL)

    def close(self) -> None:
        """Do nothing."""
