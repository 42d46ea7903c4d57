"""Removing by age, and putting right, in memory."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import msgspec

from kept.core.event import Event
from kept.core.identity import Part
from kept.core.message import Message
from kept.ports import DecisionRow, StoredEvent
from kept.stores.memory_undo import Undo


class MemoryRetention(Undo):
    """The tables that things are removed from by age, and how."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._events: dict[int, StoredEvent] = {}
        self._parts: dict[int, Part] = {}
        self._messages: dict[str, Message] = {}
        self._decisions: dict[int, DecisionRow] = {}

    def snapshot(self) -> AbstractContextManager[Self]:
        """Return the store itself: nobody else writes to it meanwhile."""
        return nullcontext(self)

    def list_customers(self, *, after: int, limit: int) -> list[int]:
        """Return ids of customers in ascending order."""
        found = sorted({part.customer_id for part in self._parts.values()})
        return [customer_id for customer_id in found if customer_id > after][:limit]

    def erase_events(self, part_id: int, sequences: Sequence[int]) -> None:
        """Remove some events of a part."""
        self._require_transaction()
        for sequence in sequences:
            if sequence in self._events and self._events[sequence].part_id == part_id:
                self._drop(self._events, sequence)

    def replace_event(self, part_id: int, sequence: int, event: Event) -> None:
        """Put another event in the place of one."""
        stored = self._events.get(sequence)
        if stored is not None and stored.part_id == part_id:
            self._put(self._events, sequence, msgspec.structs.replace(stored, event=event))

    def erase_old_decisions(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove decisions made before an instant, the oldest first, but for parts; return how many."""
        self._require_transaction()
        old = [
            key
            for key, row in sorted(self._decisions.items())
            if row.decided_at < before and row.part_id not in spared
        ]
        for decision_id in old[:limit]:
            self._drop(self._decisions, decision_id)
        return len(old[:limit])

    def erase_old_messages(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove settled messages queued before an instant, but for parts; return how many."""
        self._require_transaction()
        found = (one for one in self._old_messages(before) if one.part_id not in spared)
        old = [one.message_id for one in found][:limit]
        for message_id in old:
            self._drop(self._messages, message_id)
        return len(old)

    def read_old_decisions(self, *, before: int) -> tuple[int, int]:
        """Return how many decisions were made before an instant, and when the oldest was."""
        old = [row.decided_at for row in self._decisions.values() if row.decided_at < before]
        return len(old), min(old, default=0)

    def read_old_messages(self, *, before: int) -> tuple[int, int]:
        """Return how many settled messages were queued before an instant, and when the oldest was."""
        old = [one.queued_at for one in self._old_messages(before)]
        return len(old), min(old, default=0)

    def _old_messages(self, before: int) -> list[Message]:
        return [m for m in self._messages.values() if not m.is_open and m.queued_at < before]
