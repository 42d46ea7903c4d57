"""Sign checkpoints of the consent log, and keep the keys that sign them.

What is signed was compared first with what was signed before: a tree that is no continuation of it
is never signed. A checkpoint is shown to nobody before the commit that keeps it.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kept.clock import random_bytes
from kept.core.checkpoint import (
    SEED_BYTES,
    Checkpoint,
    KeyPeriod,
    LogKey,
    key_of,
    parse_key,
    read_checkpoint,
    sign_checkpoint,
)
from kept.core.merkle import (
    TILE_HEIGHT,
    ReadSubtree,
    is_consistent,
    prove_consistency,
    root_at,
    root_of,
)
from kept.errors import ConflictError, InputError, StoreError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_in_log, note_operator
from kept.log_port import CheckpointRow
from kept.ports import RESTORED_SETTING, Store

BROKEN: Final = "log_broken"
_SETTING: Final = "log_keys"
_PLAIN: Final = re.compile(r"[^a-z0-9]+")


class LogKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The key that signs, with its secret, and all keys there ever were, oldest first."""

    seed: bytes
    periods: tuple[KeyPeriod, ...]

    @property
    def present(self) -> LogKey:
        """Return the key that signs now."""
        return parse_key(self.periods[-1].key)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(LogKeys).decode


def load_log_keys(store: Store) -> LogKeys | None:
    """Return the log's keys, None where the log never began."""
    stored = store.load_setting(_SETTING)
    return None if stored is None else _decode(stored)


def public_keys(store: Store) -> tuple[LogKey, ...]:
    """Return every key that the log ever signed with, oldest first."""
    keys = load_log_keys(store)
    return () if keys is None else tuple(parse_key(period.key) for period in keys.periods)


def open_log(engine: Engine, now: int) -> None:
    """Begin the log at the first start; after a restore, go on under a new name.

    A backup does not hold what was signed after it. Going on under the old name would sign a second,
    different history of the same log; under a new one, the log says itself that it was restored.
    """
    store = engine.store
    keys = load_log_keys(store)
    if keys is None:
        keys = _add_key(engine, None, _new_name(engine.bundle.brand.brand.brand), now)
        detail: dict[str, Any] = {
            "after_event": store.last_sequence(),
            "after_entry": _last_entry(store),
            "key": keys.periods[-1].key,
        }
        note_in_log(store, "log_begun", now=now, detail=detail)
    elif store.load_setting(RESTORED_SETTING) or _is_outdated(store):
        replaced, witness = keys.periods[-1].key, store.load_witness()
        keys = _add_key(engine, keys, _new_name(engine.bundle.brand.brand.brand), now)
        detail = {"key": keys.periods[-1].key, "replaces": replaced, "signed_before": witness}
        note_in_log(store, "log_key", now=now, detail=detail)
        engine.alert("log_renewed", at=now)
    engine.log_periods = keys.periods
    sign_if_due(engine, now)


def _is_outdated(store: Store) -> bool:
    """Return whether the log lacks leaves that the checkpoint kept beside it speaks of.

    Then an older database has taken the place of the newest one, and nobody said so.
    """
    witness = store.load_witness()
    try:
        return (
            bool(witness) and read_checkpoint(witness, public_keys(store)).size > store.log_size()
        )
    except InputError:
        # A key that this store never heard of signed it.
        return True


def rotate_key(engine: Engine, *, actor: str, now: int) -> KeyPeriod:
    """Sign with a new key from now on; the old one stays listed for what it signed.

    Raises:
        ConflictError: the log does not fit what was signed of it.
    """
    store = engine.store
    keys = _require_keys(store)
    sign_log(engine, now)
    replaced = keys.periods[-1].key
    keys = _add_key(engine, keys, keys.present.name, now)
    detail = {"key": keys.periods[-1].key, "replaces": replaced}
    note_operator(store, "log_key", actor=actor, verb="rotate_log_key", detail=detail, now=now)
    sign_log(engine, now)
    return keys.periods[-1]


def sign_log(engine: Engine, now: int) -> CheckpointRow:
    """Return the signed checkpoint of the log as it is now.

    Raises:
        ConflictError: the log does not fit what was signed of it; nothing is signed.
    """
    store = engine.store
    keys = _require_keys(store)
    size, newest = store.log_size(), store.read_newest_checkpoint()
    if newest is not None and newest.size == size:
        return newest
    read = read_subtrees(store)
    checkpoint = Checkpoint(origin=keys.present.name, size=size, root=root_at(size, read))
    if not size or (newest is not None and not _continues(store, newest, checkpoint, read)):
        raise ConflictError(
            f"the consent log has {size} leaves that do not continue what was signed, so that it is "
            "not signed; run `kept audit`, and restore a backup"
        )
    row = CheckpointRow(size=size, signed_at=now, note=sign_checkpoint(checkpoint, keys.seed))
    store.save_checkpoint(row)
    return row


def sign_if_due(engine: Engine, now: int) -> None:
    """Sign the log if it grew; where it does not fit what was signed, alert the operator instead."""
    if load_log_keys(engine.store) is None:
        return
    try:
        sign_log(engine, now)
    except (InputError, StoreError):
        # Once is enough: it stays broken until somebody mends it.
        if all(alert["code"] != BROKEN for alert in engine.alerts):
            engine.alert(BROKEN, at=now)


def read_subtrees(store: Store) -> ReadSubtree:
    """Return what reads the hashes of complete subtrees from a store, a few rows for each."""

    def read(height: int, place: int) -> bytes:
        level, rest = divmod(height, TILE_HEIGHT)
        count = 1 << rest
        hashes = store.read_log_hashes(level, start=place * count, count=count)
        if len(hashes) < count:
            raise StoreError("the consent log lacks hashes; run `kept audit`, and restore a backup")
        return root_of(hashes)

    return read


def list_checkpoints(store: Store, *, upto: int) -> Iterator[CheckpointRow]:
    """Yield every signed checkpoint up to a size (inclusive), the smallest first."""
    after = -1
    while rows := store.read_checkpoints(after=after, limit=1_000):
        yield from (row for row in rows if row.size <= upto)
        after = rows[-1].size


def _continues(
    store: Store, newest: CheckpointRow, checkpoint: Checkpoint, read: ReadSubtree
) -> bool:
    """Return whether a tree begins with what was signed last, also as it is kept beside the store."""
    notes = [newest.note]
    witness = store.load_witness()
    # One of before a restore speaks of a tree that this one does not claim to be.
    if witness.partition("\n")[0] == checkpoint.origin:
        notes.append(witness)
    signed = [read_checkpoint(note, public_keys(store)) for note in notes]
    return all(
        one.size <= checkpoint.size
        and is_consistent(
            one.size,
            one.root,
            checkpoint.size,
            checkpoint.root,
            prove_consistency(one.size, checkpoint.size, read),
        )
        for one in signed
    )


def _add_key(engine: Engine, keys: LogKeys | None, name: str, now: int) -> LogKeys:
    seed = random_bytes(SEED_BYTES)
    ended: tuple[KeyPeriod, ...] = ()
    if keys is not None:
        *before, last = keys.periods
        ended = (*before, msgspec.structs.replace(last, until=now))
    added = LogKeys(seed=seed, periods=(*ended, KeyPeriod(key=key_of(name, seed).text, since=now)))
    engine.store.change_control()
    engine.store.save_setting(_SETTING, _encode(added))
    engine.log_periods = added.periods
    return added


def _new_name(brand: str) -> str:
    """Return a name for a log that no other log has: C2SP asks for no spaces and no plus."""
    plain = _PLAIN.sub("-", brand.lower()).strip("-") or "brand"
    return f"{plain}/consent-log/{random_bytes(4).hex()}"


def _require_keys(store: Store) -> LogKeys:
    keys = load_log_keys(store)
    if keys is None:
        raise ConflictError("the consent log has not begun; start a server on this data folder")
    return keys


def _last_entry(store: Store) -> int:
    newest = store.read_audit(newest=1)
    return newest[0].entry_id if newest else 0
