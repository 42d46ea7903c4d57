"""`actions/*.yaml`: planted mistakes, each found where it is."""

import pytest

from tests.unit.core.brand.sample import SAMPLE
from tests.unit.core.check.planted import assert_found, errors_in, with_text

BILL, FEE = "actions/missed_bill.yaml", "actions/late_fee.yaml"
LOAN, PLAN = "actions/small_loan.yaml", "actions/phone_plan.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "says", "hint"),
    [
        (BILL, "entity: shop", "entity: shopp", "entity:", "no legal entity `shopp`", "`shop`"),
        (
            BILL,
            "purpose: service",
            "purpose: servis",
            "purpose:",
            "no purpose `servis`",
            "`service`",
        ),
        (PLAN, "topic: renewal", "topic: renewel", "topic:", "no topic", "`renewal`"),
        (BILL, "about: bill", "about: bil", "about:", "no kind of object `bil`", "`bill`"),
        (BILL, "[email, inbox]", "[emial, inbox]", "emial", "no channel `emial`", "`email`"),
        (PLAN, "placements: [till]", "placements: [tilt]", "tilt", "no placement `tilt`", "`till`"),
        (PLAN, "terms_from: plan_s", "terms_from: plan_x", "terms_from:", "no product", "`plan_s`"),
        (
            BILL,
            "template:",
            "withdraws: [latefee]\ntemplate:",
            "latefee",
            "no action",
            "`late_fee`",
        ),
        (
            BILL,
            "template:",
            "withdraws: [missed_bill]\ntemplate:",
            "missed_bill]",
            "withdraw itself",
            "",
        ),
        (
            BILL,
            "template:",
            "reads: [about.amont]\ntemplate:",
            "about.amont",
            "no fact",
            "about.amount",
        ),
        (
            BILL,
            "{grace_until:",
            "{grace_untill:",
            "grace_untill:",
            "no field of bill",
            "`grace_until`",
        ),
        (
            BILL,
            "purpose: service",
            "purpose: marketing",
            "purpose:",
            "a service for the promotional",
            "",
        ),
        (
            PLAN,
            "purpose: marketing",
            "purpose: service",
            "purpose:",
            "an offer is promotional",
            "basis",
        ),
        (
            BILL,
            "template:",
            "terms: {kind: free}\ntemplate:",
            "terms:",
            "a service has no terms",
            "",
        ),
        (LOAN, "template:", "urgent: true\ntemplate:", "urgent:", "urgent enough", ""),
        (
            PLAN,
            "customer_benefit: money '1.00 EUR'\n",
            "",
            "action:",
            "what the customer has of it",
            "",
        ),
        (PLAN, "money '1.00 EUR'", "money '-1.00 EUR'", "customer_benefit:", "can only lose", ""),
        (LOAN, "value: money '12.00 EUR'", "value: 0", "value:", "never beat silence", ""),
        (LOAN, "value: money '12.00 EUR'\n", "", "action:", "never beat silence", "value"),
        (LOAN, "p_accept: 0.1", "p_accept: 1.5", "p_accept:", "at most 1", "0.1"),
        (LOAN, "p_accept: 0.1", "p_accept: 0", "p_accept:", "above 0", ""),
        (LOAN, "p_accept: 0.1", "holdout_percent: 100", "holdout_percent:", "group of 100 %", "90"),
        (LOAN, "p_accept: 0.1", "cost: 1 USD", "cost:", "in USD, not in EUR", ""),
        (LOAN, "p_accept: 0.1", "valid_for: 0 days", "valid_for:", "expires at once", ""),
        (LOAN, "p_accept: 0.1", "repeat: 0 days", "repeat:", "no length", ""),
        (LOAN, "p_accept: 0.1", "rest: 0 days", "rest:", "no length", ""),
        (
            FEE,
            "needs_approval: true",
            "needs_approval: false",
            "legal_weight:",
            "no person decides",
            "",
        ),
        (
            FEE,
            "placements: [billing]",
            "placements: [till]",
            "till]",
            "a inbound placement",
            "gate",
        ),
        (
            PLAN,
            "placements: [till]",
            "placements: [till, billing]",
            "billing",
            "a gate placement",
            "",
        ),
        (
            PLAN,
            "placements: [till]",
            "placements: [till, outbound]",
            "outbound",
            "by `channels`",
            "",
        ),
        (FEE, "placements: [billing]\n", "", "action:", "no channel and no placement", "channels:"),
        (PLAN, "category: plan\n", "", "action:", "in no category", "category:"),
        (PLAN, "terms_from: plan_s\n", "", "action:", "states no terms", "terms_from:"),
        (BILL, "NOT about.paid", "NOT about.payed", "about.payed", "about.payed", "about.paid"),
        (BILL, "days_since(about.due_at) >= 1", "about.amount >= 1", "about.amount", "money", ""),
        (LOAN, "cohort = 'loyal'", "cohort = 'loyall'", "when:", "no cohort `loyall`", "`loyal`"),
        (LOAN, "cohort = 'loyal'", "('loyall' = cohort)", "when:", "no cohort `loyall`", "`loyal`"),
        (LOAN, "cohort = 'loyal'", "cohort IN ('vip')", "when:", "no cohort `vip`", "loyal"),
        (
            LOAN,
            "spent_90d",
            "offer.loan_price",
            "offer.loan_price",
            "offer.loan_price",
            "offer.loan",
        ),
        (PLAN, "orders_90d >= 1", "local_hour() > 24", "when:", "always false", ""),
        (PLAN, "orders_90d >= 1", "orders_90d > 3 AND orders_90d < 3", "when:", "always false", ""),
        (PLAN, "orders_90d >= 1", "orders_90d BETWEEN 9 AND 3", "when:", "always false", ""),
        (
            PLAN,
            "orders_90d >= 1",
            "cohort = 'loyal' AND cohort = 'newcomer'",
            "when:",
            "always false",
            "",
        ),
        (PLAN, "orders_90d >= 1", "false", "when:", "always false", "remove the action"),
    ],
)
def test_a_mistake_in_an_action_is_found(
    file: str, old: str, new: str, *, at: str, says: str, hint: str
) -> None:
    """One error, at the word, with what to do."""
    texts = with_text(file, old, new)
    if at == "action:" and "placements: [billing]" in old:
        texts[file] = texts[file].replace("legal_weight: true\n", "")
    assert_found(texts, at=f"{file} {at}", says=says, hint=hint)


def test_an_action_may_use_its_own_offer() -> None:
    """`offer.x` is what its terms come to."""
    texts = with_text(PLAN, "money '1.00 EUR'", "spent_90d - offer.yearly_price")
    assert errors_in(texts) == []


def test_a_measure_is_not_sent() -> None:
    """It is another system's step."""
    texts = with_text(FEE, "placements: [billing]", "placements: [billing]\nchannels: [inbox]")
    assert {problem.message.partition(";")[0] for problem in errors_in(texts)} == {
        "a measure is taken by another system",
        (
            "there is no text `late_fee` for templates/late_fee.inbox.en.liquid, "
            "templates/late_fee.inbox.de.liquid"
        ),
    }


def test_a_placement_needs_something_to_show() -> None:
    """At a till there is a screen, and it wants a headline."""
    texts = dict(SAMPLE)
    headline = texts[PLAN].index("headline:")
    texts[PLAN] = texts[PLAN][:headline]
    assert_found(texts, at=f"{PLAN} till]", says="nothing to show at `till`", hint="headline:")


def test_a_headline_is_in_every_language() -> None:
    """And in none that the brand does not speak."""
    texts = with_text(PLAN, '  de: "', '  fr: "')
    assert {problem.message for problem in errors_in(texts)} >= {
        "there is no locale of the brand `fr`",
        "there is no text in `de`",
    }


def test_sets_needs_an_object() -> None:
    """A field of nothing cannot be set."""
    texts = with_text(LOAN, "p_accept: 0.1", "sets: {grace_until: 'NULL'}")
    assert_found(texts, at=f"{LOAN} grace_until:", says="is about no object", hint="about:")


def test_mail_comes_from_somebody() -> None:
    """Each legal entity has a sender of its own."""
    texts = with_text("consent.yaml", ", bank: bank@fernbank.example}", "}")
    assert_found(texts, at=f"{LOAN} email", says="no sender for `bank`", hint="sender:")


def test_the_basis_must_cover_the_channel() -> None:
    """Consent to e-mail is none to a text message."""
    texts = with_text("consent.yaml", "basis: contract,", "basis: contract, channels: [inbox],")
    del texts["actions/breach_notice.yaml"]
    assert_found(texts, at=f"{BILL} email", says="does not cover the channel `email`")


def test_positions_hold_within_folded_conditions() -> None:
    """A name in the third line of a block is found there."""
    texts = with_text(
        LOAN,
        "when: cohort = 'loyal' AND segment.browsing",
        "when: >\n  cohort = 'loyal'\n  AND segment.browsing\n  AND orders_9d > 1",
    )
    assert_found(texts, at=f"{LOAN} orders_9d > 1", says="orders_9d", hint="orders_90d")
