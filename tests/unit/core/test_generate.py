"""The functions that evaluate a whole brand: what turns when, what is unknown, and what matters."""

from typing import Any

import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.rules import Policy, Rows, Values
from kept.core.values import DAY
from tests.scenario.larkmead import LARKMEAD

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""
LAMP = "actions/lamp_offer.yaml"
DUE = "actions/bill_due.yaml"


def policy_of(**changes: tuple[str, str]) -> Policy:
    """Return the policy of Larkmead with parts of its files replaced."""
    texts = dict(LARKMEAD)
    for file, (old, new) in changes.items():
        name = {"lamp": LAMP, "due": DUE, "contact": "contact.yaml", "facts": "facts.yaml"}[file]
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new)
    return compile_brand(load_brand(texts)).policy


def facts_of(policy: Policy, **known: Any) -> Values:
    """Return facts of which these are known, and the others are none."""
    values: Values = [None for _ in policy.fact_names]
    for name in ("orders", "views"):
        values[policy.fact_names.index(name)] = 0
    for name, value in known.items():
        values[policy.fact_names.index(name)] = value
    return values


def rows_of(policy: Policy, **known: list[tuple[Any, ...]]) -> Rows:
    """Return objects."""
    return [known.get(kind, []) for kind in policy.object_kinds]


def next_turn(policy: Policy, values: Values, rows: Rows) -> int:
    """Return when anything that rests on facts turns."""
    return policy.next_change(values, rows, policy.pieces.everything, NOON, "Europe/Lisbon")


def test_a_fact_within_an_aggregate_turns_when_the_fact_does() -> None:
    """However many objects there are, the instant is the customer's own."""
    policy = policy_of(
        lamp=("views >= 1", "exists(bill, NOT paid AND days_since(last_case_at) > 6)")
    )
    values = facts_of(policy, last_case_at=NOON - 5 * DAY)
    bills = rows_of(policy, bill=[("b1", 4, NOON + 90 * DAY, True, None)])
    assert next_turn(policy, values, bills) == NOON + 2 * DAY
    # The hold of Larkmead that reads the same instant has turned already.
    assert next_turn(policy, facts_of(policy), rows_of(policy)) > NOON + 90 * DAY


def test_the_object_in_play_turns_within_an_aggregate_over_others() -> None:
    """What is read is a field of the bill, and not the field in that place of a case."""
    policy = policy_of(
        due=("days_since(about.due_at) >= 1", "exists(case, days_since(about.due_at) >= 1)")
    )
    rows = rows_of(policy, bill=[("b1", 4, NOON - DAY + 7, False, None)], case=[("c1", "open")])
    assert next_turn(policy, facts_of(policy), rows) == NOON + 7


@pytest.mark.parametrize(
    ("expires", "sets"),
    [("add_days(last_case_at, 2)", ""), ("", "'add_days(last_case_at, 6)'")],
)
def test_nothing_is_done_by_an_end_or_a_value_that_is_not_known(expires: str, sets: str) -> None:
    """G12: the condition holds, and what would be promised or told with it is a guess."""
    was = LARKMEAD[DUE]
    text = (
        was.replace("expires: add_days(about.due_at, 20)", f"expires: {expires}")
        if expires
        else was
    )
    if sets:
        text = text.replace("'add_days(about.due_at, 6)'", sets)
    assert text != was
    policy = compile_brand(load_brand(LARKMEAD | {DUE: text})).policy
    values, rows = facts_of(policy), rows_of(policy, bill=[("b1", 4, NOON - 9 * DAY, False, None)])
    rule = policy.by_name["bill_due"]
    unknown = 1 << policy.fact_names.index("last_case_at")
    evaluation = policy.evaluate_actions(values, rows, unknown, NOON, None)
    assert rule.index in evaluation.unknown_actions
    assert rule.index not in [one.action for one in evaluation.candidates]
    assert policy.fact_names.index("last_case_at") in rule.facts
    known = policy.evaluate_actions(values, rows, 0, NOON, None)
    assert rule.index in [one.action for one in known.candidates]


def test_the_end_of_a_hold_is_looked_at_like_its_condition() -> None:
    """An event that moves the end alone is followed, and so is an end that time moves."""
    facts = LARKMEAD["facts.yaml"].replace(
        "features:\n", "features:\n  last_promise_at: {last: Promise Made}\n"
    )
    contact = LARKMEAD["contact.yaml"].replace(
        "until: about.grace_until", "until: CASE WHEN days_since(last_promise_at) >= 3 THEN "
        "about.grace_until ELSE add_days(last_promise_at, 1) END"
    )  # fmt: skip
    policy = compile_brand(
        load_brand(LARKMEAD | {"facts.yaml": facts, "contact.yaml": contact})
    ).policy
    values = facts_of(policy, last_promise_at=NOON - 2 * DAY)
    rows = rows_of(policy, bill=[("b1", 4, NOON + 90 * DAY, True, None)])
    assert next_turn(policy, values, rows) == NOON + DAY
    assert policy.is_influenced_by("Promise Made")
