"""Law: generated Python and SQL give the same answer to any condition on any row."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import UNKNOWN, compile_expression, compile_test
from kept.core.policy.tree import Aggregate, Expression, Node
from kept.core.policy.types import BOOL
from kept.core.policy.where import Where
from tests.golden.policy_judge import SCOPE, DuckDbJudge
from tests.property.policy_language import expressions, nows, rows_for

WHERE = Where(file="generated")


@pytest.fixture(scope="module")
def judge() -> DuckDbJudge:
    """Return a database that all examples share."""
    return DuckDbJudge()


def checked(text: str) -> Expression:
    """Return a generated expression; only a constant that does not fit may be refused."""
    found = check_expression(text, scope=SCOPE, expects=None, where=WHERE)
    if isinstance(found, list):
        assert all("does not fit" in problem.message for problem in found), (text, found)
        reject()
    return found


@given(text=expressions(depth=4), data=st.data())
def test_python_and_duckdb_agree(judge: DuckDbJudge, text: str, data: st.DataObject) -> None:
    """NULL, unknown, numbers at their limits, odd texts, old dates: always the same answer."""
    expression = checked(text)
    some = data.draw(st.lists(rows_for(expression), min_size=1, max_size=6))
    evaluate = compile_expression(expression)
    judge.load(some)
    assert [[evaluate(row)] for row in some] == judge.ask(expression)


@given(text=expressions(BOOL, depth=4), data=st.data())
def test_the_short_form_of_a_condition_is_true_where_its_value_is(
    text: str, data: st.DataObject
) -> None:
    """`emit_test` leaves out what only tells NULL from false, and finds the same unknowns."""
    expression = checked(text)
    row = data.draw(rows_for(expression))
    value = compile_expression(expression)(row)
    test = compile_test(expression)(row)
    assert test is (UNKNOWN if value is UNKNOWN else value is True)


@given(text=expressions(depth=4), data=st.data())
def test_what_is_worked_out_about_a_value_holds(text: str, data: st.DataObject) -> None:
    """No part of an expression leaves its bounds, or is NULL, unknown or timed beyond its word."""
    root = checked(text).root
    row = data.draw(rows_for(Expression(text=text, root=root)))
    later = msgspec.structs.replace(row, now=data.draw(nows))
    for node in outside_aggregates(root):
        evaluate = compile_expression(Expression(text=text, root=node))
        value = evaluate(row)
        assert node.nullable or value is not None, node
        assert node.unknowable or value is not UNKNOWN, node
        assert node.timed or evaluate(later) == value, node
        if node.bounds is not None and type(value) is int:
            assert node.bounds[0] <= value <= node.bounds[1], node


def outside_aggregates(node: Node) -> Iterator[Node]:
    """Yield the parts of an expression that mean something by themselves."""
    yield node
    if not isinstance(node, Aggregate):
        for child in node.children:
            yield from outside_aggregates(child)
