"""What the shell asks of the world: a store, a vault and its master key, channels.

Adapters implement these protocols, flows use them, `runtime` alone knows which adapter it is, and
one contract battery for each in `tests/contract` must be passed by all of them.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from kept.core.dossier import Dossiers
from kept.core.event import Event, Identifier
from kept.core.identity import Link, Part
from kept.core.message import Message, Outgoing, SendResult
from kept.history_port import HistoryStore
from kept.log_port import LogStore
from kept.ports_access import AccessStore, AuditEntry
from kept.retention_port import Retention
from kept.shared_port import SharedStore


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


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a forgotten identifier: nothing but until when it is not taken up again."""

    until: int
    """What happened before this instant (µs) is not taken any more."""
    is_suppressed: bool
    """Whether nothing is taken at all until it is lifted."""


class ErasedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How much was removed."""

    events: int = 0
    decisions: int = 0
    messages: int = 0


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer asked for under the law, and how far it has come."""

    number: int
    request_id: str
    kind: str
    state: str
    requested_at: int
    next_at: int
    """When something is to be done for it next (µs); 0 once it is closed."""
    body: bytes
    """The flow's own record of it, sealed under a key of the request's own while it is open."""

    @property
    def is_closed(self) -> bool:
        """Return whether nothing is to be done for it any more."""
        return self.next_at == 0


class HeldRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the law obliges to keep of somebody who was forgotten."""

    hold: str
    until: int
    """When it need not be kept any longer (µs)."""
    body: bytes


class Store(LogStore, AccessStore, Dossiers, Retention, SharedStore, HistoryStore, Protocol):
    """One brand's durable memory: the stream, identity, messages, and what is derived from them.

    A process has one writer, and many processes may share the store. Everything inside
    `transaction()` becomes durable together, before it returns; if it raises (`StoreError`,
    `DiskFullError`), nothing of it has happened, and the caller's memory is ahead of the disk and
    must be dropped. Reads inside a transaction see its own writes. Any thread may call `read_*`.
    """

    def close(self) -> None:
        """Release the store; what was acknowledged is durable already."""

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Open the one write transaction; commit and fsync on leaving, roll back on an exception.

        Where others share the store, `alone` waits for their transactions and lets none begin.
        """

    # -- the stream

    def claim(self, event_key: int, *, hour: int) -> bool:
        """Return True and remember the key if this event was not seen yet within its hour."""

    def append_event(self, part_id: int, event: Event) -> int:
        """Add an event to the stream and return its sequence, which grows by one each time."""

    def last_sequence(self) -> int:
        """Return the sequence of the newest event, 0 if there is none."""

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""

    def load_part_events(
        self, part_ids: Sequence[int], *, newest: int = 0, after: int = 0, limit: int = 0
    ) -> list[StoredEvent]:
        """Return events of these parts in stream order: all, the `newest`, or `limit` from `after` on."""

    def forget_claims(self, *, from_hour: int = 0, before_hour: int, limit: int = 0) -> int:
        """Drop keys of hours from one on and before another (at most `limit`, if given); return how many."""

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

    def load_part_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return all messages of these parts, open or not, oldest first."""

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
        """Keep a stop outside of the backups too, durable with this transaction; twice is once.

        It must let the stop be applied again: a MessagePack array that begins with the lookup key
        of whom it is about, and names people in no other way.
        """

    def load_guard(self) -> list[bytes]:
        """Return the stops that are kept and that this store does not contain (after a restore), oldest first.

        Whoever opens the store applies each and appends it again in the same transaction, before anything is sent.
        """

    # -- forgetting

    def erase_parts(self, part_ids: Sequence[int]) -> ErasedCounts:
        """Remove events, states, messages, decisions, links, wakes and the parts themselves.

        With the commit their keys are destroyed too. Neither their ids nor those of what was theirs
        are given again.
        """

    def erase_quarantined(self, quarantine_ids: Sequence[int]) -> None:
        """Remove quarantined events."""

    def save_tombstone(self, key: bytes, *, until: int, is_suppressed: bool) -> None:
        """Keep that the identifier under a lookup key was forgotten; the later end stays."""

    def has_tombstones(self) -> bool:
        """Return whether any identifier was ever forgotten or suppressed."""

    def find_tombstone(self, identifier: Identifier, *, claimed: bool) -> Tombstone | None:
        """Return what is kept of a forgotten identifier, None if it was never forgotten."""

    def next_request_number(self) -> int:
        """Return the number that the next request shall have."""

    def save_request(self, row: RequestRow) -> None:
        """Insert or replace a request by its number; once closed, its own key is destroyed."""

    def load_request(self, request_id: str) -> RequestRow | None:
        """Return a request by its id."""

    def load_requests(self, *, newest: int) -> list[RequestRow]:
        """Return the newest requests, newest first."""

    def load_due_requests(self, *, now: int, limit: int) -> list[RequestRow]:
        """Return open requests with next_at <= now, the earliest first."""

    def hold_records(self, number: int, records: Sequence[HeldRecord]) -> None:
        """Keep what the law obliges to keep of the customer of a request, under a key of its own."""

    def load_held_records(self, number: int) -> list[HeldRecord]:
        """Return what is held of the customer of a request."""

    def drop_held_records(self, *, now: int, limit: int) -> int:
        """Remove what need not be held any longer, of at most so many requests; return of how many."""

    def drop_emptied_events(self) -> None:
        """Give up the places that erased events left in the stream, where nothing needs them."""

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

    def read_decisions(
        self, part_ids: Sequence[int], *, newest: int, before: int = 0
    ) -> list[DecisionRow]:
        """Return the newest decisions of these parts (with ids below `before`), newest first."""

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

VAULT_SETTING: Final = "vault"
"""Which keys a store was sealed with."""
OPEN_SETTINGS: Final = frozenset({RESTORED_SETTING, VAULT_SETTING})
"""Settings that must be read before there is a key, and say nothing of anybody."""

Record: TypeAlias = Literal[
    "event",
    "state",
    "identifier",
    "message",
    "decision",
    "quarantine",
    "setting",
    "audit",
    "request",
    "held",
    "consent_record",
    "staff",
    "dossier",
]
"""The kinds of stored records."""

HOUSE: Final = 0
"""The part under which everything is sealed that is of no customer: settings, audit, quarantine."""


class Vault(Protocol):
    """The one place that personal values pass through on their way to and from the disk.

    Every stored record has an envelope: format version, cipher, key id. Each part has a key of its
    own, made with its first record; what is sealed with it is forgotten when the key is destroyed.
    One thread seals, any thread may open.
    """

    @property
    def identity(self) -> bytes:
        """Return which keys these are; a store notes with which it was sealed. Empty for none."""

    def start(self, identity: bytes) -> None:
        """Take up the keys of the store that noted this identity, or make keys for a new store.

        The store calls it once nobody else can write its folder. Raises `SettingsError` if the keys
        or the master key are not the ones that the store needs.
        """

    def seal(self, part_id: int, record: Record, content: bytes, record_id: int | str) -> bytes:
        """Wrap a record's content for the disk; its kind, part and id are bound in."""

    def open(self, part_id: int, record: Record, sealed: bytes, record_id: int | str) -> bytes:
        """Return the content of a record.

        Raises `DamagedError` if it was altered, moved or torn, `ForgottenError` if the part's key was
        destroyed, and another `StoreError` if the key cannot be read.
        """

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found."""

    def prepare(self, part_ids: Collection[int], *, are_new: bool = False) -> None:
        """Have the keys of many parts ready in one question; `are_new` if nobody has made any yet."""

    def let_go(self) -> None:
        """Forget keys that are ready in memory: others who share the store may have destroyed some."""

    def settle(self) -> None:
        """Make new keys durable; called before the records that were sealed with them are."""

    def destroy(self, part_ids: list[int]) -> None:
        """Destroy the keys of parts, durably."""

    def close(self) -> None:
        """Let go of the keys."""


class KeyService(Protocol):
    """Where the brand's master key lives: a file, the environment, a service of its own.

    It has numbered epochs. What is wrapped under an epoch that was destroyed can be read by nobody.
    """

    place: str
    """Where the master key is, for errors."""
    may_change: bool
    """Whether epochs can be begun and destroyed from here."""

    def list_epochs(self) -> list[int]:
        """Return the numbers of the epochs that are there, ascending; never none."""

    def wrap(self, epoch: int, secret: bytes) -> bytes:
        """Encrypt a small secret under an epoch."""

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return what was wrapped; raises `SettingsError` if the epoch's key is another one."""

    def begin_epoch(self) -> int:
        """Add an epoch and return its number; raises `SettingsError` where only people can."""

    def destroy_epoch(self, epoch: int) -> None:
        """Destroy an epoch for good; raises `SettingsError` where only people can."""


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
