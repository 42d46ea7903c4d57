"""From a checked brand to a bundle: typed expressions, rules and templates, ready to decide."""

from collections.abc import Iterable, Mapping

from kept.core.brand import model
from kept.core.brand.offers import terms_of
from kept.core.brand.units import parse_duration
from kept.core.bundle import Bundle
from kept.core.compile_policy import compile_policy
from kept.core.explicit_consent import guards_of
from kept.core.facts import FactPlan
from kept.core.fold.fold import FoldPlan, compile_fold
from kept.core.generate import (
    ActionCode,
    Generated,
    HoldCode,
    PolicyCode,
    generate,
)
from kept.core.identity import STRENGTH_RANK, NamespaceRule
from kept.core.policy.check import check_expression
from kept.core.policy.scope import Scope
from kept.core.policy.tree import Expression
from kept.core.policy.types import BOOL, DECIMAL, TIMESTAMP, Type, money, parse_type
from kept.core.policy.where import Where
from kept.core.scopes import Order, cohort_scope, order_of, policy_scope, segment_scope
from kept.core.template.render import Line, Templates
from kept.core.terms import Terms, headline, headline_types
from kept.core.texts import text_schema, text_values
from kept.core.touchpoint import compile_touchpoints
from kept.errors import InvalidBrandError


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
    return Bundle(
        brand=brand,
        policy=compile_policy(brand, order, terms=terms, code=code, generated=generated),
        code=code,
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
        schemas=_schemas(brand),
        action_values={name: text_values(brand, action) for name, action in brand.actions.items()},
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


# -- facts


def _fact_plan(brand: model.Brand, order: Order, fold_plan: FoldPlan) -> FactPlan:
    of_features = _places_by_event(fold_plan.features[name].events for name in order.features)
    of_any = of_features.get("*", ())
    trait_slots = {name: fold_plan.traits[name][0].slot for name in order.traits}
    return FactPlan(
        features=tuple(fold_plan.features[name] for name in order.features),
        traits=order.traits,
        trait_slots=tuple(trait_slots.values()),
        object_kinds=order.kinds,
        kind_slots=tuple(fold_plan.kinds[kind][0].slot for kind in order.kinds),
        object_fields=order.fields,
        object_events=tuple(tuple(kind.events) for kind in brand.facts.objects.values()),
        first_kind=len(order.names),
        addresses={
            name: (channel.address, trait_slots.get(channel.address, ""))
            for name, channel in brand.consent.channels.items()
            if channel.address
        },
        zone_slot=trait_slots.get(brand.brand.zone, ""),
        region_slot=trait_slots.get(brand.brand.region, ""),
        history=parse_duration(brand.brand.history),
        features_by_event={
            name: (*places, *of_any) for name, places in of_features.items() if name != "*"
        },
        trait_places={
            name: place for place, name in enumerate(order.traits, start=len(order.features))
        },
        features_of_any=of_any,
        kinds_by_event=_places_by_event(kind.events for kind in brand.facts.objects.values()),
        guards=guards_of(brand),
    )


def _places_by_event(events: Iterable[Iterable[str]]) -> dict[str, tuple[int, ...]]:
    """Return, for each event, the places in a list of those that name it."""
    places: dict[str, list[int]] = {}
    for place, names in enumerate(events):
        for name in names:
            places.setdefault(name, []).append(place)
    return {name: tuple(found) for name, found in places.items()}


# -- texts


def _schemas(brand: model.Brand) -> dict[tuple[str, str], dict[str, str]]:
    schemas = {
        ("", kind): text_schema(brand, None, about=kind) for kind in ("", *brand.facts.objects)
    }
    for name, action in brand.actions.items():
        schemas[name, action.about] = text_schema(brand, action)
    return schemas


def _lines(brand: model.Brand, attribute: str) -> dict[tuple[str, str], Line]:
    return {
        (name, locale): Line(text, where=Where(file=f"actions/{name}.yaml"))
        for name, action in brand.actions.items()
        for locale, text in getattr(action, attribute).items()
    }
