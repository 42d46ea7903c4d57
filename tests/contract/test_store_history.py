"""Every store says what history is exported from, in order, and to any thread."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn, get_args

import msgspec
import pytest

from kept.core.event import Identifier
from kept.core.message import OPEN_STATES, MessageState
from kept.core.values import NEVER
from kept.errors import StoreError
from kept.history_port import EndedMessage, Grouped
from kept.ports import Store
from kept.stores.postgres import KeyDatabase
from kept.stores.sqlite.key_file import KeyFile
from tests.contract.conftest import Stores
from tests.contract.values import NOW, append, make_event, make_message, undone

pytestmark = pytest.mark.store


def test_events_come_beside_their_sealed_records(stores: Stores) -> None:
    """In stream order from where one stopped; committed ones alone."""
    store = stores.open()
    one, two, three = append(store, 3, 4, 3)
    found = store.read_sealed_events(after=0, limit=99)
    assert [(each.sequence, each.part_id) for each in found] == [(one, 3), (two, 4), (three, 3)]
    assert [each.event for each in found] == [make_event(key) for key in (1, 2, 3)]
    assert all(each.sealed for each in found)
    assert store.read_sealed_events(after=one, limit=1) == found[1:2]
    assert store.read_sealed_events(after=three, limit=9) == []
    with store.transaction():
        part = store.add_part(Identifier("user_id", "x"), claimed=False, customer_id=None)
        gone = store.append_event(part.part_id, make_event(9))
    with store.transaction():
        store.erase_parts([part.part_id])
    assert store.read_sealed_events(after=0, limit=9) == found
    assert store.read_known_events([one, two, gone, 10**9]) == {one, two}
    assert store.read_known_events([]) == set()


def test_decisions_come_beside_their_sealed_records(store: Store) -> None:
    """In order of their ids, from where one stopped."""
    ids = []
    with store.transaction():
        for number in (1, 2, 3):
            ids.append(store.next_decision_id())
            store.append_decision(
                part_id=number + 6,
                decided_at=NOW,
                placement="web",
                trace=b"trace %d" % number,
                decision_id=ids[-1],
            )
    found = store.read_sealed_decisions(after=0, limit=9)
    expected = list(zip(ids, (7, 8, 9), strict=True))
    assert [(one.decision_id, one.part_id) for one in found] == expected
    assert [one.trace for one in found] == [b"trace 1", b"trace 2", b"trace 3"]
    assert store.read_sealed_decisions(after=ids[0], limit=1) == found[1:2]


def test_messages_come_in_the_order_in_which_they_ended(stores: Stores) -> None:
    """Each once, with its first end, as it is now; one that was taken back did not end."""
    store = stores.open()
    assert store_number(store) == 0
    states = get_args(MessageState)
    for state in reversed(states):
        with store.transaction():
            store.save_messages([make_message(f"m-{state}", state=state)])
    ended = [state for state in reversed(states) if state not in OPEN_STATES]
    assert store_number(store) == len(ended)
    found = store.read_ended_messages(after=0, limit=99)
    assert [one.message and one.message.state for one in found] == ended
    assert [one.ended_id for one in found] == list(range(1, len(ended) + 1))
    with undone(store):
        store.save_messages([make_message("m-leaving", state="delivered")])
    assert store_number(store) == len(ended)
    with store.transaction():
        store.save_messages([make_message("m-queued", state="leased")])
        store.save_messages([make_message("m-delivered", state="delivered", mark="read")])
        store.save_messages([make_message("m-queued", state="withdrawn")])
    store = stores.open()
    assert store_number(store) == len(ended) + 1
    (last,) = store.read_ended_messages(after=len(ended), limit=9)
    assert last == EndedMessage(
        ended_id=len(ended) + 1, message=make_message("m-queued", state="withdrawn")
    )


def test_numbers_of_ended_messages_grow_for_ever(stores: Stores) -> None:
    """Also once they were dropped, or the message was forgotten: nothing is passed over."""
    store = stores.open()
    with store.transaction():
        store.save_messages([make_message(f"m-{n}", part_id=n, state="failed") for n in (1, 2, 3)])
    assert store_number(store) == 3
    with store.transaction():
        store.drop_ended_messages(up_to=2)
    assert [one.ended_id for one in store.read_ended_messages(after=0, limit=9)] == [3]
    with store.transaction():
        store.erase_parts([3])
    with store.transaction():
        store.drop_ended_messages(up_to=3)
        store.save_messages([make_message("m-4", part_id=4, state="failed")])
    store = stores.open()
    last = store_number(store)
    found = store.read_ended_messages(after=2, limit=9)
    assert [one.message.message_id for one in found if one.message] == ["m-4"]
    assert found[-1].ended_id == last > 3
    assert store.load_message("m-1") is not None


def store_number(store: Store) -> int:
    """Number what ended, as whoever exports does; return the last number."""
    with store.transaction():
        return store.number_ended()


def test_the_grouping_is_read_without_anybodys_identifier(store: Store) -> None:
    """Parts in order, with whose they are now."""
    with store.transaction():
        one, two, three = (
            store.add_part(Identifier("user_id", str(n)), claimed=n == 2, customer_id=None).part_id
            for n in (1, 2, 3)
        )
        store.move_parts([three], customer_id=one)
    assert store.read_grouping(after=0, limit=9) == [
        Grouped(one, one, False),
        Grouped(two, two, True),
        Grouped(three, one, False),
    ]
    assert store.read_grouping(after=one, limit=1) == [Grouped(two, two, True)]


def test_history_is_read_on_any_thread(stores: Stores) -> None:
    """Beside the writer, which is in the middle of a transaction."""
    store = stores.open_shared()
    sequences = append(store, 1, 2)
    with store.transaction(), ThreadPoolExecutor(1) as other:
        store.append_event(1, make_event(5))
        found = other.submit(lambda: store.read_sealed_events(after=0, limit=9)).result()
    assert [one.sequence for one in found] == sequences


def test_what_is_settled_says_of_when_it_is(store: Store) -> None:
    """Of one writer it is whole whenever it is asked; of several it is not newer than the asking."""
    append(store, 1)
    settled = store.read_settled()
    with store.transaction():
        clock = store.read_clock()
    assert settled.at <= clock if store.is_shared else settled.at == NEVER


def test_a_key_that_cannot_be_read_just_now_is_not_taken_for_destroyed(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads is told, and finds everything once the keys answer; nothing is passed over."""
    store = stores.open()
    append(store, 3)
    with store.transaction():
        decision_id = store.next_decision_id()
        store.append_decision(
            part_id=4, decided_at=NOW, placement="web", trace=b"trace", decision_id=decision_id
        )
        store.save_messages([make_message("m-1", part_id=5, state="failed")])
        store.append_leaf(6, leaf_hash=b"hash", data=b"data")
    # Another process, which has no key in memory.
    store = stores.open()
    assert store_number(store) == 1

    reads = (
        lambda: store.read_sealed_events(after=0, limit=1),
        lambda: store.read_sealed_decisions(after=0, limit=1),
        lambda: store.read_ended_messages(after=0, limit=1),
        lambda: store.read_events(after=0, limit=1),
        lambda: store.read_leaves(start=0, limit=1),
    )

    def refuse(*_: object) -> NoReturn:
        raise StoreError("the keys do not answer")

    with monkeypatch.context() as outage:
        for keys in (KeyFile, KeyDatabase):
            for name in ("find", "find_many"):
                outage.setattr(keys, name, refuse)
        for read in reads:
            # Those without keys give what they have.
            with suppress(StoreError):
                (found,) = read()
                assert None not in msgspec.structs.astuple(found)
    for read in reads:
        (found,) = read()
        assert None not in msgspec.structs.astuple(found)
