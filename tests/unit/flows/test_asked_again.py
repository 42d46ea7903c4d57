"""What is decided a second time about one and the same contact does not stand in its own way."""

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.values import DAY, HOUR
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD
from tests.unit.flows.test_guarantees import NOON, bill, introduce, sent

RESTED = LARKMEAD | {
    "actions/bill_due.yaml": LARKMEAD["actions/bill_due.yaml"] + "rest: 7 days\n",
}
"""Here a week lies between two bills that are told."""


def test_a_message_that_is_tried_again_does_not_rest_because_of_itself() -> None:
    """G4: nobody knows whether its first attempt arrived; the rest lies between it and others."""
    stage = Stage(compile_brand(load_brand(RESTED)), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    stage.providers["email"] = "garbage"
    bill(stage)
    stage.providers["email"] = "up"
    stage.advance(stage.now + HOUR)
    assert sent(stage)[-1:] == ["bill_due"]
    assert stage.store.load_messages_in(["withdrawn"], limit=9) == []
    bill(stage, "b2")
    stage.advance(stage.now + 6 * DAY)
    assert sent(stage).count("bill_due") == 1
