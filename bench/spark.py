"""Rows on everybody at once, by DuckDB and by a Spark cluster of two workers on this machine.

Measured only where it is asked for (`--only spark`), for a cluster needs Java and `pip install
'kept[spark]'`. Both engines hold the same customers and are asked the same; they must answer the same.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.base import DRAWN, RATE, ZONE, draw_people
from bench.brand import make_brand
from bench.case import NOW, make_case
from bench.row import Figures
from bench.scale import Scale
from kept.analytics.duckdb_base import DuckDbBase
from kept.analytics.spark_base import SparkBase
from kept.analytics.spark_session import open_session
from kept.base_port import Base
from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.policy_sql.counts import write_reach
from kept.core.policy_sql.lookups import drawn_table, zones_table
from kept.core.policy_sql.query import write_query
from kept.core.policy_sql.rows import RowWriter
from kept.core.policy_sql.schema import schema_of
from tests.spark_cluster import find_spark, run_cluster

ACTIONS, CONDITIONS = 50, 20


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Fill and ask a base of each engine."""
    home = find_spark()
    if home is None:
        raise RuntimeError("Spark is not here: install Java 17 and `pip install 'kept[spark]'`")
    bundle = compile_brand(
        load_brand(make_brand(make_case(condition_count=CONDITIONS, action_count=ACTIONS)))
    )
    writer = RowWriter(bundle)
    rows = [writer.write(id_, one, ()) for id_, one in enumerate(draw_people(bundle), start=1)]
    count = scale.spark_customers
    with _spark(home, directory) as (base, started):
        figures.add("Spark: a session on a cluster of two workers", started, "s")
        spark = _ask(figures, base, bundle, rows, count=count, engine="Spark")
    duckdb_base = DuckDbBase(threads=2, memory_limit="12GiB")
    duckdb = _ask(figures, duckdb_base, bundle, rows, count=count, engine="DuckDB")
    duckdb_base.close()
    if spark != duckdb:
        raise AssertionError("the engines differ")
    for what in ("filled", "asked again"):
        name = f"everybody at once, {count:,} customers, {what}"
        figures.compare(f"{name}: Spark", f"{name}: DuckDB")


@contextmanager
def _spark(home: str, directory: Path) -> Iterator[tuple[Base, float]]:
    """Run a cluster, and yield a base on it and how long a session took to open."""
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        files, shared = Path(folder) / "cluster", Path(folder) / "shared"
        files.mkdir()
        shared.mkdir()
        with run_cluster(home, files, worker_mib=2_048, java="-XX:+UseParallelGC") as address:
            os.environ["SPARK_CONF_DIR"] = str(files / "conf")
            os.environ["SPARK_LOCAL_DIRS"] = str(files / "local")
            os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
            begun = time.perf_counter()
            session = open_session(address)
            took = time.perf_counter() - begun
            base = SparkBase(session, shared)
            try:
                yield base, took
            finally:
                base.close()


def _ask(
    figures: Figures,
    base: Base,
    bundle: Bundle,
    rows: list[dict[str, Any]],
    *,
    count: int,
    engine: str,
) -> dict[int, int]:
    """Fill a base and ask it twice for the reach of everything; return how often each code occurs."""

    def fill() -> None:
        base.begin(schema_of(bundle))
        for first in range(0, count, DRAWN):
            for number, row in enumerate(rows, start=first + 1):
                row[":customer"] = number
            base.add("customers", rows[: count - first])
        base.look_up(zones_table(bundle.policy, [ZONE], NOW))
        base.look_up(drawn_table(bundle.policy))
        base.settle()
        base.ask("SELECT COUNT(*) AS n FROM zones")

    query = write_query(bundle, now=NOW, has_claims=False, with_details=False, dialect=base.dialect)
    name = f"everybody at once, {count:,} customers"
    figures.add(f"{name}, filled: {engine}", count / _time(fill), RATE)
    asked = write_reach(query, by_cohort=False)
    found: list[dict[str, Any]] = []
    for what in ("asked first", "asked again"):
        seconds = _time(lambda: found.extend(base.ask(asked)))
        figures.add(f"{name}, {what}: {engine}", count / seconds, RATE)
    return {row["code"]: row["count"] for row in found}


def _time(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun
