"""Names: plain words, none that hides another, none that conditions or texts cannot say."""

import re
from collections.abc import Iterable
from typing import Final

from kept.core.brand.positions import KeyPath
from kept.core.check.report import Report
from kept.core.event import SOURCE_SELF
from kept.core.policy.check import check_expression
from kept.core.policy.scope import Fact, Scope
from kept.core.policy.types import INT
from kept.core.policy.where import Where
from kept.core.template.locales import find_locale, normalize_locale

NAME_LENGTH_MAX: Final = 60
RESERVED: Final = frozenset(
    {
        "about", "brand", "cohort", "entity", "name", "offer", "product", "segment", "terms",
        "trait", "unsubscribe_url",
    }
)  # fmt: skip
"""What conditions and texts call by these names themselves."""

_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


def check_names(report: Report) -> None:
    """Report names that cannot be used, or that hide another."""
    _check_locales(report)
    brand = report.brand
    for file, key, names in (
        ("brand.yaml", "legal_entities", brand.brand.legal_entities),
        ("brand.yaml", "placements", brand.brand.placements),
        ("sources.yaml", "namespaces", brand.sources.namespaces),
        ("sources.yaml", "sources", brand.sources.sources),
        ("facts.yaml", "traits", report.written_facts.traits),
        ("facts.yaml", "objects", report.written_facts.objects),
        ("facts.yaml", "features", report.written_facts.features),
        ("cohorts.yaml", "cohorts", brand.cohorts.cohorts),
        ("cohorts.yaml", "segments", brand.cohorts.segments),
        ("consent.yaml", "purposes", brand.consent.purposes),
        ("consent.yaml", "topics", brand.consent.topics),
        ("consent.yaml", "wordings", brand.consent.wordings),
        ("consent.yaml", "channels", brand.consent.channels),
        ("contact.yaml", "holds", brand.contact.holds),
        ("contact.yaml", "caps", brand.contact.caps),
        ("contact.yaml", "quiet_hours", brand.contact.quiet_hours),
    ):
        _check_plain(report, file, (key,), names)
    for kind, declared in report.written_facts.objects.items():
        _check_plain(report, "facts.yaml", ("objects", kind, "fields"), declared.fields)
        if "key" in declared.fields:
            report.error(
                "facts.yaml",
                ("objects", kind, "fields", "key"),
                "`key` is the object's key itself",
                "call the field otherwise",
            )
    for kind in ("action", "product"):
        for name in brand.actions if kind == "action" else brand.products:
            if not _is_plain(name):
                _refuse(report, report.positions.file_of(kind, name), (kind,), name)
    if SOURCE_SELF in brand.sources.sources:
        message = f"`{SOURCE_SELF}` is the source of the events that Kept itself causes"
        report.error("sources.yaml", ("sources", SOURCE_SELF), message, "call the source otherwise")
    _check_shadows(report)


def check_locale_keys(
    report: Report, file: str, path: KeyPath, locales: Iterable[str], *, is_complete: bool = True
) -> None:
    """Report locales that the brand does not have, and those of its own that are missing.

    Args:
        report: receives the problems.
        file: the file of the texts.
        path: the key that holds one text for each locale.
        locales: the locales that there are texts for.
        is_complete: whether each locale of the brand must have a text.
    """
    if report.has_doubts("brand.yaml", ("locales",)):
        return
    own = report.brand.brand.locales
    written = set(locales)
    for locale in written:
        report.refer(file, (*path, locale), locale, what="locale of the brand", known=own)
    missing = [locale for locale in own if locale not in written]
    if missing and is_complete:
        listed = ", ".join(f"`{locale}`" for locale in missing)
        report.error(file, path, f"there is no text in {listed}", "add one for each locale")


def _check_plain(report: Report, file: str, path: KeyPath, names: Iterable[str]) -> None:
    for name in names:
        if not _is_plain(name):
            _refuse(report, file, (*path, name), name)


def _is_plain(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and len(name) <= NAME_LENGTH_MAX


def _refuse(report: Report, file: str, path: KeyPath, name: str) -> None:
    plain = "_".join(re.findall(r"[a-z0-9]+", name.lower()))
    suggestion = f"write `{plain}`" if _is_plain(plain) else "write it in English"
    report.error(
        file,
        path,
        f"`{name}` is not a plain name: small letters, digits and `_`, beginning with a letter",
        suggestion,
    )


def _check_shadows(report: Report) -> None:
    facts = report.written_facts
    for name in facts.features:
        path = ("features", name)
        if name in facts.objects:
            message = f"the feature `{name}` and the kind of object `{name}` hide each other"
            report.error("facts.yaml", path, message, "call one of them otherwise")
        elif name in RESERVED:
            message = f"`{name}` means something else in conditions and texts"
            report.error("facts.yaml", path, message, "call the feature otherwise")
        elif _is_plain(name) and not _can_be_said(name):
            message = f"`{name}` is a word of the condition language"
            report.error("facts.yaml", path, message, "call the feature otherwise")
    for name in facts.objects:
        if name in RESERVED:
            message = f"`{name}` means something else in conditions and texts"
            report.error("facts.yaml", ("objects", name), message, "call the object otherwise")
    if report.brand.cohorts.otherwise in report.brand.cohorts.cohorts:
        message = (
            f"`{report.brand.cohorts.otherwise}` is both a cohort and the name of those in none"
        )
        report.error("cohorts.yaml", ("otherwise",), message, "call one of them otherwise")


def _can_be_said(name: str) -> bool:
    scope = Scope(facts={name: Fact(type=INT)})
    found = check_expression(name, scope=scope, expects=None, where=Where(file=""))
    return not isinstance(found, list)


def _check_locales(report: Report) -> None:
    locales = report.brand.brand.locales
    count = report.error_count
    if not locales:
        report.error("brand.yaml", ("locales",), "the brand speaks no language", "write `[en]`")
    for index, locale in enumerate(locales):
        path = ("locales", index)
        if not _LOCALE.fullmatch(locale):
            message = f"`{locale}` is not a locale"
            report.error("brand.yaml", path, message, "write a language, such as `en` or `pt-BR`")
        elif normalize_locale(locale) != locale:
            written = normalize_locale(locale)
            report.error(
                "brand.yaml", path, f"`{locale}` is written `{written}`", f"write `{written}`"
            )
        elif locale in locales[:index]:
            report.error("brand.yaml", path, f"`{locale}` is in the list twice", "keep one")
        elif find_locale(locale) is None:
            message = f"dates and amounts have no form of their own for the locale `{locale}`"
            report.note("brand.yaml", path, message, "texts in it can print neither")
    if report.error_count > count:
        report.doubt("brand.yaml", ("locales",))
