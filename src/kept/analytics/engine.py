"""DuckDB as Kept uses it: one thread, little memory, nothing fetched from elsewhere."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import duckdb

from kept.core.history_columns import Column
from kept.errors import StoreError

MEMORY_MIB: Final = 512
_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 1,
    "memory_limit": f"{MEMORY_MIB}MiB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
}


class Engine:
    """One database in memory, made with the first question: to make one takes longer than most questions."""

    def __init__(self) -> None:
        """Make nothing yet."""
        self._database: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a connection, whose tables go with it; errors of the driver become ours."""
        try:
            if self._database is None:
                self._database = duckdb.connect(config=_SETTINGS)
            with self._database.cursor() as connection:
                yield connection
        except duckdb.Error as error:
            # Its message may hold values of a row, so that it is not passed on.
            kind = type(error).__name__
            raise StoreError(f"history cannot be read or written ({kind})") from error

    def close(self) -> None:
        """Let go of the database; the next question makes another."""
        if self._database is not None:
            self._database.close()
            self._database = None


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Iterable[Any] = ()
) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    return connection.execute(sql, list(parameters)).fetchall()


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts: Iterable[str]) -> str:
    """Return texts as a list in SQL."""
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


def json_columns(columns: Iterable[Column]) -> str:
    """Return the columns of a draft, as `read_json` takes them."""
    return (
        "{"
        + ", ".join(f"{quoted(one.name)}: {quoted(_DRAFTED[one.type])}" for one in columns)
        + "}"
    )


def selected(columns: Iterable[Column]) -> str:
    """Return what makes columns of a file from those of a draft."""
    return ", ".join(f"{_MADE[one.type].format(one.name)} AS {one.name}" for one in columns)


_DRAFTED: Final = {
    "BIGINT": "BIGINT",
    "INTEGER": "INTEGER",
    "BOOLEAN": "BOOLEAN",
    "VARCHAR": "VARCHAR",
    "TIMESTAMPTZ": "BIGINT",
    "BLOB": "VARCHAR",
    "JSON": "JSON",
}
"""How a type stands in a draft: instants as microseconds, bytes in base64."""
_MADE: Final = {
    "BIGINT": "{}",
    "INTEGER": "{}",
    "BOOLEAN": "{}",
    "VARCHAR": "{}",
    "TIMESTAMPTZ": "make_timestamptz({})",
    "BLOB": "from_base64({})",
    "JSON": "{}::VARCHAR",
}
