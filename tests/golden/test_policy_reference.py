"""The page about conditions says what the code does."""

import pytest

from kept.core.policy import check, tokens
from kept.core.policy.check import check_expression
from kept.core.policy.functions import AGGREGATIONS, FUNCTIONS, INSTEAD
from kept.core.policy.literals import TEXT_LENGTH_MAX
from kept.core.policy.scope import Fact, Scope
from kept.core.policy.tree import Expression, facts_read
from kept.core.policy.types import DATE, DECIMAL, INT, TEXT, TIMESTAMP, money
from kept.core.policy.where import Where
from tests.golden.policy_reference import PAGE, page_with, render_functions

EUR = money("EUR")
EXAMPLES = [*(f.example for f in FUNCTIONS.values()), *(a.example for a in AGGREGATIONS.values())]
SCOPE = Scope(
    facts={
        **{name: Fact(type=TIMESTAMP) for name in ("last_order_at", "last_case_resolved_at")},
        **{name: Fact(type=TIMESTAMP) for name in ("last_visit_at", "last_view_at")},
        **{name: Fact(type=INT) for name in ("orders_90d", "returns_90d", "visits_30d")},
        **{f"trait.{name}": Fact(type=TEXT) for name in ("company", "postal_code")},
        "trait.born_on": Fact(type=DATE),
        "average_orders": Fact(type=DECIMAL),
        "balance": Fact(type=EUR),
    },
    objects={
        "case": {"status": TEXT},
        "bill": {"amount": EUR, "due_at": TIMESTAMP, "paid_at": TIMESTAMP},
        "parcel": {"sent_at": TIMESTAMP},
        "subscription": {
            **{f"{what}_at": TIMESTAMP for what in ("ends", "starts", "due", "ordered")},
            "delivered_at": TIMESTAMP,
            "price": EUR,
            "yearly_price": EUR,
        },
    },
    about="subscription",
)


def test_the_list_of_functions_is_up_to_date() -> None:
    """Else run `python -m tests.golden.policy_reference`."""
    assert PAGE.read_text(encoding="utf-8") == page_with(render_functions())


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_an_expression(example: str) -> None:
    """What the page shows can be copied into a brand folder."""
    found = check_expression(example, scope=SCOPE, expects=None, where=Where(file="page"))
    assert isinstance(found, Expression), [str(problem) for problem in found]
    assert facts_read(found) <= set(SCOPE.facts)


def test_what_is_said_to_be_missing_is_missing() -> None:
    """No function is both there and replaced by another."""
    assert not set(INSTEAD) & {*FUNCTIONS, *AGGREGATIONS}


def test_the_limits_are_those_of_the_code() -> None:
    """The page quotes each limit."""
    page = PAGE.read_text(encoding="utf-8")
    quoted = [tokens.LENGTH_MAX, tokens.WORDS_MAX, tokens.DEPTH_MAX, check.DEPTH_MAX]
    words = ["characters", "words", "levels of parentheses", "levels of operators"]
    for limit, word in zip(quoted, words, strict=True):
        assert f"{limit:,} {word}" in page
    assert f"at most {TEXT_LENGTH_MAX:,} characters" in page
