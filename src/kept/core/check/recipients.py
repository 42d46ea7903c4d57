"""Who is given personal data, and how long it is kept: recipients, retention, legal holds."""

import re
from collections.abc import Iterable
from typing import Final

from kept.core.brand.model import Brand, LegalHold, Recipient, Records
from kept.core.brand.positions import KeyPath
from kept.core.brand.units import parse_duration
from kept.core.check.events import supply_of
from kept.core.check.facts import check_events
from kept.core.check.names import check_locale_keys
from kept.core.check.report import Report
from kept.core.check.secrecy import check_reference, check_setting
from kept.core.check.tools import wrong_url
from kept.core.fold.compile import events_of
from kept.core.scopes import TRAIT_PREFIX

CONSENT: Final = "consent.yaml"
COMPANY: Final = "brand.yaml"
OUTWARD: Final = frozenset({"smtp", "webhook"})
"""Adapters that hand messages to somebody else's machine."""
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)


def check_recipients(report: Report) -> None:
    """Report recipients that are not declared, and limits of keeping that limit nothing."""
    brand = report.brand
    for name, recipient in brand.consent.recipients.items():
        _check_recipient(report, ("recipients", name), recipient)
    used = {channel.recipient for channel in brand.consent.channels.values()}
    used |= {source.recipient for source in brand.sources.sources.values()}
    for name in brand.consent.recipients:
        if name not in used:
            message = f"nothing is given to the recipient `{name}`"
            suggestion = "name it at a channel or a source, or remove it"
            report.note(CONSENT, ("recipients", name), message, suggestion)
    for name, channel in brand.consent.channels.items():
        path: KeyPath = ("channels", name)
        is_outward = channel.adapter in OUTWARD
        _check_named(report, CONSENT, path, channel.recipient, is_given=is_outward)
    for name, source in brand.sources.sources.items():
        lists = {
            c for c, channel in brand.consent.channels.items() if channel.adapter == "call_list"
        }
        is_given = source.suppressions is not None or not lists.isdisjoint(source.pulls)
        path = ("sources", name)
        _check_named(report, "sources.yaml", path, source.recipient, is_given=is_given)
    _check_retention(report)
    for name, hold in brand.brand.legal_holds.items():
        _check_legal_hold(report, ("legal_holds", name), hold)


def _check_named(
    report: Report, file: str, path: KeyPath, recipient: str, *, is_given: bool
) -> None:
    known = report.brand.consent.recipients
    if recipient:
        report.refer(file, (*path, "recipient"), recipient, what="recipient", known=known)
    elif is_given:
        message = f"`{path[-1]}` is given personal data, and nobody says who that is"
        suggestion = "declare the company under `recipients:` in consent.yaml, and name it here"
        report.note(file, path, message, suggestion)


def _check_recipient(report: Report, path: KeyPath, recipient: Recipient) -> None:
    if not _COUNTRY.fullmatch(recipient.country):
        message = f"`{recipient.country}` is no country"
        suggestion = "write the two letters of ISO 3166-1, such as PT"
        report.error(CONSENT, (*path, "country"), message, suggestion)
    erasure = recipient.erasure
    if erasure is None:
        message = f"nothing says how `{path[-1]}` is told to erase somebody"
        suggestion = "add `erasure: {url: env:NAME, secret: env:NAME}`, or `erasure: manual`"
        report.note(CONSENT, path, message, suggestion)
    elif erasure != "manual":
        place = (*path, "erasure")
        check_setting(report, CONSENT, (*place, "url"), erasure.url)
        is_named = erasure.url.startswith(("env:", "file:"))
        wrong = "" if is_named else wrong_url(erasure.url)
        if wrong:
            hint = "write a public https address; a private one goes into env:NAME, for trials"
            report.error(CONSENT, (*place, "url"), wrong, hint)
        check_reference(report, CONSENT, (*place, "secret"), erasure.secret)


def _check_retention(report: Report) -> None:
    brand = report.brand
    history = parse_duration(brand.brand.history)
    supply = supply_of(brand.sources)
    for event, text in brand.brand.retention.items():
        path: KeyPath = ("retention", event)
        check_events(report, path, [event], supply, is_list=False, file=COMPANY)
        _check_within(report, COMPANY, path, text, history=history)
    for name in ("decisions", "messages", "quarantine"):
        text = getattr(brand.brand.records, name)
        if text and text != getattr(Records(), name):
            _check_within(report, COMPANY, ("records", name), text, history=history)
    for name, purpose in brand.consent.purposes.items():
        if purpose.keep:
            path = ("purposes", name, "keep")
            _check_within(report, CONSENT, path, purpose.keep, history=history)
    for name, feature in brand.facts.features.items():
        if name in report.broken:
            continue
        wanted = parse_duration(feature.window) if feature.window else 0
        kept = brand.brand.retention
        short = [e for e in events_of(feature)[1] if e in kept and parse_duration(kept[e]) < wanted]
        if short:
            message = f"the window is longer than `{short[0]}` is kept"
            suggestion = "shorten it, or raise `retention` in brand.yaml"
            report.note("facts.yaml", ("features", name, "window"), message, suggestion)


def _check_within(report: Report, file: str, path: KeyPath, text: str, *, history: int) -> None:
    length = parse_duration(text)
    if length == 0:
        report.error(file, path, "it would be kept for no time", "write a longer one")
    elif length > history:
        message = f"{text} is longer than the history of {report.brand.brand.history}"
        suggestion = "shorten it, or raise `history` in brand.yaml"
        rests_on = [(COMPANY, ("history",))]
        report.error(file, path, message, suggestion, rests_on=rests_on)


def _check_legal_hold(report: Report, path: KeyPath, hold: LegalHold) -> None:
    if not hold.law.strip():
        report.error(COMPANY, (*path, "law"), "no law is named", "write which one obliges")
    if not hold.events:
        message = "nothing is kept under this hold"
        report.error(COMPANY, (*path, "events"), message, "name the events that are kept")
    supply = supply_of(report.brand.sources)
    check_events(report, (*path, "events"), hold.events, supply, file=COMPANY)
    known = fields_known(report.brand)
    report.refer_all(COMPANY, (*path, "fields"), hold.fields, what="field", known=known)
    if parse_duration(hold.keep) == 0:
        message = "it would be kept for no time"
        report.error(COMPANY, (*path, "keep"), message, "write a longer one")
    check_locale_keys(report, COMPANY, (*path, "told"), hold.told)


def fields_known(brand: Brand) -> Iterable[str]:
    """Return the fields of a brand by name: `trait.x`, `kind.field`, features."""
    facts = brand.facts
    return [
        *(f"{TRAIT_PREFIX}{name}" for name in facts.traits),
        *(f"{k}.{f}" for k, declared in facts.objects.items() for f in ("key", *declared.fields)),
        *facts.features,
    ]
