"""No is no: of an offer by whatever action it is made, and by whoever makes it."""

import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.values import DAY
from kept.flows.ask import ContactQuestion
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD
from tests.unit.flows.test_guarantees import NOON, bill, introduce, sent, tell

LAMP = """\
product: lamp
category: light
name: {en: A lamp}
terms: {kind: price, price: 9.99 EUR, renews: false}
"""
LETTER = LARKMEAD["actions/lamp_offer.yaml"].replace("lamp_offer", "lamp_letter")
TWICE = LARKMEAD | {
    "catalog/lamp.yaml": LAMP,
    "actions/lamp_offer.yaml": LARKMEAD["actions/lamp_offer.yaml"] + "terms_from: lamp\n",
    "actions/lamp_letter.yaml": LETTER + "terms_from: lamp\ntemplate: lamp_offer\n",
}
"""Here two actions offer one lamp."""


@pytest.fixture
def stage() -> Stage:
    """Give a stage on which Ana is known."""
    stage = Stage(compile_brand(load_brand(TWICE)), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    return stage


def decline(stage: Stage, action: str, **about: str) -> None:
    """Let Ana say no to an action."""
    tell(
        stage, "Offer Declined", source="web", user_id="ana", properties={"action": action} | about
    )


@pytest.mark.parametrize("declined", ["lamp_offer", "lamp_letter"])
def test_an_offer_that_is_declined_returns_by_no_other_action(stage: Stage, declined: str) -> None:
    """The same terms of the same product are the same offer, whichever action presents them."""
    decline(stage, declined)
    for _ in range(19):
        tell(stage, "Page Viewed")
        stage.advance(stage.now + DAY)
    assert sent(stage) == []
    stage.advance(NOON + 20 * DAY)
    tell(stage, "Page Viewed")
    assert len(sent(stage)) == 1


def may_i(stage: Stage, action: str) -> str:
    """Return why a tool outside may not contact Ana by an action, empty where it may."""
    question = ContactQuestion(
        identifiers={"user_id": "ana"},
        entity="shop",
        purpose="marketing",
        channel="email",
        action=action,
    )
    answer = stage.ask_contact(question, source="shop")
    return answer.refused.code if answer.refused is not None else ""


def test_a_tool_outside_does_not_offer_what_was_declined(stage: Stage) -> None:
    """Neither an action of the brand, nor the same offer by another, nor one of its own."""
    decline(stage, "lamp_offer")
    decline(stage, "newsletter_3")
    assert may_i(stage, "lamp_offer") == may_i(stage, "lamp_letter") == "declined"
    assert may_i(stage, "newsletter_3") == "declined"
    assert may_i(stage, "newsletter_4") == may_i(stage, "chair_offer") == may_i(stage, "") == ""
    stage.advance(NOON + 20 * DAY)
    assert may_i(stage, "lamp_letter") == ""


def test_a_tool_outside_names_no_object_so_that_any_counts(stage: Stage) -> None:
    """What was declined about one bill may be what the tool is about to say; Kept knows of which."""
    decline(stage, "bill_due", about="bill/b1")
    assert may_i(stage, "bill_due") == "declined"
    bill(stage, "b2")
    assert sent(stage) == ["bill_due"]
