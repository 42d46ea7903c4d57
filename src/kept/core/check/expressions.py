"""Types every condition and value of a brand, in the places that `scopes` gives them."""

from typing import Final, TypeAlias

from kept.core.brand.model import Action, Hold
from kept.core.brand.offers import terms_of
from kept.core.brand.units import CURRENCIES
from kept.core.check.offers import is_blind
from kept.core.check.report import Report
from kept.core.policy.scope import Scope
from kept.core.policy.tree import Compare, Expression, FactRef, Literal, OneOf, walk
from kept.core.policy.types import BOOL, DECIMAL, TIMESTAMP, Type, money, parse_type
from kept.core.scopes import COHORT, cohort_scope, policy_scope, segment_scope
from kept.core.terms import headline_types

COHORTS: Final = "cohorts.yaml"
CONTACT: Final = "contact.yaml"

_Place: TypeAlias = tuple[tuple[str, ...], str, Type | None]
"""A key of an action, its text, and the type that belongs there."""


def check_expressions(report: Report) -> None:
    """Report every condition and value that cannot be read, or is not of the type of its place."""
    brand = report.brand
    facts = brand.facts
    for name, cohort in brand.cohorts.cohorts.items():
        path = ("cohorts", name, "when")
        report.type_expression(COHORTS, path, cohort.when, scope=cohort_scope(facts), expects=BOOL)
    for name, segment in brand.cohorts.segments.items():
        path = ("segments", name, "when")
        report.type_expression(
            COHORTS, path, segment.when, scope=segment_scope(facts), expects=BOOL
        )
    for name, hold in brand.contact.holds.items():
        _check_hold(report, name, hold)
    amount = amount_of(report)
    if amount is not None:
        scope = policy_scope(facts, brand.cohorts)
        report.type_expression(
            CONTACT, ("pressure",), brand.contact.pressure, scope=scope, expects=amount
        )
    for name, product in brand.products.items():
        if product.terms is not None and product.terms.limited_to is not None:
            file, text = report.positions.file_of("product", name), product.terms.limited_to
            scope = policy_scope(facts, brand.cohorts)
            report.type_expression(file, ("terms", "limited_to"), text, scope=scope, expects=None)
    for name, action in brand.actions.items():
        _check_action(report, report.positions.file_of("action", name), action, amount)
    for (file, place), expression in report.expressions.items():
        _check_cohorts_named(report, file, place, expression)


def amount_of(report: Report) -> Type | None:
    """Return the type of money in the brand's currency, None where that is no currency."""
    currency = report.brand.brand.currency
    return money(currency) if currency in CURRENCIES else None


def _check_hold(report: Report, name: str, hold: Hold) -> None:
    path = ("holds", name)
    scope = _scope_about(report, CONTACT, (*path, "about"), hold.about)
    if scope is None:
        return
    report.type_expression(CONTACT, (*path, "while"), hold.while_, scope=scope, expects=BOOL)
    if hold.until:
        report.type_expression(
            CONTACT, (*path, "until"), hold.until, scope=scope, expects=TIMESTAMP
        )


def _scope_about(
    report: Report, file: str, path: tuple[str, ...], about: str, *, action: Action | None = None
) -> Scope | None:
    """Return what may be named where an object may be in play, None where there is no such kind."""
    brand = report.brand
    kinds = report.written_facts.objects
    if about and not report.refer(file, path, about, what="kind of object", known=kinds):
        return None
    stated = terms_of(brand, action) if action is not None else None
    offer = headline_types(stated) if stated is not None else None
    return policy_scope(brand.facts, brand.cohorts, about=about, offer=offer)


def _check_action(report: Report, file: str, action: Action, amount: Type | None) -> None:
    scope = _scope_about(report, file, ("about",), action.about, action=action)
    if scope is None:
        return
    places: list[_Place] = [
        (("when",), action.when, BOOL),
        (("p_accept",), action.p_accept, DECIMAL),
    ]
    if amount is not None:
        places.append((("value",), action.value, amount))
        if action.customer_benefit:
            places.append((("customer_benefit",), action.customer_benefit, amount))
    if action.expires:
        places.append((("expires",), action.expires, TIMESTAMP))
    if action.terms is not None and action.terms.limited_to is not None:
        places.append((("terms", "limited_to"), action.terms.limited_to, None))
    places += _places_of_sets(report, file, action)
    for place, text, expects in places:
        if not is_blind(report, action, text):
            report.type_expression(file, place, text, scope=scope, expects=expects)


def _places_of_sets(report: Report, file: str, action: Action) -> list[_Place]:
    """Return what becomes true of the object once the message leaves, each field known."""
    if action.sets and not action.about:
        field = next(iter(action.sets))
        message = f"`{field}` of what? The action is about no object"
        report.error(file, ("sets", field), message, "add `about:` with the kind of object")
        return []
    fields = report.brand.facts.objects[action.about].fields if action.about else {}
    what = f"field of {action.about}"
    return [
        (("sets", field), text, parse_type(fields[field]))
        for field, text in action.sets.items()
        if report.refer(file, ("sets", field), field, what=what, known=fields)
    ]


def _check_cohorts_named(
    report: Report, file: str, path: tuple[str | int, ...], expression: Expression
) -> None:
    """Report constants that the cohort is compared with and that are no cohort's name."""
    cohorts = report.brand.cohorts
    known = {*cohorts.cohorts, cohorts.otherwise}
    for node in walk(expression.root):
        named: list[object] = []
        if isinstance(node, Compare) and _is_cohort(node.left):
            named = [node.right.value] if isinstance(node.right, Literal) else []
        elif isinstance(node, Compare) and _is_cohort(node.right):
            named = [node.left.value] if isinstance(node.left, Literal) else []
        elif isinstance(node, OneOf) and _is_cohort(node.operand):
            named = list(node.values)
        for name in named:
            report.refer(file, path, str(name), what="cohort", known=known)


def _is_cohort(node: object) -> bool:
    return isinstance(node, FactRef) and node.name == COHORT
