"""Restore: a backup in the place of a store, with what customers withdrew since."""

from pathlib import Path

import msgspec

from kept.flows.guard import is_stop
from kept.flows.keys import ADMIN_SETTING
from kept.runtime.server import ADMIN_TOKEN_FILE
from kept.stores.guard_log import salvage_guard_file
from kept.stores.sqlite import SqliteStore, restore_backup
from kept.stores.sqlite.folder import GUARD_NAME
from kept.stores.vault import PlainVault


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore has done."""

    log: Path
    """The folder's own guard log."""
    waiting: int
    """Later withdrawals that are applied before the first message."""
    added: int = 0
    """Those of them that came from the other guard log."""
    damaged_lines: list[int] = []
    """Lines of the other guard log that nobody can read, counted from 1."""


def restore(
    backup: Path, data: Path, *, replace: bool = False, guard: Path | None = None
) -> Restored:
    """Put a backup into a data folder, with the stops of its guard log and of another one.

    Raises:
        SettingsError: a process uses the folder, it holds a store and `replace` is not said, or
            there is no such guard log. Nothing is changed then.
        StoreError: the backup, or the folder's own guard log, is damaged.
    """
    stops: list[bytes] = []
    damaged: list[int] = []
    if guard is not None:
        stops, damaged = salvage_guard_file(guard, is_record=is_stop)
    added = restore_backup(backup, data, replace=replace, stops=stops)
    store = SqliteStore(data, vault=PlainVault())
    try:
        if not (data / ADMIN_TOKEN_FILE).exists():
            # A backup knows the token's hash alone; on a new machine the next start makes another.
            with store.transaction():
                store.save_setting(ADMIN_SETTING, b"")
        return Restored(
            log=data / GUARD_NAME,
            waiting=len(store.load_guard()),
            added=added,
            damaged_lines=damaged,
        )
    finally:
        store.close()
