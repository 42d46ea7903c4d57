"""Walk the layers: from one customer's facts to an answer, or to silence."""

import msgspec

from kept.core import layers
from kept.core.consent import is_topic
from kept.core.decision import (
    OUTBOUND,
    SEMANTICS,
    Chosen,
    Considered,
    Controls,
    Decision,
    Facts,
    OutsideContact,
    Request,
)
from kept.core.layers import Permission, Situation
from kept.core.notices import take_up_notices
from kept.core.reason import (
    ChoiceLimited,
    FactUnknown,
    NoBasis,
    NotEligible,
    NotOfferedHere,
    Outranked,
    QuietNow,
    Reason,
)
from kept.core.rules import (
    ActionRule,
    Candidate,
    ChannelRule,
    Findings,
    HoldState,
    Policy,
    Rows,
    Unknown,
    Values,
)
from kept.core.standing import next_change_of_reasons, next_end_of_offers
from kept.core.values import NEVER


class _Ranked(msgspec.Struct, frozen=True, gc=False):
    """An action that passed every layer that does not look at the channel."""

    rule: ActionRule
    candidate: Candidate
    score: int


def evaluate(
    values: Values, objects: Rows, policy: Policy, unknown: Unknown, now: int, zone: str | None
) -> Findings:
    """Return what all conditions come to; `unknown` is the mask of facts that are unknown."""
    derived, unknown = policy.derive(values, objects, unknown, now, zone)
    known = [*values, *derived]
    return Findings(
        derived[0],
        policy.evaluate_holds(known, objects, unknown, now, zone),
        policy.evaluate_actions(known, objects, unknown, now, zone),
    )


def decide(
    facts: Facts,
    request: Request,
    policy: Policy,
    controls: Controls,
    *,
    customer_id: int,
    now: int,
    decision_id: int,
    findings: Findings | None = None,
    permissions: dict[int, Permission] | None = None,
) -> Decision:
    """Return what to do for this customer at this placement, and why not everything else.

    `findings` are what `evaluate` says of these facts, and `permissions` what is permitted to this
    request, where the caller knows them already; what is found out is added to `permissions`.
    """
    told_unknown = mask_of(facts.unknown, controls.stale_facts)
    if findings is None:
        findings = evaluate(facts.values, facts.objects, policy, told_unknown, now, facts.zone)
    holds = findings.holds + _claimed_holds(facts, policy, findings.holds, told_unknown, now)
    situation = Situation(
        policy,
        facts,
        request,
        controls,
        holds,
        findings.cohort,
        findings.evaluation.pressure,
        now,
        {} if permissions is None else permissions,
        layers.contacts_by_action(facts, request),
        bool(facts.consents) and any(map(is_topic, facts.consents)),
    )
    considered: list[Considered] = []
    answer = None
    if request.outside is not None:
        chosen = _answer_outside(request.outside, situation, considered)
    else:
        _note_unknown(findings.evaluation.unknown_actions, situation, considered)
        ranking, service = _rank(findings.evaluation.candidates, situation, considered)
        answer = ranking[0] if ranking else None
        chosen = _choose(ranking, service, situation, considered)
    return Decision(
        decision_id=decision_id,
        decided_at=now,
        semantics=SEMANTICS,
        brand_version=policy.version,
        customer_id=customer_id,
        request=request,
        controls=controls,
        facts=facts,
        cohort=findings.cohort,
        holds=tuple([policy.holds[state.hold].hold for state in holds]),
        considered=tuple(considered),
        answer=answer.rule.action if answer else "",
        answer_about=answer.candidate.about if answer else "",
        chosen=tuple(chosen),
        valid_until=now + policy.answer_stable,
    )


def mask_of(*indexes: tuple[int, ...]) -> Unknown:
    """Return indexes of facts and kinds of objects as the bits of a mask."""
    mask = 0
    for some in indexes:
        for index in some:
            mask |= 1 << index
    return mask


def _claimed_holds(
    facts: Facts, policy: Policy, holds: list[HoldState], unknown: Unknown, now: int
) -> list[HoldState]:
    """Return the holds that are on only by what is merely claimed: it may hush, and do no more."""
    told, objects = facts.restricting_values, facts.restricting_objects
    if told is None or objects is None:
        return []
    derived, unknown = policy.derive(told, objects, unknown, now, facts.zone)
    claimed = policy.evaluate_holds([*told, *derived], objects, unknown, now, facts.zone)
    on_already = {(state.hold, state.about) for state in holds}
    return [state for state in claimed if (state.hold, state.about) not in on_already]


def _note_unknown(unknown_actions: list[int], at: Situation, considered: list[Considered]) -> None:
    for index in unknown_actions:
        rule = at.policy.actions[index]
        if not at.request.actions or rule.action in at.request.actions:
            names = layers.unknown_names(rule.facts, at)
            considered.append(Considered(action=rule.action, reason=FactUnknown(facts=names)))


def _is_asked(rule: ActionRule, about: str, request: Request) -> bool:
    if request.actions and rule.action not in request.actions:
        return False
    return not request.about or about == request.about


def _rank(
    candidates: list[Candidate], at: Situation, considered: list[Considered]
) -> tuple[list[_Ranked], list[_Ranked]]:
    """Return the promotional ranking, best first, and the rest, each in order; note every no."""
    ranking: list[_Ranked] = []
    rest: list[_Ranked] = []
    if at.policy.notices:
        candidates = take_up_notices(candidates, at.policy, at.controls, at.facts)
    actions, is_narrow = at.policy.actions, bool(at.request.actions or at.request.about)
    # Most actions have no past with the customer, and mostly nothing hushes: then nobody need ask.
    past = {action for action, _ in at.contacted}
    declined = {at.policy.offer_of(key.partition("|")[0]) for key in at.facts.declines}
    is_hushed = bool(at.holds or at.controls.brakes or at.controls.breaches)
    holds_out = at.policy.universal_control_percent > 0
    permissions, has_topics, pressure = at.permissions, at.has_topics, at.pressure
    for candidate in candidates:
        rule = actions[candidate.action]
        if is_narrow and not _is_asked(rule, candidate.about, at.request):
            continue
        score = layers.score_of(rule, candidate, pressure) if rule.promotional else 0
        reason = (
            (
                layers.check_relevance(rule, candidate.about, at)
                if rule.action in past or rule.offer in declined
                else None
            )
            or (
                layers.check_eligibility(rule, candidate, at)
                if candidate.expires_at or holds_out or rule.holdout_percent
                else None
            )
            # At a gate another system asks about itself: that needs no permission of ours.
            or (
                layers.check_restricted(rule, at)
                if rule.kind == "measure"
                else (
                    permissions.get(rule.permission if has_topics else rule.permission_any_topic)
                    or layers.find_permission(rule, at)
                ).nowhere
            )
            or (layers.check_holds(rule, candidate.about, at) if is_hushed else None)
            or (layers.check_approval(rule, candidate.about, at) if rule.needs_approval else None)
            or (layers.check_honesty(rule) if rule.dishonest else None)
            or (layers.check_worth(rule, candidate, score) if rule.promotional else None)
        )
        if reason is not None:
            considered.append(
                Considered(action=rule.action, about=candidate.about, score=score, reason=reason)
            )
        elif rule.promotional:
            ranking.append(_Ranked(rule, candidate, score))
        else:
            rest.append(_Ranked(rule, candidate, 0))
    # Ties by name, then by object: no engine and no order of files may matter.
    if len(ranking) > 1:
        ranking.sort(key=lambda one: (-one.score, one.rule.action, one.candidate.about))
    if len(rest) > 1:
        rest.sort(key=lambda one: (one.rule.action, one.candidate.about))
    return ranking, rest


def _choose(
    ranking: list[_Ranked],
    rest: list[_Ranked],
    at: Situation,
    considered: list[Considered],
) -> list[Chosen]:
    placement = at.policy.placements.get(at.request.placement)
    kind = placement.kind if placement is not None else OUTBOUND
    if kind == "gate":
        return _choose_at_gate(rest, at, considered)
    if kind == "inbound":
        return _choose_shown(ranking, rest, at, considered)
    return _choose_outbound(ranking, rest, at, considered)


def _choose_at_gate(
    rest: list[_Ranked], at: Situation, considered: list[Considered]
) -> list[Chosen]:
    chosen = []
    for one in rest:
        if at.request.placement in one.rule.placements:
            chosen.append(_chosen(one))
            considered.append(_considered(one, None))
        else:
            considered.append(_considered(one, NotOfferedHere(placement=at.request.placement)))
    for name in at.request.actions:
        if not any(mine.action == name for mine in considered):
            considered.append(Considered(action=name, reason=NotEligible()))
    return chosen


def _choose_shown(
    ranking: list[_Ranked],
    rest: list[_Ranked],
    at: Situation,
    considered: list[Considered],
) -> list[Chosen]:
    placement = at.policy.placements[at.request.placement]
    limit = min(placement.shows_max, at.policy.choice_limit)
    shown: list[_Ranked] = []
    categories: set[str] = set()
    for position, one in enumerate(ranking):
        reason: Reason | None = None
        category = one.rule.category or one.rule.action
        if placement.placement not in one.rule.placements:
            reason = NotOfferedHere(placement=placement.placement)
        elif position and not shown:
            # The one answer is not shown here, and no placement answers differently: silence.
            best = ranking[0]
            reason = Outranked(by=best.rule.action, score=best.score)
        elif category in categories or len(shown) >= limit:
            reason = ChoiceLimited(limit=limit, category=one.rule.category)
        else:
            reason = _check_shown(one, placement.placement, at)
        considered.append(_considered(one, reason))
        if reason is None:
            shown.append(one)
            categories.add(category)
    told = []
    for one in rest:
        reason = (
            _check_shown(one, placement.placement, at)
            if placement.placement in one.rule.placements
            else NotOfferedHere(placement=placement.placement)
        )
        considered.append(_considered(one, reason))
        if reason is None:
            told.append(one)
    return [_chosen(one) for one in (*told, *shown)]


def _check_shown(one: _Ranked, placement: str, at: Situation) -> Reason | None:
    return layers.check_shown(one.rule, one.candidate.about, placement, at)


def _choose_outbound(
    ranking: list[_Ranked],
    rest: list[_Ranked],
    at: Situation,
    considered: list[Considered],
) -> list[Chosen]:
    chosen: list[Chosen] = []
    for one in rest:
        _send_or_note(one, at, considered, chosen)
    if ranking:
        best, *others = ranking
        _send_or_note(best, at, considered, chosen)
        outranked = Outranked(by=best.rule.action, score=best.score)
        considered += [_considered(one, outranked) for one in others]
    return chosen


def _send_or_note(
    one: _Ranked, at: Situation, considered: list[Considered], chosen: list[Chosen]
) -> None:
    found = _find_way(one, at)
    if isinstance(found, Chosen):
        chosen.append(found)
        considered.append(_considered(one, None))
    else:
        considered.append(_considered(one, found))


def _find_way(one: _Ranked, at: Situation) -> Chosen | Reason:
    rule, candidate = one.rule, one.candidate
    if not rule.channels:
        return NotOfferedHere(placement=OUTBOUND)
    reason = layers.check_leaving(rule, candidate.about, at)
    if reason is not None:
        return reason
    permission = layers.find_permission(rule, at)
    ways, pressed = layers.find_leaving_ways(rule, candidate.about, permission.ways, at)
    if not ways:
        return permission.refusal or pressed or NoBasis(entity=rule.entity, purpose=rule.purpose)
    expires_at = min(candidate.expires_at or NEVER, at.now + rule.valid_for)
    way = layers.choose_way(ways, expires_at=expires_at, at=at)
    if way.due_at >= expires_at:
        return QuietNow(quiet_hours="", until=way.due_at)
    return _chosen(one, channel=way.channel, due_at=way.due_at, expires_at=expires_at)


def _chosen(
    one: _Ranked, *, channel: ChannelRule | None = None, due_at: int = 0, expires_at: int = 0
) -> Chosen:
    return Chosen(
        action=one.rule.action,
        about=one.candidate.about,
        channel=channel.channel if channel else "",
        due_at=due_at,
        expires_at=expires_at or one.candidate.expires_at,
        score=one.score,
        benefit=one.candidate.benefit,
        sets=dict(zip(one.rule.sets, one.candidate.sets, strict=True)),
    )


def _considered(one: _Ranked, reason: Reason | None) -> Considered:
    return Considered(
        action=one.rule.action, about=one.candidate.about, score=one.score, reason=reason
    )


def _answer_outside(
    asked: OutsideContact, at: Situation, considered: list[Considered]
) -> list[Chosen]:
    """Decide a contact of a tool outside Kept by the same layers: declined, permitted, held, pressure."""
    rule = _outside_rule(asked, at.policy)
    if rule is None:
        reason: Reason = NoBasis(entity=asked.entity, purpose=asked.purpose, channel=asked.channel)
        considered.append(Considered(action=asked.action, reason=reason))
        return []
    one = _Ranked(rule, Candidate(-1, "", 0, 0, None, 0), 0)
    permission = layers.find_permission(rule, at)
    # What object it is about nobody says, so that a decline about any of them counts.
    found = layers.check_declined(rule, None, at) if asked.action else None
    found = found or permission.refusal or layers.check_holds(rule, "", at)
    if found is None:
        ways, found = layers.find_leaving_ways(rule, "", permission.ways, at)
        if ways and ways[0].due_at > at.now:
            found = QuietNow(quiet_hours="", until=ways[0].due_at)
    considered.append(_considered(one, found))
    return [] if found else [_chosen(one, channel=rule.channels[0], due_at=at.now)]


def _outside_rule(asked: OutsideContact, policy: Policy) -> ActionRule | None:
    purpose = policy.purposes.get(asked.purpose)
    channel = policy.channels.get(asked.channel)
    if purpose is None or channel is None or asked.entity not in policy.entities:
        return None
    return ActionRule(
        index=-1,
        action=asked.action or "outside",
        kind=asked.kind,
        entity=asked.entity,
        purpose=asked.purpose,
        topic=asked.topic,
        category="",
        offer=policy.offer_of(asked.action),
        about="",
        promotional=asked.purpose in policy.promotional_purposes,
        purpose_rule=purpose,
        channels=(channel,),
        placements=frozenset(),
        shown_at=(),
        cost=0,
        valid_for=NEVER,
        repeat=0,
        rest=0,
        urgent=False,
        permission=-1,
        permission_any_topic=-1,
        holdout_percent=0,
        needs_approval=False,
        fingerprint="",
        needs_benefit=False,
        dishonest="",
        sets=(),
        facts=(),
    )


def next_change_of(decision: Decision, policy: Policy) -> int:
    """Return the first instant after a decision at which it could come out otherwise by itself."""
    return min(
        next_change_of_facts(decision, policy),
        next_change_of_reasons(decision),
        next_end_of_offers(decision, findings_of(decision, policy), policy),
    )


def findings_of(decision: Decision, policy: Policy) -> Findings:
    """Return what all conditions came to, by the facts of a decision and without what is claimed."""
    facts, now = decision.facts, decision.decided_at
    unknown = mask_of(facts.unknown, decision.controls.stale_facts)
    return evaluate(facts.values, facts.objects, policy, unknown, now, facts.zone)


def next_change_of_facts(decision: Decision, policy: Policy) -> int:
    """Return when a condition next turns by the mere passing of time."""
    facts, now = decision.facts, decision.decided_at
    change = find_next_change(policy, facts.values, facts.objects, now, facts.zone)
    if facts.restricting_values is not None and facts.restricting_objects is not None:
        claimed = facts.restricting_values, facts.restricting_objects
        change = min(change, find_next_change(policy, *claimed, now, facts.zone))
    return change


def find_next_change(
    policy: Policy,
    told: Values,
    objects: Rows,
    now: int,
    zone: str | None,
    *,
    changed: int = -1,
) -> int:
    """Return when a condition that reads one of the `changed` facts (a mask) next turns."""
    derived, _ = policy.derive(told, objects, 0, now, zone)
    return policy.next_change([*told, *derived], objects, changed, now, zone)
