"""The guard log: stops that must outlive a restore, in a file outside of the backups.

A backup is older than the newest opt-outs. Each opt-out is therefore also appended here, and is on
the disk before the transaction that applies it commits. One record a line: a checksum in hex, the
record in base64. So the file can be read, concatenated and merged with plain tools.
"""

import errno
import os
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Final

from kept.errors import DiskFullError, SettingsError, StoreError

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def digest_record(record: bytes) -> bytes:
    """Return the name under which a database notes that it contains a record."""
    return blake2b(record, digest_size=16).digest()


def read_guard_file(path: Path) -> tuple[list[bytes], int]:
    """Return the records of a guard log, and how many bytes of it are whole lines.

    What a crash tore lies behind the last whole line and was never acknowledged. Damage before that
    is an error: nobody can say which stops it held.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise translate_guard_error(error, path=path) from error
    records: list[bytes] = []
    whole = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        record = _parse_line(line)
        if record is None:
            if any(_parse_line(later) is not None for later in lines[number:]):
                raise StoreError(
                    f"the guard log {path} is damaged in line {number}: restore that line from a "
                    "copy of the file, or remove it if nobody opted out then"
                )
            break
        records.append(record)
        whole += len(line) + 1
    return records, whole


def salvage_guard_file(
    path: Path, *, is_record: Callable[[bytes], bool]
) -> tuple[list[bytes], list[int]]:
    """Return what can be read of a guard log from elsewhere, and the numbers of the other lines.

    Unlike a folder's own log it is read once, by an operator who can be told what it lacks.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(f"there is no guard log {path}") from error
    except OSError as error:
        raise translate_guard_error(error, path=path) from error
    records: list[bytes] = []
    damaged: list[int] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        record = _parse_line(line.rstrip(b"\r")) if line.strip() else b""
        if record is None or (record and not is_record(record)):
            damaged.append(number)
        elif record:
            records.append(record)
    return records, damaged


def append_guard_file(path: Path, records: Iterable[bytes], *, at: int) -> int:
    """Write records behind the whole lines of a guard log, sync it, and return its new length."""
    content = b"".join(_format_line(record) for record in records)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(handle, at)
            written = 0
            while written < len(content):
                written += os.pwrite(handle, content[written:], at + written)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise translate_guard_error(error, path=path) from error
    return at + len(content)


def translate_guard_error(error: OSError, *, path: Path) -> StoreError:
    """Return the system's error as ours; raise it `from` the system's."""
    if error.errno in _NO_ROOM:
        return DiskFullError(f"there is no room left for the guard log {path}; free some")
    return StoreError(f"the guard log {path} cannot be used: {error.strerror}")


def _format_line(record: bytes) -> bytes:
    """Return a record as a line."""
    return b"%08x %s\n" % (zlib.crc32(record), b64encode(record))


def _parse_line(line: bytes) -> bytes | None:
    """Return the record of a line, or None if the line is torn or damaged."""
    checksum, _, packed = line.partition(b" ")
    try:
        record = b64decode(packed, validate=True)
        is_whole = int(checksum, 16) == zlib.crc32(record)
    except (Base64Error, ValueError):
        return None
    return record if is_whole else None
