"""Removing by age in every store: what is meant goes, and nothing else."""

import msgspec
import pytest

from kept.core.event import Identifier
from kept.ports import Store
from tests.contract.conftest import Stores
from tests.contract.test_store_erasure import now_and_after_a_start
from tests.contract.values import NOW, make_event, make_message

ANA = Identifier("email", "ana@example.com")
BEN = Identifier("email", "ben@example.com")


def fill(store: Store) -> None:
    """Give two customers events, decisions and messages, by turns."""
    with store.transaction():
        for identifier in (ANA, BEN):
            store.add_part(identifier, claimed=False, customer_id=None)
        for key in range(10):
            store.append_event(key % 2 + 1, make_event(key))
            store.append_decision(
                part_id=key % 2 + 1, decided_at=NOW + key, placement="web",
                trace=b"%d" % key, decision_id=store.next_decision_id(),
            )  # fmt: skip
        store.save_states([], mark=4)


def sequences(store: Store, part_id: int) -> list[int]:
    """Return where a part's events stand."""
    return [one.sequence for one in store.load_part_events([part_id])]


def test_some_events_of_a_part_go_and_the_rest_stays(stores: Stores) -> None:
    """Before and behind the mark, now and after a start; sequences are not given again."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.erase_events(1, [1, 7, 9])
    for again in now_and_after_a_start(store, stores):
        assert sequences(again, 1) == [3, 5]
        assert sequences(again, 2) == [2, 4, 6, 8, 10]
        assert [one.sequence for one in again.load_events(after=0, limit=99)] == [
            2, 3, 4, 5, 6, 8, 10,
        ]  # fmt: skip
        assert again.last_sequence() == 10


def test_the_events_of_somebody_else_cannot_be_named(stores: Stores) -> None:
    """An event that is put right must be of the part that is said."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.replace_event(1, 2, make_event(99))
    assert store.load_events(after=1, limit=1)[0].event == make_event(1)


def test_another_event_stands_in_the_place_of_one(stores: Stores) -> None:
    """It is read wherever the old one was."""
    store = stores.open()
    fill(store)
    right = msgspec.structs.replace(make_event(2), properties={"total": 5})
    with store.transaction():
        store.replace_event(1, 3, right)
    for again in now_and_after_a_start(store, stores):
        assert again.load_events(after=2, limit=1)[0].event == right
        assert again.load_part_events([1])[1].event == right


@pytest.mark.parametrize("limit", [1, 2, 3, 99])
def test_events_of_parts_are_read_page_by_page(stores: Stores, limit: int) -> None:
    """Together the pages are all of them, also what this transaction has added."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.append_event(1, make_event(50))
        found: list[int] = []
        after = 0
        while page := store.load_part_events([1, 2], after=after, limit=limit):
            assert len(page) <= limit
            found += [one.sequence for one in page]
            after = found[-1]
    assert found == list(range(1, 12))


def test_old_decisions_go_the_oldest_first_and_ids_are_not_given_again(stores: Stores) -> None:
    """At most so many at a time; what is as old as the limit stays."""
    store = stores.open()
    fill(store)
    assert store.read_old_decisions(before=NOW + 5) == (5, NOW)
    with store.transaction():
        assert store.erase_old_decisions(before=NOW + 5, limit=3) == 3
        assert store.erase_old_decisions(before=NOW + 5, limit=3) == 2
        assert store.erase_old_decisions(before=NOW + 5, limit=3) == 0
    for again in now_and_after_a_start(store, stores):
        left = again.read_decisions([1, 2], newest=99)
        assert [row.decision_id for row in left] == [10, 9, 8, 7, 6]
        assert again.read_old_decisions(before=NOW + 5) == (0, 0)
    with again.transaction():
        assert again.erase_old_decisions(before=NOW + 99, limit=99) == 5
    for last in now_and_after_a_start(again, stores):
        assert last.next_decision_id() == 11


def test_of_some_parts_nothing_goes_however_old(stores: Stores) -> None:
    """And they keep nothing of others from going."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.save_messages(
            [make_message(f"m{n}", part_id=1 + n % 2, state="delivered") for n in range(4)]
        )
    queued_at = store.load_part_messages([1])[0].queued_at
    with store.transaction():
        assert store.erase_old_decisions(before=NOW + 99, limit=99, spared=[1]) == 5
        assert store.erase_old_decisions(before=NOW + 99, limit=1, spared=[1]) == 0
        assert store.erase_old_messages(before=queued_at + 1, limit=99, spared=[1]) == 2
    for again in now_and_after_a_start(store, stores):
        assert {row.part_id for row in again.read_decisions([1, 2], newest=99)} == {1}
        assert {one.message_id for one in again.load_part_messages([1, 2])} == {"m0", "m2"}


def test_decisions_are_read_page_by_page_from_the_newest(stores: Stores) -> None:
    """A page goes on below the last id of the one before."""
    store = stores.open()
    fill(store)
    pages = []
    before = 0
    while page := store.read_decisions([1], newest=2, before=before):
        pages.append([row.decision_id for row in page])
        before = page[-1].decision_id
    assert pages == [[9, 7], [5, 3], [1]]


def test_only_settled_messages_go(stores: Stores) -> None:
    """What waits or is on its way stays, however old."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.save_messages(
            [
                make_message("sent", part_id=1, state="delivered"),
                make_message("lost", part_id=1, state="unknown"),
                make_message("leaving", part_id=1, state="leaving"),
                make_message("waits", part_id=2),
            ]
        )
    queued_at = store.load_part_messages([1])[0].queued_at
    assert store.read_old_messages(before=queued_at) == (0, 0)
    assert store.read_old_messages(before=queued_at + 1)[0] == 2
    with store.transaction():
        assert store.erase_old_messages(before=queued_at + 1, limit=1) == 1
        assert store.erase_old_messages(before=queued_at + 1, limit=9) == 1
    for again in now_and_after_a_start(store, stores):
        assert {one.message_id for one in again.load_part_messages([1, 2])} == {
            "leaving", "waits",
        }  # fmt: skip


def test_customers_are_listed_in_order(stores: Stores) -> None:
    """Each once, however many parts they have, from where one left off."""
    store = stores.open()
    fill(store)
    with store.transaction():
        store.add_part(Identifier("user_id", "ana"), claimed=False, customer_id=1)
        store.add_part(Identifier("user_id", "cleo"), claimed=False, customer_id=None)
    assert store.list_customers(after=0, limit=9) == [1, 2, 4]
    assert store.list_customers(after=1, limit=1) == [2]
