"""`brand.yaml`: the companies, the traits that describe a customer, and the placements."""

import re
from typing import Final

from kept.core.brand.model import Placement
from kept.core.brand.suggest import suggest_name
from kept.core.brand.units import CURRENCIES, parse_duration
from kept.core.check.report import Report
from kept.core.decision import OUTBOUND
from kept.core.policy.zones import zone_names

FILE: Final = "brand.yaml"
ROLES: Final = ("region", "locale", "zone", "name")
"""Keys of `brand.yaml` that name a trait."""
CONTROL_PERCENT_MAX: Final = 50
_ADDRESS: Final = re.compile(r"https://\S+")


def check_company(report: Report) -> None:
    """Report what is wrong with `brand.yaml` beyond its form."""
    brand = report.brand.brand
    if brand.currency not in CURRENCIES:
        message = f"`{brand.currency}` is not a currency of ISO 4217"
        report.error(FILE, ("currency",), message, suggest_name(brand.currency, CURRENCIES))
        report.doubt(FILE, ("currency",))
    if brand.time_zone not in zone_names():
        message = f"`{brand.time_zone}` is not a time zone"
        report.error(FILE, ("time_zone",), message, suggest_name(brand.time_zone, zone_names()))
    if not brand.legal_entities:
        report.error(FILE, ("legal_entities",), "there is no legal entity", "name the company")
    for name, entity in brand.legal_entities.items():
        notice = entity.lawful_basis_notice
        if notice and not _ADDRESS.fullmatch(notice):
            message = f"`{notice}` is no address that a customer can open"
            path = ("legal_entities", name, "lawful_basis_notice")
            report.error(FILE, path, message, "write one that begins with https://")
    for role in ROLES:
        _check_role(report, role, getattr(brand, role))
    if not 0 <= brand.universal_control_percent <= CONTROL_PERCENT_MAX:
        message = f"a control group of {brand.universal_control_percent} %"
        suggestion = f"at most {CONTROL_PERCENT_MAX}, and 1 to 10 are usual"
        report.error(FILE, ("universal_control_percent",), message, suggestion)
    if parse_duration(brand.history) <= 0:
        report.error(FILE, ("history",), "no history is kept", "write `1095 days`")
    for name, placement in brand.placements.items():
        _check_placement(report, name, placement)


def _check_role(report: Report, role: str, name: str) -> None:
    traits = report.brand.facts.traits
    if not name or name in report.broken:
        return
    if not report.refer(FILE, (role,), name, what="trait", known=traits):
        return
    if traits[name].type != "text":
        message = f"the trait `{name}` is a {traits[name].type}, and a text is needed"
        report.error(FILE, (role,), message, "declare it as text in facts.yaml")


def _check_placement(report: Report, name: str, placement: Placement) -> None:
    path = ("placements", name)
    brand = report.brand
    if (placement.kind == "outbound") != (name == OUTBOUND):
        message = f"`{OUTBOUND}` is the placement of what is sent, and the only one of its kind"
        report.error(FILE, path, message, f"call it `{OUTBOUND}`, or give it another kind")
    if placement.channel:
        known = brand.consent.channels
        report.refer(FILE, (*path, "channel"), placement.channel, what="channel", known=known)
    if placement.shows < 1:
        message = f"`{name}` shows {placement.shows} actions"
        report.error(FILE, (*path, "shows"), message, "write 1 or more, or remove the placement")
    report.refer_all(
        FILE, (*path, "asks"), placement.asks, what="trait", known=report.written_facts.traits
    )
    for index, trait in enumerate(placement.asks):
        declared = brand.facts.traits.get(trait)
        if declared is not None and not declared.ask:
            message = f"the trait `{trait}` has no question to ask"
            suggestion = f"add `ask:` with a text for each locale to `{trait}` in facts.yaml"
            report.error(FILE, (*path, "asks", index), message, suggestion)
    if placement.asks and placement.kind != "inbound":
        message = f"`{name}` is a {placement.kind} placement: there is nobody to ask"
        report.error(FILE, (*path, "asks"), message, "remove `asks`")
