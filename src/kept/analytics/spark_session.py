"""A session on a Spark cluster, set up so that what it is told stays nowhere.

`pyspark` is an extra of the package and is imported only here, once it is asked for.
"""

import os
import re
import shutil
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from kept.errors import SettingsError

_SETTINGS: Final = {
    "spark.app.name": "kept",
    # Blocks that spill, shuffles and broadcasts lie encrypted on the disks of the workers, and
    # neither a log of events nor a page shows what is asked.
    "spark.io.encryption.enabled": "true",
    "spark.io.encryption.keySizeBits": "256",
    "spark.eventLog.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.sql.redaction.string.regex": "(?s).+",
    "spark.log.level": "ERROR",
    # What a condition means must not depend on how a cluster happens to be set up.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.ctePrecedencePolicy": "CORRECTED",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    # A policy is a tall pile of projections. Merged into one, their expressions would be repeated
    # beyond any measure; compiled as one method, they are longer than Java allows.
    "spark.sql.optimizer.excludedRules": (
        "org.apache.spark.sql.catalyst.optimizer.CollapseProject,"
        "org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation"
    ),
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.analyzer.maxIterations": "5000",
    "spark.sql.optimizer.maxIterations": "5000",
}


def open_session(master: str, **more: str) -> Any:
    """Return a session on a cluster: `spark://host:port`, or `local[2]` for this machine alone.

    `more` are settings of Spark, with `_` for the dots.

    Raises:
        SettingsError: pyspark or Java is missing, the cluster cannot be reached, or what its
            machines tell each other is not encrypted.
    """
    if find_spec("pyspark") is None:
        raise SettingsError("Spark needs the package pyspark: pip install 'kept[spark]'")
    if not _has_java():
        raise SettingsError(
            "Spark needs Java 17 or newer: install it (Debian: openjdk-17-jre-headless) and put "
            "`java` on the PATH, or name its folder in JAVA_HOME"
        )
    builder = import_module("pyspark.sql").SparkSession.builder.master(master)
    for key, value in (
        _SETTINGS | {key.replace("_", "."): value for key, value in more.items()}
    ).items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # whatever py4j or the launcher raise; its text may quote settings
        raise SettingsError(
            f"no session on the Spark cluster {master} could be opened "
            f"({type(error).__name__}): is it running, and has it a free worker?"
        ) from error
    if not is_private(master, session.sparkContext.getConf().get):
        session.stop()
        raise SettingsError(
            f"the machines of the Spark cluster {master} speak to each other in the clear: set "
            "spark.authenticate, spark.authenticate.secret and spark.network.crypto.enabled on the "
            "master, on its workers and in the spark-defaults.conf of this machine"
        )
    return session


def _has_java() -> bool:
    home = os.environ.get("JAVA_HOME", "")
    return shutil.which("java", path=f"{home}/bin" if home else None) is not None


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
