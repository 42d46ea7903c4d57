"""Messages in SQLite."""

from collections.abc import Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import LiteralString

from kept.core.message import Message
from kept.ports import Vault
from kept.stores.codecs import decode_message, encode_message, pack_ids
from kept.stores.sqlite.session import Session


class Messages:
    """The messages of all customers, found by part, by channel and due time, by state, by id."""

    def __init__(
        self, session: Session, vault: Vault, queries: Mapping[str, LiteralString]
    ) -> None:
        """Take the queries."""
        self._session = session
        self._vault = vault
        self._save = queries["save_message"]
        self._load = queries["load_message"]
        self._load_open_of_one = queries["load_open_messages_of_one"]
        self._load_open = queries["load_open_messages"]
        self._load_due = queries["load_due_messages"]
        self._load_in = queries["load_messages_in"]
        self._load_of_parts = queries["load_part_messages"]
        self._erase_old = queries["delete_old_messages"]
        self._read_old = queries["read_old_messages"]
        self._load_by_provider_id = queries["load_message_by_provider_id"]

    def save_messages(self, messages: Sequence[Message]) -> None:
        """Insert or replace messages by their id."""
        self._session.write_all(self._save, [self._encode(message) for message in messages])

    def load_message(self, message_id: str) -> Message | None:
        """Return a message by its id."""
        row = self._session.fetch_one(self._load, (message_id,))
        return self._decode(*row) if row else None

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""
        rows = self._session.fetch_by_ids(
            part_ids, one=self._load_open_of_one, many=self._load_open
        )
        return [self._decode(*row) for row in rows]

    def load_due_messages(self, *, now: int, channels: Sequence[str], limit: int) -> list[Message]:
        """Return what is queued and due, or leased for too long, earliest due first."""
        found = [
            self._session.fetch(self._load_due, (channel, now, limit))
            for channel in dict.fromkeys(channels)
        ]
        return [self._decode(*row[2:]) for row in islice(merge(*found), limit)]

    def load_messages_in(self, states: Sequence[str], *, limit: int) -> list[Message]:
        """Return messages in any of these states, oldest first (recovery, status)."""
        found = [
            self._session.fetch(self._load_in, (state, limit)) for state in dict.fromkeys(states)
        ]
        return [self._decode(*row[2:]) for row in islice(merge(*found), limit)]

    def load_part_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return all messages of these parts, open or not, oldest first."""
        rows = self._session.fetch(self._load_of_parts, (pack_ids(part_ids),))
        return [self._decode(*row) for row in rows]

    def erase_old_messages(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove settled messages queued before an instant, but for parts; return how many."""
        return self._session.write(self._erase_old, (before, pack_ids(spared), limit)).rowcount

    def read_old_messages(self, *, before: int) -> tuple[int, int]:
        """Return how many settled messages were queued before an instant, and when the oldest was."""
        count, oldest = self._session.fetch_one(self._read_old, (before,))
        return count, oldest or 0

    def load_message_by_provider_id(self, channel: str, provider_id: str) -> Message | None:
        """Return the message that a provider's callback speaks of."""
        row = self._session.fetch_one(self._load_by_provider_id, (channel, provider_id))
        return self._decode(*row) if row else None

    def _encode(self, message: Message) -> tuple[str | int | bytes, ...]:
        """Return a message as a row."""
        return (
            message.message_id,
            message.part_id,
            message.state,
            message.channel,
            message.queued_at,
            message.due_at,
            message.leased_until,
            message.provider_id,
            self._vault.seal(
                message.part_id, "message", encode_message(message), message.message_id
            ),
        )

    def _decode(self, message_id: str, part_id: int, sealed: bytes) -> Message:
        """Return a row's body as a message."""
        return decode_message(self._vault.open(part_id, "message", sealed, message_id))
