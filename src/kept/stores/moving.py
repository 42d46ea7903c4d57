"""What a store consists of, table by table, as a move carries it from one adapter to another.

Rows are carried as they are sealed: keys go along, and nothing is opened but to see that it opens.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from kept.core.merkle import Growth
from kept.errors import ForgottenError
from kept.ports import HOUSE, OPEN_SETTINGS, Record, Vault
from kept.retention_port import hold_part, request_part

Row: TypeAlias = Sequence[Any]
Key: TypeAlias = tuple[Any, ...]
Place: TypeAlias = Literal["store", "keys"]
Sealed: TypeAlias = tuple[int, Record, bytes, int | str]
"""The part, the kind, the sealed content and the id of a record, as `Vault.open` takes them."""

_START: Final = {"id": -(1 << 63), "text": "", "bytes": b""}
_ENCODE: Final = msgspec.msgpack.Encoder().encode


class Table(NamedTuple):
    """One table; columns are counted from 0 as a move reads and writes them."""

    name: str
    columns: tuple[str, ...]
    key: tuple[int, ...]
    """The columns by which it is read in order."""
    start: Key
    """A key before all others."""
    place: Place = "store"
    truths: frozenset[int] = frozenset()
    """Columns that are true or false."""
    texts: frozenset[int] = frozenset()
    """Columns whose texts come from outside and may hold any character."""
    sealed: Callable[[Row], Sealed | None] | None = None
    """Names what is sealed in a row, None where it is not."""

    @property
    def title(self) -> str:
        """Return what people call it."""
        return self.name if self.place == "store" else f"{self.name} of the keys"

    def key_of(self, row: Row) -> Key:
        """Return the key of a row."""
        return tuple(row[place] for place in self.key)


class Tally:
    """How many rows there are, and one number for all of them in whatever order they come."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self._sum = 0

    def add(self, row: Row) -> None:
        """Count a row in."""
        digest = blake2b(_ENCODE(tuple(row)), digest_size=16).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) % (1 << 128)
        self.count += 1

    def __eq__(self, other: object) -> bool:
        """Return whether both counted the same rows."""
        return isinstance(other, Tally) and (self.count, self._sum) == (other.count, other._sum)

    __hash__ = None  # type: ignore[assignment]


class Trial:
    """Opens what is sealed in the rows of a table, and lets the consent log's tree grow."""

    def __init__(self, table: Table, vault: Vault) -> None:
        """Take the vault that must be able to open them."""
        self._table = table
        self._vault = vault
        self.opened = 0
        self.growth = Growth()

    def add(self, rows: Sequence[Row]) -> None:
        """Open some rows.

        Raises:
            StoreError: one was altered, or is sealed under another key.
        """
        if self._table.name == "consent_log":
            for row in rows:
                self.growth.append(row[2])
        name = self._table.sealed
        if name is None:
            return
        sealed = [one for row in rows if (one := name(row)) is not None]
        self._vault.prepare({part_id for part_id, *_ in sealed})
        for part_id, record, content, record_id in sealed:
            try:
                self._vault.open(part_id, record, content, record_id)
            except ForgottenError:
                # The keys were compared too: it was destroyed, and not left behind.
                continue
            self.opened += 1


def _of_part(
    record: Record, *, body: int, part: int = 0, record_id: int
) -> Callable[[Row], Sealed | None]:
    def name(row: Row) -> Sealed | None:
        content = row[body]
        return (row[part], record, content, row[record_id]) if content else None

    return name


def _of_house(record: Record, *, body: int, prefix: str = "") -> Callable[[Row], Sealed | None]:
    def name(row: Row) -> Sealed | None:
        if record == "setting" and row[0] in OPEN_SETTINGS:
            return None
        return HOUSE, record, row[body], f"{prefix}{row[0]}" if prefix else row[0]

    return name


def _identifier(*, part: int, claimed: int, body: int) -> Callable[[Row], Sealed | None]:
    return lambda row: (row[part], "identifier", row[body], int(row[claimed]))


def _request(row: Row) -> Sealed:
    number, request_id, next_at = row[0], row[1], row[5]
    return HOUSE if next_at == 0 else request_part(number), "request", row[6], request_id


def _held(row: Row) -> Sealed:
    return hold_part(row[1]), "held", row[4], row[0]


def _dossier(row: Row) -> Sealed:
    return row[2], "dossier", row[5], f"{row[0]}.{row[1]}"


def _table(name: str, columns: str, key: str, *, start: str = "id", **rest: Any) -> Table:
    """Return a table; `start` says of what kind each column of its key is."""
    names = tuple(columns.split())
    places = tuple(names.index(one) for one in key.split())
    return Table(name, names, places, tuple(_START[one] for one in start.split()), **rest)


_CLAIMED: Final = frozenset({2})
STORE: Final[tuple[Table, ...]] = (
    _table("customers", "customer_id version", "customer_id"),
    _table("identifiers", "lookup_key part_id customer_id", "lookup_key", start="bytes"),
    _table(
        "parts",
        "part_id customer_id claimed lookup_key identifier",
        "part_id",
        truths=_CLAIMED,
        sealed=_identifier(part=0, claimed=2, body=4),
    ),
    _table(
        "members",
        "customer_id part_id claimed identifier",
        "customer_id part_id",
        start="id id",
        truths=_CLAIMED,
        sealed=_identifier(part=1, claimed=2, body=3),
    ),
    _table(
        "links",
        "part_id other_id evidence first_at",
        "part_id other_id evidence",
        start="id id text",
    ),
    _table(
        "events",
        "part_id sequence body",
        "sequence",
        sealed=_of_part("event", body=2, record_id=1),
    ),
    _table("claims", "hour event_key", "hour event_key", start="id id"),
    _table(
        "states",
        "part_id applied_sequence state",
        "part_id",
        sealed=_of_part("state", body=2, record_id=1),
    ),
    _table("wakes", "customer_id wake_at", "customer_id"),
    _table(
        "messages",
        "part_id message_id state channel queued_at due_at leased_until provider_id body",
        "message_id",
        start="text",
        texts=frozenset({1, 3, 7}),
        sealed=_of_part("message", body=8, record_id=1),
    ),
    _table("ended", "ended_id part_id message_id", "ended_id", texts=frozenset({2})),
    _table(
        "decisions",
        "part_id decision_id decided_at placement trace",
        "decision_id",
        texts=frozenset({3}),
        sealed=_of_part("decision", body=4, record_id=1),
    ),
    _table("notices", "notice_id part_id noted_at scopes", "notice_id"),
    _table("marks", "name value", "name", start="text"),
    _table(
        "quarantine",
        "quarantine_id source received_at code detail payload state",
        "quarantine_id",
        texts=frozenset({1, 3, 4}),
        sealed=_of_house("quarantine", body=5),
    ),
    _table(
        "audit",
        "entry_id at actor verb detail",
        "entry_id",
        texts=frozenset({2, 3}),
        sealed=_of_house("audit", body=4),
    ),
    _table("brands", "brand_row version in_force_at texts", "brand_row", texts=frozenset({1})),
    _table(
        "settings",
        "name value",
        "name",
        start="text",
        texts=frozenset({0}),
        sealed=_of_house("setting", body=1),
    ),
    _table("guards", "digest", "digest", start="bytes"),
    _table("keys_to_destroy", "part_id", "part_id"),
    _table(
        "tombstones", "lookup_key until suppressed", "lookup_key", start="bytes", truths=_CLAIMED
    ),
    _table(
        "requests",
        "number request_id kind state requested_at next_at body",
        "number",
        sealed=_request,
    ),
    _table("held_records", "held_id number hold until body", "held_id", sealed=_held),
    _table(
        "consent_log",
        "leaf_index part_id leaf_hash data",
        "leaf_index",
        sealed=_of_part("consent_record", body=3, part=1, record_id=0),
    ),
    _table("consent_log_hashes", "level position hash", "level position", start="id id"),
    _table("consent_log_checkpoints", "size signed_at note", "size"),
    _table(
        "staff", "staff_id body", "staff_id", sealed=_of_house("staff", body=1, prefix="staff/")
    ),
    _table("sessions", "digest body", "digest", start="text", sealed=_of_house("staff", body=1)),
    _table("tokens", "digest body", "digest", start="text"),
    _table("write_keys", "digest body", "digest", start="text"),
    _table("failures", "name last_at body", "name", start="text"),
    _table("accesses", "part_id entry_id", "part_id entry_id", start="id id"),
    _table(
        "dossiers",
        "kind number part_id state at body",
        "kind number part_id",
        start="text id id",
        sealed=_dossier,
    ),
    _table("dossier_numbers", "kind last", "kind", start="text"),
)
"""The tables of the store, as PostgreSQL has them."""

KEYS: Final[tuple[Table, ...]] = (
    _table("vault", "identity", "identity", start="bytes", place="keys"),
    _table("epochs", "epoch wrapped begun_at retired_at", "epoch", place="keys"),
    _table("secrets", "name epoch wrapped", "name", start="text", place="keys"),
    _table("part_keys", "part_id epoch wrapped", "part_id", place="keys"),
    _table("guards", "digest number record", "number", place="keys"),
    _table("witness", "size note", "size", place="keys"),
)
"""What is kept apart from it: the keys, the stops that outlive a restore, and what was signed last."""

NUMBERS: Final[Mapping[Place, tuple[str, ...]]] = {
    "store": (
        "event_sequence",
        "decision_ids",
        "notice_ids",
        "part_ids",
        "audit_ids",
        "quarantine_ids",
        "held_ids",
        "brand_rows",
        "ended_ids",
    ),
    "keys": ("guard_numbers",),
}
"""The sequences that go on behind what was given out before."""
