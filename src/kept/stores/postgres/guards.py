"""Stops beside the keys, durable before the transaction that they belong to: no restore loses them."""

from collections.abc import Mapping
from typing import LiteralString

from kept.stores.guard_log import digest_record
from kept.stores.postgres.session import Session
from kept.stores.postgres.vault_database import VaultDatabase


class Guards:
    """Keeps stops in the database of keys, and notes in the store's which it contains."""

    def __init__(
        self, session: Session, database: VaultDatabase, queries: Mapping[str, LiteralString]
    ) -> None:
        """Find what is kept and the store does not contain."""
        self._session = session
        self._database = database
        self._insert = queries["insert_guard"]
        self._waiting: list[bytes] = []
        self._applied: set[bytes] = set()
        kept = [(digest, record) for digest, record in database.fetch("load_guards")]
        digests = [digest for digest, _ in kept]
        contained = {digest for (digest,) in session.fetch(queries["find_guards"], (digests,))}
        self._pending = {digest: record for digest, record in kept if digest not in contained}

    def append_guard(self, record: bytes) -> None:
        """Keep a stop outside of the backups too, durable with this transaction; twice is once."""
        digest = digest_record(record)
        if not self._session.write(self._insert, (digest,)):
            return
        if digest in self._pending:
            self._applied.add(digest)
        else:
            self._waiting.append(record)

    def load_guard(self) -> list[bytes]:
        """Return the stops that are kept and that the store does not contain, oldest first."""
        return [record for digest, record in self._pending.items() if digest not in self._applied]

    def flush(self) -> None:
        """Keep what waits, ahead of the commit."""
        if not self._waiting:
            return
        digests = [digest_record(record) for record in self._waiting]
        self._database.write("insert_guards", (digests, self._waiting))
        # What is kept and is not committed after all stays pending: a stop too many.
        self._pending |= dict(zip(digests, self._waiting, strict=True))
        self._applied |= set(digests)
        self._waiting = []

    def committed(self) -> None:
        """The store contains them now."""
        for digest in self._applied:
            del self._pending[digest]
        self._applied = set()

    def rolled_back(self) -> None:
        """The store does not contain them after all."""
        self._waiting = []
        self._applied = set()
