"""Read a file of history row by row and send it to a running server, in a way that can be resumed.

Each row gets a message id made of the file's name and the row's number unless the mapping names
one, so that a row that is sent twice counts once. Beside the data, a small file remembers how far
an import came.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from kept.cli.client import call
from kept.core.brand.load import load_struct
from kept.core.brand.model import Mapping
from kept.core.mapping import CompiledMapping
from kept.core.touchpoint_item import Rejected
from kept.errors import InputError

ROWS_A_REQUEST: Final = 500
LINE_BYTES_MAX: Final = 1_000_000
"""A longer line of a file is no event, and is not held in memory to find that out."""


class MappingFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the columns of a file mean: the first mapping whose `when` holds makes the event.

    Paths begin with `body`, which stands for the row: `body.customer_no`.
    """

    mappings: tuple[Mapping, ...]


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

    row: int
    code: str
    detail: str


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
        declared = load_struct(mapping_text, mapping.name, MappingFile).mappings
        mappings = tuple(CompiledMapping(one, object_keys=frozenset()) for one in declared)
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
                yield Refused(row=0, code="event.too_large", detail=detail)
            elif line.strip():
                yield _decode_line(line)


def _decode_line(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        return Refused(row=0, code="event.not_json", detail=str(error))
    except UnicodeDecodeError:
        return Refused(row=0, code="event.bad_text", detail="the line is not UTF-8")
    except RecursionError:
        return Refused(row=0, code="event.too_deep", detail="values stand too deep in each other")


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
    rows = islice(enumerate(reading.rows(), start=1), totals.rows, None)
    while chunk := list(islice(rows, ROWS_A_REQUEST)):
        items, refused = _make_items(reading, chunk)
        answer: Any = {"accepted": 0, "duplicates": 0, "rejected": []}
        if items:
            body = {"batch": [item for _, item in items]}
            answer = call(data, "POST", f"/v1/admin/import/{source}", body)
        for one in answer["rejected"]:
            row = items[one["position"]][0]
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


def _make_items(
    reading: Reading, chunk: list[tuple[int, Any]]
) -> tuple[list[tuple[int, Any]], list[Refused]]:
    items: list[tuple[int, Any]] = []
    refused: list[Refused] = []
    for number, row in chunk:
        item = _make_item(reading, number, row)
        if isinstance(item, Refused):
            refused.append(msgspec.structs.replace(item, row=number))
        elif item is not None:
            items.append((number, item))
    return items, refused


def _make_item(reading: Reading, number: int, row: Any) -> Any:
    if isinstance(row, Refused):
        return row
    row_id = f"{reading.path.name}:{number}"
    if not reading.mappings:
        if isinstance(row, dict):
            return {"messageId": row_id, **row}
        return Refused(row=number, code="event.not_an_object", detail="the line is not an object")
    document = {"body": row, "headers": {}, "query": {}}
    for mapping in reading.mappings:
        if mapping.applies(document):
            item = mapping.read(document, delivery_id=row_id)
            if isinstance(item, Rejected):
                return Refused(row=number, code=item.code, detail=item.detail)
            return msgspec.to_builtins(item)
    return Refused(row=number, code="import.unmapped", detail="no mapping applies to the row")


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
