"""`consent.yaml`: a basis that can carry its purpose, channels that can be reached and paid for."""

import re
from typing import Final

from kept.core.brand.model import Channel, Purpose
from kept.core.brand.positions import KeyPath
from kept.core.brand.suggest import suggest_name
from kept.core.brand.units import parse_money
from kept.core.check.names import check_locale_keys
from kept.core.check.report import Report
from kept.core.check.secrecy import check_setting

FILE: Final = "consent.yaml"
PROMOTIONAL_BASES: Final = frozenset({"consent", "legitimate_interest"})
"""A contract or a law never obliges anybody to be advertised to."""

_SMTP: Final = ("host", "port", "security", "username", "password", "return_path")
DKIM_SETTINGS: Final = ("dkim_domain", "dkim_selector", "dkim_key")
"""All three, or none: then the mail server signs."""
SETTINGS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "files": ((), ("feedback_secret",)),
    "inbox": ((), ()),
    "call_list": ((), ()),
    "smtp": (("host",), (*_SMTP, *DKIM_SETTINGS, "feedback_secret")),
    "webhook": (("url", "secret"), ("url", "secret", "feedback_secret")),
}
"""Adapter -> the settings that it needs, and all that it knows. `feedback_secret` signs what the
provider reports back; without one, `secret` does."""

_REFERENCE: Final = re.compile(r"(env|file):")
_FORMS: Final = {
    "port": re.compile(r"[1-9]\d{0,4}", re.ASCII),
    "security": re.compile(r"starttls|tls|none"),
    "url": re.compile(r"https://\S+"),
}
_EXAMPLES: Final = {
    "port": '"587"',
    "security": "starttls, tls or none",
    "url": "an address that begins with https://",
}


def check_consent(report: Report) -> None:
    """Report what is wrong with `consent.yaml` beyond its form."""
    brand = report.brand
    for name, purpose in brand.consent.purposes.items():
        _check_purpose(report, name, purpose)
    for name, channel in brand.consent.channels.items():
        _check_channel(report, name, channel)
    for name, wording in brand.consent.wordings.items():
        path = ("wordings", name)
        known = brand.consent.purposes
        report.refer(FILE, (*path, "purpose"), wording.purpose, what="purpose", known=known)
        check_locale_keys(report, FILE, (*path, "text"), wording.text)
    for name, (entity, purpose_name) in brand.consent.categories.items():
        path = ("categories", name)
        entities = brand.brand.legal_entities
        report.refer(FILE, (*path, 0), entity, what="legal entity", known=entities)
        known = brand.consent.purposes
        report.refer(FILE, (*path, 1), purpose_name, what="purpose", known=known)


def _check_purpose(report: Report, name: str, purpose: Purpose) -> None:
    path = ("purposes", name)
    if purpose.promotional and purpose.basis not in PROMOTIONAL_BASES:
        message = f"`{name}` is promotional, and a {purpose.basis} is no basis for that"
        suggestion = "write `basis: consent`, or `promotional: false` if it really is not"
        report.error(
            FILE, (*path, "basis"), message, suggestion, rests_on=[(FILE, (*path, "promotional"))]
        )
    if purpose.during_restriction and purpose.basis != "legal_obligation":
        message = (
            f"`{name}` would use data that is restricted, and a {purpose.basis} obliges nobody"
        )
        suggestion = (
            "leave `during_restriction` out, or write `basis: legal_obligation` if a law does"
        )
        report.error(FILE, (*path, "during_restriction"), message, suggestion)
    known = report.brand.consent.channels
    report.refer_all(FILE, (*path, "channels"), purpose.channels, what="channel", known=known)


def _check_channel(report: Report, name: str, channel: Channel) -> None:
    path = ("channels", name)
    brand = report.brand
    if channel.adapter not in {"inbox", "files"} and not channel.address:
        message = f"nothing says where `{name}` reaches a customer"
        report.error(FILE, path, message, "add `address:` with a trait or a namespace")
    if channel.address:
        known = {*report.written_facts.traits, *brand.sources.namespaces}
        what = "trait or namespace"
        report.refer(FILE, (*path, "address"), channel.address, what=what, known=known)
    cost, currency = parse_money(channel.cost)
    if currency != brand.brand.currency:
        message = f"the cost is in {currency}, and the brand counts in {brand.brand.currency}"
        rests_on = [("brand.yaml", ("currency",))]
        report.error(FILE, (*path, "cost"), message, "give it in one currency", rests_on=rests_on)
    if cost < 0:
        report.error(FILE, (*path, "cost"), "a negative cost", "write 0 or more")
    for entity in channel.sender:
        known = set(brand.brand.legal_entities)
        report.refer(FILE, (*path, "sender", entity), entity, what="legal entity", known=known)
    _check_settings(report, name, channel)


def _check_settings(report: Report, name: str, channel: Channel) -> None:
    """Check that an adapter is told what it needs, and nothing that it does not know."""
    path: KeyPath = ("channels", name, "settings")
    needed, known = SETTINGS[channel.adapter]
    for key, text in channel.settings.items():
        what = f"setting of {channel.adapter}"
        rests_on = [(FILE, ("channels", name, "adapter"))]
        if key not in known:
            message = f"there is no {what} `{key}`"
            suggestion = suggest_name(key, known, empty=f"{channel.adapter} takes no settings")
            report.error(FILE, (*path, key), message, suggestion, rests_on=rests_on)
            continue
        check_setting(report, FILE, (*path, key), text)
        pattern = _FORMS.get(key)
        if pattern is not None and not _REFERENCE.match(text) and not pattern.fullmatch(text):
            message = f"`{text}` is no {key}"
            report.error(FILE, (*path, key), message, f"write {_EXAMPLES[key]}", rests_on=rests_on)
    _check_signing(report, path, channel)
    for key in needed:
        # Until the operator says otherwise every message goes into files, so this can wait.
        if key not in channel.settings:
            message = f"`{name}` does not say its `{key}`"
            suggestion = "add it under `settings:`, or use `adapter: files` for a trial"
            report.note(FILE, (*path[:2], "adapter"), message, suggestion)


def _check_signing(report: Report, path: KeyPath, channel: Channel) -> None:
    """Check that a signature has its domain, its selector and its key."""
    given = [key for key in DKIM_SETTINGS if key in channel.settings]
    missing = [key for key in DKIM_SETTINGS if key not in channel.settings]
    if given and missing and channel.adapter == "smtp":
        named = " and ".join(f"`{key}`" for key in missing)
        message = f"a signature needs {named} as well"
        suggestion = "add it, or leave out all three where the mail server signs"
        report.error(FILE, (*path, given[0]), message, suggestion)
