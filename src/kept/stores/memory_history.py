"""What history is read from, in memory."""

from collections.abc import Sequence

from kept.core.message import Message
from kept.history_port import EndedMessage, Grouped, SealedDecision, SealedEvent
from kept.stores.codecs import encode_event
from kept.stores.memory_retention import MemoryRetention


class MemoryHistory(MemoryRetention):
    """Records as they are, for nothing is sealed; and messages in the order in which they ended."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._unnumbered: dict[str, bool] = {}
        self._ended: dict[int, str] = {}
        self._last_ended = 0

    def read_sealed_events(self, *, after: int, limit: int) -> list[SealedEvent]:
        """Return events in stream order from `after` (exclusive)."""
        found = sorted(sequence for sequence in self._events if sequence > after)[:limit]
        return [
            SealedEvent(
                sequence=sequence,
                part_id=self._events[sequence].part_id,
                event=self._events[sequence].event,
                sealed=encode_event(self._events[sequence].event),
            )
            for sequence in found
        ]

    def read_known_events(self, sequences: Sequence[int]) -> set[int]:
        """Return which of these sequences are still events."""
        return {sequence for sequence in sequences if sequence in self._events}

    def read_sealed_decisions(self, *, after: int, limit: int) -> list[SealedDecision]:
        """Return decisions in order of their ids from `after` (exclusive)."""
        found = sorted(decision_id for decision_id in self._decisions if decision_id > after)
        return [
            SealedDecision(
                decision_id=row.decision_id, part_id=row.part_id, trace=row.trace, sealed=row.trace
            )
            for row in (self._decisions[decision_id] for decision_id in found[:limit])
        ]

    def number_ended(self) -> int:
        """Number the messages that ended since it was asked last; return the last number, 0 for none."""
        for message_id in list(self._unnumbered):
            self._drop(self._unnumbered, message_id)
            was = self._last_ended
            self._noted(lambda was=was: setattr(self, "_last_ended", was))  # type: ignore[misc]
            self._last_ended = was + 1
            self._put(self._ended, was + 1, message_id)
        return self._last_ended

    def read_ended_messages(self, *, after: int, limit: int) -> list[EndedMessage]:
        """Return messages in the order in which they ended, from `after` (exclusive)."""
        return [
            EndedMessage(ended_id=ended_id, message=self._messages.get(message_id))
            for ended_id, message_id in sorted(self._ended.items())
            if ended_id > after
        ][:limit]

    def drop_ended_messages(self, *, up_to: int) -> None:
        """Forget the order in which messages ended, up to an id; the messages stay."""
        self._require_transaction()
        for ended_id in [ended_id for ended_id in self._ended if ended_id <= up_to]:
            self._drop(self._ended, ended_id)

    def read_grouping(self, *, after: int, limit: int) -> list[Grouped]:
        """Return parts in order of their ids from `after` (exclusive)."""
        found = sorted(part_id for part_id in self._parts if part_id > after)[:limit]
        return [
            Grouped(part_id, self._parts[part_id].customer_id, self._parts[part_id].claimed)
            for part_id in found
        ]

    def _note_ended(self, message: Message) -> None:
        """Note that a message comes to its end now."""
        known = self._messages.get(message.message_id)
        if message.is_open or (known is not None and not known.is_open):
            return
        self._put(self._unnumbered, message.message_id, True)
