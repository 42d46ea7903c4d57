"""Rows on the decision core: the same case and facts, the same answers, microseconds a decision."""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.case import Answer, Fact, make_case, make_facts
from bench.rivals import kept_policy
from bench.row import Figures
from bench.scale import Scale

UNIT = "µs"
KEPT = "decision core, Kept's compiled conditions"
KEPT_WHOLE = "decision core, Kept's whole decision with reasons"

RIVALS = {
    "zen-engine, compiled expressions": ("zen", "zen_engine", "build"),
    "zen-engine, decision graph": ("zen", "zen_engine", "build_graph"),
    "common-expression-language (CEL in Rust)": ("cel", "rust_cel", "build"),
    "cel-expr-python (CEL in C++)": ("cel_expr_python", "cpp_cel", "build"),
    "rule-engine (Python)": ("rule_engine", "python_rules", "build"),
    "cel-python (CEL in Python)": ("celpy", "python_cel", "build"),
}
"""Name -> package, our module, its function; what is not installed is left out and said so."""

CUSTOMERS = 300
BUDGET_SECONDS = 2.0


def list_rivals() -> dict[str, Callable[..., Any]]:
    """Return the installed rivals' builders."""
    return {
        name: getattr(import_module(f"bench.rivals.{module}"), function)
        for name, (package, module, function) in RIVALS.items()
        if find_spec(package) is not None
    }


def list_missing() -> list[str]:
    """Return the rivals that are not installed."""
    return [name for name, (package, _, _) in RIVALS.items() if find_spec(package) is None]


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Compare the engines, then see how Kept's decision grows."""
    del directory  # Nothing here touches the disk.
    compare_engines(figures, rounds=scale.rounds)
    measure_growth(figures, rounds=scale.rounds, action_counts=scale.action_counts)


def compare_engines(figures: Figures, *, rounds: int) -> None:
    """Check that all engines agree, then time them in turn."""
    case = make_case()
    facts = make_facts(CUSTOMERS)
    conditions, policy = kept_policy.build_conditions(case)
    kept_facts = [kept_policy.to_facts(policy, each) for each in facts]
    answers = [conditions(each) for each in kept_facts]
    whole = [
        kept_policy.answer_of(policy, kept_policy.decide_whole(policy, each)) for each in kept_facts
    ]
    _check_same("Kept's whole decision", answers, whole)

    timed: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        KEPT: (conditions, kept_facts),
        KEPT_WHOLE: (lambda each: kept_policy.decide_whole(policy, each), kept_facts),
    }
    rivals = []
    for name, build in list_rivals().items():
        decide = build(case)
        _check_same(name, answers, _answer_some(decide, facts))
        timed[f"decision core, {name}"] = (decide, facts)
        rivals.append(f"decision core, {name}")
    for _ in range(rounds):
        for name, (decide, inputs) in timed.items():
            figures.add(name, _time(decide, inputs), UNIT)
    if rivals:
        fastest = min(rivals, key=figures.median)
        for name in (KEPT, KEPT_WHOLE):
            figures.compare(name, fastest)


def measure_growth(figures: Figures, *, rounds: int, action_counts: Sequence[int]) -> None:
    """Time Kept's decision as the number of actions grows, with as many conditions to each."""
    for count in action_counts:
        policy = kept_policy.compile_case(
            make_case(condition_count=max(count * 2 // 5, 1), action_count=count)
        )
        facts = [kept_policy.to_facts(policy, each) for each in make_facts(CUSTOMERS)]
        for _ in range(rounds):
            microseconds = _time(lambda each: kept_policy.decide_whole(policy, each), facts)  # noqa: B023
            figures.add(f"growth: whole decision with {count} actions", microseconds, UNIT)


def _answer_some(
    decide: Callable[[Mapping[str, Fact]], Answer], facts: Sequence[Mapping[str, Fact]]
) -> list[Answer]:
    """Return answers for as many customers as an engine can take in a moment."""
    answers = []
    give_up_at = time.perf_counter() + BUDGET_SECONDS
    for each in facts:
        answers.append(decide(each))
        if time.perf_counter() > give_up_at:
            break
    return answers


def _check_same(name: str, expected: Sequence[Answer], given: Sequence[Answer]) -> None:
    for position, (ours, theirs) in enumerate(zip(expected, given, strict=False)):
        if ours != theirs:
            raise AssertionError(f"customer {position}: Kept says {ours}, {name} says {theirs}")


def _time(decide: Callable[[Any], object], inputs: Sequence[Any]) -> float:
    """Return the processor's microseconds a decision, of a run of at least a tenth of a second."""
    count, spent = 0, 0.0
    while spent < 0.1:
        begun = time.process_time()
        decided = 0
        for each in inputs:
            decide(each)
            decided += 1
            # A slow engine need not go through all customers each time.
            if decided % 10 == 0 and time.process_time() - begun > 1:
                break
        spent += time.process_time() - begun
        count += decided
    return spent / count * 1e6
