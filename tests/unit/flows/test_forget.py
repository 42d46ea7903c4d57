"""Forgetting on the real flows: everything at once, nobody else, and it stays so."""

import itertools
from typing import Any

import msgspec
import pytest

from kept.core.erasure import ALARM_AFTER, write_receipt, write_request
from kept.core.event import Identifier
from kept.core.message import Accepted, Postponed, Unclear
from kept.core.touchpoint_item import Rejected
from kept.core.values import DAY, HOUR, MINUTE
from kept.errors import ConflictError, NotFoundError
from kept.flows.ask import ContactQuestion
from kept.flows.describe_customer import describe_customer
from kept.flows.erasure_records import read_record, save_record
from kept.flows.forget import Wish, forget
from kept.flows.ingest import ingest
from kept.flows.legal_holds import read_held
from kept.flows.pursue_erasures import (
    OWN_FILES,
    confirm,
    find_due,
    note_answer,
    note_files_erased,
)
from kept.flows.recover import recover
from kept.flows.regulate import Regulation, RegulationType, begin_regulation, load_regulation
from kept.flows.stage import Stage
from kept.flows.tick import housekeep
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, introduce, sent, tell

ANA = Identifier("user_id", "ana")


@pytest.fixture
def stage() -> Stage:
    """Give an empty stage at noon."""
    return Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)


def erase(stage: Stage, who: Identifier = ANA, **wish: Any) -> Any:
    """Forget somebody as a privacy officer does."""
    told = {"request_id": "r-1", "actor": "officer", "confirmed_by": "passport"}
    with stage.store.transaction():
        return forget(stage.engine, who, Wish(**told | wish), stage.now)


def is_known(stage: Stage, who: Identifier = ANA) -> bool:
    """Return whether an identifier leads to anybody."""
    try:
        with stage.store.transaction():
            describe_customer(stage.engine, who, stage.now)
    except NotFoundError:
        return False
    return True


def test_everything_is_cut_off_at_once(stage: Stage) -> None:
    """What waits is withdrawn, nothing is known, nothing is said any more; others are untouched."""
    introduce(stage)
    introduce(stage, "ben")
    stage.now += 11 * HOUR
    tell(stage, "Page Viewed")
    tell(stage, "Page Viewed", user_id="ben")
    record = erase(stage)
    assert (record.withdrawn_count, record.in_flight) == (1, ())
    assert record.event_count > 0
    assert record.decision_count > 0
    assert not is_known(stage)
    assert not is_known(stage, Identifier("email", "ana@example.com"))
    stage.advance(stage.now + 10 * DAY)
    assert sent(stage) == []
    assert sent(stage, "ben")


def test_what_had_begun_to_leave_is_listed_and_settles_harmlessly(stage: Stage) -> None:
    """Nobody can call it back; its provider's answer finds nobody."""
    introduce(stage)
    stage.providers["email"] = "garbage"
    tell(stage, "Page Viewed")
    stage.advance(stage.now + MINUTE)
    record = erase(stage)
    assert record.in_flight == ("email",)
    stage.advance(stage.now + 10 * DAY)
    assert not is_known(stage)


def test_late_events_do_not_bring_them_back(stage: Stage) -> None:
    """Neither by user id nor by an address, however often they come; what is new begins blank."""
    introduce(stage)
    erase(stage)
    for event in ("Page Viewed", "Order Completed"):
        answer = tell(stage, event, at=stage.now - HOUR)
        assert (answer.accepted, answer.forgotten) == (0, 1)
    mailed = {"email": "ana@example.com"}
    tell(stage, "Identified", user_id="carol", traits=mailed, at=stage.now - HOUR)
    assert is_known(stage, Identifier("user_id", "carol"))
    assert not is_known(stage)
    assert not is_known(stage, Identifier("email", "ana@example.com"))


def test_whoever_comes_back_is_asked_anew(stage: Stage) -> None:
    """A new beginning knows nothing of the old one, and every refusal that was possible counts."""
    introduce(stage)
    erase(stage)
    stage.now += 2 * DAY
    tell(stage, "Page Viewed")
    with stage.store.transaction():
        view = describe_customer(stage.engine, ANA, stage.now)
    assert view.traits == {}
    assert view.consents["p|*|marketing|"] is False
    with stage.store.transaction():
        stage.engine.customers.flush(99)
        assert recover(stage.engine, stage.now) == 0
    stage.now += HOUR
    tell(stage, "Consent Given", properties={"entity": "shop", "purpose": "marketing"})
    tell(stage, "Identified", traits={"email": "ana@example.com", "zone": "Europe/Lisbon"})
    stage.advance(stage.now + DAY)
    assert sent(stage) == ["lamp_offer"]


def test_the_suppressed_are_not_taken_at_all(stage: Stage) -> None:
    """Until it is lifted, whatever the time of the event."""
    introduce(stage)
    erase(stage, is_suppressed=True)
    stage.now += 5 * DAY
    assert tell(stage, "Page Viewed").forgotten == 1
    assert not is_known(stage)


def test_forgetting_does_not_lift_a_suppression(stage: Stage) -> None:
    """Whoever is to be taken no more stays so until it is lifted in so many words."""
    introduce(stage)
    erase(stage, is_suppressed=True)
    erase(stage, request_id="r-2")
    stage.now += 5 * DAY
    assert tell(stage, "Page Viewed").forgotten == 1


def test_a_tool_that_asks_about_the_forgotten_is_refused(stage: Stage) -> None:
    """What they refused is not known any more, so that all counts that can be refused."""
    introduce(stage)
    question = ContactQuestion(
        identifiers={"user_id": "ana"}, entity="shop", purpose="marketing", channel="email"
    )
    before = stage.ask_contact(question, source="shop")
    erase(stage)
    after = stage.ask_contact(question, source="shop")
    assert before.allowed
    assert not after.allowed
    assert after.refused is not None
    assert after.refused.code == "opted_out"


def test_what_could_not_be_taken_goes_too(stage: Stage) -> None:
    """A quarantined event has no part; one that names the person is found by what it says."""
    introduce(stage)
    with stage.store.transaction():
        for name in ("ana", "ben"):
            stage.store.quarantine(
                source="shop",
                received_at=stage.now,
                code="c",
                detail="d",
                payload=b'{"email":"%b@example.com"}' % name.encode(),
            )
    erase(stage)
    assert [b"ben" in row.payload for row in stage.store.read_quarantine(after=0, limit=9)] == [
        True
    ]


@pytest.mark.parametrize(
    "payload",
    [
        rb'{"email":"Ana@Example.COM"}',
        rb'{"note":"of \u0061na@example.com"}',
        b'{"userId":"ana"}',
        b"not json, but Ana@example.com",
    ],
)
def test_what_could_not_be_taken_is_found_however_it_is_written(
    stage: Stage, payload: bytes
) -> None:
    """In whatever case, escaped or not, by a short id as well; somebody else's stays."""
    introduce(stage)
    others = b'{"email":"banana@example.org","userId":"anabel"}'
    with stage.store.transaction():
        for content in (payload, others):
            stage.store.quarantine(
                source="shop", received_at=stage.now, code="c", detail="d", payload=content
            )
    erase(stage)
    assert [row.payload for row in stage.store.read_quarantine(after=0, limit=9)] == [others]
    late = Rejected(code="c", detail="d", payload=payload)
    with stage.store.transaction():
        answer = ingest(stage.engine, [], [late], source="shop", now=stage.now)
    # What stands under no name that means somebody cannot be told from a word.
    assert answer.forgotten == (b'"email"' in payload or b"userId" in payload)


# -- recipients


@pytest.fixture
def told(stage: Stage) -> Stage:
    """Give a stage on which Ana was written to through a company outside, and is forgotten."""
    introduce(stage)
    tell(stage, "Page Viewed")
    stage.advance(stage.now + HOUR)
    assert sent(stage) == ["lamp_offer"]
    record = erase(stage)
    assert [one.recipient for one in record.recipients] == ["mailer"]
    with stage.store.transaction():
        note_files_erased(stage.engine, "r-1")
    return stage


def due(stage: Stage) -> list[str]:
    """Return who is to be asked now."""
    with stage.store.transaction():
        return [one.recipient for one in find_due(stage.engine, stage.now).askings]


def answer(stage: Stage, result: Any) -> None:
    """Let the recipient answer."""
    with stage.store.transaction():
        note_answer(stage.engine, "r-1", "mailer", result, stage.now)


def record_of(stage: Stage) -> Any:
    """Return how far the erasure has come."""
    row = stage.store.load_request("r-1")
    assert row is not None
    return read_record(row)


def test_own_files_are_erased_first(stage: Stage) -> None:
    """And asked for until they are."""
    introduce(stage)
    erase(stage)
    assert due(stage) == [OWN_FILES]
    with stage.store.transaction():
        note_files_erased(stage.engine, "r-1")
    assert due(stage) == []
    assert record_of(stage).is_closed


def test_a_recipient_that_is_done_closes_the_erasure(told: Stage) -> None:
    """It was told whom to forget; then nobody is named any more, and the receipt is complete."""
    body = write_request(record_of(told), "mailer")
    assert msgspec.json.decode(body)["data"]["identifiers"]["email"] == ["ana@example.com"]
    assert due(told) == ["mailer"]
    answer(told, Accepted())
    record = record_of(told)
    assert record.is_closed
    assert record.identifiers == ()
    receipt = write_receipt(record, brand="Larkmead")
    assert receipt["complete"]
    assert b"ana" not in msgspec.json.encode(receipt)
    assert due(told) == []


def test_what_waits_for_a_person_is_in_nobodys_way(told: Stage) -> None:
    """However long it waits: a look takes only so many requests at once."""
    record = record_of(told)
    (mailer,) = record.recipients
    manual = msgspec.structs.replace(mailer, how="manual", next_at=0, is_alarmed=True)
    with told.store.transaction():
        save_record(told.store, msgspec.structs.replace(record, recipients=(manual,)), number=1)
    assert told.store.load_due_requests(now=told.now + 9_999 * DAY, limit=9) == []
    with told.store.transaction():
        confirm(told.engine, "r-1", "mailer", actor="officer", now=told.now)
    assert record_of(told).is_closed


def test_a_recipient_that_is_still_at_it_is_asked_daily(told: Stage) -> None:
    """Taking the request is not the same as having erased."""
    answer(told, Accepted(is_pending=True))
    assert not record_of(told).is_closed
    told.now += DAY - 1
    assert due(told) == []
    told.now += 1
    assert due(told) == ["mailer"]
    answer(told, Accepted())
    assert record_of(told).is_closed


def test_a_recipient_that_does_not_answer_is_chased_and_the_operator_alarmed(told: Stage) -> None:
    """Later each time, at least daily, for ever; the alarm is raised once."""
    begun, asked = told.now, []
    while told.now < begun + 8 * DAY:
        told.now += MINUTE
        if due(told) == ["mailer"]:
            asked.append(told.now)
            answer(told, Postponed(detail="HTTP 503") if len(asked) % 2 else Unclear(detail="?"))
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert waits[0] < 3 * MINUTE
    assert max(waits) <= DAY + MINUTE
    assert len(asked) > 12
    alarms = [one for one in told.engine.alerts if one["code"] == "erasure_unconfirmed"]
    assert [one["recipient"] for one in alarms] == ["mailer"]
    assert alarms[0]["at"] >= begun + ALARM_AFTER
    with told.store.transaction():
        confirm(told.engine, "r-1", "mailer", actor="officer", now=told.now)
    assert record_of(told).is_closed
    with pytest.raises(ConflictError), told.store.transaction():
        confirm(told.engine, "r-1", "mailer", actor="officer", now=told.now)
    with pytest.raises(NotFoundError, match="not to 'nobody'"), told.store.transaction():
        confirm(told.engine, "r-1", "nobody", actor="officer", now=told.now)


# -- what the law obliges to keep


def test_what_a_law_keeps_is_sealed_apart_and_goes_in_time(stage: Stage) -> None:
    """The bill and the name beside it, and nothing else; no decision is given it; it ends."""
    introduce(stage)
    bill = {"bill_id": "b-1", "amount": 40, "due_at": "2026-03-20T00:00:00Z"}
    tell(stage, "Bill Issued", source="billing", properties=bill)
    tell(stage, "Page Viewed")
    record = erase(stage)
    (note,) = record.held
    assert (note.hold, note.record_count, note.until) == ("invoices", 1, stage.now + 3650 * DAY)
    receipt = write_receipt(record, brand="Larkmead")["kept_by_law"]
    assert receipt[0]["told"] == {"en": "We must keep your bills for ten years."}
    with stage.store.transaction():
        held = read_held(stage.engine, "r-1", actor="officer", because="tax audit", now=stage.now)
    told = msgspec.json.decode(held[0].body)
    assert told["event"]["properties"]["bill_id"] == "b-1"
    assert told["traits"] == {"first_name": "Ana"}
    assert stage.store.read_audit(newest=1)[0].detail == {
        "request": "r-1",
        "because": "tax audit",
    }
    stage.now = note.until
    with stage.store.transaction():
        housekeep(stage.engine, stage.now)
    assert stage.store.load_held_records(1) == []


# -- many at once


@pytest.mark.parametrize(
    ("kind", "forgets", "suppresses"),
    [
        ("SUPPRESS_ONLY", False, True),
        ("SUPPRESS_WITH_DELETE", True, True),
        ("DELETE_ONLY", True, False),
        ("DELETE_INTERNAL", True, False),
    ],
)
def test_a_regulation_is_done_step_by_step(
    stage: Stage, kind: Any, *, forgets: bool, suppresses: bool
) -> None:
    """Each of its people as the type says, and its status tells how far it has come."""
    users = [f"user{number}" for number in range(25)]
    for user in users:
        introduce(stage, user)
    regulation = Regulation(
        regulation_id="g",
        type=kind,
        actor="tool",
        confirmed_by="the shop",
        created_at=stage.now,
        subject_count=len(users),
        subjects=tuple(Identifier("user_id", user) for user in users),
    )
    with stage.store.transaction():
        begin_regulation(stage.engine, regulation, stage.now)
        assert load_regulation(stage.engine, "g")[1] == "INITIALIZED"
    steps = 0
    while load_regulation(stage.engine, "g")[0].subjects:
        due(stage)
        steps += 1
    assert steps == 3
    for number in range(1, 26):
        with stage.store.transaction():
            note_files_erased(stage.engine, f"g.{number}")
    assert load_regulation(stage.engine, "g")[1] == "FINISHED"
    stage.now += 3 * DAY
    for user in users:
        assert is_known(stage, Identifier("user_id", user)) != forgets
        assert tell(stage, "Page Viewed", user_id=user).forgotten == suppresses


def test_a_suppression_can_be_lifted(stage: Stage) -> None:
    """Then events are taken again."""
    introduce(stage)
    kinds: list[tuple[RegulationType, int]] = [("SUPPRESS_ONLY", 1), ("UNSUPPRESS", 0)]
    for kind, count in kinds:
        regulation = Regulation(
            regulation_id=kind,
            type=kind,
            actor="tool",
            confirmed_by="the shop",
            created_at=stage.now,
            subject_count=1,
            subjects=(ANA,),
        )
        with stage.store.transaction():
            begin_regulation(stage.engine, regulation, stage.now)
        due(stage)
        assert tell(stage, "Page Viewed").forgotten == count
