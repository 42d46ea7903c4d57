"""Kept's compiled policy: the conditions alone, like for like, and the whole decision."""

from collections.abc import Callable, Mapping
from typing import Any

from bench.brand import PLACEMENT, make_brand
from bench.case import NOW, Answer, Case, Fact
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.consent import purpose_key
from kept.core.decide import decide
from kept.core.decision import Controls, Decision, Facts, Request
from kept.core.rules import Policy
from kept.core.state import Stamped


def compile_case(case: Case) -> Policy:
    """Return the policy that Kept makes of a case."""
    return compile_brand(load_brand(make_brand(case))).policy


def build_conditions(case: Case) -> tuple[Callable[[Facts], Answer], Policy]:
    """Return what evaluates all conditions and takes the best: what the rivals do, and no more."""
    policy = compile_case(case)
    hushed_by = {rule.index: case_index(rule.topic) for rule in policy.actions}

    def decide_conditions(facts: Facts) -> Answer:
        derived, unknown = policy.derive(facts.values, facts.objects, 0, NOW, facts.zone)
        values = [*facts.values, *derived]
        states = policy.evaluate_holds(values, facts.objects, unknown, NOW, facts.zone)
        evaluation = policy.evaluate_actions(values, facts.objects, unknown, NOW, facts.zone)
        held = {state.hold for state in states}
        best, best_value = None, 0
        for candidate in evaluation.candidates:
            value = candidate.value
            if value is not None and value > best_value and hushed_by[candidate.action] not in held:
                best, best_value = candidate.action, value
        name = None if best is None else policy.actions[best].action
        return Answer(tuple(sorted(held)), name)

    return decide_conditions, policy


def case_index(topic: str) -> int:
    """Return which condition hushes a topic; -1 for topics of actions beside the case."""
    name, _, number = topic.rpartition("_")
    return int(number) if name == "topic" else -1


def decide_whole(policy: Policy, facts: Facts) -> Decision:
    """Decide in all layers, with reasons for everything that is not done."""
    return decide(
        facts,
        Request(placement=PLACEMENT),
        policy,
        Controls(),
        customer_id=1,
        now=NOW,
        decision_id=1,
    )


def answer_of(policy: Policy, decision: Decision) -> Answer:
    """Return a decision in the form that all engines share."""
    names = [rule.hold for rule in policy.holds]
    holding = tuple(sorted(names.index(hold) for hold in decision.holds))
    return Answer(holding, decision.answer or None)


def to_facts(policy: Policy, facts: Mapping[str, Fact]) -> Facts:
    """Return drawn facts in the form in which Kept reads them from a state."""
    told = [name for name in policy.fact_names if name not in policy.object_kinds]
    values: list[Any] = [facts.get(name.removeprefix("trait.")) for name in told]
    values.pop(told.index("cohort"))
    objects: Any = [
        [(row["key"], row["status"], row["begun_at"]) for row in facts.get(kind, ())]  # type: ignore[union-attr, index]
        for kind in policy.object_kinds
    ]
    return Facts(
        values=values,
        objects=objects,
        restricting_values=None,
        restricting_objects=None,
        unknown=(),
        zone=None,
        region=None,
        consents={purpose_key("shop", "marketing"): Stamped(True, 1, 1)},
        contacts=[],
        declines={},
        addresses={},
        draw=5_000,
    )
