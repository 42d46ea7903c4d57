"""A session on a Spark cluster, set up so that what it is told stays nowhere.

`pyspark` is an extra of the package and is imported only here, once it is asked for.
"""

import logging
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import Any, Final

from kept.errors import SettingsError

_REACH_SECONDS: Final = 5.0
_WORKER_SECONDS: Final = 60.0
"""How long to wait for a free worker: Spark itself would wait for ever."""
_CATALYST: Final = "org.apache.spark.sql.catalyst.optimizer"
_SOURCES: Final = "org.apache.spark.sql.execution.datasources"
_EXCLUDED_RULES: Final = (
    # A policy is a tall pile of projections. Merged into one, their expressions would be repeated
    # beyond any measure; compiled as one method, they are longer than Java allows.
    f"{_CATALYST}.CollapseProject",
    f"{_CATALYST}.ConvertToLocalRelation",
    # Of a file both columns are needed; to find that out these go down the pile from each of its steps.
    f"{_SOURCES}.PruneFileSourcePartitions",
    f"{_SOURCES}.PushVariantIntoScan",
    f"{_SOURCES}.SchemaPruning",
)
_SETTINGS: Final = {
    "spark.app.name": "kept",
    # Blocks that spill, shuffles and broadcasts lie encrypted on the disks of the workers, and
    # neither a log of events nor a page shows what is asked; nor is it kept for a page.
    "spark.io.encryption.enabled": "true",
    "spark.io.encryption.keySizeBits": "256",
    "spark.eventLog.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.ui.retainedJobs": "1",
    "spark.ui.retainedStages": "1",
    "spark.sql.ui.retainedExecutions": "1",
    "spark.sql.redaction.string.regex": "(?s).+",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    # What a condition means must not depend on how a cluster happens to be set up.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.ctePrecedencePolicy": "CORRECTED",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.optimizer.excludedRules": ",".join(_EXCLUDED_RULES),
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.analyzer.maxIterations": "5000",
    "spark.sql.optimizer.maxIterations": "5000",
}


def open_session(master: str, **more: str) -> Any:
    """Return a session on a cluster: `spark://host:port`, or `local[2]` for this machine alone.

    `more` are settings of Spark, with `_` for the dots.

    Raises:
        SettingsError: pyspark or Java is missing, the cluster cannot be reached or has no free
            worker, or what its machines tell each other is not encrypted.
    """
    missing = find_missing()
    if missing:
        raise SettingsError(missing)
    _reach(master)
    # At a lower level it writes down whatever is sent: keys, and conditions that name values.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    builder = import_module("pyspark.sql").SparkSession.builder.master(master)
    # No table is ever kept there; a folder that is there already, or Spark makes one where it starts.
    own = {"spark.sql.warehouse.dir": Path(tempfile.gettempdir()).as_uri()}
    own |= {key.replace("_", "."): value for key, value in more.items()}
    for key, value in (_SETTINGS | own).items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # whatever py4j or the launcher raise; its text may quote settings
        raise SettingsError(
            f"no session on the Spark cluster {master} could be opened "
            f"({type(error).__name__}): is it running, and of a version that fits pyspark's?"
        ) from error
    if not is_private(master, session.sparkContext.getConf().get):
        session.stop()
        raise SettingsError(
            f"the machines of the Spark cluster {master} speak to each other in the clear: set "
            "spark.authenticate, spark.authenticate.secret and spark.network.crypto.enabled on the "
            "master, on its workers and in the spark-defaults.conf of this machine"
        )
    try:
        _await_worker(session)
    except Exception as error:
        session.stop()
        raise SettingsError(
            f"the Spark cluster {master} gave no worker within {_WORKER_SECONDS:.0f} seconds "
            f"({type(error).__name__}): has it one that is free, and is spark.executor.memory no "
            "more than it has?"
        ) from error
    return session


def find_missing() -> str:
    """Return what is to be installed before Spark can be asked at all; empty where nothing is."""
    if find_spec("pyspark") is None:
        return "Spark needs the package pyspark: pip install 'kept[spark]'"
    home = os.environ.get("JAVA_HOME", "")
    if shutil.which("java", path=f"{home}/bin" if home else None) is None:
        return (
            "Spark needs Java 17 or newer: install it (Debian: openjdk-17-jre-headless) and put "
            "`java` on the PATH, or name its folder in JAVA_HOME"
        )
    return ""


def _reach(master: str) -> None:
    """Assert that one of the masters listens; Spark would try for a minute, and say less."""
    if not master.startswith("spark://"):
        return
    failed = []
    for each in master.removeprefix("spark://").split(","):
        host, _, port = each.rpartition(":")
        try:
            address = (host.strip("[]"), int(port))
            socket.create_connection(address, timeout=_REACH_SECONDS).close()
        except (OSError, ValueError, OverflowError) as error:
            failed.append(f"{each} ({type(error).__name__})")
        else:
            return
    raise SettingsError(
        f"no Spark master answers at {', '.join(failed)}: KEPT_SPARK_MASTER must be "
        "spark://HOST:PORT as the master's own page shows it"
    )


def _await_worker(session: Any) -> None:
    """Run a job of one row, and so find out whether anybody does."""
    late = Timer(_WORKER_SECONDS, session.sparkContext.cancelAllJobs)
    late.daemon = True
    late.start()
    try:
        session.sql("SELECT 1").collect()
    finally:
        late.cancel()


def is_private(master: str, told: Callable[[str, str], str | None]) -> bool:
    """Return whether what a cluster's machines tell each other is encrypted; unknown means no.

    Args:
        told: a setting of the cluster by its name, or what is given beside the name.
    """
    if re.fullmatch(r"local(\[[^]]*\])?", master):
        return True
    if told("spark.authenticate", "false") != "true":
        return False
    ways = ("spark.network.crypto.enabled", "spark.ssl.rpc.enabled")
    return any(told(way, "false") == "true" for way in ways)
