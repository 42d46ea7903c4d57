"""What history is read from in PostgreSQL: records as they are sealed, beside what is in them."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

import msgspec

from kept.core.event import Event
from kept.core.message import Message
from kept.errors import DamagedError, ForgottenError
from kept.history_port import EndedMessage, Grouped, SealedDecision, SealedEvent
from kept.ports import Vault
from kept.stores.codecs import decode_event, decode_message
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.readers import Readers
from kept.stores.postgres.session import Session
from kept.stores.postgres.texts import from_text


class HistoryReader:
    """Reads what is committed on connections of its own."""

    def __init__(
        self,
        session: Session,
        readers: Readers,
        batch: Batch,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take the session, connections to read on, what waits to be written, and the vault."""
        self._session = session
        self._readers = readers
        self._batch = batch
        self._vault = vault
        self._queries = queries

    def read_sealed_events(self, *, after: int, limit: int) -> list[SealedEvent]:
        """Return events in stream order from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["load_events"], (after, limit))
        self._vault.prepare({row[0] for row in rows})
        return [
            SealedEvent(
                sequence=sequence,
                part_id=part_id,
                event=self._try_event(sequence, part_id, body),
                sealed=body,
            )
            for part_id, sequence, body in rows
        ]

    def read_known_events(self, sequences: Sequence[int]) -> set[int]:
        """Return which of these sequences are still events."""
        rows = self._readers.fetch(self._queries["read_known_events"], (list(sequences),))
        return {sequence for (sequence,) in rows}

    def read_sealed_decisions(self, *, after: int, limit: int) -> list[SealedDecision]:
        """Return decisions in order of their ids from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["read_sealed_decisions"], (after, limit))
        self._vault.prepare({row[1] for row in rows})
        return [
            SealedDecision(
                decision_id=decision_id,
                part_id=part_id,
                trace=self._try_trace(decision_id, part_id, trace),
                sealed=trace,
            )
            for decision_id, part_id, trace in rows
        ]

    def number_ended(self) -> int:
        """Number the messages that ended since it was asked last; return the last number, 0 for none."""
        self._batch.settle("messages")
        self._session.write(self._queries["number_ended"])
        (last,) = self._session.fetch_one(self._queries["find_last_number"], ("ended_ids",))
        return int(last)

    def read_ended_messages(self, *, after: int, limit: int) -> list[EndedMessage]:
        """Return messages in the order in which they ended, from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["read_ended"], (after, limit))
        self._vault.prepare({row[2] for row in rows})
        return [
            EndedMessage(ended_id=ended_id, message=self._try_message(message_id, part_id, body))
            for ended_id, message_id, part_id, body in rows
        ]

    def drop_ended_messages(self, *, up_to: int) -> None:
        """Forget the order in which messages ended, up to an id; the messages stay."""
        self._session.write(self._queries["delete_ended"], (up_to,))

    def read_grouping(self, *, after: int, limit: int) -> list[Grouped]:
        """Return parts in order of their ids from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["read_grouping"], (after, limit))
        return [Grouped(part_id, customer_id, claimed) for part_id, customer_id, claimed in rows]

    def _try_event(self, sequence: int, part_id: int, body: bytes) -> Event | None:
        try:
            return decode_event(self._vault.open(part_id, "event", body, sequence))
        except (DamagedError, ForgottenError, msgspec.MsgspecError):
            return None

    def _try_trace(self, decision_id: int, part_id: int, sealed: bytes) -> bytes | None:
        try:
            return self._vault.open(part_id, "decision", sealed, decision_id)
        except (DamagedError, ForgottenError):
            return None

    def _try_message(self, message_id: str, part_id: int, sealed: bytes) -> Message | None:
        try:
            opened = self._vault.open(part_id, "message", sealed, from_text(message_id))
            return decode_message(opened)
        except (DamagedError, ForgottenError, msgspec.MsgspecError):
            return None
