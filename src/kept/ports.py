"""What the shell asks of the world: a store, a vault, channels.

Adapters implement these protocols, flows use them, and `runtime` alone knows which adapter it is.
Each port has one contract battery in `tests/contract`, which every adapter must pass.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from kept.core.event import Event, Identifier
from kept.core.identity import Link, Part
from kept.core.message import Message, Outgoing, SendResult


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as stored: `sequence` is its place in the one stream, `part_id` the part it fell to."""

    sequence: int
    part_id: int
    event: Event


class StateRow(msgspec.Struct, frozen=True, kw_only=True):
    """A part's folded state, written behind: it holds every event of the part up to `applied_sequence`."""

    part_id: int
    applied_sequence: int
    state: bytes


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stored decision: `trace` is the encoded `decision.Decision`."""

    decision_id: int
    part_id: int
    decided_at: int
    placement: str
    trace: bytes


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """An event that could not be taken: kept as received, visible, fixable and replayable."""

    quarantine_id: int
    source: str
    received_at: int
    code: str
    detail: str
    payload: bytes
    state: Literal["held", "replayed", "dropped"] = "held"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator did: a brake, a key, a replay, an unmerge."""

    entry_id: int
    at: int
    actor: str
    verb: str
    detail: dict[str, Any]


class BrandRow(msgspec.Struct, frozen=True, kw_only=True):
    """A brand folder that has been in force: its texts, so that old decisions can be re-run."""

    version: str
    in_force_at: int
    texts: dict[str, str]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """That what tools outside may do for a customer changed, and in which scopes; never how."""

    notice_id: int
    part_id: int
    noted_at: int
    scopes: tuple[str, ...]
    """As `core.suppression` writes them: names of the brand only, no personal value."""


class Store(Protocol):
    """One brand's durable memory: the stream, identity, messages, and what is derived from them.

    There is one writer. Everything inside `transaction()` becomes durable together, before it
    returns; if it raises (`StoreError`, `DiskFullError`), nothing of it has happened, and the
    caller's memory is ahead of the disk and must be dropped. Reads inside a transaction see its
    own writes. The `read_*` methods may be called from other threads at any time.
    """

    def close(self) -> None:
        """Release the store; what was acknowledged is durable already."""

    def transaction(self) -> AbstractContextManager[None]:
        """Open the one write transaction; commit and fsync on leaving, roll back on an exception."""

    # -- the stream

    def claim(self, event_key: int, *, hour: int) -> bool:
        """Return True and remember the key if this event was not seen yet within its hour."""

    def append_event(self, part_id: int, event: Event) -> int:
        """Add an event to the stream and return its sequence, which grows by one each time."""

    def last_sequence(self) -> int:
        """Return the sequence of the newest event, 0 if there is none."""

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""

    def load_part_events(self, part_ids: Sequence[int], *, newest: int = 0) -> list[StoredEvent]:
        """Return all events (or the `newest` ones) of these parts in stream order."""

    def forget_claims(self, *, before_hour: int, limit: int = 0) -> int:
        """Drop de-duplication keys of hours before this one (at most `limit`, if given); return how many."""

    # -- identity

    def find_parts(self, wanted: Sequence[tuple[Identifier, bool]]) -> list[Part | None]:
        """Return the part of each (identifier, claimed), None where there is none yet."""

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found; they need not show what it is."""

    def find_part_by_key(self, key: bytes) -> Part | None:
        """Return the part of a lookup key, None where there is none."""

    def add_part(self, identifier: Identifier, *, claimed: bool, customer_id: int | None) -> Part:
        """Begin a part; without a customer it begins a customer whose id is the part's own."""

    def load_customer(self, customer_id: int) -> list[Part]:
        """Return the parts of a customer in order of their ids."""

    def load_parts(self, part_ids: Sequence[int]) -> list[Part]:
        """Return these parts in order of their ids; unknown ids are left out."""

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""

    def save_link(self, link: Link) -> None:
        """Remember evidence; of two with the same parts and kind, the earlier `first_at` stays."""

    def move_parts(self, part_ids: Sequence[int], *, customer_id: int) -> None:
        """Regroup: these parts now belong to this customer."""

    # -- derived state, written behind

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return the stored states of these parts, in order of their ids; parts without one are left out."""

    def save_states(self, rows: Sequence[StateRow], *, mark: int) -> None:
        """Write states, and the mark: every event up to it is contained in stored states."""

    def load_mark(self) -> int:
        """Return the mark of the last `save_states`, 0 at first."""

    def iterate_states(self, *, after: int, limit: int) -> list[StateRow]:
        """Return stored states in order of part ids, from `after` (exclusive)."""

    # -- wake table

    def save_wakes(self, wakes: Iterable[tuple[int, int]]) -> None:
        """Set (customer_id, wake_at) pairs; a wake_at of 0 removes the customer's entry."""

    def load_due_wakes(self, *, now: int, limit: int) -> list[tuple[int, int]]:
        """Return the earliest (customer_id, wake_at) pairs with wake_at <= now."""

    # -- messages

    def save_messages(self, messages: Sequence[Message]) -> None:
        """Insert or replace messages by their id."""

    def load_message(self, message_id: str) -> Message | None:
        """Return a message by its id."""

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""

    def load_due_messages(self, *, now: int, channels: Sequence[str], limit: int) -> list[Message]:
        """Return queued messages with due_at <= now, and leased ones whose lease has ended, earliest due first."""

    def load_messages_in(self, states: Sequence[str], *, limit: int) -> list[Message]:
        """Return messages in any of these states, oldest first (recovery, status)."""

    def load_message_by_provider_id(self, channel: str, provider_id: str) -> Message | None:
        """Return the message that a provider's callback speaks of."""

    # -- decisions, quarantine, audit, brands, settings

    def append_decision(
        self, *, part_id: int, decided_at: int, placement: str, trace: bytes, decision_id: int
    ) -> None:
        """Keep a decision; ids come from `next_decision_id` and grow."""

    def next_decision_id(self) -> int:
        """Return the id that the next decision shall have."""

    def quarantine(
        self, *, source: str, received_at: int, code: str, detail: str, payload: bytes
    ) -> int:
        """Keep an event that could not be taken; return its id."""

    def set_quarantine_state(
        self, quarantine_id: int, state: Literal["held", "replayed", "dropped"]
    ) -> None:
        """Note what became of a quarantined event."""

    def append_audit(self, *, at: int, actor: str, verb: str, detail: dict[str, Any]) -> int:
        """Keep what an operator did; return its id."""

    def save_brand(self, row: BrandRow) -> None:
        """Keep the texts of a brand folder that comes into force."""

    def load_brand(self, version: str | None = None) -> BrandRow | None:
        """Return a brand by version, or the one last in force."""

    def save_setting(self, name: str, value: bytes) -> None:
        """Keep a small named value: hashed keys, brakes, the control of imports."""

    def load_setting(self, name: str) -> bytes | None:
        """Return a small named value."""

    # -- stops that must outlive a restore

    def append_guard(self, record: bytes) -> None:
        """Keep an opt-out or an erasure outside of the backups too, durable with this transaction; twice is once.

        The record must let the stop be applied again, and must name people by lookup keys only.
        """

    def load_guard(self) -> list[bytes]:
        """Return the stops that are kept and that this store does not contain (after a restore), oldest first.

        Whoever opens the store applies each and appends it again in the same transaction, before anything is sent.
        """

    # -- what tools outside must be told

    def append_notice(self, part_id: int, *, noted_at: int, scopes: Sequence[str]) -> int:
        """Keep that permissions changed, with the event that changed them; return its id, which grows."""

    def load_notices(self, *, after: int, limit: int) -> list[Notice]:
        """Return notices in order of their ids from `after` (exclusive)."""

    def last_notice(self) -> int:
        """Return the id of the newest notice, 0 if there is none."""

    # -- reads for people and pages, safe from any thread

    def read_decision(self, decision_id: int) -> DecisionRow | None:
        """Return a stored decision."""

    def read_decisions(self, part_ids: Sequence[int], *, newest: int) -> list[DecisionRow]:
        """Return the newest decisions of these parts, newest first."""

    def read_quarantine(self, *, after: int, limit: int) -> list[Quarantined]:
        """Return quarantined events in order of their ids."""

    def read_audit(self, *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries, newest first."""

    def read_counts(self) -> dict[str, int]:
        """Return how many of each there are: events, parts, messages by state (`messages.queued`)."""

    def backup(self, path: str) -> Iterator[float]:
        """Copy the store online into a new file, yielding progress from 0 to 1; the copy is verified."""


RESTORED_SETTING: Final = "restored"
"""Set in a store that was restored: messages that it holds as queued may have left after the backup."""

Record: TypeAlias = Literal["event", "state", "identifier", "message", "decision", "quarantine"]


class Vault(Protocol):
    """The one place that personal values pass through on their way to and from the disk.

    Every stored record has an envelope: format version, cipher, key id. The plain vault writes the
    envelope and leaves the content readable; a sealing one will encrypt it per part.
    """

    def seal(self, part_id: int, record: Record, content: bytes) -> bytes:
        """Wrap a record's content for the disk."""

    def open(self, part_id: int, record: Record, sealed: bytes) -> bytes:
        """Return the content of a record; raises `StoreError` if the envelope cannot be read."""

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found."""


class Channel(Protocol):
    """A way out: takes one rendered message to a provider and says what is known of the result.

    `send` never raises for what the world does wrong: it answers with a `SendResult`. It may be
    called from several threads at once.
    """

    def send(self, outgoing: Outgoing) -> SendResult:
        """Hand a message to the provider."""

    def close(self) -> None:
        """Give up connections."""


class Notifier(Protocol):
    """A way to a tool outside: takes one body, and says what is known of the result.

    A body that is posted again has the same id. Like `Channel.send`, `post` never raises for what
    the world does wrong.
    """

    def post(self, post_id: str, body: bytes) -> SendResult:
        """Hand a body to the tool."""

    def close(self) -> None:
        """Give up connections."""
