"""The file of keys: a data key for each part, wrapped under epochs of the brand's master key.

The master key itself never lies here. It wraps one secret an epoch, and that secret wraps the keys,
so that an outside key service is asked once an epoch and not once a part. Of two reasons why a key
cannot be read any more, destroying its row forgets one part; destroying the epoch in the key service
closes every copy of the file, backups too.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, LiteralString

from kept.clock import random_bytes
from kept.errors import SettingsError, StoreError
from kept.ports import KeyService
from kept.stores.codecs import pack_ids
from kept.stores.files import make_private_file, sync_file, sync_folder
from kept.stores.queries import load_queries
from kept.stores.sqlite.connections import open_reader, translate
from kept.stores.vault.epochs import (
    BEFORE_ALL,
    IDENTITY_BYTES,
    SECRET_BYTES,
    Epochs,
    EpochStatus,
    bind_part,
    bind_secret,
    make_secret,
)

CACHE_KIB: Final = 16 * 1024

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    # A key that is deleted is overwritten: a free page must not hold it.
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA cache_size = -{CACHE_KIB}",
)


class KeyFile:
    """Keys of parts by their ids; one thread changes them, any thread may look one up."""

    def __init__(self, path: Path, service: KeyService, *, reads_only: bool = False) -> None:
        """Name the file; it is opened by `open`, and never written where it is only to be read."""
        self.path = path
        self._reads_only = reads_only
        self.service = service
        self.identity = b""
        self._queries = load_queries("sqlite/vault.sql")
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._epochs = Epochs(place=str(path))
        self._unwritten: dict[int, bytes] = {}
        self._rewrapped_to = BEFORE_ALL

    # -- opening

    def open(self, identity: bytes) -> None:
        """Open the file that a store was sealed with, or make one for a store without any.

        Raises:
            SettingsError: it is missing or another store's, or its master key is not there.
        """
        is_new = not self.path.exists()
        if is_new and identity:
            raise SettingsError(
                f"the keys {self.path} are missing, and the store beside it was sealed with them; "
                "put them back (a backup carries them: `kept restore`)"
            )
        try:
            self._connect()
        except sqlite3.Error as error:
            raise translate(error, path=self.path) from error
        row = self._fetch_one("load_identity")
        if row is None and identity:
            raise SettingsError(f"{self.path} holds no keys, and the store beside it needs them")
        if row is not None and identity and row[0] != identity:
            raise SettingsError(
                f"{self.path} holds the keys of another store; put back those of this one"
            )
        self._take_up_epochs()
        self.identity = row[0] if row is not None else self._begin()

    def _connect(self) -> None:
        if self._reads_only:
            self._connection = open_reader(self.path)
            return
        make_private_file(self.path)
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            self._connection.execute(pragma)
        self._connection.executescript(self._queries["make_tables"])
        sync_folder(self.path.parent)

    def _begin(self) -> bytes:
        """Give a new file its id."""
        identity = random_bytes(IDENTITY_BYTES)
        with self._writing():
            self._execute("save_identity", (identity,))
        return identity

    def _take_up_epochs(self) -> None:
        """Unwrap the secret of every epoch that the service still has; begin the newest if need be."""
        self._epochs.take_up(self._fetch("load_epochs"), self.service)
        if not self._epochs.has_newest and not self._reads_only:
            self._begin_epoch(self._epochs.newest)

    def _begin_epoch(self, epoch: int) -> None:
        secret, wrapped = make_secret(self.service, epoch)
        with self._writing():
            self._execute("insert_epoch", (epoch, wrapped))
        self._epochs.admit(epoch, secret)

    # -- keys

    def find(self, part_id: int) -> bytes | None:
        """Return the key of a part, None if it has none or it was destroyed."""
        key = self._unwritten.get(part_id)
        if key is not None:
            return key
        with self._lock:
            row = self._fetch_one("find_part_key", (part_id,))
        return self._epochs.unwrap(bind_part(part_id), *row) if row is not None else None

    def find_many(self, part_ids: Collection[int]) -> dict[int, bytes]:
        """Return the keys of parts; those that have none are left out."""
        found = {part_id: self.find(part_id) for part_id in part_ids}
        return {part_id: key for part_id, key in found.items() if key is not None}

    def add(self, part_id: int, key: bytes) -> None:
        """Keep a new key; it is durable after `settle`."""
        self._unwritten[part_id] = key

    def settle(self) -> None:
        """Write and sync the new keys."""
        if not self._unwritten:
            return
        rows = [
            (part_id, self._epochs.newest, self._epochs.wrap(bind_part(part_id), key))
            for part_id, key in self._unwritten.items()
        ]
        with self._writing():
            self._execute_all("insert_part_key", rows)
        self._unwritten = {}

    def destroy(self, part_ids: list[int]) -> None:
        """Delete keys, and what the log of the database still holds of them."""
        for part_id in part_ids:
            self._unwritten.pop(part_id, None)
        with self._writing():
            self._execute("delete_part_keys", (pack_ids(part_ids),))
        self._truncate_log()

    def load_secret(self, name: str) -> bytes:
        """Return a secret of the whole store; the first time it is made."""
        row = self._fetch_one("find_secret", (name,))
        bound = bind_secret(name)
        if row is not None:
            return self._epochs.unwrap(bound, *row)
        secret = random_bytes(SECRET_BYTES)
        with self._writing():
            self._execute(
                "save_secret", (name, self._epochs.newest, self._epochs.wrap(bound, secret))
            )
        return secret

    # -- epochs

    def list_epochs(self) -> list[EpochStatus]:
        """Return the epochs that are in use here, ascending."""
        there = set(self.service.list_epochs())
        with self._lock:
            rows = self._fetch("list_epochs")
        return [
            EpochStatus(
                epoch=epoch, begun_at=begun_at, retired_at=retired_at, is_there=epoch in there
            )
            for epoch, begun_at, retired_at in rows
        ]

    def count_keys(self) -> dict[int, int]:
        """Return how many keys each epoch wraps; looks through all of them."""
        with self._lock:
            return dict(self._fetch("count_keys"))

    def rotate(self) -> int:
        """Begin a new epoch of the master key, and return it; old keys are wrapped anew by `rewrap`.

        Raises:
            SettingsError: the key service cannot be changed from here.
        """
        epoch = self.service.begin_epoch()
        self._begin_epoch(epoch)
        self._epochs.newest = epoch
        self._rewrapped_to = BEFORE_ALL
        return epoch

    def rewrap(self, limit: int, *, now: int) -> int:
        """Wrap keys of older epochs under the newest, at most `limit`; return how many.

        When none is left, the older epochs are retired.
        """
        self.settle()
        epochs, newest = self._epochs, self._epochs.newest
        if not self._fetch("find_unretired_epoch", (newest,)):
            # Nothing is wrapped under an older one, and nobody need look through all keys for it.
            return 0
        with self._lock:
            rows = self._fetch("find_old_keys", (self._rewrapped_to, newest, limit))
            secrets = self._fetch("find_old_secrets", (newest,))
        renewed = [
            (newest, epochs.wrap(bound, epochs.unwrap(bound, epoch, wrapped)), part_id)
            for part_id, epoch, wrapped in rows
            for bound in (bind_part(part_id),)
        ]
        with self._writing():
            self._execute("date_epoch", (now,))
            self._execute_all("update_part_key", renewed)
            for name, epoch, wrapped in secrets:
                bound = bind_secret(name)
                again = epochs.wrap(bound, epochs.unwrap(bound, epoch, wrapped))
                self._execute("save_secret", (name, newest, again))
            if not rows:
                self._execute("retire_epochs", (now, newest))
        if rows:
            self._rewrapped_to = rows[-1][0]
        return len(rows)

    def destroy_epochs(self, *, retired_before: int) -> list[int]:
        """Destroy epochs that have been retired for long; return those that only the operator can."""
        left: list[int] = []
        for status in self.list_epochs():
            if status.epoch == self._epochs.newest or not 0 < status.retired_at <= retired_before:
                continue
            if status.is_there and not self.service.may_change:
                left.append(status.epoch)
                continue
            if status.is_there:
                self.service.destroy_epoch(status.epoch)
            self._epochs.drop(status.epoch)
            with self._writing():
                self._execute("delete_epoch", (status.epoch,))
            self._truncate_log()
        return left

    def close(self) -> None:
        """Forget what is in memory, and let go of the file."""
        # Not under a thread that is just reading.
        with self._lock:
            self._epochs.clear()
            self._unwritten = {}
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # -- the database

    def _truncate_log(self) -> None:
        """Move everything into the file, so that no old page stays readable in the log."""
        with self._lock:
            busy, *_ = self._require().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(f"{self.path} is read by another process; stop it: keys must go")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep the file for one transaction; it is on the disk when this ends."""
        with self._lock:
            connection = self._require()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise translate(error, path=self.path) from error
                raise

    def _execute(self, name: str, parameters: tuple[Any, ...] = ()) -> None:
        self._require().execute(self._queries[name], parameters)

    def _execute_all(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        self._require().executemany(self._queries[name], rows)

    def _fetch(self, name: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._require().execute(self._queries[name], parameters).fetchall()
        except sqlite3.Error as error:
            raise translate(error, path=self.path) from error

    def _fetch_one(self, name: str, parameters: tuple[Any, ...] = ()) -> Any:
        sql: LiteralString = self._queries[name]
        try:
            return self._require().execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise translate(error, path=self.path) from error

    def _require(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the keys {self.path} are closed")
        return self._connection


def copy_keys(path: Path, target: Path) -> None:
    """Copy a key file that is in use, as it is at this instant."""
    target.unlink(missing_ok=True)
    make_private_file(target)
    with closing(open_reader(path)) as keys, closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        keys.backup(copy)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()


def carry_keys(backup: sqlite3.Connection, path: Path) -> None:
    """Let a backup carry a key file's keys, wrapped as they are there."""
    queries = load_queries("sqlite/vault.sql")
    backup.execute("ATTACH ? AS keys", (str(path),))
    backup.executescript(queries["carry_keys"])
    backup.execute("DETACH keys")


def unload_keys(backup: sqlite3.Connection, path: Path) -> bool:
    """Move the keys that a backup carries into a new key file; return whether it carried any."""
    queries = load_queries("sqlite/vault.sql")
    if backup.execute(queries["find_carried_keys"]).fetchone() is None:
        return False
    path.unlink(missing_ok=True)
    make_private_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as keys:
        keys.executescript(queries["make_tables"])
    backup.execute("ATTACH ? AS keys", (str(path),))
    backup.executescript(queries["unload_keys"])
    backup.execute("DETACH keys")
    sync_file(path)
    return True
