"""Contacts that tools outside make are of a kind, as the brand's own are: caps and rests go by it."""

import msgspec
import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.values import DAY
from kept.flows.ask import ContactQuestion
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD
from tests.unit.flows.test_guarantees import NOON, introduce, sent, tell

GREETINGS = LARKMEAD | {
    "contact.yaml": LARKMEAD["contact.yaml"].replace(
        "caps:\n", "caps:\n  greetings: {count: 1, window: 7 days, covers: {kinds: [greeting]}}\n"
    ),
}
"""Here one greeting a week is the most; all that is done for marketing are greetings."""
RESTS = LARKMEAD | {
    "actions/lamp_offer.yaml": LARKMEAD["actions/lamp_offer.yaml"] + "rest: 5 days\n",
}
"""Here five days lie between a greeting and the lamp."""
QUESTION = ContactQuestion(
    identifiers={"user_id": "ana"}, entity="shop", purpose="service", channel="email", reported=True
)
MARKETING = msgspec.structs.replace(QUESTION, purpose="marketing")


def stage_of(texts: dict[str, str]) -> Stage:
    """Return a stage of a brand on which Ana is known."""
    stage = Stage(compile_brand(load_brand(texts)), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    return stage


def why_not(stage: Stage, question: ContactQuestion) -> str:
    """Return what refuses a contact, empty where nothing does."""
    answer = stage.ask_contact(question, source="shop")
    return answer.refused.because or answer.refused.code if answer.refused is not None else ""


def test_a_cap_on_a_kind_counts_what_a_tool_says_is_of_it() -> None:
    """For this purpose the brand has actions of two kinds, so that nothing but the tool can say."""
    stage = stage_of(LARKMEAD)
    said = msgspec.structs.replace(QUESTION, kind="service")
    assert [why_not(stage, said) for _ in range(4)] == ["", "", "", "service_a_day"]
    assert why_not(stage, QUESTION) == ""


def test_the_kind_is_that_of_all_actions_for_the_purpose() -> None:
    """A tool that says nothing makes no second greeting, and no other kind is meant by it."""
    stage = stage_of(GREETINGS)
    assert why_not(stage, msgspec.structs.replace(MARKETING, kind="offer")) == ""
    assert [why_not(stage, MARKETING) for _ in range(2)] == ["", "greetings"]


def test_the_kind_is_that_of_the_action_that_is_named() -> None:
    """The brand knows it, also where its purpose has actions of several kinds."""
    stage = stage_of(LARKMEAD)
    named = msgspec.structs.replace(QUESTION, action="bill_due")
    assert [why_not(stage, named) for _ in range(4)] == ["", "", "", "service_a_day"]


def test_the_brands_own_action_rests_after_a_contact_of_its_kind() -> None:
    """The tool's contact is kept with its kind."""
    stage = stage_of(RESTS)
    assert why_not(stage, MARKETING) == ""
    tell(stage, "Page Viewed")
    stage.advance(NOON + 4 * DAY)
    tell(stage, "Page Viewed")
    assert sent(stage) == []
    stage.advance(NOON + 5 * DAY)
    tell(stage, "Page Viewed")
    assert sent(stage) == ["lamp_offer"]


def test_a_kind_that_there_is_not_is_refused() -> None:
    """A contact of a misspelt kind would count in no cap."""
    body = msgspec.json.encode(msgspec.structs.replace(QUESTION, kind="survey"))
    decode = msgspec.json.Decoder(ContactQuestion).decode
    assert decode(body).kind == "survey"
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
        decode(body.replace(b"survey", b"surveys"))
