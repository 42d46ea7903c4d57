"""The schema's versions: numbered files, each applied once, while nodes of the version before work.

A migration only adds: columns with defaults, tables, indexes. It says from which version on a
program can work with what it leaves (`compatible from`), so that an older program tolerates what a
newer one has added, and refuses what it cannot understand.
"""

import re
from importlib.resources import files
from typing import Final, NamedTuple

from kept.errors import ContendedError, SettingsError
from kept.stores.postgres.driver import SERVER_MIN, Wire, quote_setting

PARTITIONS: Final = 16
"""Into how many partitions each hot table of a new store is split."""
ATTEMPTS: Final = 5
"""How often a migration that waits for the locks of others in vain is begun again."""

_FILE_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")
_COMPATIBLE: Final = re.compile(r"^-- compatible from (\d+)$", re.MULTILINE)
_NOTE: Final = "INSERT INTO kept.schema_versions (version, compatible_from) VALUES ({version}, {compatible_from})"
_SETTINGS: Final = {"lock_timeout": "5s", "statement_timeout": "0", "synchronous_commit": "on"}


class Migration(NamedTuple):
    """One version of a schema."""

    version: int
    compatible_from: int
    text: str


def list_migrations(folder: str) -> list[Migration]:
    """Return the versions of a schema in order."""
    found = []
    for file in files("kept.stores.postgres").joinpath(folder).iterdir():
        if match := _FILE_NAME.fullmatch(file.name):
            text = file.read_text(encoding="utf-8")
            compatible = _COMPATIBLE.search(text)
            if compatible is None:
                raise AssertionError(f"{file.name} does not say from which version on it works")
            found.append(Migration(int(match[1]), int(compatible[1]), text))
    return sorted(found)


def migrate(wire: Wire, folder: str, *, partitions: int = PARTITIONS) -> None:
    """Bring a database's schema to the version that this program knows, if it is an older one.

    Raises:
        SettingsError: the server is too old, the database is another program's, or its schema is
            newer than this program can work with.
    """
    _check_server(wire)
    known = list_migrations(folder)
    if _read_version(wire, newest=known[-1].version) >= known[-1].version:
        return
    beside = Wire(wire.address, _SETTINGS)
    try:
        # Nodes that start together migrate one after the other.
        beside.execute("SELECT pg_advisory_lock(1264939124, 9)")
        _prepare(beside)
        version = _read_version(beside, newest=known[-1].version)
        for migration in known:
            if migration.version > version:
                _apply(beside, migration, partitions=partitions)
    finally:
        beside.close()


def check_version(wire: Wire, folder: str) -> None:
    """Refuse a database that is not one of Kept's, or whose schema this program does not know.

    Raises:
        SettingsError: it is to be read, and is not there or of another version.
    """
    known = list_migrations(folder)[-1].version
    version = check_present(wire, folder)
    if version < known:
        raise SettingsError(
            f"{wire.address.place} has schema version {version}, and this program reads {known}; "
            "let a server of this version start on it once"
        )


def check_present(wire: Wire, folder: str) -> int:
    """Return the version of a schema, which may be an older one; nothing is made.

    Raises:
        SettingsError: the database is not one of Kept's.
    """
    _check_server(wire)
    version = _read_version(wire, newest=list_migrations(folder)[-1].version)
    if not version:
        raise SettingsError(
            f"{wire.address.place} holds nothing of Kept's; name the database that the nodes share"
        )
    return version


def _check_server(wire: Wire) -> None:
    if wire.server_version < SERVER_MIN:
        raise SettingsError(
            f"{wire.address.place} runs on PostgreSQL {wire.server_version // 10_000}; "
            f"Kept needs {SERVER_MIN // 10_000} or newer"
        )
    ((encoding,),) = wire.fetch("SHOW server_encoding")
    if encoding != "UTF8":
        raise SettingsError(
            f"{wire.address.place} is encoded in {encoding}; make it with ENCODING 'UTF8'"
        )


def _read_version(wire: Wire, *, newest: int) -> int:
    """Return the schema's version, 0 for a database without one; refuse what is not for us."""
    ((schema, versions),) = wire.fetch(
        "SELECT to_regnamespace('kept'), to_regclass('kept.schema_versions')"
    )
    if versions is None:
        if schema is not None and _has_tables(wire):
            raise SettingsError(
                f"{wire.address.place} has a schema `kept` that is not one of Kept's; "
                "name another database"
            )
        return 0
    ((version, compatible_from),) = wire.fetch(
        "SELECT coalesce(max(version), 0), coalesce(max(compatible_from), 0)"
        " FROM kept.schema_versions"
    )
    if compatible_from > newest:
        raise SettingsError(
            f"{wire.address.place} has schema version {version}, which needs a Kept that knows "
            f"version {compatible_from}; this one knows {newest}: start a newer one"
        )
    return int(version)


def _has_tables(wire: Wire) -> bool:
    return bool(
        wire.fetch("SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('kept') LIMIT 1")
    )


def _prepare(wire: Wire) -> None:
    """Make the schema, and the table that says which versions were applied."""
    wire.execute(
        "CREATE SCHEMA IF NOT EXISTS kept; CREATE TABLE IF NOT EXISTS kept.schema_versions ("
        "version integer PRIMARY KEY, compatible_from integer NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )


def _apply(wire: Wire, migration: Migration, *, partitions: int) -> None:
    """Apply a migration as a whole; what others hold is waited for shortly, then tried again."""
    statements = (
        "BEGIN",
        f"SET LOCAL kept.partitions = {quote_setting(str(partitions))}",
        migration.text,
        _NOTE.format(version=migration.version, compatible_from=migration.compatible_from),
        "COMMIT",
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            wire.execute(";\n".join(statements))
        except ContendedError:
            wire.execute("ROLLBACK")
            if attempt == ATTEMPTS:
                raise
        else:
            return
