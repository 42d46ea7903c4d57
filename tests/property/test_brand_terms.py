"""Laws of costs and rates, over any terms."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kept.core.terms import (
    Terms,
    annual_percentage_rate,
    comparable,
    effective_annual_rate,
    headline,
    headline_types,
    loan_cost,
    missing_terms,
    total_cost,
)

periods = st.sampled_from(["day", "month", "year"])
compoundings = st.sampled_from(["daily", "monthly", "yearly"])
rates = st.integers(min_value=0, max_value=3_000_000)
amounts = st.integers(min_value=1, max_value=10_000_000)
some = st.none() | st.integers(min_value=0, max_value=100_000)
months = st.none() | st.integers(min_value=0, max_value=60)

loans = st.builds(
    Terms,
    kind=st.just("credit"),
    currency=st.just("EUR"),
    rate_percent=rates,
    rate_period=periods,
    compounding=compoundings,
    example_amount=amounts,
    example_months=st.integers(min_value=1, max_value=120),
)
any_terms = st.builds(
    Terms,
    kind=st.sampled_from(["price", "subscription", "credit", "bundle", "free"]),
    currency=st.sampled_from(["", "EUR", "USD"]),
    price=some,
    fee=st.integers(min_value=0, max_value=1_000),
    intro_price=some,
    intro_months=months,
    renews=st.none() | st.booleans(),
    min_months=months,
    rate_percent=st.none() | st.integers(min_value=-1, max_value=2_000_000_000),
    rate_period=st.none() | periods,
    compounding=st.none() | compoundings,
    example_amount=some,
    example_months=months,
)


@given(any_terms, any_terms)
def test_any_terms_have_an_answer(terms: Terms, other: Terms) -> None:
    """Whatever is missing or absurd, nothing is raised, and complete credits have their figures."""
    values = headline(terms)
    assert set(values) == set(headline_types(terms))
    assert (comparable(terms, other) is None) == (comparable(other, terms) is None)
    assert comparable(terms, terms) is None
    if terms.kind == "credit" and not missing_terms(terms):
        assert {"effective_rate", "loan_cost"} <= set(values)
    if terms.kind == "subscription" and not missing_terms(terms):
        assert "total_24_months" in values


@given(loans)
def test_a_loan_is_repaid_to_the_cent(terms: Terms) -> None:
    """Interest on each month's debt, exactly: the instalments end it within half a cent each."""
    loan = loan_cost(terms)
    assert loan is not None
    assert loan.total == terms.example_amount + loan.cost  # type: ignore[operator]
    if terms.compounding != "monthly":
        return
    assert terms.rate_percent is not None
    assert terms.example_amount is not None
    assert terms.example_months is not None
    per_year = {"day": 365, "month": 12, "year": 1}[str(terms.rate_period)]
    monthly = 1 + Fraction(terms.rate_percent * per_year, 12 * 100_000_000)
    debt = Fraction(terms.example_amount)
    for _ in range(terms.example_months - 1):
        debt = debt * monthly - loan.instalment
    last = loan.total - loan.instalment * (terms.example_months - 1)
    assert abs(debt * monthly - last) <= Fraction(1, 2)


@given(loans, st.integers(min_value=1, max_value=1_000))
def test_a_higher_rate_or_fee_never_looks_cheaper(terms: Terms, more: int) -> None:
    """Both the yearly rate and the instalment grow with what is charged."""
    assert terms.rate_percent is not None
    assert terms.example_amount is not None
    dearer = replace(terms, rate_percent=terms.rate_percent + more)
    first, second = loan_cost(terms), loan_cost(dearer)
    assert first is not None
    assert second is not None
    # Of the whole cost this is not quite true: what rounding leaves bears interest, too.
    assert second.instalment >= first.instalment
    rate, dearer_rate = annual_percentage_rate(terms), annual_percentage_rate(dearer)
    if rate is not None and dearer_rate is not None:
        assert dearer_rate >= rate
    with_fee = annual_percentage_rate(replace(terms, fee=more))
    if rate is not None and with_fee is not None and more < terms.example_amount:
        assert with_fee >= rate


@given(rates, periods)
def test_compounding_more_often_never_looks_cheaper(rate_percent: int, period: str) -> None:
    """Yearly, monthly, daily: the effective rate does not fall."""
    effective = [
        effective_annual_rate(rate_percent, period, compounding=compounding)  # type: ignore[arg-type]
        for compounding in ("yearly", "monthly", "daily")
    ]
    known = [rate for rate in effective if rate is not None]
    assert known == sorted(known)


@given(any_terms, st.integers(min_value=0, max_value=100))
def test_a_longer_time_never_costs_less(terms: Terms, more: int) -> None:
    """A total over more months holds all payments of the shorter time."""
    total, longer = total_cost(terms, months=12), total_cost(terms, months=12 + more)
    if total is not None and longer is not None:
        assert longer >= total
