"""Every store keeps states with their mark, and wakes, and loses neither halfway."""

import pytest

from kept.errors import StoreError
from kept.ports import StateRow, Store
from tests.contract.conftest import Stores
from tests.contract.values import KEY_MAX, NOW, append

pytestmark = pytest.mark.store


def make_state(part_id: int, applied: int, content: bytes = b"state") -> StateRow:
    """Return a state row."""
    return StateRow(part_id=part_id, applied_sequence=applied, state=content)


def test_states_come_back_in_order_of_parts(stores: Stores) -> None:
    """The newest content of each part asked for, parts without one left out."""
    store = stores.open()
    append(store, 1, 2, 3)
    with store.transaction():
        store.save_states([make_state(3, 3), make_state(1, 1, b"\x00" * 9_000)], mark=1)
        store.save_states([make_state(2, 2, b"")], mark=2)
        assert [row.part_id for row in store.load_states([3, 2, 1])] == [1, 2, 3]
    with store.transaction():
        store.save_states([make_state(3, 3, b"newer")], mark=3)
    store = stores.open()
    expected = [
        make_state(1, 1, b"\x00" * 9_000),
        make_state(2, 2, b""),
        make_state(3, 3, b"newer"),
    ]
    assert store.load_states([3, 99, 2, 1, 3]) == expected
    assert store.load_states([3]) == expected[2:]
    assert store.load_states([]) == store.load_states([99]) == []
    assert store.load_mark() == 3


def test_saving_the_same_states_again_changes_nothing(store: Store) -> None:
    """A flush that is repeated after a crash is harmless."""
    append(store, 1)
    for _ in range(2):
        with store.transaction():
            store.save_states([make_state(1, 1)], mark=1)
    assert store.load_states([1]) == [make_state(1, 1)]


def test_the_mark_never_goes_back(store: Store) -> None:
    """What is contained in stored states stays contained."""
    append(store, 1, 1)
    for mark in (2, 0, 1):
        with store.transaction():
            store.save_states([], mark=mark)
        assert store.load_mark() == 2


def test_a_mark_beyond_the_stream_is_a_bug(store: Store) -> None:
    """States cannot hold events that do not exist."""
    append(store, 1)
    with pytest.raises(AssertionError), store.transaction():
        store.save_states([], mark=2)
    assert store.load_mark() == 0


def test_states_are_iterated_in_pages(store: Store) -> None:
    """`after` is exclusive; nothing is left out or given twice."""
    with store.transaction():
        store.save_states([make_state(n, 0) for n in (5, 1, KEY_MAX, 3, 2)], mark=0)
    seen, after = [], 0
    while page := store.iterate_states(after=after, limit=2):
        seen += [row.part_id for row in page]
        after = seen[-1]
    assert seen == [1, 2, 3, 5, KEY_MAX]


def test_the_earliest_wakes_come_first(stores: Stores) -> None:
    """Only what is due, and of one customer only what was said last."""
    store = stores.open()
    with store.transaction():
        store.save_wakes([(1, NOW + 5), (2, NOW), (3, NOW - 1), (4, NOW + 1)])
        store.save_wakes(iter([(1, NOW - 2), (1, NOW + 9), (1, NOW - 3)]))
    store = stores.open()
    assert store.load_due_wakes(now=NOW, limit=9) == [(1, NOW - 3), (3, NOW - 1), (2, NOW)]
    assert store.load_due_wakes(now=NOW, limit=2) == [(1, NOW - 3), (3, NOW - 1)]
    with store.transaction():
        store.save_wakes([(3, 0), (1, NOW + 1), (99, 0)])
        assert store.load_due_wakes(now=NOW, limit=9) == [(2, NOW)]
    assert stores.open().load_due_wakes(now=NOW + 1, limit=9) == [
        (2, NOW),
        (1, NOW + 1),
        (4, NOW + 1),
    ]


def test_a_stream_with_a_gap_after_the_mark_is_refused(stores: Stores) -> None:
    """A file from which events are missing is not opened as if nothing were wrong."""
    append(stores.open(), 1, 2, 3)
    stores.close()
    stores.lose_event(2)
    with pytest.raises(StoreError, match="restore a backup"):
        stores.open()
