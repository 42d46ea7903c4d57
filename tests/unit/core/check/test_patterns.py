"""A brand's regular expressions: what some text makes run for hours is refused, the rest is not."""

import pytest

from kept.core.brand.load import read_brand
from kept.core.check.patterns import PATTERN_LENGTH_MAX, check_pattern
from kept.core.check.report import Report

PLACE = ("namespaces", "email", "blocked", 0)


def problems(pattern: str, *, searched: bool = True) -> list[str]:
    """Return what is said of a pattern."""
    reading = read_brand({})
    report = Report(reading.brand, reading.positions)
    check_pattern(report, PLACE, pattern, searched=searched)
    return [problem.message for problem in report.problems]


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"((a+))+$",
        r"([a-z]+\s?)*!",
        r"(a|a)*b",
        r"(a|ab)*c",
        r"(\d{1,3},?)+x",
        r"(a?){50}b",
        r"(?:a+b?)*c",
        r"(a{1,20}){1,20}b",
        r"\s*\s*x",
        r"\W*stop\W*\W*please",
        r"a.*b.*c",
        r"^a.*b.*c.*d",
        r"\w+@\w+.*\.\w+",
        r"(a*)b?\1",
        r"(?=a+)a+b",
        r"(?i)\d+[0-9a-f]*[a-f0-9]*z",
        r"(end[[a]e)",
        "(a|b?)" * 40 + "c",
    ],
)
def test_what_runs_for_hours_is_refused(pattern: str) -> None:
    """Anybody whose text reaches a mapping could stop the server with it."""
    assert problems(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\W*(stop|stopp|parar|sair|ende|abmelden)\W*$",
        r"(unacceptable|furious|disgrace)",
        r"\?",
        r"^unsubscribe\b",
        r"order\s+no\.?\s*\d+",
        r"^(\d{4} ){3}\d{4}$",
        r"(?:ab)+c",
        r"a++b",
        r"colou?rs?",
    ],
)
def test_what_people_write_is_taken(pattern: str) -> None:
    """Words, alternatives, numbers, and one thing repeated after another."""
    assert problems(pattern) == []


@pytest.mark.parametrize("pattern", [r".*@example\.invalid", r"no-?reply@.*", r"\+?0+"])
def test_what_must_fit_as_a_whole_need_not_be_searched_for(pattern: str) -> None:
    """A blocked value is compared from its first character."""
    assert problems(pattern, searched=False) == []


def test_what_is_no_pattern_at_all_is_told() -> None:
    """With the place at which it breaks."""
    assert "not a regular expression" in problems("(a")[0]
    assert "characters" in problems("a" * (PATTERN_LENGTH_MAX + 1))[0]
