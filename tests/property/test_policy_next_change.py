"""Laws: a value keeps until the instant that is announced, and plain comparisons turn right then."""

from collections.abc import Iterator

from hypothesis import given, reject
from hypothesis import strategies as st

from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import Row, compile_expression, compile_next_change
from kept.core.policy.tree import Expression
from kept.core.policy.types import DATE, INT, TIMESTAMP_MAX
from kept.core.policy.where import Where
from kept.core.values import DAY, HOUR, MINUTE, NEVER
from tests.golden.policy_judge import SCOPE
from tests.property.policy_language import (
    TODAY,
    expressions,
    rows_for,
    write,
    zone_called,
)

WHERE = Where(file="generated")


def checked(text: str) -> Expression:
    """Return a generated expression; a constant that does not fit is passed over."""
    found = check_expression(text, scope=SCOPE, expects=None, where=WHERE)
    if not isinstance(found, Expression):
        reject()
    return found


def at(row: Row, now: int) -> Row:
    """Return a row as it is at another instant."""
    return Row(facts=row.facts, fields=row.fields, objects=row.objects, now=now, zone=row.zone)


def moments(row: Row, until: int) -> Iterator[int]:
    """Yield instants of a row after its now at which something might change, were it forgotten."""
    last = min(until, TIMESTAMP_MAX, row.now + 4000 * DAY)
    yield from (row.now + 1, until - 1, (row.now + last) // 2, last - 1)
    groups = [
        row.facts,
        *row.fields.values(),
        *(item for kind in row.objects.values() for item in kind),
    ]
    marks = {value for group in groups for value in group.values() if type(value) is int}
    starts = zone_called(row.zone).starts if row.zone else ()
    for mark in [*marks, *starts, *(mark * DAY for mark in marks if abs(mark) < 10**7)]:
        for unit in (DAY, HOUR, MINUTE):
            for steps in (-30, -7, -1, 0, 1, 2, 7, 30):
                yield mark + steps * unit
                yield mark + steps * unit + 1


@given(text=expressions(depth=4), data=st.data())
def test_a_value_keeps_until_the_next_change(text: str, data: st.DataObject) -> None:
    """Nothing changes strictly between now and the instant that is announced."""
    expression = checked(text)
    row = data.draw(rows_for(expression))
    next_change = compile_next_change(expression)
    until = NEVER if next_change is None else next_change(row)
    assert until > row.now
    evaluate = compile_expression(expression)
    value = evaluate(row)
    for moment in moments(row, until):
        if row.now < moment < until and moment <= TIMESTAMP_MAX:
            assert evaluate(at(row, moment)) == value, moment


@st.composite
def plain_comparisons(draw: st.DrawFn) -> str:
    """Return one function of time compared with constants: the shapes that brands write."""
    unit = draw(st.sampled_from(["days", "hours", "minutes"]))
    ends = draw(st.sampled_from(["since", "until"]))
    clocks = [f"{unit}_{ends}(seen_at)", f"days_{ends}(joined_on)", "local_hour()"]
    clocks += ["local_weekday()", "years_since(born_on)", f"coalesce(days_{ends}(left_at), 99)"]
    clock = draw(st.sampled_from([*clocks, "local_today()"]))
    if clock == "local_today()":
        steps = draw(st.lists(st.integers(TODAY - 30, TODAY + 30), min_size=3, max_size=3))
        low, high, other = (write(step, DATE) for step in sorted(steps))
    else:
        steps = draw(st.lists(st.integers(-60, 60), min_size=3, max_size=3))
        low, high, other = (write(step, INT) for step in sorted(steps))
    op = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
    return draw(
        st.sampled_from(
            [
                f"{clock} {op} {low}",
                f"NOT ({low} {op} {clock})",
                f"{clock} BETWEEN {low} AND {high}",
                f"{clock} IN ({low}, {other}, {high})",
                f"{clock} {op} {low} AND loyal IS NOT NULL",
            ]
        )
    )


@given(text=plain_comparisons(), data=st.data())
def test_a_plain_comparison_turns_at_the_very_instant(text: str, data: st.DataObject) -> None:
    """It keeps its value until the announced microsecond and has another then: no wake in vain."""
    expression = checked(text)
    row = data.draw(rows_for(expression))
    next_change = compile_next_change(expression)
    until = NEVER if next_change is None else next_change(row)
    evaluate = compile_expression(expression)
    value = evaluate(row)
    for moment in moments(row, until):
        if row.now < moment < until and moment <= TIMESTAMP_MAX:
            assert evaluate(at(row, moment)) == value, moment
    if until <= TIMESTAMP_MAX:
        assert evaluate(at(row, until)) != value


@given(row=rows_for(checked("exists(bill, days_until(due_at) < 3)")))
def test_objects_are_watched_one_by_one(row: Row) -> None:
    """The next change of an aggregate is the first of any object."""
    next_change = compile_next_change(checked("exists(bill, days_until(due_at) < 3)"))
    assert next_change is not None
    due = [bill["due_at"] for bill in row.objects["bill"]]
    turns = [due_at - 3 * DAY + 1 for due_at in due if isinstance(due_at, int)]
    assert next_change(row) == min((turn for turn in turns if turn > row.now), default=NEVER)


def test_what_time_does_not_change_has_no_next_change() -> None:
    """An expression without time asks for no wake at all."""
    assert compile_next_change(checked("orders > 3 AND exists(case, status <> 'resolved')")) is None
