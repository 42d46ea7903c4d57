"""The move of an embedded store to PostgreSQL: piece by piece, compared at the end, then for good."""

from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from kept.clock import random_bytes
from kept.errors import SettingsError
from kept.runtime.master_key import open_keys, open_master_key
from kept.runtime.move_check import CHUNK, Compared, Comparison, Report
from kept.runtime.stores import find_addresses
from kept.stores.moving import KEYS, NUMBERS, STORE, Key, Place
from kept.stores.postgres import Address, KeyDatabase, VaultDatabase
from kept.stores.postgres.moving import MovingDatabase
from kept.stores.sqlite import SqliteStore
from kept.stores.sqlite.folder import DATABASE_NAME
from kept.stores.sqlite.moved import Moved, read_moved, refuse_moved, remove_moved, write_moved
from kept.stores.sqlite.moving import MovingFolder, Source
from kept.stores.vault import MASTER_KEY_NAME, SealingVault

_ID_BYTES: Final = 16


class MoveDone(msgspec.Struct, frozen=True, kw_only=True):
    """What a move has carried over."""

    to: str
    rows: int
    """How many rows were compared; 0 where all of it was carried out before."""
    opened: int
    """Sealed records that were opened where they are now."""
    log_size: int
    log_root: bytes
    """The consent log's, here and there."""
    master_key: Path | None
    """The file of the master key in the folder, which every node needs; None if it is elsewhere."""


def move(
    data: Path,
    *,
    to: str,
    vault_database: str = "",
    master_key: str = "",
    master_key_token: str = "",
    report: Report = lambda what, rows: None,
) -> MoveDone:
    """Carry the store of a data folder, and its keys, to an empty PostgreSQL; compare both; end here.

    Interrupted, it goes on where it stopped when it is called again.

    Raises:
        SettingsError: the folder is in use or holds no store, or the database is not empty. Nothing
            is changed then.
        StoreError: what is there is not what is here.
    """
    if not (data / DATABASE_NAME).exists():
        raise SettingsError(f"there is no store in {data}; name the data folder of a server")
    main, beside = find_addresses(to, vault_database)
    service = open_master_key(data, master_key, token=master_key_token)
    with ExitStack() as opened:
        noted = read_moved(data)
        if noted is None:
            # As a start does: the schema is brought up to date, what is not sealed is sealed.
            keys = open_keys(data, master_key, token=master_key_token)
            SqliteStore(data, vault=SealingVault(keys)).close()
        elif noted.is_finished or noted.to != main.place:
            refuse_moved(data)
        folder = MovingFolder(data)
        opened.callback(folder.close)
        # Makes the database of keys if it is not there.
        VaultDatabase(beside, main=main).close()
        targets: dict[Place, MovingDatabase] = {
            "keys": MovingDatabase(beside, "keys"),
            "store": MovingDatabase(main, "store"),
        }
        for target in targets.values():
            opened.callback(target.close)
        noted = _begin(data, main, targets, noted)
        done = Compared()
        # Where only the note here is missing, nodes may be at work there already.
        if not all(target.is_finished for target in targets.values()):
            _Carrier(folder, targets, report).carry()
            vault = SealingVault(KeyDatabase(VaultDatabase(beside, main=main), service))
            opened.callback(vault.close)
            comparison = Comparison(folder, targets, vault, report)
            comparison.run()
            done = comparison.found
            for target in targets.values():
                target.finish(bytes.fromhex(noted.move_id))
        write_moved(data, msgspec.structs.replace(noted, is_finished=True))
    return _tell(data, main, done, is_key_here=not master_key)


def _begin(
    data: Path, main: Address, targets: dict[Place, MovingDatabase], noted: Moved | None
) -> Moved:
    """Note the move here first, so that nobody writes here once something is there."""
    moved = noted or Moved(move_id=random_bytes(_ID_BYTES).hex(), to=main.place, is_finished=False)
    if noted is None:
        write_moved(data, moved)
    try:
        for target in targets.values():
            target.begin(bytes.fromhex(moved.move_id))
    except SettingsError:
        if noted is None:
            remove_moved(data)
        raise
    return moved


def _tell(data: Path, main: Address, done: Compared, *, is_key_here: bool) -> MoveDone:
    key_file = data / MASTER_KEY_NAME
    return MoveDone(
        to=main.place,
        rows=done.rows,
        opened=done.opened,
        log_size=done.growth.size,
        log_root=done.growth.root(),
        master_key=key_file if is_key_here and key_file.exists() else None,
    )


class _Carrier:
    """Carries table by table."""

    def __init__(
        self, folder: MovingFolder, targets: dict[Place, MovingDatabase], report: Report
    ) -> None:
        self._folder = folder
        self._targets = targets
        self._report = report

    def carry(self) -> None:
        """Carry over what was not carried yet, and let numbers go on behind what is here."""
        for table in (*KEYS, *STORE):
            for source in self._folder.list_sources(table):
                self._carry(source)
        numbers = self._folder.last_numbers()
        count = len(NUMBERS["store"])
        self._targets["store"].set_numbers(numbers[:count])
        self._targets["keys"].set_numbers(numbers[count:])

    def _carry(self, source: Source) -> None:
        table = source.table
        target = self._targets[table.place]
        if target.is_finished:
            return
        after: Key = target.carried_to(source.step, table)
        while rows := self._folder.read(source, after=after, limit=CHUNK):
            target.write(source.step, table, rows)
            after = table.key_of(rows[-1])
            self._report(f"carrying {table.title}", len(rows))
