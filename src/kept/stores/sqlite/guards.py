"""The guard log as the store uses it: durable before the transaction that it belongs to."""

from collections.abc import Mapping
from pathlib import Path
from typing import LiteralString

from kept.stores.files import sync_folder
from kept.stores.guard_log import append_guard_file, digest_record, read_guard_file
from kept.stores.sqlite.session import Session


class Guards:
    """Keeps stops in the file beside the database, and notes in the database which it contains."""

    def __init__(
        self, session: Session, path: Path, *, queries: Mapping[str, LiteralString]
    ) -> None:
        """Find what the file holds and the database does not."""
        self._session = session
        self._path = path
        self._insert = queries["insert_guard"]
        self._is_new_file = not path.exists()
        records, self._length = read_guard_file(path)
        self._waiting: list[bytes] = []
        self._applied: list[bytes] = []
        self._pending: dict[bytes, bytes] = {}
        for record in records:
            digest = digest_record(record)
            if session.fetch_one(queries["find_guard"], (digest,)) is None:
                self._pending[digest] = record

    def append_guard(self, record: bytes) -> None:
        """Keep a stop outside of the backups too, durable with this transaction; twice is once."""
        digest = digest_record(record)
        if not self._session.write(self._insert, (digest,)).rowcount:
            return
        if digest in self._pending:
            self._applied.append(digest)
        else:
            self._waiting.append(record)

    def load_guard(self) -> list[bytes]:
        """Return the stops that the file holds and the database does not, oldest first."""
        return [record for digest, record in self._pending.items() if digest not in self._applied]

    def flush(self) -> None:
        """Sync what waits to the file, ahead of the commit."""
        if not self._waiting:
            return
        self._length = append_guard_file(self._path, self._waiting, at=self._length)
        # What is in the file and is not committed after all stays pending: a stop too many.
        for record in self._waiting:
            self._pending[digest_record(record)] = record
            self._applied.append(digest_record(record))
        self._waiting = []
        if self._is_new_file:
            sync_folder(self._path.parent)
            self._is_new_file = False

    def committed(self) -> None:
        """The database contains them now."""
        for digest in self._applied:
            del self._pending[digest]
        self._applied = []

    def rolled_back(self) -> None:
        """The database does not contain them after all."""
        self._waiting = []
        self._applied = []
