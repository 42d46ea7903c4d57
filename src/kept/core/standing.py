"""What a standing answer rests on, and until when: whether a new decision could differ from it.

An answer is made from findings (what all conditions came to). As long as they lead to the same, it
stands, and nothing need be decided.
"""

from collections.abc import Iterable
from typing import Final

from kept.core.consent import check_permission
from kept.core.contact import NEVER_ARRIVED, check_cap, check_memory
from kept.core.decision import Decision
from kept.core.reason import (
    AlreadyQueued,
    Braked,
    BreachNoticeDue,
    FactUnknown,
    Held,
    HoldUnknown,
    Reason,
)
from kept.core.rules import ActionRule, Findings, Policy
from kept.core.values import NEVER

_OF_CHANNELS: Final = frozenset({"held", "pressure", "hand_over"})
"""Layers that may refuse one channel and not another."""
_WAITS: Final = (Braked, BreachNoticeDue)
"""Reasons that end without telling anybody."""
_WAITS_FOR_SOURCES: Final = (*_WAITS, FactUnknown, HoldUnknown)


def weighed_in(decision: Decision, policy: Policy) -> frozenset[tuple[int, str]]:
    """Return the candidates (action and object) that an outbound decision came to weigh.

    The others were refused before, by a layer that does not ask what anything is worth.
    """
    by_name = policy.by_name
    found = set()
    reasons = distinct_reasons(decision)
    if decision.chosen or any(reason.layer == "worth_it" for reason in reasons):
        found = {
            (by_name[one.action].index, one.about)
            for one in decision.considered
            if one.reason is None or one.reason.layer == "worth_it"
        }
    if decision.answer:
        found.add((by_name[decision.answer].index, decision.answer_about))
    return frozenset(found)


def are_alike(findings: Findings, before: Findings, decision: Decision, policy: Policy) -> bool:
    """Return whether findings lead to the answer and the reasons that those before them led to.

    `decision` is what those before led to: of a candidate that it did not weigh no amount matters.
    """
    if findings is before or findings == before:
        return True
    found, known = findings.evaluation, before.evaluation
    if (
        findings.holds != before.holds
        or findings.cohort != before.cohort
        or found.unknown_actions != known.unknown_actions
        or len(found.candidates) != len(known.candidates)
    ):
        return False
    weighed = weighed_in(decision, policy)
    if weighed and found.pressure != known.pressure:
        return False
    for one, other in zip(found.candidates, known.candidates, strict=True):
        if one != other and (
            one.action != other.action
            or one.about != other.about
            or one.expires_at != other.expires_at
            or (one.action, one.about) in weighed
        ):
            return False
    return True


def next_end_of_offers(decision: Decision, findings: Findings, policy: Policy) -> int:
    """Return when something first expires, or has been the answer for long enough after it was sent."""
    now, until, stable = decision.decided_at, NEVER, policy.answer_stable
    for candidate in findings.evaluation.candidates:
        if now < candidate.expires_at < until:
            until = candidate.expires_at
    for contact in decision.facts.contacts:
        if now < contact.attempt_at + stable < until:
            until = contact.attempt_at + stable
    return until


def next_end_of_answer(decision: Decision, findings: Findings, policy: Policy) -> int:
    """Return when the answer expires, or has been it for long enough after it was sent: another may follow.

    Of what is not the answer the end changes nothing that is said, so that nobody need be woken.
    """
    if not decision.answer:
        return NEVER
    now, until = decision.decided_at, NEVER
    action, about = decision.answer, decision.answer_about
    index = policy.by_name[action].index
    for candidate in findings.evaluation.candidates:
        if (
            candidate.action == index
            and candidate.about == about
            and now < candidate.expires_at < until
        ):
            until = candidate.expires_at
    sent_at = 0
    for contact in decision.facts.contacts:
        if (
            contact.action == action
            and contact.about == about
            and contact.outcome not in NEVER_ARRIVED
        ):
            sent_at = max(sent_at, contact.attempt_at)
    if sent_at and now < sent_at + policy.answer_stable:
        until = min(until, sent_at + policy.answer_stable)
    return until


def next_end_of_caps(decision: Decision, policy: Policy) -> int:
    """Return when a cap first ends that may press a channel whose refusal no reason tells.

    Of several channels that are pressed the reason tells of one, and another may be free earlier. A
    channel that is not permitted is looked at as well: who is woken too early only looks.
    """
    rules = _pressed_on_many(decision, policy)
    if not rules:
        return NEVER
    now, facts, until = decision.decided_at, decision.facts, NEVER
    ends = [
        (cap.scope, reached.until)
        for cap in policy.caps
        for reached in (
            check_cap(cap, facts.contacts, now=now),
            check_memory(cap, known_after=facts.contacts_known_after, now=now),
        )
        if reached is not None
    ]
    for rule in rules:
        for channel in rule.channels:
            for scope, end in ends:
                if now < end < until and scope.covers(rule, channel.channel):
                    until = end
    return until


def _pressed_on_many(decision: Decision, policy: Policy) -> list[ActionRule]:
    """Return the actions that may have been refused on several channels, of which a reason tells one."""
    pressed = {
        one.action
        for one in decision.considered
        if one.reason is not None and one.reason.layer in _OF_CHANNELS
    }
    return [rule for action in pressed if len((rule := policy.by_name[action]).channels) > 1]


def is_waiting(decision: Decision, reasons: Iterable[Reason], policy: Policy) -> bool:
    """Return whether something waits for what tells nobody that it ended: a brake, a source, a search."""
    # What is unknown though every source is heard stays so until something is told: whoever has no
    # time zone is not looked at every few minutes for good. Which facts the reasons name says less:
    # a condition on a segment names none of those that the segment rests on.
    waits = _WAITS_FOR_SOURCES if decision.controls.stale_facts else _WAITS
    return any(
        not isinstance(reason, BreachNoticeDue) or reason.is_searching
        for reason in reasons
        if isinstance(reason, waits)
    ) or _is_channel_waiting(decision, policy)


def _is_channel_waiting(decision: Decision, policy: Policy) -> bool:
    """Return whether a channel waits for a brake or a source, which the refusal of another may hide."""
    waiting = {brake.name for brake in decision.controls.brakes if brake.scope == "channel"}
    if decision.controls.stale_facts:
        on = [hold.scope for hold in policy.holds if hold.hold in decision.holds]
        waiting.update(channel for scope in on for channel in scope.channels)
    if not waiting:
        return False
    facts = decision.facts
    # Only where it may go that way at all, for those who wait are looked at again and again.
    return any(
        channel.channel in waiting
        and (not channel.address or facts.addresses.get(channel.channel) == "ok")
        and check_permission(
            facts.consents,
            entity=rule.entity,
            rule=rule.purpose_rule,
            channel=channel.channel,
            topic=rule.topic,
        )
        is None
        for rule in _pressed_on_many(decision, policy)
        for channel in rule.channels
    )


def next_change_of_reasons(decision: Decision) -> int:
    """Return when the first of the reasons against something ends."""
    return next_end_of_reasons(distinct_reasons(decision), now=decision.decided_at)


def next_end_of_reasons(reasons: Iterable[Reason], *, now: int) -> int:
    """Return when the first of some reasons ends after now."""
    until = NEVER
    for reason in reasons:
        # An action that is on its way already is looked at again when its message is settled.
        if now < reason.until < until and not isinstance(reason, AlreadyQueued | Held):
            until = reason.until
    return until


def distinct_reasons(decision: Decision) -> list[Reason]:
    """Return the reasons against anything; one that many actions share stands once."""
    shared = {id(one.reason): one.reason for one in decision.considered}
    return [reason for reason in shared.values() if reason is not None]
