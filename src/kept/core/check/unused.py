"""Notes on what is declared and never used: it costs attention, and is often a slip elsewhere."""

import re
from collections.abc import Iterable
from typing import Final

from kept.core.check.report import Report
from kept.core.explicit_consent import sensitive_fields
from kept.core.policy.tree import facts_read, fields_read, objects_read
from kept.core.scopes import TRAIT_PREFIX

_WORD: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?")


def note_unused(report: Report) -> None:
    """Note names that nothing refers to."""
    brand = report.brand
    actions = list(brand.actions.values())
    said = _words_of_texts(report)
    scopes = [
        *(hold.hushes for hold in brand.contact.holds.values()),
        *(cap.covers for cap in brand.contact.caps.values()),
        *(quiet.covers for quiet in brand.contact.quiet_hours.values()),
    ]
    purposes = {action.purpose for action in actions}
    purposes |= {purpose for _, purpose in brand.consent.categories.values()}
    purposes |= {purpose for _, purpose in sensitive_fields(brand).values()}
    channels = {name for action in actions for name in action.channels}
    channels |= {placement.channel for placement in brand.brand.placements.values()}
    topics = {action.topic for action in actions} | {
        topic for scope in scopes for topic in scope.topics
    }
    placements = {name for action in actions for name in action.placements} | {"outbound"}
    placements |= {name for name, placed in brand.brand.placements.items() if placed.asks}
    _note(report, "consent.yaml", "purposes", purposes, what="purpose")
    _note(report, "consent.yaml", "channels", channels, what="channel")
    _note(report, "consent.yaml", "topics", topics, what="topic")
    _note(report, "brand.yaml", "placements", placements, what="placement")
    entities = {action.entity for action in actions}
    _note(report, "brand.yaml", "legal_entities", entities, what="legal entity")
    _note_facts(report, said)
    _note_products(report)


def _note(report: Report, file: str, key: str, used: Iterable[str], *, what: str) -> None:
    holder = report.brand.consent if file == "consent.yaml" else report.brand.brand
    for name in set(getattr(holder, key)) - set(used):
        report.note(
            file, (key, name), f"no action uses the {what} `{name}`", "remove it, or use it"
        )


def _words_of_texts(report: Report) -> set[str]:
    """Return every word that a template or a line says, names among them."""
    brand = report.brand
    texts = [
        *brand.templates.values(),
        *(text for action in brand.actions.values() for text in action.headline.values()),
        *(text for action in brand.actions.values() for text in action.say.values()),
        *(hold.because + hold.customer_because for hold in brand.contact.holds.values()),
        *(fact for action in brand.actions.values() for fact in action.reads),
    ]
    return {word for text in texts for word in _WORD.findall(text)}


def _note_facts(report: Report, said: set[str]) -> None:
    brand = report.brand
    read = set(said)
    for expression in report.expressions.values():
        read |= facts_read(expression) | fields_read(expression) | objects_read(expression)
    file = brand.brand
    told = {file.region, file.locale, file.zone, file.name}
    told |= {name for placement in file.placements.values() for name in placement.asks}
    told |= {space.trait for space in brand.sources.namespaces.values()}
    told |= {channel.address for channel in brand.consent.channels.values()}
    kinds = {action.about for action in brand.actions.values()}
    kinds |= {hold.about for hold in brand.contact.holds.values()}
    kinds |= {space.object for space in brand.sources.namespaces.values()}
    facts = brand.facts
    unused: list[tuple[str, str]] = [
        *(("features", name) for name in facts.features if name not in read),
        *(
            ("traits", name)
            for name in facts.traits
            if name not in told and f"{TRAIT_PREFIX}{name}" not in read
        ),
        *(("objects", kind) for kind in facts.objects if kind not in read | kinds),
    ]
    for key, name in unused:
        if name not in report.broken:
            message = f"nothing reads `{name}`"
            report.note("facts.yaml", (key, name), message, "remove it, or use it")


def _note_products(report: Report) -> None:
    brand = report.brand
    offered = {action.terms_from for action in brand.actions.values()}
    terms = [action.terms for action in brand.actions.values()]
    terms += [product.terms for product in brand.products.values()]
    offered |= {part for stated in terms if stated is not None for part in stated.parts}
    for name in set(brand.products) - offered:
        file = report.positions.file_of("product", name)
        report.note(file, ("product",), f"no action offers `{name}`", "remove it, or offer it")
