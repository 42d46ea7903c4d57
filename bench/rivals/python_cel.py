"""cel-python: CEL in Python. One program for each condition and value."""

from collections.abc import Callable, Mapping
from typing import Any

import celpy

from bench.case import NOW, Answer, Case, Fact, choose_best, write_condition, write_value
from bench.rivals.rust_cel import WORDS


def build(case: Case) -> Callable[[Mapping[str, Fact]], Answer]:
    """Return what decides a case."""
    environment = celpy.Environment()

    def program(text: str) -> Any:
        return environment.program(environment.compile(text))

    conditions = [program(write_condition(test, WORDS)) for test in case.conditions]
    actions = [
        (
            action.hushed_by,
            program(write_condition(action.when, WORDS)),
            program(write_value(action.value)),
        )
        for action in case.actions
    ]

    def decide(facts: Mapping[str, Fact]) -> Answer:
        context = {name: celpy.json_to_cel(fact) for name, fact in facts.items()}
        context["now"] = celpy.json_to_cel(NOW)
        held = [bool(condition.evaluate(context)) for condition in conditions]
        allowed = [
            int(value.evaluate(context)) if not held[hushed_by] and when.evaluate(context) else -1
            for hushed_by, when, value in actions
        ]
        holding = tuple(index for index, is_held in enumerate(held) if is_held)
        return Answer(holding, choose_best(case, allowed))

    return decide
