"""Every store says what history is exported from, in order, and to any thread."""

from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from kept.core.event import Identifier
from kept.core.message import OPEN_STATES, MessageState
from kept.history_port import EndedMessage, Grouped
from kept.ports import Store
from tests.contract.conftest import Stores
from tests.contract.values import NOW, append, make_event, make_message, undone

pytestmark = pytest.mark.store


def test_events_come_beside_their_sealed_records(stores: Stores) -> None:
    """In stream order from where one stopped; committed ones alone."""
    store = stores.open()
    append(store, 3, 4, 3)
    found = store.read_sealed_events(after=0, limit=99)
    assert [(one.sequence, one.part_id) for one in found] == [(1, 3), (2, 4), (3, 3)]
    assert [one.event for one in found] == [make_event(key) for key in (1, 2, 3)]
    assert all(one.sealed for one in found)
    assert store.read_sealed_events(after=1, limit=1) == found[1:2]
    assert store.read_sealed_events(after=3, limit=9) == []
    with store.transaction():
        part = store.add_part(Identifier("user_id", "x"), claimed=False, customer_id=None)
        store.append_event(part.part_id, make_event(9))
    with store.transaction():
        store.erase_parts([part.part_id])
    assert [one.sequence for one in store.read_sealed_events(after=0, limit=9)] == [1, 2, 3]
    assert store.read_known_events([1, 2, 4, 5, 77]) == {1, 2}
    assert store.read_known_events([]) == set()


def test_decisions_come_beside_their_sealed_records(store: Store) -> None:
    """In order of their ids, from where one stopped."""
    with store.transaction():
        for number in (1, 2, 3):
            store.append_decision(
                part_id=number + 6,
                decided_at=NOW,
                placement="web",
                trace=b"trace %d" % number,
                decision_id=number,
            )
    found = store.read_sealed_decisions(after=0, limit=9)
    assert [(one.decision_id, one.part_id) for one in found] == [(1, 7), (2, 8), (3, 9)]
    assert [one.trace for one in found] == [b"trace 1", b"trace 2", b"trace 3"]
    assert store.read_sealed_decisions(after=1, limit=1) == found[1:2]


def test_messages_come_in_the_order_in_which_they_ended(stores: Stores) -> None:
    """Each once, with its first end, as it is now; one that was taken back did not end."""
    store = stores.open()
    assert store.last_ended() == 0
    states = get_args(MessageState)
    with store.transaction():
        for state in reversed(states):
            store.save_messages([make_message(f"m-{state}", state=state)])
    ended = [state for state in reversed(states) if state not in OPEN_STATES]
    found = store.read_ended_messages(after=0, limit=99)
    assert [one.message and one.message.state for one in found] == ended
    assert [one.ended_id for one in found] == list(range(1, len(ended) + 1))
    with undone(store):
        store.save_messages([make_message("m-leaving", state="delivered")])
    assert store.last_ended() == len(ended)
    with store.transaction():
        store.save_messages([make_message("m-queued", state="leased")])
        store.save_messages([make_message("m-delivered", state="delivered", mark="read")])
        store.save_messages([make_message("m-queued", state="withdrawn")])
    store = stores.open()
    assert store.last_ended() == len(ended) + 1
    (last,) = store.read_ended_messages(after=len(ended), limit=9)
    assert last == EndedMessage(
        ended_id=len(ended) + 1, message=make_message("m-queued", state="withdrawn")
    )


def test_numbers_of_ended_messages_grow_for_ever(stores: Stores) -> None:
    """Also once they were dropped, or the message was forgotten: nothing is passed over."""
    store = stores.open()
    with store.transaction():
        store.save_messages([make_message(f"m-{n}", part_id=n, state="failed") for n in (1, 2, 3)])
    with store.transaction():
        store.drop_ended_messages(up_to=2)
    assert [one.ended_id for one in store.read_ended_messages(after=0, limit=9)] == [3]
    with store.transaction():
        store.erase_parts([3])
    with store.transaction():
        store.drop_ended_messages(up_to=3)
        store.save_messages([make_message("m-4", part_id=4, state="failed")])
    store = stores.open()
    found = store.read_ended_messages(after=2, limit=9)
    assert found[0] == EndedMessage(ended_id=3, message=None)
    assert [one.message and one.message.message_id for one in found[1:]] == ["m-4"]
    assert store.last_ended() == 4
    assert store.load_message("m-1") is not None


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
    append(store, 1, 2)
    with store.transaction(), ThreadPoolExecutor(1) as other:
        store.append_event(1, make_event(5))
        found = other.submit(lambda: store.read_sealed_events(after=0, limit=9)).result()
    assert [one.sequence for one in found] == [1, 2]
