"""Rows of a base as Parquet files that only the holder of a key can read: what a cluster is given.

A file has the columns `number` and `sealed`. A block is some hundred rows, as one JSON text, sealed by
AES-256-GCM under a key that lives in memory alone; its nonce is its number, and its table and number
are authenticated with it, so that no block can stand in for another. Spark opens a block with its
built-in `aes_decrypt`: 12 bytes of nonce, the text, 16 bytes of tag.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROWS_A_BLOCK: Final = 500
BLOCKS_A_FILE: Final = 100
"""One file is one task of a cluster: some ten thousand rows."""
_NONCE_BYTES: Final = 12


def block_context(table: str, number: int) -> bytes:
    """Return what is authenticated with a block."""
    return f"{table}/{number}".encode()


class SealedRows:
    """Writes the rows of one table into a folder."""

    def __init__(self, folder: Path, table: str, *, key: bytes, place: int) -> None:
        """Make the folder. `place` tells the tables of one key apart; each has another."""
        self._folder = folder / table
        self._folder.mkdir(parents=True)
        self._table = table
        self._cipher = AESGCM(key)
        self._place = place
        self._waiting: list[Mapping[str, Any]] = []
        self._blocks: list[tuple[int, bytes]] = []
        self._count = self._files = 0
        self._database = duckdb.connect(config={"threads": 1})
        self._database.execute("CREATE TABLE blocks (number BIGINT, sealed BLOB)")

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take rows; what is NULL may be left out of them."""
        self._waiting += rows
        while len(self._waiting) >= ROWS_A_BLOCK:
            self._seal()
        if len(self._blocks) >= BLOCKS_A_FILE:
            self._write()

    def finish(self) -> None:
        """Write what waits; nothing can be added any more."""
        self._seal()
        # A table without a row has a file too, or nobody could read it.
        self._write(is_last=True)
        self._database.close()

    def _seal(self) -> None:
        rows, self._waiting = self._waiting[:ROWS_A_BLOCK], self._waiting[ROWS_A_BLOCK:]
        if not rows:
            return
        told = [{key: value for key, value in row.items() if value is not None} for row in rows]
        number = self._count
        nonce = self._place.to_bytes(4) + number.to_bytes(_NONCE_BYTES - 4)
        context = block_context(self._table, number)
        sealed = self._cipher.encrypt(nonce, msgspec.json.encode(told), context)
        self._blocks.append((number, nonce + sealed))
        self._count += 1

    def _write(self, *, is_last: bool = False) -> None:
        if not self._blocks and not (is_last and not self._files):
            return
        path = self._folder / f"part-{self._files:06}.parquet"
        database = self._database
        if self._blocks:
            database.executemany("INSERT INTO blocks VALUES (?, ?)", self._blocks)
        # What is sealed cannot be compressed.
        target = str(path).replace("'", "''")
        database.execute(f"COPY blocks TO '{target}' (FORMAT parquet, COMPRESSION uncompressed)")
        database.execute("TRUNCATE blocks")
        self._blocks = []
        self._files += 1
