"""Prove that the consent log was not rewritten, or name the place where it was.

The tree is computed anew from its leaves and compared with every checkpoint that was ever signed;
each record is compared with its leaf, and with the event or the entry of the audit that it follows
from; and every event that speaks of consent must have its record.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from kept.core.checkpoint import LogKey, read_checkpoint
from kept.core.consent import CONSENT_EVENTS
from kept.core.merkle import TILE_WIDTH, Growth, hash_leaf
from kept.core.receipt import read_kept
from kept.core.record import CONSENT_KINDS, Kind, Record, digest_of, kind_of, read_leaf
from kept.core.values import format_instant
from kept.errors import InputError
from kept.flows.sign_log import list_checkpoints, public_keys
from kept.log_port import EventRow, LeafRow
from kept.ports import Store
from kept.ports_access import AuditEntry

FINDINGS_MAX: Final = 200
UNREADABLE: Final = "cannot be read, and nothing says that its part was forgotten"
_CHUNK: Final = 1_000
_ALL: Final = 2**62


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and where."""

    place: str
    """Such as `leaf 17`, `event 4711`, `checkpoint 12`, `audit entry 3`, or a file."""
    what: str


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit looked at, and what it found."""

    size: int
    root: str
    """In base64, computed from the leaves."""
    checkpoints: int
    events: int
    forgotten: int
    """Records that cannot be read because the log says that their part was forgotten."""
    findings: tuple[Finding, ...]
    """Nothing, where the log is whole."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What there was when the audit began; what comes later is not its business."""

    size: int
    last_event: int
    last_entry: int
    keys: tuple[LogKey, ...]
    """Every key that the log ever signed with."""
    signed_upto: int
    """The largest size that was signed."""
    witness: str
    """The newest checkpoint as it is kept beside the store, "" for none."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint or a receipt that somebody kept elsewhere."""

    name: str
    text: str


class _Recorded(msgspec.Struct, frozen=True):
    """What a leaf says of an event."""

    leaf: int
    part_id: int
    kind: Kind
    digest: str


def begin_audit(store: Store) -> Scope:
    """Return the bounds of an audit; to be called within a transaction.

    Raises:
        ContendedError: other nodes write just now; to be done again alone.
    """
    if store.is_shared:
        # What is under way has its number already, and its leaf only with the commit.
        store.change_control()
    newest, signed = store.read_audit(newest=1), store.read_newest_checkpoint()
    return Scope(
        size=store.log_size(),
        last_event=store.last_sequence(),
        last_entry=newest[0].entry_id if newest else 0,
        keys=public_keys(store),
        signed_upto=signed.size if signed is not None else 0,
        witness=store.load_witness(),
    )


def audit_log(store: Store, scope: Scope, *, against: Sequence[Kept] = ()) -> Audited:
    """Compare everything within a scope; safe from any thread, and it changes nothing."""
    return _Audit(store, scope).run(against)


class _Audit:
    """The state of one audit: leaves are walked once, events beside them."""

    def __init__(self, store: Store, scope: Scope) -> None:
        self._store = store
        self._scope = scope
        self._keys = scope.keys
        self._findings: list[Finding] = []
        self._growth = Growth()
        self._levels: dict[int, Growth] = {}
        self._is_whole = True
        """False from where leaves are missing or a root differs, for nothing after it can fit."""
        self._fits_upto = 0
        self._has_begun = False
        self._roots: dict[int, list[tuple[str, bytes]]] = {}
        self._leaves_of_receipts: dict[int, list[tuple[str, bytes]]] = {}
        self._event_count = 0
        self._recorded: dict[int, _Recorded] = {}
        """Sequence of an event -> what its leaf says of it."""
        self._last_told = 0
        self._after_event = self._after_entry = 0
        self._signalled: set[int] = set()
        """Parts of which a privacy signal is recorded, or was heard before the log began."""
        self._entries: dict[int, AuditEntry] = {
            entry.entry_id: entry
            for entry in store.read_audit(newest=_ALL)
            if entry.entry_id <= scope.last_entry
        }
        self._told_entries: set[int] = set()
        self._excusable: list[tuple[Finding, int]] = []
        """What is wrong unless the part that it is about was forgotten."""
        self._erased: set[int] = set()

    def run(self, against: Sequence[Kept]) -> Audited:
        """Do everything in order."""
        checkpoints = self._take_checkpoints()
        if self._scope.witness:
            name = "the checkpoint kept beside the store"
            self._take_kept(Kept(name=name, text=self._scope.witness))
        for kept in against:
            self._take_kept(kept)
        expected = 0
        for leaf in self._read_leaves():
            if leaf.index >= self._scope.size:
                # Somebody may be forgotten while the audit goes on; that alone is looked at.
                if leaf.data is not None:
                    self._note_erasure(read_leaf(leaf.data)[1])
                continue
            if leaf.index != expected:
                self._find(_span(expected, leaf.index), "missing: it was removed from the log")
                self._is_whole = False
            self._take_leaf(leaf)
            expected = leaf.index + 1
        if self._keys and not self._has_begun:
            self._find("leaf 0", "exchanged or missing: it is not the one that begins the log")
        self._take_end(expected)
        self._take_events()
        self._take_entries()
        forgotten = self._take_excusable()
        return Audited(
            size=expected,
            root=b64encode(self._growth.root()).decode(),
            checkpoints=checkpoints,
            events=self._event_count,
            forgotten=forgotten,
            findings=tuple(self._findings),
        )

    def _find(self, place: str, what: str) -> None:
        if len(self._findings) < FINDINGS_MAX:
            self._findings.append(Finding(place=place, what=what))

    def _find_unless_erased(self, place: str, what: str, part_id: int) -> None:
        self._excusable.append((Finding(place=place, what=what), part_id))

    # -- what was signed

    def _take_checkpoints(self) -> int:
        """Note which root the tree must have had at which size."""
        count = 0
        for row in list_checkpoints(self._store, upto=self._scope.signed_upto):
            place = f"checkpoint {row.size}"
            try:
                signed = read_checkpoint(row.note, self._keys)
            except InputError as error:
                self._find(place, str(error))
                continue
            if signed.size != row.size:
                self._find(place, f"the note under it is that of {signed.size} leaves")
            at = format_instant(row.signed_at)
            self._roots.setdefault(signed.size, []).append((f"{place}, signed {at}", signed.root))
            count += 1
        return count

    def _take_kept(self, kept: Kept) -> None:
        try:
            note, leaf = read_kept(kept.text)
            signed = read_checkpoint(note, self._keys)
        except InputError as error:
            self._find(kept.name, str(error))
            return
        self._roots.setdefault(signed.size, []).append((kept.name, signed.root))
        if leaf is not None:
            index, leaf_hash = leaf
            self._leaves_of_receipts.setdefault(index, []).append((kept.name, leaf_hash))

    # -- leaves

    def _take_leaf(self, leaf: LeafRow) -> None:
        place = f"leaf {leaf.index}"
        for name, leaf_hash in self._leaves_of_receipts.get(leaf.index, ()):
            if leaf_hash != leaf.leaf_hash:
                self._find(place, f"not what {name} says that it is")
        if leaf.data is None:
            self._find_unless_erased(place, UNREADABLE, leaf.part_id)
        else:
            if hash_leaf(leaf.data) != leaf.leaf_hash:
                self._find(place, "altered: record and hash do not belong together")
            self._take_data(leaf, leaf.data)
        self._growth.append(leaf.leaf_hash)
        if self._is_whole:
            self._compare_root()
            self._compare_hashes(1, leaf.index, leaf.leaf_hash)

    def _compare_root(self) -> None:
        size = self._growth.size
        if size not in self._roots:
            return
        root = self._growth.root()
        names = [name for name, signed in self._roots[size] if signed != root]
        if names:
            self._is_whole = False
            span = _span(self._fits_upto, size)
            what = f"altered, moved or exchanged: the tree does not fit {', '.join(names)}"
            self._find(span, what)
        self._fits_upto = size

    def _compare_hashes(self, level: int, position: int, value: bytes) -> None:
        """Compare the hash over 256 hashes of the level below, once they are complete."""
        growth = self._levels.setdefault(level, Growth())
        growth.append(value)
        if growth.size < TILE_WIDTH:
            return
        place, root = position // TILE_WIDTH, growth.root()
        self._levels[level] = Growth()
        if self._store.read_log_hashes(level, start=place, count=1) != [root]:
            leaves = TILE_WIDTH**level
            span = _span(place * leaves, (place + 1) * leaves)
            self._find(span, f"do not fit the hash that is kept over them (level {level})")
        self._compare_hashes(level + 1, place, root)

    def _take_end(self, size: int) -> None:
        """Look for what was cut off at the end."""
        for signed_size, signed in sorted(self._roots.items()):
            if signed_size > size:
                names = ", ".join(name for name, _ in signed)
                what = f"missing: the log ends before, and {names} says that it had them"
                self._find(_span(size, signed_size), what)
        for index, kept in self._leaves_of_receipts.items():
            if index >= size:
                self._find(f"leaf {index}", f"missing, and {kept[0][0]} is its receipt")

    # -- records

    def _note_erasure(self, record: Record) -> None:
        """Note which parts a record says were forgotten."""
        if record.kind == "erasure":
            told = record.from_audit.detail if record.from_audit else record.detail
            self._erased.update(told.get("parts", ()))

    def _take_data(self, leaf: LeafRow, data: bytes) -> None:
        place = f"leaf {leaf.index}"
        try:
            _, record = read_leaf(data)
        except msgspec.MsgspecError:
            self._find(place, "planted: its data is no record")
            return
        if record.record_id != str(leaf.index):
            self._find(place, f"moved: its record is that of leaf {record.record_id}")
        self._note_erasure(record)
        if record.kind == "log_begun" and leaf.index == 0:
            self._has_begun = True
            self._after_event = record.detail.get("after_event", 0)
            self._after_entry = record.detail.get("after_entry", 0)
        elif record.kind in CONSENT_KINDS:
            self._match_event(leaf, record)
        elif record.from_audit is not None:
            self._match_entry(place, record)

    def _match_event(self, leaf: LeafRow, record: Record) -> None:
        place, source = f"leaf {leaf.index}", record.from_event
        # Nodes take the number of an event before its leaf, so that theirs may cross.
        is_behind = source is not None and source.sequence <= self._last_told
        if source is None or (is_behind and not self._store.is_shared):
            self._find(place, "moved or planted: its event lies before that of an earlier leaf")
            return
        if source.sequence in self._recorded:
            self._find(place, "planted: its event has an earlier leaf")
            return
        self._last_told = source.sequence
        self._recorded[source.sequence] = _Recorded(
            leaf.index, leaf.part_id, record.kind, source.digest
        )
        if record.kind == "privacy_signal":
            self._signalled.add(leaf.part_id)

    def _match_entry(self, place: str, record: Record) -> None:
        source = record.from_audit
        if source is None:
            return
        entry = self._entries.get(source.entry_id)
        self._told_entries.add(source.entry_id)
        if entry is None:
            self._find(f"audit entry {source.entry_id}", f"missing, and {place} records it")
        elif (entry.actor, entry.verb, entry.detail) != (source.actor, source.verb, source.detail):
            self._find(f"audit entry {source.entry_id}", f"altered since {place} recorded it")

    # -- what must have a record

    def _take_events(self) -> None:
        """Compare every event with its record, and look for those that lack one."""
        for row in self._read_events():
            self._event_count += 1
            recorded = self._recorded.pop(row.sequence, None)
            if recorded is not None:
                self._compare_event(row, recorded)
            elif self._must_be_recorded(row):
                self._find(
                    f"event {row.sequence}",
                    f"speaks of consent ({row.event.name if row.event else ''}) and has no leaf: "
                    "the leaf was removed, or the event planted",
                )
            if row.event is not None and row.event.context.get("gpc") is True:
                self._signalled.add(row.part_id)
        for sequence, recorded in self._recorded.items():
            what = f"planted, or its event {sequence} was removed"
            self._find_unless_erased(f"leaf {recorded.leaf}", what, recorded.part_id)

    def _compare_event(self, row: EventRow, recorded: _Recorded) -> None:
        if row.part_id != recorded.part_id:
            what = f"belongs to part {recorded.part_id}, and its event to {row.part_id}"
            self._find(f"leaf {recorded.leaf}", what)
        place = f"event {row.sequence}"
        if row.event is None:
            self._find_unless_erased(place, UNREADABLE, recorded.part_id)
        elif (digest_of(row.event), kind_of(row.event)) != (recorded.digest, recorded.kind):
            self._find(place, f"altered since leaf {recorded.leaf} recorded it")

    def _must_be_recorded(self, row: EventRow) -> bool:
        event = row.event
        if event is None or row.sequence <= self._after_event:
            return False
        is_signal = event.context.get("gpc") is True
        return event.name in CONSENT_EVENTS or (is_signal and row.part_id not in self._signalled)

    def _take_entries(self) -> None:
        for entry_id, entry in sorted(self._entries.items()):
            is_told = entry_id in self._told_entries or entry_id <= self._after_entry
            if not is_told and entry.detail.get("part") not in self._erased:
                self._find(f"audit entry {entry_id}", f"{entry.verb} has no leaf: it was removed")

    def _take_excusable(self) -> int:
        """Keep what no erasure excuses; return how many records were forgotten."""
        forgotten = 0
        for finding, part_id in self._excusable:
            if part_id not in self._erased:
                self._find(finding.place, finding.what)
            elif finding.place.startswith("leaf"):
                forgotten += 1
        return forgotten

    # -- reading

    def _read_leaves(self) -> Iterator[LeafRow]:
        start = 0
        while rows := self._store.read_leaves(start=start, limit=_CHUNK):
            yield from rows
            start = rows[-1].index + 1

    def _read_events(self) -> Iterator[EventRow]:
        after = 0
        while rows := self._store.read_events(after=after, limit=_CHUNK):
            yield from (row for row in rows if row.sequence <= self._scope.last_event)
            after = rows[-1].sequence


def _span(start: int, end: int) -> str:
    """Return the name of the leaves from one (inclusive) to another (exclusive)."""
    return f"leaf {start}" if end - start == 1 else f"leaves {start} to {end - 1}"
