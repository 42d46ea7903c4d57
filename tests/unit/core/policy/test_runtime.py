"""What generated Python calls, at the edges of what it is called with."""

from datetime import date

import pytest

from kept.core.policy import runtime
from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import Row, compile_next_change
from kept.core.policy.runtime import Overflow, anniversary, between, ratio, round_to, steady
from kept.core.policy.tree import Expression
from kept.core.policy.types import DATE_MAX, DATE_MIN, DECIMAL_ONE, INT_MAX, INT_MIN
from kept.core.policy.where import Where
from kept.core.values import DAY, HOUR, NEVER
from tests.golden.policy_judge import SCOPE

EPOCH = date(1970, 1, 1)
NOW = (date(2026, 7, 1) - EPOCH).days * DAY + 12 * HOUR


def day(text: str) -> int:
    """Return a date as days since 1970."""
    return (date.fromisoformat(text) - EPOCH).days


def next_change(text: str, row: Row) -> int:
    """Return when an expression may next change."""
    found = check_expression(text, scope=SCOPE, expects=None, where=Where(file="test"))
    assert isinstance(found, Expression)
    compiled = compile_next_change(found)
    assert compiled is not None
    return compiled(row)


@pytest.mark.parametrize(
    ("born", "years", "expected"),
    [
        ("1990-07-01", 36, "2026-07-01"),
        ("2000-02-29", 26, "2026-03-01"),
        ("2000-02-29", 28, "2028-02-29"),
        ("2000-02-29", 100, "2100-03-01"),
        ("2000-02-29", -100, "1900-03-01"),
        ("2000-02-29", 400, "2400-02-29"),
    ],
)
def test_an_anniversary_of_a_leap_day_is_the_first_of_march(
    born: str, years: int, expected: str
) -> None:
    """In a year that has no 29 February, one is a year older on the day after the 28th."""
    assert anniversary(day(born), years) == day(expected)


@pytest.mark.parametrize(("years", "expected"), [(8000, DATE_MAX + 1), (-2000, DATE_MIN - 1)])
def test_an_anniversary_beyond_the_calendar_is_beyond_it(years: int, expected: int) -> None:
    """It is later, or earlier, than any day that comes."""
    assert anniversary(day("2000-01-01"), years) == expected


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (5, 1, 9, True),
        (5, 6, None, False),
        (5, None, 4, False),
        (5, 1, None, None),
        (5, None, 9, None),
        (None, 1, 9, None),
    ],
)
def test_between_is_false_as_soon_as_one_limit_says_so(
    value: int | None, low: int | None, high: int | None, expected: object
) -> None:
    """It is AND of two comparisons in three-valued logic."""
    assert between(value, low, high) is expected


def test_what_does_not_fit_is_an_overflow() -> None:
    """A ratio or a rounding that leaves 64 bits is unknown."""
    with pytest.raises(Overflow):
        ratio(INT_MAX, 1)
    with pytest.raises(Overflow):
        round_to(INT_MIN, DECIMAL_ONE)


def test_an_instant_that_cannot_be_known_never_comes() -> None:
    """What stays unknown does not change."""
    assert steady(runtime.overflow) == NEVER
    assert steady(lambda: 5) == 5


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("days_since(seen_at) BETWEEN visits AND 9", 9 * 24 + 24),
        ("days_since(seen_at) BETWEEN 3 AND visits", 3 * 24),
        ("days_since(joined_on) < 3", 2 * 24 + 12),
        ("days_until(joined_on) < -2", 2 * 24 + 12),
        ("years_since(joined_on) >= 1", 364 * 24 + 12),
        ("coalesce(days_since(seen_at), 99) > 3", 4 * 24),
        ("days_until(seen_at) + 1 > orders", 0),
        ("local_hour() BETWEEN 13 AND 14", 1),
        ("local_hour() IN (14, 15)", 2),
        ("days_since(seen_at) IN (0, 2)", 24),
        ("days_since(seen_at) IN (0, 1, 5)", 48),
        ("18 <= local_hour()", 6),
        ("local_hour() <= orders", 1),
        ("local_hour() + 1 = 3", 1),
        ("local_weekday() = orders", 12),
        ("days_since(seen_at) * 2 > orders", 24),
        ("days_until(seen_at) = orders OR loyal", 0),
        ("days_since(left_at) < 7 OR days_since(seen_at) < orders + 2", 48),
        ("max(case, days_since(opened_at)) > 1", 24),
    ],
)
def test_each_shape_has_its_next_change(text: str, hours: int) -> None:
    """A NULL on one side of BETWEEN, local time, calculations: the first that can turn, turns."""
    row = Row(
        facts={
            "seen_at": NOW,
            "left_at": None,
            "visits": None,
            "orders": 0,
            "loyal": False,
            "joined_on": NOW // DAY,
        },
        objects={"case": [{"opened_at": NOW + 8999 * DAY}, {"opened_at": None}]},
        now=NOW,
        zone="UTC",
    )
    found = next_change(text, row)
    assert found == (NOW + hours * HOUR if hours else NOW + 1)


@pytest.mark.parametrize(
    "text",
    [
        "local_today() > born_on",
        "local_hour() = orders",
        "local_hour() > 3",
        "local_weekday() > 3",
        "days_since(add_days(seen_at, orders)) < 3",
    ],
)
def test_what_is_unknown_for_good_never_changes(text: str) -> None:
    """Without a zone, or past the end of time, no wake is set."""
    facts = {"orders": INT_MAX, "born_on": 0, "seen_at": NOW}
    assert next_change(text, Row(facts=facts, now=NOW, zone=None)) == NEVER
