"""The errors say where and what to do."""

import pytest

from kept.errors import InputError, InvalidBrandError, OverloadedError, Problem


def test_a_problem_reads_like_a_compiler_message() -> None:
    """A problem names file, line, column, what is wrong and what to do."""
    problem = Problem(
        file="actions/x.yaml",
        line=3,
        column=7,
        message='unknown feature "foo"',
        suggestion='did you mean "food"?',
    )
    assert str(problem) == 'actions/x.yaml:3:7: unknown feature "foo"; did you mean "food"?'


@pytest.mark.parametrize(
    ("line", "column", "text"),
    [(0, 0, "brand.yaml: is empty"), (2, 0, "brand.yaml:2: is empty")],
)
def test_a_problem_leaves_out_the_place_that_it_does_not_know(
    line: int, column: int, text: str
) -> None:
    """No made-up line numbers are shown."""
    assert str(Problem(file="brand.yaml", line=line, column=column, message="is empty")) == text


def test_an_invalid_brand_reports_every_problem() -> None:
    """All problems are there at once, one line each, and it is the caller's to mend."""
    problems = [Problem(file="a.yaml", message="one"), Problem(file="b.yaml", message="two")]
    error = InvalidBrandError(problems)
    assert isinstance(error, InputError)
    assert error.problems == tuple(problems)
    assert str(error) == "a.yaml: one\nb.yaml: two"


def test_an_overloaded_server_says_when_to_come_back() -> None:
    """The wait is a value, not a word in the message."""
    error = OverloadedError("the queue is full", retry_after_seconds=3)
    assert (error.retry_after_seconds, str(error)) == (3, "the queue is full")
