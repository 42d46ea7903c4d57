"""What a cluster must be before it is told anything, and what is said where Spark is missing."""

from importlib.util import find_spec

import pytest

from kept.analytics.spark_session import is_private, open_session
from kept.errors import SettingsError


@pytest.mark.parametrize(
    ("master", "told", "expected"),
    [
        ("local", {}, True),
        ("local[2]", {}, True),
        ("local-cluster[2,1,1024]", {}, False),
        ("spark://host:7077", {}, False),
        ("spark://host:7077", {"spark.authenticate": "true"}, False),
        ("spark://host:7077", {"spark.network.crypto.enabled": "true"}, False),
        (
            "spark://host:7077",
            {"spark.authenticate": "true", "spark.network.crypto.enabled": "true"},
            True,
        ),
        ("yarn", {"spark.authenticate": "true", "spark.ssl.rpc.enabled": "true"}, True),
        ("yarn", {"spark.authenticate": "true", "spark.ssl.rpc.enabled": "maybe"}, False),
    ],
)
def test_machines_that_speak_in_the_clear_are_told_nothing(
    master: str, told: dict[str, str], *, expected: bool
) -> None:
    """Only one machine by itself needs no encryption."""
    assert is_private(master, told.get) is expected


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="pyspark is installed")
def test_without_pyspark_it_says_what_to_install() -> None:
    """The extra by its name."""
    with pytest.raises(SettingsError, match=r"pip install 'kept\[spark\]'"):
        open_session("spark://127.0.0.1:9")
