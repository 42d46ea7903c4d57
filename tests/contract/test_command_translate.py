"""`kept translate` shows a condition as an engine understands it."""

from importlib import resources

import duckdb
import pytest
from typer.testing import CliRunner

from kept.cli.main import app
from kept.errors import InvalidBrandError

STARTER = str(resources.files("kept.cli").joinpath("starter"))


def sql_of(condition: str, dialect: str = "duckdb") -> str:
    """Return what the command prints."""
    told = CliRunner().invoke(
        app, ["translate", STARTER, condition, "--dialect", dialect], catch_exceptions=False
    )
    assert told.exit_code == 0, told.output
    return told.output


@pytest.mark.parametrize(("orders", "expected"), [(3, True), (2, False), (None, None)])
def test_what_it_prints_runs_in_the_engine(orders: int | None, *, expected: bool | None) -> None:
    """Facts are columns of their own names."""
    query = sql_of("orders_365d > 2") + ' FROM (SELECT ?::BIGINT AS "orders_365d")'
    assert duckdb.execute(query, [orders]).fetchone() == (expected, False)


def test_each_engine_has_words_of_its_own() -> None:
    """What engines write differently is written for each."""
    written = {
        sql_of("exists(case, status <> 'resolved')", each)
        for each in ("duckdb", "postgres", "spark")
    }
    assert len(written) == 3


def test_a_condition_that_a_brand_could_not_use_is_refused() -> None:
    """With what is wrong, as `kept check` says it."""
    with pytest.raises(InvalidBrandError, match="orders_9d is not known"):
        sql_of("orders_9d > 2")


def test_an_engine_that_is_not_known_is_refused() -> None:
    """The engines are named."""
    told = CliRunner().invoke(app, ["translate", STARTER, "orders_365d > 2", "--dialect", "oracle"])
    assert told.exit_code == 2
    assert "duckdb, postgres, spark" in told.output
