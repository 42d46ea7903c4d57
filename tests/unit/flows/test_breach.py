"""Finding out whom a breach touched: exactly, in pieces that can be interrupted, and never too little."""

from typing import Any

import pytest

from kept.core.brand.load import load_brand
from kept.core.breach import Finding
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.event import Event, Identifier
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, HOUR, MINUTE, SECOND
from kept.errors import ConflictError, ContendedError, InputError, NotFoundError
from kept.flows import deliver, search_breach
from kept.flows.ask import ContactQuestion, Question
from kept.flows.breach import (
    Compromised,
    close_breach,
    declare_breach,
    release_notices,
    work_on_breaches,
)
from kept.flows.breach_records import load_breach, read_finding
from kept.flows.describe_customer import show_customer
from kept.flows.disclosures import note_suppressions_told
from kept.flows.pull import pull_inbox
from kept.flows.quarantine import replay
from kept.flows.show_breach import draft_notices, read_affected, say_what_we_did, show_breach
from kept.flows.stage import Stage
from kept.flows.together import together
from kept.history_port import SealedDecision
from kept.ports import DecisionRow
from kept.runtime.folder import read_folder
from kept.stores.memory import MemoryStore
from tests.memory_shared import Shared
from tests.tree import ROOT

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""


@pytest.fixture(scope="module")
def ferrowen() -> Bundle:
    """The example brand."""
    return compile_brand(load_brand(read_folder(ROOT / "examples" / "ferrowen")))


@pytest.fixture
def stage(ferrowen: Bundle) -> Stage:
    """Give a stage at noon, with Sofia and Jonas, whom the shop may write to."""
    stage = Stage(ferrowen, MemoryStore(), now=NOON, shadow=False)
    for user in ("sofia", "jonas"):
        traits = {"called": user.title(), "email": f"{user}@mail.example", "zone": "Europe/Lisbon"}
        tell(stage, user, type="identify", traits=traits)
        prefers = {"consent": {"categoryPreferences": {"shop_marketing": True}}}
        tell(stage, user, event="Segment Consent Preference Updated", context=prefers)
    return stage


def tell(stage: Stage, user: str, *, source: str = "app_backend", **told: Any) -> None:
    """Let a touchpoint say one thing of a customer."""
    told = {"type": "track"} | told
    item = WireItem(user_id=user, timestamp=stage.now / SECOND, **told)
    stage.signal(item, source=source, body={})


def ask(stage: Stage, user: str, *, source: str = "call_centre", proven: bool = True) -> Any:
    """Ask at the desk."""
    question = Question(placement="desk", identifiers={"user_id": user}, proven=proven)
    return stage.ask(question, source=source)


def declare(stage: Stage, **what: Any) -> int:
    """Declare a breach and do nothing more about it yet."""
    told: dict[str, Any] = {"kind": "source", "name": "call_centre", "since": NOON}
    with stage.store.transaction():
        return declare_breach(
            stage.engine,
            Compromised(**(told | {"because": "found"} | what)),
            declared_keys={},
            actor="officer",
            now=stage.now,
        )


def work(stage: Stage) -> int:
    """Do everything there is to do for breaches; return in how many pieces."""
    pieces = 0
    while True:
        with stage.store.transaction():
            if not work_on_breaches(stage.engine, stage.now):
                return pieces
        pieces += 1


def findings(stage: Stage, number: int) -> dict[str, Finding]:
    """Return what was found, by user id."""
    rows = {
        row.part_id: read_finding(row)
        for row in stage.store.load_dossiers("finding", after=(number, -1), limit=99)
    }
    found = {}
    for user in ("sofia", "jonas"):
        customer = stage.find(Identifier("user_id", user))
        assert customer is not None
        if customer.own_part in rows:
            found[user] = rows.pop(customer.own_part)
    assert not rows
    return found


def hows(finding: Finding) -> dict[str, tuple[str, str]]:
    """Return how -> (certainty, fields)."""
    return {t.how: (t.certainty, " ".join(t.fields)) for t in finding.touches}


def test_what_was_before_the_instant_does_not_count(stage: Stage) -> None:
    """To the microsecond."""
    ask(stage, "sofia")
    stage.advance(stage.now + 1)
    ask(stage, "jonas")
    number = declare(stage, since=NOON + 1)
    work(stage)
    assert set(findings(stage, number)) == {"jonas"}


def test_an_answer_that_said_nothing_touches_nobody(stage: Stage) -> None:
    """Whoever is not proven is told nothing; a question by somebody else is not this source's."""
    ask(stage, "sofia", proven=False)
    ask(stage, "jonas", source="app_backend")
    number = declare(stage)
    work(stage)
    assert findings(stage, number) == {}


def test_a_tool_that_asked_learnt_what_was_allowed(stage: Stage) -> None:
    """One question is one answer about consent."""
    question = ContactQuestion(
        identifiers={"email": "sofia@mail.example"},
        entity="shop",
        purpose="marketing",
        channel="email",
    )
    stage.ask_contact(question, source="mail_service")
    stage.advance(stage.now + MINUTE)
    tell(
        stage,
        "jonas",
        event="Unsubscribed",
        properties={"entity": "shop", "purpose": "marketing"},
    )
    with stage.store.transaction():
        note_suppressions_told(
            stage.engine,
            "mail_service",
            after=0,
            upto=stage.store.last_notice(),
            now=stage.now,
        )
    number = declare(stage, kind="recipient", name="mail_service")
    work(stage)
    found = findings(stage, number)
    assert hows(found["sofia"]) == {"answer": ("exact", "consents")}
    assert hows(found["jonas"]) == {"suppressions": ("exact", "consents identifier.email")}


def test_an_inbox_that_was_fetched_counts_for_who_fetched_it(stage: Stage) -> None:
    """Not for another source, and not where it was empty."""
    customer = stage.find(Identifier("user_id", "sofia"))
    assert customer is not None
    with stage.store.transaction():
        empty = pull_inbox(
            stage.engine, customer, stage.now, channels=["inbox"], source="app_backend"
        )
    assert empty == ()
    assert stage.store.last_dossier_number("disclosure") == 0


def test_a_search_goes_on_where_it_stopped(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of three records find what one piece finds, and none is read twice."""
    for _ in range(5):
        ask(stage, "sofia")
        tell(stage, "jonas", source="call_centre", event="Call Ended", properties={})
    whole = declare(stage)
    work(stage)
    monkeypatch.setattr(search_breach, "PIECE", 3)
    pieces = declare(stage)
    assert work(stage) > 5
    assert findings(stage, pieces) == findings(stage, whole)
    (touch,) = findings(stage, pieces)["jonas"].touches
    assert touch.count == 5
    _, record = load_breach(stage.store, pieces)
    assert record.read == record.total


def test_a_search_finds_its_beginning_behind_what_was_erased(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids of years may be empty: none of them is asked for by itself, while everybody waits."""
    for _ in range(60):
        ask(stage, "sofia")
    stage.advance(stage.now + DAY)
    with stage.store.transaction():
        erased = stage.store.erase_old_decisions(before=stage.now, limit=999)
    since = stage.now
    ask(stage, "jonas")
    assert erased >= 60
    asked: list[int] = []
    read_decision, read_sealed = stage.store.read_decision, stage.store.read_sealed_decisions

    def count_decision(decision_id: int) -> DecisionRow | None:
        asked.append(decision_id)
        return read_decision(decision_id)

    def count_sealed(*, after: int, limit: int) -> list[SealedDecision]:
        asked.append(after)
        return read_sealed(after=after, limit=limit)

    monkeypatch.setattr(stage.store, "read_decision", count_decision)
    monkeypatch.setattr(stage.store, "read_sealed_decisions", count_sealed)
    number = declare(stage, since=since)
    assert len(asked) < 10
    work(stage)
    assert set(findings(stage, number)) == {"jonas"}


def test_events_that_were_taken_late_hide_nobody(stage: Stage) -> None:
    """What was quarantined before the instant, and taken after it, stands among what came after."""
    for _ in range(5):
        tell(stage, "jonas", source="call_centre", event="Call Ended", properties={})
    stage.advance(NOON + 2 * DAY)
    since = stage.now
    for _ in range(10):
        tell(stage, "sofia", source="call_centre", event="Call Ended", properties={})
    touchpoint = stage.engine.bundle.touchpoints["call_centre"]
    for number in range(40):
        item = WireItem(
            user_id="jonas", type="track", event="Call Ended", message_id=f"late-{number}",
            timestamp=NOON / SECOND, properties={},
        )  # fmt: skip
        event = touchpoint.read(item, received_at=NOON)
        assert isinstance(event, Event)
        with stage.store.transaction():
            quarantine_id = stage.store.quarantine(
                source="call_centre", received_at=NOON, code="x", detail="", payload=b"{}"
            )
            replay(stage.engine, quarantine_id, [event], actor="olga", now=stage.now)
    tell(stage, "sofia", source="call_centre", event="Call Ended", properties={})
    number = declare(stage, since=since)
    work(stage)
    assert set(findings(stage, number)) == {"sofia"}
    (touch,) = findings(stage, number)["sofia"].touches
    assert touch.count == 11


def test_until_the_search_is_over_it_may_be_anybody(stage: Stage) -> None:
    """Nobody is promoted to, and what waited is not lost."""
    ask(stage, "sofia")
    order = {"order_id": "O-1", "total": 64.0, "category": "garden"}
    stage.advance(NOON + 10 * HOUR)
    for user in ("sofia", "jonas"):
        tell(stage, user, event="Order Completed", properties=order | {"order_id": user})
    stage.advance(NOON + 3 * DAY + 11 * HOUR)
    waiting = [m.action for m in stage.store.load_messages_in(["queued"], limit=9)]
    assert waiting.count("shop_pick") == 2
    handed_over = len(stage.handed_over)
    number = declare(stage)
    # The search stands still; time passes until the morning.
    engine = stage.engine
    stage.now = NOON + 4 * DAY
    with stage.store.transaction():
        begun = deliver.take_due(engine, rooms={"email": 9}, now=stage.now)
    assert begun == []
    assert len(stage.store.load_messages_in(["queued"], limit=9)) == 2
    work(stage)
    stage.advance(stage.now + 2 * MINUTE)
    sent = [one.message.action for one in stage.handed_over[handed_over:]]
    assert sent == ["shop_pick"]
    assert set(findings(stage, number)) == {"sofia"}


def test_notices_go_only_when_somebody_let_them_go(stage: Stage) -> None:
    """Drafted first, with what was done in words; a closed breach tells nobody any more."""
    ask(stage, "sofia")
    number = declare(stage)
    store, engine = stage.store, stage.engine
    with store.transaction(), pytest.raises(ConflictError):
        release_notices(engine, number, actor="officer", now=stage.now)
    work(stage)
    with store.transaction(), pytest.raises(ConflictError, match="look at the drafts"):
        release_notices(engine, number, actor="officer", now=stage.now)
    with store.transaction(), pytest.raises(InputError):
        say_what_we_did(engine, number, {"de": "Neuer Schlüssel."})
    with store.transaction():
        say_what_we_did(engine, number, {"en": "We have changed the key."})
        page = draft_notices(engine, number, after=-1, now=stage.now)
    assert page.ways == {"email": 1}
    assert "Sofia" not in page.drafts[0].text
    assert "mail.example" not in page.drafts[0].text
    assert stage.handed_over == []
    with store.transaction():
        release_notices(engine, number, actor="officer", now=stage.now)
    stage.work()
    assert [one.message.action for one in stage.handed_over] == ["breach_notice"]
    with store.transaction():
        view = show_breach(engine, number)
        (one,) = read_affected(engine, number, after=-1).customers
    assert (view.state, view.told, view.due) == ("released", 1, 0)
    assert (one.state, one.outcome) == ("told", "delivered")
    with store.transaction():
        close_breach(engine, number, because="told", actor="officer", now=stage.now)
    stage.work()
    with store.transaction(), pytest.raises(ConflictError):
        close_breach(engine, number, because="again", actor="officer", now=stage.now)
    assert engine.controls.breaches == ()


def test_what_a_member_of_staff_looked_at_is_in_the_audit(stage: Stage) -> None:
    """Whom they looked at since then, and nobody whom somebody else did."""
    with stage.store.transaction():
        show_customer(stage.engine, Identifier("user_id", "sofia"), actor="admin:eva", now=NOON)
        show_customer(stage.engine, Identifier("user_id", "jonas"), actor="admin:rui", now=NOON)
    number = declare(stage, kind="staff", name="eva")
    work(stage)
    found = findings(stage, number)
    assert set(found) == {"sofia"}
    with pytest.raises(NotFoundError):
        declare(stage, kind="staff", name="nobody")


def test_what_was_done_is_said_while_no_other_node_searches(ferrowen: Bundle) -> None:
    """Both keep the whole breach: whoever came last would undo what the other kept."""
    shared = Shared()
    stage = Stage(ferrowen, shared.connect(), now=NOON, shadow=False)
    other = Stage(ferrowen, shared.connect(), now=NOON, shadow=False)
    with stage.transaction():
        number = declare_breach(
            stage.engine,
            Compromised(kind="source", name="call_centre", since=NOON, because="found"),
            declared_keys={},
            actor="officer",
            now=NOON,
        )
    told = {"en": "We have changed the key."}
    with together(stage.engine, lambda _: NOON):
        assert stage.store.try_duty("breaches")
        with (
            pytest.raises(ContendedError, match="at work on a breach"),
            together(other.engine, lambda _: NOON),
        ):
            say_what_we_did(other.engine, number, told)
    with other.transaction():
        say_what_we_did(other.engine, number, told)
        assert load_breach(other.store, number)[1].what_we_did == told
