"""rule-engine: rules in Python. One rule for each condition and value."""

from collections.abc import Callable, Mapping

import rule_engine

from bench.case import NOW, Answer, Case, Fact, Words, choose_best, write_condition, write_value

WORDS = Words(
    and_="and", or_="or", not_="not ", exists="[o for o in {kind} if {test}].length > 0", row="o."
)


def build(case: Case) -> Callable[[Mapping[str, Fact]], Answer]:
    """Return what decides a case."""
    conditions = [rule_engine.Rule(write_condition(test, WORDS)) for test in case.conditions]
    actions = [
        (
            action.hushed_by,
            rule_engine.Rule(write_condition(action.when, WORDS)),
            rule_engine.Rule(write_value(action.value)),
        )
        for action in case.actions
    ]

    def decide(facts: Mapping[str, Fact]) -> Answer:
        context = {**facts, "now": NOW}
        held = [condition.matches(context) for condition in conditions]
        allowed = [
            int(value.evaluate(context)) if not held[hushed_by] and when.matches(context) else -1
            for hushed_by, when, value in actions
        ]
        holding = tuple(index for index, is_held in enumerate(held) if is_held)
        return Answer(holding, choose_best(case, allowed))

    return decide
