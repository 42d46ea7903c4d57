"""A folder as `kept move` reads it: nobody writes to it meanwhile, or afterwards."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, LiteralString, NamedTuple

from kept.errors import SettingsError, StoreError
from kept.stores.guard_log import digest_record, read_guard_file
from kept.stores.moving import Key, Row, Table
from kept.stores.queries import load_queries
from kept.stores.sqlite.connections import open_reader, open_writer, translate
from kept.stores.sqlite.derived import STATES_MARK
from kept.stores.sqlite.folder import (
    DATABASE_NAME,
    GUARD_NAME,
    KEYS_NAME,
    WITNESS_NAME,
    FolderLock,
)
from kept.stores.sqlite.witness import Witness

# Each end of a link is a row of its own elsewhere, and is read by another index here.
_BACK: Final = "links_back"


class Source(NamedTuple):
    """Where rows of a table come from."""

    step: str
    """A name of its own for what is carried, to go on from."""
    table: Table
    sql: LiteralString


class MovingFolder:
    """Everything in a data folder, in order of the keys of each table."""

    def __init__(self, folder: Path) -> None:
        """Take the folder's lock, whose store must be one of this version.

        Raises:
            SettingsError: a process uses it, or was killed and left something undone.
        """
        self._path = folder / DATABASE_NAME
        self._queries = load_queries("sqlite/moving.sql")
        with ExitStack() as opened:
            opened.callback(FolderLock(folder, is_moving=True).release)
            try:
                self._check_ended()
                self._sort_claims()
                self._store = open_reader(self._path)
                opened.callback(self._store.close)
                self._keys = open_reader(folder / KEYS_NAME)
                opened.callback(self._keys.close)
            except sqlite3.Error as error:
                raise translate(error, path=self._path) from error
            self._beside = {
                "guards": _list_guards(folder / GUARD_NAME),
                "witness": _list_witness(folder / WITNESS_NAME),
            }
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Let go of the folder."""
        self._opened.close()

    def list_sources(self, table: Table) -> list[Source]:
        """Return where the rows of a table come from."""
        step = f"{table.place}.{table.name}"
        if table.place == "keys" and table.name in self._beside:
            return [Source(step, table, "")]
        found = [Source(step, table, self._queries[table.name])]
        if table.name == "links":
            found.append(Source(_BACK, table, self._queries[_BACK]))
        return found

    def read(self, source: Source, *, after: Key, limit: int) -> list[Row]:
        """Return rows after a key, with truths as such."""
        table = source.table
        if not source.sql:
            rows = self._beside[table.name]
            return [row for row in rows if table.key_of(row) > after][:limit]
        connection = self._store if table.place == "store" else self._keys
        try:
            found: list[Row] = connection.execute(source.sql, (*after, limit)).fetchall()
        except sqlite3.Error as error:
            raise translate(error, path=self._path) from error
        return [_with_truths(row, table) for row in found] if table.truths else found

    def iterate(self, table: Table, *, limit: int) -> Iterator[list[Row]]:
        """Yield all rows of a table, some at a time."""
        for source in self.list_sources(table):
            after = table.start
            while rows := self.read(source, after=after, limit=limit):
                yield rows
                after = table.key_of(rows[-1])

    def last_numbers(self) -> list[int]:
        """Return the highest numbers that were given out, in the order of `moving.NUMBERS`."""
        (row,) = self._store.execute(self._queries["read_last_numbers"]).fetchall()
        return [*row, len(self._beside["guards"])]

    def _check_ended(self) -> None:
        """Refuse a store that was not stopped in order: only the server can finish what it left."""
        with closing(open_reader(self._path)) as connection:
            queries = load_queries("sqlite/derived.sql")
            row = connection.execute(queries["load_mark"], (STATES_MARK,)).fetchone()
            mark = row[0] if row else 0
            unfolded, on_the_way = connection.execute(
                self._queries["find_unfinished"], (mark,)
            ).fetchone()
        if unfolded or on_the_way:
            left = "events that nobody has counted in yet" if unfolded else "messages on their way"
            raise SettingsError(
                f"the server on {self._path.parent} was not stopped in order and left {left}; "
                "start it once more, and stop it with Ctrl-C or SIGTERM"
            )

    def _sort_claims(self) -> None:
        """Put what recent transactions claimed where it belongs, as the store does now and then."""
        queries = load_queries("sqlite/stream.sql")
        with closing(open_writer(self._path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            last = 0
            for batch_id, packed in connection.execute(queries["load_claim_batches"]).fetchall():
                connection.executemany(queries["insert_claim"], struct.iter_unpack("<2q", packed))
                last = batch_id
            connection.execute(queries["delete_claim_batches"], (last,))
            connection.execute("COMMIT")


def _with_truths(row: Row, table: Table) -> Row:
    return [bool(value) if place in table.truths else value for place, value in enumerate(row)]


def _list_guards(path: Path) -> list[Row]:
    """Return the stops beside the store in their order; one that stands twice is one."""
    records, _ = read_guard_file(path)
    digests: dict[bytes, Any] = {digest_record(record): record for record in records}
    return [
        (digest, number, record) for number, (digest, record) in enumerate(digests.items(), start=1)
    ]


def _list_witness(path: Path) -> list[Row]:
    """Return the newest signed checkpoint with its size, which is its second line."""
    note = Witness(path).load_witness()
    if not note:
        return []
    _, size, *_ = (*note.split("\n"), "")
    if not size.isdecimal():
        raise StoreError(f"{path} is no signed checkpoint; put it back from a copy of the folder")
    return [(int(size), note)]
