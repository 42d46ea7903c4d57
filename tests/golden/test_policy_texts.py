"""What the condition language refuses, in which words, and the SQL that it writes for each engine."""

import pytest

from tests.golden.policy_texts import FILES, read_pairs

PAIRS = [(name, text, expected) for name in FILES for text, expected in read_pairs(name)]


@pytest.mark.parametrize(
    ("name", "text", "expected"), PAIRS, ids=[f"{name}: {text[:60]}" for name, text, _ in PAIRS]
)
def test_the_answer_is_the_golden_one(name: str, text: str, expected: list[str]) -> None:
    """Every refusal has its place and its advice; every SQL text is the one that was reviewed."""
    assert FILES[name](text) == expected


def test_nothing_that_must_be_refused_is_taken() -> None:
    """A golden file never enshrines a hole in the language."""
    assert all("! is taken" not in expected for _, _, expected in PAIRS)
