"""Restore: a backup in the place of a store, with what customers withdrew since."""

from pathlib import Path

from kept.stores.sqlite import SqliteStore, restore_backup
from kept.stores.vault import PlainVault


def restore(backup: Path, data: Path, *, replace: bool = False) -> int:
    """Put a backup into a data folder; return how many later withdrawals wait to be applied.

    Raises:
        SettingsError: a process uses the folder, or it holds a store and `replace` is not said.
        StoreError: the backup is damaged.
    """
    restore_backup(backup, data, replace=replace)
    store = SqliteStore(data, vault=PlainVault())
    try:
        return len(store.load_guard())
    finally:
        store.close()
