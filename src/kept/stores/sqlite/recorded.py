"""A store's folder as a record: read beside a server, or where none runs, and never written."""

import sqlite3
from array import array
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, LiteralString

from kept.core.dossier import Dossier
from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.errors import SettingsError, StoreError
from kept.ports import VAULT_SETTING, BrandRow, DecisionRow, StoredEvent, Vault
from kept.ports_access import AuditEntry
from kept.recorded_port import Setting, Trace, find_settings
from kept.stores.codecs import pack_ids
from kept.stores.queries import load_queries
from kept.stores.snapshot_rows import SnapshotRows
from kept.stores.sqlite.connections import open_reader, translate
from kept.stores.sqlite.folder import DATABASE_NAME
from kept.stores.sqlite.migrations import read_version

CHUNK: Final = 5_000


class SqliteRecorded:
    """Reads a store as it stood when it was opened; implements `recorded_port.Recorded`.

    What was forgotten since is left out. No transaction is held open, so that a server beside it
    is not kept from anything.
    """

    is_shared = False

    def __init__(self, folder: Path, *, vault: Vault) -> None:
        """Open the database of a data folder.

        Raises:
            SettingsError: there is none, or the vault holds other keys.
            StoreError: it cannot be read.
        """
        self._path = path = folder / DATABASE_NAME
        if not path.is_file():
            raise SettingsError(
                f"there is no store in {folder}; name the data folder of a server, or a copy of one"
            )
        self._queries: Mapping[str, LiteralString] = load_queries("sqlite/recorded.sql")
        self._vault = vault
        self._rows = SnapshotRows(vault)
        try:
            self._connection = open_reader(path)
        except sqlite3.Error as error:
            raise translate(error, path=path) from error
        read_version(self._connection, path=path)
        noted = self._fetch("load_noted_identity", (VAULT_SETTING,))
        if not noted:
            raise SettingsError(
                f"{path} was written by a version from before records were sealed; start a server "
                "on it once"
            )
        vault.start(noted[0][0])
        ((self._last_sequence, self._last_decision),) = self._fetch("find_ends")
        self._events_of: dict[int, array[int]] | None = None
        self._decisions_of: dict[int, array[int]] | None = None

    def close(self) -> None:
        """Let go of the database and of the keys."""
        self._connection.close()
        self._vault.close()

    # -- the house

    def read_span(self) -> tuple[int, int]:
        """Return the first and the last instant of which the record knows."""
        decided = [at for (at,) in self._fetch("find_decided_ends")]
        return self._rows.find_span(decided, self._fetch("load_end_events"))

    def read_brands(self) -> list[BrandRow]:
        """Return every folder that was in force."""
        return self._rows.open_brands(self._fetch("load_all_brands"))

    def read_acts(self) -> list[AuditEntry]:
        """Return what operators did, oldest first."""
        return self._rows.open_acts(self._fetch("load_all_acts"))

    def read_breaches(self) -> list[Dossier]:
        """Return the breaches that were declared."""
        return self._rows.open_dossiers(self._fetch("load_all_breaches"))

    def read_settings(self) -> Iterator[Setting]:
        """Yield the first decision, and each by another brand or other controls."""
        return find_settings(self._traces())

    def _traces(self) -> Iterator[Trace]:
        after = 0
        while rows := self._fetch("load_all_decisions", (after, self._last_decision, CHUNK)):
            yield from self._rows.open_traces(rows)
            after = rows[-1][0]

    # -- people

    def read_parts(self) -> Iterator[Part]:
        """Yield all parts in order of their ids."""
        after = 0
        while rows := self._fetch("load_all_parts", (after, CHUNK)):
            yield from self._rows.open_parts(rows)
            after = rows[-1][0]

    def read_links(self) -> Iterator[Link]:
        """Yield all evidence."""
        for row in self._fetch("load_all_links"):
            yield Link(*row)

    def read_events(self, part_ids: Collection[int]) -> list[StoredEvent]:
        """Return the events of these parts in stream order."""
        if self._events_of is None:
            self._events_of = self._scan("scan_events", self._last_sequence)
        pieces = self._load("load_recorded_events", self._events_of, part_ids)
        return [one for rows in pieces for one in self._rows.open_events(rows)]

    def read_decisions(self, part_ids: Collection[int]) -> list[DecisionRow]:
        """Return the decisions about these parts in order of their ids."""
        if self._decisions_of is None:
            self._decisions_of = self._scan("scan_decisions", self._last_decision)
        pieces = self._load("load_recorded_decisions", self._decisions_of, part_ids)
        return [one for rows in pieces for one in self._rows.open_decisions(rows)]

    def read_messages(self, part_ids: Collection[int]) -> list[Message]:
        """Return the messages of these parts, oldest first."""
        rows = self._fetch("load_recorded_messages", (pack_ids(part_ids),))
        return self._rows.open_messages(rows)

    def read_dossiers(self, part_ids: Collection[int]) -> list[Dossier]:
        """Return what was put before a person about these parts, and what breaches found of them."""
        rows = self._fetch("load_recorded_dossiers", (pack_ids(part_ids),))
        return self._rows.open_dossiers(rows)

    # -- the database

    def _scan(self, name: str, last: int) -> "dict[int, array[int]]":
        """Return which events, or decisions, each part has."""
        found: dict[int, array[int]] = {}
        try:
            for item_id, part_id in self._connection.execute(self._queries[name], (last,)):
                items = found.get(part_id)
                if items is None:
                    items = found[part_id] = array("q")
                items.append(item_id)
        except sqlite3.Error as error:
            raise translate(error, path=self._path) from error
        return found

    def _load(
        self, name: str, items_of: "Mapping[int, array[int]]", part_ids: Collection[int]
    ) -> Iterator[list[Any]]:
        wanted = sorted(item for part_id in part_ids for item in items_of.get(part_id, ()))
        for start in range(0, len(wanted), CHUNK):
            yield self._fetch(name, (pack_ids(wanted[start : start + CHUNK]),))

    def _fetch(self, name: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._connection.execute(self._queries[name], parameters).fetchall()
        except sqlite3.Error as error:
            raise translate(error, path=self._path) from error
        except sqlite3.ProgrammingError as error:
            raise StoreError(f"the record {self._path} is closed") from error
