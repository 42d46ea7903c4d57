"""From a checked brand to a bundle: typed expressions, rules and templates, ready to decide."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kept.core.brand import model
from kept.core.brand.offers import dishonesty_of, terms_of
from kept.core.brand.units import parse_duration, parse_money
from kept.core.bundle import Bundle
from kept.core.consent import CONSENT_EVENTS, PurposeRule
from kept.core.contact import CapRule, QuietRule, ScopeRule
from kept.core.decision import OUTBOUND, SEMANTICS
from kept.core.event import IDENTIFIED
from kept.core.facts import FactPlan
from kept.core.fold.compile import events_of
from kept.core.fold.fold import OWN_EVENTS, FoldPlan, compile_fold
from kept.core.generate import (
    ActionCode,
    Generated,
    HoldCode,
    PolicyCode,
    expressions_of,
    generate,
)
from kept.core.identity import STRENGTH_RANK, NamespaceRule
from kept.core.policy.check import check_expression
from kept.core.policy.scope import Scope
from kept.core.policy.tree import Expression, facts_read, objects_read
from kept.core.policy.types import BOOL, DECIMAL, TIMESTAMP, Type, money, parse_type
from kept.core.policy.where import Where
from kept.core.rules import ActionRule, ChannelRule, HoldRule, PlacementRule, Policy
from kept.core.scopes import Order, cohort_scope, order_of, policy_scope, segment_scope
from kept.core.template.render import Line, Templates
from kept.core.terms import Terms, headline, headline_types
from kept.core.touchpoint import compile_touchpoints
from kept.errors import InvalidBrandError

PROMOTIONAL_KINDS: Final = frozenset({"offer", "experience", "greeting", "survey"})
"""Kinds that compete for the one answer; the others are done whenever they are due."""
PULLED: Final = frozenset({"inbox", "call_list"})
"""Adapters whose messages are fetched and not sent."""
_NAMES_OF_TEXTS: Final = {"name": "text", "unsubscribe_url": "text"}


def compile_brand(brand: model.Brand, *, slots: Mapping[str, str] | None = None) -> Bundle:
    """Return everything that runs a brand.

    Args:
        slots: where features are kept in states, by definition; see `flows.take_brand`.

    Raises:
        InvalidBrandError: an expression cannot be typed; `check` says so earlier and better.
    """
    order = order_of(brand.facts, brand.cohorts)
    fold_plan = compile_fold(
        brand.facts,
        brand.consent.categories,
        slots=slots or {},
        imports=frozenset(
            name for name, source in brand.sources.sources.items() if source.kind == "import"
        ),
    )
    terms = {name: terms_of(brand, action) for name, action in brand.actions.items()}
    generated, code = _generate(brand, order, terms)
    schemas, action_values = _texts(brand, terms)
    return Bundle(
        brand=brand,
        policy=_policy(brand, order, terms, code, generated),
        fact_plan=_fact_plan(brand, order, fold_plan),
        fold_plan=fold_plan,
        namespaces={
            name: NamespaceRule(rank=STRENGTH_RANK[space.strength], limit=space.limit)
            for name, space in brand.sources.namespaces.items()
        },
        touchpoints=compile_touchpoints(
            brand.sources, brand.facts, history=parse_duration(brand.brand.history)
        ),
        templates=Templates(brand.templates, default_locale=brand.brand.locales[0]),
        stale_after={
            name: parse_duration(source.rhythm.stale_after)
            for name, source in brand.sources.sources.items()
            if source.rhythm is not None
        },
        events_of_source={
            name: (*source.events, *(mapping.event for mapping in source.mappings))
            for name, source in brand.sources.sources.items()
        },
        schemas=schemas,
        action_values=action_values,
        headlines=_lines(brand, "headline"),
        says=_lines(brand, "say"),
        becauses={
            name: Line(hold.because, where=Where(file="contact.yaml"))
            for name, hold in brand.contact.holds.items()
        },
        customer_becauses={
            name: Line(hold.customer_because, where=Where(file="contact.yaml"))
            for name, hold in brand.contact.holds.items()
            if hold.customer_because
        },
        resume_over=parse_duration(brand.contact.resume_over),
    )


# -- expressions


def _typed(text: str, scope: Scope, expects: Type, file: str) -> Expression:
    checked = check_expression(text, scope=scope, expects=expects, where=Where(file=file))
    if isinstance(checked, Expression):
        return checked
    raise InvalidBrandError(checked)


def _generate(
    brand: model.Brand, order: Order, terms: Mapping[str, Terms | None]
) -> tuple[Generated, PolicyCode]:
    amount = money(brand.brand.currency)
    general = policy_scope(brand.facts, brand.cohorts)
    code = PolicyCode(
        order=order,
        cohorts=tuple(
            (name, _typed(cohort.when, cohort_scope(brand.facts), BOOL, "cohorts.yaml"))
            for name, cohort in brand.cohorts.cohorts.items()
        ),
        otherwise=brand.cohorts.otherwise,
        segments=tuple(
            _typed(segment.when, segment_scope(brand.facts), BOOL, "cohorts.yaml")
            for segment in brand.cohorts.segments.values()
        ),
        holds=tuple(_hold_code(brand, hold) for hold in brand.contact.holds.values()),
        actions=tuple(
            _action_code(brand, action, terms[name], amount)
            for name, action in brand.actions.items()
        ),
        pressure=_typed(brand.contact.pressure, general, amount, "contact.yaml"),
    )
    return generate(code), code


def _hold_code(brand: model.Brand, hold: model.Hold) -> HoldCode:
    scope = policy_scope(brand.facts, brand.cohorts, about=hold.about)
    return HoldCode(
        about=hold.about,
        while_=_typed(hold.while_, scope, BOOL, "contact.yaml"),
        until=_typed(hold.until, scope, TIMESTAMP, "contact.yaml") if hold.until else None,
    )


def _action_code(
    brand: model.Brand, action: model.Action, terms: Terms | None, amount: Type
) -> ActionCode:
    file = f"actions/{action.action}.yaml"
    offer = headline_types(terms) if terms is not None else {}
    scope = policy_scope(brand.facts, brand.cohorts, about=action.about, offer=offer)
    fields = brand.facts.objects[action.about].fields if action.about else {}
    return ActionCode(
        about=action.about,
        when=_typed(action.when, scope, BOOL, file),
        value=_typed(action.value, scope, amount, file),
        p_accept=_typed(action.p_accept, scope, DECIMAL, file),
        benefit=(
            _typed(action.customer_benefit, scope, amount, file)
            if action.customer_benefit
            else None
        ),
        expires=_typed(action.expires, scope, TIMESTAMP, file) if action.expires else None,
        sets=tuple(
            _typed(text, scope, parse_type(fields[field]), file)
            for field, text in action.sets.items()
        ),
        offer=headline(terms) if terms is not None else {},
    )


# -- rules


def _policy(
    brand: model.Brand,
    order: Order,
    terms: Mapping[str, Terms | None],
    code: PolicyCode,
    generated: Generated,
) -> Policy:
    purposes = {
        name: PurposeRule(
            purpose=name,
            basis=purpose.basis,
            sale_or_sharing=purpose.sale_or_sharing,
            channels=frozenset(purpose.channels),
        )
        for name, purpose in brand.consent.purposes.items()
    }
    channels = {
        name: ChannelRule(
            channel=name,
            cost=parse_money(channel.cost)[0],
            address=channel.address,
            pulls=channel.adapter in PULLED,
        )
        for name, channel in brand.consent.channels.items()
    }
    permissions: dict[tuple[Any, ...], int] = {}
    actions = tuple(
        _action_rule(
            brand, order, index, action, terms[action.action], code, purposes, channels, permissions
        )
        for index, action in enumerate(brand.actions.values())
    )
    promotional = frozenset(
        name for name, purpose in brand.consent.purposes.items() if purpose.promotional
    )
    contact = brand.contact
    types = _fact_types(brand, order)
    return Policy(
        version=brand.version,
        semantics=SEMANTICS,
        currency=brand.brand.currency,
        fact_names=(*order.names, *order.kinds),
        fact_types=types,
        object_kinds=order.kinds,
        object_fields=order.fields,
        cohorts=(*brand.cohorts.cohorts, brand.cohorts.otherwise),
        actions=actions,
        by_name={rule.action: rule for rule in actions},
        holds=tuple(
            HoldRule(
                hold=name,
                scope=(scope := _scope(hold.hushes, promotional)),
                covers=frozenset(rule.index for rule in actions if scope.covers_some_channel(rule)),
                about=hold.about,
                because=hold.because,
                facts=_indexes(order, code.holds[index].while_, hold.about),
            )
            for index, (name, hold) in enumerate(contact.holds.items())
        ),
        caps=tuple(
            CapRule(
                name=name,
                count_max=cap.count,
                window=parse_duration(cap.window),
                scope=_scope(cap.covers, promotional),
            )
            for name, cap in contact.caps.items()
        ),
        quiet_hours=tuple(
            QuietRule(
                name=name,
                start_minute=_minute(quiet.start),
                end_minute=_minute(quiet.end),
                scope=_scope(quiet.covers, promotional),
            )
            for name, quiet in contact.quiet_hours.items()
        ),
        channels=channels,
        purposes=purposes,
        promotional_purposes=promotional,
        entities=frozenset(brand.brand.legal_entities),
        placements=_placements(brand),
        choice_limit=contact.choice_limit,
        decline_rest=parse_duration(contact.decline_rest),
        answer_stable=parse_duration(contact.answer_stable),
        universal_control_percent=brand.brand.universal_control_percent,
        region_trait=brand.brand.region,
        zone_trait=brand.brand.zone,
        derive=generated.derive,
        evaluate_holds=generated.evaluate_holds,
        evaluate_actions=generated.evaluate_actions,
        next_change=generated.next_change,
        influences=_influences(brand, order, code),
        source_text=generated.source,
    )


def _influences(brand: model.Brand, order: Order, code: PolicyCode) -> frozenset[str]:
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
    needed = (action.entity, action.purpose, action.topic, action.channels, action.placements)
    return ActionRule(
        index=index,
        action=action.action,
        kind=action.kind,
        entity=action.entity,
        purpose=action.purpose,
        topic=action.topic,
        category=action.category,
        about=action.about,
        promotional=action.kind in PROMOTIONAL_KINDS,
        purpose_rule=purposes[action.purpose],
        channels=tuple(channels[name] for name in action.channels),
        placements=frozenset(action.placements) | ({OUTBOUND} if action.channels else set()),
        cost=parse_money(action.cost)[0] if action.cost else 0,
        valid_for=parse_duration(action.valid_for),
        repeat=parse_duration(action.repeat) if action.repeat else 0,
        rest=parse_duration(action.rest) if action.rest else 0,
        urgent=action.urgent,
        permission=permissions.setdefault(needed, len(permissions)),
        holdout_percent=action.holdout_percent,
        needs_approval=action.needs_approval or action.legal_weight,
        needs_benefit=action.kind in ("offer", "experience"),
        dishonest=dishonesty_of(terms, kind=action.kind),
        sets=tuple(action.sets),
        facts=_indexes(order, code.actions[index].when, action.about),
    )


def _indexes(order: Order, expression: Expression, about: str) -> tuple[int, ...]:
    """Return the indexes of the facts and kinds of objects that a condition rests on."""
    names = (*order.names, *order.kinds)
    read = facts_read(expression) | objects_read(expression) | ({about} if about else set())
    return tuple(sorted(names.index(name) for name in read))


def _scope(scope: model.Scope, promotional: frozenset[str]) -> ScopeRule:
    purposes = frozenset(scope.purposes)
    kinds = frozenset(scope.kinds)
    if scope.promotional is True:
        purposes = purposes or promotional
    elif scope.promotional is False:
        kinds = kinds or frozenset({"service", "call_task", "measure"})
    return ScopeRule(
        purposes=purposes,
        topics=frozenset(scope.topics),
        kinds=kinds,
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


# -- facts


def _fact_types(brand: model.Brand, order: Order) -> tuple[str, ...]:
    known = policy_scope(brand.facts, brand.cohorts).facts
    return tuple(str(known[name].type) for name in order.names)


def _fact_plan(brand: model.Brand, order: Order, fold_plan: FoldPlan) -> FactPlan:
    return FactPlan(
        features=tuple(fold_plan.features[name] for name in order.features),
        traits=order.traits,
        object_kinds=order.kinds,
        object_fields=order.fields,
        object_events=tuple(tuple(kind.events) for kind in brand.facts.objects.values()),
        first_kind=len(order.names),
        addresses=tuple(
            (name, channel.address)
            for name, channel in brand.consent.channels.items()
            if channel.address
        ),
        zone_trait=brand.brand.zone,
        region_trait=brand.brand.region,
        index_of={
            fold_plan.features[name].fingerprint: index
            for index, name in enumerate(order.features)
        },
    )


# -- texts


def _texts(
    brand: model.Brand, terms: Mapping[str, Terms | None]
) -> tuple[dict[tuple[str, str], dict[str, str]], dict[str, dict[str, Any]]]:
    """Return the types of what texts may name, and the values that depend on the action alone."""
    general = dict(_NAMES_OF_TEXTS)
    for name, fact in policy_scope(brand.facts, brand.cohorts).facts.items():
        general[name] = str(fact.type)
    general["brand.name"] = "text"
    schemas: dict[tuple[str, str], dict[str, str]] = {
        ("", kind): general | _about_types(brand, kind) for kind in ("", *brand.facts.objects)
    }
    values: dict[str, dict[str, Any]] = {}
    for name, action in brand.actions.items():
        entity = brand.brand.legal_entities[action.entity]
        values[name] = {"entity": msgspec.to_builtins(entity)}
        schema = general | _about_types(brand, action.about)
        schema |= dict.fromkeys(("entity.name", "entity.address", "entity.contact"), "text")
        stated = terms[name]
        if stated is not None:
            values[name]["terms"] = headline(stated)
            schema |= {f"terms.{key}": kind for key, kind in headline_types(stated).items()}
        product = brand.products.get(action.terms_from)
        if product is not None:
            values[name]["product"] = {"name": product.name, **product.details}
            schema["product"] = "any"
        schemas[name, action.about] = schema
    return schemas, values


def _about_types(brand: model.Brand, kind: str) -> dict[str, str]:
    if not kind:
        return {}
    fields = brand.facts.objects[kind].fields
    return {"about.key": "text", **{f"about.{field}": text for field, text in fields.items()}}


def _lines(brand: model.Brand, attribute: str) -> dict[tuple[str, str], Line]:
    return {
        (name, locale): Line(text, where=Where(file=f"actions/{name}.yaml"))
        for name, action in brand.actions.items()
        for locale, text in getattr(action, attribute).items()
    }
