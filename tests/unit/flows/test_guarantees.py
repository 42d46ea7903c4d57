"""The guarantees, each attacked once by name, on the real flows and the smallest brand that can break them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.consent import purpose_key
from kept.core.event import Identifier
from kept.core.explain import replays_alike
from kept.core.message import Accepted, Unclear
from kept.core.touchpoint_item import WireItem
from kept.core.unsubscribe import Unsubscribe
from kept.core.values import DAY, HOUR, MINUTE, SECOND, format_instant
from kept.errors import InvalidBrandError
from kept.flows import deliver
from kept.flows.ask import Question
from kept.flows.engine import Engine, decode_trace
from kept.flows.learn import unsubscribe
from kept.flows.recover import recover
from kept.flows.stage import Stage
from kept.runtime.folder import load_checked
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD, compile_larkmead
from tests.unit.core.brand.sample import sample_with

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""


@pytest.fixture
def stage() -> Stage:
    """Give an empty stage at noon."""
    return Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)


def tell(stage: Stage, event: str, *, source: str = "shop", **details: Any) -> Any:
    """Let a touchpoint say one thing about Ana (or whoever is named), now or at another time."""
    at = details.pop("at", stage.now)
    who = {"user_id": "ana"} if not {"user_id", "anonymous_id"} & details.keys() else {}
    kind = {"Identified": "identify", "Page Viewed": "page"}.get(event, "track")
    item = WireItem(
        type=kind, event=event if kind == "track" else None, timestamp=at / SECOND, **who | details
    )
    return stage.signal(item, source=source, body={})


def introduce(stage: Stage, user_id: str = "ana", *, zone: str | None = "Europe/Lisbon") -> None:
    """Make a customer known, with an address, a zone and an opt-in to the shop's marketing."""
    traits = {"email": f"{user_id}@example.com", "first_name": user_id.title(), "zone": zone}
    tell(stage, "Identified", user_id=user_id, traits=traits)
    tell(
        stage, "Consent Given", user_id=user_id,
        properties={"entity": "shop", "purpose": "marketing"},
    )  # fmt: skip


def sent(stage: Stage, user_id: str = "ana") -> list[str]:
    """Return the actions that reached a customer's address."""
    to = f"{user_id}@example.com"
    return [one.message.action for one in stage.handed_over if one.outgoing.to == to]


def test_what_an_opt_out_forbids_does_not_leave_after_it(stage: Stage) -> None:
    """G1: a message that waits for the morning is withdrawn by the answer to the opt-out."""
    introduce(stage)
    stage.now += 11 * HOUR
    tell(stage, "Page Viewed")
    assert [m.action for m in stage.store.load_messages_in(["queued"], limit=9)] == ["lamp_offer"]
    answer = tell(stage, "Unsubscribed", properties={"entity": "shop", "purpose": "marketing"})
    assert len(answer.withdrawn) == 1
    assert answer.in_flight == ()
    stage.advance(stage.now + 10 * DAY)
    assert sent(stage) == []


def test_an_opt_out_lists_what_had_begun_to_leave(stage: Stage) -> None:
    """G1: a hand-over that had begun stands in the answer, for nobody can call it back."""
    introduce(stage)
    stage.providers["email"] = "garbage"
    tell(stage, "Page Viewed")
    answer = tell(stage, "Unsubscribed", properties={"entity": "shop", "purpose": "marketing"})
    assert [one.action for one in answer.in_flight] == ["lamp_offer"]


def test_nothing_leaves_without_a_basis(stage: Stage) -> None:
    """G2: unknown means no, and a mere claim of an opt-in is none."""
    tell(stage, "Identified", traits={"email": "ana@example.com", "zone": "Europe/Lisbon"})
    consent = {"consent": {"categoryPreferences": {"Advertising": True}}}
    tell(
        stage, "Segment Consent Preference Updated", source="web",
        user_id="ana", anonymous_id="c1", context=consent,
    )  # fmt: skip
    tell(stage, "Page Viewed")
    stage.advance(stage.now + 10 * DAY)
    assert sent(stage) == []


def test_a_cap_holds_although_a_browser_came_first(stage: Stage) -> None:
    """G3: what reached a customer counts, even where the first that was known of them is a claim."""
    tell(stage, "Page Viewed", source="web", user_id="ana", anonymous_id="c1")
    introduce(stage)
    for _ in range(20):
        tell(stage, "Page Viewed")
        tell(stage, "Order Completed", properties={"total": 10})
        stage.advance(stage.now + DAY // 2)
    ats = [one.at for one in stage.handed_over]
    assert len(ats) >= 2
    assert all(sum(end - 7 * DAY < at <= end for at in ats) <= 2 for end in ats)
    assert sent(stage).count("first_order_thanks") == 1


def test_a_promotion_whose_outcome_is_unclear_is_never_sent_again(stage: Stage) -> None:
    """G4: it stays listed, is settled as unknown in the end, and no process tries it a second time."""
    introduce(stage)
    stage.providers["email"] = "garbage"
    tell(stage, "Page Viewed")
    (message,) = stage.store.load_messages_in(["leaving"], limit=9)
    engine = reopened(stage)
    with stage.store.transaction():
        assert deliver.take_due(engine, rooms={"email": 9}, now=stage.now + HOUR) == []
        deliver.settle_unclear(engine, stage.now + 2 * DAY)
    settled = stage.store.load_message(message.message_id)
    assert settled is not None
    assert (settled.state, settled.attempt_count) == ("unknown", 1)


def bill(stage: Stage, bill_id: str = "b1", *, days: int = 2) -> None:
    """Issue a bill that fell due some days ago."""
    due = format_instant(stage.now - days * DAY)
    told = {"bill_id": bill_id, "amount": 40, "due_at": due}
    tell(stage, "Bill Issued", source="billing", properties=told)


def reopened(stage: Stage) -> Engine:
    """Return another engine on the same store, as after a crash."""
    engine = Engine(
        stage.store, compile_larkmead(), secret=stage.engine.secret, public_url="https://k.example"
    )
    with stage.store.transaction():
        recover(engine, stage.now)
    return engine


def test_a_service_message_is_retried_under_one_key_until_it_is_taken(stage: Stage) -> None:
    """G4: it survives garbage and a crash, and ends in one recorded state."""
    introduce(stage)
    stage.providers["email"] = "garbage"
    bill(stage)
    engine = reopened(stage)
    with stage.store.transaction():
        ((message, outgoing),) = deliver.take_due(engine, rooms={"email": 9}, now=stage.now + HOUR)
        deliver.settle(engine, message.message_id, Accepted(), stage.now + HOUR)
    assert outgoing.idempotency_key == message.message_id
    kept = stage.store.load_message(message.message_id)
    assert kept is not None
    assert kept.state == "delivered"
    assert kept.attempt_count >= 2


def test_a_withdrawn_retry_gives_its_slot_back(stage: Stage) -> None:
    """G3: an attempt that ended unclear and is not retried any more is settled, and not in flight for ever."""
    introduce(stage)
    bill(stage)
    customer = stage.find(Identifier("user_id", "ana"))
    assert customer is not None
    assert sent(stage) == ["bill_due"]
    bill(stage, "b2")
    stage.providers["email"] = "garbage"
    bill(stage, "b3")
    tell(stage, "Bill Paid", source="billing", properties={"bill_id": "b3"})
    customer = stage.find(Identifier("user_id", "ana"))
    assert customer is not None
    contacts = customer.total(stage.engine.plan).contacts.values()
    (unclear,) = [one for one in contacts if one.about == "bill/b3"]
    assert (unclear.outcome, unclear.settled_at) == ("unknown", stage.now)


def test_an_unclear_attempt_that_runs_out_of_time_may_have_arrived(stage: Stage) -> None:
    """G3: it occupies its slot like any other contact, for nobody knows that it failed."""
    introduce(stage)
    stage.providers["email"] = "garbage"
    bill(stage, days=19)
    stage.advance(stage.now + 30 * DAY)
    customer = stage.find(Identifier("user_id", "ana"))
    assert customer is not None
    outcomes = {one.outcome for one in customer.total(stage.engine.plan).contacts.values()}
    assert outcomes == {"unknown"}
    assert stage.store.load_messages_in(["queued", "leased", "leaving"], limit=9) == []


def test_every_placement_has_the_same_answer(stage: Stage) -> None:
    """G5: site and desk, asked at once, recommend the same."""
    introduce(stage)
    tell(stage, "Page Viewed")
    tell(stage, "Page Viewed")
    tell(stage, "Order Completed", properties={"total": 5})
    for _ in range(6):
        told = {
            shown.action
            for place in ("web", "desk")
            for shown in stage.ask(
                Question(placement=place, identifiers={"user_id": "ana"}), source="shop"
            ).shown
            if shown.recommended
        }
        assert len(told) <= 1
        stage.advance(stage.now + 7 * HOUR)


def shown_at(stage: Stage, placement: str) -> list[str]:
    """Return what a placement may show Ana."""
    question = Question(placement=placement, identifiers={"user_id": "ana"})
    return [one.action for one in stage.ask(question, source="shop").shown]


WEB_IS_A_CHANNEL = LARKMEAD | {
    "brand.yaml": LARKMEAD["brand.yaml"].replace(
        "web: {kind: inbound,", "web: {kind: inbound, channel: sms,"
    ),
    "contact.yaml": LARKMEAD["contact.yaml"].replace(
        "holds:\n",
        "holds:\n  shopping:\n    while: orders >= 2\n"
        "    hushes: {channels: [sms]}\n    because: They are buying.\n"
        "  overdue:\n    about: bill\n    while: NOT about.paid\n"
        "    hushes: {channels: [sms, email], kinds: [service]}\n    because: It is known.\n",
    ),
    "actions/bill_due.yaml": LARKMEAD["actions/bill_due.yaml"].replace(
        "channels: [email, sms]",
        "channels: [email, sms]\nplacements: [web, desk]\nheadline: {en: A bill}",
    ),
}
"""Here the site is reached by a channel, as a text is, and the desk by none."""


@pytest.fixture
def on_site() -> Stage:
    """Give a stage on which Ana may be shown a lamp and a bill, on the site and at the desk."""
    bundle = compile_brand(load_checked(WEB_IS_A_CHANNEL))
    stage = Stage(bundle, MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    tell(stage, "Page Viewed")
    return stage


def test_a_channel_that_is_paused_is_silent_at_its_placements_too(on_site: Stage) -> None:
    """A placement that has the channel shows nothing until it is resumed; one that has none goes on."""
    assert shown_at(on_site, "web") == shown_at(on_site, "desk") == ["lamp_offer"]
    on_site.pause("channel:sms")
    assert shown_at(on_site, "web") == []
    assert shown_at(on_site, "desk") == ["lamp_offer"]
    on_site.resume("channel:sms")
    assert shown_at(on_site, "web") == ["lamp_offer"]


def test_a_hold_on_a_channel_hushes_its_placements_too(on_site: Stage) -> None:
    """For everything, or for what is about the object that it is about."""
    bill(on_site)
    assert shown_at(on_site, "web") == ["lamp_offer"]
    assert shown_at(on_site, "desk") == ["bill_due", "lamp_offer"]
    for _ in range(2):
        tell(on_site, "Order Completed", properties={"total": 5})
    assert shown_at(on_site, "web") == []
    assert "first_order_thanks" in shown_at(on_site, "desk")


def test_what_is_known_is_not_asked_for(stage: Stage) -> None:
    """G6: known by name, she is asked for her birthday only, and nobody unproven is told her name."""
    introduce(stage)
    question = Question(placement="web", identifiers={"user_id": "ana"})
    answer = stage.ask(question, source="shop")
    assert (answer.asks, answer.prefill) == (("birthday",), {"first_name": "Ana"})
    guess = stage.ask(msgspec.structs.replace(question, proven=False), source="shop")
    assert (guess.asks, guess.prefill) == (("birthday",), {})


def test_every_decision_of_a_run_replays_alike(stage: Stage) -> None:
    """G7: silence included, each trace comes out the same when it is decided again."""
    introduce(stage)
    bill(stage)
    tell(stage, "Page Viewed")
    tell(stage, "Case Opened", properties={"case_id": "k1"})
    stage.advance(stage.now + 9 * DAY)
    number = 0
    while (row := stage.store.read_decision(number := number + 1)) is not None:
        assert replays_alike(decode_trace(row.trace), stage.engine.bundle.policy)
    assert number > 10


def test_what_was_acknowledged_is_there_after_a_crash(stage: Stage) -> None:
    """G9: an engine begun anew on the same store has the same facts."""
    introduce(stage)
    bill(stage)
    before = stage.find(Identifier("user_id", "ana"))
    engine = reopened(stage)
    assert before is not None
    after = engine.customers.get(before.customer_id)
    assert after.total(engine.plan) == before.total(engine.plan)


def test_what_rests_on_a_silent_source_waits(stage: Stage) -> None:
    """G12: while billing is silent no bill is mentioned, the operator hears of it, and later it is said."""
    watched = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False, watched=["billing"])
    introduce(watched)
    due = format_instant(watched.now + 3 * DAY)
    told = {"bill_id": "b1", "amount": 40, "due_at": due}
    tell(watched, "Bill Issued", source="billing", properties=told)
    watched.advance(watched.now + 6 * DAY)
    assert sent(watched) == []
    assert [alert["code"] for alert in watched.engine.alerts] == ["source_silent"]
    tell(watched, "Heartbeat", source="billing", user_id="billing")
    watched.advance(watched.now + HOUR)
    assert sent(watched) == ["bill_due"]


@pytest.mark.parametrize("written", ["Bill *", "*"])
def test_what_rests_on_a_silent_source_waits_however_its_events_are_written(written: str) -> None:
    """G12: a pattern stands for all that the source may send, also for what counts every event."""
    texts = {
        "sources.yaml": LARKMEAD["sources.yaml"].replace(
            "events: [Heartbeat, Bill Issued, Bill Paid]", f'events: [Heartbeat, "{written}"]'
        ),
        "facts.yaml": LARKMEAD["facts.yaml"].replace(
            "features:\n", 'features:\n  noticed: {count: "*"}\n  left: {count: Message Leaving}\n'
        ),
    }
    bundle = compile_brand(load_brand(LARKMEAD | texts))
    watched = Stage(bundle, MemoryStore(), now=NOON, shadow=False, watched=["billing"])
    introduce(watched)
    bill(watched, days=-3)
    watched.advance(watched.now + 6 * DAY)
    assert sent(watched) == []
    names = bundle.policy.fact_names
    stale = {names[index] for index in bundle.stale_facts(["billing", "gone"])}
    assert {"noticed", "bill"} <= stale
    assert "left" not in stale
    assert ("views" in stale) is (written == "*")
    assert bundle.stale_facts([]) == ()


@pytest.mark.parametrize("zone", [None, "Mars/Olympus", "", "x" * 900])
def test_without_a_known_zone_nothing_is_said(stage: Stage, zone: str | None) -> None:
    """G12: where nobody knows what time it is for the customer, it is not the time."""
    introduce(stage, zone=zone)
    bill(stage)
    tell(stage, "Page Viewed")
    stage.advance(stage.now + 3 * DAY)
    assert sent(stage) == []
    stage.ask(Question(placement="desk", identifiers={"user_id": "ana"}), source="shop")


def test_nothing_leaves_by_night(stage: Stage) -> None:
    """G3: a message decided late in the evening leaves at half past seven on the customer's clock."""
    introduce(stage)
    stage.now += 12 * HOUR
    tell(stage, "Page Viewed")
    stage.advance(stage.now + DAY)
    (one,) = stage.handed_over
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=one.at)
    assert f"{local:%H:%M}" == "07:30"


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("Europe/Berlin", 18.5),
        ("Europe/Lisbon", 19.5),
        ("Atlantic/Azores", 20.5),
        ("America/Lima", 11),
    ],
)
def test_whoever_moves_hears_on_the_new_clock(stage: Stage, zone: str, hours: float) -> None:
    """G3: what waits for the morning waits for the new one, sooner or later; where it is day, not at all."""
    introduce(stage)
    stage.now += 11 * HOUR
    tell(stage, "Page Viewed")
    (waiting,) = stage.store.load_messages_in(["queued"], limit=9)
    assert waiting.due_at == NOON + 39 * HOUR // 2
    tell(stage, "Identified", traits={"zone": zone})
    stage.advance(stage.now + DAY)
    (handed,) = [one for one in stage.handed_over if one.message.action == "lamp_offer"]
    assert handed.at == NOON + int(hours * HOUR)


def test_a_retry_is_never_hurried(stage: Stage) -> None:
    """G4: how long a provider that failed is left alone is not shortened by what customers do."""
    introduce(stage)
    stage.providers["email"] = "garbage"
    bill(stage)
    (waiting,) = stage.store.load_messages_in(["queued"], limit=9)
    assert waiting.failed_count == 1
    assert waiting.due_at > stage.now
    tell(stage, "Identified", traits={"zone": "Europe/Berlin"})
    tell(stage, "Order Completed", properties={"total": 10})
    later = stage.store.load_message(waiting.message_id)
    assert later == waiting


def test_an_unclear_result_is_told_once_however_often_it_is_reported(stage: Stage) -> None:
    """G4: a late second report of one call changes nothing."""
    introduce(stage)
    tell(stage, "Page Viewed")
    (one,) = stage.handed_over
    before = stage.store.last_sequence()
    with stage.store.transaction():
        deliver.settle(stage.engine, one.message.message_id, Unclear(detail="late"), stage.now)
    assert stage.store.last_sequence() == before


def test_an_attempt_that_was_given_up_too_early_and_was_taken_is_not_repeated(stage: Stage) -> None:
    """G4: what its provider took ends delivered, also if it was queued again meanwhile."""
    introduce(stage)
    stage.providers["email"] = "garbage"
    bill(stage)
    (queued,) = stage.store.load_messages_in(["queued"], limit=9)
    assert queued.may_have_arrived
    with stage.store.transaction():
        for attempt in (queued.attempt_count + 1, queued.attempt_count):
            deliver.settle(stage.engine, queued.message_id, Accepted(), stage.now, attempt=attempt)
            state = stage.store.load_message(queued.message_id).state  # type: ignore[union-attr]
            assert state == ("delivered" if attempt == queued.attempt_count else "queued")
    stage.providers["email"] = "up"
    before = len(stage.handed_over)
    stage.advance(stage.now + DAY)
    assert len(stage.handed_over) == before


def test_an_offer_that_cannot_be_compared_is_refused() -> None:
    """G8: a loan that does not say its rate stops the whole folder before anything can be decided."""
    dishonest = sample_with("actions/small_loan.yaml", "  rate_percent: 23\n", "")
    with pytest.raises(InvalidBrandError, match="rate_percent"):
        load_checked(dishonest)


def test_more_evidence_of_what_is_known_does_not_undo_an_opt_in(stage: Stage) -> None:
    """G10: an opt-in given as one customer stays, when two of the parts are later seen together as well."""
    by_email = {"externalIds": [{"id": "a@example.com", "type": "email"}]}
    stop = {"entity": "shop", "purpose": "marketing"}
    tell(stage, "Unsubscribed", anonymous_id="c1", properties=stop)
    tell(stage, "Page Viewed", user_id="ana", context=by_email)
    tell(stage, "Page Viewed", user_id="ana", anonymous_id="c1")
    stage.advance(stage.now + HOUR)
    tell(stage, "Consent Given", user_id="ana", properties=stop)
    for _ in range(2):
        ana = stage.find(Identifier("user_id", "ana"))
        assert ana is not None
        assert ana.total(stage.engine.plan).consents["p|shop|marketing|"].value is True
        stage.advance(stage.now + DAY)
        tell(stage, "Page Viewed", anonymous_id="c1", context=by_email)
        engine = reopened(stage)
        customer = engine.customers.get(ana.customer_id)
        assert customer.total(engine.plan).consents["p|shop|marketing|"].value is True


def test_a_click_takes_back_an_opt_in_that_a_fast_clock_dated_ahead(stage: Stage) -> None:
    """G1: "unsubscribed" is answered only if it is so, whatever the till's clock said."""
    introduce(stage)
    given = {"entity": "shop", "purpose": "marketing", "channel": "email"}
    tell(stage, "Consent Given", properties=given, at=stage.now + 4 * MINUTE)
    customer = stage.find(Identifier("user_id", "ana"))
    assert customer is not None
    scope = purpose_key("shop", "marketing", "email")
    assert customer.total(stage.engine.plan).consents[scope].value is True
    told = Unsubscribe(part_id=customer.own_part, message_id="m1", **given)
    with stage.store.transaction():
        assert unsubscribe(stage.engine, told, stage.now + MINUTE)
    assert customer.total(stage.engine.plan).consents[scope].value is False
