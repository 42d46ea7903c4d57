"""Rows of a query as people and programs take them: a table, CSV, lines of JSON, Parquet."""

import csv
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
from rich.table import Table
from rich.text import Text

from kept.analytics.sql_session import Answer
from kept.cli.output import console
from kept.cli.read_history import make_parquet
from kept.core.plain_text import as_cell, clean_line
from kept.errors import ConflictError, InputError

FORMS: Final = ("table", "csv", "json", "parquet")


def write_rows(answer: Answer, *, form: str, output: Path | None) -> None:
    """Write rows in one of the forms, into a new file that only its owner reads, or to the terminal.

    Raises:
        ConflictError: the file is there already.
        InputError: a form needs names of columns that differ.
    """
    if form in ("json", "parquet"):
        names = Counter(name for name, _ in answer.columns)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise InputError(f"columns need names of their own: {', '.join(twice)} stand(s) twice")
    if output is None:
        _write(answer, form, sys.stdout)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConflictError(f"{output} is there already; name another file") from error
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        _write(answer, "json" if form == "parquet" else form, file)
    if form == "parquet":
        make_parquet(output, dict(answer.columns))
    console.print(f"{len(answer.rows)} row(s) in {output}.", markup=False)


def _write(answer: Answer, form: str, file: TextIO) -> None:
    if form == "csv":
        writer = csv.writer(file)
        writer.writerow(name for name, _ in answer.columns)
        writer.writerows([_cell(value) for value in row] for row in answer.rows)
    elif form == "json":
        file.writelines(_line(answer, row) + "\n" for row in answer.rows)
    else:
        table = Table()
        for name, _ in answer.columns:
            table.add_column(Text(clean_line(name)))
        for row in answer.rows:
            table.add_row(*(Text(clean_line(_text(value))) for value in row))
        target = console if file is sys.stdout else type(console)(file=file, soft_wrap=True)
        target.print(table)


def _line(answer: Answer, row: tuple[Any, ...]) -> str:
    told = {
        name: msgspec.Raw(value.encode()) if kind == "JSON" and isinstance(value, str) else value
        for (name, kind), value in zip(answer.columns, row, strict=True)
    }
    return msgspec.json.encode(told, enc_hook=str).decode()


def _cell(value: Any) -> str:
    return as_cell(value) if isinstance(value, str) else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
