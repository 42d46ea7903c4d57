"""What an offer really costs, on one basis: generated from its terms, exact, never typed by hand.

Rates are expressed as the EU's consumer credit directive (2008/48/EC, Annex I, part I) has them:
the yearly rate that makes what is lent equal to what is paid back and charged; a year has 365 days
or twelve equal months; one decimal place, halves rounded up. Plans are compared by what is paid in
the first 24 months by a customer who does nothing more, so that what renews by itself counts.

Amounts are whole minor units, rates and fractions are millionths. Fractions and decimals of fifty
digits lie in between; no floats.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.policy.types import DECIMAL_ONE

Period: TypeAlias = Literal["day", "month", "year"]
Compounding: TypeAlias = Literal["daily", "monthly", "yearly"]

DAYS_PER_YEAR: Final = 365
MONTHS_PER_YEAR: Final = 12
COMPARED_MONTHS: Final = 24
"""Plans are compared by their total over this many months."""
LOAN_MONTHS_MAX: Final = 600
RATE_MAX: Final = 100_000_000
"""A nominal rate of 100 per cent a period, in millionths of a per cent, is the most taken."""
EFFECTIVE_RATE_MAX: Final = 10**9
"""A debt that grows to more than this multiple in a year has no rate that anybody could compare."""

_PERIODS: Final[dict[str, int]] = {"day": DAYS_PER_YEAR, "month": MONTHS_PER_YEAR, "year": 1}
_COMPOUNDINGS: Final[dict[str, int]] = {"daily": DAYS_PER_YEAR, "monthly": 12, "yearly": 1}
_CONTEXT: Final = Context(prec=50, rounding=ROUND_HALF_UP)
_TENTH_OF_A_PERCENT: Final = Decimal("0.001")
_BISECTIONS: Final = 120


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a bundle, at the price that it has by itself."""

    name: str
    price: int | None
    currency: str


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of an offer.

    Amounts are minor units of `currency`; the rate is in millionths of a per cent.
    """

    kind: Literal["price", "subscription", "credit", "bundle", "free"]
    currency: str
    price: int | None = None
    """What is paid once, or each month of a subscription."""
    fee: int = 0
    """What is paid once, at the beginning."""
    intro_price: int | None = None
    intro_months: int | None = None
    renews: bool | None = None
    """Whether a subscription goes on by itself after `min_months`."""
    min_months: int | None = None
    rate_percent: int | None = None
    rate_period: Period | None = None
    compounding: Compounding | None = None
    example_amount: int | None = None
    example_months: int | None = None
    parts: tuple[Part, ...] = ()


class Loan(msgspec.Struct, frozen=True, kw_only=True):
    """What a stated loan costs, repaid in equal monthly instalments."""

    instalment: int
    total: int
    """Everything that the customer pays, the fee included."""
    cost: int
    """What the customer pays beyond what was lent."""


def effective_annual_rate(
    rate_percent: int, rate_period: Period, *, compounding: Compounding
) -> int | None:
    """Return the effective yearly rate as a fraction in millionths, to a tenth of a per cent.

    None where it is beyond any measure.

    A nominal rate of `r` a year, compounded `n` times, is `(1 + r / n) ** n - 1`: the directive's
    basic equation for one drawdown and no charges. 23 % a year compounded monthly are 25.6 %, and
    0.6 % a day are 787.7 %.

    Args:
        rate_percent: the nominal rate in millionths of a per cent.
        rate_period: what the nominal rate is for.
        compounding: how often interest itself begins to bear interest.
    """
    growth = _growth_per_compounding(rate_percent, rate_period, compounding)
    with localcontext(_CONTEXT):
        return _to_tenths(growth ** _COMPOUNDINGS[compounding] - 1)


def annual_percentage_rate(terms: Terms) -> int | None:
    """Return the yearly rate of a credit, fee included, in millionths, to a tenth of a per cent.

    It solves the directive's basic equation for the stated loan: what is handed out (the amount
    less the fee) equals the instalments, each discounted by its months. None where terms are
    missing, or where the rate is beyond any measure.
    """
    credit = _credit_of(terms)
    if credit is None:
        return None
    amount, months, rate = credit
    period, compounding = terms.rate_period, terms.compounding
    if period is None or compounding is None:
        return None
    if terms.fee == 0:
        return effective_annual_rate(rate, period, compounding=compounding)
    with localcontext(_CONTEXT):
        payment = _payment(amount, months, _monthly_growth(rate, period, compounding))
        lent = Decimal(amount - terms.fee)
        if lent <= 0:
            return None
        low, high = Decimal(1), Decimal(2)
        while _present_value(payment, months, high) > lent:
            high *= 2
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if _present_value(payment, months, middle) > lent:
                low = middle
            else:
                high = middle
        return _to_tenths(high**MONTHS_PER_YEAR - 1)


def loan_cost(terms: Terms) -> Loan | None:
    """Return what the stated loan costs, or None where its terms are missing.

    The instalment is that of an annuity: `amount * i / (1 - (1 + i) ** -months)` with the effective
    monthly rate `i`, rounded to a minor unit; the last one settles what rounding left.
    """
    credit = _credit_of(terms)
    if credit is None or terms.rate_period is None or terms.compounding is None:
        return None
    amount, months, rate = credit
    with localcontext(_CONTEXT):
        growth = _monthly_growth(rate, terms.rate_period, terms.compounding)
        instalment = int(_payment(amount, months, growth).quantize(Decimal(1)))
        left = Decimal(amount)
        for _ in range(months - 1):
            left = left * growth - instalment
        last = int((left * growth).quantize(Decimal(1)))
    repaid = instalment * (months - 1) + last
    return Loan(instalment=instalment, total=repaid + terms.fee, cost=repaid + terms.fee - amount)


def total_cost(terms: Terms, *, months: int = COMPARED_MONTHS) -> int | None:
    """Return what a customer who does nothing more pays within so many months.

    €9.99 for 3 months, then €29.99, is 3 times 9.99 and 21 times 29.99 over 24 months. A plan
    that does not renew ends after its `min_months`. None where no price is stated.
    """
    if terms.kind == "free":
        return terms.fee
    if terms.price is None or terms.kind == "credit":
        return None
    if terms.kind != "subscription":
        return terms.price + terms.fee
    paid = months if terms.renews or not terms.min_months else min(months, terms.min_months)
    cheap = min(paid, terms.intro_months or 0)
    intro = terms.price if terms.intro_price is None else terms.intro_price
    return terms.fee + cheap * intro + (paid - cheap) * terms.price


def parts_price(terms: Terms) -> int | None:
    """Return what the parts of a bundle cost one by one, or None where one has no price."""
    prices = [part.price for part in terms.parts if part.currency == terms.currency]
    if not terms.parts or len(prices) != len(terms.parts):
        return None
    known = [price for price in prices if price is not None]
    return sum(known) if len(known) == len(prices) else None


def missing_terms(terms: Terms) -> list[tuple[str, str]]:
    """Return (key, why) of everything that keeps the offer from being comparable and honest."""
    missing = [(key, why) for key, why in _NEEDED[terms.kind] if _is_missing(terms, key)]
    if terms.kind == "subscription" and (terms.intro_price is None) != (not terms.intro_months):
        key = "intro_months" if terms.intro_price is not None else "intro_price"
        missing.append((key, "an introductory price needs both its amount and its months"))
    if terms.kind == "subscription" and terms.renews is False and terms.min_months == 0:
        missing.append(("min_months", "a plan that does not renew says how many months it has"))
    if terms.kind == "credit" and not missing and annual_percentage_rate(terms) is None:
        missing.append(("rate_percent", "no yearly rate that could be compared follows from it"))
    if terms.kind == "bundle" and len(terms.parts) > 1:
        separately = parts_price(terms)
        if separately is None:
            missing.append(("parts", "a part has no price in the bundle's currency"))
        elif terms.price is not None and terms.price + terms.fee > separately:
            missing.append(("price", "the bundle costs more than its parts"))
    if terms.kind == "free" and (terms.price or terms.fee):
        missing.append(("price", "what is free has neither price nor fee"))
    return missing


def comparable(terms: Terms, other: Terms) -> str | None:
    """Return None if two offers can be compared, or why they cannot."""
    if terms.currency != other.currency and "free" not in {terms.kind, other.kind}:
        return (
            f"one is in {terms.currency or 'no currency'}, one in {other.currency or 'no currency'}"
        )
    if (terms.kind == "credit") != (other.kind == "credit"):
        return "one is a credit, one is not"
    if terms.kind == other.kind == "credit":
        stated = (terms.example_amount, terms.example_months)
        if stated != (other.example_amount, other.example_months):
            return "their examples are not the same loan"
    elif (terms.kind == "subscription") != (other.kind == "subscription") and "free" not in {
        terms.kind,
        other.kind,
    }:
        return "one is paid once, one each month"
    return None


def headline(terms: Terms) -> dict[str, Any]:
    """Return what a text may say of the offer, generated; filters give it the reader's form.

    Amounts are minor units and rates are fractions in millionths: see `headline_types`.
    """
    loan = loan_cost(terms)
    separately = parts_price(terms) if terms.kind == "bundle" else None
    rate = terms.rate_percent
    monthly = terms.price if terms.kind == "subscription" else None
    values: dict[str, Any] = {
        "kind": terms.kind,
        "price": terms.price,
        "fee": terms.fee,
        "intro_price": terms.intro_price,
        "intro_months": terms.intro_months,
        "renews": terms.renews,
        "min_months": terms.min_months,
        "yearly_price": None if monthly is None else monthly * MONTHS_PER_YEAR,
        "total_24_months": total_cost(terms) if terms.kind == "subscription" else None,
        "rate": None if rate is None else (rate + 50) // 100,
        "effective_rate": annual_percentage_rate(terms),
        "loan_amount": terms.example_amount,
        "loan_months": terms.example_months,
        "loan_instalment": loan.instalment if loan else None,
        "loan_total": loan.total if loan else None,
        "loan_cost": loan.cost if loan else None,
        "parts_price": separately,
        "saving": None if separately is None else separately - (terms.price or 0) - terms.fee,
    }
    return {name: value for name, value in values.items() if value is not None}


def headline_types(terms: Terms) -> Mapping[str, str]:
    """Return the type of each value of `headline`, as `facts.yaml` writes types."""
    amount = f"money({terms.currency})" if terms.currency else "int"
    types = {name: amount if kind == "money" else kind for name, kind in _HEADLINE_TYPES.items()}
    return {name: types[name] for name in headline(terms)}


def disclosures(terms: Terms) -> tuple[str, ...]:
    """Return which generated values a text that names the price or rate must show beside it."""
    if terms.kind == "credit":
        return ("effective_rate", "loan_cost")
    if terms.kind == "subscription":
        return ("total_24_months",) if not terms.intro_months else ("price", "total_24_months")
    return ()


_NEEDED: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "price": (("price", "the price"),),
    "subscription": (
        ("price", "the price of a month"),
        ("renews", "whether it renews by itself"),
        ("min_months", "for how many months it binds (0 for none)"),
    ),
    "credit": (
        ("currency", "the currency"),
        ("rate_percent", "the nominal rate"),
        ("rate_period", "what the rate is for: day, month or year"),
        ("compounding", "how often interest is compounded"),
        ("example_amount", "the amount of the stated loan"),
        ("example_months", "the months of the stated loan"),
    ),
    "bundle": (("price", "the price"), ("parts", "at least two parts")),
    "free": (),
}

_HEADLINE_TYPES: Final = {
    "kind": "text",
    "price": "money",
    "fee": "money",
    "intro_price": "money",
    "intro_months": "int",
    "renews": "bool",
    "min_months": "int",
    "yearly_price": "money",
    "total_24_months": "money",
    "rate": "decimal",
    "effective_rate": "decimal",
    "loan_amount": "money",
    "loan_months": "int",
    "loan_instalment": "money",
    "loan_total": "money",
    "loan_cost": "money",
    "parts_price": "money",
    "saving": "money",
}


def _is_missing(terms: Terms, key: str) -> bool:
    if key == "parts":
        return len(terms.parts) < 2
    value = getattr(terms, key)
    return value is None or value == ""


def _credit_of(terms: Terms) -> tuple[int, int, int] | None:
    """Return (amount, months, rate) of a credit whose stated loan can be computed."""
    amount, months, rate = terms.example_amount, terms.example_months, terms.rate_percent
    if terms.kind != "credit" or amount is None or months is None or rate is None:
        return None
    if amount <= 0 or not 0 < months <= LOAN_MONTHS_MAX or not 0 <= rate <= RATE_MAX:
        return None
    return amount, months, rate


def _growth_per_compounding(
    rate_percent: int, rate_period: Period, compounding: Compounding
) -> Decimal:
    """Return by what a debt is multiplied at each compounding."""
    nominal = Fraction(rate_percent, 100 * DECIMAL_ONE) * _PERIODS[rate_period]
    growth = 1 + nominal / _COMPOUNDINGS[compounding]
    with localcontext(_CONTEXT):
        return Decimal(growth.numerator) / Decimal(growth.denominator)


def _monthly_growth(rate_percent: int, rate_period: Period, compounding: Compounding) -> Decimal:
    """Return by what a debt is multiplied in one of twelve equal months."""
    growth = _growth_per_compounding(rate_percent, rate_period, compounding)
    if compounding == "monthly":
        return growth
    return growth ** (Decimal(_COMPOUNDINGS[compounding]) / MONTHS_PER_YEAR)


def _payment(amount: int, months: int, growth: Decimal) -> Decimal:
    """Return the exact monthly payment of an annuity."""
    if growth == 1:
        return Decimal(amount) / months
    return amount * (growth - 1) / (1 - growth**-months)


def _present_value(payment: Decimal, months: int, growth: Decimal) -> Decimal:
    """Return what `months` payments are worth at the beginning."""
    if growth == 1:
        return payment * months
    return payment * (1 - growth**-months) / (growth - 1)


def _to_tenths(rate: Decimal) -> int | None:
    """Return a fraction in millionths, rounded to a tenth of a per cent, halves up."""
    if rate > EFFECTIVE_RATE_MAX:
        return None
    return int(rate.quantize(_TENTH_OF_A_PERCENT) * DECIMAL_ONE)
