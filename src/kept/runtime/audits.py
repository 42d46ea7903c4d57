"""The audit of a store that is opened here, and of what a server shows to everybody."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from kept.core.checkpoint import Checkpoint, LogKey, read_checkpoint
from kept.core.merkle import TILE_WIDTH, Growth
from kept.core.receipt import read_kept
from kept.errors import InputError, SettingsError, StoreError
from kept.flows.audit_log import Audited, Finding, Kept, audit_log, begin_audit
from kept.runtime.server import ADDRESS_FILE
from kept.runtime.stores import Where
from kept.stores.sqlite.folder import DATABASE_NAME, KEYS_NAME, FolderLock
from kept.stores.sqlite.moved import refuse_moved

_HASH_BYTES: Final = 32


def audit_store(where: Where, *, against: Sequence[Kept]) -> Audited | None:
    """Return what an audit of a store finds, None where a server runs on its folder: ask that one.

    A database that nodes share is audited while they work.

    Raises:
        SettingsError: there is no store in the folder, or its keys or master key are missing.
        StoreError: the store is so damaged that it cannot be opened.
    """
    if not where.database and not _is_free(where.data):
        return None
    store = where.open()
    try:
        with store.transaction(alone=True):
            scope = begin_audit(store)
        return audit_log(store, scope, against=against)
    finally:
        store.close()


def _is_free(data: Path) -> bool:
    """Return whether a data folder's store may be opened here, and no server has it."""
    refuse_moved(data)
    missing = [name for name in (DATABASE_NAME, KEYS_NAME) if not (data / name).exists()]
    if missing and (data / ADDRESS_FILE).exists():
        # Its store is in a database, which that server knows.
        return False
    if missing:
        raise SettingsError(
            f"there is no {missing[0]} in {data}; name the data folder of a server, or the "
            "database with --database"
        )
    try:
        FolderLock(data).release()
    except SettingsError:
        return False
    return True


def audit_public(
    read: Callable[[str], bytes], keys: Sequence[LogKey], *, against: Sequence[Kept]
) -> Audited:
    """Return what anybody can find out about a log without being let in: hashes and signatures.

    Args:
        read: returns what a server answers under a path below `/v1/log`.
        keys: the keys that the log may sign with.
        against: checkpoints and receipts that were kept elsewhere.

    Raises:
        InputError: the server's own checkpoint is signed by none of the keys.
        StoreError: the server lacks hashes that its checkpoint speaks of.
    """
    checkpoint = read_checkpoint(read("checkpoint").decode(), keys)
    findings: list[Finding] = []
    wanted, leaves = _take_kept(against, keys, findings)
    wanted.append((f"the server's checkpoint of {checkpoint.size}", checkpoint))
    growth = Growth()
    for place in range(-(-checkpoint.size // TILE_WIDTH)):
        for leaf_hash in _read_tile(read, place, checkpoint.size):
            for name, kept_hash in leaves.get(growth.size, ()):
                if kept_hash != leaf_hash:
                    what = f"not what {name} says that it is"
                    findings.append(Finding(place=f"leaf {growth.size}", what=what))
            growth.append(leaf_hash)
            for name, kept in wanted:
                if kept.size == growth.size and kept.root != growth.root():
                    what = f"altered, moved or exchanged: the tree does not fit {name}"
                    findings.append(Finding(place=f"leaves 0 to {kept.size - 1}", what=what))
    for name, kept in wanted:
        if kept.size > growth.size:
            what = f"missing: the log ends before, and {name} says that it had them"
            span = f"leaves {growth.size} to {kept.size - 1}"
            findings.append(Finding(place=span, what=what))
    return Audited(
        size=growth.size,
        root=b64encode(growth.root()).decode(),
        checkpoints=1,
        events=0,
        forgotten=0,
        findings=tuple(findings),
    )


def _take_kept(
    against: Sequence[Kept], keys: Sequence[LogKey], findings: list[Finding]
) -> tuple[list[tuple[str, Checkpoint]], dict[int, list[tuple[str, bytes]]]]:
    """Return the checkpoints and the leaves that were kept elsewhere, each with its file's name."""
    checkpoints = []
    leaves: dict[int, list[tuple[str, bytes]]] = {}
    for kept in against:
        try:
            note, leaf = read_kept(kept.text)
            checkpoints.append((kept.name, read_checkpoint(note, keys)))
        except InputError as error:
            findings.append(Finding(place=kept.name, what=str(error)))
            continue
        if leaf is not None:
            leaves.setdefault(leaf[0], []).append((kept.name, leaf[1]))
    return checkpoints, leaves


def _read_tile(read: Callable[[str], bytes], place: int, size: int) -> list[bytes]:
    width = min(TILE_WIDTH, size - place * TILE_WIDTH)
    path = tile_path(0, place, width)
    raw = read(path)
    if len(raw) != width * _HASH_BYTES:
        raise StoreError(f"the server answers {path} with {len(raw)} bytes")
    return [raw[at : at + _HASH_BYTES] for at in range(0, len(raw), _HASH_BYTES)]


def tile_path(level: int, place: int, width: int) -> str:
    """Return the path of a tile, as C2SP tlog-tiles writes it: `tile/0/x001/234.p/5`."""
    groups = [f"{place % 1000:03d}"]
    while place := place // 1000:
        groups.append(f"x{place % 1000:03d}")
    suffix = f".p/{width}" if width < TILE_WIDTH else ""
    return f"tile/{level}/{'/'.join(reversed(groups))}{suffix}"
