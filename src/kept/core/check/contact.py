"""`contact.yaml`: limits that limit something, quiet hours that end, holds that say why."""

from typing import Final

from kept.core.brand.model import Scope
from kept.core.brand.positions import KeyPath
from kept.core.brand.units import parse_duration
from kept.core.check.report import Report
from kept.core.explicit_consent import sensitive_fields
from kept.core.scopes import TRAIT_PREFIX

FILE: Final = "contact.yaml"
KINDS: Final = frozenset(
    {"offer", "experience", "greeting", "survey", "service", "call_task", "measure"}
)
CAP_SUGGESTION: Final = "write 1 or more; to forbid something, use a hold or remove the action"


def check_contact(report: Report) -> None:
    """Report what is wrong with `contact.yaml` beyond its form and its conditions."""
    contact = report.brand.contact
    for name, hold in contact.holds.items():
        _check_scope(report, ("holds", name, "hushes"), hold.hushes)
    for name, cap in contact.caps.items():
        path: KeyPath = ("caps", name)
        if cap.count < 1:
            message = f"a cap of {cap.count}"
            report.error(FILE, (*path, "count"), message, CAP_SUGGESTION)
        _check_length(report, (*path, "window"), cap.window)
        _check_scope(report, (*path, "covers"), cap.covers)
    for name, quiet in contact.quiet_hours.items():
        if quiet.start == quiet.end:
            message = f"quiet hours from {quiet.start} to {quiet.end} have no length"
            suggestion = "write two different times; to forbid something, use a hold"
            report.error(FILE, ("quiet_hours", name, "end"), message, suggestion)
        _check_scope(report, ("quiet_hours", name, "covers"), quiet.covers)
    if contact.quiet_hours and not report.brand.brand.zone:
        first = next(iter(contact.quiet_hours))
        message = "quiet hours are in the customer's own time zone, which no trait tells"
        suggestion = "name the trait as `zone:` in brand.yaml; until then nothing covered leaves"
        report.error(
            FILE, ("quiet_hours", first), message, suggestion, rests_on=[("brand.yaml", ("zone",))]
        )
    if contact.choice_limit < 1:
        message = f"a choice of {contact.choice_limit}"
        report.error(FILE, ("choice_limit",), message, "write 1 or more; 3 is usual")
    for key in ("decline_rest", "answer_stable", "approval_valid", "refusal_rest"):
        _check_length(report, (key,), getattr(contact, key))
    _check_limits(report)
    _note_uncapped(report)


def _check_limits(report: Report) -> None:
    """Check that limits are within reason, and that the groups they name can be compared."""
    limits = report.brand.contact.limits
    for key, highest in (
        ("pressure_rise_percent", 1_000),
        ("hardship_rise_percent", 1_000),
        ("bias_least_percent", 100),
        ("customers_least", 1_000_000),
    ):
        value = getattr(limits, key)
        if not 0 <= value <= highest:
            suggestion = f"write a number from 0 to {highest}"
            report.error(FILE, ("limits", key), f"`{key}` is {value}", suggestion)
    traits = report.brand.facts.traits
    sensitive = sensitive_fields(report.brand)
    for index, group in enumerate(limits.groups):
        path: KeyPath = ("limits", "groups", index)
        if group == "cohort":
            continue
        if f"{TRAIT_PREFIX}{group}" in sensitive:
            message = f"`{group}` is of a special category"
            suggestion = "groups are compared by the other traits, or by cohort"
            report.error(FILE, path, message, suggestion)
            continue
        report.refer(FILE, path, group, what="trait", known={*traits, "cohort"})


def _check_length(report: Report, path: KeyPath, text: str) -> None:
    if parse_duration(text) == 0:
        report.error(FILE, path, f"`{path[-1]}` has no length", "write a longer time")


def _check_scope(report: Report, path: KeyPath, scope: Scope) -> None:
    """Check what a hold, cap or quiet time is about: that all of it exists, and it is something."""
    brand = report.brand
    actions = brand.actions
    for key, what, known in (
        ("purposes", "purpose", set(brand.consent.purposes)),
        ("topics", "topic", set(brand.consent.topics)),
        ("kinds", "kind of action", KINDS),
        ("actions", "action", set(actions)),
        ("channels", "channel", set(brand.consent.channels)),
    ):
        report.refer_all(FILE, (*path, key), getattr(scope, key), what=what, known=known)
    if scope.promotional is None:
        return
    kind = "promotional" if scope.promotional else "free of promotion"
    purposes = brand.consent.purposes
    alike = {name for name in purposes if purposes[name].promotional is scope.promotional}
    if not alike:
        message = f"no purpose is {kind}"
        suggestion = "mark one in consent.yaml, or name what is meant by purpose or kind"
        rests_on = [("consent.yaml", ("purposes", name)) for name in purposes]
        report.error(FILE, (*path, "promotional"), message, suggestion, rests_on=rests_on)
    elif scope.purposes and alike.isdisjoint(scope.purposes):
        message = f"none of these purposes is {kind}, so that nothing is covered"
        report.error(FILE, (*path, "promotional"), message, "remove one of the two")


def _note_uncapped(report: Report) -> None:
    """Note promotional purposes that no cap covers."""
    brand = report.brand
    for name, purpose in brand.consent.purposes.items():
        used = any(action.purpose == name for action in brand.actions.values())
        capped = any(
            cap.covers.promotional is not False
            and not (cap.covers.topics or cap.covers.actions)
            and (not cap.covers.purposes or name in cap.covers.purposes)
            for cap in brand.contact.caps.values()
        )
        if purpose.promotional and used and not capped:
            message = f"no cap covers the promotional purpose `{name}`"
            suggestion = "add one: {count: 2, window: 7 days, covers: {promotional: true}}"
            report.note(FILE, ("caps",), message, suggestion)
