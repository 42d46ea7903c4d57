"""Offers that can be compared: complete terms on one basis, in one currency, and nothing hidden."""

import re
from itertools import pairwise
from typing import Final

from kept.core.brand.model import Action
from kept.core.brand.model import Terms as Written
from kept.core.brand.offers import NEEDS_TERMS, read_terms
from kept.core.brand.positions import KeyPath
from kept.core.brand.units import parse_money
from kept.core.check.report import Key, Report
from kept.core.terms import Terms, comparable, missing_terms

AMOUNTS: Final = ("price", "fee", "intro_price", "example_amount")
COUNTS: Final = ("intro_months", "min_months", "example_months")
MONTHS_MAX: Final = 600

_OF_TERMS: Final = re.compile(r"\b(offer|terms)\.")


def check_offers(report: Report) -> None:
    """Report every offer that cannot be compared with its neighbours, and why."""
    for name, product in report.brand.products.items():
        if product.terms is not None:
            _check_terms(report, report.positions.file_of("product", name), product.terms)
    stated: dict[str, list[tuple[str, Terms]]] = {}
    for name, file in report.action_files().items():
        action = report.brand.actions[name]
        if action.terms is not None:
            _check_terms(report, file, action.terms)
        if action.kind in NEEDS_TERMS:
            _check_stated(report, file, action)
            terms = usable_terms(report, action)
            if action.category and terms is not None:
                stated.setdefault(action.category, []).append((name, terms))
    for category, offers in stated.items():
        _check_neighbours(report, category, offers)


def _check_stated(report: Report, file: str, action: Action) -> None:
    rests_on: list[Key] = [(file, ("terms",)), (file, ("terms_from",))]
    product = report.brand.products.get(action.terms_from)
    if action.terms is not None and action.terms_from:
        message = "the terms stand here and with a product"
        report.error(file, ("terms_from",), message, "keep one of the two", rests_on=rests_on)
    elif action.terms is None and not action.terms_from:
        message = f"the offer `{action.action}` states no terms, so that it cannot be compared"
        suggestion = "add `terms:`, or `terms_from:` with a product of the catalog"
        report.error(file, ("action",), message, suggestion, rests_on=rests_on)
    elif product is not None and product.terms is None:
        product_file = report.positions.file_of("product", action.terms_from)
        message = f"the product `{action.terms_from}` has no terms"
        suggestion = f"add `terms:` to {product_file}"
        rests_on.append((product_file, ("terms",)))
        report.error(file, ("terms_from",), message, suggestion, rests_on=rests_on)
    if not action.category:
        message = f"the offer `{action.action}` is in no category"
        suggestion = "add `category:`; what is shown together is of different categories"
        report.error(file, ("action",), message, suggestion, rests_on=[(file, ("category",))])


def usable_terms(report: Report, action: Action) -> Terms | None:
    """Return an offer's terms if they are complete and nothing about them is in doubt."""
    product = report.brand.products.get(action.terms_from)
    written = action.terms or (product.terms if product is not None else None)
    kind, name = (
        ("product", action.terms_from) if action.terms is None else ("action", action.action)
    )
    if written is None or report.has_doubts(report.positions.file_of(kind, name), ("terms",)):
        return None
    terms = read_terms(report.brand, written)
    return None if missing_terms(terms) else terms


def is_blind(report: Report, action: Action, text: str) -> bool:
    """Return whether a text rests on terms that are missing or incomplete, and so says nothing."""
    is_meant = _OF_TERMS.search(text) is not None and action.kind in NEEDS_TERMS
    return is_meant and usable_terms(report, action) is None


def _check_terms(report: Report, file: str, written: Written) -> None:
    """Check terms by themselves."""
    path: KeyPath = ("terms",)
    currencies = {
        key: parse_money(getattr(written, key))[1]
        for key in AMOUNTS
        if getattr(written, key) is not None
    }
    own = written.currency or report.brand.brand.currency
    for key, currency in currencies.items():
        if currency != own:
            message = f"`{key}` is in {currency}, and the terms are in {own}"
            rests_on: list[Key] = [("brand.yaml", ("currency",)), (file, (*path, "currency"))]
            suggestion = "state all amounts in one currency"
            report.error(file, (*path, key), message, suggestion, rests_on=rests_on)
    if own != report.brand.brand.currency and "currency" not in currencies:
        message = f"the terms are in {own}, and the brand counts in {report.brand.brand.currency}"
        rests_on = [("brand.yaml", ("currency",))]
        suggestion = "state them in the brand's currency, so that offers can be compared"
        report.error(file, (*path, "currency"), message, suggestion, rests_on=rests_on)
    for key in AMOUNTS:
        text = getattr(written, key)
        if text is not None and parse_money(text)[0] < 0:
            report.error(file, (*path, key), f"a negative `{key}`", "write 0 or more")
    for key in COUNTS:
        months = getattr(written, key)
        if months is not None and not 0 <= months <= MONTHS_MAX:
            message = f"{months} months"
            report.error(file, (*path, key), message, f"write 0 to {MONTHS_MAX}")
    known = report.brand.products
    report.refer_all(file, (*path, "parts"), written.parts, what="product", known=known)
    for key, why in missing_terms(read_terms(report.brand, written)):
        what = f"the terms say nothing of it: {why}" if _is_silent(written, key) else why
        message = f"`{key}`: {what}"
        suggestion = "state it, so that the offer can be compared"
        report.error(file, (*path, key), message, suggestion, rests_on=[(file, path)])


def _is_silent(written: Written, key: str) -> bool:
    return getattr(written, key) in {None, "", ()}


def _check_neighbours(report: Report, category: str, offers: list[tuple[str, Terms]]) -> None:
    """Check that the offers of a category can be told from one another by their cost."""
    for (name, terms), (other, neighbour) in pairwise(sorted(offers, key=lambda offer: offer[0])):
        why = comparable(terms, neighbour)
        if why is not None:
            file = report.positions.file_of("action", other)
            message = (
                f"`{other}` cannot be compared with `{name}` of the category `{category}`: {why}"
            )
            suggestion = "state both on one basis, or put them into different categories"
            report.error(file, ("category",), message, suggestion)
