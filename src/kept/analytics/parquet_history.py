"""History in a folder of Parquet files, hive-partitioned by date and hour; implements `ports.History`.

A file is first written under a name that every reader passes over, down to the disk, and is then
renamed. So whoever lists the folder sees whole files alone.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from kept.analytics.engine import (
    Engine,
    fetch,
    json_columns,
    listed,
    quoted,
    selected,
)
from kept.clock import random_bytes
from kept.core.history_columns import (
    COLUMNS,
    ID_COLUMNS,
    PART_COLUMNS,
    SCHEMA_VERSION,
    Column,
    HistoryKind,
)
from kept.core.history_files import PARTS_FILE, is_name
from kept.core.history_rows import Place
from kept.errors import StoreError
from kept.history_port import Draft, Grouped, Trim, Written

FILES_A_QUERY: Final = 500
LINES_A_WRITE: Final = 2_000
GROUP_BYTES: Final = 8 << 20
GROUP_ROWS_MIN: Final = 2_048
"""DuckDB makes no smaller groups."""
GROUP_ROWS_MAX: Final = 10_240
_TEMPORARY: Final = ".kept-"
"""Readers pass over names that begin with a dot."""
_LINES: Final = ".jsonl"
_ENCODER: Final = msgspec.json.Encoder()
_CHUNK_BYTES: Final = 1 << 20
_LINE_MAX: Final = 100_000_000
"""No row is longer in a draft: an event is limited when it is taken."""
_EXPIRED_BY: Final[dict[HistoryKind, str]] = {
    "events": "occurred_at",
    "decisions": "decided_at",
    "outcomes": "queued_at",
}


class ParquetHistory:
    """The files of history in one folder, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self.folder = folder
        self.engine = Engine()

    def draft(self, kind: HistoryKind) -> Draft:
        """Begin a file."""
        return _LinesDraft(self, kind)

    def place(self, temporary: str, name: str) -> None:
        """Give a temporary file its final name, in the place of whatever had it.

        Raises:
            StoreError: the folder cannot be used, or the temporary file is gone and nobody placed it.
        """
        target = self.folder / name
        try:
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                for above in (target.parent.parent, target.parent.parent.parent):
                    _sync(above)
            (self.folder / temporary).replace(target)
            _sync(target.parent)
        except FileNotFoundError as error:
            # Another node may have done it a moment ago: the list names one file to both. A grouping
            # is of one node alone, and was swept away.
            if name == PARTS_FILE or not target.is_file():
                raise self._broken(error) from error
        except OSError as error:
            raise self._broken(error) from error

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, temporary or not; one that is not there is gone already."""
        try:
            for name in names:
                path = self.folder / name
                path.unlink(missing_ok=True)
                if path.parent.is_dir():
                    _sync(path.parent)
        except OSError as error:
            raise self._broken(error) from error

    def exists(self, name: str) -> bool:
        """Return whether a file is there, temporary or not."""
        return (self.folder / name).is_file()

    def list_names(self) -> tuple[list[str], list[str]]:
        """Return the files that have their final names, and the temporary ones."""
        try:
            temporary = sorted(
                one.name for one in self.folder.glob(f"{_TEMPORARY}*") if one.is_file()
            )
            found = (
                path.relative_to(self.folder).as_posix()
                for kind in COLUMNS
                for path in self.folder.glob(f"{kind}/date=*/hour=*/part-*.parquet")
            )
            return sorted(name for name in found if is_name(name)), temporary
        except OSError as error:
            raise self._broken(error) from error

    def find_parts(self, names: Sequence[str], parts: Collection[int]) -> list[str]:
        """Return which of these files have rows of any of these parts."""
        found: list[str] = []
        with self.engine.open() as connection:
            _take_ids(connection, "wanted", parts)
            for source, names_of in self._sources(names):
                rows = fetch(
                    connection,
                    f"SELECT DISTINCT filename FROM {source} WHERE part IN (SELECT id FROM wanted)",
                )
                found += [names_of[path] for (path,) in rows]
        return sorted(found)

    def list_events(self, names: Sequence[str]) -> set[str]:
        """Return the names of events that stand in these files of events."""
        found: set[str] = set()
        with self.engine.open() as connection:
            for source, _ in self._sources(names):
                rows = fetch(connection, f"SELECT DISTINCT event FROM {source}")
                found |= {event for (event,) in rows}
        return found

    def find_expired(
        self,
        kind: HistoryKind,
        names: Sequence[str],
        before: Mapping[str, int],
        *,
        spared: Sequence[int] = (),
    ) -> dict[str, list[int]]:
        """Return the ids of rows that are older than they may be, by file, but for those of parts."""
        number, instant = ID_COLUMNS[kind], _EXPIRED_BY[kind]
        join, unless = "ON true", ""
        if kind == "events":
            join, unless = "ON limits.event = rows.event", " AND NOT rows.is_proof"
        found: dict[str, list[int]] = {}
        with self.engine.open() as connection:
            connection.execute(
                "CREATE TEMP TABLE limits AS SELECT unnest(?::VARCHAR[]) AS event, "
                "make_timestamptz(unnest(?::BIGINT[])) AS before",
                [list(before), list(before.values())],
            )
            for source, names_of in self._sources(names):
                rows = fetch(
                    connection,
                    f"SELECT rows.filename, rows.{number} FROM {source} AS rows JOIN limits {join} "
                    f"WHERE rows.{instant} <= limits.before{unless} "
                    "AND NOT list_contains(?::BIGINT[], rows.part) ORDER BY ALL",
                    [list(spared)],
                )
                for path, row_id in rows:
                    found.setdefault(names_of[path], []).append(row_id)
        return found

    def rewrite(self, kind: HistoryKind, name: str, trim: Trim) -> Written | None:
        """Write a file anew without what it must lose; None where nothing would be left of it."""
        number = ID_COLUMNS[kind]
        draft = _LinesDraft(self, kind)
        try:
            draft.add(trim.rows)
            with self.engine.open() as connection:
                source = (
                    f"read_parquet({quoted(str(self.folder / name))}, hive_partitioning = false)"
                )
                columns = [row[0] for row in fetch(connection, f"DESCRIBE SELECT * FROM {source}")]
                (version,) = fetch(
                    connection,
                    "SELECT decode(value)::INTEGER FROM parquet_kv_metadata(?) "
                    "WHERE decode(key) = 'kept_schema'",
                    [str(self.folder / name)],
                )[0]
                _take_ids(connection, "parts_gone", trim.parts)
                replaced = {row[number] for row in trim.rows}
                _take_ids(connection, "ids_gone", trim.ids | replaced)
                shown = ", ".join(_less(column, trim.places) for column in columns)
                kept = (
                    f"SELECT {shown} FROM {source} WHERE part NOT IN (SELECT id FROM parts_gone) "
                    f"AND {number} NOT IN (SELECT id FROM ids_gone)"
                )
                if trim.rows:
                    kept += f" UNION ALL BY NAME {draft.select()} ORDER BY {number}"
                size = (self.folder / name).stat().st_size
                ((rows,),) = fetch(connection, f"SELECT count(*) FROM {source}")
                return self.write(
                    connection, kind, kept, version=version, row_bytes=size // max(rows, 1)
                )
        except OSError as error:
            raise self._broken(error) from error
        finally:
            draft.drop()

    def write_grouping(self, rows: Iterable[Grouped]) -> bool:
        """Write which customer each part belongs to; return whether it changed.

        Raises:
            StoreError: the folder cannot be used, or another node swept away what was written.
        """
        draft = _Lines(self.begin_lines(), PART_COLUMNS)
        try:
            lines: list[dict[str, Any]] = []
            for row in rows:
                lines.append(
                    {"part": row.part_id, "customer": row.customer_id, "is_claimed": row.claimed}
                )
                if len(lines) >= LINES_A_WRITE:
                    draft.add(lines)
                    lines.clear()
            draft.add(lines)
            temporary = self._name_temporary(".parquet")
            with self.engine.open() as connection:
                options = "FORMAT parquet, COMPRESSION zstd, KV_METADATA {kept_schema: '1'}"
                path = str(self.folder / temporary)
                connection.execute(f"COPY ({draft.select()}) TO {quoted(path)} ({options})")
                ((count,),) = fetch(connection, "SELECT count(*) FROM read_parquet(?)", [path])
        finally:
            draft.drop()
        if count != draft.count:
            # Lines that were swept away meanwhile were begun anew.
            self.remove([temporary])
            raise StoreError(f"the grouping came out with other than {draft.count} rows")
        digest, _ = _finish(self.folder / temporary)
        if self.exists(PARTS_FILE) and _digest_of(self.folder / PARTS_FILE)[0] == digest:
            self.remove([temporary])
            return False
        self.place(temporary, PARTS_FILE)
        return True

    def close(self) -> None:
        """Let go of what files are read and written with."""
        self.engine.close()

    # -- what drafts need

    def write(
        self,
        connection: duckdb.DuckDBPyConnection,
        kind: HistoryKind,
        select: str,
        *,
        version: int,
        row_bytes: int,
    ) -> Written | None:
        """Write what a query returns under a temporary name; None where it returns nothing.

        Rows of about so many bytes are held in memory a group at a time.
        """
        group = min(max(GROUP_BYTES // max(row_bytes, 1), GROUP_ROWS_MIN), GROUP_ROWS_MAX)
        number = ID_COLUMNS[kind]
        temporary = self._name_temporary(".parquet")
        path = self.folder / temporary
        metadata = f"{{kept_schema: '{version}', kept_kind: '{kind}'}}"
        options = (
            f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group}, KV_METADATA {metadata}"
        )
        connection.execute(f"COPY ({select}) TO {quoted(str(path))} ({options})")
        rows, first, last = fetch(
            connection,
            f"SELECT count(*), min({number}), max({number}) FROM read_parquet(?)",
            [str(path)],
        )[0]
        if not rows:
            self.remove([temporary])
            return None
        digest, size = _finish(path)
        return Written(
            temporary=temporary,
            rows=rows,
            first=first,
            last=last,
            size=size,
            digest=digest,
            version=version,
        )

    def begin_lines(self) -> Path:
        """Make the file that a draft's lines go into."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._broken(error) from error
        return self.folder / self._name_temporary(_LINES)

    def _name_temporary(self, ending: str) -> str:
        return f"{_TEMPORARY}{random_bytes(8).hex()}{ending}"

    def _sources(self, names: Sequence[str]) -> Iterable[tuple[str, dict[str, str]]]:
        """Yield a table function over some files at a time, and which path is which name."""
        for start in range(0, len(names), FILES_A_QUERY):
            names_of = {
                str(self.folder / name): name for name in names[start : start + FILES_A_QUERY]
            }
            options = "filename = true, hive_partitioning = false, union_by_name = true"
            yield f"read_parquet({listed(names_of)}, {options})", names_of

    def _broken(self, error: OSError) -> StoreError:
        return StoreError(f"the folder of history {self.folder} cannot be used: {error.strerror}")


class _Lines:
    """Rows on their way into a file: lines of JSON, which DuckDB makes columns of.

    Rows need not fit into memory, and no library of arrays is needed to hand them over.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._path = path
        self._columns = columns
        self.count = 0
        self.size = 0
        self.add(())

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows in order of their ids."""
        try:
            with self._path.open("ab") as file:
                self.size += file.write(_ENCODER.encode_lines(rows))
        except OSError as error:
            raise StoreError(f"{self._path.parent} cannot be written: {error.strerror}") from error
        self.count += len(rows)

    def select(self) -> str:
        """Return the query that reads what was added."""
        columns = json_columns(self._columns)
        options = f"columns = {columns}, format = 'newline_delimited'"
        source = (
            f"read_json({quoted(str(self._path))}, {options}, maximum_object_size = {_LINE_MAX})"
        )
        return f"SELECT {selected(self._columns)} FROM {source}"

    def drop(self) -> None:
        """Give it up."""
        self._path.unlink(missing_ok=True)


class _LinesDraft(_Lines):
    """A file of history that is being written."""

    def __init__(self, history: ParquetHistory, kind: HistoryKind) -> None:
        super().__init__(history.begin_lines(), COLUMNS[kind])
        self._history = history
        self._kind: HistoryKind = kind

    def finish(self) -> Written:
        """Write the file under a temporary name, down to the disk."""
        try:
            with self._history.engine.open() as connection:
                written = self._history.write(
                    connection,
                    self._kind,
                    self.select(),
                    version=SCHEMA_VERSION,
                    row_bytes=self.size // max(self.count, 1),
                )
        finally:
            self.drop()
        if written is None or written.rows != self.count:
            raise StoreError(f"a file of history came out with other than {self.count} rows")
        return written


def _take_ids(connection: duckdb.DuckDBPyConnection, table: str, ids: Collection[int]) -> None:
    connection.execute(
        f"CREATE TEMP TABLE {table} AS SELECT unnest(?::BIGINT[]) AS id", [sorted(ids)]
    )


def _less(column: str, places: Sequence[Place]) -> str:
    """Return a column without what may not be open any more.

    The column stands in the text a fixed number of times, however many places there are.
    """
    closed: dict[str, dict[str, None]] = {}
    for event, path in places:
        group, _, name = path.partition(".")
        if group == column:
            closed.setdefault(event, {})[name] = None
    if not closed:
        return column
    of_all = _patch(closed.pop("", {}))
    cases = "".join(f" WHEN {quoted(event)} THEN {_patch(own)}" for event, own in closed.items())
    own = f"CASE event{cases} ELSE {_patch({})} END" if closed else _patch({})
    names = f"list_concat(json_keys({own}), json_keys({of_all}))"
    without = f"json_merge_patch(json_merge_patch({column}, {own}), {of_all})::VARCHAR"
    # Of others nothing is touched, not even how it is spelt.
    has = f"list_has_any(json_keys({column}), {names})"
    return f"CASE WHEN {has} THEN {without} ELSE {column} END AS {column}"


def _patch(names: Mapping[str, None]) -> str:
    """Return what takes these names out of an object (RFC 7396)."""
    return quoted(msgspec.json.encode(names).decode())


def _finish(path: Path) -> tuple[str, int]:
    """Bring a file down to the disk; return its digest and its length."""
    try:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        _sync(path.parent)
        return _digest_of(path)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be written: {error.strerror}") from error


def _digest_of(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _sync(folder: Path) -> None:
    """Make names in a folder durable, where the folder can be synchronised at all."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
