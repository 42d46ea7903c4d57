"""Forgetting in every store: rows go, ids are not given again, and the rest is as it was."""

from collections.abc import Iterator
from typing import Any

import pytest

from kept.core.event import Identifier
from kept.core.identity import Link
from kept.errors import ForgottenError
from kept.ports import ErasedCounts, HeldRecord, StateRow, Store, Tombstone
from tests.contract.conftest import SqliteStores, Stores
from tests.contract.values import (
    NOW,
    ODD_TEXTS,
    append,
    make_event,
    make_message,
    make_request,
    undone,
)

ANA = Identifier("email", "ana@example.com")
BEN = Identifier("email", "ben@example.com")


def fill(store: Store) -> None:
    """Give Ana (1, 2) and Ben (3) a little of everything."""
    with store.transaction():
        for number, identifier in enumerate((ANA, Identifier("user_id", "ana"), BEN), start=1):
            part = store.add_part(identifier, claimed=False, customer_id=1 if number == 2 else None)
            assert part.part_id == number
        store.save_link(Link(1, 2, "vouched", NOW))
        store.save_link(Link(1, 3, "claimed", NOW))
        for key in range(12):
            store.append_event(key % 3 + 1, make_event(key))
            store.append_decision(
                part_id=key % 3 + 1,
                decided_at=NOW,
                placement="web",
                trace=b"trace %d" % key,
                decision_id=store.next_decision_id(),
            )
        rows = [StateRow(part_id=n, applied_sequence=9 + n, state=b"s%d" % n) for n in (1, 2, 3)]
        store.save_states(rows, mark=6)
        store.save_wakes([(1, NOW), (3, NOW)])
        messages = [
            make_message("of ana", part_id=2),
            make_message("of ana, sent", part_id=1, state="delivered"),
            make_message("of ben", part_id=3),
        ]
        store.save_messages(messages)
        store.append_notice(2, noted_at=NOW, scopes=["c|sms"])
        store.append_notice(3, noted_at=NOW, scopes=["c|sms"])


def look(store: Store, parts: list[int]) -> dict[str, Any]:
    """Return everything that a store says of some parts."""
    return {
        "messages": store.load_part_messages(parts),
        "parts": store.load_parts(parts),
        "events": store.load_part_events(parts),
        "links": store.load_links(parts),
        "states": store.load_states(parts),
        "decisions": store.read_decisions(parts, newest=99),
        "open": store.load_open_messages(parts),
        "notices": [one for one in store.load_notices(after=0, limit=99) if one.part_id in parts],
        "wakes": [one for one in store.load_due_wakes(now=NOW, limit=9) if one[0] in parts],
    }


def now_and_after_a_start(store: Store, stores: Stores) -> Iterator[Store]:
    """Give the store as it is, and as it is when it is opened again."""
    yield store
    yield stores.open()


def test_nothing_of_erased_parts_is_left(stores: Stores) -> None:
    """And nothing of anybody else is touched, now and after a start."""
    store = stores.open()
    fill(store)
    of_ben = look(store, [3]) | {"links": []}
    with store.transaction():
        counts = store.erase_parts([1, 2])
    assert counts == ErasedCounts(events=8, decisions=8, messages=2)
    for again in now_and_after_a_start(store, stores):
        assert not any(look(again, [1, 2]).values())
        assert look(again, [3]) == of_ben
        assert again.find_parts([(ANA, False)]) == [None]
        assert again.load_customer(1) == []
        assert again.load_message("of ana, sent") is None
        assert {one.part_id for one in again.load_events(after=0, limit=99)} == {3}
        counted = again.read_counts()
        assert (counted["parts"], counted["customers"]) == (1, 1)
        assert (counted["messages.queued"], counted["messages.delivered"]) == (1, 0)


def test_an_erasure_that_was_rolled_back_erased_nothing(stores: Stores) -> None:
    """Keys are destroyed with the commit, and not before."""
    store = stores.open()
    fill(store)
    before = look(store, [1, 2, 3])
    with undone(store):
        store.erase_parts([1, 2])
        assert not any(look(store, [1, 2]).values())
    assert look(store, [1, 2, 3]) == before
    assert look(stores.open(), [1, 2, 3]) == before


def test_no_id_is_given_again(stores: Stores) -> None:
    """Whoever comes later is somebody else, also after the newest was erased and a start."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.erase_parts([1, 2, 3])
    store = stores.open()
    assert store.last_sequence() == 12
    assert store.next_decision_id() == 13
    with store.transaction():
        assert store.append_event(9, make_event(99)) == 13
        assert store.add_part(ANA, claimed=False, customer_id=None).part_id == 4
    assert [one.sequence for one in stores.open().load_events(after=0, limit=99)] == [13]


def test_a_stream_with_erased_events_is_whole(stores: Stores) -> None:
    """On either side of the mark, and once the mark has passed their places are given up."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.erase_parts([2])
    store = stores.open()
    append(store, 3, first_key=200)
    with store.transaction():
        store.save_states([], mark=13)
        store.drop_emptied_events()
    store = stores.open()
    sequences = [one.sequence for one in store.load_events(after=0, limit=99)]
    assert sequences == [1, 3, 4, 6, 7, 9, 10, 12, 13]


def test_what_was_erased_cannot_be_sealed_open_again(stores: Stores) -> None:
    """The key is gone from the disk: a row that was kept elsewhere stays closed."""
    store = stores.open()
    fill(store)
    if not isinstance(stores, SqliteStores) or not stores.is_sealed:
        pytest.skip("nothing is sealed here")
    with stores.connect() as connection:
        kept = connection.execute("SELECT * FROM events WHERE part_id = 1").fetchone()
    with store.transaction():
        store.erase_parts([1, 2])
    store.close()
    with stores.connect() as connection:
        connection.execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", kept)
    with pytest.raises(ForgottenError):
        stores.open().load_events(after=0, limit=1)


def test_tombstones_name_nobody_and_stay(stores: Stores) -> None:
    """Each is found by its identifier only; the later end stays."""
    store = stores.open()
    assert store.find_tombstone(ANA, claimed=False) is None
    key = store.lookup_key(ANA, claimed=False)
    with store.transaction():
        store.save_tombstone(key, until=NOW, is_suppressed=True)
        store.save_tombstone(key, until=NOW - 5, is_suppressed=False)
    for again in now_and_after_a_start(store, stores):
        found = again.find_tombstone(ANA, claimed=False)
        assert found == Tombstone(until=NOW, is_suppressed=False)
        assert again.find_tombstone(ANA, claimed=True) is None
        assert again.find_tombstone(BEN, claimed=False) is None


def test_requests_are_found_until_they_are_closed(stores: Stores) -> None:
    """By id, by age, and by when something is to be done."""
    store = stores.open()
    with store.transaction():
        for number in (1, 2, 3):
            assert store.next_request_number() == number
            store.save_request(make_request(number, next_at=NOW + number, body=b"%d" % number))
    closed = make_request(2, state="done", next_at=0, body=b"receipt")
    with store.transaction():
        store.save_request(closed)
    for again in now_and_after_a_start(store, stores):
        assert again.load_request("r-2") == closed
        assert again.load_request("r-9") is None
        assert [one.number for one in again.load_requests(newest=2)] == [3, 2]
        assert [one.number for one in again.load_due_requests(now=NOW + 9, limit=9)] == [1, 3]
        assert again.load_due_requests(now=NOW + 1, limit=9) == [
            make_request(1, next_at=NOW + 1, body=b"1")
        ]


def test_an_odd_id_of_a_request_finds_nothing_and_ends_nothing(stores: Stores) -> None:
    """Whatever stands in a path: what is asked next is answered."""
    store = stores.open()
    for text in ODD_TEXTS:
        with store.transaction():
            assert store.load_request(text) is None
        assert store.load_request(text) is None


def test_what_is_held_goes_when_its_time_has_come(stores: Stores) -> None:
    """What must be kept longer stays."""
    store = stores.open()
    short = HeldRecord(hold="invoices", until=NOW + 1, body=b"short")
    long = HeldRecord(hold="invoices", until=NOW + 9, body=b"long")
    with store.transaction():
        store.hold_records(1, [short])
        store.hold_records(1, [long])
        store.hold_records(2, [short])
    assert store.load_held_records(1) == [short, long]
    with store.transaction():
        assert store.drop_held_records(now=NOW, limit=9) == 0
        # One at a time: what is left for later is there, and its key is destroyed then.
        assert store.drop_held_records(now=NOW + 1, limit=1) == 1
        assert store.load_held_records(1) == [long]
        assert store.load_held_records(2) == [short]
        assert store.drop_held_records(now=NOW + 1, limit=1) == 1
    for again in now_and_after_a_start(store, stores):
        assert again.load_held_records(1) == [long]
        assert again.load_held_records(2) == []


def test_quarantined_events_can_be_erased(store: Store) -> None:
    """They are no longer counted."""
    with store.transaction():
        ids = [
            store.quarantine(source="web", received_at=NOW, code="c", detail="d", payload=b"%d" % n)
            for n in range(3)
        ]
        store.erase_quarantined(ids[:2])
    assert [one.payload for one in store.read_quarantine(after=0, limit=9)] == [b"2"]
    assert store.read_counts()["quarantined"] == 1
