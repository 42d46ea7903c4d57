"""A real Spark cluster on the loopback interface: a master and two workers, each a process of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlglot import exp

from kept.core.policy.evaluate import UNKNOWN, Outcome, Row
from kept.core.policy.scope import Fact
from kept.core.policy.to_sql import to_sql
from kept.core.policy.tree import Expression
from kept.core.policy.types import Type
from kept.core.policy.zones import find_zone
from kept.core.policy_sql.schema import Shape
from kept.core.policy_sql.to_spark import spark_name, spark_type
from tests.golden.policy_judge import SCOPE, sql_type

WORKERS: Final = 2
_START_SECONDS: Final = 120
_SECRET: Final = "a secret of the suite's own cluster"
HASTY: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Java for processes that live for minutes: to compile all to its best would cost more than it gains."""
_DEFAULTS: Final = f"""\
spark.authenticate true
spark.authenticate.secret {_SECRET}
spark.network.crypto.enabled true
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.driver.memory 1536m
spark.executor.memory MEMORY
spark.executor.cores 1
spark.cores.max {WORKERS}
spark.sql.shuffle.partitions {WORKERS}
spark.sql.adaptive.enabled false
spark.driver.extraJavaOptions JAVA
spark.executor.extraJavaOptions JAVA
spark.eventLog.enabled true
spark.eventLog.dir EVENTS
"""
"""As an operator sets a cluster up; that it asks for a log of events is for Kept to refuse."""


def find_spark() -> str | None:
    """Return the folder of Spark, None where pyspark or Java is missing."""
    found = find_spec("pyspark")
    if found is None or not found.submodule_search_locations or shutil.which("java") is None:
        return None
    return next(iter(found.submodule_search_locations))


@contextmanager
def run_cluster(
    home: str, folder: Path, *, worker_mib: int = 512, java: str = HASTY
) -> Iterator[str]:
    """Run a cluster whose files all lie below a folder, and yield the address of its master.

    Args:
        worker_mib: the memory of each worker for what it computes (MiB).
        java: options of Java for whoever computes and plans.
    """
    for name in ("conf", "events", "local", "logs", "temporary"):
        (folder / name).mkdir()
    defaults = _DEFAULTS.replace("EVENTS", (folder / "events").as_uri())
    defaults = defaults.replace("MEMORY", f"{worker_mib}m").replace("JAVA", java)
    (folder / "conf" / "spark-defaults.conf").write_text(defaults)
    environment = os.environ | {
        "SPARK_HOME": home,
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": f"{HASTY} -Djava.io.tmpdir={folder / 'temporary'}",
    }
    port, page = _free_port(), _free_port()
    address = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    master = (f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port))
    limits = ("--cores", "2", "--memory", f"{2 * worker_mib}m")
    worker = (f"{deploy}.worker.Worker", *limits, "--host", "127.0.0.1")
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(
            _start(home, environment, folder, "master", *master, "--webui-port", str(page))
        )
        _wait_for(folder / "logs" / "master", "I have been elected leader", running)
        for number in range(WORKERS):
            where = ("--work-dir", str(folder / f"work{number}"), "--webui-port", "0", address)
            name = f"worker{number}"
            running.append(_start(home, environment, folder, name, *worker, *where))
        for number in range(WORKERS):
            registered = "Successfully registered with master"
            _wait_for(folder / "logs" / f"worker{number}", registered, running)
        yield address
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def _start(
    home: str, environment: dict[str, str], folder: Path, name: str, *command: str
) -> subprocess.Popen[bytes]:
    with (folder / "logs" / name).open("wb") as log:
        # `spark-class` replaces itself by Java, so that the process is the one to end.
        return subprocess.Popen(
            [f"{home}/bin/spark-class", *command],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _wait_for(log: Path, text: str, running: list[subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + _START_SECONDS  # noqa: TID251 - processes start in real time
    while text not in log.read_text(errors="replace"):
        ended = any(process.poll() is not None for process in running)
        assert not ended, (
            f"a process of the cluster ended:\n{log.read_text(errors='replace')[-3000:]}"
        )
        late = time.monotonic() > until  # noqa: TID251
        assert not late, f"the cluster does not start:\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _shape(fields: Any) -> dict[str, Shape]:
    return {name: _type(field) for name, field in fields.items()}


def _type(field: Type | Fact) -> str:
    return sql_type(field.type if isinstance(field, Fact) else field)


class SparkJudge:
    """Evaluates expressions of `SCOPE` on rows, as `policy_judge.DuckDbJudge` does."""

    def __init__(self, session: Any) -> None:
        """Take a session."""
        self._session = session
        spaces = ("about", "offer")
        self._columns: dict[str, Shape] = {
            "place": "BIGINT",
            **_shape(SCOPE.facts),
            **{space: _shape(SCOPE.fields_of(space)) for space in spaces},
            **{f"objects.{kind}": [_shape(fields)] for kind, fields in SCOPE.objects.items()},
            "now": "BIGINT",
            "zone_starts": ["BIGINT"],
            "zone_offsets": ["BIGINT"],
        }

    def load(self, rows: list[Row]) -> None:
        """Replace the rows that expressions are evaluated on."""
        told = msgspec.json.encode([self._row(place, row) for place, row in enumerate(rows)])
        shape = spark_type([self._columns])
        columns = ", ".join(map(spark_name, self._columns))
        text = f"SELECT {columns} FROM (SELECT INLINE(FROM_JSON(:rows, '{shape}')))"
        found = self._session.sql(text, args={"rows": told.decode()})
        found.createOrReplaceTempView("judged")

    def ask(self, *expressions: Expression) -> list[list[Outcome]]:
        """Return the values of expressions: for each row that was loaded, all of them."""
        columns = [
            exp.alias_(tree, f"k{number}_{part}")
            for number, sql in enumerate(to_sql(expression, "spark") for expression in expressions)
            for part, tree in enumerate((sql.value, sql.unknown))
        ]
        # Sorted here: Spark would compute every row twice, the first time to learn how to split them.
        query = exp.select("place", *columns).from_("judged")
        rows = sorted(tuple(row) for row in self._session.sql(query.sql("spark")).collect())
        found = [row[1:] for row in rows]
        assert all(unknown is not None for row in found for unknown in row[1::2])
        return [
            [UNKNOWN if no else value for value, no in zip(row[::2], row[1::2], strict=True)]
            for row in found
        ]

    def _row(self, place: int, row: Row) -> dict[str, Any]:
        zone = None if row.zone is None else find_zone(row.zone)
        return {
            "place": place,
            **{name: row.facts[name] for name in SCOPE.facts},
            **{space: dict(row.fields[space]) for space in ("about", "offer")},
            **{
                f"objects.{kind}": [dict(one) for one in row.objects[kind]]
                for kind in SCOPE.objects
            },
            "now": row.now,
            "zone_starts": None if zone is None else zone.starts,
            "zone_offsets": None if zone is None else zone.offsets,
        }
