"""`actions/*.yaml`: each can be reached, may be done, is worth something, and says what it is."""

from typing import Final

from kept.core.brand.model import Action
from kept.core.brand.positions import KeyPath
from kept.core.brand.units import parse_duration, parse_money
from kept.core.check.names import check_locale_keys
from kept.core.check.report import Key, Report
from kept.core.policy.types import DECIMAL_ONE

SELLING: Final = frozenset({"offer", "experience"})
"""Kinds that promote something, and must therefore be to the customer's benefit."""
COMPETING: Final = frozenset({"offer", "experience", "greeting", "survey"})
"""Kinds that are ranked, and so must beat silence, which scores 0."""
DUTIFUL: Final = frozenset({"service", "measure"})
"""Kinds that carry nothing promotional."""
HOLDOUT_PERCENT_MAX: Final = 90


def check_actions(report: Report) -> None:
    """Report what is wrong with each action beyond its form, its conditions and its texts."""
    for name, file in report.action_files().items():
        action = report.brand.actions[name]
        _check_references(report, file, action)
        _check_basis(report, file, action)
        _check_reach(report, file, action)
        _check_worth(report, file, action)
        _check_lengths(report, file, action)
        if action.kind == "measure":
            _check_measure(report, file, action)
        _check_legal_weight(report, file, action)


def _check_references(report: Report, file: str, action: Action) -> None:
    brand = report.brand
    consent = brand.consent
    entities = brand.brand.legal_entities
    report.refer(file, ("entity",), action.entity, what="legal entity", known=entities)
    report.refer(file, ("purpose",), action.purpose, what="purpose", known=consent.purposes)
    if action.topic:
        report.refer(file, ("topic",), action.topic, what="topic", known=consent.topics)
    if action.terms_from:
        known = brand.products
        report.refer(file, ("terms_from",), action.terms_from, what="product", known=known)
    placements = brand.brand.placements
    for key, what, names in (
        ("channels", "channel", set(consent.channels)),
        ("placements", "placement", set(placements)),
        ("withdraws", "action", set(brand.actions)),
    ):
        report.refer_all(file, (key,), getattr(action, key), what=what, known=names)
    facts = report.written_facts
    readable = {*facts.features, *(f"trait.{name}" for name in facts.traits)}
    if action.about in facts.objects:
        readable.update(f"about.{field}" for field in facts.objects[action.about].fields)
    report.refer_all(file, ("reads",), action.reads, what="fact", known=readable)
    if action.action in action.withdraws:
        path = ("withdraws", action.withdraws.index(action.action))
        report.error(file, path, "an action cannot withdraw itself", "remove it from the list")
    for key in ("headline", "say"):
        if getattr(action, key):
            check_locale_keys(report, file, (key,), getattr(action, key))


def _check_basis(report: Report, file: str, action: Action) -> None:
    """Check that the purpose carries what the action is: no basis, no action."""
    purpose = report.brand.consent.purposes.get(action.purpose)
    if purpose is None:
        return
    rests_on: list[Key] = [("consent.yaml", ("purposes", action.purpose)), (file, ("kind",))]
    if action.kind in DUTIFUL and purpose.promotional:
        message = f"a {action.kind} for the promotional purpose `{action.purpose}`"
        suggestion = "give it a purpose that is not promotional, or make it an offer"
        report.error(file, ("purpose",), message, suggestion, rests_on=rests_on)
    if action.kind in SELLING and not purpose.promotional:
        message = f"an {action.kind} is promotional, and the purpose `{action.purpose}` is not"
        suggestion = "give it a promotional purpose; its basis does not cover promotion"
        report.error(file, ("purpose",), message, suggestion, rests_on=rests_on)
    uncovered = [
        name for name in action.channels if purpose.channels and name not in purpose.channels
    ]
    for name in uncovered:
        path = ("channels", action.channels.index(name))
        message = f"the basis of `{action.purpose}` does not cover the channel `{name}`"
        suggestion = "remove the channel here, or add it to the purpose in consent.yaml"
        report.error(file, path, message, suggestion, rests_on=rests_on)
    if action.kind not in SELLING and (action.terms is not None or action.terms_from):
        key = "terms_from" if action.terms_from else "terms"
        message = f"a {action.kind} has no terms: terms are what an offer is compared by"
        report.error(file, (key,), message, "remove them, or make it an offer", rests_on=rests_on)
    if action.urgent and purpose.promotional:
        message = "nothing promotional is urgent enough for quiet hours"
        report.error(file, ("urgent",), message, "remove `urgent`", rests_on=rests_on)


def _check_reach(report: Report, file: str, action: Action) -> None:
    """Check that there is a way on which the action can get to somebody."""
    rests_on: list[Key] = [(file, ("channels",)), (file, ("placements",))]
    if not action.channels and not action.placements:
        message = f"`{action.action}` is unreachable: it has no channel and no placement"
        suggestion = "add `channels:` or `placements:`"
        report.error(file, ("action",), message, suggestion, rests_on=rests_on)
    _check_senders(report, file, action)
    for index, name in enumerate(action.placements):
        placement = report.brand.brand.placements.get(name)
        if placement is None:
            continue
        path: KeyPath = ("placements", index)
        depends: list[Key] = [("brand.yaml", ("placements", name)), (file, ("kind",))]
        if placement.kind == "outbound":
            message = "what is sent goes by `channels`"
            report.error(file, path, message, "name the channels instead", rests_on=depends)
        elif (placement.kind == "gate") != (action.kind == "measure"):
            message = f"`{name}` is a {placement.kind} placement, and this is a {action.kind}"
            suggestion = "a gate is asked about measures, and about nothing else"
            report.error(file, path, message, suggestion, rests_on=depends)
        elif placement.kind == "inbound" and not action.headline:
            message = f"there is nothing to show at `{name}`"
            suggestion = "add `headline:` with a text for each locale"
            report.error(
                file, path, message, suggestion, rests_on=[*depends, (file, ("headline",))]
            )


def _check_senders(report: Report, file: str, action: Action) -> None:
    """Check that what goes by mail comes from somebody."""
    entities = report.brand.brand.legal_entities
    for index, name in enumerate(action.channels):
        channel = report.brand.consent.channels.get(name)
        if channel is None or channel.adapter != "smtp" or action.entity in channel.sender:
            continue
        if action.entity in entities and channel.sender.keys() <= entities.keys():
            message = f"`{name}` has no sender for `{action.entity}`"
            suggestion = "add it under the channel's `sender:` in consent.yaml"
            rests_on: list[Key] = [("consent.yaml", ("channels", name)), (file, ("entity",))]
            report.error(file, ("channels", index), message, suggestion, rests_on=rests_on)


def _check_worth(report: Report, file: str, action: Action) -> None:
    """Check that the action can beat silence, and that the customer has something of it."""
    if action.kind in SELLING and not action.customer_benefit:
        message = f"the {action.kind} does not say what the customer has of it"
        suggestion = "add `customer_benefit:`, an amount in the brand's currency"
        key = ("customer_benefit",)
        report.error(file, ("action",), message, suggestion, rests_on=[(file, key)])
    for key_name, low, why in (
        ("customer_benefit", 0, "the customer can only lose by it"),
        ("value", 1, "it can never beat silence"),
    ):
        expression = report.expressions.get((file, (key_name,)))
        bounds = expression.root.bounds if expression is not None else None
        if action.kind in COMPETING and bounds is not None and bounds[1] < low:
            message = f"`{key_name}` is never above {low - 1}: {why}"
            place = (key_name,) if report.positions.has(file, (key_name,)) else ("action",)
            suggestion = f"write a `{key_name}` that can be more, or remove the action"
            report.error(file, place, message, suggestion, rests_on=[(file, (key_name,))])
    expression = report.expressions.get((file, ("p_accept",)))
    bounds = expression.root.bounds if expression is not None else None
    if bounds is not None and (bounds[0] == bounds[1]) and not 0 < bounds[0] <= DECIMAL_ONE:
        message = "a likelihood is above 0 and at most 1"
        report.error(file, ("p_accept",), message, "write 0.1 for one in ten")
    if not 0 <= action.holdout_percent <= HOLDOUT_PERCENT_MAX:
        message = f"a control group of {action.holdout_percent} %"
        report.error(file, ("holdout_percent",), message, f"write 0 to {HOLDOUT_PERCENT_MAX}")
    if action.cost is not None:
        currency = parse_money(action.cost)[1]
        if currency != report.brand.brand.currency:
            message = f"the cost is in {currency}, not in {report.brand.brand.currency}"
            rests_on: list[Key] = [("brand.yaml", ("currency",))]
            report.error(file, ("cost",), message, "give it in one currency", rests_on=rests_on)


def _check_lengths(report: Report, file: str, action: Action) -> None:
    if parse_duration(action.valid_for) == 0:
        report.error(file, ("valid_for",), "it expires at once", "write a longer time")
    for key in ("repeat", "rest"):
        text = getattr(action, key)
        if text and parse_duration(text) == 0:
            report.error(file, (key,), f"a `{key}` of no length", "write a longer time")


def _check_measure(report: Report, file: str, action: Action) -> None:
    """Check a step of another system that asks before it is taken."""
    if action.channels:
        message = "a measure is taken by another system; nothing is sent"
        report.error(file, ("channels",), message, "remove the channels, or make it a service")


def _check_legal_weight(report: Report, file: str, action: Action) -> None:
    """Check that no machine decides alone what affects somebody's rights."""
    if action.legal_weight and not action.needs_approval:
        message = f"`{action.action}` has legal weight, and no person decides"
        report.error(file, ("legal_weight",), message, "add `needs_approval: true`")
