"""Conditions that were written to do harm are refused before they can."""

import sys

import pytest

from kept.core.policy import check as checker
from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import compile_expression, compile_next_change
from kept.core.policy.sql_targets import TARGETS
from kept.core.policy.to_sql import to_sql
from kept.core.policy.tree import Expression, depth_of
from kept.core.policy.where import Where
from kept.errors import Problem
from tests.golden.policy_judge import SCOPE

WHERE = Where(file="actions/hostile.yaml", line=1, column=1)

TOO_DEEP = {
    "a thousand parentheses": "(" * 1000 + "orders" + ")" * 1000,
    "parentheses within the length": "(" * 300 + "1" + ")" * 300 + " = 1",
    "a hundred functions": "abs(" * 100 + "orders" + ")" * 100 + " > 1",
    "two hundred negations": "NOT " * 200 + "loyal",
    "many minuses": "- " * 300 + "orders > 1",
    "nested cases": "CASE WHEN loyal THEN " * 100 + "1" + " END" * 100 + " = 1",
    "chained comparisons": " = ".join(["loyal"] * 200),
    "chained nulls": "loyal" + " IS NULL" * 200,
    "a product of hundreds": " * ".join(["orders"] * 300) + " > 1",
    "open lists": "orders IN (" * 100,
    "dots": ".".join(["a"] * 300),
}
TOO_LARGE = {
    "five thousand letters": "name = '" + "x" * 5000 + "'",
    "a long text": "name = '" + "x" * 3000 + "'",
    "a long number": "orders = " + "9" * 3000,
    "a long fraction": "score = 0." + "9" * 3000,
    "a long date": "born_on = date '" + "9" * 900 + "'",
    "a thousand words": " AND ".join(["loyal"] * 500),
    "a constant that overflows": " * ".join(["999999999"] * 3) + " > orders",
}
FOREIGN = {
    "a shell": "__import__('os').system('true')",
    "a template": "{{ 7 * 7 }}{% for x in y %}",
    "a second statement": "loyal; DROP TABLE customers",
    "a query": "(SELECT password FROM users)",
    "our own variables": "k_row = 1 OR k_overflow() = 1 OR now = 1",
    "an unknown function": "pg_sleep(10) IS NULL",
    "quotes": "'" * 399,
    "half a surrogate": "name = '\ud800'",
    "a NUL": "name = 'a\0b'",
    "invisible letters": "\u202e\u200bloyal",
    "a letter that is none": "\U0001f469 = 1",
    "semicolons": ";" * 700,
    "nothing": "",
    "blanks": " \n\t ",
    "a carriage return": "loyal\r\x0bAND",
}


@pytest.mark.parametrize("name", [*TOO_DEEP, *TOO_LARGE, *FOREIGN])
def test_a_hostile_condition_is_refused(name: str) -> None:
    """It is answered with a few plain problems, and nothing overflows on the way."""
    text = (TOO_DEEP | TOO_LARGE | FOREIGN)[name]
    found = check_expression(text, scope=SCOPE, expects=None, where=WHERE)
    assert isinstance(found, list)
    assert 1 <= len(found) <= 20
    for problem in found:
        assert isinstance(problem, Problem)
        assert len(str(problem)) < 300
        assert str(problem).isprintable()


@pytest.mark.parametrize("name", TOO_DEEP)
def test_what_is_nested_too_deeply_is_said_to_be(name: str) -> None:
    """The advice is to give a part of it a name."""
    found = check_expression(TOO_DEEP[name], scope=SCOPE, expects=None, where=WHERE)
    assert isinstance(found, list)
    assert any(
        "nested" in p.message or "words" in p.message or "closed" in p.message for p in found
    )


DEEPEST = {
    "products": ("(rating * ", "rating", ")", 1),
    "ratios": ("ratio(rating, ", "rating", ")", 1),
    "rounding": ("round(0.5 * ", "rating", ", 1)", 2),
    "local time": ("local_weekday(add_days(left_at, ", "visits", "))", 2),
    "dates": ("month(add_days(born_on, ", "visits", "))", 2),
    "cases": ("CASE WHEN minor THEN visits * (", "visits", ") ELSE 1 END", 2),
    "logic": ("NOT (minor OR visits + 1 > 0 AND ", "minor", ")", 3),
    "sums of one another": ("(visits - abs(", "visits", "))", 2),
    "coalesce": ("coalesce(visits * visits, ", "visits", ")", 1),
}


@pytest.mark.parametrize("name", DEEPEST)
def test_the_deepest_expression_can_be_written_for_every_engine(name: str) -> None:
    """Whatever is accepted is compiled, even deep down in a stack that others have filled."""
    head, middle, tail, levels = DEEPEST[name]
    count = (checker.DEPTH_MAX - 2) // levels
    text = head * count + middle + tail * count
    expression = check_expression(text, scope=SCOPE, expects=None, where=WHERE)
    assert isinstance(expression, Expression)
    assert depth_of(expression.root) > checker.DEPTH_MAX - 1 - levels

    def compile_all() -> None:
        compile_expression(expression)
        compile_next_change(expression)
        for dialect in TARGETS:
            sql = to_sql(expression, dialect)
            assert sql.value.sql(dialect)
            assert sql.unknown.sql(dialect)

    under(250, compile_all)


def under(frames: int, run: "object") -> None:
    """Call something below so many other calls."""
    if frames:
        under(frames - 1, run)
    else:
        assert callable(run)
        run()


def test_long_chains_are_compiled_in_little_space() -> None:
    """Hundreds of conditions in a row make a text in proportion, not its square."""
    text = " AND ".join(["visits + orders > 0"] * 60)
    expression = check_expression(text, scope=SCOPE, expects=None, where=WHERE)
    assert isinstance(expression, Expression)
    for dialect in TARGETS:
        sql = to_sql(expression, dialect)
        assert len(sql.unknown.sql(dialect)) < 1_000 * 60
    assert sys.getsizeof(text) < 4_100
