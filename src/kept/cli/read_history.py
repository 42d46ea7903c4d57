"""The command that reads history for analysis: for a purpose, into a file of rows."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import duckdb
import msgspec
import typer

from kept.cli.client import call
from kept.cli.output import console
from kept.core.plain_text import as_cell
from kept.errors import ConflictError, InputError

_COLUMNS: Final = {
    "events": {
        "sequence": "BIGINT",
        "customer": "BIGINT",
        "event": "VARCHAR",
        "source": "VARCHAR",
        "occurred_at": "TIMESTAMPTZ",
        "properties": "JSON",
        "traits": "JSON",
        "context": "JSON",
    },
    "decisions": {
        "decision_id": "BIGINT",
        "customer": "BIGINT",
        "decided_at": "TIMESTAMPTZ",
        "placement": "VARCHAR",
        "brand_version": "VARCHAR",
        "chosen": "JSON",
        "reasons": "JSON",
    },
}
"""What is read -> the columns of its rows; what has parts of its own is JSON."""
_ENDINGS: Final = (".jsonl", ".csv", ".parquet")


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("history")(history)


def history(
    file: Annotated[
        Path, typer.Argument(help="Where rows go: JSONL, CSV or Parquet by its ending.")
    ],
    data: Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")],
    purpose: Annotated[str, typer.Option(help="What it is read for, a purpose of consent.yaml.")],
    entity: Annotated[
        str, typer.Option(help="For which legal entity; needed where there are several.")
    ] = "",
    fields: Annotated[
        str, typer.Option(help="Only these fields of the data map, with commas between them.")
    ] = "",
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Read decisions instead of events.")
    ] = False,
    personal: Annotated[
        bool, typer.Option("--personal", help="Show personal values in the clear; say why.")
    ] = False,
    because: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
) -> None:
    """Read history for analysis, of those customers alone for whom the purpose has a basis now.

    Everybody else is absent. Personal values are masked, and each reading is audited.
    """
    if file.suffix not in _ENDINGS:
        message = f"{file.name} ends in {file.suffix or 'nothing'}; write {', '.join(_ENDINGS)}"
        raise InputError(message)
    what = "decisions" if decisions else "events"
    wanted = {
        "purpose": purpose,
        "entity": entity,
        "what": what,
        "fields": [name.strip() for name in fields.split(",") if name.strip()],
        "personal": personal,
        "because": because,
    }
    count = _write(file, _read(data, wanted), columns=_COLUMNS[what])
    console.print(f"{count} row(s) in {file}, read for {purpose}.", markup=False)


def _read(data: Path, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all pages."""
    after, is_last = 0, False
    while not is_last:
        page = call(data, "POST", "/v1/admin/history/read", {**wanted, "after": after})
        yield from page[wanted["what"]]
        after, is_last = page["after"], page["is_last"]


def _write(file: Path, rows: Iterator[dict[str, Any]], *, columns: dict[str, str]) -> int:
    """Write rows into a new file that only its owner may read; return how many there were."""
    # The first page is read before there is a file, so that a refusal leaves none behind.
    first = next(rows, None)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        message = f"{file} is there already; name another file"
        raise ConflictError(message) from error
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as opened:
        if file.suffix == ".csv":
            writer = csv.writer(opened)
            writer.writerow(columns)
            lines = (_texts_of(row, columns) for row in _from(first, rows))
            return sum(writer.writerow(line) > 0 for line in lines)
        count = sum(opened.write(_line(row)) > 0 for row in _from(first, rows))
    if file.suffix == ".parquet":
        make_parquet(file, columns)
    return count


def make_parquet(file: Path, columns: dict[str, str]) -> None:
    """Make Parquet of the lines of JSON that a file holds, in the same place."""
    made = file.with_name(f".{file.name}.making")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.read_json(str(file), columns=columns, format="newline_delimited")
        try:
            rows.write_parquet(str(made))
            made.chmod(0o600)
            made.replace(file)
        finally:
            made.unlink(missing_ok=True)


def _from(first: dict[str, Any] | None, rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if first is not None:
        yield first
        yield from rest


def _line(row: dict[str, Any]) -> str:
    return msgspec.json.encode(row).decode() + "\n"


def _texts_of(row: dict[str, Any], columns: dict[str, str]) -> list[Any]:
    return [
        msgspec.json.encode(row[name]).decode()
        if kind == "JSON"
        else as_cell(row[name])
        if kind == "VARCHAR"
        else row[name]
        for name, kind in columns.items()
    ]
