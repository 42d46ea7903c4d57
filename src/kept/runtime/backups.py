"""Restore: a backup in the place of a store, with what customers withdrew since."""

from pathlib import Path

import msgspec

from kept.clock import SystemClock
from kept.errors import SettingsError
from kept.flows.guard import is_stop
from kept.flows.note_in_log import note_operator
from kept.flows.staff import ADMIN_SETTING
from kept.runtime.master_key import find_master_key, open_keys
from kept.runtime.server import ADMIN_TOKEN_FILE
from kept.runtime.stores import Where, find_addresses
from kept.stores.guard_log import salvage_guard_file
from kept.stores.postgres import VaultDatabase
from kept.stores.postgres.restored import note_restored, refuse_empty
from kept.stores.sqlite import SqliteStore, restore_backup
from kept.stores.sqlite.backup import IDS_LEFT_OUT
from kept.stores.sqlite.folder import DATABASE_NAME, GUARD_NAME
from kept.stores.sqlite.moved import refuse_moved
from kept.stores.vault import SealingVault


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
    backup: Path,
    data: Path,
    *,
    replace: bool = False,
    guard: Path | None = None,
    master_key: str = "",
    master_key_token: str = "",
) -> Restored:
    """Put a backup into a data folder, with the stops of its guard log and of another one.

    Raises:
        SettingsError: a process uses the folder, it holds a store and `replace` is not said,
            there is no such guard log, or the master key is not the one of the backup (any more).
            Nothing is changed then.
        StoreError: the backup, or the folder's own guard log, is damaged.
    """
    stops: list[bytes] = []
    damaged: list[int] = []
    if guard is not None:
        stops, damaged = salvage_guard_file(guard, is_record=is_stop)
    data.mkdir(parents=True, exist_ok=True)
    service = find_master_key(data, master_key, token=master_key_token)
    added = restore_backup(backup, data, service=service, replace=replace, stops=stops)
    keys = open_keys(data, master_key, token=master_key_token)
    store = SqliteStore(data, vault=SealingVault(keys))
    try:
        with store.transaction():
            # Whoever was signed in when it was made may have been shut out since.
            store.drop_sessions(each.digest for each in store.load_sessions())
            if not (data / ADMIN_TOKEN_FILE).exists():
                # A backup knows the token's hash alone; on a new machine the next start makes another.
                store.save_setting(ADMIN_SETTING, b"")
        return Restored(
            log=data / GUARD_NAME,
            waiting=len(store.load_guard()),
            added=added,
            damaged_lines=damaged,
        )
    finally:
        store.close()


def note_database_restored(where: Where) -> int:
    """Take up a database that was restored by PostgreSQL's own means; return how many stops wait.

    They are applied from the database of keys when the first node starts. Promotions are paused then.

    Raises:
        SettingsError: no database is named, it holds no store, or nodes are at work on it.
    """
    if not where.database:
        raise SettingsError("name the database that was restored, with --database or KEPT_DATABASE")
    main, beside = find_addresses(where.database, where.vault_database)
    refuse_empty(main)
    store = where.open()
    database = VaultDatabase(beside, main=main)
    try:
        note_restored(store, main, database, left_out=IDS_LEFT_OUT)
        return len(store.load_guard())
    finally:
        database.close()
        store.close()


def renew_admin_token(where: Where) -> None:
    """Let the next start on a data folder, or of any node on a database, write a new admin token.

    Raises:
        SettingsError: there is no store, or a process uses the folder.
    """
    if where.database:
        refuse_empty(find_addresses(where.database, where.vault_database)[0])
    elif not (where.data / DATABASE_NAME).exists():
        refuse_moved(where.data)
        raise SettingsError(
            f"there is no store in {where.data}; name the data folder of a server, or the database "
            "with --database"
        )
    store = where.open()
    try:
        # Nodes learn of it as of every change of who may do what.
        with store.transaction(alone=True):
            store.change_control()
            store.save_setting(ADMIN_SETTING, b"")
            note_operator(
                store,
                "approval",
                actor="command line",
                verb="renew_admin_token",
                detail={},
                now=SystemClock().now(),
            )
    finally:
        store.close()
