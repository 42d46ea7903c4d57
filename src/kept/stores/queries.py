"""Named queries: SQL lives in `.sql` files beside the adapters, never inside Python text.

A file begins with a comment that says what it is. Each query begins with `-- name --`, then one
line that says what it does, then the statement.
"""

import re
from importlib.resources import files
from typing import Final, LiteralString

_NAME: Final = re.compile(r"^-- (\w+) --\n", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)


def load_queries(path: str) -> dict[str, LiteralString]:
    """Return the queries of a file below `stores/sql` by their names."""
    text = files("kept.stores").joinpath("sql", path).read_text(encoding="utf-8")
    # What stands before the first name is the file's own comment; then names and bodies alternate.
    pieces = _NAME.split(text)[1:]
    return {
        name: _COMMENT.sub("", body).strip().removesuffix(";")
        for name, body in zip(pieces[::2], pieces[1::2], strict=True)
    }
