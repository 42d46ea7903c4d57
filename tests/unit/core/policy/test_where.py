"""A problem points at the very character."""

import pytest

from kept.core.policy.check import check_expression
from kept.core.policy.scope import Scope
from kept.core.policy.where import Where, nearest, shown

TEXT = "loyal AND\n  ordrs > 3"


def test_a_problem_in_the_first_line_is_moved_by_the_column_of_the_text() -> None:
    """A text that begins at column 7 has its third character at column 9."""
    problem = Where(file="a.yaml", line=4, column=7).problem_at("a + b", 2, message="wrong")
    assert (problem.file, problem.line, problem.column) == ("a.yaml", 4, 9)


def test_a_problem_in_a_later_line_is_counted_from_the_column_of_the_block() -> None:
    """All lines of a YAML block begin at the same column."""
    problem = Where(file="a.yaml", line=4, column=7).problem_at(TEXT, 12, message="wrong")
    assert (problem.line, problem.column) == (5, 9)


def test_a_text_without_a_place_has_problems_without_one() -> None:
    """Line 0 says that the place is not known, and stays so."""
    problem = Where(file="a.yaml").problem_at(TEXT, 12, message="wrong", suggestion="mend it")
    assert (problem.line, problem.column, problem.suggestion) == (0, 0, "mend it")


def test_all_problems_of_an_expression_come_in_reading_order() -> None:
    """Names, operators and constants are reported together, each at its own place."""
    text = "zz / 2 > 0.1234567\n  OR lower(yy) = 'a'"
    scope = Scope(facts={})
    found = check_expression(
        text, scope=scope, expects=None, where=Where(file="a", line=1, column=1)
    )
    assert isinstance(found, list)
    assert [(problem.line, problem.column) for problem in found] == [
        (1, 1),
        (1, 4),
        (1, 10),
        (2, 6),
        (2, 12),
    ]


def test_the_nearest_name_is_offered_and_a_far_one_is_not() -> None:
    """A suggestion is only given where it is likely to be right."""
    assert nearest("ordrs_90d", ["orders_90d", "visits"]) == "orders_90d"
    assert nearest("zzz", ["orders_90d", "visits"]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("a\u202eb", "a\\u202eb"), ("x" * 50, "x" * 37 + "...")],
)
def test_a_message_shows_no_letter_that_cannot_be_seen(text: str, expected: str) -> None:
    """Invisible and turning letters are spelt out, and long texts are cut."""
    assert shown(text) == expected
