"""The schema's versions: numbered files, applied in order, each in one transaction."""

import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from kept.errors import SettingsError
from kept.stores.sqlite.connections import translate

APPLICATION_ID: Final = int.from_bytes(b"Kept", "big")
"""Stands in the file's header, so that tools and Kept itself know what the file is."""

SQLITE_MIN: Final = (3, 38, 0)

_FILE_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")


def list_migrations() -> list[tuple[int, str]]:
    """Return the versions and their texts in order."""
    return sorted(
        (int(match[1]), file.read_text(encoding="utf-8"))
        for file in files("kept.stores").joinpath("sql", "sqlite").iterdir()
        if (match := _FILE_NAME.fullmatch(file.name))
    )


def read_version(connection: sqlite3.Connection, *, path: Path) -> int:
    """Return the schema's version, 0 for an empty file; refuse what is not ours or is newer."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (table_count,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id != APPLICATION_ID and (table_count or version):
        raise SettingsError(f"{path} is a database, but not one of Kept's; name another folder")
    newest = list_migrations()[-1][0]
    if version > newest:
        raise SettingsError(
            f"{path} has schema version {version}, and this Kept knows versions up to {newest}; "
            "start the newer Kept that wrote it, or restore a backup from before"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, *, path: Path) -> None:
    """Bring the schema to the newest version."""
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        least = ".".join(map(str, SQLITE_MIN))
        raise SettingsError(
            f"this Python has SQLite {sqlite3.sqlite_version}, and Kept needs {least} or newer"
        )
    try:
        version = read_version(connection, path=path)
        for number, text in _list_after(version):
            connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; {text}; COMMIT;"
            )
            (reached,) = connection.execute("PRAGMA user_version").fetchone()
            if reached != number:
                raise AssertionError(f"migration {number} set version {reached}")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise translate(error, path=path) from error


def _list_after(version: int) -> Iterator[tuple[int, str]]:
    return (migration for migration in list_migrations() if migration[0] > version)
