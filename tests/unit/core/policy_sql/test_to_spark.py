"""How the SQL of a policy is written for Spark; what it means there is the suite's to judge."""

import pytest

from kept.core.policy_sql.to_spark import as_is, spark_name, spark_type, to_spark


def written(expression: str) -> str:
    """Return an expression as Spark reads it."""
    steps, text = to_spark(f"SELECT {expression}")
    assert steps == []
    return text.removeprefix("SELECT ")


@pytest.mark.parametrize(
    ("duckdb", "spark"),
    [
        ('":zone"', "`:zone`"),
        ("LIST_EXTRACT(a, 1)", "GET(a, CAST((1 + (-1)) AS INT))"),
        ("LIST_TRANSFORM(a, LAMBDA k : k.x)", "TRANSFORM(a, k -> k.x)"),
        ("{'a': 1, 'b': x}", "NAMED_STRUCT('a', 1, 'b', x)"),
        ('STRUCT_PACK("a.b" := 1)', "NAMED_STRUCT('a.b', 1)"),
        ("CAST([1] AS SMALLINT[])", "CAST(ARRAY(1) AS ARRAY<SMALLINT>)"),
        (
            "CAST(x AS STRUCT(n BIGINT, t VARCHAR)[])",
            "CAST(x AS ARRAY<STRUCT<n: BIGINT, t: STRING>>)",
        ),
        ("LIST_CONCAT(a, b)", "CONCAT(COALESCE(a, ARRAY()), COALESCE(b, ARRAY()))"),
        ("FLATTEN([a, b])", "FLATTEN(ARRAY(COALESCE(a, ARRAY()), COALESCE(b, ARRAY())))"),
        ("(a)[1:3]", "SLICE((a), 1, 3)"),
        ("a // 10", "(a DIV 10)"),
        (
            "CAST(a AS HUGEINT) // 10",
            (
                "GET(TRANSFORM(ARRAY(CAST(CAST(a AS DECIMAL(38, 0)) AS DECIMAL(38, 0))), k_top -> "
                "CAST(((k_top - MOD(k_top, 10)) / 10) AS DECIMAL(38, 0))), 0)"
            ),
        ),
        ("'it''s \\ here'", "'it\\'s \\\\ here'"),
        (as_is("CAST(ROUND(0.3 * 990, 0) AS BIGINT)"), "(CAST(ROUND(0.3 * 990, 0) AS BIGINT))"),
        (as_is("TRUE"), "TRUE"),
        (as_is("`fact.name` = 'it\\'s'"), "(`fact.name` = 'it\\'s')"),
    ],
)
def test_each_construct_that_differs(duckdb: str, spark: str) -> None:
    """By its name, or by what it means at its edges."""
    assert written(duckdb) == spark


@pytest.mark.parametrize(
    "unknown", ["STRFTIME(a, '%Y')", "a[2:3]", "a::INT[3] + list_reverse(b)", "a ~ 'x'", "x ** 2"]
)
def test_what_nobody_has_compared_is_refused(unknown: str) -> None:
    """Rather than handed on in the hope that it means the same."""
    with pytest.raises(TypeError, match="not written for Spark yet"):
        written(unknown)


def test_steps_become_views_of_their_own_names() -> None:
    """A query within a query has steps of the same names, which stay apart."""
    inner = "WITH s0 AS (SELECT * FROM claimed) SELECT x FROM s0"
    steps, last = to_spark(
        f"WITH s0 AS (SELECT 1 AS y), s1 AS (SELECT s0.*, m.x FROM s0 LEFT JOIN ({inner}) m ON TRUE) "
        "SELECT s1.y FROM s1"
    )
    names = [name for name, _ in steps]
    assert len(set(names)) == 3
    text = dict(steps)
    assert "FROM claimed" in text[names[0]]
    assert (
        f"FROM {names[1]} AS s0 LEFT JOIN (SELECT x FROM {names[0]} AS s0) AS m" in text[names[2]]
    )
    assert last == f"SELECT s1.y FROM {names[2]} AS s1"


def test_shapes_and_names() -> None:
    """As `FROM_JSON` takes them."""
    assert spark_type({"a`b": ["BIGINT"], "c": {"d": "VARCHAR"}}) == (
        "STRUCT<`a``b`: ARRAY<BIGINT>, `c`: STRUCT<`d`: STRING>>"
    )
    assert spark_name("a`b") == "`a``b`"
