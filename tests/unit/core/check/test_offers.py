"""Honest offers: what cannot be compared, or hides something, is refused before it can be used."""

import pytest

from tests.unit.core.brand.sample import SAMPLE
from tests.unit.core.check.planted import assert_found, at_place, errors_in, with_text

LOAN, PLAN = "actions/small_loan.yaml", "catalog/plan_s.yaml"
MAIL = "templates/small_loan.en.liquid"
OFFER = "actions/phone_plan.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "says"),
    [
        (LOAN, "  rate_percent: 23\n", "", "terms:", "`rate_percent`: the terms say nothing"),
        (LOAN, "  compounding: monthly\n", "", "terms:", "`compounding`: the terms say nothing"),
        (LOAN, "  example_months: 12\n", "", "terms:", "`example_months`: the terms say nothing"),
        (LOAN, "rate_percent: 23", "rate_percent: -1", "rate_percent:", "no yearly rate"),
        (LOAN, "example_months: 12", "example_months: 700", "example_months:", "700 months"),
        (
            LOAN,
            "example_amount: 1000 EUR",
            "example_amount: 1000 USD",
            "example_amount:",
            "is in USD",
        ),
        (
            PLAN,
            "  renews: true\n",
            "",
            "terms:",
            "`renews`: the terms say nothing of it: whether it renews",
        ),
        (PLAN, "  min_months: 3\n", "", "terms:", "`min_months`: the terms say nothing"),
        (PLAN, "  intro_months: 3\n", "", "terms:", "needs both its amount and its months"),
        (PLAN, "price: 29.99 EUR", "price: -29.99 EUR", "price:", "a negative `price`"),
        (
            PLAN,
            "intro_price: 9.99 EUR",
            "intro_price: 9.99 USD",
            "intro_price:",
            "`intro_price` is in USD",
        ),
    ],
)
def test_terms_that_cannot_be_compared_are_refused(
    file: str, old: str, new: str, *, at: str, says: str
) -> None:
    """Each missing term by its name, where it belongs."""
    texts = with_text(file, old, new)
    found = [problem for problem in errors_in(texts) if problem.file == file]
    (problem,) = [problem for problem in found if says in problem.message]
    assert at_place(texts, problem).startswith(at)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("Only 23 % a year!", "a rate is typed by hand"),
        ("1,9% p. a.", "a rate is typed by hand"),
        ("From €9.99.", "a price is typed by hand"),
        ("Last chance!", "claims scarcity without a fact"),
        ("Hurry, only 3 left!", "claims scarcity without a fact"),
    ],
)
def test_rates_prices_and_scarcity_are_not_typed_by_hand(typed: str, says: str) -> None:
    """Neither in a message nor in a headline."""
    message = with_text(MAIL, "A loan", f"A loan. {typed}")
    assert {problem.file for problem in errors_in(message)} == {MAIL}
    assert says in errors_in(message)[0].message
    headline = with_text(LOAN, '  en: "', f'  en: "{typed} ')
    assert {problem.file for problem in errors_in(headline)} == {LOAN}
    assert says in errors_in(headline)[0].message


def test_scarcity_with_a_fact_behind_it_may_be_said() -> None:
    """The terms name the fact."""
    texts = with_text(MAIL, "A loan", "Last chance")
    texts[LOAN] = texts[LOAN].replace(
        "  kind: credit\n", "  kind: credit\n  limited_to: orders_90d\n"
    )
    assert errors_in(texts) == []
    texts[LOAN] = texts[LOAN].replace("orders_90d\n", "orders_9d\n")
    assert_found(texts, at=f"{LOAN} orders_9d", says="orders_9d", hint="orders_90d")
    texts = with_text(PLAN, "  renews: true\n", "  renews: true\n  limited_to: views_8d\n")
    assert_found(texts, at=f"{PLAN} views_8d", says="views_8d", hint="views_7d")


def test_a_credit_is_not_shown_without_its_yearly_rate_and_cost() -> None:
    """A headline says both; so does a message that tempts with an instalment."""
    texts = with_text(LOAN, "{{ terms.effective_rate | percent }} a year; it", "It")
    assert_found(texts, at=f"{LOAN} en:", says="not shown without {{ terms.effective_rate }}")
    texts = with_text(
        MAIL,
        "{{ terms.effective_rate | percent }} a year; it costs {{ terms.loan_cost | money }}.",
        "Only {{ terms.loan_instalment | money }} a month.",
    )
    assert_found(texts, at=MAIL, says="{{ terms.effective_rate }} and {{ terms.loan_cost }}")


def test_a_plan_is_not_shown_without_its_total() -> None:
    """€9.99 alone would hide what comes after three months."""
    old = "{{ terms.total_24_months | money }} over 24 months, then {{ terms.price | money }}"
    texts = with_text(OFFER, old, "{{ terms.intro_price | money }}")
    assert_found(texts, at=f"{OFFER} en:", says="{{ terms.price }} and {{ terms.total_24_months }}")


def second(terms: str, category: str = "plan") -> dict[str, str]:
    """Return the sample with a second offer."""
    text = (
        "action: other\nkind: offer\nentity: shop\npurpose: marketing\nwhen: orders_90d > 1\n"
        f"value: spent_90d\ncustomer_benefit: spent_90d\ncategory: {category}\nplacements: [till]\n"
        f"{terms}headline: {{en: Hello, de: Hallo}}\n"
    )
    return {**SAMPLE, "actions/other.yaml": text}


def test_offers_of_a_category_are_on_one_basis() -> None:
    """A price once and a price each month cannot stand side by side."""
    texts = second("terms: {kind: price, price: 100 EUR}\n")
    assert_found(
        texts, at="actions/phone_plan.yaml category:", says="one is paid once, one each month"
    )
    assert errors_in(second("terms: {kind: price, price: 100 EUR}\n", "box")) == []


def test_a_currency_of_its_own_is_refused() -> None:
    """All offers of a brand are in one currency."""
    texts = second("terms: {kind: price, currency: USD, price: 100 USD}\n", "box")
    assert_found(texts, at="actions/other.yaml currency:", says="the brand counts in EUR")


def test_a_currency_that_is_none_is_refused_where_it_stands() -> None:
    """It is named before anything is worked out in it."""
    texts = second("terms: {kind: price, currency: 0UR, price: 100 EUR}\n", "box")
    assert_found(texts, at="actions/other.yaml 0UR", says="not a currency of ISO 4217")


def test_a_bundle_is_never_dearer_than_its_parts() -> None:
    """The parts are products with prices of their own."""
    part = (
        "product: {0}\ncategory: x\nname: {{en: A, de: A}}\n"
        "terms: {{kind: price, price: {1} EUR}}\n"
    )
    parts = {
        f"catalog/{name}.yaml": part.format(name, price) for name, price in (("a", 10), ("b", 20))
    }
    bundle = "terms: {{kind: bundle, price: {0} EUR, parts: [a, b]}}\n"
    assert errors_in({**second(bundle.format("29.99"), "box"), **parts}) == []
    texts = {**second(bundle.format("30.01"), "box"), **parts}
    assert_found(texts, at="actions/other.yaml price:", says="the bundle costs more than its parts")
    texts = second("terms: {kind: bundle, price: 1 EUR, parts: [a, plan_s]}\n", "box")
    assert "there is no product `a`" in {problem.message for problem in errors_in(texts)}


def test_terms_stand_in_one_place() -> None:
    """With the offer or with the product, and the product must have some."""
    texts = with_text(OFFER, "terms_from: plan_s", "terms_from: plan_s\nterms: {kind: free}")
    assert "the terms stand here and with a product" in {p.message for p in errors_in(texts)}
    texts = dict(SAMPLE)
    texts[PLAN] = texts[PLAN][: texts[PLAN].index("terms:")]
    found = [problem for problem in errors_in(texts) if problem.column == 1]
    assert [problem.message for problem in found] == ["the product `plan_s` has no terms"]
    assert found[0].suggestion == "add `terms:` to catalog/plan_s.yaml"
