"""What `tests/attack` once found, each small and by itself, on the real flows and the brand of the scenarios."""

from typing import Any

import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.consent import combine_consents, purpose_key
from kept.core.event import Identifier
from kept.core.state import Stamped
from kept.core.touchpoint_item import Rejected, WireItem
from kept.core.values import DAY, HOUR, SECOND, format_instant
from kept.flows import brake, deliver
from kept.flows.ingest import ingest
from kept.flows.regroup import merge, unmerge
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD, compile_larkmead

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""
MARKETING = {"entity": "shop", "purpose": "marketing"}
WIDE, NARROW = purpose_key("shop", "marketing"), purpose_key("shop", "marketing", "email")
EVERYBODYS = purpose_key("*", "marketing")


@pytest.fixture
def stage() -> Stage:
    """Give an empty stage at noon."""
    return Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)


def tell(stage: Stage, event: str, user_id: str = "ana", **details: Any) -> Any:
    """Let the shop, or another source, say one thing about somebody, just now."""
    source = details.pop("source", "shop")
    kind = {"Identified": "identify", "Page Viewed": "page"}.get(event, "track")
    item = WireItem(
        type=kind,
        event=event if kind == "track" else None,
        user_id=user_id,
        timestamp=stage.now / SECOND,
        **details,
    )
    return stage.signal(item, source=source, body={})


def introduce(stage: Stage, user_id: str) -> None:
    """Make somebody known, with an address and a zone."""
    traits = {"email": f"{user_id}@example.com", "first_name": user_id, "zone": "Europe/Lisbon"}
    tell(stage, "Identified", user_id, traits=traits)


def test_a_stop_that_is_sent_again_lists_what_is_on_its_way(stage: Stage) -> None:
    """G1: the first answer may have been lost with the process that gave it."""
    introduce(stage, "ana")
    tell(stage, "Consent Given", properties=MARKETING)
    stage.providers["email"] = "garbage"
    tell(stage, "Page Viewed")
    first, second = (
        tell(stage, "Unsubscribed", properties=MARKETING, message_id="stop-1") for _ in range(2)
    )
    assert second.duplicates == 1
    assert [one.action for one in first.in_flight] == ["lamp_offer"]
    assert second.in_flight == first.in_flight


def test_what_reached_somebody_counts_for_them_after_an_unmerge(stage: Stage) -> None:
    """G3, G4: a bill is not told again to an address that was told while two people were taken for one."""
    for user_id in ("ana", "bo"):
        introduce(stage, user_id)
    pair = Identifier("user_id", "ana"), Identifier("user_id", "bo")
    with stage.store.transaction():
        merge(stage.engine, *pair, actor="test", now=stage.now)
    due_at = format_instant(stage.now - 2 * DAY)
    bill = {"bill_id": "b1", "amount": 40, "due_at": due_at}
    tell(stage, "Bill Issued", "bo", source="billing", properties=bill)
    stage.advance(stage.now + HOUR)
    told = [(one.message.action, one.outgoing.to) for one in stage.handed_over]
    assert told == [("bill_due", "bo@example.com")]
    with stage.store.transaction():
        unmerge(stage.engine, *pair, actor="test", now=stage.now)
    stage.advance(stage.now + HOUR)
    assert len(stage.handed_over) == 1


def test_what_was_queued_before_a_merge_counts_for_whom_it_reached(stage: Stage) -> None:
    """G3: it is queued for the one, and leaves to the address of the other once they are one."""
    introduce(stage, "ana")
    stage.now += HOUR
    introduce(stage, "bo")
    stage.providers["email"] = "down"
    bill = {"bill_id": "b1", "amount": 40, "due_at": format_instant(stage.now - 2 * DAY)}
    tell(stage, "Bill Issued", "ana", source="billing", properties=bill)
    pair = Identifier("user_id", "ana"), Identifier("user_id", "bo")
    with stage.store.transaction():
        merge(stage.engine, *pair, actor="test", now=stage.now)
    stage.providers["email"] = "up"
    stage.advance(stage.now + HOUR)
    ((message, to),) = [(one.message, one.outgoing.to) for one in stage.handed_over]
    assert to == "bo@example.com"
    (part,) = stage.store.find_parts([(Identifier("user_id", "bo"), False)])
    assert part is not None
    assert message.part_id == part.part_id


@pytest.mark.parametrize("provider", ["up", "down"])
def test_what_a_brake_took_back_is_told_once_it_is_lifted(stage: Stage, provider: str) -> None:
    """G4: a bill that waited for the morning, or for its provider, is told although nothing happens any more."""
    introduce(stage, "ana")
    stage.now += 11 * HOUR if provider == "up" else 0
    stage.providers["email"] = provider
    bill = {"bill_id": "b1", "amount": 40, "due_at": format_instant(stage.now - 2 * DAY)}
    tell(stage, "Bill Issued", source="billing", properties=bill)
    with stage.store.transaction():
        brake.pause(stage.engine, "all", actor="test", because="", now=stage.now)
    stage.advance(stage.now + (10 * HOUR if provider == "up" else HOUR))
    (withdrawn,) = stage.store.load_messages_in(["withdrawn"], limit=9)
    assert withdrawn.reason == {"code": "braked", "brake": "all"}
    stage.providers["email"] = "up"
    with stage.store.transaction():
        brake.resume(stage.engine, "all", actor="test", now=stage.now)
    stage.advance(stage.now + HOUR)
    assert [one.message.action for one in stage.handed_over] == ["bill_due"]


def test_what_a_cap_took_back_has_its_wake_at_once(stage: Stage) -> None:
    """G4: an outcome that comes before the next tick makes the answer void, and would let the rest be forgotten."""
    introduce(stage, "ana")
    stage.now += 11 * HOUR
    due_at = format_instant(stage.now - 2 * DAY)
    for number in range(4):
        bill = {"bill_id": f"b{number}", "amount": 40, "due_at": due_at}
        tell(stage, "Bill Issued", source="billing", properties=bill)
    morning = stage.now + 10 * HOUR
    with stage.store.transaction():
        begun = deliver.take_due(stage.engine, rooms={"email": 9}, now=morning)
    assert len(begun) == 3
    (taken_back,) = stage.store.load_messages_in(["withdrawn"], limit=9)
    assert taken_back.reason["code"] == "cap_reached"
    ((_, wake_at),) = stage.store.load_due_wakes(now=2**62, limit=9)
    assert wake_at <= taken_back.reason["until"]


def test_what_a_brake_took_back_has_its_wake_at_once(stage: Stage) -> None:
    """G4: a kill before the next tick would let what is withdrawn be forgotten, for nothing happens any more."""
    introduce(stage, "ana")
    stage.now += 11 * HOUR
    bill = {"bill_id": "b1", "amount": 40, "due_at": format_instant(stage.now - 2 * DAY)}
    tell(stage, "Bill Issued", source="billing", properties=bill)
    morning = stage.now + 10 * HOUR
    with stage.store.transaction():
        brake.pause(stage.engine, "all", actor="test", because="", now=morning)
        assert deliver.take_due(stage.engine, rooms={"email": 9}, now=morning) == []
    (taken_back,) = stage.store.load_messages_in(["withdrawn"], limit=9)
    assert taken_back.reason == {"code": "braked", "brake": "all"}
    ((_, wake_at),) = stage.store.load_due_wakes(now=2**62, limit=9)
    assert wake_at <= morning + stage.engine.bundle.resume_over


def test_what_was_heard_under_a_brake_that_ended_at_once_is_told(stage: Stage) -> None:
    """G4: the brake comes and goes between two ticks, and a bill is heard in between."""
    introduce(stage, "ana")
    bill = {"bill_id": "b1", "amount": 40, "due_at": format_instant(stage.now - 2 * DAY)}
    item = WireItem(type="track", event="Bill Issued", user_id="ana", properties=bill)
    event = stage.engine.bundle.touchpoints["billing"].read(item, received_at=stage.now)
    assert not isinstance(event, Rejected)
    with stage.store.transaction():
        brake.pause(stage.engine, "all", actor="test", because="", now=stage.now)
        ingest(stage.engine, [event], [], source="billing", now=stage.now)
        brake.resume(stage.engine, "all", actor="test", now=stage.now)
    stage.work()
    stage.advance(stage.now + HOUR)
    assert [one.message.action for one in stage.handed_over] == ["bill_due"]


def test_what_a_brake_held_for_many_leaves_one_by_one(stage: Stage) -> None:
    """G4: each of twenty is told at a moment of their own, and all within the time that the brand gives itself."""
    users = [f"user{number}" for number in range(20)]
    with stage.store.transaction():
        brake.pause(stage.engine, "all", actor="test", because="", now=stage.now)
    for user in users:
        introduce(stage, user)
        bill = {"bill_id": user, "amount": 40, "due_at": format_instant(stage.now - 2 * DAY)}
        tell(stage, "Bill Issued", source="billing", user_id=user, properties=bill)
    stage.advance(stage.now + HOUR)
    assert stage.handed_over == []
    resumed_at, over = stage.now, stage.engine.bundle.resume_over
    with stage.store.transaction():
        brake.resume(stage.engine, "all", actor="test", now=resumed_at)
    stage.advance(resumed_at + over)
    assert {one.outgoing.to for one in stage.handed_over} == {
        f"{user}@example.com" for user in users
    }
    instants = sorted(one.at for one in stage.handed_over)
    assert len(set(instants)) == len(users)
    assert resumed_at < instants[0]
    # Spread, and not one close behind the other.
    assert instants[-1] - instants[0] > over // 2


def test_what_may_have_arrived_waits_for_a_brake_and_is_not_withdrawn(stage: Stage) -> None:
    """G4: withdrawn, it would count as said, although perhaps it never arrived."""
    introduce(stage, "ana")
    stage.providers["email"] = "garbage"
    bill = {"bill_id": "b1", "amount": 40, "due_at": format_instant(stage.now - 2 * DAY)}
    tell(stage, "Bill Issued", source="billing", properties=bill)
    with stage.store.transaction():
        brake.pause(stage.engine, "all", actor="test", because="", now=stage.now)
    stage.providers["email"] = "up"
    stage.advance(stage.now + HOUR)
    tell(stage, "Identified", traits={"first_name": "Anna"})
    (waiting,) = stage.store.load_messages_in(["queued"], limit=9)
    assert waiting.may_have_arrived
    with stage.store.transaction():
        brake.resume(stage.engine, "all", actor="test", now=stage.now)
    stage.advance(stage.now + HOUR)
    assert [one.message.message_id for one in stage.handed_over] == [waiting.message_id]


def test_what_may_have_arrived_waits_for_a_cap_that_a_merge_has_filled(stage: Stage) -> None:
    """G4: each occupies its slot no longer than the cap says, so that none waits for another for ever."""
    due_at = format_instant(stage.now - 2 * DAY)
    for user, provider in (("ana", "garbage"), ("bo", "up")):
        introduce(stage, user)
        stage.providers["email"] = provider
        for number in range(2):
            bill = {"bill_id": f"{user}{number}", "amount": 40, "due_at": due_at}
            tell(stage, "Bill Issued", source="billing", user_id=user, properties=bill)
    stage.providers["email"] = "down"
    waiting = {one.message_id for one in stage.store.load_messages_in(["queued"], limit=9)}
    assert len(waiting) == 2
    pair = Identifier("user_id", "ana"), Identifier("user_id", "bo")
    with stage.store.transaction():
        merge(stage.engine, *pair, actor="test", now=stage.now)
    stage.advance(stage.now + HOUR)
    stage.providers["email"] = "up"
    assert {one.message_id for one in stage.store.load_messages_in(["queued"], limit=9)} == waiting
    stage.advance(stage.now + 2 * DAY)
    assert waiting <= {one.message.message_id for one in stage.handed_over}


def say(value: bool, at: int) -> Stamped:  # noqa: FBT001
    """Return a word of consent."""
    return Stamped(value, at, at, "shop")


@pytest.mark.parametrize("refused", [WIDE, EVERYBODYS])
def test_a_narrow_opt_in_from_before_a_merge_lifts_nothing_of_the_other(refused: str) -> None:
    """G10: who asked for mail did so for themselves; the other's wider stop stands for both."""
    ana, bo = {refused: say(False, 1)}, {NARROW: say(True, 5)}
    combined = combine_consents([ana, bo], [], joined_at=9)
    assert combined == ana
    assert combine_consents([bo, ana], [], joined_at=9) == ana
    assert combine_consents([bo], [ana], joined_at=9) == ana


def test_a_narrow_opt_in_speaks_for_both_once_they_are_one() -> None:
    """G10: said after the merge, it is the word of the one that they are."""
    ana, bo = {WIDE: say(False, 1)}, {NARROW: say(True, 5)}
    assert combine_consents([ana, bo], [], joined_at=5) == ana | bo


def test_ones_own_later_and_narrower_word_wins_over_ones_own_stop() -> None:
    """G10: within one part it does, whoever the part is merged with."""
    ana = {WIDE: say(False, 1), NARROW: say(True, 5)}
    assert combine_consents([ana, {}], [], joined_at=9) == ana


def test_what_lacks_a_value_is_not_decided_again_and_again() -> None:
    """G4: the same would be chosen, and lack the same; only something new is a reason to try again."""
    greeting = "templates/lamp_offer.en.liquid"
    texts = {**LARKMEAD, greeting: LARKMEAD[greeting].replace(' | default: "you"', "")}
    stage = Stage(compile_brand(load_brand(texts)), MemoryStore(), now=NOON, shadow=False)
    tell(stage, "Identified", traits={"email": "ana@example.com", "zone": "Europe/Lisbon"})
    tell(stage, "Consent Given", properties=MARKETING)
    tell(stage, "Page Viewed")
    stage.advance(stage.now + DAY)
    taken_back = stage.store.load_messages_in(["withdrawn"], limit=99)
    assert {message.reason["code"] for message in taken_back} == {"missing_value"}
    assert len(taken_back) <= 3
    assert stage.handed_over == []
