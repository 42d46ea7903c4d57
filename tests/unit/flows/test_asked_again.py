"""What is decided a second time about one and the same contact does not stand in its own way."""

import msgspec
import pytest

from bench.memory_recorded import MemoryRecorded
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.values import DAY, HOUR
from kept.flows.ask import ContactQuestion
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD, compile_larkmead
from tests.scenario.replays import play_again
from tests.unit.flows.test_guarantees import NOON, bill, introduce, sent

RESTED = LARKMEAD | {
    "actions/bill_due.yaml": LARKMEAD["actions/bill_due.yaml"] + "rest: 7 days\n",
}
"""Here a week lies between two bills that are told."""
QUESTION = ContactQuestion(
    identifiers={"user_id": "ana"}, entity="shop", purpose="service", channel="sms", reported=True
)
"""May one more text go to Ana? One a day is the most."""


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


@pytest.fixture
def stage() -> Stage:
    """Give a stage on which Ana is known."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    return stage


def test_a_tool_that_lost_the_answer_gets_it_again(stage: Stage) -> None:
    """G3: its contact was allowed and counts, once; a further one is too many."""
    first = msgspec.structs.replace(QUESTION, contact_id="c1")
    for _ in range(2):
        assert stage.ask_contact(first, source="shop").allowed
    other = stage.ask_contact(msgspec.structs.replace(QUESTION, contact_id="c2"), source="shop")
    assert other.refused is not None
    assert other.refused.because == "texts_a_day"
    assert not stage.ask_contact(first, source="billing").allowed
    assert not stage.ask_contact(QUESTION, source="shop").allowed


def test_what_a_tool_asked_again_is_played_as_it_was(stage: Stage) -> None:
    """G7: the record says which contact was asked about."""
    for _ in range(2):
        stage.ask_contact(msgspec.structs.replace(QUESTION, contact_id="c1"), source="shop")
    assert isinstance(stage.store, MemoryStore)
    assert play_again(MemoryRecorded(stage.store), compile_larkmead()).differences == []
