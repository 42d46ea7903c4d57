"""A judge that cannot fail is worth nothing: each is shown what it must see, and what it must let pass."""

from typing import Any

import msgspec
import pytest

from tests.attack.book import SECOND, Book, Slack
from tests.attack.controls import list_controls
from tests.attack.evidence import (
    COUNTER,
    NEWS,
    NOTE,
    STOP,
    TIP,
    Arrived,
    Asked,
    Brake,
    Case,
    Change,
    Erasure,
    Row,
    Run,
    Said,
    Stored,
    Tie,
    Word,
)
from tests.attack.judge_store import judge
from tests.attack.sabotage import SABOTAGES


def at(seconds: float) -> int:
    """Return an instant of the evidence."""
    return 1_000 * SECOND + int(seconds * SECOND)


def arrived(seconds: float, **given: Any) -> Arrived:
    """Return an arrival, by default of one mail to Ana."""
    told: dict[str, Any] = {
        "channel": "hook" if given.get("action", NEWS) != NEWS else "email",
        "key": "m1-order_news-order-o-1",
        "person": "ana",
        "action": NEWS,
        "about": "o-1",
        "begun_at": at(seconds),
        "at": at(seconds),
        "taken": True,
    }
    return Arrived(**(told | given))


def row(one: Arrived, **given: Any) -> Row:
    """Return a message as the store would have it after such an arrival."""
    told: dict[str, Any] = {
        "message_id": one.key,
        "action": one.action,
        "about": one.about,
        "state": "delivered",
        "queued_at": one.begun_at - SECOND // 50,
        "left_at": one.begun_at - SECOND // 100,
        "attempt_count": 1,
        "has_reason": False,
    }
    return Row(**(told | given))


def allow(seconds: float, person: str = "ana", **given: Any) -> Word:
    """Return an opt-in that was sent and answered within ten milliseconds."""
    told = {"allows": True, "sent_at": at(seconds), "answered_at": at(seconds + 0.01)}
    return Word(person=person, **(told | given))


def stop(seconds: float, person: str = "ana", **given: Any) -> Word:
    """Return an opt-out whose answer listed nothing."""
    return allow(seconds, person, **({"allows": False, "in_flight": frozenset[str]()} | given))


def tie(seconds: float, *, joins: bool = True) -> Tie:
    """Return that Ana and Bo are one, or two."""
    return Tie(
        people=("ana", "bo"), joins=joins, sent_at=at(seconds), answered_at=at(seconds + 0.01)
    )


def found(run: Run, stored: Stored | None = None, **slack: Any) -> list[tuple[str, str]]:
    """Return what is found in some evidence; messages are taken from the arrivals if none are given."""
    if stored is None:
        stored = Stored(
            messages=[row(one) for one in {one.key: one for one in run.arrived}.values()]
        )
    return [(one.guarantee, one.judge) for one in judge(Book(run, stored, Slack(**slack)))]


STOPS = [("G1", "stops")]


def test_what_arrives_under_a_basis_is_let_pass() -> None:
    """Nothing is found where nothing is wrong."""
    assert found(Run(words=[allow(0)], arrived=[arrived(1)])) == []


def test_what_arrives_after_a_stop_and_is_not_listed_is_seen() -> None:
    """G1, by the provider's log alone."""
    assert found(Run(words=[allow(0), stop(1)], arrived=[arrived(2)])) == STOPS


def test_what_the_answer_listed_is_let_pass() -> None:
    """G1: it had begun to leave."""
    words = [allow(0), stop(1, in_flight=frozenset({"m1-order_news-order-o-1"}))]
    assert found(Run(words=words, arrived=[arrived(2)])) == []


def test_what_arrived_before_the_answer_is_let_pass() -> None:
    """G1 speaks of what comes after the answer."""
    assert found(Run(words=[allow(0), stop(1)], arrived=[arrived(1.005)])) == []


def test_what_was_allowed_again_is_let_pass() -> None:
    """G1: a later opt-in lifts a stop, even one that was not answered yet."""
    words = [allow(0), stop(1), allow(2, answered_at=0)]
    assert found(Run(words=words, arrived=[arrived(3)])) == []


@pytest.mark.parametrize(
    "again",
    [
        allow(2, is_late=True),
        allow(2, by="site"),
        allow(2, person="bo"),
        allow(4),
        allow(2, channel="email"),
    ],
)
def test_what_does_not_lift_a_stop_excuses_nothing(again: Word) -> None:
    """G1: not what happened before, nor a claim, nor another's word, nor one too late or too narrow."""
    tip = arrived(3, action=TIP, key="m1-tip")
    assert found(Run(words=[allow(0), stop(1), again], arrived=[tip])) == STOPS


def test_who_left_one_channel_comes_back_only_by_naming_it() -> None:
    """G1: an opt-in for everything does not lift a stop of one channel."""
    left = stop(1, channel="email")
    assert found(Run(words=[allow(0), left, allow(2)], arrived=[arrived(3)])) == STOPS
    named = allow(2, channel="email")
    assert found(Run(words=[allow(0), left, named], arrived=[arrived(3)])) == []


def test_what_leaves_after_one_click_is_seen() -> None:
    """G1: the answer to a click lists nothing, so that the store's instant of leaving counts."""
    words = [allow(0), stop(1, channel="email", by="link", in_flight=None)]
    assert found(Run(words=words, arrived=[arrived(2)])) == STOPS


def test_what_had_left_before_one_click_is_let_pass() -> None:
    """G1: it was committed before the click was answered."""
    words = [allow(0), stop(1, channel="email", by="link", in_flight=None)]
    one = arrived(2)
    assert found(Run(words=words, arrived=[one]), Stored(messages=[row(one, left_at=at(1))])) == []


def test_what_arrives_while_a_case_is_open_is_seen() -> None:
    """G1: an open matter stops what promotes, until it is resolved."""
    case = Case(
        person="ana", case="k", opens=True, sent_at=at(1), answered_at=at(1.1),
        in_flight=frozenset(),
    )  # fmt: skip
    run = Run(words=[allow(0)], cases=[case], arrived=[arrived(2)])
    assert found(run) == STOPS
    run.cases.append(Case(person="ana", case="k", opens=False, sent_at=at(1.5)))
    assert found(run) == []


def test_a_stop_of_one_holds_for_both_who_are_one() -> None:
    """G1: said while they were one, or before, and until they are two again."""
    words = [allow(0), allow(0, "bo"), stop(2, "bo")]
    run = Run(words=words, ties=[tie(1)], arrived=[arrived(3)])
    assert found(run) == [("G1", "stops"), ("G1", "merged_stops")]
    run.ties = [tie(2.5)]
    assert found(run) == [("G1", "merged_stops")]
    run.ties = [tie(1), tie(2.5, joins=False)]
    assert found(run) == []


def test_an_opt_in_after_the_merge_speaks_for_both() -> None:
    """G1: given before it, it does not; after it, it does."""
    words = [stop(0, "bo"), allow(1)]
    run = Run(words=words, ties=[tie(2)], arrived=[arrived(4)])
    assert found(run) == [("G1", "merged_stops")]
    run.words.append(allow(3))
    assert found(run) == []


@pytest.mark.parametrize(("scope", "is_seen"), [("all", True), ("action:order_tip", False)])
def test_what_leaves_under_a_brake_is_seen(scope: str, is_seen: bool) -> None:  # noqa: FBT001
    """G1: what a brake covers, from its answer until it is lifted."""
    brakes = [
        Brake(scope=scope, is_on=True, sent_at=at(1), answered_at=at(1.1)),
        Brake(scope=scope, is_on=False, sent_at=at(5), answered_at=at(5.1)),
    ]
    run = Run(words=[allow(0)], brakes=brakes, arrived=[arrived(3)])
    assert found(run) == ([("G1", "brakes")] if is_seen else [])
    run.arrived = [arrived(6)]
    assert found(run) == []


def test_what_reaches_somebody_forgotten_is_seen() -> None:
    """G11: by no channel that the receipt does not name, and by none long after."""
    erasure = Erasure(person="ana", sent_at=at(1), answered_at=at(1.1))
    run = Run(words=[allow(0)], erasures=[erasure], arrived=[arrived(2)])
    assert found(run, Stored()) == [("G11", "erasures")]
    run.erasures = [msgspec.structs.replace(erasure, left_before=frozenset({"email"}))]
    assert found(run, Stored()) == []
    run.arrived = [arrived(60)]
    assert found(run, Stored()) == [("G11", "erasures")]


@pytest.mark.parametrize(
    "words",
    [
        [],
        [allow(2)],
        [allow(0, by="site")],
        [allow(0, "bo")],
        [allow(0, channel="hook")],
    ],
)
def test_what_has_no_basis_is_seen(words: list[Word]) -> None:
    """G2: no word, one too late, a claim, another's, or one for another channel is no basis."""
    assert found(Run(words=words, arrived=[arrived(1)])) == [("G2", "consent")]


def news(*instants: float, person: str = "ana", **given: Any) -> list[Arrived]:
    """Return mails, each about an order of its own."""
    return [
        arrived(each, key=f"m-{person}-{each}", about=f"o-{person}-{each}", person=person, **given)
        for each in instants
    ]


def test_one_too_many_in_a_window_is_seen() -> None:
    """G3: two in eight seconds are as many as may be, whichever eight seconds."""
    assert found(Run(words=[allow(0)], arrived=news(1, 5, 10, 14))) == []
    assert found(Run(words=[allow(0)], arrived=news(1, 5, 8.5))) == [("G3", "caps")]


def test_caps_count_across_channels_and_not_what_was_refused() -> None:
    """G3: a tip by the other channel counts; what a provider did not take does not."""
    tip = arrived(3, action=TIP, key="m-tip", about="o-9")
    assert found(Run(words=[allow(0)], arrived=[*news(1, 2), tip])) == [("G3", "caps")]
    refused = msgspec.structs.replace(tip, taken=False)
    rows = [row(one) for one in news(1, 2)] + [row(refused, state="failed", has_reason=True)]
    assert found(Run(words=[allow(0)], arrived=[*news(1, 2), refused]), Stored(messages=rows)) == []


def test_caps_count_for_two_who_are_one() -> None:
    """G3: what either had before counts for both, once they are one."""
    words = [allow(0), allow(0, "bo")]
    both = [*news(1, 2), *news(5, person="bo")]
    assert found(Run(words=words, ties=[tie(3)], arrived=both)) == [("G3", "caps")]
    assert found(Run(words=words, arrived=both)) == []


def test_a_promotion_taken_twice_is_seen() -> None:
    """G4: under the same name, or about the same thing under another."""
    words = [allow(0)]
    assert found(Run(words=words, arrived=[arrived(1), arrived(20)])) == [("G4", "repetition")]
    other = arrived(20, key="m2")
    assert found(Run(words=words, arrived=[arrived(1), other])) == [("G4", "repetition")]


def note(seconds: float, **given: Any) -> Arrived:
    """Return a note about a bill."""
    told = {"action": NOTE, "key": "m1-bill_note-bill-b-1", "about": "b-1"}
    return arrived(seconds, **(told | given))


def test_a_service_message_may_come_again_under_its_one_name() -> None:
    """G4: its receiver knows it; under another name it does not."""
    assert found(Run(arrived=[note(1), note(3)])) == []
    assert found(Run(arrived=[note(1), note(3, key="other")])) == [("G4", "repetition")]


@pytest.mark.parametrize(
    ("changes", "arrivals"),
    [
        ({"state": "leaving"}, 1),
        ({"state": "queued"}, 1),
        ({"state": "withdrawn"}, 0),
        ({"state": "delivered"}, 0),
        ({"state": "failed", "has_reason": True}, 1),
        ({"state": "withdrawn", "has_reason": True, "attempt_count": 0, "left_at": 0}, 1),
    ],
)
def test_a_state_that_is_not_the_end_or_not_true_is_seen(
    changes: dict[str, Any], arrivals: int
) -> None:
    """G4: it must have ended, with a reason if badly, and as its provider's log has it."""
    stored = Stored(messages=[row(note(1), **changes)])
    assert found(Run(arrived=[note(1)] * arrivals), stored) == [("G4", "messages")]


def test_what_is_queued_just_when_everything_ends_need_not_end() -> None:
    """G4: a server that stops begins no more hand-overs, and the next start does."""
    waiting = row(note(5), state="queued", attempt_count=0, left_at=0, queued_at=at(4.5))
    stopped = Change(what=STOP, began_at=at(5), ended_at=at(6))
    assert found(Run(), Stored(messages=[waiting])) == [("G4", "messages")]
    assert found(Run(changes=[stopped]), Stored(messages=[waiting])) == []
    late = msgspec.structs.replace(stopped, began_at=at(9), ended_at=at(9))
    assert found(Run(changes=[late]), Stored(messages=[waiting])) == [("G4", "messages")]


def test_what_a_killed_process_could_not_hear_is_not_held_against_it() -> None:
    """G4: the provider took the first attempt and refused the second, and only of that one it was heard."""
    stored = Stored(messages=[row(note(1), state="failed", has_reason=True)])
    heard = Run(arrived=[note(1)])
    killed = Change(what="kill", began_at=at(0.9), ended_at=at(1.4))
    assert found(heard, stored) == [("G4", "messages")]
    assert found(msgspec.structs.replace(heard, changes=[killed]), stored) == []


def test_a_bill_of_which_nobody_was_told_is_seen() -> None:
    """G4: an acknowledged bill has a note that its provider was handed; a withdrawn one is not enough."""
    bill = Said("e1", "ana", at(0), at(0.1), bill="b-1")
    run = Run(said=[bill], arrived=[note(1)])
    events = [("e1", "ana")]
    assert found(run, Stored(events=events, messages=[row(note(1))])) == []
    assert found(Run(said=[bill]), Stored(events=events)) == [("G4", "bills")]
    withdrawn = row(note(1), state="withdrawn", has_reason=True, attempt_count=0, left_at=0)
    stored = Stored(events=events, messages=[withdrawn])
    assert found(Run(said=[bill]), stored) == [("G4", "bills")]


def asked(seconds: float, order: int, **given: Any) -> Asked:
    """Return a question at the till, answered with an order of Ana's; 0 for silence."""
    told: dict[str, Any] = {
        "person": "ana",
        "placement": "till",
        "sent_at": at(seconds),
        "answered_at": at(seconds + 0.1),
        "action": COUNTER if order else "",
        "about": f"order/o-ana-{order}" if order else "",
        "decision_id": 0,
    }
    return Asked(**(told | given))


ORDERS = [Said(f"e{n}", "ana", at(n), at(n + 0.1), order=n) for n in (1, 2, 3)]
HELD = Stored(events=[(f"e{n}", "ana") for n in (1, 2, 3)])


@pytest.mark.parametrize(("seconds", "order"), [(2.5, 1), (2.5, 3), (2.5, 0), (0.5, 1), (5, 2)])
def test_an_answer_that_does_not_follow_from_what_was_heard_is_seen(
    seconds: float, order: int
) -> None:
    """G5: an old one, one that cannot be known yet, and silence for no reason."""
    run = Run(said=ORDERS, asked=[asked(seconds, order)])
    assert found(run, HELD) == [("G5", "answers")]


@pytest.mark.parametrize(("seconds", "order"), [(2.5, 2), (1.95, 1), (1.95, 2), (0.5, 0)])
def test_an_answer_that_may_follow_is_let_pass(seconds: float, order: int) -> None:
    """G5: while an event is on its way, either answer is right."""
    assert found(Run(said=ORDERS, asked=[asked(seconds, order)]), HELD) == []


def test_an_answer_under_a_brake_or_an_open_case_is_seen() -> None:
    """G5: what is hushed is silent, for sure once that is answered."""
    brake = Brake(scope="all", is_on=True, sent_at=at(3.5), answered_at=at(3.6))
    run = Run(said=ORDERS, asked=[asked(5, 3)], brakes=[brake])
    assert found(run, HELD) == [("G5", "answers")]
    run.asked = [asked(5, 0)]
    assert found(run, HELD) == []
    case = Case(person="ana", case="k", opens=True, sent_at=at(3.5), answered_at=at(3.6))
    assert found(Run(said=ORDERS, asked=[asked(5, 3)], cases=[case]), HELD) == [("G5", "answers")]


def test_two_answers_to_one_question_are_seen() -> None:
    """G5: two places asked at one moment are answered alike."""
    run = Run(said=ORDERS, asked=[asked(1.95, 1), asked(1.95, 2, placement="web")])
    assert found(run, HELD) == [("G5", "answers")]


@pytest.mark.parametrize(
    ("stored", "verdict"),
    [
        (Stored(events=[]), ("G9", "events")),
        (Stored(events=[("e1", "ana")] * 2), ("G9", "events")),
        (Stored(events=[("e1", "ana"), ("e2", "bo")]), ("G9", "events")),
        (Stored(events=[("e1", "ana")], torn_parts={7: "features"}), ("G9", "states")),
        (Stored(events=[("e1", "ana")], replayed_otherwise=[7]), ("G7", "replays")),
        (Stored(events=[("e1", "ana")], audit=["leaf 3: moved"]), ("G7", "log")),
        (
            Stored(
                events=[("e1", "ana")],
                groups=frozenset({frozenset({1, 2})}),
                groups_afresh=frozenset({frozenset({1}), frozenset({2})}),
            ),
            ("G10", "groups"),
        ),
    ],
)
def test_a_store_that_is_not_what_was_acknowledged_is_seen(
    stored: Stored, verdict: tuple[str, str]
) -> None:
    """G7, G9, G10: lost, doubled, invented, torn, decided otherwise, grouped otherwise."""
    run = Run(said=[Said("e1", "ana", at(0), at(0.1))])
    assert found(run, Stored(events=[("e1", "ana")])) == []
    assert found(run, stored) == [verdict]


def test_a_decision_that_is_not_on_record_is_seen() -> None:
    """G9: whoever was answered is told of a decision that can be explained."""
    run = Run(said=ORDERS, asked=[asked(5, 3, decision_id=9)])
    assert found(run, HELD) == [("G9", "decisions")]
    kept = msgspec.structs.replace(HELD, decisions=frozenset({9}))
    assert found(run, kept) == []


@pytest.mark.parametrize(
    "stored",
    [
        Stored(people=frozenset({"ana"})),
        Stored(events=[("e1", "ana")]),
        Stored(readable=frozenset({"ana"})),
    ],
)
def test_what_is_left_of_somebody_forgotten_is_seen(stored: Stored) -> None:
    """G11: known again, an event that names them, a file that holds their values."""
    run = Run(
        said=[Said("e1", "ana", at(0), at(0.1))],
        erasures=[Erasure(person="ana", sent_at=at(1), answered_at=at(1.1))],
    )
    assert found(run, Stored()) == []
    assert found(run, stored) == [("G11", "forgotten")]


def test_every_mechanism_is_switched_off_by_a_control() -> None:
    """Those that only several nodes have, too: a control that is never run shows nothing."""
    assert {name for name, _ in list_controls()} == set(SABOTAGES)
    assert ("customers_not_locked", "postgres") in list_controls()
    assert ("customers_not_locked", "sqlite") not in list_controls()
