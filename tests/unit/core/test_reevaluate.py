"""Conditions evaluated again: what only the clock turns, once there is an object that it is about."""

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.reevaluate import evaluate_known, reevaluate
from kept.core.rules import Rows, Values
from kept.core.values import HOUR, SECOND
from tests.scenario.larkmead import LARKMEAD

THREE = 1_772_420_400_000_000
"""2026-03-02T03:00:00Z, a Monday; in Lisbon it is three o'clock as well."""
BY_DAY = LARKMEAD | {
    "actions/bill_due.yaml": LARKMEAD["actions/bill_due.yaml"].replace(
        "days_since(about.due_at) >= 1", "local_hour() >= 9"
    ),
}
"""Here a bill is told from nine o'clock on."""
BUNDLE = compile_brand(load_brand(BY_DAY))


def test_what_the_clock_turns_of_an_object_turns_once_there_is_one() -> None:
    """With no bill there is nothing that nine o'clock could turn; with the first one there is."""
    policy, zone = BUNDLE.policy, "Europe/Lisbon"
    values: Values = [None for _ in range(policy.pieces.told_count)]
    values[policy.fact_names.index("orders")] = values[policy.fact_names.index("views")] = 0
    nothing: Rows = [[] for _ in policy.object_kinds]
    before = evaluate_known(values, nothing, policy, THREE, zone)
    assert before is not None
    place = policy.object_kinds.index("bill")
    objects = list(nothing)
    objects[place] = [("b1", 40, None, False, None)]
    bit = 1 << (len(policy.fact_names) - len(policy.object_kinds) + place)
    again = reevaluate(before, values, objects, bit, THREE + SECOND)
    assert again is not None
    assert again.turns_at == THREE + 6 * HOUR
