"""The consent log in SQLite: rare rows, each written with the event that it follows from."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from kept.errors import DamagedError, ForgottenError
from kept.log_port import CheckpointRow, LeafRow
from kept.ports import Vault
from kept.stores.codecs import pack_ids
from kept.stores.sqlite.connections import Readers
from kept.stores.sqlite.session import Session
from kept.stores.sqlite.witness import Witness


class ConsentLog:
    """Keeps the leaves of the tree; no hash in it is ever changed or removed."""

    def __init__(
        self,
        session: Session,
        readers: Readers,
        witness: Witness,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take what reads and writes, and who witnesses what is signed."""
        self._session = session
        self._readers = readers
        self._witness = witness
        self._vault = vault
        self._queries = queries

    def append_leaf(self, part_id: int, *, leaf_hash: bytes, data: bytes) -> int:
        """Add a leaf, its data sealed; return its place, counted from 0 without a gap."""
        index = self.log_size()
        sealed = self._vault.seal(part_id, "consent_record", data, index)
        self._session.write(self._queries["insert_leaf"], (index, part_id, leaf_hash, sealed))
        return index

    def log_size(self) -> int:
        """Return how many leaves there are."""
        ((size,),) = self._fetch(self._queries["count_leaves"], ())
        return int(size)

    def save_log_hash(self, level: int, position: int, value: bytes) -> None:
        """Keep the hash over 256 hashes of the level below; it is written once."""
        self._session.write(self._queries["insert_log_hash"], (level, position, value))

    def save_checkpoint(self, row: CheckpointRow) -> None:
        """Keep a signed checkpoint; there is one of each size."""
        values = (row.size, row.signed_at, row.note)
        self._session.write(self._queries["insert_checkpoint"], values)
        self._witness.note(row.note)

    def read_log_hashes(self, level: int, *, start: int, count: int) -> list[bytes]:
        """Return hashes of a level (0: of the leaves) from a place on, fewer at the end."""
        if level:
            rows = self._fetch(self._queries["read_log_hashes"], (level, start, count))
        else:
            rows = self._fetch(self._queries["read_leaf_hashes"], (start, count))
        return [value for (value,) in rows]

    def read_leaves(self, *, start: int, limit: int) -> list[LeafRow]:
        """Return leaves in order from a place on."""
        return self._decode(self._fetch(self._queries["read_leaves"], (start, limit)))

    def read_part_leaves(self, part_ids: Sequence[int]) -> list[LeafRow]:
        """Return all leaves of these parts in order."""
        return self._decode(self._fetch(self._queries["read_part_leaves"], (pack_ids(part_ids),)))

    def read_checkpoints(self, *, after: int, limit: int) -> list[CheckpointRow]:
        """Return signed checkpoints in order of their sizes, from `after` (exclusive)."""
        rows = self._fetch(self._queries["read_checkpoints"], (after, limit))
        return [CheckpointRow(size=size, signed_at=at, note=note) for size, at, note in rows]

    def read_newest_checkpoint(self) -> CheckpointRow | None:
        """Return the signed checkpoint of the largest size."""
        rows = self._fetch(self._queries["read_newest_checkpoint"], ())
        return (
            CheckpointRow(size=rows[0][0], signed_at=rows[0][1], note=rows[0][2]) if rows else None
        )

    def _fetch(self, sql: LiteralString, parameters: tuple[Any, ...]) -> list[Any]:
        """Read on a connection of its own, or inside the transaction if that is the caller's."""
        if self._session.is_ours:
            return self._session.fetch(sql, parameters)
        return self._readers.fetch(sql, parameters)

    def _decode(self, rows: list[tuple[int, int, bytes, bytes]]) -> list[LeafRow]:
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
