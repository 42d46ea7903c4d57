"""Fields of a special category: an explicit consent for each, and no use that it does not cover."""

from collections.abc import Iterable, Iterator
from typing import Final

from kept.core.brand.model import Brand, Purpose
from kept.core.brand.model_facts import NOBODY
from kept.core.brand.positions import KeyPath
from kept.core.check.company import ROLES
from kept.core.check.report import Report
from kept.core.data_map.fields import places_of, set_from
from kept.core.data_map.readers import Reader, Reading, spread
from kept.core.explicit_consent import sensitive_fields
from kept.core.scopes import TRAIT_PREFIX

FACTS: Final = "facts.yaml"
CONSENT: Final = "consent.yaml"


def check_sensitive(report: Report) -> None:
    """Report special-category fields without an explicit consent, and uses beyond it."""
    for name, purpose in report.brand.consent.purposes.items():
        _check_explicit(report, ("purposes", name), name, purpose)
    for path, personal, sensitive, consent in _classified(report):
        _check_declared(report, path, personal=personal, sensitive=sensitive, consent=consent)
    _check_roles(report)
    _check_derived(report)


def _check_explicit(report: Report, path: KeyPath, name: str, purpose: Purpose) -> None:
    known = report.brand.consent.purposes
    report.refer_all(CONSENT, (*path, "covers"), purpose.covers, what="purpose", known=known)
    if not purpose.explicit:
        if purpose.covers:
            message = "only an explicit consent covers other purposes"
            report.error(CONSENT, (*path, "covers"), message, "add `explicit: true`, or remove it")
        return
    if purpose.basis != "consent":
        message = f"`{name}` is explicit, and a {purpose.basis} is no consent"
        report.error(CONSENT, (*path, "explicit"), message, "write `basis: consent`")
    if not any(wording.purpose == name for wording in report.brand.consent.wordings.values()):
        message = f"nothing says in which words `{name}` is consented to"
        suggestion = "add it under `wordings:`; an explicit consent counts only with its wording"
        report.error(CONSENT, (*path, "explicit"), message, suggestion)


def _classified(report: Report) -> Iterator[tuple[KeyPath, bool, bool, tuple[str, str]]]:
    """Yield the place of each classification: whether personal, whether sensitive, its consent."""
    facts = report.written_facts
    for name, trait in facts.traits.items():
        yield ("traits", name), trait.personal, trait.sensitive, trait.processed_for
    for name, feature in facts.features.items():
        yield ("features", name), feature.personal, feature.sensitive, feature.processed_for
    for kind, declared in facts.objects.items():
        personal = not set(declared.sensitive) & set(declared.not_personal)
        yield ("objects", kind), personal, bool(declared.sensitive), declared.processed_for


def _check_declared(
    report: Report, path: KeyPath, *, personal: bool, sensitive: bool, consent: tuple[str, str]
) -> None:
    place = (*path, "processed_for")
    if not sensitive:
        if consent != NOBODY:
            message = "nothing here is of a special category"
            report.error(FACTS, place, message, "add `sensitive`, or remove `processed_for`")
        return
    if not personal:
        message = "what is of a special category is personal"
        report.error(FACTS, (*path, "sensitive"), message, "let it be personal, or not sensitive")
    if consent == NOBODY:
        message = f"`{path[-1]}` is of a special category, and no explicit consent covers it"
        suggestion = "add `processed_for: [LEGAL ENTITY, PURPOSE]` with an explicit purpose"
        report.error(FACTS, (*path, "sensitive"), message, suggestion)
        return
    entity, purpose = consent
    entities, purposes = report.brand.brand.legal_entities, report.brand.consent.purposes
    report.refer(FACTS, (*place, 0), entity, what="legal entity", known=entities)
    if report.refer(FACTS, (*place, 1), purpose, what="purpose", known=purposes):
        declared = purposes[purpose]
        if not (declared.explicit and declared.basis == "consent"):
            message = f"`{purpose}` is no explicit consent, which a special category needs"
            suggestion = "name a purpose with `basis: consent` and `explicit: true`"
            rests_on = [(CONSENT, ("purposes", purpose))]
            report.error(FACTS, (*place, 1), message, suggestion, rests_on=rests_on)


def _check_roles(report: Report) -> None:
    """Refuse special categories where they would be read without asking for consent."""
    brand = report.brand
    sensitive = {name for name, trait in brand.facts.traits.items() if trait.sensitive}
    places: list[tuple[str, KeyPath, str]] = [
        *(("brand.yaml", (role,), getattr(brand.brand, role)) for role in ROLES),
        *(
            (CONSENT, ("channels", name, "address"), channel.address)
            for name, channel in brand.consent.channels.items()
        ),
        *(
            ("sources.yaml", ("namespaces", name, "trait"), space.trait)
            for name, space in brand.sources.namespaces.items()
        ),
        *(
            ("brand.yaml", ("placements", name, "asks", index), trait)
            for name, placement in brand.brand.placements.items()
            for index, trait in enumerate(placement.asks)
        ),
    ]
    for file, path, trait in places:
        if trait in sensitive:
            message = f"`{trait}` is of a special category, and here it would serve everybody"
            suggestion = "ask for it together with its consent, in a form of your own"
            report.error(file, path, message, suggestion)


def _check_derived(report: Report) -> None:
    """Refuse facts that tell the same as a sensitive one and are not sensitive themselves."""
    facts = report.brand.facts
    places = _sensitive_places(report.brand)
    for name, feature in facts.features.items():
        told = [places[place] for place in map(_plain, places_of(feature)) if place in places]
        if told and not feature.sensitive:
            message = f"it tells what `{told[0]}` tells, which is of a special category"
            suggestion = "add `sensitive: true` and `processed_for`"
            report.error(FACTS, ("features", name), message, suggestion)
    for kind, declared in facts.objects.items():
        for field in set(declared.fields) - set(declared.sensitive):
            read = map(_plain, set_from(declared, field))
            told = [places[place] for place in read if place in places]
            if told:
                message = f"`{field}` tells what `{told[0]}` tells, which is of a special category"
                path = ("objects", kind, "fields", field)
                report.error(FACTS, path, message, "add it to `sensitive`")


def _sensitive_places(brand: Brand) -> dict[tuple[str, str], str]:
    """Return (event, property or path) -> the sensitive field that is told there."""
    facts = brand.facts
    found = {
        _plain(place): name
        for name, feature in facts.features.items()
        # What is counted by a common property is not sensitive itself; what is taken from it is.
        if feature.sensitive and feature.of
        for place in places_of(feature)
    }
    for kind, declared in facts.objects.items():
        for field in declared.sensitive:
            for place in set_from(declared, field):
                if not place[1].startswith("constant "):
                    found[_plain(place)] = f"{kind}.{field}"
    for name, trait in facts.traits.items():
        if trait.sensitive:
            found["", f"traits.{name}"] = f"{TRAIT_PREFIX}{name}"
    return {place: field for place, field in found.items() if place[1] != "occurred_at"}


def _plain(place: tuple[str, str]) -> tuple[str, str]:
    """Return a place as it compares: a trait is the same in every event."""
    event, path = place
    return ("", path) if path.startswith("traits.") else (event, path.removeprefix("properties."))


def check_uses(report: Report, reading: Reading) -> None:
    """Refuse policies that read a sensitive field beyond what its consent covers."""
    brand = report.brand
    sensitive = sensitive_fields(brand)
    if not sensitive:
        return
    _check_sets(report, reading, sensitive)
    seen: set[tuple[str, str, str]] = set()
    for reader in reading.readers:
        for field, through in spread(reader, reading.derived):
            for action in reader.actions if field in sensitive else ():
                consent = sensitive[field]
                if (reader.what, action, field) in seen or _is_covered(
                    brand, reader, action, consent
                ):
                    continue
                seen.add((reader.what, action, field))
                declared = brand.actions[action]
                _report_use(
                    report,
                    action,
                    f"`{field}`{' through ' + through if through else ''} is read by {reader.what}"
                    f" for {declared.entity}/{declared.purpose}; its explicit consent is for"
                    f" {consent[0]}/{consent[1]}",
                )


def _is_covered(brand: Brand, reader: Reader, action: str, consent: tuple[str, str]) -> bool:
    declared = brand.actions[action]
    covers = {consent[1], *brand.consent.purposes[consent[1]].covers}
    # A hold only keeps something from being said: whoever consented wants to be spared.
    is_restraint = reader.what.startswith("hold ") and reader.part != "because"
    return declared.entity == consent[0] and (is_restraint or declared.purpose in covers)


def _report_use(report: Report, action: str, message: str) -> None:
    file = report.positions.file_of("action", action)
    suggestion = (
        "ask for something else, or let the consent say so: "
        "`covers` of the purpose, and a wording that names it"
    )
    report.error(file, ("when",), message, suggestion)


def _check_sets(report: Report, reading: Reading, sensitive: Iterable[str]) -> None:
    """Refuse that a sensitive value is written into a field that is none."""
    brand = report.brand
    for reader in reading.readers:
        verb, _, field = reader.part.partition(" ")
        if verb != "sets":
            continue
        declared = brand.actions[reader.actions[0]]
        read = {name for name, _ in spread(reader, reading.derived)}
        kind = brand.facts.objects[declared.about]
        if read & set(sensitive) and field not in kind.sensitive:
            message = f"`{field}` would tell a special category, and is none itself"
            file = report.positions.file_of("action", declared.action)
            report.error(file, ("sets", field), message, "add it to `sensitive` in facts.yaml")
