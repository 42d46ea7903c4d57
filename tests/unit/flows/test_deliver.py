"""What becomes of a message once it has left, on the real flows and the brand of the scenarios."""

import pytest

from kept.core.bounce import mail_id_of
from kept.core.event import Identifier
from kept.core.feedback import Feedback, Outcome
from kept.core.values import DAY, HOUR, format_instant
from kept.flows.learn import learn
from kept.flows.stage import Stage
from kept.flows.tick import housekeep
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_pull import tell

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""
ANA = Identifier("user_id", "ana")


@pytest.fixture
def stage() -> Stage:
    """Give a stage at noon on which Ana is known, with a slip in her address."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    tell(stage, "Identified", traits={"email": "ana@gmial.example", "zone": "Europe/Lisbon"})
    return stage


def bill(stage: Stage, bill_id: str) -> None:
    """Issue a bill that fell due two days ago."""
    due = format_instant(stage.now - 2 * DAY)
    told = {"bill_id": bill_id, "amount": 40, "due_at": due}
    tell(stage, "Bill Issued", source="billing", properties=told)


def closed(stage: Stage) -> set[str]:
    """Return Ana's addresses that take no more messages."""
    ana = stage.find(ANA)
    assert ana is not None
    return set(ana.total(stage.engine.plan).closed_addresses)


@pytest.mark.parametrize("outcome", ["bounced", "complained"])
def test_a_late_bounce_closes_the_address_that_was_written_to(stage: Stage, outcome: str) -> None:
    """The slip was mended while the mail was on its way; the good address goes on taking mail."""
    bill(stage, "b1")
    tell(stage, "Identified", traits={"email": "ana@gmail.example"})
    stage.feed_back("bill_due", outcome, machine=False, hard=True)
    assert closed(stage) == {"email|ana@gmial.example"}
    stage.advance(stage.now + HOUR)
    bill(stage, "b2")
    assert [one.outgoing.to for one in stage.handed_over] == [
        "ana@gmial.example",
        "ana@gmail.example",
    ]


def report(stage: Stage, outcome: Outcome, *, hard: bool = False) -> None:
    """Let the provider report on the newest message, without an id or a time of the report."""
    message = stage.handed_over[-1].message
    feedback = Feedback(outcome=outcome, message_id=message.message_id, hard=hard)
    with stage.transaction():
        learn(stage.engine, feedback, channel=message.channel, now=stage.now)


def test_a_soft_bounce_hides_no_hard_one(stage: Stage) -> None:
    """Reports by mail have no id by which one is told from another."""
    bill(stage, "b1")
    report(stage, "bounced")
    assert closed(stage) == set()
    report(stage, "bounced", hard=True)
    assert closed(stage) == {"email|ana@gmial.example"}


def test_a_repeated_report_on_an_old_message_counts_once(stage: Stage) -> None:
    """However long ago the message was queued; old keys are dropped meanwhile."""
    bill(stage, "b1")
    stage.advance(stage.now + 20 * DAY)
    for _ in range(3):
        report(stage, "opened")
        stage.advance(stage.now + 2 * DAY)
        with stage.transaction():
            housekeep(stage.engine, stage.now)
    assert stage.engine.counts["feedback", "opened"] == 1


def test_a_report_finds_a_mail_whose_outcome_nobody_learnt(stage: Stage) -> None:
    """The connection broke once the mail was taken; it comes back to the name that mail knows it by."""
    stage.providers["email"] = "garbage"
    bill(stage, "A-Bill-With-A-Number-Of-Its-Own")
    (message,) = stage.store.load_messages_in(["queued"], limit=9)
    mail_id = mail_id_of(message.message_id)
    assert mail_id != message.message_id
    bounced = Feedback(outcome="bounced", message_id=mail_id, provider_id=mail_id, hard=True)
    with stage.transaction():
        assert learn(stage.engine, bounced, channel="email", now=stage.now)
    assert closed(stage) == {"email|ana@gmial.example"}
    (settled,) = stage.store.load_messages_in(["failed"], limit=9)
    assert settled.message_id == message.message_id
