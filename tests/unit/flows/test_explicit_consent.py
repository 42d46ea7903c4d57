"""A special category is read only under its explicit consent: by conditions, texts and traces alike."""

import pytest

from kept.core.event import Identifier
from kept.flows.compose import situation_of
from kept.flows.engine import decode_trace
from kept.flows.stage import Stage
from tests.scenario.apothecary import agree, stage_of_apothecary, tell

ANA = Identifier("user_id", "ana")


@pytest.fixture
def stage() -> Stage:
    """Give a stage on which Ana told the shop that she is ill, and allowed nothing."""
    stage = stage_of_apothecary()
    traits = {"email": "ana@example.com", "first_name": "Ana", "zone": "Europe/Lisbon", "ill": True}
    tell(stage, "Identified", traits=traits)
    tell(stage, "Case Opened", properties={"case_id": "c-1", "diagnosis": "flu"})
    return stage


def sent(stage: Stage) -> list[str]:
    """Return the actions that reached somebody."""
    return [one.message.action for one in stage.handed_over]


def said_of(stage: Stage) -> tuple[object, object, object]:
    """Return what a text could say of the three sensitive facts."""
    customer = stage.find(ANA)
    assert customer is not None
    values = situation_of(stage.engine, customer, stage.now, about="case/c-1").values
    return values["trait"]["ill"], values.get("last_diagnosis"), values["about"]["diagnosis"]


def test_without_consent_nobody_reads_it(stage: Stage) -> None:
    """Neither a condition nor a text; what is left of the object stays."""
    assert sent(stage) == []
    assert said_of(stage) == (None, None, None)
    customer = stage.find(ANA)
    assert customer is not None
    decision = decode_trace(stage.store.read_decisions(sorted(customer.parts), newest=1)[0].trace)
    assert "flu" not in str(decision.facts)
    assert "open" in str(decision.facts)


def test_an_explicit_consent_lets_it_be_read_at_once(stage: Stage) -> None:
    """The message that rests on it leaves in the same breath."""
    agree(stage)
    assert sent(stage) == ["get_well"]
    assert said_of(stage) == (True, "flu", "flu")


@pytest.mark.parametrize(
    "word",
    [
        {"wording": ""},
        {"wording": "news_1"},
        {"wording": "care_9"},
        {"entity": "bank"},
        {"purpose": "marketing"},
        {"channel": "email"},
    ],
)
def test_another_consent_is_not_explicit(stage: Stage, word: dict[str, str]) -> None:
    """A wording that is none, another company, another purpose, a channel of its own: all no."""
    agree(stage, **word)
    assert sent(stage) == []
    assert said_of(stage) == (None, None, None)


@pytest.mark.parametrize("scope", [{"entity": "shop", "purpose": "care"}, {"purpose": "care"}])
def test_what_is_withdrawn_is_as_if_never_told(stage: Stage, scope: dict[str, str]) -> None:
    """Whoever takes it back is treated like everybody else, and not worse."""
    agree(stage)
    tell(stage, "Consent Withdrawn", properties=scope)
    assert said_of(stage) == (None, None, None)
    customer = stage.find(ANA)
    assert customer is not None
    decision = decode_trace(stage.store.read_decisions(sorted(customer.parts), newest=1)[0].trace)
    assert decision.facts.unknown == ()
    assert "flu" not in str(decision.facts)


def test_what_happens_later_stays_unread(stage: Stage) -> None:
    """Facts that are read anew one by one are held to the same."""
    tell(stage, "Case Opened", properties={"case_id": "c-2", "diagnosis": "flu"})
    assert sent(stage) == []
    agree(stage)
    tell(stage, "Consent Withdrawn", properties={"purpose": "care"})
    before = len(stage.handed_over)
    tell(stage, "Case Opened", properties={"case_id": "c-3", "diagnosis": "flu"})
    assert len(stage.handed_over) == before
