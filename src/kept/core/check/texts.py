"""Texts: one for each channel and language, that say only what is known and hide nothing."""

import re
from collections.abc import Iterable
from typing import Final

from kept.core.brand.model import Action
from kept.core.brand.offers import terms_of
from kept.core.brand.positions import KeyPath
from kept.core.brand.suggest import nearest_name, suggest_name
from kept.core.check.actions import SELLING
from kept.core.check.offers import is_blind
from kept.core.check.promotion import find_pitch, find_promotion, pitches_of
from kept.core.check.report import Report
from kept.core.template import Schema, Use, check_template
from kept.core.template.locales import normalize_locale
from kept.core.template.source import TextName, parse_name
from kept.core.terms import Terms, disclosures
from kept.core.texts import text_schema

_OUTPUT: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_TERM: Final = re.compile(r"\bterms\.([a-z_0-9]+)")
_FIGURES: Final = frozenset(
    {"price", "intro_price", "yearly_price", "rate", "loan_instalment", "loan_amount"}
)
"""What tempts: a text that names one of these names the whole cost too."""


def check_texts(report: Report) -> None:
    """Report texts that are missing, that cannot be written, or that may not say what they say."""
    names = {
        name: parse_name(name)
        for name in report.brand.templates
        if not report.is_doubtful(report.positions.file_of("template", name), ())
    }
    used: set[str] = set()
    for name, file in report.action_files().items():
        action = report.brand.actions[name]
        if action.about and action.about not in report.brand.facts.objects:
            continue
        schema = text_schema(report.brand, action)
        terms = terms_of(report.brand, action)
        used |= _check_messages(report, file, action, names=names, schema=schema)
        for key in ("headline", "say"):
            for locale, text in getattr(action, key).items():
                path: KeyPath = (key, locale)
                if is_blind(report, action, text):
                    continue
                use = Use(is_offer=terms is not None, has_limit=_has_limit(report, action))
                report.check_line(file, path, text, schema=schema, locale=locale, use=use)
                _check_words(report, file, path, action, text=text, locale=locale)
                if terms is not None:
                    _check_disclosed(report, file, path, terms, text=text, must=key == "headline")
    _check_holds(report)
    _check_rest(report, names, used)


def _has_limit(report: Report, action: Action) -> bool:
    product = report.brand.products.get(action.terms_from)
    written = action.terms or (product.terms if product is not None else None)
    return written is not None and written.limited_to is not None


def _check_messages(
    report: Report,
    file: str,
    action: Action,
    *,
    names: dict[str, TextName | None],
    schema: Schema,
) -> set[str]:
    """Check the texts of what an action sends; return the names of the files that it uses."""
    template = action.template or action.action
    of_template = {
        (parsed.channel, parsed.locale): name
        for name, parsed in names.items()
        if parsed is not None and parsed.template == template and not parsed.is_html
    }
    uses: dict[str, set[str]] = {}
    missing: list[str] = []
    for channel in action.channels:
        for locale in map(normalize_locale, report.brand.brand.locales):
            found = of_template.get((channel, locale)) or of_template.get(("", locale))
            if found is None:
                missing.append(f"templates/{template}.{channel}.{locale}.liquid")
            else:
                uses.setdefault(found, set()).add(channel)
    if missing and not report.has_doubts("brand.yaml", ("locales",)):
        message = f"there is no text `{template}` for {_listed(missing)}"
        suggestion = f"write it, or templates/{template}.LOCALE.liquid for every channel"
        others = {parsed.template for parsed in names.values() if parsed is not None}
        near = nearest_name(template, others)
        if not of_template and near:
            suggestion = f"did you mean `{near}`?"
        key: KeyPath = ("template",) if action.template else ("channels",)
        report.error(file, key, message, suggestion)
    for name, channels in uses.items():
        _check_file(report, action, name, channels=channels, schema=schema)
    html = {
        name
        for name, parsed in names.items()
        if parsed is not None and parsed.template == template and parsed.is_html
    }
    for name in html:
        _check_file(report, action, name, channels=set(), schema=schema)
    return {*uses, *html}


def _listed(missing: list[str]) -> str:
    shown = ", ".join(missing[:3])
    return shown if len(missing) <= 3 else f"{shown} and {len(missing) - 3} more"


def _check_file(
    report: Report, action: Action, name: str, *, channels: set[str], schema: Schema
) -> None:
    """Check one file as one action uses it."""
    text = report.brand.templates[name]
    file = report.positions.file_of("template", name)
    if report.names_broken(text) or is_blind(report, action, text):
        return
    adapters = report.brand.consent.channels
    terms = terms_of(report.brand, action)
    use = Use(
        is_offer=terms is not None,
        has_limit=_has_limit(report, action),
        needs_subject=any(
            channel in adapters and adapters[channel].adapter == "smtp" for channel in channels
        ),
    )
    found = check_template(
        text, path=name, known_names=schema, use=use, others=report.brand.templates
    )
    report.problems.extend(problem for problem in found if problem not in report.problems)
    locale = name.removesuffix(".html").rpartition(".")[2]
    _check_words(report, file, (), action, text=text, locale=locale)
    if terms is not None:
        _check_disclosed(report, file, (), terms, text=text, must=False)


def _check_words(
    report: Report, file: str, path: KeyPath, action: Action, *, text: str, locale: str
) -> None:
    """Report promotional words in what must not promote."""
    purpose = report.brand.consent.purposes.get(action.purpose)
    if action.kind != "service" or purpose is None or purpose.promotional:
        return
    # Liquid gives way to as many spaces, so that places stay what they are.
    plain = _OUTPUT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    found = list(find_promotion(plain, locale.partition("-")[0]))
    for other in report.brand.actions.values():
        if other.kind in SELLING:
            pitches = pitches_of(other.headline.get(locale, ""))
            found += [(find_pitch(plain, pitch), pitch) for pitch in pitches]
    for offset, word in found:
        if offset < 0:
            continue
        before = plain[:offset]
        line, column = before.count("\n") + 1, offset - before.rfind("\n")
        if path:
            line, column = report.positions.inside(file, path, line, column)
        report.error_at(
            file,
            line,
            column,
            f"`{word}` is promotional, and `{action.action}` is a service message",
            "leave it out; what promotes needs a basis and an action of its own",
        )


def _check_disclosed(
    report: Report, file: str, path: KeyPath, terms: Terms, *, text: str, must: bool
) -> None:
    """Report a text that names what tempts and not what it costs in all."""
    said = set(_TERM.findall(text))
    needed = [name for name in disclosures(terms) if name not in said]
    if needed and (must or said & _FIGURES):
        listed = " and ".join(f"{{{{ terms.{name} }}}}" for name in needed)
        what = "a credit" if terms.kind == "credit" else "a plan that is paid each month"
        message = f"{what} is not shown without {listed}"
        report.error(file, path, message, "say it in the same text")


def _check_holds(report: Report) -> None:
    for name, hold in report.brand.contact.holds.items():
        if hold.about and hold.about not in report.brand.facts.objects:
            continue
        schema = text_schema(report.brand, None, about=hold.about)
        for key in ("because", "customer_because"):
            text = getattr(hold, key)
            path: KeyPath = ("holds", name, key)
            if text:
                locale = next(iter(report.brand.brand.locales), "en")
                use = Use(has_limit=True)
                report.check_line("contact.yaml", path, text, schema=schema, locale=locale, use=use)


def _check_rest(report: Report, names: dict[str, TextName | None], used: Iterable[str]) -> None:
    """Check the files of `templates/` that no action asks for."""
    locales = set(map(normalize_locale, report.brand.brand.locales))
    channels = report.brand.consent.channels
    schema = text_schema(report.brand, None)
    for name, parsed in names.items():
        file = report.positions.file_of("template", name)
        if parsed is None or parsed.is_partial:
            found = check_template(
                report.brand.templates[name],
                path=name,
                known_names=schema,
                others=report.brand.templates,
            )
            report.problems.extend(found)
            continue
        if parsed.locale not in locales:
            rests_on = [("brand.yaml", ("locales",))]
            message = f"there is no locale of the brand `{parsed.locale}`"
            suggestion = suggest_name(parsed.locale, locales)
            report.error(file, (), message, suggestion, rests_on=rests_on)
        elif parsed.channel and parsed.channel not in channels:
            report.refer(file, (), parsed.channel, what="channel", known=channels)
        elif name not in used:
            message = "no action sends this text"
            report.note(file, (), message, f"give an action `template: {parsed.template}`")
