"""Conditions that nobody meets, cohorts that others take, holds that never end."""

import pytest

from kept.core.brand.load import load_brand
from kept.core.check.lifting import may_fall, motion_of
from kept.core.check.reach import implies, is_never
from kept.core.policy.check import check_expression
from kept.core.policy.tree import Expression, Node
from kept.core.policy.types import BOOL
from kept.core.policy.where import Where
from kept.core.scopes import policy_scope
from tests.unit.core.check.planted import assert_found, with_text

T, COHORTS = "contact.yaml", "cohorts.yaml"

EXTRA = """
          ever_opened: {count: Case Opened}
          worst: {max: Case Opened, of: severity, type: int}
          least: {min: Case Opened, of: severity, type: int}
          first_plan: {first: Subscription Started, of: plan, type: text}
          last_plan: {last: Subscription Started, of: plan, type: text}
""".replace("\n          ", "\n  ")

BRAND = load_brand(with_text("facts.yaml", "", EXTRA.lstrip("\n")))


def node(text: str, about: str = "") -> Node:
    """Return the tree of a condition on the sample's facts."""
    scope = policy_scope(BRAND.facts, BRAND.cohorts, about=about)
    checked = check_expression(text, scope=scope, expects=BOOL, where=Where(file=""))
    assert isinstance(checked, Expression), checked
    return checked.root


@pytest.mark.parametrize(
    "text",
    [
        "exists(case, status <> 'resolved')",
        "exists(case, status = 'open')",
        "exists(case, status IN ('open'))",
        "count(case, status = 'open') > 1",
        "sum(bill, amount, NOT paid) > money '1.00 EUR'",
        "days_since(last_case_at) < 7",
        "days_since(last_case_at) > 7",
        "days_since(customer_since) < 90",
        "days_since(customer_since) BETWEEN 3 AND 9",
        "orders_90d > 3",
        "ever_opened < 3",
        "ever_opened = 3",
        "worst < 5",
        "least > 5",
        "last_plan = 'x'",
        "trait.region = 'north'",
        "cohort = 'loyal'",
        "segment.browsing",
        "NOT segment.browsing",
        "exists(bill, NOT paid)",
        "exists(bill, days_until(due_at) > 0)",
        "local_hour() BETWEEN 9 AND 17",
        "ever_opened > 3 AND orders_90d > 1",
        "days_since(customer_since) - orders_90d > 3",
        "coalesce(spent_90d, money '0.00 EUR') > money '5.00 EUR'",
        "trait.region IS NULL",
        "NOT (exists(case, status = 'open') AND orders_90d > 3)",
        "NOT (first_plan = 'x' OR orders_90d > 3)",
        "NOT last_plan = 'x'",
        "NOT last_plan <> 'x'",
        "NOT exists(case)",
        "NOT (exists(case) AND NOT segment.browsing)",
        "NOT (days_since(customer_since) >= 90)",
    ],
)
def test_a_condition_that_can_end_may_be_a_hold(text: str) -> None:
    """By time, by an event that counts, or by one that sets a field otherwise."""
    assert may_fall(node(text), motion_of(BRAND, about=""))


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("true", ""),
        ("exists(case)", ""),
        ("exists(case, status <> 'closed')", ""),
        ("exists(case, status IN ('open', 'resolved'))", ""),
        ("count(case) > 1", ""),
        ("ever_opened > 3", ""),
        ("ever_opened + ever_opened >= 3", ""),
        ("NOT ever_opened <= 3", ""),
        ("worst >= 5", ""),
        ("least < 5", ""),
        ("first_plan = 'x'", ""),
        ("days_since(customer_since) > 3", ""),
        ("days_until(customer_since) < 3", ""),
        ("ever_opened > 3 OR exists(case)", ""),
        ("ever_opened > 3 AND worst > 2", ""),
        ("3 < ever_opened", ""),
        ("about.status <> 'lost'", "case"),
        ("NOT (ever_opened < 3 AND worst < 2)", ""),
        ("NOT (ever_opened < 3 OR worst < 2)", ""),
        ("NOT first_plan = 'x'", ""),
        ("NOT first_plan <> 'x'", ""),
    ],
)
def test_a_condition_that_cannot_end_is_a_silence_for_ever(text: str, about: str) -> None:
    """What only grows, what is never set otherwise, what only gets older."""
    assert not may_fall(node(text, about), motion_of(BRAND, about=about))


def test_a_hold_that_can_never_be_lifted_is_refused() -> None:
    """With its place and what would end it."""
    old = "exists(case, status <> 'resolved') OR days_since(last_case_at) < 7"
    texts = with_text(T, old, "exists(case, status <> 'closed')")
    assert_found(texts, at=f"{T} while:", says="can never be lifted", hint="add an event")


def test_a_hold_that_never_holds_is_refused() -> None:
    """No day has more than 24 hours."""
    old = "exists(case, status <> 'resolved') OR days_since(last_case_at) < 7"
    texts = with_text(T, old, "local_hour() > 23")
    assert_found(texts, at=f"{T} while:", says="never holds")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("orders_90d > 5", "orders_90d > 3"),
        ("orders_90d > 5", "orders_90d >= 6"),
        ("orders_90d = 5", "orders_90d > 3"),
        ("orders_90d BETWEEN 4 AND 6", "orders_90d > 3"),
        ("orders_90d > 5 AND views_7d > 1", "orders_90d > 3"),
        ("orders_90d > 5", "orders_90d > 3 OR views_7d > 1"),
        ("orders_90d > 5 OR orders_90d > 7", "orders_90d > 3"),
        ("trait.region = 'a'", "trait.region IN ('a', 'b')"),
        ("3 < orders_90d", "orders_90d > 2"),
        ("orders_90d <= 2", "orders_90d < 4"),
        ("'a' = trait.region", "trait.region IN ('a', 'b')"),
        ("segment.browsing AND orders_90d > 2", "segment.browsing"),
        ("days_since(customer_since) < 30", "days_since(customer_since) < 90"),
    ],
)
def test_one_condition_implies_another(text: str, other: str) -> None:
    """Whoever meets the first meets the second, and not the other way round."""
    assert implies(node(text), node(other))
    same = text in {"orders_90d > 5", "3 < orders_90d"} and other == "orders_90d >= 6"
    assert implies(node(other), node(text)) == same


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("orders_90d > 3", "views_7d > 3"),
        ("orders_90d > 3", "orders_90d > views_7d"),
        ("orders_90d < 9", "orders_90d > 3"),
        ("trait.region = 'a'", "trait.region = 'b'"),
        ("orders_90d <> 3", "orders_90d > 3"),
        ("orders_90d BETWEEN views_7d AND worst", "orders_90d > 3"),
    ],
)
def test_what_is_not_plain_is_not_claimed(text: str, other: str) -> None:
    """In doubt a cohort is reachable."""
    assert not implies(node(text), node(other))


def test_a_cohort_that_another_takes_whole_is_refused() -> None:
    """With the name of the other."""
    texts = with_text(COHORTS, ">= 1825", "< 30")
    assert_found(
        texts,
        at=f"{COHORTS} when:",
        says="nobody is ever in `loyal`: whoever could be is in `newcomer`",
        hint="put it before `newcomer`",
    )


def test_a_cohort_or_segment_that_nobody_meets_is_refused() -> None:
    """Each at its condition."""
    for old, name in ((">= 1825", "loyal"), ("views_7d > 3", "browsing")):
        new = ">= 5 AND 1 > 2" if name == "loyal" else "count(case) < 0"
        assert_found(with_text(COHORTS, old, new), at=f"{COHORTS} when:", says=f"ever in `{name}`")


def test_never_is_said_only_where_it_is_plain() -> None:
    """Ordinary conditions are left alone."""
    for text in ("orders_90d > 3", "orders_90d >= 0", "local_hour() < 9", "segment.browsing"):
        assert not is_never(node(text))
    for text in ("local_hour() > 30", "false OR count(case) < 0", "orders_90d > 3 AND false"):
        assert is_never(node(text))
