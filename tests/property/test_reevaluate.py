"""The law of evaluating again: what is left out would have come out as it did before."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.decide import evaluate
from kept.core.decision import Facts
from kept.core.reevaluate import Evaluated, evaluate_known, reevaluate
from kept.core.values import DAY, HOUR, MINUTE
from tests.property.test_decision import NOW, facts
from tests.scenario.larkmead import LARKMEAD

CLOCKED = LARKMEAD | {
    "actions/lamp_offer.yaml": LARKMEAD["actions/lamp_offer.yaml"].replace(
        "when: ",
        "when: (local_hour() BETWEEN 9 AND 11 OR views > 1"
        " OR exists(bill, NOT paid AND days_since(last_case_at) > 9)) AND ",
    ),
    "actions/bill_due.yaml": LARKMEAD["actions/bill_due.yaml"].replace(
        "days_since(about.due_at) >= 1", "local_hour() >= 9"
    ),
}
"""Larkmead, where the hour of the day says something too, and a fact does so of what is about an object."""
POLICY = compile_brand(load_brand(CLOCKED)).policy
passes = st.sampled_from([0, 1, MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY, 40 * DAY])


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[int, Facts]]:
    """Draw instants one after the other, each with facts of which a few changed since."""
    now, known = NOW, draw(facts())
    life = [(now, known)]
    for _ in range(draw(st.integers(1, 5))):
        now += draw(passes)
        other = draw(facts())
        values, objects = list(known.values), list(known.objects)
        for index in draw(st.sets(st.integers(0, len(values) - 1), max_size=2)):
            values[index] = other.values[index]
        if draw(st.integers(0, 2)) == 0:
            place = draw(st.integers(0, len(objects) - 1))
            objects[place] = other.objects[place]
        known = msgspec.structs.replace(known, values=values, objects=objects)
        life.append((now, known))
    return life


def _changed(before: Facts, after: Facts) -> int:
    mask = 0
    for index, (one, other) in enumerate(zip(before.values, after.values, strict=True)):
        mask |= (one != other) << index
    first = len(POLICY.fact_names) - len(POLICY.object_kinds)
    for index, (rows, others) in enumerate(zip(before.objects, after.objects, strict=True)):
        mask |= (rows != others) << (first + index)
    return mask


@given(lives())
def test_what_is_evaluated_again_comes_to_what_all_comes_to(
    life: list[tuple[int, Facts]],
) -> None:
    """Of whatever changed and however time passed, a part evaluated again equals the whole."""
    (now, known), *rest = life
    zone = known.zone
    evaluated: Evaluated | None = evaluate_known(known.values, known.objects, POLICY, now, zone)
    before = known
    for now, known in rest:
        whole = evaluate_known(known.values, known.objects, POLICY, now, zone)
        if evaluated is None or whole is None:
            evaluated = whole
        else:
            evaluated = reevaluate(
                evaluated, known.values, known.objects, _changed(before, known), now
            )
            assert evaluated is not None
            assert evaluated.findings == whole.findings
            assert evaluated.derived == whole.derived
            # It may be looked at again too early, and never too late.
            assert now < evaluated.turns_at <= whole.turns_at
        before = known
    if evaluated is not None:
        told = evaluate(known.values, known.objects, POLICY, 0, now, zone)
        assert evaluated.findings == told


@given(facts(), passes)
def test_what_did_not_turn_is_what_it_was(known: Facts, passed: int) -> None:
    """Where nothing changed and nothing turned nothing is evaluated, and that is right."""
    first = evaluate_known(known.values, known.objects, POLICY, NOW, known.zone)
    if first is None:
        return
    now = NOW + passed
    again = reevaluate(first, known.values, known.objects, 0, now)
    assert (again is first) is (now < first.turns_at)
    assert again is not None
    assert again.findings == evaluate(known.values, known.objects, POLICY, 0, now, known.zone)
