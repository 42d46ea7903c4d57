"""The consent log in PostgreSQL: whoever asks for its size or adds to it keeps it until the commit."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from kept.errors import DamagedError, ForgottenError
from kept.log_port import CheckpointRow, LeafRow
from kept.ports import Vault
from kept.stores.postgres.session import LOG_LOCK, Session
from kept.stores.postgres.witness import Witness


class ConsentLog:
    """Keeps the leaves of the tree, numbered without a gap; no hash in it is ever changed."""

    def __init__(
        self,
        session: Session,
        witness: Witness,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take what reads and writes, and who witnesses what is signed."""
        self._session = session
        self._witness = witness
        self._vault = vault
        self._queries = queries
        self._size = -1

    def append_leaf(self, part_id: int, *, leaf_hash: bytes, data: bytes) -> int:
        """Add a leaf, its data sealed; return its place, counted from 0 without a gap."""
        self._session.require_transaction()
        index = self.log_size()
        sealed = self._vault.seal(part_id, "consent_record", data, index)
        self._session.write(self._queries["insert_leaf"], (index, part_id, leaf_hash, sealed))
        self._size = index + 1
        return index

    def log_size(self) -> int:
        """Return how many leaves there are; within a transaction nobody else adds one meanwhile."""
        if not self._session.is_ours:
            return self._count()
        if self._size < 0:
            self._session.take_late(LOG_LOCK, self._queries["take_lock"], self._queries["try_lock"])
            self._size = self._count()
        return self._size

    def save_log_hash(self, level: int, position: int, value: bytes) -> None:
        """Keep the hash over 256 hashes of the level below; it is written once."""
        self._session.write(self._queries["insert_log_hash"], (level, position, value))

    def save_checkpoint(self, row: CheckpointRow) -> None:
        """Keep a signed checkpoint; there is one of each size."""
        values = (row.size, row.signed_at, row.note)
        self._session.write(self._queries["insert_checkpoint"], values)
        self._witness.note(row.size, row.note)

    def read_log_hashes(self, level: int, *, start: int, count: int) -> list[bytes]:
        """Return hashes of a level (0: of the leaves) from a place on, fewer at the end."""
        if level:
            rows = self._fetch("read_log_hashes", (level, start, count))
        else:
            rows = self._fetch("read_leaf_hashes", (start, count))
        return [value for (value,) in rows]

    def read_leaves(self, *, start: int, limit: int) -> list[LeafRow]:
        """Return leaves in order from a place on."""
        return self._decode(self._fetch("read_leaves", (start, limit)))

    def read_part_leaves(self, part_ids: Sequence[int]) -> list[LeafRow]:
        """Return all leaves of these parts in order."""
        return self._decode(self._fetch("read_part_leaves", (sorted(set(part_ids)),)))

    def read_checkpoints(self, *, after: int, limit: int) -> list[CheckpointRow]:
        """Return signed checkpoints in order of their sizes, from `after` (exclusive)."""
        rows = self._fetch("read_checkpoints", (after, limit))
        return [CheckpointRow(size=size, signed_at=at, note=note) for size, at, note in rows]

    def read_newest_checkpoint(self) -> CheckpointRow | None:
        """Return the signed checkpoint of the largest size."""
        rows = self._fetch("read_newest_checkpoint", ())
        return (
            CheckpointRow(size=rows[0][0], signed_at=rows[0][1], note=rows[0][2]) if rows else None
        )

    def flush(self) -> None:
        """Do nothing: leaves are written at once."""

    def committed(self) -> None:
        """Others may add leaves now."""
        self._size = -1

    def rolled_back(self) -> None:
        """Count again."""
        self._size = -1

    def _count(self) -> int:
        ((size,),) = self._fetch("count_leaves", ())
        return int(size)

    def _fetch(self, name: str, parameters: tuple[Any, ...]) -> list[Any]:
        return self._session.fetch(self._queries[name], parameters)

    def _decode(self, rows: Sequence[Any]) -> list[LeafRow]:
        self._vault.prepare({row[1] for row in rows})
        return [
            LeafRow(
                index=index,
                part_id=part_id,
                leaf_hash=value,
                data=self._open(part_id, sealed, index),
            )
            for index, part_id, value, sealed in rows
        ]

    def _open(self, part_id: int, sealed: bytes, index: int) -> bytes | None:
        """Return a leaf's data, None where it was forgotten or is damaged."""
        try:
            return self._vault.open(part_id, "consent_record", sealed, index)
        except (DamagedError, ForgottenError):
            return None
