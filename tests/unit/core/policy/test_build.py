"""What is worked out about values before any is known."""

import pytest

from kept.core.policy.check import check_expression
from kept.core.policy.tree import Expression, Node
from kept.core.policy.types import INT_MAX, INT_MIN
from kept.core.policy.where import Where
from tests.golden.policy_judge import SCOPE


def root(text: str) -> Node:
    """Return the tree of an expression that must be right."""
    found = check_expression(text, scope=SCOPE, expects=None, where=Where(file="test"))
    assert isinstance(found, Expression), found
    return found.root


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("month(joined_on)", (1, 12)),
        ("month(joined_on) + day(joined_on)", (2, 43)),
        ("month(joined_on) - day(joined_on)", (-30, 11)),
        ("3 - month(joined_on) + 1", (-8, 3)),
        ("-month(joined_on)", (-12, -1)),
        ("abs(-month(joined_on))", (1, 12)),
        ("abs(month(joined_on) - 3)", (0, 9)),
        ("month(joined_on) * -2", (-24, -2)),
        ("month(joined_on) * (month(joined_on) - 3)", (-24, 108)),
        ("month(joined_on) * 0.5", (500_000, 6_000_000)),
        ("decimal(month(joined_on)) * 0.25", (250_000, 3_000_000)),
        ("round(month(joined_on) * 0.5, 0)", (1_000_000, 6_000_000)),
        ("decimal(month(joined_on))", (1_000_000, 12_000_000)),
        ("ratio(month(joined_on), orders)", (-12_000_000, 12_000_000)),
        ("least(month(joined_on), day(joined_on))", (1, 12)),
        ("greatest(month(joined_on), day(joined_on) + 3)", (4, 34)),
        # An unknown argument drops out in SQL, which works out the rest all the same.
        ("least(local_hour(), month(joined_on))", (0, 12)),
        ("greatest(0, least(local_hour(), orders))", (0, INT_MAX)),
        ("greatest(month(joined_on), day(born_on) + 3)", (1, 34)),
        ("greatest(month(born_on), day(born_on) + 3)", (1, 34)),
        ("least(month(joined_on), day(born_on) - 9)", (-8, 12)),
        ("least(month(born_on), day(born_on) + 30)", (1, 61)),
        ("coalesce(month(born_on), 99)", (1, 99)),
        ("coalesce(month(born_on), year(joined_on), -5)", (1, 9999)),
        ("CASE WHEN loyal THEN month(joined_on) ELSE -1 END", (-1, 12)),
        ("CASE WHEN loyal THEN month(joined_on) END", (1, 12)),
        ("CASE WHEN loyal THEN orders ELSE 0 END", (INT_MIN, INT_MAX)),
        ("days_between(date '2026-01-01', add_days(date '2026-01-01', day(joined_on)))", (1, 31)),
        ("min(case, month(joined_on))", (1, 12)),
        ("count(case) - count(bill)", (-(2**31), 2**31)),
        ("sum(case, month(joined_on))", (INT_MIN, INT_MAX)),
        ("orders + 1", (INT_MIN + 1, INT_MAX)),
        ("local_hour()", (0, 23)),
        ("name", None),
        ("loyal", None),
    ],
)
def test_the_bounds_of_a_value_are_the_narrowest_that_are_known(
    text: str, bounds: tuple[int, int] | None
) -> None:
    """Bounds are what lets a check be left out, so each operation's are computed exactly."""
    assert root(text).bounds == bounds


@pytest.mark.parametrize(
    ("text", "unknowable"),
    [
        ("month(joined_on) + day(joined_on)", False),
        ("orders + 1", True),
        ("orders - orders", True),
        ("0.8 * spent", False),
        ("-1.0 * spent", True),
        ("1.1 * spent", True),
        ("visits * 0", False),
        ("ratio(month(joined_on), orders)", False),
        ("ratio(orders, 2)", True),
        ("round(spent)", False),
        ("round(score)", True),
        ("add_days(date '2026-01-01', month(joined_on))", False),
        ("add_days(joined_on, 1)", True),
        ("days_since(seen_at) * 1000", False),
        ("days_between(seen_at, left_at)", False),
        ("local_today()", True),
        ("years_since(joined_on)", True),
        ("days_since(joined_on)", True),
        ("year(joined_on)", False),
        ("count(case)", False),
        ("sum(case, 1)", True),
        ("exists(case, weight + 1 > 0)", True),
        ("exists(case, weight > 0)", False),
        ("coalesce(orders, orders + 1)", False),
        ("CASE WHEN TRUE THEN 1 ELSE orders + 1 END", False),
        ("loyal AND orders + 1 > 0", True),
        ("orders + 1 IS NULL", True),
    ],
)
def test_what_may_be_unknown_is_known_beforehand(text: str, unknowable: bool) -> None:  # noqa: FBT001
    """Only what may not fit, or needs a zone, is guarded by whoever evaluates it."""
    assert root(text).unknowable is unknowable


@pytest.mark.parametrize(
    ("text", "nullable"),
    [
        ("orders", False),
        ("visits", True),
        ("orders > 3 AND loyal", False),
        ("orders > visits", True),
        ("visits IS NULL", False),
        ("minor IS TRUE", False),
        ("coalesce(visits, 3)", False),
        ("least(visits, orders)", False),
        ("least(visits, 3, visits)", False),
        ("ratio(orders, 2)", False),
        ("ratio(orders, orders)", True),
        ("ratio(visits, 2)", True),
        ("exists(case, urgent)", False),
        ("sum(case, weight)", False),
        ("min(case, weight)", True),
        ("CASE WHEN minor THEN 1 ELSE 2 END", False),
        ("CASE WHEN loyal THEN 1 END", True),
        ("NOT minor", True),
    ],
)
def test_what_may_be_null_is_known_beforehand(text: str, nullable: bool) -> None:  # noqa: FBT001
    """Only what may be NULL is tested for it."""
    assert root(text).nullable is nullable


def test_a_sum_of_sums_is_one_sum() -> None:
    """Its parts are not checked by themselves, and its signs are right."""
    found = root("orders - (visits - (orders + 1)) - -visits")
    assert [getattr(term, "name", "1") for term in found.children] == [
        "orders",
        "visits",
        "orders",
        "1",
        "visits",
    ]
    assert getattr(found, "signs", ()) == (1, -1, 1, 1, 1)
