"""No is no: of an offer, by whatever action it is made."""

import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.values import DAY
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD
from tests.unit.flows.test_guarantees import NOON, introduce, sent, tell

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


def decline(stage: Stage, action: str) -> None:
    """Let Ana say no to an action."""
    tell(stage, "Offer Declined", source="web", user_id="ana", properties={"action": action})


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
