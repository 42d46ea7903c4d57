"""Forgetting in PostgreSQL: rows are removed, and keys are destroyed once that is committed."""

from collections.abc import Callable, Mapping, Sequence
from typing import LiteralString

from kept.ports import ErasedCounts, Vault
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.lookups import Lookups
from kept.stores.postgres.session import Session


class Erasure:
    """Removes parts for good; what a crash left of their keys goes at a start, or once it is noticed."""

    def __init__(
        self,
        session: Session,
        batch: Batch,
        lookups: Lookups,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Destroy the keys that a crash left."""
        self._session = session
        self._batch = batch
        self._lookups = lookups
        self.forget_parts: tuple[Callable[[], None], ...] = ()
        """Make the other rooms forget what they remember of parts that are removed."""
        self._vault = vault
        self._queries = queries
        self._waiting: list[int] = []
        left = [part_id for (part_id,) in session.fetch(queries["load_keys_to_destroy"])]
        if left:
            vault.destroy(left)
        self._destroyed = left

    def erase_parts(self, part_ids: Sequence[int]) -> ErasedCounts:
        """Remove everything of these parts; their keys are destroyed with the commit."""
        session = self._session
        session.require_transaction()
        session.flush()
        gone = sorted(set(part_ids))
        ((events, decisions, messages, customers),) = session.write(
            self._queries["delete_parts"], (gone,)
        )
        session.write(self._queries["end_customers"], (customers or [],))
        for forget in self.forget_parts:
            forget()
        self.destroy_later(gone)
        return ErasedCounts(events=events, decisions=decisions, messages=messages)

    def list_customers(self, *, after: int, limit: int) -> list[int]:
        """Return ids of customers in ascending order."""
        self._batch.settle("customers")
        rows = self._session.fetch(self._queries["list_customers"], (after, limit))
        return [customer_id for (customer_id,) in rows]

    def save_tombstone(self, key: bytes, *, until: int, is_suppressed: bool) -> None:
        """Keep that the identifier under a lookup key was forgotten; the later end stays."""
        self._session.write(self._queries["save_tombstone"], (key, until, is_suppressed))
        self._session.has_tombstones = True
        self._lookups.note_tombstone(key)

    def has_tombstones(self) -> bool:
        """Return whether any identifier was ever forgotten or suppressed."""
        if self._session.is_ours:
            return self._session.has_tombstones
        return self._session.fetch_one(self._queries["load_any_tombstone"]) is not None

    def destroy_later(self, part_ids: Sequence[int]) -> None:
        """Destroy keys once this transaction is committed."""
        self._session.write(self._queries["add_keys_to_destroy"], (list(part_ids),))
        self._waiting += part_ids

    def take_up_left(self) -> None:
        """Destroy, once this transaction is committed, the keys that nodes left whose process ended."""
        left = self._session.fetch(self._queries["load_keys_to_destroy"])
        self._waiting += [part_id for (part_id,) in left if part_id not in self._destroyed]

    def flush(self) -> None:
        """Note which keys are gone."""
        if self._destroyed:
            self._session.write(self._queries["clear_keys_to_destroy"], (self._destroyed,))

    def committed(self) -> None:
        """Destroy the keys of what is removed from the database now."""
        self._destroyed = []
        if self._waiting:
            self._vault.destroy(self._waiting)
            self._destroyed, self._waiting = self._waiting, []

    def rolled_back(self) -> None:
        """Keep the keys: nothing was removed."""
        self._waiting = []
