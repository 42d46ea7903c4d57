"""Evaluate conditions again, and of them only what may come out otherwise than before.

Most events change one fact, and most instants at which something is looked at again turn one
condition. What a piece of the policy rests on is known when the policy is compiled, and when it next
turns by the passing of time is known when it is evaluated.
"""

from typing import TypeAlias, cast

import msgspec

from kept.core.rules import Candidate, Evaluation, Findings, Policy, RestsOn, Rows, Values

ByAction: TypeAlias = dict[int, list[Candidate]]
"""Action (by its index) -> its candidates, in their order."""


class Evaluated(msgspec.Struct, frozen=True):
    """What all conditions came to at an instant, all facts being known, and until when they do."""

    at: int
    policy: Policy
    zone: str | None
    derived: Values
    findings: Findings
    by_action: ByAction
    facts_at: int
    """When something that rests on facts next turns."""
    clock_at: int
    """When something that rests on time alone next turns."""

    @property
    def turns_at(self) -> int:
        """Return when any condition next turns by the passing of time."""
        return min(self.facts_at, self.clock_at)


def evaluate_known(
    values: Values, objects: Rows, policy: Policy, now: int, zone: str | None
) -> Evaluated | None:
    """Return what all conditions come to; None where what is derived from known facts is unknown."""
    derived, unknown = policy.derive(values, objects, 0, now, zone)
    if unknown:
        return None
    known = [*values, *derived]
    findings = Findings(
        derived[0],
        policy.evaluate_holds(known, objects, 0, now, zone),
        policy.evaluate_actions(known, objects, 0, now, zone),
    )
    everything = policy.pieces.everything
    return Evaluated(
        now,
        policy,
        zone,
        derived,
        findings,
        _by_action(findings.evaluation.candidates),
        policy.next_change(known, objects, everything, now, zone),
        policy.next_change(known, objects, ~everything, now, zone),
    )


def reevaluate(
    before: Evaluated, values: Values, objects: Rows, changed: int, now: int
) -> Evaluated | None:
    """Return what all conditions come to now; the findings are those of before if they are equal.

    Args:
        before: what they came to, not after now, in the same zone.
        values: the facts.
        objects: the objects.
        changed: the mask of facts and kinds of objects that changed since.
        now: the instant.
    """
    since = _Since(changed, now >= before.facts_at, now >= before.clock_at)
    if not (changed or since.by_facts or since.by_clock):
        return before
    policy, zone, derived = before.policy, before.zone, before.derived
    if since.touches(policy.pieces.derived):
        derived, unknown = policy.derive(values, objects, 0, now, zone)
        if unknown:
            return None
        for index, value in enumerate(derived, start=policy.pieces.told_count):
            if value != before.derived[index - policy.pieces.told_count]:
                changed |= 1 << index
        since = _Since(changed, since.by_facts, since.by_clock)
    known = [*values, *derived]
    return Evaluated(
        now,
        policy,
        zone,
        derived,
        *_find_again(before, since, known, objects, now),
        *_turn_again(before, since, known, objects, now),
    )


class _Since(msgspec.Struct, frozen=True, gc=False):
    """What happened since conditions were evaluated."""

    changed: int
    by_facts: bool
    by_clock: bool

    def touches(self, piece: RestsOn) -> bool:
        """Return whether a piece of the policy may come out otherwise."""
        return bool(
            self.changed & piece.facts
            or (self.by_facts and piece.turns_with_facts)
            or (self.by_clock and piece.turns_with_clock)
        )


def _find_again(
    before: Evaluated, since: _Since, known: Values, objects: Rows, now: int
) -> tuple[Findings, ByAction]:
    """Return findings, of which only what is touched is evaluated; the same if none differs."""
    policy, zone, findings = before.policy, before.zone, before.findings
    pieces, cohort, holds = policy.pieces, known[policy.pieces.told_count], findings.holds
    if since.touches(pieces.holds):
        holds = policy.evaluate_holds(known, objects, 0, now, zone)
    pressure = findings.evaluation.pressure
    if since.touches(pieces.pressure):
        pressure = pieces.evaluate_pressure(known, objects, now, zone)
    touched = pieces.find_actions(since.changed, since.by_facts, since.by_clock)
    evaluation, by_action = findings.evaluation, before.by_action
    if touched:
        evaluation, by_action = _evaluate_some(before, touched, known, objects, now, zone)
    if pressure != evaluation.pressure:
        evaluation = Evaluation(evaluation.candidates, evaluation.unknown_actions, pressure)
    if evaluation is findings.evaluation and cohort == findings.cohort and holds == findings.holds:
        return findings, by_action
    return Findings(cast("str | None", cohort), holds, evaluation), by_action


def _turn_again(
    before: Evaluated, since: _Since, known: Values, objects: Rows, now: int
) -> tuple[int, int]:
    """Return when something that rests on facts next turns, and when something that does not."""
    policy, zone = before.policy, before.zone
    everything = policy.pieces.everything
    facts_at, clock_at = before.facts_at, before.clock_at
    if since.by_facts:
        facts_at = policy.next_change(known, objects, everything, now, zone)
    elif since.changed:
        turns_at = policy.next_change(known, objects, since.changed, now, zone)
        facts_at = min(facts_at, turns_at)
    if since.by_clock:
        clock_at = policy.next_change(known, objects, ~everything, now, zone)
    return facts_at, clock_at


def _evaluate_some(
    before: Evaluated,
    touched: tuple[int, ...],
    known: Values,
    objects: Rows,
    now: int,
    zone: str | None,
) -> tuple[Evaluation, ByAction]:
    """Return an evaluation in which some actions were evaluated again; the same if none differs."""
    evaluation = before.findings.evaluation
    candidates: list[Candidate] = []
    unknown: list[int] = []
    evaluate_action = before.policy.pieces.evaluate_action
    for index in touched:
        evaluate_action[index](known, objects, candidates, unknown, now, zone)
    by_action = before.by_action
    were = [one for index in touched if index in by_action for one in by_action[index]]
    were_unknown = [index for index in evaluation.unknown_actions if index in touched]
    if candidates == were and unknown == were_unknown:
        return evaluation, by_action
    by_action = {index: found for index, found in by_action.items() if index not in touched}
    by_action |= _by_action(candidates)
    # The order is that of the actions; the candidates of one keep their own.
    candidates = [one for index in sorted(by_action) for one in by_action[index]]
    unknown += [index for index in evaluation.unknown_actions if index not in touched]
    unknown.sort()
    return Evaluation(candidates, unknown, evaluation.pressure), by_action


def _by_action(candidates: list[Candidate]) -> ByAction:
    found: ByAction = {}
    for one in candidates:
        found.setdefault(one.action, []).append(one)
    return found
