"""The law of the standing answer: what is alike is answered alike."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.decide import evaluate
from kept.core.decision import Decision, Facts
from kept.core.rules import Findings
from kept.core.standing import are_alike
from tests.property.test_decision import NOW, decided, facts
from tests.scenario.larkmead import LARKMEAD

PRICED = LARKMEAD | {
    f"actions/{name}.yaml": LARKMEAD[f"actions/{name}.yaml"].replace(
        f"value: money '{price} EUR'", f"value: {fact} * money '0.50 EUR'"
    )
    for name, price, fact in (("lamp_offer", "1.00", "views"), ("chair_offer", "5.00", "orders"))
}
"""Larkmead, where facts say how much something is worth."""
BUNDLE: Bundle = compile_brand(load_brand(PRICED))


def found(known: Facts) -> Findings:
    """Return what all conditions come to."""
    return evaluate(known.values, known.objects, BUNDLE.policy, 0, NOW, known.zone)


@st.composite
def changed(draw: st.DrawFn) -> tuple[Facts, Facts]:
    """Draw facts, and the same with a few of them changed."""
    before, other = draw(facts()), draw(facts())
    values, objects = list(before.values), list(before.objects)
    for index in draw(st.sets(st.integers(0, len(values) - 1), max_size=2)):
        values[index] = other.values[index]
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(objects) - 1))
        objects[place] = other.objects[place]
    return before, msgspec.structs.replace(before, values=values, objects=objects)


@given(changed())
def test_what_is_alike_is_answered_alike(drawn: tuple[Facts, Facts]) -> None:
    """Findings that are alike lead to the same messages, the same answer and the same reasons."""
    before, after = drawn
    decision = decided(before, bundle=BUNDLE)
    if are_alike(found(after), found(before), decision, BUNDLE.policy):
        assert said(decided(after, bundle=BUNDLE)) == said(decision)


def said(decision: Decision) -> Any:
    """Return what a decision comes to for the customer and for whoever asks why."""
    return (
        decision.answer,
        decision.answer_about,
        decision.cohort,
        decision.holds,
        decision.chosen,
        [(one.action, one.about, one.reason) for one in decision.considered],
    )
