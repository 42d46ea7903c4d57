"""What history is read from in SQLite: records as they are sealed, beside what is in them."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

import msgspec

from kept.core.event import Event
from kept.errors import DamagedError, ForgottenError
from kept.history_port import EndedMessage, Grouped, SealedDecision, SealedEvent
from kept.ports import Vault
from kept.stores.codecs import decode_event, decode_message, pack_ids
from kept.stores.sqlite.connections import Readers
from kept.stores.sqlite.session import Session


class HistoryReader:
    """Reads what is committed on connections of its own, so that the writer need not wait."""

    def __init__(
        self,
        session: Session,
        readers: Readers,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take the session, connections to read on, the vault and the queries."""
        self._session = session
        self._readers = readers
        self._open = vault.open
        self._queries = queries

    def read_sealed_events(self, *, after: int, limit: int) -> list[SealedEvent]:
        """Return events in stream order from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["load_events"], (after, limit))
        return [
            SealedEvent(
                sequence=sequence,
                part_id=part_id,
                event=self._try_event(sequence, part_id, body),
                sealed=body,
            )
            for sequence, part_id, body in rows
        ]

    def read_known_events(self, sequences: Sequence[int]) -> set[int]:
        """Return which of these sequences are still events."""
        rows = self._readers.fetch(self._queries["read_known_events"], (pack_ids(sequences),))
        return {sequence for (sequence,) in rows}

    def read_sealed_decisions(self, *, after: int, limit: int) -> list[SealedDecision]:
        """Return decisions in order of their ids from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["read_sealed_decisions"], (after, limit))
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
        (last,) = self._session.fetch_one(self._queries["find_last_ended"])
        return int(last)

    def read_ended_messages(self, *, after: int, limit: int) -> list[EndedMessage]:
        """Return messages in the order in which they ended, from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["read_ended"], (after, limit))
        return [self._ended(*row) for row in rows]

    def drop_ended_messages(self, *, up_to: int) -> None:
        """Forget the order in which messages ended, up to an id; the messages stay."""
        self._session.write(self._queries["delete_ended"], (up_to,))

    def read_grouping(self, *, after: int, limit: int) -> list[Grouped]:
        """Return parts in order of their ids from `after` (exclusive)."""
        rows = self._readers.fetch(self._queries["read_grouping"], (after, limit))
        return [
            Grouped(part_id, customer_id, bool(claimed)) for part_id, customer_id, claimed in rows
        ]

    def _try_event(self, sequence: int, part_id: int, body: bytes) -> Event | None:
        try:
            return decode_event(self._open(part_id, "event", body, sequence))
        except (DamagedError, ForgottenError, msgspec.MsgspecError):
            return None

    def _try_trace(self, decision_id: int, part_id: int, sealed: bytes) -> bytes | None:
        try:
            return self._open(part_id, "decision", sealed, decision_id)
        except (DamagedError, ForgottenError):
            return None

    def _ended(
        self, ended_id: int, message_id: str | None, part_id: int | None, sealed: bytes | None
    ) -> EndedMessage:
        if message_id is None or part_id is None or sealed is None:
            return EndedMessage(ended_id=ended_id, message=None)
        try:
            message = decode_message(self._open(part_id, "message", sealed, message_id))
        except (DamagedError, ForgottenError, msgspec.MsgspecError):
            message = None
        return EndedMessage(ended_id=ended_id, message=message)
