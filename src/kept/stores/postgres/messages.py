"""Messages in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString, get_args

from kept.core.message import OPEN_STATES, Message, MessageState
from kept.ports import Vault
from kept.stores.codecs import decode_message, encode_message
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.session import Session
from kept.stores.postgres.texts import from_text, to_text

_SETTLED: Final = sorted(set(get_args(MessageState)) - OPEN_STATES)


class Messages:
    """The messages of all customers, found by part, by channel and due time, by state, by id."""

    def __init__(
        self, session: Session, batch: Batch, *, vault: Vault, queries: Mapping[str, LiteralString]
    ) -> None:
        """Take where rows are kept meanwhile."""
        self._session = session
        self._batch = batch
        self._vault = vault
        self._queries = queries

    def save_messages(self, messages: Sequence[Message]) -> None:
        """Insert or replace messages by their id."""
        self._session.require_transaction()
        for message in messages:
            self._batch.put("messages", message.message_id, self._encode(message))

    def load_message(self, message_id: str) -> Message | None:
        """Return a message by its id."""
        found = self._fetch("load_message", (to_text(message_id),))
        return found[0] if found else None

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""
        return self._fetch("load_open_messages", (sorted(set(part_ids)),))

    def load_due_messages(self, *, now: int, channels: Sequence[str], limit: int) -> list[Message]:
        """Return what is queued and due, or leased for too long, earliest due first."""
        named = [to_text(channel) for channel in dict.fromkeys(channels)]
        return self._fetch("load_due_messages", (named, now, limit)) if named else []

    def load_messages_in(self, states: Sequence[str], *, limit: int) -> list[Message]:
        """Return messages in any of these states, oldest first (recovery, status)."""
        return self._fetch("load_messages_in", (sorted(set(states)), limit))

    def load_part_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return all messages of these parts, open or not, oldest first."""
        return self._fetch("load_part_messages", (sorted(set(part_ids)),))

    def load_message_by_provider_id(self, channel: str, provider_id: str) -> Message | None:
        """Return the message that a provider's callback speaks of."""
        parameters = (to_text(channel), to_text(provider_id))
        found = self._fetch("load_message_by_provider_id", parameters)
        return found[0] if found else None

    def erase_old_messages(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove settled messages queued before an instant, but for parts; return how many."""
        self._session.require_transaction()
        self._batch.settle("messages")
        parameters = (_SETTLED, before, limit, list(spared))
        ((count,),) = self._session.write(self._queries["delete_old_messages"], parameters)
        return int(count)

    def read_old_messages(self, *, before: int) -> tuple[int, int]:
        """Return how many settled messages were queued before an instant, and when the oldest was."""
        self._batch.settle("messages")
        count, oldest = self._session.fetch_one(
            self._queries["read_old_messages"], (_SETTLED, before)
        )
        return int(count), oldest or 0

    def _fetch(self, name: str, parameters: tuple[Any, ...]) -> list[Message]:
        self._batch.settle("messages")
        rows = self._session.fetch(self._queries[name], parameters)
        self._vault.prepare({row[1] for row in rows})
        return [self._decode(*row) for row in rows]

    def _encode(self, message: Message) -> tuple[Any, ...]:
        """Return a message as a row."""
        return (
            message.part_id,
            to_text(message.message_id),
            message.state,
            to_text(message.channel),
            message.queued_at,
            message.due_at,
            message.leased_until,
            to_text(message.provider_id),
            self._vault.seal(
                message.part_id, "message", encode_message(message), message.message_id
            ),
        )

    def _decode(self, message_id: str, part_id: int, sealed: bytes) -> Message:
        """Return a row's body as a message."""
        return decode_message(self._vault.open(part_id, "message", sealed, from_text(message_id)))
