"""The terms of an action, wherever they stand: in the action itself or with its product."""

from kept.core import terms
from kept.core.brand import model
from kept.core.brand.units import parse_decimal, parse_money

NEEDS_TERMS = frozenset({"offer"})
"""Kinds of actions that customers compare, and that therefore state their terms."""


def terms_of(brand: model.Brand, action: model.Action) -> terms.Terms | None:
    """Return an action's terms with amounts as numbers, None where it has none.

    The texts have been checked by their patterns, and references by `check`.
    """
    declared = action.terms
    if declared is None and action.terms_from:
        product = brand.products.get(action.terms_from)
        declared = product.terms if product is not None else None
    return None if declared is None else read_terms(brand, declared)


def read_terms(brand: model.Brand, declared: model.Terms) -> terms.Terms:
    """Return terms with amounts as numbers."""
    amounts = {
        name: parse_money(text)
        for name in ("price", "fee", "intro_price", "example_amount")
        if (text := getattr(declared, name)) is not None
    }
    currency = declared.currency or next((c for _, c in amounts.values()), brand.brand.currency)
    rate = None if declared.rate_percent is None else parse_decimal(declared.rate_percent)
    return terms.Terms(
        kind=declared.kind,
        currency=currency,
        price=_minor(amounts, "price"),
        fee=_minor(amounts, "fee") or 0,
        intro_price=_minor(amounts, "intro_price"),
        intro_months=declared.intro_months,
        renews=declared.renews,
        min_months=declared.min_months,
        rate_percent=rate,
        rate_period=declared.rate_period,
        compounding=declared.compounding,
        example_amount=_minor(amounts, "example_amount"),
        example_months=declared.example_months,
        parts=tuple(_part(brand, name) for name in declared.parts),
    )


def _minor(amounts: dict[str, tuple[int, str]], name: str) -> int | None:
    return amounts[name][0] if name in amounts else None


def _part(brand: model.Brand, name: str) -> terms.Part:
    product = brand.products.get(name)
    stated = product.terms.price if product is not None and product.terms is not None else None
    minor, currency = parse_money(stated) if stated is not None else (None, "")
    return terms.Part(name=name, price=minor, currency=currency)


def dishonesty_of(stated: terms.Terms | None, *, kind: str) -> str:
    """Return why an action cannot be compared with its neighbours; empty where it can."""
    if stated is None:
        return "it states no terms" if kind in NEEDS_TERMS else ""
    return "; ".join(why for _, why in terms.missing_terms(stated))
