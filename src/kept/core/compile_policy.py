"""From a checked brand and its typed expressions to the policy that decides."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kept.core.brand import model
from kept.core.brand.offers import dishonesty_of
from kept.core.brand.units import parse_duration, parse_money
from kept.core.consent import CONSENT_EVENTS, PurposeRule
from kept.core.contact import CapRule, QuietRule, ScopeRule
from kept.core.decision import OUTBOUND, SEMANTICS
from kept.core.event import IDENTIFIED
from kept.core.fold.compile import events_of
from kept.core.fold.fold import OWN_EVENTS
from kept.core.generate import Generated, PolicyCode, expressions_of, needed_by
from kept.core.policy.tree import Expression, facts_read, objects_read
from kept.core.rules import ActionRule, ChannelRule, HoldRule, PlacementRule, Policy
from kept.core.scopes import Order, policy_scope
from kept.core.terms import Terms

PROMOTIONAL_KINDS: Final = frozenset({"offer", "experience", "greeting", "survey"})
"""Kinds that compete for the one answer; the others are done whenever they are due."""
PULLED: Final = frozenset({"inbox", "call_list"})
"""Adapters whose messages are fetched and not sent."""


def compile_policy(
    brand: model.Brand,
    order: Order,
    *,
    terms: Mapping[str, Terms | None],
    code: PolicyCode,
    generated: Generated,
) -> Policy:
    """Return everything that decides."""
    purposes = _purposes(brand.consent)
    channels = _channels(brand.consent)
    permissions: dict[tuple[Any, ...], int] = {}
    actions = tuple(
        _action_rule(
            brand, order, index, action, terms[action.action], code, purposes, channels, permissions
        )
        for index, action in enumerate(brand.actions.values())
    )
    contact = brand.contact
    return Policy(
        version=brand.version,
        semantics=SEMANTICS,
        currency=brand.brand.currency,
        fact_names=(*order.names, *order.kinds),
        fact_types=_fact_types(brand, order),
        object_kinds=order.kinds,
        object_fields=order.fields,
        cohorts=(*brand.cohorts.cohorts, brand.cohorts.otherwise),
        actions=actions,
        by_name={rule.action: rule for rule in actions},
        holds=_hold_rules(brand, order, code, actions),
        caps=_cap_rules(brand),
        quiet_hours=_quiet_rules(brand),
        channels=channels,
        purposes=purposes,
        promotional_purposes=frozenset(
            name for name, purpose in brand.consent.purposes.items() if purpose.promotional
        ),
        only_kinds=_only_kinds(actions),
        entities=frozenset(brand.brand.legal_entities),
        placements=_placements(brand),
        choice_limit=contact.choice_limit,
        decline_rest=parse_duration(contact.decline_rest),
        answer_stable=parse_duration(contact.answer_stable),
        approval_valid=parse_duration(contact.approval_valid),
        refusal_rest=parse_duration(contact.refusal_rest),
        notices=frozenset(
            rule.index for rule in actions if brand.actions[rule.action].notice_of == "breach"
        ),
        universal_control_percent=brand.brand.universal_control_percent,
        region_trait=brand.brand.region,
        zone_trait=brand.brand.zone,
        derive=generated.derive,
        evaluate_holds=generated.evaluate_holds,
        evaluate_actions=generated.evaluate_actions,
        next_change=generated.next_change,
        pieces=generated.pieces,
        influences=_influences(brand, code),
        source_text=generated.source,
    )


def _fact_types(brand: model.Brand, order: Order) -> tuple[str, ...]:
    known = policy_scope(brand.facts, brand.cohorts).facts
    return tuple(str(known[name].type) for name in order.names)


def _purposes(consent: model.ConsentFile) -> dict[str, PurposeRule]:
    return {
        name: PurposeRule(
            purpose=name,
            basis=purpose.basis,
            sale_or_sharing=purpose.sale_or_sharing,
            channels=frozenset(purpose.channels),
            during_restriction=purpose.during_restriction,
        )
        for name, purpose in consent.purposes.items()
    }


def _only_kinds(actions: tuple[ActionRule, ...]) -> dict[str, str]:
    kinds: dict[str, set[str]] = {}
    for rule in actions:
        kinds.setdefault(rule.purpose, set()).add(rule.kind)
    return {purpose: min(found) for purpose, found in kinds.items() if len(found) == 1}


def _channels(consent: model.ConsentFile) -> dict[str, ChannelRule]:
    return {
        name: ChannelRule(
            channel=name,
            cost=parse_money(channel.cost)[0],
            address=channel.address,
            pulls=channel.adapter in PULLED,
        )
        for name, channel in consent.channels.items()
    }


def _hold_rules(
    brand: model.Brand, order: Order, code: PolicyCode, actions: tuple[ActionRule, ...]
) -> tuple[HoldRule, ...]:
    rules: list[HoldRule] = []
    for index, (name, hold) in enumerate(brand.contact.holds.items()):
        scope = scope_rule(hold.hushes, brand.consent.purposes)
        rules.append(
            HoldRule(
                hold=name,
                scope=scope,
                covers=frozenset(rule.index for rule in actions if scope.covers_some_channel(rule)),
                about=hold.about,
                because=hold.because,
                facts=_indexes(order, [code.holds[index].while_], hold.about),
            )
        )
    return tuple(rules)


def _cap_rules(brand: model.Brand) -> tuple[CapRule, ...]:
    return tuple(
        CapRule(
            name=name,
            count_max=cap.count,
            window=parse_duration(cap.window),
            scope=scope_rule(cap.covers, brand.consent.purposes),
        )
        for name, cap in brand.contact.caps.items()
    )


def _quiet_rules(brand: model.Brand) -> tuple[QuietRule, ...]:
    return tuple(
        QuietRule(
            name=name,
            start_minute=_minute(quiet.start),
            end_minute=_minute(quiet.end),
            scope=scope_rule(quiet.covers, brand.consent.purposes),
        )
        for name, quiet in brand.contact.quiet_hours.items()
    )


def _influences(brand: model.Brand, code: PolicyCode) -> frozenset[str]:
    """Return the events after which a decision can come out otherwise."""
    read: set[str] = set()
    for expression, about in expressions_of(code):
        read |= facts_read(expression) | objects_read(expression) | ({about} if about else set())
    events = set(CONSENT_EVENTS | OWN_EVENTS | {IDENTIFIED})
    for name, feature in brand.facts.features.items():
        if name in read:
            events.update(events_of(feature)[1])
    for kind, declared in brand.facts.objects.items():
        if kind in read:
            events.update(declared.events)
    return frozenset(events)


def _action_rule(
    brand: model.Brand,
    order: Order,
    index: int,
    action: model.Action,
    terms: Terms | None,
    code: PolicyCode,
    purposes: Mapping[str, PurposeRule],
    channels: Mapping[str, ChannelRule],
    permissions: dict[tuple[Any, ...], int],
) -> ActionRule:
    needed = (action.entity, action.purpose, action.channels, action.placements)
    return ActionRule(
        index=index,
        action=action.action,
        kind=action.kind,
        entity=action.entity,
        purpose=action.purpose,
        topic=action.topic,
        category=action.category,
        offer=_offer_of(brand, action),
        about=action.about,
        promotional=action.kind in PROMOTIONAL_KINDS,
        purpose_rule=purposes[action.purpose],
        channels=tuple(channels[name] for name in action.channels),
        placements=frozenset(action.placements) | ({OUTBOUND} if action.channels else set()),
        shown_at=tuple(sorted(set(action.placements) - {OUTBOUND})),
        cost=parse_money(action.cost)[0] if action.cost else 0,
        valid_for=parse_duration(action.valid_for),
        repeat=parse_duration(action.repeat) if action.repeat else 0,
        rest=parse_duration(action.rest) if action.rest else 0,
        urgent=action.urgent,
        permission=permissions.setdefault((*needed, action.topic), len(permissions)),
        permission_any_topic=permissions.setdefault(needed, len(permissions)),
        holdout_percent=action.holdout_percent,
        needs_approval=action.needs_approval or action.legal_weight,
        fingerprint=_fingerprint(brand, action),
        needs_benefit=action.kind in ("offer", "experience"),
        dishonest=dishonesty_of(terms, kind=action.kind),
        sets=tuple(action.sets),
        facts=_indexes(order, needed_by(code.actions[index]), action.about),
    )


def _offer_of(brand: model.Brand, action: model.Action) -> str:
    if not action.terms_from:
        return action.action
    return next(
        name for name, other in brand.actions.items() if other.terms_from == action.terms_from
    )


def _fingerprint(brand: model.Brand, action: model.Action) -> str:
    """Return what changes whenever an action that a person approves does, or one of its texts."""
    if not (action.needs_approval or action.legal_weight):
        return ""
    prefix = f"{action.template or action.action}."
    texts = sorted(pair for pair in brand.templates.items() if pair[0].startswith(prefix))
    written = msgspec.json.encode((SEMANTICS, action, texts), order="sorted")
    return hashlib.blake2b(written, digest_size=16).hexdigest()


def _indexes(order: Order, expressions: list[Expression], about: str) -> tuple[int, ...]:
    """Return the indexes of the facts and kinds of objects that conditions rest on."""
    names = (*order.names, *order.kinds)
    read = {about} if about else set()
    for expression in expressions:
        read |= facts_read(expression) | objects_read(expression)
    return tuple(sorted(names.index(name) for name in read))


def scope_rule(scope: model.Scope, purposes: Mapping[str, model.Purpose]) -> ScopeRule:
    """Return a scope, ready to match; every part of it that was given must match."""
    covered = frozenset(scope.purposes) if scope.purposes else None
    if scope.promotional is not None:
        alike = frozenset(
            name for name, purpose in purposes.items() if purpose.promotional is scope.promotional
        )
        covered = alike if covered is None else covered & alike
    return ScopeRule(
        purposes=covered,
        topics=frozenset(scope.topics),
        kinds=frozenset(scope.kinds),
        actions=frozenset(scope.actions),
        channels=frozenset(scope.channels),
    )


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _placements(brand: model.Brand) -> dict[str, PlacementRule]:
    placements = {
        name: PlacementRule(
            placement=name,
            kind=placement.kind,
            channel=placement.channel,
            shows_max=placement.shows,
            reveals=placement.reveals,
            asks=placement.asks,
        )
        for name, placement in brand.brand.placements.items()
    }
    placements.setdefault(
        OUTBOUND,
        PlacementRule(
            placement=OUTBOUND, kind=OUTBOUND, channel="", shows_max=1, reveals="proven", asks=()
        ),
    )
    return placements
