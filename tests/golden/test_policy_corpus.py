"""The corpus of the condition language: what Python and DuckDB must both answer."""

import pytest

from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import UNKNOWN, Outcome, compile_expression, compile_test
from kept.core.policy.tree import Expression
from kept.core.policy.types import BOOL
from kept.core.policy.where import Where
from tests.golden.policy_corpus import CORPUS, Case, read_corpus, read_outcome
from tests.golden.policy_judge import SCOPE, DuckDbJudge

CASES = read_corpus()


@pytest.fixture(scope="module")
def ruling() -> list[Outcome]:
    """Return what DuckDB says of each case, asked in bulk because that is quicker."""
    judge = DuckDbJudge()
    found: list[Outcome] = []
    for start in range(0, len(CASES), 20):
        cases = CASES[start : start + 20]
        judge.load([case.row for case in cases])
        answers = judge.ask(*(checked(case) for case in cases))
        found += [answers[place][place] for place in range(len(cases))]
    return found


def checked(case: Case) -> Expression:
    """Return the expression of a case, which must be one."""
    where = Where(file=CORPUS.name, line=case.line, column=1)
    found = check_expression(case.expression, scope=SCOPE, expects=None, where=where)
    assert isinstance(found, Expression), [str(problem) for problem in found]
    return found


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    """Hundreds of cases, none of them a copy."""
    lines = [line for line in CORPUS.read_text(encoding="utf-8").splitlines() if " | " in line]
    assert len(CASES) > 400
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("place", range(len(CASES)), ids=[f"line {case.line}" for case in CASES])
def test_python_and_duckdb_meet_the_corpus(ruling: list[Outcome], place: int) -> None:
    """Each case has the value that it should, NULL and unknown included, in both engines."""
    case = CASES[place]
    expression = checked(case)
    expected = read_outcome(case.expected, expression.type)
    value = compile_expression(expression)(case.row)
    assert (value, type(value)) == (expected, type(expected))
    assert (ruling[place], type(ruling[place])) == (expected, type(expected))
    if expression.type == BOOL:
        test = compile_test(expression)(case.row)
        assert test is (UNKNOWN if expected is UNKNOWN else expected is True)
