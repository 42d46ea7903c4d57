"""Generated Python: what it is, and what it leaves out."""

import pytest

from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import UNKNOWN, Row, compile_expression
from kept.core.policy.next_change import emit_next_change
from kept.core.policy.runtime import RUNTIME, Overflow, ZoneMissing, zone_of
from kept.core.policy.to_python import Names, emit, emit_test
from kept.core.policy.tree import Expression
from kept.core.policy.types import INT_MAX, INT_MIN
from kept.core.policy.where import Where
from kept.core.values import DAY, NEVER
from tests.golden.policy_judge import SCOPE

NAMES = Names(
    values={
        "orders": "f1",
        "visits": "f2",
        "name": "f3",
        "trait.nick": "f4",
        "loyal": "f5",
        "minor": "f6",
        "left_at": "f7",
        "seen_at": "f8",
        "spent": "f9",
        "about.amount": "a[0]",
        "offer.price": "(990)",
    },
    rows={"case": "o1"},
    fields={"case": {"status": "2", "opened_at": "3"}},
)


def check(text: str) -> Expression:
    """Return an expression that must be right."""
    found = check_expression(text, scope=SCOPE, expects=None, where=Where(file="test"))
    assert isinstance(found, Expression), found
    return found


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("orders > 3", "(f1 > 3)"),
        ("visits > 3", "(None if f2 is None else (f2 > 3))"),
        ("trait.nick = 'it''s'", '(None if f4 is None else (f4 == "it\'s"))'),
        ("name IN ('a', 'ß')", "(f3 in {'a', '\\xdf'})"),
        (
            "orders * 2",
            f"(k_1 if {INT_MIN} <= (k_1 := (f1 * 2)) <= {INT_MAX} else k_overflow())",
        ),
        ("days_since(seen_at) < 7", "((now - f8) < 604800000000)"),
        ("7 <= hours_until(seen_at)", "((f8 - now) >= 25200000000)"),
        ("minutes_since(seen_at) = 3", "(180000000 <= (now - f8) < 240000000)"),
        ("days_until(seen_at) BETWEEN 0 AND 1", "(0 <= (f8 - now) < 172800000000)"),
        (
            "0.8 * spent",
            "((k_1 + 2) // 5 if (k_1 := (4 * f9)) >= 0 else -((2 - k_1) // 5))",
        ),
        ("spent * 2.0", f"(k_1 if {INT_MIN} <= (k_1 := (2 * f9)) <= {INT_MAX} else k_overflow())"),
        ("days_since(seen_at) + 1", "(((now - f8) // 86400000000) + 1)"),
        ("count(case) > 2", "(len(o1) > 2)"),
        ("local_hour() > 9", "(k_local_hour(zone, now) > 9)"),
    ],
)
def test_what_cannot_fail_is_not_checked(text: str, source: str) -> None:
    """A fact that is always there is compared as it is; a length of time cannot overflow."""
    assert emit(check(text), NAMES) == source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("trait.nick = 'a'", "(f4 == 'a')"),
        ("NOT minor", "(f6 is False)"),
        ("minor IS TRUE", "f6"),
        ("minor IS NOT TRUE", "(not f6)"),
        ("minor IS FALSE", "(f6 is False)"),
        ("minor IS NOT FALSE", "(not (f6 is False))"),
        ("loyal AND minor", "(f5 and f6)"),
        ("NOT (minor AND visits > 3)", "((f6 is False) or (f2 is not None and (f2 <= 3)))"),
        ("exists(case)", "o1"),
        ("visits IS NULL", "(f2 is None)"),
        (
            "exists(case, status <> 'resolved')",
            "(o1 and [1 for k_row in o1 if (k_row[2] is not None and (k_row[2] != 'resolved'))])",
        ),
    ],
)
def test_the_short_form_tells_only_whether_it_is_true(text: str, source: str) -> None:
    """NULL and false are the same to whoever asks what to do."""
    assert emit_test(check(text), NAMES) == source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (
            "days_since(left_at) < 7",
            f"({NEVER} if f7 is None else (k_1 if now < (k_1 := f7 + {7 * DAY}) else {NEVER}))",
        ),
        (
            "days_until(seen_at) BETWEEN 0 AND 1",
            f"(k_1 if now < (k_1 := f8 - {2 * DAY} + 1) else k_2 if now < (k_2 := f8 - 0 + 1) else {NEVER})",
        ),
        ("local_weekday() IN (6, 7)", "k_next_at_weekdays(zone, now, (6, 7, ))"),
        ("local_hour() > 30", str(NEVER)),
        ("local_hour() = orders", "k_next_hour(zone, now)"),
        ("local_weekday() + 1 = orders", "k_next_date(zone, now)"),
        ("orders > 3", None),
    ],
)
def test_the_next_change_of_plain_comparisons_is_a_sum(text: str, source: str | None) -> None:
    """No day is waited for that changes nothing, and no expression without time is waited for."""
    assert emit_next_change(check(text), NAMES) == source


def test_generated_source_is_plain_ascii() -> None:
    """No invisible letter of a brand's text can hide in the source of a policy."""
    assert emit(check("name = '\u202e\u200b\U0001f469'"), NAMES).isascii()


def test_the_runtime_has_names_of_its_own() -> None:
    """What generated code calls begins with `k_`, which no fact of a caller's does."""
    assert all(name.startswith("k_") and callable(value) for name, value in RUNTIME.items())


def test_an_unknown_value_is_an_exception_within_and_a_value_without() -> None:
    """Callers of generated code catch `Overflow`; a missing zone is one kind of it."""
    row = Row(facts={"orders": 2**63 - 1})
    assert compile_expression(check("orders + 1"))(row) is UNKNOWN
    assert compile_expression(check("local_hour()"))(Row(zone="Mars/Olympus")) is UNKNOWN
    assert issubclass(ZoneMissing, Overflow)
    with pytest.raises(ZoneMissing):
        zone_of(None)


def test_is_binds_less_tightly_than_a_comparison() -> None:
    """As the reference lists the operators, and as PostgreSQL and DuckDB read them."""
    assert emit(check("loyal = minor IS NULL"), NAMES) == emit(
        check("(loyal = minor) IS NULL"), NAMES
    )
    assert emit(check("orders > 3 IS TRUE"), NAMES) == emit(check("(orders > 3) IS TRUE"), NAMES)
    negated = emit(check("NOT loyal IS NULL"), NAMES)
    assert negated == emit(check("NOT (loyal IS NULL)"), NAMES)


def test_what_may_be_unknown_between_the_weekday_and_the_hour_is_looked_at_from_the_day_on() -> (
    None
):
    """On the day before, the weekday settles it; on the day itself, what follows is asked."""
    plain = emit_next_change(check("local_weekday() = 1 AND local_hour() = 9"), NAMES)
    assert plain is not None
    assert "k_next_in_week" in plain
    text = "local_weekday() = 1 AND visits * visits > 4 AND local_hour() = 9"
    apart = emit_next_change(check(text), NAMES)
    assert apart is not None
    assert "k_next_in_week" not in apart
