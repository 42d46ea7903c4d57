"""Backup of a living store, verified; and restore into a folder, with the later stops kept."""

import queue
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final, LiteralString

from kept.errors import SettingsError, StoreError
from kept.ports import RESTORED_SETTING, KeyService
from kept.stores.files import make_private_file, sync_file, sync_folder
from kept.stores.guard_log import append_guard_file, digest_record, read_guard_file
from kept.stores.queries import load_queries
from kept.stores.sqlite.connections import open_reader, translate
from kept.stores.sqlite.erasure import LAST_IDS
from kept.stores.sqlite.folder import DATABASE_NAME, GUARD_NAME, KEYS_NAME, FolderLock
from kept.stores.sqlite.key_file import KeyFile, carry_keys, copy_keys, unload_keys
from kept.stores.sqlite.migrations import read_version

PAGES_A_STEP: Final = 256
IDS_LEFT_OUT: Final = 1 << 30
"""More ids than are given out between a backup and its restore."""
COPY_SHARE: Final = 0.8
"""How much of the whole the copying is; the rest is verifying."""


class _AbandonedError(Exception):
    """Nobody waits for the backup any more."""


def back_up(
    source: Path,
    target: Path,
    *,
    keys: Path,
    pause: Callable[[], AbstractContextManager[None]],
    counts: LiteralString,
) -> Iterator[float]:
    """Copy a database that is in use into a new file, with its keys, verify the copy, and sync it.

    The copy is of one instant. It is written under another name first, so that a file of the
    wanted name is always a whole backup.
    """
    if target.exists():
        raise SettingsError(f"{target} exists; name a new file for the backup")
    partial = target.with_name(target.name + ".partial")
    carried = target.with_name(target.name + ".keys.partial")
    try:
        partial.unlink(missing_ok=True)
        make_private_file(partial)
        with closing(open_reader(source)) as connection:
            # Between two transactions: a key that is destroyed meanwhile would leave records behind
            # that nobody can open, not even to forget them again.
            with pause():
                # A read transaction: commits go on, and this connection does not see them.
                connection.execute("BEGIN")
                read_version(connection, path=source)
                if keys.exists():
                    copy_keys(keys, carried)
            expected = dict(connection.execute(counts).fetchall())
            yield from _copy(connection, partial)
        if carried.exists():
            with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                carry_keys(copy, carried)
        yield COPY_SHARE
        _verify(partial, counts=counts, expected=expected)
        sync_file(partial)
        partial.rename(target)
        sync_folder(target.parent)
    except sqlite3.Error as error:
        raise translate(error, path=target) from error
    except OSError as error:
        raise StoreError(f"the backup {target} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
            carried.unlink(missing_ok=True)
    yield 1.0


def restore_backup(
    backup: Path,
    folder: Path,
    *,
    service: KeyService | None = None,
    replace: bool = False,
    stops: Iterable[bytes] = (),
) -> int:
    """Put a backup into a data folder; stops that its guard log holds are kept, and wait there.

    Stops from elsewhere are added to that log before the backup is in place, so that a restore
    which was cut short cannot be taken for one that has them. Returns how many were new to it.

    What left after the backup is not known to it, so the setting `RESTORED_SETTING` is set there.
    A sealed backup carries its keys, and the key service must be able to open them: nothing is
    changed otherwise.
    A folder that a process uses is refused. So is one that holds a database, unless `replace` says
    that it may go: it is then kept beside under another name.
    """
    lock = FolderLock(folder)
    partial = folder / f"{DATABASE_NAME}.partial"
    keys = folder / f"{KEYS_NAME}.partial"
    try:
        database = folder / DATABASE_NAME
        aside = folder / f"{DATABASE_NAME}.replaced"
        if database.exists() and not replace:
            raise SettingsError(
                f"{database} exists, and restoring would replace it; restore into another folder, "
                f"or say `--replace` to keep it as {aside.name}"
            )
        if database.exists() and aside.exists():
            raise SettingsError(f"{aside} is left from an earlier restore; move it away first")
        _verify(backup)
        make_private_file(partial)
        shutil.copyfile(backup, partial)
        _verify(partial)
        _note_restored(partial)
        with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            has_keys = unload_keys(copy, keys)
        if has_keys:
            _check_keys(keys, service)
        sync_file(partial)
        added = _merge_stops(folder, stops)
        _put_aside(folder)
        if has_keys:
            keys.rename(folder / KEYS_NAME)
        partial.rename(database)
        sync_folder(folder)
    except sqlite3.Error as error:
        raise translate(error, path=backup) from error
    except OSError as error:
        raise StoreError(f"{backup} cannot be restored: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
            keys.unlink(missing_ok=True)
        lock.release()
    return added


def _put_aside(folder: Path) -> None:
    """Give the store that is there, and its keys, other names."""
    for name in (DATABASE_NAME, KEYS_NAME):
        # Keys without a database are those of a restore that was cut short; the others are aside.
        is_aside = (folder / f"{name}.replaced").exists()
        for suffix in ("-wal", "-shm", ""):
            old = folder / (name + suffix)
            if is_aside:
                old.unlink(missing_ok=True)
            elif old.exists():
                old.rename(folder / (f"{name}.replaced" + suffix))


def _check_keys(path: Path, service: KeyService | None) -> None:
    """Refuse a backup whose keys nobody can unwrap."""
    if service is None:
        raise SettingsError(
            "the backup is sealed, and there is no master key here; put the one under which it was "
            "made into the data folder, or say with KEPT_MASTER_KEY where it is"
        )
    keys = KeyFile(path, service)
    try:
        keys.open(b"")
    finally:
        keys.close()


def _merge_stops(folder: Path, stops: Iterable[bytes]) -> int:
    """Add stops to a folder's guard log, each once; return how many were new to it."""
    known, length = read_guard_file(folder / GUARD_NAME)
    digests = {digest_record(record) for record in known}
    new = {digest_record(record): record for record in stops}
    missing = [record for digest, record in new.items() if digest not in digests]
    if missing:
        append_guard_file(folder / GUARD_NAME, missing, at=length)
        sync_folder(folder)
    return len(missing)


def _copy(connection: sqlite3.Connection, partial: Path) -> Iterator[float]:
    """Copy in steps on a thread of its own, yielding how far it is."""
    steps: queue.SimpleQueue[float | Exception | None] = queue.SimpleQueue()
    is_abandoned = Event()

    def note(_status: int, left: int, total: int) -> None:
        if is_abandoned.is_set():
            raise _AbandonedError
        steps.put(1 - left / max(total, 1))

    def run() -> None:
        try:
            with closing(sqlite3.connect(partial, check_same_thread=False)) as copy:
                # The copy is synced as a whole at the end; a crash before leaves no backup.
                copy.execute("PRAGMA synchronous = OFF")
                connection.backup(copy, pages=PAGES_A_STEP, progress=note)
                # One file, without a log beside it.
                copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        except (sqlite3.Error, _AbandonedError) as error:
            steps.put(error)
        else:
            steps.put(None)

    thread = Thread(target=run, name="kept-backup", daemon=True)
    thread.start()
    try:
        while (step := steps.get()) is not None:
            if isinstance(step, Exception):
                raise step
            yield step * COPY_SHARE
    finally:
        is_abandoned.set()
        thread.join()


def _note_restored(path: Path) -> None:
    """Let whoever opens the store know that the world is ahead of it.

    Links in messages name parts, and providers know messages by their decisions: what was given
    out after the backup must not come to mean somebody else.
    """
    queries = {
        name: sql
        for file in ("records", "derived", "identity")
        for name, sql in load_queries(f"sqlite/{file}.sql").items()
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(queries["save_setting"], (RESTORED_SETTING, b"1"))
        for name, find in LAST_IDS:
            (last,) = connection.execute(queries[find]).fetchone()
            connection.execute(queries["save_mark"], (name, last + IDS_LEFT_OUT))


def _verify(
    path: Path, *, counts: LiteralString = "", expected: dict[str, int] | None = None
) -> None:
    """Refuse a file that is not a whole database of ours, or lacks what it should hold."""
    if not path.exists():
        raise SettingsError(f"there is no backup {path}")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            if read_version(copy, path=path) == 0:
                raise SettingsError(f"{path} is not a backup: it is empty")
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError(f"{path} is damaged: {found}")
            if expected is not None and dict(copy.execute(counts).fetchall()) != expected:
                raise StoreError(f"{path} does not hold what the store held; back up again")
    except sqlite3.DatabaseError as error:
        raise translate(error, path=path) from error
