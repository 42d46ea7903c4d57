"""Tables of an export as CSV (RFC 4180) that no spreadsheet takes for formulas."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet may take for the beginning of a formula."""


def write_rows(rows: Iterable[msgspec.Struct]) -> str:
    """Return structs as rows of CSV, without a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in row.__struct_fields__])
    return buffer.getvalue()


def write_header(struct: type[msgspec.Struct]) -> str:
    """Return the header of a table of such structs."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(struct.__struct_fields__)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    """Return a value as one cell: lists and objects as JSON, and no text as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return neutralise(value)
    return neutralise(json.dumps(msgspec.to_builtins(value), ensure_ascii=False))


def neutralise(text: str) -> str:
    """Return a text that begins with an apostrophe where a spreadsheet might compute it."""
    return f"'{text}" if text.startswith(_FORMULA) else text
