"""cel-expr-python: CEL in C++.

All conditions are one program that gives a list, and all actions another: for each call it converts
the facts anew, so two calls are faster than many.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cel_expr_python import cel

from bench.case import (
    AMOUNTS,
    COUNTS,
    INSTANTS,
    NOW,
    STATUSES,
    TEXTS,
    Answer,
    Case,
    Fact,
    choose_best,
    write_condition,
    write_value,
)
from bench.rivals.rust_cel import WORDS


def build(case: Case) -> Callable[[Mapping[str, Fact]], Answer]:
    """Return what decides a case."""
    kinds = cel.Type
    row = kinds.Map(kinds.STRING, kinds.DYN)
    environment = cel.NewEnv(
        variables={
            **dict.fromkeys((*COUNTS, *AMOUNTS, *INSTANTS, "now"), kinds.INT),
            **dict.fromkeys(TEXTS, kinds.STRING),
            **dict.fromkeys(STATUSES, kinds.List(row)),
            "held": kinds.List(kinds.BOOL),
        }
    )
    tests = ", ".join(write_condition(test, WORDS) for test in case.conditions)
    conditions = environment.compile(f"[{tests}]")
    values = ", ".join(
        f"!held[{action.hushed_by}] && {write_condition(action.when, WORDS)} "
        f"? {write_value(action.value)} : -1"
        for action in case.actions
    )
    actions = environment.compile(f"[{values}]")

    def decide(facts: Mapping[str, Fact]) -> Answer:
        data: dict[str, Any] = {**facts, "now": NOW}
        held = conditions.eval(data=data).plain_value()
        data["held"] = held
        best = choose_best(case, actions.eval(data=data).plain_value())
        return Answer(tuple(index for index, is_held in enumerate(held) if is_held), best)

    return decide
