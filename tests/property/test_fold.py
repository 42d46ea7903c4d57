"""Laws of folding: neither the order of events nor how they are spread over parts can matter."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.core.brand.model import FactsFile
from kept.core.correction import OVERRULED
from kept.core.event import (
    CONTACT_REPORTED,
    CORRECTED,
    MESSAGE_CLICKED,
    MESSAGE_LEAVING,
    MESSAGE_OPENED,
    MESSAGE_SETTLED,
    Event,
)
from kept.core.fold import forgetting
from kept.core.fold.aggregate import (
    OVERFLOWING,
    Aggregate,
    Dwell,
    Windowed,
    WindowedCount,
    as_is,
    count_fold,
    distinct_count,
    plus,
    values_add,
    values_fold,
)
from kept.core.fold.fold import (
    FoldPlan,
    add_states,
    compile_fold,
    decode_state,
    encode_state,
    fold_event,
)
from kept.core.policy.types import INT_MAX, INT_MIN
from kept.core.state import State
from kept.core.values import DAY, HOUR, MINUTE, NEVER, SECOND

NOW = 1_772_452_800_000_000
NAMES = ("Order Completed", "Page Viewed", "Case Opened")
_OVER: dict[str, Any] = {"window": "3 days", "grain": "1 day"}
FACTS = msgspec.convert(
    {
        "traits": {"zone": {"type": "text"}, "age": {"type": "int"}},
        "objects": {
            "case": {
                "key": "case_id",
                "fields": {"status": "text", "topic": "text"},
                "events": {
                    "Case Opened": {"set": {"status": "open", "topic": "properties.topic"}},
                    "Order Completed": {"set": {"status": "closed"}},
                },
            }
        },
        "features": {
            f"{kind}_{reach}": {
                kind: "*" if kind == "count" else ["Order Completed", "Page Viewed"],
                **({} if kind == "count" else {"of": "n" if kind in _NUMBERS else "topic"}),
                **({"type": "int"} if kind in _NUMBERS else {}),
                **(_OVER if reach == "lately" else {}),
            }
            for _NUMBERS in [("sum", "min", "max", "first", "last")]
            for kind in (*_NUMBERS, "count", "distinct", "top")
            for reach in ("ever", "lately")
        }
        | {
            "dwelt_on": {"dwell": "Page Viewed", "of": "topic", **_OVER, "gap": "5 minutes"},
            "dwelt": {
                "dwell": "Page Viewed", "of": "topic", "by": "top", "window": "2 hours",
                "grain": "1 minute", "gap": "5 minutes",
            },
        },
    },
    FactsFile,
)  # fmt: skip
PLAN: FoldPlan = compile_fold(FACTS, {"Advertising": ("shop", "marketing")}, slots={})


@st.composite
def event_of(draw: st.DrawFn) -> Event:
    """Draw an event of the last days; its key is unique by (time, number)."""
    number = draw(st.integers(1, 10**9))
    at = NOW - draw(st.integers(0, 6 * 24 * 60)) * MINUTE
    properties = {
        "n": draw(st.one_of(st.integers(-5, 5), st.integers(), st.none(), st.just("nine"))),
        "topic": draw(st.sampled_from(["a", "b", "c", None, 7])),
        "case_id": draw(st.sampled_from(["k1", "k2", "k3", "k4", "", None])),
    }
    consent = {"consent": {"categoryPreferences": {"Advertising": draw(st.booleans())}}}
    name = draw(st.sampled_from([*NAMES, "Segment Consent Preference Updated", "Unsubscribed"]))
    return Event(
        event_key=number,
        message_id=str(number),
        source="shop",
        name=name,
        type="track",
        occurred_at=at,
        received_at=NOW,
        properties=properties if name in NAMES else {"topic": "a"},
        traits=draw(st.sampled_from([{}, {"zone": "UTC"}, {"zone": None}, {"age": 7}])),
        context=consent if name.startswith("Segment") else {},
    )


@st.composite
def said_of(draw: st.DrawFn) -> Event:
    """Draw an event about a message: that it left, how that ended, or that somebody answered."""
    number = draw(st.integers(1, 10**9))
    at = NOW - draw(st.integers(0, 40)) * MINUTE
    name = draw(
        st.sampled_from(
            [MESSAGE_LEAVING, MESSAGE_SETTLED, MESSAGE_OPENED, MESSAGE_CLICKED, CONTACT_REPORTED]
        )
    )
    told: dict[str, Any] = {
        "message_id": draw(st.sampled_from(["m1", "m2", "m3", "m4", "m5"])),
        "action": draw(st.sampled_from(["greet", "remind"])),
        "channel": draw(st.sampled_from(["email", "sms"])),
        "about": draw(st.sampled_from(["", "case/k1", "case/k3"])),
    }
    if name != MESSAGE_LEAVING:
        told["outcome"] = draw(st.sampled_from(["delivered", "failed", "unknown"]))
        told["machine"] = draw(st.sampled_from([True, False, False]))
        told["attempt_at"] = at - draw(st.integers(0, 20)) * MINUTE
    elif draw(st.booleans()):
        told["sets"] = {"status": "asked"}
    return Event(
        event_key=number,
        message_id=str(number),
        source="tool" if name == CONTACT_REPORTED else draw(st.sampled_from(["kept"] * 4 + ["x"])),
        name=name,
        type="track",
        occurred_at=at,
        received_at=NOW,
        properties=told,
    )


@st.composite
def corrected_of(draw: st.DrawFn) -> Event:
    """Draw what a person put right, or an event that repeats what was wrong and is marked so."""
    event = draw(event_of())
    if draw(st.booleans()):
        overruled = draw(st.lists(st.sampled_from(["trait.age", "trait.zone", "case/k1.status"])))
        return msgspec.structs.replace(event, context=event.context | {OVERRULED: overruled})
    told = {
        "kind": "case",
        "key": draw(st.sampled_from(["k1", "k3"])),
        "set": {"status": draw(st.sampled_from(["right", None, 7]))},
        "rejected": {"trait.age": draw(st.lists(st.sampled_from(["a", "b"]), max_size=2))},
    }
    return msgspec.structs.replace(event, name=CORRECTED, source="kept", properties=told)


streams = st.lists(
    st.one_of(event_of(), said_of(), corrected_of()),
    max_size=25,
    unique_by=lambda event: event.event_key,
)
limits = st.sampled_from([1, 2, 3, 400])


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Let a state keep so little that it must forget."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OBJECTS_MAX", "CONTACTS_MAX", "ANSWERS_MAX", "SAID_MAX"):
            patch.setattr(forgetting, name, count)
        yield


def folded(events: list[Event]) -> State:
    """Return the state that events add up to, as it comes back from the disk."""
    state = State()
    for event in events:
        fold_event(PLAN, state, event)
    return decode_state(encode_state(state))


def facts_of(state: State, now: int) -> dict[str, Any]:
    """Return everything that a decision may read of a state."""
    slots = state.features
    read = {
        name: feature.aggregate.read(slots.get(feature.fingerprint), now)
        for name, feature in PLAN.features.items()
    }
    # Slots hold buckets that are cut when they are read; all else must be the same in itself.
    rest = {name: getattr(state, name) for name in State.__struct_fields__ if name != "features"}
    return read | rest


@given(streams, st.data(), st.integers(0, 10 * 24 * 60), limits)
def test_the_order_of_events_does_not_matter(
    events: list[Event], data: st.DataObject, minutes: int, limit: int
) -> None:
    """G10: late events and any permutation give the same facts, at every later moment."""
    other = data.draw(st.permutations(events))
    now = NOW + minutes * MINUTE
    with limited(limit):
        assert facts_of(folded(other), now) == facts_of(folded(events), now)


@given(streams, st.data(), st.integers(0, 10 * 24 * 60), limits)
def test_how_events_are_spread_over_parts_does_not_matter(
    events: list[Event], data: st.DataObject, minutes: int, limit: int
) -> None:
    """G10: the sum of any parts' states reads as if one part had heard everything."""
    with limited(limit):
        spread_over_parts(events, data, NOW + minutes * MINUTE)


def spread_over_parts(events: list[Event], data: st.DataObject, now: int) -> None:
    """Fold events into parts by chance, and hold their sum against one part that heard all."""
    parts: list[list[Event]] = [[], [], []]
    for event in events:
        parts[data.draw(st.integers(0, 2))].append(event)
    first, second, third = (folded(each) for each in data.draw(st.permutations(parts)))
    if data.draw(st.booleans()):
        total = add_states(PLAN, add_states(PLAN, first, second), third)
    else:
        total = add_states(PLAN, first, add_states(PLAN, second, third))
    assert facts_of(total, now) == facts_of(folded(events), now)


@given(streams, st.integers(0, 10 * 24 * 60))
def test_no_window_slides_before_it_is_expected_to(events: list[Event], minutes: int) -> None:
    """Between now and the named instant, no feature reads otherwise."""
    state = folded(events)
    now = NOW + minutes * MINUTE
    for feature in PLAN.features.values():
        slot = state.features.get(feature.fingerprint)
        change = feature.aggregate.next_change(slot, now)
        assert change > now
        before = feature.aggregate.read(slot, now)
        until = min(change - 1, now + 12 * DAY)
        for at in {until, *range(now, until, max(HOUR, (until - now) // 40))}:
            assert feature.aggregate.read(slot, at) == before
        assert change == NEVER or change % MINUTE == 0


def windowed(kind: str, grain: int, buckets: int) -> Aggregate:
    """Return an aggregate over a window of some buckets."""
    if kind == "count":
        return WindowedCount(grain=grain, buckets=buckets)
    if kind == "distinct":
        return Windowed(
            values_fold, values_add, distinct_count, 0, grain=grain, buckets=buckets
        )  # fmt: skip
    return Dwell(window=grain * buckets, grain=grain, gap=2 * MINUTE, seconds=True)


@given(
    st.sampled_from(["count", "distinct", "dwell"]),
    st.sampled_from([(MINUTE, 10), (2 * MINUTE, 4), (7 * MINUTE, 3), (HOUR, 1)]),
    st.sets(st.integers(-90 * 60, 5 * 60), min_size=1, max_size=40),
    st.data(),
)
def test_an_event_that_is_dated_ahead_takes_nothing_from_a_window(
    kind: str, size: tuple[int, int], seconds: set[int], data: st.DataObject
) -> None:
    """A clock may be five minutes ahead: what leaves the window until then counts until then."""
    grain, buckets = size
    window, endless = windowed(kind, grain, buckets), windowed(kind, grain, 10_000)
    whole: Any = None
    parts: list[Any] = [None, None]
    for second in data.draw(st.permutations(sorted(seconds))):
        at, part = NOW + second * SECOND, data.draw(st.integers(0, 1))
        whole = endless.fold(whole, second % 3, at, second)
        parts[part] = window.fold(parts[part], second % 3, at, second)
    known = [part for part in parts if part is not None]
    slot = window.add(*known) if len(known) > 1 else known[0]
    assert window.look(slot, NOW) == window.look(whole, NOW)


@given(st.lists(st.integers(-INT_MAX, INT_MAX), min_size=1, max_size=12), st.data())
def test_a_sum_beyond_what_a_number_holds_is_unknown(
    amounts: list[int], data: st.DataObject
) -> None:
    """G12: no amount, however large, breaks the state or is guessed, and it may come back in range."""
    name = data.draw(st.sampled_from(["sum_ever", "sum_lately"]))
    events = [
        Event(
            event_key=number,
            message_id=str(number),
            source="shop",
            name="Order Completed",
            type="track",
            occurred_at=NOW,
            received_at=NOW,
            properties={"n": amount},
        )
        for number, amount in enumerate(amounts)
    ]
    total = sum(amounts)
    expected = total if INT_MIN <= total <= INT_MAX else OVERFLOWING
    assert facts_of(folded(events), NOW)[name] == expected
    middle = data.draw(st.integers(0, len(events)))
    both = add_states(PLAN, folded(events[:middle]), folded(events[middle:]))
    assert facts_of(decode_state(encode_state(both)), NOW)[name] == expected


@settings(max_examples=5)
@given(st.permutations(range(forgetting.OBJECTS_MAX + 20)))
def test_a_flood_of_objects_keeps_the_newest_in_any_order(numbers: list[int]) -> None:
    """What a part keeps of too many objects is the same whichever was heard of first."""
    state = State()
    for number in numbers:
        fold_event(PLAN, state, case_of(number, at=NOW + number))
    kept = range(20, forgetting.OBJECTS_MAX + 20)
    assert sorted(state.objects["case"]) == sorted(f"k{number}" for number in kept)
    assert state.forgotten_objects == {"case": NOW + 19}


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 30), st.booleans()), max_size=30))
def test_what_is_after_the_horizon_is_all_there(heard: list[tuple[int, int, bool]]) -> None:
    """G12: of what is not declared forgotten nothing is missing, and nothing without need is forgotten."""
    events = [
        case_of(
            number, at=NOW + minute * MINUTE, name="Case Opened" if opens else "Order Completed"
        )
        for number, minute, opens in heard
    ]
    with limited(3):
        limited_state = folded(events)
    whole = folded(events)
    horizon = limited_state.forgotten_objects.get("case", 0)
    assert (horizon > 0) is (len(whole.objects.get("case", {})) > 3)
    later = {
        key: {field: said for field, said in fields.items() if said.at > horizon}
        for key, fields in whole.objects.get("case", {}).items()
    }
    expected = {key: fields for key, fields in later.items() if fields}
    assert limited_state.objects.get("case", {}) == expected


def case_of(number: int, *, at: int, name: str = "Case Opened") -> Event:
    """Return an event about a case, which opens it and names its topic, or (by an order) closes it."""
    return Event(
        event_key=number,
        message_id=str(number),
        source="shop",
        name=name,
        type="track",
        occurred_at=at,
        received_at=NOW,
        properties={"case_id": f"k{number}", "topic": "a"},
    )


@given(st.lists(st.integers(-8, 8), max_size=20), st.integers(-8, 12))
def test_the_short_way_of_counting_is_the_long_one(hours: list[int], later: int) -> None:
    """Early, late or dated ahead: a windowed count folds and reads as every windowed aggregate does."""
    short = WindowedCount(grain=HOUR, buckets=4)
    long = Windowed(count_fold, plus, as_is, 0, grain=HOUR, buckets=4)
    one: Any = None
    other: Any = None
    for key, hour in enumerate(hours):
        one = short.fold(one, None, NOW + hour * HOUR, key)
        other = long.fold(other, None, NOW + hour * HOUR, key)
    assert one == other
    assert short.look(one, NOW + later * HOUR) == long.look(other, NOW + later * HOUR)
