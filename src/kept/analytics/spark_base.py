"""A base on a Spark cluster: sealed in a folder that all workers see, opened only in their memory."""

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from kept.analytics.sealed_rows import SealedRows
from kept.clock import new_id, random_bytes
from kept.core.policy.sql_targets import Dialect
from kept.core.policy_sql.lookups import Lookup
from kept.core.policy_sql.schema import BaseSchema, Shape
from kept.core.policy_sql.text import constant
from kept.core.policy_sql.to_spark import spark_name, spark_type, to_spark
from kept.errors import KeptError, StoreError

_PREFIX: Final = "kept-base-"
_LOCK: Final = "lock"
_KEY_BYTES: Final = 32


class SparkBase:
    """A base of Spark; its key is in memory alone, so that what a kill leaves behind is noise."""

    dialect: Final[Dialect] = "spark"

    def __init__(self, session: Any, folder: Path) -> None:
        """Take a session, and a folder that lies under the same path on every worker.

        What an earlier process left behind there is removed.
        """
        sweep(folder)
        self._session = session
        self._parent = folder
        self._folder: Path | None = None
        self._lock: IO[str] | None = None
        self.key = b""
        self._shapes: dict[str, dict[str, Shape]] = {}
        self._filling: dict[str, SealedRows] = {}

    def begin(self, schema: BaseSchema) -> None:
        """Begin anew with empty tables."""
        self.clear()
        self._folder = self._parent / f"{_PREFIX}{new_id()}"
        self._folder.mkdir(parents=True)
        self._lock = (self._folder / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.key = random_bytes(_KEY_BYTES)
        self._shapes = {"customers": schema.customers, "claimed": schema.claimed}
        self._filling = {
            table: SealedRows(self._folder, table, key=self.key, place=place)
            for place, table in enumerate(self._shapes)
        }

    def add(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows to `customers` or `claimed`; columns that are left out are NULL."""
        self._filling[table].add(rows)

    def look_up(self, lookup: Lookup) -> None:
        """Take a small table, in the place of an older one of its name."""
        rows = msgspec.json.encode(lookup.rows).decode()
        with _translated():
            self._view(
                lookup.table, lookup.columns, ":rows", arguments={"rows": rows}, is_small=True
            )

    def settle(self) -> None:
        """Do nothing: what is sealed cannot be made smaller, and the last rows go with the first question."""

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query by their columns' names."""
        with _translated():
            return [row.asDict(recursive=True) for row in self._run(query).collect()]

    def walk(self, query: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query one after the other, a partition at a time."""
        with _translated():
            for row in self._run(query).toLocalIterator():
                yield row.asDict(recursive=True)

    def interrupt(self) -> None:
        """Break off the query that is being answered, once the cluster works on it."""
        with _translated():
            self._session.sparkContext.cancelAllJobs()

    def clear(self) -> None:
        """Remove all files of the base, and forget its key."""
        if self._folder is not None and self._lock is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.close()
            self._folder, self.key = None, b""

    def close(self) -> None:
        """Remove the base, and end the session."""
        self.clear()
        self._session.stop()

    def _run(self, query: str) -> Any:
        self._finish()
        steps, last = to_spark(query)
        for step, text in steps:
            self._session.sql(text).createOrReplaceTempView(step)
        found = self._session.sql(last)
        # By now the last step holds all of them; as names they would hold their memory until the next.
        for step, _ in steps:
            self._session.catalog.dropTempView(step)
        return found

    def _finish(self) -> None:
        """Write what is still to be written, once rows are asked for, and name the tables."""
        for table, rows in self._filling.items():
            rows.finish()
            context = f"CONCAT({_text(table + '/')}, number)"
            opened = f"AES_DECRYPT(sealed, :key, 'GCM', 'DEFAULT', {context})"
            self._view(
                table,
                self._shapes[table],
                f"CAST({opened} AS STRING)",
                source=f" FROM PARQUET.{spark_name(f'{self._folder}/{table}')}",
                arguments={"key": self.key},
            )
        self._filling = {}

    def _view(
        self,
        name: str,
        columns: Mapping[str, Shape],
        rows: str,
        *,
        source: str = "",
        arguments: Mapping[str, Any],
        is_small: bool = False,
    ) -> None:
        """Name a list of rows, given as JSON, so that queries may read it."""
        shape = _text(spark_type([dict(columns)]))
        listed = ", ".join(spark_name(column) for column in columns)
        read = f"FROM_JSON({rows}, {shape}, MAP('mode', 'FAILFAST'))"
        text = f"SELECT {listed} FROM (SELECT INLINE({read}){source})"
        found = self._session.sql(text, args=dict(arguments))
        # A small table goes to every worker, rather than everybody to where a row of it lies.
        (found.hint("broadcast") if is_small else found).createOrReplaceTempView(name)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors of Spark into ours; its messages may quote a value: only how they are classed is said."""
    try:
        yield
    except KeptError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("pyspark.", "py4j.")):
            raise
        raise StoreError(f"the cluster could not be asked ({_class_of(error)})") from error


def _class_of(error: Exception) -> str:
    """Return what class of error Spark itself says it is, such as PATH_NOT_FOUND."""
    told = getattr(error, "getCondition", None)
    condition = told() if told is not None else None
    return condition or type(error).__name__


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
