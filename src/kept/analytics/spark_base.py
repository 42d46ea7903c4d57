"""A base on a Spark cluster: sealed in a folder that all workers see, opened only in their memory."""

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from kept.analytics.sealed_rows import SealedRows
from kept.clock import new_id, random_bytes
from kept.core.policy_sql.lookups import Lookup
from kept.core.policy_sql.query import PolicyQuery
from kept.core.policy_sql.schema import BaseSchema, Shape
from kept.core.policy_sql.text import constant
from kept.core.policy_sql.to_spark import spark_name, spark_type

_PREFIX: Final = "kept-base-"
_LOCK: Final = "lock"
_KEY_BYTES: Final = 32


class SparkBase:
    """One base. Its key is in memory alone, so that what a kill leaves behind is noise."""

    def __init__(self, session: Any, folder: Path, schema: BaseSchema) -> None:
        """Take a session and a folder under the same path on every worker.

        What an earlier process left behind there is removed.
        """
        sweep(folder)
        self._session = session
        self._folder = folder / f"{_PREFIX}{new_id()}"
        self._folder.mkdir(parents=True)
        self._lock = (self._folder / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._key = random_bytes(_KEY_BYTES)
        shapes = {"customers": schema.customers, "claimed": schema.claimed}
        self._shapes: dict[str, dict[str, Shape]] = shapes
        self._tables = {
            table: SealedRows(self._folder, table, key=self._key, place=place)
            for place, table in enumerate(shapes)
        }

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the base; the session is whose it was."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()

    def add(self, table: str, rows: list[Mapping[str, Any]]) -> None:
        """Add rows to `customers` or `claimed`."""
        self._tables[table].add(rows)

    def seal(self) -> None:
        """Say that all rows are there."""
        for table, rows in self._tables.items():
            with rows:
                pass
            context = f"CONCAT({_text(table + '/')}, number)"
            opened = f"AES_DECRYPT(sealed, :key, 'GCM', 'DEFAULT', {context})"
            self._view(
                table,
                self._shapes[table],
                f"CAST({opened} AS STRING)",
                source=f" FROM PARQUET.`{self._folder / table}`",
                arguments={"key": self._key},
            )

    def put(self, lookup: Lookup) -> None:
        """Take a small table that stands beside the base."""
        rows = msgspec.json.encode(lookup.rows).decode()
        self._view(lookup.table, lookup.columns, ":rows", arguments={"rows": rows})

    def ask(self, query: PolicyQuery, columns: str = "*") -> Iterator[dict[str, Any]]:
        """Yield what a query says, a partition at a time; `columns` may sum it up on the cluster."""
        found = self._session.sql(query.text)
        if columns != "*":
            found.createOrReplaceTempView("decided")
            found = self._session.sql(f"SELECT {columns}")
        for row in found.toLocalIterator():
            yield row.asDict(recursive=True)

    def _view(
        self,
        name: str,
        columns: Mapping[str, Shape],
        rows: str,
        *,
        source: str = "",
        arguments: Mapping[str, Any],
    ) -> None:
        """Name a list of rows, given as JSON, so that queries may read it."""
        shape = _text(spark_type([dict(columns)]))
        listed = ", ".join(spark_name(column) for column in columns)
        read = f"FROM_JSON({rows}, {shape}, MAP('mode', 'FAILFAST'))"
        text = f"SELECT {listed} FROM (SELECT INLINE({read}){source})"  # noqa: S608
        self._session.sql(text, args=dict(arguments)).createOrReplaceTempView(name)


def sweep(folder: Path) -> None:
    """Remove the bases that no process holds any more."""
    for left in folder.glob(f"{_PREFIX}*"):
        try:
            with (left / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            continue
        except FileNotFoundError:
            shutil.rmtree(left, ignore_errors=True)


def _text(value: str) -> str:
    """Return a constant; Spark reads backslashes in it."""
    return constant(value.replace("\\", "\\\\"))
