"""What an offer really costs, on one basis: the stories' figures and the edges of each rule."""

import pytest
from msgspec.structs import replace

from kept.core.terms import (
    Compounding,
    Part,
    Period,
    Terms,
    annual_percentage_rate,
    comparable,
    disclosures,
    effective_annual_rate,
    headline,
    headline_types,
    loan_cost,
    missing_terms,
    parts_price,
    total_cost,
)

CREDIT = Terms(
    kind="credit",
    currency="EUR",
    rate_percent=23_000_000,
    rate_period="year",
    compounding="monthly",
    example_amount=100_000,
    example_months=12,
)
PLAN = Terms(
    kind="subscription",
    currency="EUR",
    price=2_999,
    intro_price=999,
    intro_months=3,
    renews=True,
    min_months=3,
)
BUNDLE = Terms(
    kind="bundle",
    currency="EUR",
    price=2_500,
    parts=(
        Part(name="flight", price=2_000, currency="EUR"),
        Part(name="bed", price=1_000, currency="EUR"),
    ),
)
PRICE = Terms(kind="price", currency="EUR", price=500)
FREE = Terms(kind="free", currency="")


@pytest.mark.parametrize(
    ("rate_percent", "period", "compounding", "effective"),
    [
        (23_000_000, "year", "monthly", 256_000),  # 1.0191666 ** 12 = 1.25586
        (600_000, "day", "daily", 7_877_000),  # 1.006 ** 365 = 8.8769
        (23_000_000, "year", "yearly", 230_000),
        (1_000_000, "month", "monthly", 127_000),  # 1.01 ** 12 = 1.12683
        (12_000_000, "year", "daily", 127_000),  # (1 + 0.12 / 365) ** 365 = 1.12747
        (1_000_000, "month", "yearly", 120_000),
        (0, "year", "daily", 0),
        (10_050_000, "year", "yearly", 101_000),  # 10.05 % is exactly half: up
        (10_049_999, "year", "yearly", 100_000),
    ],
)
def test_rates_are_put_on_one_basis(
    rate_percent: int, period: Period, compounding: Compounding, effective: int
) -> None:
    """Nominal rates of any period become effective yearly ones, to a tenth of a per cent."""
    assert effective_annual_rate(rate_percent, period, compounding=compounding) == effective


def test_a_rate_beyond_measure_is_none() -> None:
    """A hundred per cent a day multiplies a debt by a number of 110 digits within a year."""
    assert effective_annual_rate(100_000_000, "day", compounding="daily") is None
    absurd = replace(CREDIT, rate_percent=100_000_000, rate_period="day", compounding="daily")
    assert annual_percentage_rate(absurd) is None
    assert missing_terms(absurd) == [
        ("rate_percent", "no yearly rate that could be compared follows from it")
    ]


def test_the_cost_of_a_stated_loan_is_that_of_an_annuity() -> None:
    """€1,000 over 12 months at 23 % a year: the figures of a mortgage table."""
    loan = loan_cost(CREDIT)
    assert loan is not None
    assert (loan.instalment, loan.total, loan.cost) == (9_408, 112_891, 12_891)


def test_a_loan_without_interest_costs_nothing_but_its_fee() -> None:
    """Instalments that do not divide evenly still add up to what was lent."""
    free = replace(CREDIT, rate_percent=0, example_months=7, fee=1_500)
    loan = loan_cost(free)
    assert loan is not None
    assert (loan.total, loan.cost) == (101_500, 1_500)
    assert loan.instalment == 14_286


def test_a_fee_raises_the_yearly_rate() -> None:
    """€20 at the beginning make 25.6 % 30.5 %, by the directive's equation."""
    assert annual_percentage_rate(CREDIT) == 256_000
    assert annual_percentage_rate(replace(CREDIT, fee=2_000)) == 305_000


def test_a_fee_alone_has_a_yearly_rate() -> None:
    """€12 on €1,000 without interest, repaid over a year, are 2.3 % a year."""
    assert annual_percentage_rate(replace(CREDIT, rate_percent=0, fee=1_200)) == 23_000


def test_a_fee_that_eats_the_loan_has_no_rate() -> None:
    """Nothing is lent at all."""
    assert annual_percentage_rate(replace(CREDIT, fee=100_000)) is None


def test_a_plan_shows_its_total_over_24_months() -> None:
    """€9.99 for 3 months, then €29.99."""
    assert total_cost(PLAN) == 3 * 999 + 21 * 2_999 == 65_976


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        ({"fee": 1_000}, 66_976),
        ({"intro_price": None, "intro_months": None}, 24 * 2_999),
        ({"renews": False, "min_months": 12}, 3 * 999 + 9 * 2_999),
        ({"renews": False, "min_months": 2}, 2 * 999),
        ({"renews": False, "min_months": 36}, 65_976),
        ({"intro_months": 36}, 24 * 999),
        ({"intro_price": 0}, 21 * 2_999),
        ({"price": None}, None),
    ],
)
def test_a_total_is_what_a_customer_pays_who_does_nothing_more(
    changes: dict[str, int | bool | None], total: int | None
) -> None:
    """What renews by itself counts, what ends by itself does not."""
    assert total_cost(replace(PLAN, **changes)) == total


def test_other_offers_have_a_total_too() -> None:
    """A price once, nothing for what is free, none for a credit that depends on the customer."""
    assert total_cost(replace(PRICE, fee=20)) == 520
    assert total_cost(FREE) == 0
    assert total_cost(CREDIT) is None


def test_a_bundle_is_compared_with_its_parts() -> None:
    """A part without a price, or in another currency, leaves nothing to compare with."""
    assert parts_price(BUNDLE) == 3_000
    assert headline(BUNDLE)["saving"] == 500
    unpriced = replace(BUNDLE, parts=(*BUNDLE.parts, Part(name="x", price=None, currency="EUR")))
    foreign = replace(BUNDLE, parts=(*BUNDLE.parts, Part(name="x", price=1, currency="USD")))
    assert parts_price(unpriced) is parts_price(foreign) is parts_price(PRICE) is None


@pytest.mark.parametrize("terms", [CREDIT, PLAN, BUNDLE, PRICE, FREE])
def test_complete_terms_miss_nothing(terms: Terms) -> None:
    """Each kind has its own needs, and these have all of them."""
    assert missing_terms(terms) == []


@pytest.mark.parametrize(
    ("terms", "keys"),
    [
        (replace(PRICE, price=None), ["price"]),
        (replace(PLAN, renews=None), ["renews"]),
        (replace(PLAN, min_months=None), ["min_months"]),
        (replace(PLAN, renews=False, min_months=0), ["min_months"]),
        (replace(PLAN, intro_months=None), ["intro_months"]),
        (replace(PLAN, intro_price=None), ["intro_price"]),
        (replace(CREDIT, rate_percent=None, compounding=None), ["rate_percent", "compounding"]),
        (replace(CREDIT, example_amount=None), ["example_amount"]),
        (replace(CREDIT, example_months=0), ["rate_percent"]),
        (replace(CREDIT, rate_percent=-1), ["rate_percent"]),
        (replace(CREDIT, currency=""), ["currency"]),
        (replace(BUNDLE, price=3_001), ["price"]),
        (replace(BUNDLE, price=2_900, fee=101), ["price"]),
        (replace(BUNDLE, parts=BUNDLE.parts[:1]), ["parts"]),
        (replace(BUNDLE, currency="USD"), ["parts"]),
        (replace(FREE, fee=1), ["price"]),
    ],
)
def test_what_is_missing_or_dishonest_is_named(terms: Terms, keys: list[str]) -> None:
    """Undisclosed renewals, half an introductory price, a bundle dearer than its parts."""
    assert [key for key, _ in missing_terms(terms)] == keys


@pytest.mark.parametrize(
    ("terms", "other", "why"),
    [
        (CREDIT, replace(CREDIT, rate_percent=600_000, rate_period="day"), None),
        (PLAN, replace(PLAN, price=1_000), None),
        (PRICE, BUNDLE, None),
        (FREE, PLAN, None),
        (FREE, PRICE, None),
        (PRICE, replace(PRICE, currency="USD"), "one is in EUR, one in USD"),
        (CREDIT, PRICE, "one is a credit, one is not"),
        (CREDIT, FREE, "one is a credit, one is not"),
        (CREDIT, replace(CREDIT, example_months=24), "their examples are not the same loan"),
        (PLAN, PRICE, "one is paid once, one each month"),
    ],
)
def test_offers_are_compared_on_one_basis(terms: Terms, other: Terms, why: str | None) -> None:
    """And it does not matter which is named first, but for the order of the words."""
    assert comparable(terms, other) == why
    assert (comparable(other, terms) is None) == (why is None)


@pytest.mark.parametrize("terms", [CREDIT, PLAN, BUNDLE, PRICE, FREE])
def test_every_generated_value_has_its_type(terms: Terms) -> None:
    """Templates put the type on, so that a number is never printed for an amount."""
    values, types = headline(terms), headline_types(terms)
    assert set(values) == set(types)
    assert set(disclosures(terms)) <= set(values)
    for name, kind in types.items():
        expected = {"text": str, "bool": bool}.get(kind, int)
        assert type(values[name]) is expected


def test_a_headline_is_generated_from_the_terms() -> None:
    """The two figures of the credit, and the plan's total with the price after the beginning."""
    assert headline(CREDIT)["effective_rate"] == 256_000
    assert headline(CREDIT)["rate"] == 230_000
    assert headline(CREDIT)["loan_cost"] == 12_891
    assert headline(PLAN)["total_24_months"] == 65_976
    assert headline(PLAN)["yearly_price"] == 12 * 2_999
    assert headline_types(PLAN)["total_24_months"] == "money(EUR)"
    assert disclosures(PLAN) == ("price", "total_24_months")
    assert disclosures(replace(PLAN, intro_months=None)) == ("total_24_months",)
