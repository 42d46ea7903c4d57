"""Read a file of history row by row and send it to a running server, in a way that can be resumed.

Each row gets a message id made of the file's name and the row's content unless the mapping names
one, so that a row that is sent twice counts once, and one that was mended is another. Beside the
data, a small file remembers how far an import came.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from kept.cli.client import call
from kept.cli.repeats import Repeats
from kept.core.brand.load import load_struct
from kept.core.brand.model import Mapping
from kept.core.mapping import MISSING, CompiledMapping
from kept.core.touchpoint_item import EVENT_BYTES_MAX, Rejected
from kept.errors import InputError

ROWS_A_REQUEST: Final = 500
BYTES_A_REQUEST: Final = 3 * 1024 * 1024
"""Less than a server takes at once, however large the rows are."""
LINE_BYTES_MAX: Final = 1_000_000
"""A longer line of a file is no event, and is not held in memory to find that out."""
NESTED_MAX: Final = 100
"""Of values that stand deeper in each other no text can be made; a server takes far fewer."""
_INT: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_BOOLS: Final = {"true": True, "false": False}


class MappingFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the columns of a file mean: the first mapping whose `when` holds makes the event.

    Paths begin with `body`, which stands for the row: `body.customer_no`.
    """

    mappings: tuple[Mapping, ...]
    texts: tuple[str, ...] = ()
    """Paths of a CSV whose cells are texts although they look like numbers, or like true or false."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import has come."""

    rows: int = 0
    taken: int = 0
    duplicates: int = 0
    refused: int = 0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A file of history, and what its rows mean."""

    path: Path
    row_count: int | None
    rows: Callable[[], Iterator[Any]]
    mappings: tuple[CompiledMapping, ...]
    mapping_text: str = ""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was not taken, and why."""

    row: int = 0
    code: str
    detail: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is sent: an event and its size, or why it is none."""

    row: int
    told: Any
    size: int = 0


def open_file(path: Path, mapping: Path | None) -> Reading:
    """Return a file's reading, by its ending.

    Raises:
        InputError: the file is not there, or its ending is none that is known.
        InvalidBrandError: the mapping file is not one.
    """
    if not path.is_file():
        message = f"there is no file {path}"
        raise InputError(message)
    read = _READERS.get(path.suffix)
    if read is None:
        message = (
            f"{path.name} ends in {path.suffix or 'nothing'}; jsonl, csv and parquet can be read"
        )
        raise InputError(message)
    mappings: tuple[CompiledMapping, ...] = ()
    mapping_text = ""
    if mapping is not None:
        mapping_text = _read_text(mapping)
        mappings = _compile(load_struct(mapping_text, mapping.name, MappingFile), read)
    elif path.suffix not in (".jsonl", ".ndjson"):
        message = f"{path.name} has columns; say with --mapping what they mean"
        raise InputError(message)
    is_parquet = read is _read_parquet
    return Reading(
        path=path,
        row_count=_count_parquet(path) if is_parquet else None,
        rows=partial(read, path),
        mappings=mappings,
        mapping_text=mapping_text,
    )


def _compile(
    file: MappingFile, read: Callable[[Path], Iterator[Any]]
) -> tuple[CompiledMapping, ...]:
    paths = {path for mapping in file.mappings for path in mapping.properties.values()}
    if unknown := [path for path in file.texts if path not in paths]:
        raise InputError(
            f"`texts` of the mapping names {unknown[0]}, which no property is read from"
        )
    told: dict[str, Any] = {"object_keys": frozenset()}
    if read is _read_csv:
        told["read_property"] = partial(_read_cell, frozenset(file.texts))
    return tuple(CompiledMapping(mapping, **told) for mapping in file.mappings)


def _read_cell(texts: frozenset[str], path: str, cell: Any) -> Any:
    """Return what a cell of a CSV tells, which are all texts; an empty one, or none, tells nothing."""
    if not cell:
        return MISSING
    if path in texts or not isinstance(cell, str):
        return cell
    # A code such as 007 is none of these.
    return int(cell) if _INT.fullmatch(cell) else _BOOLS.get(cell, cell)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path} cannot be read; is it there, and a text in UTF-8?") from None


def _read_jsonl(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX + 1):
            if len(line) > LINE_BYTES_MAX:
                while line and not line.endswith(b"\n"):
                    line = file.readline(LINE_BYTES_MAX)
                detail = f"the line has more than {LINE_BYTES_MAX} bytes"
                yield Refused(code="event.too_large", detail=detail)
            elif line.strip():
                yield _decode_line(line)


def _decode_line(line: bytes) -> Any:
    too_deep = Refused(code="event.too_deep", detail="values stand too deep in each other")
    try:
        row = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        return Refused(code="event.not_json", detail=str(error))
    except UnicodeDecodeError:
        return Refused(code="event.bad_text", detail="the line is not UTF-8")
    except RecursionError:
        return too_deep
    may_be_deep = line.count(b"[") + line.count(b"{") > NESTED_MAX
    return too_deep if may_be_deep and _is_deep(row, NESTED_MAX) else row


def _is_deep(value: Any, limit: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return limit == 0 or any(_is_deep(one, limit - 1) for one in inside)


def _read_csv(path: Path) -> Iterator[Any]:
    row_number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                row_number += 1
                yield row
    except (csv.Error, UnicodeDecodeError) as error:
        what = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(
            f"{path.name} cannot be read after row {row_number}: {what}; mend it and begin again, "
            "for what was taken already counts once"
        ) from None


@contextmanager
def _open_parquet(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database for one file; nothing is fetched from elsewhere to read it."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            yield connection
    except duckdb.Error:
        raise InputError(f"{path.name} cannot be read as Parquet; is it whole?") from None


def _count_parquet(path: Path) -> int:
    with _open_parquet(path) as connection:
        counted = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()
    return int(counted[0]) if counted else 0


def _read_parquet(path: Path) -> Iterator[Any]:
    with _open_parquet(path) as connection:
        cursor = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(ROWS_A_REQUEST):
            for row in rows:
                yield msgspec.to_builtins(
                    dict(zip(names, row, strict=True)), enc_hook=str, builtin_types=()
                )


_READERS: Final = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
}


def send(reading: Reading, *, data: Path, source: str, report: Path | None) -> Iterator[Totals]:
    """Send a file's rows; yield how far it came before, and after each request."""
    progress = _progress_file(data, reading, source)
    totals = _load_progress(progress)
    yield totals
    for chunk in _cut(_read_items(reading, after=totals.rows)):
        items = [item for item in chunk if not isinstance(item.told, Refused)]
        refused = [item.told for item in chunk if isinstance(item.told, Refused)]
        answer: Any = {"accepted": 0, "duplicates": 0, "rejected": []}
        if items:
            body = {"batch": [item.told for item in items]}
            answer = call(data, "POST", f"/v1/admin/import/{source}", body)
        for one in answer["rejected"]:
            row = items[one["position"]].row
            refused.append(Refused(row=row, code=one["code"], detail=one["detail"]))
        _write_report(report, refused, is_first=totals.rows == 0)
        totals = Totals(
            rows=totals.rows + len(chunk),
            taken=totals.taken + answer["accepted"],
            duplicates=totals.duplicates + answer["duplicates"],
            refused=totals.refused + len(refused),
        )
        progress.write_bytes(msgspec.json.encode(totals))
        yield totals
    progress.unlink(missing_ok=True)


def _cut(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield items together, as many as one request may hold."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        if len(chunk) == ROWS_A_REQUEST or (chunk and size + item.size > BYTES_A_REQUEST):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item.size
    if chunk:
        yield chunk


def _read_items(reading: Reading, *, after: int) -> Iterator[Item]:
    """Yield the rows behind one as they are sent."""
    with closing(Repeats()) as repeats:
        for number, row in enumerate(reading.rows(), start=1):
            # Also those that are passed over, for they may have their like behind them.
            row_id = f"{reading.path.name}:{repeats.name(row)}"
            if number > after:
                yield _make_item(reading, number, row, row_id=row_id)


def _make_item(reading: Reading, number: int, row: Any, *, row_id: str) -> Item:
    told = _read_row(reading, row, row_id=row_id)
    size = 0 if isinstance(told, Refused) else len(msgspec.json.encode(told))
    if size > EVENT_BYTES_MAX:
        detail = f"the event has {size} bytes; at most {EVENT_BYTES_MAX} are taken"
        told = Refused(code="event.too_large", detail=detail)
    if isinstance(told, Refused):
        return Item(row=number, told=msgspec.structs.replace(told, row=number))
    return Item(row=number, told=told, size=size)


def _read_row(reading: Reading, row: Any, *, row_id: str) -> Any:
    """Return the event that a row makes, or why it makes none."""
    if isinstance(row, Refused):
        return row
    if not reading.mappings:
        if isinstance(row, dict):
            return {"messageId": row_id, **row}
        return Refused(code="event.not_an_object", detail="the line is not an object")
    document = {"body": row, "headers": {}, "query": {}}
    for mapping in reading.mappings:
        if mapping.applies(document):
            item = mapping.read(document, delivery_id=row_id)
            if isinstance(item, Rejected):
                return Refused(code=item.code, detail=item.detail)
            return msgspec.to_builtins(item)
    return Refused(code="import.unmapped", detail="no mapping applies to the row")


def _progress_file(data: Path, reading: Reading, source: str) -> Path:
    """Return where it is kept how far a file has come; under another mapping it begins anew."""
    path = reading.path
    stat = path.stat()
    place = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{source}"
    told = f"{place}|{reading.mapping_text}".encode()
    folder = data / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{hashlib.sha256(told).hexdigest()[:16]}.json"


def _load_progress(path: Path) -> Totals:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Totals)
    except (OSError, msgspec.DecodeError):
        return Totals()


def _write_report(report: Path | None, refused: list[Refused], *, is_first: bool) -> None:
    if report is not None and (refused or is_first):
        with report.open("wb" if is_first else "ab") as file:
            for one in refused:
                file.write(msgspec.json.encode(one) + b"\n")
