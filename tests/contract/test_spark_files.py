"""What lies in the folder that a cluster reads: rows that only the holder of the key can open."""

import fcntl
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.analytics.sealed_rows import BLOCKS_A_FILE, ROWS_A_BLOCK, SealedRows, block_context
from kept.analytics.spark_base import sweep

KEY = bytes(range(32))


def write(folder: Path, rows: list[dict[str, Any]]) -> list[tuple[int, bytes]]:
    """Seal rows in pieces of an odd size, and return the blocks in the files."""
    sealed = SealedRows(folder, "customers", key=KEY, place=0)
    for start in range(0, len(rows), 137):
        sealed.add(rows[start : start + 137])
    sealed.finish()
    files = f"{folder}/customers/*.parquet"
    return duckdb.execute("SELECT * FROM read_parquet(?) ORDER BY number", [files]).fetchall()


def open_block(number: int, sealed: bytes, *, table: str = "customers") -> list[dict[str, Any]]:
    """Return a block's rows, as `aes_decrypt` opens it."""
    content = AESGCM(KEY).decrypt(sealed[:12], sealed[12:], block_context(table, number))
    rows: list[dict[str, Any]] = msgspec.json.decode(content)
    return rows


def test_every_row_is_there_once_and_in_order(tmp_path: Path) -> None:
    """Several files of several blocks, the last one short; what is NULL is left out."""
    count = ROWS_A_BLOCK * (BLOCKS_A_FILE + 2) + 7
    blocks = write(tmp_path, [{"id": number, "zone": None} for number in range(count)])
    assert len(list((tmp_path / "customers").iterdir())) == 2
    rows = [row for number, sealed in blocks for row in open_block(number, sealed)]
    assert rows == [{"id": number} for number in range(count)]


def test_a_table_without_rows_can_be_read(tmp_path: Path) -> None:
    """There is a file, and nothing in it."""
    assert write(tmp_path, []) == []


def test_no_file_holds_a_value(tmp_path: Path) -> None:
    """Nor the name of a column: all of a block is sealed."""
    write(tmp_path, [{"fact.name": f"Ada Planted {number}"} for number in range(2_000)])
    for path in tmp_path.rglob("*.parquet"):
        content = path.read_bytes()
        assert b"Planted" not in content
        assert b"fact.name" not in content
        assert KEY not in content


def test_no_block_can_stand_in_for_another(tmp_path: Path) -> None:
    """Neither of the same table nor of another one, and no bit of it can be changed."""
    (first, sealed), *_ = write(tmp_path, [{"id": number} for number in range(1_200)])
    assert open_block(first, sealed)
    for number, table in ((first + 1, "customers"), (first, "claimed")):
        with pytest.raises(InvalidTag):
            open_block(number, sealed, table=table)
    with pytest.raises(InvalidTag):
        open_block(first, sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """A base that a process still holds stays, and so does what is no base."""
    for name in ("kept-base-left", "kept-base-broken", "kept-base-held", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "kept-base-left" / "lock").touch()
    with (tmp_path / "kept-base-held" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept-base-held", "other"]
