"""Every store keeps one dense stream of events, and takes each event once."""

import pytest

from kept.core.event import Event, Identifier
from kept.ports import Store
from tests.contract.conftest import Stores
from tests.contract.values import KEY_MAX, ODD_TEXTS, append, make_event, undone

pytestmark = pytest.mark.store


def test_a_new_store_is_empty(store: Store) -> None:
    """Nothing is there before something happens."""
    assert store.last_sequence() == 0
    assert store.load_events(after=0, limit=10) == []
    assert store.load_part_events([1]) == []
    assert store.load_mark() == 0


def test_sequences_begin_at_one_and_are_dense_across_reopening(stores: Stores) -> None:
    """The place of an event is the number of events before it, plus one."""
    assert append(stores.open(), 7, 8, 7) == [1, 2, 3]
    reopened = stores.open()
    assert reopened.last_sequence() == 3
    assert append(reopened, 7, first_key=4) == [4]
    assert [one.sequence for one in reopened.load_events(after=0, limit=9)] == [1, 2, 3, 4]


def test_an_event_comes_back_as_it_was(stores: Stores) -> None:
    """Whatever an event may hold survives the way to the disk and back."""
    events = [
        make_event(
            KEY_MAX - number,
            message_id=text,
            identifiers=(Identifier("email", text), Identifier(text, "value")),
            properties={text: text, "list": [text, {"deep": [text]}]},
            traits={"name": text},
            context={"page": {"title": text}},
            occurred_at=-number,
        )
        for number, text in enumerate(ODD_TEXTS)
    ]
    events.append(Event(event_key=0, message_id="bare", source="s", name="n", type="track",
                        occurred_at=0, received_at=0))  # fmt: skip
    store = stores.open()
    with store.transaction():
        for part_id, event in enumerate(events, start=1):
            store.append_event(part_id, event)
    loaded = stores.open().load_events(after=0, limit=100)
    assert [one.event for one in loaded] == events
    assert [one.part_id for one in loaded] == list(range(1, len(events) + 1))


def test_events_are_read_in_pages(store: Store) -> None:
    """`after` is exclusive and `limit` bounds a page."""
    append(store, *range(1, 26))
    pages, after = [], 0
    while page := store.load_events(after=after, limit=10):
        pages.append(len(page))
        after = page[-1].sequence
    assert pages == [10, 10, 5]


def test_events_of_parts_come_in_stream_order(stores: Stores) -> None:
    """All events of the parts asked for, and of no others, however they are spread."""
    store = stores.open()
    for start in range(0, 60, 4):
        append(store, 1, 2, 3, 1, first_key=start + 1)
    expected = [n for n in range(1, 61) if n % 4 in {0, 1, 3}]
    for is_reopened in (False, True):
        one = stores.open() if is_reopened else store
        assert [e.sequence for e in one.load_part_events([3, 1])] == expected
        assert [e.sequence for e in one.load_part_events([1, 3, 1], newest=4)] == expected[-4:]
        assert [e.sequence for e in one.load_part_events([2], newest=1)] == [58]
        assert one.load_part_events([99]) == []
        assert one.load_part_events([]) == []


def test_events_of_parts_with_like_numbers_are_told_apart(store: Store) -> None:
    """Nobody's number is a piece of those that stand beside each other."""
    parts = [1, 1 << 8, 1 << 16, 1, 1 << 56, 257, 256, 1 << 40, 1]
    sequences = append(store, *parts)
    for wanted in (*({part} for part in parts), {1, 256}, {*range(1, 20), 256}):
        expected = [at for at, part in zip(sequences, parts, strict=True) if part in wanted]
        found = store.load_part_events(sorted(wanted))
        assert [one.sequence for one in found] == expected
        rest = store.load_part_events(sorted(wanted), after=sequences[3], limit=9)
        assert [one.sequence for one in rest] == [at for at in expected if at > sequences[3]]


def test_a_transaction_sees_the_events_that_it_appended(store: Store) -> None:
    """Reading inside a transaction includes what is not committed yet."""
    append(store, 1)
    with store.transaction():
        store.append_event(1, make_event(2))
        assert [one.sequence for one in store.load_events(after=0, limit=9)] == [1, 2]
        store.append_event(1, make_event(3))
        assert [one.sequence for one in store.load_part_events([1])] == [1, 2, 3]
        assert store.last_sequence() == 3


def test_a_key_is_claimed_once_within_its_hour(stores: Stores) -> None:
    """The same key in another hour is another event; reopening forgets nothing."""
    store = stores.open()
    with store.transaction():
        assert store.claim(KEY_MAX, hour=5)
        assert not store.claim(KEY_MAX, hour=5)
        assert store.claim(KEY_MAX, hour=6)
        assert store.claim(0, hour=0)
    with store.transaction():
        assert not store.claim(KEY_MAX, hour=5)
    store = stores.open()
    with store.transaction():
        assert not store.claim(KEY_MAX, hour=5)
        assert not store.claim(0, hour=0)
        assert store.claim(1, hour=0)


def test_many_claims_are_each_remembered(stores: Stores) -> None:
    """Whatever a store does to make claims cheap, it takes no key twice and refuses no new one."""
    store = stores.open()
    for start in range(0, 300, 3):
        with store.transaction():
            store.foresee_claims([(key, key % 4) for key in range(start + 3)])
            assert [store.claim(key, hour=key % 4) for key in range(start, start + 3)] == [True] * 3
            assert [store.claim(key, hour=key % 4) for key in range(start + 3)] == [False] * (
                start + 3
            )
    store = stores.open()
    with store.transaction():
        store.foresee_claims([(key, hour) for key in range(300) for hour in range(4)])
        assert not any(store.claim(key, hour=key % 4) for key in range(300))
        assert all(store.claim(key, hour=(key + 1) % 4) for key in range(300))


def test_claims_of_old_hours_are_forgotten(stores: Stores) -> None:
    """Forgetting drops the hours before the one named, and no others."""
    store = stores.open()
    for hour in range(6):
        with store.transaction():
            for key in range(4):
                store.claim(key, hour=hour)
    with store.transaction():
        store.claim(9, hour=1)
        assert store.forget_claims(before_hour=3) == 13
        assert store.forget_claims(before_hour=3) == 0
        assert store.claim(0, hour=2)
        assert not store.claim(0, hour=3)
    store = stores.open()
    with store.transaction():
        assert not store.claim(0, hour=2)
        assert store.claim(1, hour=2)
        assert not store.claim(0, hour=3)


def test_claims_of_a_span_of_hours_are_forgotten(stores: Stores) -> None:
    """Earlier hours and later ones stay; so do those of before when the store is opened anew."""
    store = stores.open()
    with store.transaction():
        for hour in (1, 5, 6, 9, 1 << 32):
            store.claim(7, hour=hour)
    store = stores.open()
    with store.transaction():
        store.claim(8, hour=6)
        assert store.forget_claims(from_hour=5, before_hour=9) == 3
        assert [store.claim(7, hour=hour) for hour in (1, 5, 6, 9, 1 << 32)] == [
            False,
            True,
            True,
            False,
            False,
        ]


def test_claims_may_be_forgotten_a_few_at_a_time(store: Store) -> None:
    """A limit bounds how long one transaction takes."""
    with store.transaction():
        for key in range(10):
            store.claim(key, hour=1)
    forgotten = []
    for _ in range(4):
        with store.transaction():
            forgotten.append(store.forget_claims(before_hour=2, limit=4))
    assert forgotten == [4, 4, 2, 0]


def test_rolling_back_a_forgetting_brings_the_claims_back(store: Store) -> None:
    """What is undone is undone in memory too."""
    for key in range(20):
        with store.transaction():
            store.claim(key, hour=1)
    with undone(store):
        store.claim(99, hour=1)
        assert store.forget_claims(before_hour=9) == 21
        assert store.claim(0, hour=1)
    with store.transaction():
        assert not any(store.claim(key, hour=1) for key in range(20))
        assert store.claim(99, hour=1)
