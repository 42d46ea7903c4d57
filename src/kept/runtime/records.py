"""Where a record is that is played again: a data folder, or the database that several nodes share."""

from pathlib import Path

import msgspec

from kept.clock import SystemClock
from kept.core.brand.load import read_brand
from kept.errors import NotFoundError, SettingsError
from kept.flows.replay.reading import ReplayReading, note_replay
from kept.ports import Store
from kept.recorded_port import Recorded
from kept.runtime.master_key import find_master_key, open_keys, open_keys_to_read
from kept.runtime.server import ADDRESS_FILE
from kept.runtime.stores import Where, find_addresses
from kept.stores.postgres import KeyDatabase, PostgresRecorded, VaultDatabase
from kept.stores.sqlite import SqliteStore
from kept.stores.sqlite.folder import DATABASE_NAME, FolderLock
from kept.stores.sqlite.moved import refuse_moved
from kept.stores.sqlite.recorded import SqliteRecorded
from kept.stores.vault import SealingVault


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record is, and its master key."""

    data: Path
    """The data folder; of a database, the folder of one of its nodes, which has the master key."""
    database: str = ""
    """The PostgreSQL that nodes share, as the setting says it; empty for none."""
    vault_database: str = ""
    master_key: str = ""
    master_key_token: str = ""
    snapshot: str = ""
    """What another reader of the database sees; empty for what is committed now."""

    @property
    def place(self) -> str:
        """Return how people are told of it."""
        return find_addresses(self.database)[0].place if self.database else str(self.data)


def check_source(source: Source) -> None:
    """Refuse what is no record before anything is opened or made.

    Raises:
        SettingsError: there is no store.
    """
    data = source.data
    if source.database:
        find_addresses(source.database, source.vault_database)
        return
    if data.is_file():
        raise SettingsError(
            f"{data} is a file; put a backup into a folder of its own first: "
            f"`kept restore {data} --data FOLDER`"
        )
    refuse_moved(data)
    if (data / DATABASE_NAME).exists():
        return
    if (data / ADDRESS_FILE).exists():
        raise SettingsError(
            f"the server of {data} keeps its store in a database; name that database with --database"
        )
    if _holds_history(data):
        raise SettingsError(
            f"{data} holds the files of history, and these cannot be played: they have no evidence "
            "of who is who, no acts of operators and no folders that were in force; name the data "
            "folder or the database from which they were written"
        )
    raise SettingsError(
        f"there is no store in {data}; name the data folder of a server, or a copy of one, or a "
        "database with --database"
    )


def _holds_history(data: Path) -> bool:
    """Return whether a folder is the history that a server writes, or a part of it."""
    return data.is_dir() and any(True for _ in data.glob("**/*.parquet"))


def open_record(source: Source) -> Recorded:
    """Open a record to be read.

    Raises:
        SettingsError: there is none, or its keys are not there.
        StoreError: it cannot be read.
    """
    check_source(source)
    if source.database:
        return _open_database(source)
    data = source.data
    keys = open_keys_to_read(data, source.master_key, token=source.master_key_token)
    return SqliteRecorded(data, vault=SealingVault(keys))


def _open_database(source: Source) -> PostgresRecorded:
    address, beside = find_addresses(source.database, source.vault_database)
    service = find_master_key(source.data, source.master_key, token=source.master_key_token)
    if service is None:
        raise SettingsError(
            f"the master key of {address.place} is not in {source.data}; name the data folder of a "
            "node with --against, or say with --master-key where the master key is"
        )
    database = VaultDatabase(beside, main=address, reads_only=True)
    try:
        vault = SealingVault(KeyDatabase(database, service))
        return PostgresRecorded(address, vault=vault, snapshot=source.snapshot)
    except BaseException:
        database.close()
        raise


def snapshot_of(recorded: Recorded) -> str:
    """Return by which name other readers see what this one sees; empty where each has its own end."""
    return recorded.export_snapshot() if isinstance(recorded, PostgresRecorded) else ""


def is_in_use(source: Source) -> bool:
    """Return whether a server runs on a data folder, and must be asked to note something."""
    if source.database:
        # Whoever shares a database writes to it beside the others.
        return False
    try:
        FolderLock(source.data).release()
    except SettingsError:
        return True
    return False


def note_reading(source: Source, reading: ReplayReading) -> None:
    """Keep in the audit of a store which is not a running server's own that it is read for a replay.

    Raises:
        NotFoundError: its brand has no such purpose or legal entity.
    """
    store = _open_store(source)
    try:
        row = store.load_brand()
        if row is None:
            raise NotFoundError(
                f"the record in {source.place} is empty: no brand was ever in force"
            )
        brand = read_brand(row.texts).brand
        with store.transaction():
            note_replay(store, brand, reading, actor="command line", now=SystemClock().now())
    finally:
        store.close()


def _open_store(source: Source) -> Store:
    if source.database:
        # Whatever is wrong with it is said by the reader, which makes and changes nothing.
        open_record(source).close()
        where = Where(
            source.data,
            source.database,
            source.vault_database,
            source.master_key,
            source.master_key_token,
        )
        return where.open()
    keys = open_keys(source.data, source.master_key, token=source.master_key_token)
    return SqliteStore(source.data, vault=SealingVault(keys))
