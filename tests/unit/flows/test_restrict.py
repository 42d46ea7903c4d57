"""Data that is restricted is kept, and nothing is decided, sent, shown or told from it (GDPR, 18)."""

from typing import Any

import msgspec
import pytest

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.consent import RESTRICTION, read_consents
from kept.core.event import RESTRICTED, Identifier
from kept.core.explain import explain_to_customer, replays_alike
from kept.core.reason import Restricted, code_of
from kept.core.suppression import read_words
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, HOUR, SECOND, format_instant
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.ask import ContactQuestion, Question
from kept.flows.engine import decode_trace
from kept.flows.read_history import HistoryWanted, read_history
from kept.flows.restrict import RestrictionView, lift_restriction, restrict
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD, compile_larkmead

ANA = Identifier("user_id", "ana")
NOON = 1_772_452_800_000_000


def a_stage(bundle: Bundle | None = None) -> Stage:
    """Give a stage at noon, with Ana, who wants the offers of both companies."""
    stage = Stage(bundle or compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    traits = {"email": "ana@example.com", "first_name": "Ana", "zone": "Europe/Lisbon"}
    tell(stage, "Identified", traits=traits)
    for entity in ("shop", "bank"):
        tell(stage, "Consent Given", entity=entity, purpose="marketing")
    return stage


@pytest.fixture
def stage() -> Stage:
    """Give that stage on the small brand as it is."""
    return a_stage()


def tell(
    stage: Stage,
    event: str,
    *,
    source: str = "shop",
    user_id: str = "ana",
    traits: dict[str, Any] | None = None,
    **told: Any,
) -> None:
    """Let a touchpoint say one thing."""
    stage.now += SECOND
    item = WireItem(
        type="identify" if traits else "track", event=event, user_id=user_id,
        timestamp=stage.now / SECOND, properties=told, traits=traits or {},
    )  # fmt: skip
    stage.signal(item, source=source, body={})


def hold_back(stage: Stage) -> RestrictionView:
    """Restrict Ana's data."""
    stage.now += SECOND
    with stage.store.transaction():
        return restrict(
            stage.engine, ANA, because="says her birthday is wrong", confirmed_by="passport",
            actor="olga", now=stage.now,
        )  # fmt: skip


def let_go(stage: Stage) -> RestrictionView:
    """Lift it."""
    stage.now += SECOND
    with stage.store.transaction():
        return lift_restriction(
            stage.engine, ANA, informed_by="a letter", actor="olga", now=stage.now
        )


def reasons(stage: Stage) -> set[str]:
    """Return the reasons in Ana's newest decision."""
    ana = stage.find(ANA)
    assert ana is not None
    row = stage.store.read_decisions(sorted(ana.parts), newest=1)[0]
    return {code_of(one.reason) for one in decode_trace(row.trace).considered if one.reason}


def test_what_waits_is_withdrawn_and_nothing_leaves_until_it_is_lifted(stage: Stage) -> None:
    """A bill that falls due meanwhile is not written of; its events are taken all the same."""
    due = format_instant(stage.now + HOUR)
    tell(stage, "Bill Issued", source="billing", bill_id="b1", amount=40, due_at=due)
    hold_back(stage)
    stage.advance(stage.now + 3 * DAY)
    tell(stage, "Page Viewed")
    assert stage.handed_over == []
    assert reasons(stage) == {"restricted"}
    ana = stage.find(ANA)
    assert ana is not None
    assert "b1" in ana.total(stage.engine.plan).objects["bill"]
    assert let_go(stage).is_restricted is False
    stage.advance(stage.now + HOUR)
    assert {one.message.action for one in stage.handed_over} == {"lamp_offer", "bill_due"}


def test_a_message_that_waits_for_the_morning_is_withdrawn_at_once(stage: Stage) -> None:
    """The answer names it, and the ledger says why."""
    stage.advance(stage.now + 11 * HOUR)
    tell(stage, "Page Viewed")
    assert stage.handed_over == []
    view = hold_back(stage)
    (message_id,) = view.withdrawn
    message = stage.store.load_message(message_id)
    assert message is not None
    assert message.state == "withdrawn"
    assert message.reason is not None
    assert message.reason["code"] == "restricted"


def test_every_placement_answers_as_for_somebody_unknown(stage: Stage) -> None:
    """Nothing is shown, filled in or named; the trace of the customer says why."""
    tell(stage, "Page Viewed")
    known = stage.ask(Question(placement="desk", identifiers={"user_id": "ana"}), source="shop")
    assert known.name == "Ana"
    assert known.shown
    hold_back(stage)
    for placement in ("web", "desk"):
        told = [
            stage.ask(Question(placement=placement, identifiers={"user_id": who}), source="shop")
            for who in ("ana", "nobody")
        ]
        answers = [(a.shown, a.asks, a.prefill, a.name, a.is_proven, a.silence) for a in told]
        assert answers[0] == answers[1]
    assert reasons(stage) == {"restricted"}


def test_gates_and_tools_are_told_no(stage: Stage) -> None:
    """A measure that would be allowed is not, and neither is a contact of another tool."""
    due = format_instant(stage.now + HOUR)
    tell(stage, "Bill Issued", source="billing", bill_id="b1", amount=40, due_at=due)
    stage.now += 12 * DAY
    fee = Question(placement="billing", identifiers={"user_id": "ana"}, actions=("late_fee",))
    assert stage.ask(fee, source="billing").allowed == ("late_fee",)
    hold_back(stage)
    answer = stage.ask(fee, source="billing")
    assert answer.allowed == ()
    assert [one.code for one in answer.refused] == ["restricted"]
    contact = ContactQuestion(
        identifiers={"user_id": "ana"}, entity="shop", purpose="service", channel="email"
    )
    answered = stage.ask_contact(contact, source="shop")
    assert not answered.allowed
    assert answered.refused is not None
    assert answered.refused.code == "restricted"


def test_tools_that_are_told_what_holds_are_told_of_it(stage: Stage) -> None:
    """All purposes are forbidden in their lists while it is on, and no more once it is lifted."""
    hold_back(stage)
    (notice,) = stage.store.load_notices(after=0, limit=9)[-1:]
    assert {"p|*|marketing|", "p|*|service|"} <= set(notice.scopes)
    ana = stage.find(ANA)
    assert ana is not None
    for is_allowed in (False, True):
        state = ana.total(stage.engine.plan)
        words = list(read_words(notice.scopes, state, stage.engine.bundle, noted_at=stage.now))
        assert {word.allowed for word in words} == {is_allowed}
        if not is_allowed:
            let_go(stage)


def test_an_analysis_leaves_the_customer_out(stage: Stage) -> None:
    """A reading of history holds no row of theirs."""
    tell(stage, "Page Viewed", user_id="ben")
    for expected in ({1, 3}, {3}):
        with stage.store.transaction():
            wanted = HistoryWanted(purpose="service", entity="shop")
            page = read_history(stage.engine, wanted, actor="olga", now=stage.now)
        assert {row.customer for row in page.events} <= expected
        if 1 in expected:
            assert page.events
            hold_back(stage)


def test_what_a_law_obliges_to_still_leaves() -> None:
    """A purpose that the brand declares so is exempt, and no other."""
    texts = dict(LARKMEAD)
    texts["consent.yaml"] = texts["consent.yaml"].replace(
        "service: {basis: contract, promotional: false,",
        "service: {basis: legal_obligation, promotional: false, during_restriction: true,",
    )
    stage = a_stage(compile_brand(load_brand(texts)))
    due = format_instant(stage.now + HOUR)
    tell(stage, "Bill Issued", source="billing", bill_id="b1", amount=40, due_at=due)
    hold_back(stage)
    tell(stage, "Page Viewed")
    stage.advance(stage.now + 2 * DAY)
    assert [one.message.action for one in stage.handed_over] == ["bill_due"]


def test_whoever_is_merged_with_them_is_restricted_too(stage: Stage) -> None:
    """The most restrictive word counts, whichever part said it."""
    hold_back(stage)
    item = WireItem(
        type="identify", user_id="ana", anonymous_id="cookie", timestamp=stage.now / SECOND,
        traits={},
    )  # fmt: skip
    stage.signal(item, source="shop", body={})
    joined = stage.find(Identifier("anonymous_id", "cookie"))
    assert joined is not None
    assert joined.total(stage.engine.plan).consents[RESTRICTION].value is True


def test_only_we_ourselves_can_say_so(stage: Stage) -> None:
    """No source may send an event of this name, and if one did it would restrict nobody."""
    item = WireItem(type="track", event=RESTRICTED, user_id="ana", timestamp=stage.now / SECOND)
    with pytest.raises(InputError, match="may not send"):
        stage.signal(item, source="history", body={})
    ana = stage.find(ANA)
    assert ana is not None
    (stored, *_) = stage.store.load_part_events(sorted(ana.parts))
    forged = msgspec.structs.replace(stored.event, name=RESTRICTED)
    assert forged.source == "shop"
    assert read_consents(forged, {}) == []


def test_it_is_audited_without_values_and_cannot_be_done_blindly(stage: Stage) -> None:
    """Who, why and how it was made sure; twice, nobody and without words are refused."""
    for wrong in ({"because": " "}, {"confirmed_by": ""}):
        told = {"because": "a", "confirmed_by": "b"} | wrong
        with stage.store.transaction(), pytest.raises(InputError, match=next(iter(wrong))):
            restrict(stage.engine, ANA, actor="olga", now=stage.now, **told)
    with stage.store.transaction(), pytest.raises(NotFoundError):
        restrict(
            stage.engine, Identifier("user_id", "nobody"), because="a", confirmed_by="b",
            actor="olga", now=stage.now,
        )  # fmt: skip
    with stage.store.transaction(), pytest.raises(ConflictError):
        lift_restriction(stage.engine, ANA, informed_by="a letter", actor="olga", now=stage.now)
    hold_back(stage)
    with pytest.raises(ConflictError):
        hold_back(stage)
    let_go(stage)
    assert [(one.actor, one.verb) for one in stage.store.read_audit(newest=2)] == [
        ("olga", "lift_restriction"), ("olga", "restrict"),
    ]  # fmt: skip
    assert "ana@" not in str(stage.store.read_audit(newest=9))


def test_a_decision_under_restriction_explains_itself_and_replays(stage: Stage) -> None:
    """G7: the reason is in the trace, in words for staff and for the customer."""
    hold_back(stage)
    tell(stage, "Page Viewed")
    ana = stage.find(ANA)
    assert ana is not None
    row = stage.store.read_decisions(sorted(ana.parts), newest=1)[0]
    decision = decode_trace(row.trace)
    assert {type(one.reason) for one in decision.considered} == {Restricted}
    assert replays_alike(decision, stage.engine.bundle.policy)
    assert explain_to_customer(decision, sentences={}) == (
        "Your data is restricted: we keep it and do not use it.",
    )
