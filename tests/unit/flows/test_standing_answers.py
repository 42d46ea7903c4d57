"""An answer stands until something can change it: what is looked at again, and what is not lost."""

from typing import Any

import pytest

from bench.memory_recorded import MemoryRecorded
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.event import Event, Identifier
from kept.core.message import Refused
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, HOUR, SECOND, parse_instant
from kept.flows import deliver
from kept.flows.ask import ContactQuestion, Question
from kept.flows.brake import pause, resume
from kept.flows.engine import Engine, decode_trace
from kept.flows.ingest import ingest
from kept.flows.stage import Stage
from kept.flows.tick import tick
from kept.runtime.folder import load_checked
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD, compile_larkmead
from tests.scenario.replays import play_again
from tests.unit.flows.test_guarantees import NOON, bill, introduce, tell

VALUED = LARKMEAD | {
    "actions/lamp_offer.yaml": LARKMEAD["actions/lamp_offer.yaml"].replace(
        "value: money '1.00 EUR'", "value: views * money '1.00 EUR'"
    )
}
"""Here every page that is viewed makes the lamp worth more."""

BY_DAY = LARKMEAD | {
    "actions/lamp_offer.yaml": LARKMEAD["actions/lamp_offer.yaml"].replace(
        "when: views >= 1", "when: local_hour() BETWEEN 8 AND 20"
    )
}
"""Here the lamp is for those with whom it is day, which of some nobody knows."""

BILLS_BY_DAY = LARKMEAD | {
    "actions/bill_due.yaml": LARKMEAD["actions/bill_due.yaml"].replace(
        "days_since(about.due_at) >= 1", "local_hour() >= 9"
    ),
}
"""Here a bill is told from nine o'clock on, due or not."""

ON_THE_SHELF = LARKMEAD | {
    "actions/first_order_thanks.yaml": LARKMEAD["actions/first_order_thanks.yaml"].replace(
        "channels: [email]", "channels: [sms]\nexpires: add_days(thanked_for, 2)"
    ),
    "facts.yaml": LARKMEAD["facts.yaml"].replace(
        "features:\n", "features:\n  thanked_for: {first: Order Completed}\n"
    ),
}
"""Here thanks are worth more than a lamp for two days, also where only the desk can say them."""

HUSHED_BY_VIEWS = LARKMEAD | {
    "contact.yaml": LARKMEAD["contact.yaml"].replace(
        "exists(case, status <> 'resolved')", "views >= 2"
    )
}
"""Here whoever looks around a lot is left alone."""

NO_TEXTS = {file: text for file, text in LARKMEAD.items() if "/bill_" not in file} | {
    "contact.yaml": LARKMEAD["contact.yaml"]
    .replace("hushes: {topics: [chairs]}", "hushes: {channels: [sms]}")
    .replace("hushes: {actions: [bill_reminder]}", "hushes: {topics: [chairs]}")
}
del NO_TEXTS["actions/late_fee.yaml"]
"""Here whoever owes something is sent no texts, and bills are asked for nothing else."""

HUSHED_WHILE_BUSY = LARKMEAD | {
    "sources.yaml": LARKMEAD["sources.yaml"].replace(
        "      - Case Opened\n", "      - Case Opened\n      - Lamp Lit\n"
    ),
    "facts.yaml": LARKMEAD["facts.yaml"].replace(
        "features:\n", 'features:\n  lately: {count: "*", window: 1 hour}\n'
    ),
    "contact.yaml": LARKMEAD["contact.yaml"].replace(
        "holds:\n",
        "holds:\n  busy:\n    while: lately >= 4\n"
        "    hushes: {purposes: [marketing]}\n    because: A lot happens just now.\n",
    ),
}
"""Here whoever does much of anything within an hour is left alone, whatever it is."""


@pytest.fixture
def stage() -> Stage:
    """Give an empty stage at noon."""
    return Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)


@pytest.fixture
def valued() -> Stage:
    """Give one on which amounts change with every page."""
    return Stage(compile_brand(load_brand(VALUED)), MemoryStore(), now=NOON, shadow=False)


def hear(stage: Stage, name: str, *, source: str = "shop", **details: Any) -> None:
    """Take an event about Ana (or whoever is named), and let no tick follow."""
    kind = {"Identified": "identify", "Page Viewed": "page"}.get(name, "track")
    who = {} if "anonymous_id" in details else {"user_id": "ana"}
    item = WireItem(type=kind, event=name, **who | details)
    event = stage.engine.bundle.touchpoints[source].read(item, received_at=stage.now)
    assert isinstance(event, Event)
    with stage.store.transaction():
        ingest(stage.engine, [event], [], source=source, now=stage.now)


def decision_count(engine: Engine) -> int:
    """Return how many decisions were kept so far."""
    return engine.store.next_decision_id()


def test_what_turns_between_an_event_and_the_tick_is_not_lost(stage: Stage) -> None:
    """A hold ends in the moment after an event: the tick that follows must not put it off."""
    introduce(stage)
    tell(stage, "Case Opened", properties={"case_id": "7"})
    stage.now += SECOND
    resolved_at = stage.now
    tell(stage, "Case Resolved", properties={"case_id": "7"})
    stage.advance(resolved_at + 2 * DAY - SECOND)
    hear(stage, "Page Viewed")
    assert stage.store.load_messages_in(["queued"], limit=9) == []
    stage.now = resolved_at + 2 * DAY + SECOND
    with stage.store.transaction():
        tick(stage.engine, stage.now)
    queued = stage.store.load_messages_in(["queued"], limit=9)
    assert [message.action for message in queued] == ["lamp_offer"]


def test_a_turn_that_no_wake_knows_yet_is_seen_by_the_tick(stage: Stage) -> None:
    """The event itself set the instant, and it passed before anybody noted a wake for it."""
    introduce(stage)
    begun_at = stage.now
    tell(stage, "Page Viewed")
    stage.advance(begun_at + 10 * DAY)
    hear(stage, "Case Opened")
    stage.now += SECOND
    hear(stage, "Case Resolved")
    hear(stage, "Page Viewed")
    customer = stage.find(Identifier("user_id", "ana"))
    assert customer is not None
    assert customer.wake_at == 0 or customer.wake_at > stage.now
    stage.now += 2 * DAY + SECOND
    with stage.store.transaction():
        tick(stage.engine, stage.now)
    queued = stage.store.load_messages_in(["queued", "leaving"], limit=9)
    assert [message.action for message in queued] == ["lamp_offer"]


def test_what_is_refused_anyway_is_not_decided_again_for_being_worth_more(valued: Stage) -> None:
    """Without a consent nothing is weighed, so that no amount matters; with one it does."""
    traits = {"email": "ana@example.com", "first_name": "Ana", "zone": "Europe/Lisbon"}
    tell(valued, "Identified", traits=traits)
    tell(valued, "Page Viewed")
    tell(valued, "Page Viewed")
    count = decision_count(valued.engine)
    for _ in range(3):
        tell(valued, "Page Viewed")
    assert decision_count(valued.engine) == count
    tell(valued, "Consent Given", properties={"entity": "shop", "purpose": "marketing"})
    customer = valued.find(Identifier("user_id", "ana"))
    assert customer is not None
    (row,) = valued.store.read_decisions([customer.customer_id], newest=1)
    assert decode_trace(row.trace).answer == "lamp_offer"
    scores = {one.action: one.score for one in decode_trace(row.trace).considered}
    # Five pages, less what one more contact costs.
    assert scores["lamp_offer"] == 495
    count = decision_count(valued.engine)
    tell(valued, "Page Viewed")
    assert decision_count(valued.engine) > count


def test_what_no_condition_asks_for_changes_nothing(stage: Stage) -> None:
    """One more page where there are many already: no condition comes out otherwise."""
    introduce(stage)
    tell(stage, "Page Viewed")
    tell(stage, "Page Viewed")
    stage.advance(stage.now + DAY // 24)
    count = decision_count(stage.engine)
    tell(stage, "Page Viewed")
    assert decision_count(stage.engine) == count


def test_what_is_unknown_for_good_is_not_asked_about_again_and_again() -> None:
    """While no source is silent nothing will tell by itself: only the customer can."""
    stage = Stage(compile_brand(load_brand(BY_DAY)), MemoryStore(), now=NOON, shadow=False)
    introduce(stage, zone=None)
    woken = stage.engine.counts["wakes", ""]
    stage.advance(stage.now + 5 * DAY)
    assert stage.engine.counts["wakes", ""] - woken <= 5
    assert stage.handed_over == []
    tell(stage, "Identified", traits={"zone": "Europe/Lisbon"})
    stage.advance(stage.now + DAY)
    assert [one.message.action for one in stage.handed_over] == ["lamp_offer"]


def test_a_bill_that_comes_by_night_is_told_in_the_morning() -> None:
    """G4: nothing else happens to the customer, so that only a wake can say it."""
    three = NOON - 9 * HOUR
    bundle = compile_brand(load_brand(BILLS_BY_DAY))
    stage = Stage(bundle, MemoryStore(), now=three, shadow=False)
    introduce(stage)
    stage.advance(three + HOUR)
    bill(stage)
    stage.advance(NOON)
    assert [one.at for one in stage.handed_over] == [three + 6 * HOUR]


def test_the_next_best_is_said_once_an_offer_was_the_answer_for_long_enough(stage: Stage) -> None:
    """What was said and is not said again outranks the lamp for a day, and nothing happens after it."""
    introduce(stage)
    tell(stage, "Order Completed", properties={"total": 5})
    tell(stage, "Page Viewed")
    stage.advance(stage.now + DAY // 2)
    assert [one.message.action for one in stage.handed_over] == ["first_order_thanks"]
    woken = stage.engine.counts["wakes", ""]
    stage.advance(NOON + 2 * DAY)
    assert [(one.message.action, one.at) for one in stage.handed_over[1:]] == [
        ("lamp_offer", NOON + DAY)
    ]
    assert stage.engine.counts["wakes", ""] - woken <= 2


def test_the_next_best_is_said_once_the_answer_has_expired() -> None:
    """What is not said by message outranks the lamp as long as it is worth showing."""
    stage = Stage(compile_brand(load_brand(ON_THE_SHELF)), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    tell(stage, "Order Completed", properties={"total": 5})
    tell(stage, "Page Viewed")
    stage.advance(NOON + 2 * DAY + HOUR)
    assert [(one.message.action, one.at) for one in stage.handed_over] == [
        ("lamp_offer", NOON + 2 * DAY)
    ]


def ask_at_desk(stage: Stage) -> tuple[list[str], int]:
    """Return what the desk may show to Ana, and until when."""
    answer = stage.ask(Question(placement="desk", identifiers={"user_id": "ana"}), source="shop")
    until = parse_instant(answer.valid_until)
    assert until is not None
    return [one.action for one in answer.shown], until


def test_an_answer_ends_when_a_window_slides(stage: Stage) -> None:
    """G5: what a page that was viewed three days ago led to is not shown on the fourth."""
    tell(stage, "Identified", traits={"zone": "Europe/Lisbon"})
    tell(stage, "Consent Given", properties={"entity": "shop", "purpose": "marketing"})
    tell(stage, "Page Viewed")
    stage.advance(NOON + 3 * DAY - HOUR)
    shown, until = ask_at_desk(stage)
    assert shown == ["lamp_offer"]
    assert NOON + 3 * DAY <= until <= NOON + 3 * DAY + HOUR
    stage.advance(until - 1)
    assert ask_at_desk(stage)[0] == ["lamp_offer"]
    stage.advance(until)
    assert ask_at_desk(stage)[0] == []


def test_silence_ends_when_a_window_of_what_is_claimed_slides() -> None:
    """G5: pages that somebody viewed who may be Ana hush, and no longer than those of her own would."""
    bundle = compile_brand(load_brand(HUSHED_BY_VIEWS))
    stage = Stage(bundle, MemoryStore(), now=NOON, shadow=False)
    tell(stage, "Identified", traits={"zone": "Europe/Lisbon"})
    tell(stage, "Consent Given", properties={"entity": "shop", "purpose": "marketing"})
    for _ in range(2):
        tell(stage, "Page Viewed", source="web", user_id="ana", anonymous_id="c1")
    stage.advance(NOON + 2 * DAY + HOUR)
    tell(stage, "Page Viewed")
    stage.advance(NOON + 3 * DAY - HOUR)
    shown, until = ask_at_desk(stage)
    assert shown == []
    assert NOON + 3 * DAY <= until <= NOON + 3 * DAY + HOUR
    stage.advance(until)
    assert ask_at_desk(stage)[0] == ["lamp_offer"]


def test_an_answer_expires_also_for_whom_somebody_claims_to_be() -> None:
    """Pages that somebody viewed who may be Ana put off nothing that has an end."""
    stage = Stage(compile_brand(load_brand(ON_THE_SHELF)), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    tell(stage, "Order Completed", properties={"total": 5})
    tell(stage, "Page Viewed", source="web", anonymous_id="c1")
    tell(stage, "Identified", source="web", user_id="ana", anonymous_id="c1")
    tell(stage, "Page Viewed")
    stage.advance(NOON + 2 * DAY + HOUR)
    assert [(one.message.action, one.at) for one in stage.handed_over] == [
        ("lamp_offer", NOON + 2 * DAY)
    ]


def test_silence_by_a_claim_that_ends_between_an_event_and_the_tick_is_not_kept() -> None:
    """Nothing else happens to her, so that only the tick can see that the hold is gone."""
    bundle = compile_brand(load_brand(HUSHED_BY_VIEWS))
    stage = Stage(bundle, MemoryStore(), now=NOON - HOUR, shadow=False)
    traits = {"email": "ana@example.com", "zone": "Europe/Lisbon"}
    tell(stage, "Identified", traits=traits)
    tell(stage, "Identified", source="web", user_id="ana", anonymous_id="c1")
    stage.advance(NOON - SECOND)
    for number in (1, 2):
        viewed = NOON - 3 * DAY + number * SECOND
        hear(stage, "Page Viewed", source="web", anonymous_id="c1", timestamp=viewed / SECOND)
    hear(stage, "Page Viewed")
    hear(stage, "Consent Given", properties={"entity": "shop", "purpose": "marketing"})
    assert stage.store.load_messages_in(["queued"], limit=9) == []
    stage.now = NOON + SECOND
    with stage.store.transaction():
        tick(stage.engine, stage.now)
    stage.advance(NOON + HOUR)
    assert [one.message.action for one in stage.handed_over] == ["lamp_offer"]


def test_a_channel_that_is_free_earlier_than_the_one_that_is_told_wakes(stage: Stage) -> None:
    """The mail was refused for good, which is the reason that is told; the next text may go tomorrow."""
    introduce(stage)
    tell(stage, "Identified", traits={"phone": "+351 900 000 000"})
    text = ContactQuestion(
        identifiers={"user_id": "ana"},
        entity="shop",
        purpose="service",
        channel="sms",
        reported=True,
    )
    assert stage.ask_contact(text, source="shop").allowed
    stage.advance(NOON + HOUR)
    hear(stage, "Page Viewed")
    with stage.store.transaction():
        ((message, _),) = deliver.take_due(stage.engine, rooms={"email": 9}, now=stage.now)
        refused = Refused(detail="no such box", closes_address=False)
        deliver.settle(stage.engine, message.message_id, refused, stage.now)
    # With this an answer is in force, and it stands no longer than the text is not free.
    tell(stage, "Identified", traits={"first_name": "Anna"})
    stage.advance(NOON + 2 * DAY)
    assert [(one.message.channel, one.at) for one in stage.handed_over] == [("sms", NOON + DAY)]
    assert stage.engine.counts["wakes", ""] <= 3


def refuse_mail(stage: Stage) -> None:
    """Let Ana look at a page, and let the mail about a lamp be refused for good."""
    hear(stage, "Page Viewed")
    with stage.store.transaction():
        ((message, _),) = deliver.take_due(stage.engine, rooms={"email": 9}, now=stage.now)
        refused = Refused(detail="no such box", closes_address=False)
        deliver.settle(stage.engine, message.message_id, refused, stage.now)
    stage.work()


@pytest.mark.parametrize("phone", ["+351 900 000 000", None])
def test_a_brake_that_the_refusal_of_another_channel_hides_is_waited_for(
    stage: Stage, phone: str | None
) -> None:
    """G4: the mail was refused, which is the reason that is told, and the text waits for a brake.

    Whoever has no phone waits for nothing, and is not looked at every few minutes.
    """
    introduce(stage)
    tell(stage, "Identified", traits={"phone": phone})
    with stage.store.transaction():
        pause(stage.engine, "channel:sms", actor="test", because="", now=stage.now)
    refuse_mail(stage)
    woken = stage.engine.counts["wakes", ""]
    stage.advance(NOON + HOUR)
    assert stage.handed_over == []
    assert (stage.engine.counts["wakes", ""] > woken) is (phone is not None)
    with stage.store.transaction():
        resume(stage.engine, "channel:sms", actor="test", now=stage.now)
    stage.advance(NOON + 2 * HOUR)
    assert [one.message.channel for one in stage.handed_over] == (["sms"] if phone else [])


def test_a_source_that_the_refusal_of_another_channel_hides_is_waited_for() -> None:
    """G4: whether texts are hushed is unknown while billing is silent, and known once it is back."""
    bundle = compile_brand(load_brand(NO_TEXTS))
    stage = Stage(bundle, MemoryStore(), now=NOON, shadow=False, watched=["billing"])
    introduce(stage)
    tell(stage, "Identified", traits={"phone": "+351 900 000 000"})
    stage.advance(NOON + 3 * DAY + HOUR)
    assert stage.take_alerts() == ["source_silent"]
    refuse_mail(stage)
    stage.advance(stage.now + HOUR)
    assert stage.handed_over == []
    tell(stage, "Heartbeat", source="billing", user_id="bo")
    stage.advance(stage.now + HOUR)
    assert [one.message.channel for one in stage.handed_over] == ["sms"]


def test_a_fact_of_every_event_changes_with_an_event_that_no_other_fact_names() -> None:
    """What waits for the morning is taken back by the event that makes too much of it, and at once."""
    bundle = compile_brand(load_checked(HUSHED_WHILE_BUSY))
    store = MemoryStore()
    stage = Stage(bundle, store, now=NOON, shadow=False)
    introduce(stage)
    stage.now += 11 * HOUR
    tell(stage, "Page Viewed")
    tell(stage, "Lamp Lit")
    tell(stage, "Lamp Lit")
    assert [m.action for m in store.load_messages_in(["queued"], limit=9)] == ["lamp_offer"]
    hear(stage, "Lamp Lit")
    assert store.load_messages_in(["queued"], limit=9) == []
    stage.advance(stage.now + DAY)
    assert [one.message.action for one in stage.handed_over] == ["lamp_offer"]
    again = play_again(MemoryRecorded(store), bundle)
    assert again.differences == []
    assert again.counts["decisions"] == store.next_decision_id() - 1
