"""zen-engine: rules in Rust. Its compiled expressions, which are its fastest form here.

All conditions are one expression that gives a list, and all actions another that reads that list:
two calls a decision. A decision graph of the same expressions, which is what its editor makes,
takes about seven times as long, and an expression for each condition about fifteen times.
"""

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import zen

from bench.case import NOW, Answer, Case, Fact, Words, choose_best, write_condition, write_value

WORDS = Words(and_="and", or_="or", not_="not ", exists="some({kind}, {test})", row="#.")


def build(case: Case) -> Callable[[Mapping[str, Fact]], Answer]:
    """Return what decides a case."""
    conditions = zen.compile_expression(_conditions(case))
    actions = zen.compile_expression(_actions(case))

    def decide(facts: Mapping[str, Fact]) -> Answer:
        context: dict[str, Any] = {**facts, "now": NOW}
        holding = conditions.evaluate(context)
        context["held"] = holding
        best = choose_best(case, actions.evaluate(context))
        return Answer(tuple(index for index, held in enumerate(holding) if held), best)

    return decide


def build_graph(case: Case) -> Callable[[Mapping[str, Fact]], Answer]:
    """Return what decides a case as a decision graph of two nodes."""
    decision = zen.ZenEngine().create_decision(json.dumps(_graph(case)))

    def decide(facts: Mapping[str, Fact]) -> Answer:
        found = decision.evaluate({**facts, "now": NOW})["result"]
        holding = tuple(index for index, held in enumerate(found["held"]) if held)
        return Answer(holding, choose_best(case, found["allowed"]))

    return decide


def _conditions(case: Case) -> str:
    return f"[{', '.join(write_condition(test, WORDS) for test in case.conditions)}]"


def _actions(case: Case) -> str:
    parts = (
        f"(not held[{action.hushed_by}] and {write_condition(action.when, WORDS)}) "
        f"? {write_value(action.value)} : -1"
        for action in case.actions
    )
    return f"[{', '.join(parts)}]"


def _graph(case: Case) -> dict[str, Any]:
    steps = {
        "conditions": {"held": _conditions(case)},
        "actions": {"held": "held", "allowed": _actions(case)},
    }
    nodes = [_node("in", "inputNode", {"schema": ""})]
    for name, expressions in steps.items():
        content = {
            "expressions": [
                {"id": f"{name}-{key}", "key": key, "value": text}
                for key, text in expressions.items()
            ],
            "passThrough": name == "conditions",
            "inputField": None,
            "outputPath": None,
            "executionMode": "single",
        }
        nodes.append(_node(name, "expressionNode", content))
    nodes.append(_node("out", "outputNode", {"schema": ""}))
    edges = [
        {"id": f"to-{end['id']}", "sourceId": start["id"], "targetId": end["id"], "type": "edge"}
        for start, end in pairwise(nodes)
    ]
    return {"nodes": nodes, "edges": edges}


def _node(name: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    position = {"x": 0, "y": 0}
    return {"id": name, "name": name, "type": kind, "position": position, "content": content}
