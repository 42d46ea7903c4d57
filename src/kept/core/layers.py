"""The layers of a decision, each a pure answer about one action: None for yes, or the reason.

Layer 1 relevant, 2 eligible, 3 permitted, 4 held, 5 pressure, 6 honest, 7 worth it. Layers 1 to 4,
6 and 7 do not look at the channel a message would take, so that one ranking serves everywhere;
pressure and quiet time belong to leaving, and are judged where a message would leave.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from kept.core.approval import check_approved
from kept.core.consent import PREFERRED_CHANNEL, check_permission, check_restriction
from kept.core.contact import (
    NEVER_ARRIVED,
    check_cap,
    check_memory,
    last_contact_at,
    quiet_until,
)
from kept.core.decision import Brake, Controls, Facts, Request, parts_of
from kept.core.notices import check_notices
from kept.core.policy.zones import find_zone
from kept.core.reason import (
    AddressClosed,
    AlreadyContacted,
    AlreadyQueued,
    Braked,
    ContactsUnknown,
    Declined,
    Expired,
    Held,
    HeldOut,
    HoldUnknown,
    KnownSinceImport,
    NegativeBenefit,
    NoAddress,
    NoBasis,
    NotProven,
    NotWorthIt,
    ProviderRefused,
    Reason,
    Resting,
    TermsMissing,
    ZoneUnknown,
)
from kept.core.rules import ActionRule, Candidate, ChannelRule, HoldState, Policy
from kept.core.values import DAY

DRAWS: Final = 10_000
"""A customer's draw is a number below this; a percent is a hundred draws."""
RESPONSE_WINDOW: Final = 90 * DAY


class Permission(msgspec.Struct, frozen=True, gc=False):
    """What one kind of permission allows: channels, or the reason why it allows no way at all."""

    ways: list[ChannelRule]
    refusal: Reason | None
    """Why no channel is allowed; None where one is."""
    nowhere: Reason | None
    """Why neither a channel nor a placement is allowed; None where one is."""


class Situation(msgspec.Struct, frozen=True, gc=False):
    """All that the layers look at besides the action."""

    policy: Policy
    facts: Facts
    request: Request
    controls: Controls
    holds: list[HoldState]
    cohort: str | None
    pressure: int | None
    now: int
    permissions: dict[int, Permission]
    """By the number of what they permit (see `ActionRule`), filled as they are asked for."""
    contacted: Mapping[tuple[str, str], int]
    """(action, about) -> when the customer was last reached by it, but for what is asked about."""
    has_topics: bool
    """Whether the customer said anything of any topic."""


class Way(msgspec.Struct, frozen=True, gc=False):
    """A channel that a message may take, from `due_at` on."""

    channel: ChannelRule
    due_at: int


def check_relevance(rule: ActionRule, about: str, at: Situation) -> Reason | None:
    """Return why the action is beside the point for now: declined lately, or done already."""
    if at.facts.declines:
        declined = check_declined(rule, about, at)
        if declined is not None:
            return declined
    contacted_at = at.contacted.get((rule.action, about), 0)
    # For a while after it was sent it stays the one answer, so that the customer who follows a
    # message to the shop meets the same offer there.
    if not contacted_at or (rule.promotional and at.now < contacted_at + at.policy.answer_stable):
        return None
    return _check_repeat(rule, contacted_at, at.now)


def check_declined(rule: ActionRule, about: str | None, at: Situation) -> Reason | None:
    """Return that the customer declined the offer lately; None for `about` stands for any object.

    Actions that take their terms from one product are the same offer, however each presents it.
    """
    declined_at = 0
    for key, said in at.facts.declines.items():
        action, _, declined_about = key.partition("|")
        is_about = not declined_about or about is None or declined_about == about
        if is_about and at.policy.offer_of(action) == rule.offer:
            declined_at = max(declined_at, said.at)
    until = declined_at + at.policy.decline_rest
    return Declined(at=declined_at, until=until) if declined_at and at.now < until else None


def contacts_by_action(facts: Facts, request: Request) -> dict[tuple[str, str], int]:
    """Return (action, about) -> when the customer was last reached by it.

    A message that is decided again does not stand in its own way.
    """
    contacted: dict[tuple[str, str], int] = {}
    for contact in facts.contacts:
        if contact.outcome not in NEVER_ARRIVED and contact.message_id != request.message_id:
            key = contact.action, contact.about
            contacted[key] = max(contacted.get(key, 0), contact.attempt_at)
    for name, said_at in (facts.said or {}).items():
        # By contacts that are forgotten; it matters to what is said but once.
        action, _, about = name.partition("|")
        contacted[action, about] = max(contacted.get((action, about), 0), said_at)
    return contacted


def _check_repeat(rule: ActionRule, contacted_at: int, now: int) -> Reason | None:
    if not rule.repeat:
        return AlreadyContacted(at=contacted_at)
    if now < contacted_at + rule.repeat:
        return AlreadyContacted(at=contacted_at, until=contacted_at + rule.repeat)
    return None


def check_leaving(rule: ActionRule, about: str, at: Situation) -> Reason | None:
    """Return why no further message of the action may be made: one is on its way or was sent."""
    for message in at.request.open_messages:
        if (
            message.action == rule.action
            and message.about == about
            and message.message_id != at.request.message_id
        ):
            return AlreadyQueued(message_id=message.message_id)
    if f"{rule.action}|{about}" in at.facts.known_since_import:
        return KnownSinceImport()
    contacted_at = at.contacted.get((rule.action, about), 0)
    if contacted_at:
        refused = _check_repeat(rule, contacted_at, at.now)
        if refused is not None:
            return refused
    rested_at = 0
    if rule.rest:
        contacts, asked = at.facts.contacts, at.request.message_id
        rested_at = last_contact_at(contacts, kind=rule.kind, but_for=asked)
    if rested_at and at.now < rested_at + rule.rest:
        return Resting(at=rested_at, until=rested_at + rule.rest)
    if at.facts.contacts_known_after:
        return _check_memory(rule, contacted_at, rested_at, at)
    return None


def _check_memory(
    rule: ActionRule, contacted_at: int, rested_at: int, at: Situation
) -> Reason | None:
    """Return that a contact which is forgotten might forbid the action; a newer known one would say."""
    known_after = at.facts.contacts_known_after
    if not rule.repeat and at.facts.said is None:
        return ContactsUnknown()
    for wait, last_at in ((rule.repeat, contacted_at), (rule.rest, rested_at)):
        if last_at < known_after and at.now < known_after + wait:
            return ContactsUnknown(until=known_after + wait)
    return None


def check_eligibility(rule: ActionRule, candidate: Candidate, at: Situation) -> Reason | None:
    """Return why a customer whose condition holds does not get the action: expired, or held out."""
    if candidate.expires_at and candidate.expires_at <= at.now:
        return Expired(at=candidate.expires_at)
    if not rule.promotional:
        return None
    if at.facts.draw < at.policy.universal_control_percent * (DRAWS // 100):
        return HeldOut(group="universal")
    if rule.holdout_percent and is_drawn(rule, at.facts.draw):
        return HeldOut(group=rule.action)
    return None


def is_drawn(rule: ActionRule, draw: int) -> bool:
    """Return whether a customer with this draw is in the action's own control group."""
    # Another draw for each action, so that its control group is a sample of all customers.
    text = f"{rule.action}|{draw}".encode()
    own = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) % DRAWS
    return own < rule.holdout_percent * (DRAWS // 100)


def find_permission(rule: ActionRule, at: Situation) -> Permission:
    """Return which ways to the customer the action's purpose, entity and topic allow."""
    number = rule.permission if at.has_topics else rule.permission_any_topic
    known = at.permissions.get(number)
    if known is None:
        # First, for a missing address would hide that nothing of theirs is used at all.
        restricted = check_restricted(rule, at)
        ways, refusal = _find_ways(rule, at) if restricted is None else ([], restricted)
        nowhere = restricted or (None if ways else _check_placements(rule, refusal, at))
        known = at.permissions[number] = Permission(ways, refusal, nowhere)
    return known


def check_restricted(rule: ActionRule, at: Situation) -> Reason | None:
    """Return that the customer's data is kept and not used, also where nothing else is asked."""
    return check_restriction(at.facts.consents, rule.purpose_rule) if at.facts.consents else None


def _find_ways(rule: ActionRule, at: Situation) -> tuple[list[ChannelRule], Reason | None]:
    permitted: list[ChannelRule] = []
    refusal: Reason | None = None
    for channel in rule.channels:
        if at.request.channel and channel.channel != at.request.channel:
            continue
        reason = _check_channel(rule, channel, at)
        if reason is None:
            permitted.append(channel)
        # A missing address says less than a missing permission.
        elif refusal is None or isinstance(refusal, NoAddress):
            refusal = reason
    return permitted, None if permitted else refusal


def _check_channel(rule: ActionRule, channel: ChannelRule, at: Situation) -> Reason | None:
    if channel.address:
        address = at.facts.addresses.get(channel.channel)
        # A tool outside Kept has an address of its own; but one that is closed here is closed.
        if address is None and rule.index >= 0:
            return NoAddress(channel=channel.channel)
        if address == "closed":
            return AddressClosed(channel=channel.channel)
    return check_permission(
        at.facts.consents,
        entity=rule.entity,
        rule=rule.purpose_rule,
        channel=channel.channel,
        topic=rule.topic,
    )


def check_placement(rule: ActionRule, placement: str, at: Situation) -> Reason | None:
    """Return why the action may not be shown at an inbound placement."""
    asked = at.policy.placements[placement]
    if asked.reveals == "proven" and not at.request.is_proven:
        return NotProven()
    return check_permission(
        at.facts.consents,
        entity=rule.entity,
        rule=rule.purpose_rule,
        channel=asked.channel,
        topic=rule.topic,
    )


def check_shown(rule: ActionRule, about: str, placement: str, at: Situation) -> Reason | None:
    """Return why the action may not be shown at a placement: not allowed, or hushed on its channel."""
    reason = check_placement(rule, placement, at)
    channel = at.policy.placements[placement].channel
    if reason is None and channel:
        reason = _check_held_channel(rule, about, channel, at)
    return reason


def _check_placements(rule: ActionRule, refusal: Reason | None, at: Situation) -> Reason | None:
    for placement in rule.shown_at:
        reason = check_placement(rule, placement, at)
        if reason is None or isinstance(reason, NotProven):
            return None
        refusal = refusal or reason
    return refusal or NoBasis(entity=rule.entity, purpose=rule.purpose)


def check_holds(rule: ActionRule, about: str, at: Situation) -> Reason | None:
    """Return the hold, the brake or the breach that hushes the action."""
    if at.controls.breaches and (
        rule.promotional or rule.purpose in at.policy.promotional_purposes
    ):
        reason = check_notices(at.controls, at.facts)
        if reason is not None:
            return reason
    for brake in at.controls.brakes:
        if brake_covers(brake, rule, at):
            return Braked(brake=brake.brake)
    for state in at.holds:
        # A hold on channels says nothing of the action itself; it is judged where a message leaves,
        # and where a placement shows something on its channel.
        if not at.policy.holds[state.hold].scope.channels:
            reason = _check_hold(state, rule, about, at)
            if reason is not None:
                return reason
    return None


def check_approval(rule: ActionRule, about: str, at: Situation) -> Reason | None:
    """Return that a person must approve the action first, where that is so."""
    if not rule.needs_approval:
        return None
    return check_approved(
        at.facts.approvals,
        rule.action,
        about,
        fingerprint=rule.fingerprint,
        message_id=at.request.message_id,
        now=at.now,
    )


def _check_hold(state: HoldState, rule: ActionRule, about: str, at: Situation) -> Reason | None:
    hold = at.policy.holds[state.hold]
    if state.about is not None and about not in state.about:
        return None
    # An action that is asked for from outside has no index, so that its scope is looked at.
    if rule.index not in hold.covers and not (
        rule.index < 0 and hold.scope.covers_some_channel(rule)
    ):
        return None
    if state.is_unknown:
        return HoldUnknown(hold=hold.hold, facts=unknown_names(hold.facts, at))
    return Held(hold=hold.hold, until=state.until)


def unknown_names(indexes: tuple[int, ...], at: Situation) -> tuple[str, ...]:
    """Return the names of those of these facts that are unknown just now."""
    unknown = {*at.facts.unknown, *at.controls.stale_facts}
    return tuple(at.policy.fact_names[index] for index in indexes if index in unknown)


def brake_covers(brake: Brake, rule: ActionRule, at: Situation) -> bool:
    """Return whether a brake stops the action for this customer, on whatever channel."""
    return all(_is_within(scope, name, rule, at) for scope, name in parts_of(brake))


def _is_within(scope: str, name: str, rule: ActionRule, at: Situation) -> bool:
    match scope:
        case "all":
            return True
        case "action":
            return name == rule.action
        case "purpose":
            return name == rule.purpose
        case "region":
            return at.facts.region is None or name == at.facts.region
        case "cohort":
            # An unknown cohort or region may be the one that is braked (G12).
            return at.cohort is None or name == at.cohort
    return False


def find_leaving_ways(
    rule: ActionRule, about: str, ways: list[ChannelRule], at: Situation
) -> tuple[list[Way], Reason | None]:
    """Return the permitted channels on which pressure allows a message, and from when on."""
    open_ways: list[Way] = []
    refusal: Reason | None = None
    for channel in ways:
        found = _check_pressure(rule, about, channel, at)
        if isinstance(found, Way):
            open_ways.append(found)
        else:
            refusal = refusal or found
    return open_ways, None if open_ways else refusal


def _check_pressure(
    rule: ActionRule, about: str, channel: ChannelRule, at: Situation
) -> Way | Reason:
    reason = (
        _check_held_channel(rule, about, channel.channel, at)
        or _check_caps(rule, channel, at)
        or _check_refused(rule, about, channel, at)
    )
    if reason is not None:
        return reason
    due_at = at.now
    if not rule.urgent:
        for quiet in at.policy.quiet_hours:
            if not quiet.scope.covers(rule, channel.channel):
                continue
            zone = find_zone(at.facts.zone) if at.facts.zone is not None else None
            if zone is None:
                return ZoneUnknown(quiet_hours=quiet.name)
            ends_at = quiet_until(quiet, zone=zone, now=at.now)
            due_at = max(due_at, ends_at or 0)
    return Way(channel, due_at)


def _check_refused(
    rule: ActionRule, about: str, channel: ChannelRule, at: Situation
) -> Reason | None:
    """Return that the provider of this channel refused this very message; others may take it."""
    for contact in at.facts.contacts:
        if (
            contact.outcome == "refused"
            and contact.action == rule.action
            and contact.about == about
            and contact.channel == channel.channel
        ):
            return ProviderRefused(detail="refused before")
    return None


def _check_held_channel(rule: ActionRule, about: str, channel: str, at: Situation) -> Reason | None:
    """Return the hold or brake that hushes the action on this channel only."""
    for state in at.holds:
        if channel in at.policy.holds[state.hold].scope.channels:
            held = _check_hold(state, rule, about, at)
            if held is not None:
                return held
    for brake in at.controls.brakes:
        if brake.scope == "channel" and brake.name == channel:
            return Braked(brake=brake.brake)
    return None


def _check_caps(rule: ActionRule, channel: ChannelRule, at: Situation) -> Reason | None:
    others = [one for one in at.facts.contacts if one.message_id != at.request.message_id]
    for cap in at.policy.caps:
        if cap.scope.covers(rule, channel.channel):
            known_after = at.facts.contacts_known_after
            reached: Reason | None = check_cap(cap, others, now=at.now)
            reached = reached or check_memory(cap, known_after=known_after, now=at.now)
            if reached is not None:
                return reached
    return None


def choose_way(ways: list[Way], *, expires_at: int, at: Situation) -> Way:
    """Return the best of the open channels: in time, preferred, answered, cheap."""
    preferred = at.facts.consents.get(PREFERRED_CHANNEL)
    wanted = preferred.value if preferred is not None else ""
    responses = dict(_responses(at))

    def order(numbered: tuple[int, Way]) -> tuple[bool, bool, int, int, int]:
        number, way = numbered
        channel = way.channel.channel
        return (
            way.due_at >= expires_at,
            channel != wanted,
            -responses.get(channel, 0),
            way.channel.cost,
            number,
        )

    return min(enumerate(ways), key=order)[1]


def _responses(at: Situation) -> Iterator[tuple[str, int]]:
    """Yield each channel's share of answered contacts (per mille), where there are three or more."""
    sent: dict[str, int] = {}
    answered: dict[str, int] = {}
    for contact in at.facts.contacts:
        if contact.attempt_at > at.now - RESPONSE_WINDOW and contact.outcome not in NEVER_ARRIVED:
            sent[contact.channel] = sent.get(contact.channel, 0) + 1
            if contact.answered_at:
                answered[contact.channel] = answered.get(contact.channel, 0) + 1
    for channel, count in sent.items():
        if count >= 3:
            yield channel, answered.get(channel, 0) * 1000 // count


def check_honesty(rule: ActionRule) -> Reason | None:
    """Return why the action's terms cannot be compared."""
    return TermsMissing(detail=rule.dishonest) if rule.dishonest else None


def score_of(rule: ActionRule, candidate: Candidate, pressure: int | None) -> int:
    """Return an action's worth in minor units, 0 where part of it is unknown."""
    value, p_accept = candidate.value, candidate.p_accept
    if value is None or p_accept is None or pressure is None:
        return 0
    return value * p_accept // 1_000_000 - pressure - rule.cost


def check_worth(rule: ActionRule, candidate: Candidate, score: int) -> Reason | None:
    """Return why silence is better than the action."""
    if rule.needs_benefit and (candidate.benefit is None or candidate.benefit < 0):
        return NegativeBenefit(benefit=candidate.benefit or 0)
    if score <= 0:
        return NotWorthIt(score=score)
    return None
