"""The keys of parts in a database of their own, shared by all nodes; implements `vault.UpkeptKeys`.

Two nodes that make a key for one part at once agree on the one that came first: the other node
begins its transaction again with that. An epoch that another node began is taken up when it is met.
"""

from collections.abc import Collection
from typing import Any

from kept.clock import random_bytes
from kept.errors import ContendedError, SettingsError
from kept.ports import KeyService
from kept.stores.postgres.vault_database import VaultDatabase
from kept.stores.vault.epochs import (
    IDENTITY_BYTES,
    SECRET_BYTES,
    Epochs,
    EpochStatus,
    bind_part,
    bind_secret,
    make_secret,
)


class KeyDatabase:
    """Keys of parts by their ids; one thread changes them, any thread may look one up."""

    def __init__(self, database: VaultDatabase, service: KeyService) -> None:
        """Take the database, which is closed with the keys, and the master key."""
        self.database = database
        self.service = service
        self.identity = b""
        self._epochs = Epochs(place=database.place)
        self._unwritten: dict[int, bytes] = {}

    # -- opening

    def open(self, identity: bytes) -> None:
        """Take up the keys that a store was sealed with, or begin those of a store without any.

        Raises:
            SettingsError: they are missing or another store's, or their master key is not there.
        """
        rows = self.database.fetch("load_identity")
        if not rows and identity:
            raise SettingsError(
                f"{self.database.place} holds no keys, and the store was sealed with some; "
                "put them back"
            )
        if rows and identity and rows[0][0] != identity:
            raise SettingsError(
                f"{self.database.place} holds the keys of another store; name the one of this store"
            )
        self._take_up_epochs()
        if not rows:
            self.database.write("save_identity", (random_bytes(IDENTITY_BYTES),))
            rows = self.database.write("load_identity")
        self.identity = rows[0][0]

    def _take_up_epochs(self) -> None:
        """Unwrap the secret of every epoch that the service still has; begin the newest if need be."""
        rows = [tuple(row) for row in self.database.write("load_epochs")]
        self._epochs.take_up(rows, self.service)
        if not self._epochs.has_newest:
            self._begin_epoch(self._epochs.newest)

    def _begin_epoch(self, epoch: int) -> None:
        secret, wrapped = make_secret(self.service, epoch)
        ((kept,),) = self.database.write("begin_epoch", (epoch, wrapped))
        # Another node may have begun it a moment ago.
        self._epochs.admit(epoch, secret if kept == wrapped else self.service.unwrap(epoch, kept))

    # -- keys

    def find(self, part_id: int) -> bytes | None:
        """Return the key of a part, None if it has none or it was destroyed."""
        return self.find_many([part_id]).get(part_id)

    def find_many(self, part_ids: Collection[int]) -> dict[int, bytes]:
        """Return the keys of parts; those that have none are left out."""
        found = {key: self._unwritten[key] for key in part_ids if key in self._unwritten}
        wanted = [part_id for part_id in part_ids if part_id not in found]
        if wanted:
            for part_id, epoch, wrapped in self.database.fetch("find_part_keys", (wanted,)):
                found[part_id] = self._unwrap(bind_part(part_id), epoch, wrapped)
        return found

    def add(self, part_id: int, key: bytes) -> None:
        """Keep a new key; it is durable after `settle`."""
        self._unwritten[part_id] = key

    def settle(self) -> None:
        """Write the new keys, durably.

        Raises:
            ContendedError: another node made a key for one of these parts first.
        """
        if not self._unwritten:
            return
        keys, self._unwritten = self._unwritten, {}
        kept = -1
        while kept < 0:
            wrapped = [self._epochs.wrap(bind_part(one), key) for one, key in keys.items()]
            parameters = (self._epochs.newest, list(keys), wrapped)
            ((kept,),) = self.database.write("keep_keys", parameters)
            if kept < 0:
                # Another node has begun an epoch.
                self._take_up_epochs()
        if kept < len(keys):
            raise ContendedError(f"another node made a key in {self.database.place} first")

    def destroy(self, part_ids: list[int]) -> None:
        """Delete keys. What the server's files still hold of them closes with their epoch."""
        for part_id in part_ids:
            self._unwritten.pop(part_id, None)
        self.database.write("delete_part_keys", (part_ids,))

    def load_secret(self, name: str) -> bytes:
        """Return a secret of the whole store; the first time it is made."""
        bound = bind_secret(name)
        rows = self.database.write("find_secret", (name,))
        if not rows:
            secret = random_bytes(SECRET_BYTES)
            wrapped = self._epochs.wrap(bound, secret)
            self.database.write("save_secret", (name, self._epochs.newest, wrapped))
            rows = self.database.write("find_secret", (name,))
        return self._unwrap(bound, *rows[0])

    def _unwrap(self, bound: bytes, epoch: int, wrapped: bytes) -> bytes:
        if not self._epochs.knows(epoch):
            self._take_up_epochs()
        return self._epochs.unwrap(bound, epoch, wrapped)

    # -- epochs

    def list_epochs(self) -> list[EpochStatus]:
        """Return the epochs that are in use here, ascending."""
        there = set(self.service.list_epochs())
        return [
            EpochStatus(
                epoch=epoch, begun_at=begun_at, retired_at=retired_at, is_there=epoch in there
            )
            for epoch, begun_at, retired_at in self.database.fetch("list_epochs")
        ]

    def count_keys(self) -> dict[int, int]:
        """Return how many keys each epoch wraps; looks through all of them."""
        return {epoch: int(count) for epoch, count in self.database.fetch("count_keys")}

    def rotate(self) -> int:
        """Begin a new epoch of the master key, and return it; old keys are wrapped anew by `rewrap`.

        Raises:
            SettingsError: the key service cannot be changed from here.
        """
        epoch = self.service.begin_epoch()
        self._begin_epoch(epoch)
        self._epochs.newest = epoch
        return epoch

    def rewrap(self, limit: int, *, now: int) -> int:
        """Wrap keys of older epochs under the newest, at most `limit`; return how many.

        When none is left, the older epochs are retired.
        """
        self._take_up_epochs()
        newest, write = self._epochs.newest, self.database.write
        if not write("find_unretired_epoch", (newest,)):
            return 0
        write("date_epochs", (now,))
        rows = write("find_old_keys", (newest, limit))
        if rows:
            self._rewrap_parts(rows, newest)
            return len(rows)
        for name, epoch, wrapped in write("find_old_secrets", (newest,)):
            secret = self._unwrap(bind_secret(name), epoch, wrapped)
            write("update_secret", (name, newest, self._epochs.wrap(bind_secret(name), secret)))
        write("retire_epochs", (now, newest))
        return 0

    def _rewrap_parts(self, rows: list[Any], newest: int) -> None:
        renewed = []
        for part_id, epoch, wrapped in rows:
            key = self._unwrap(bind_part(part_id), epoch, wrapped)
            renewed.append(self._epochs.wrap(bind_part(part_id), key))
        ids = [part_id for part_id, _, _ in rows]
        self.database.write("update_part_keys", (newest, ids, renewed))

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
            self.database.write("delete_epoch", (status.epoch,))
        return left

    def close(self) -> None:
        """Forget what is in memory, and let go of the database."""
        self._epochs.clear()
        self._unwritten = {}
        self.database.close()
