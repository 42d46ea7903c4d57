"""What must go out of files is noted in pages, and struck off once it is gone."""

from collections.abc import Iterator

import pytest

from kept.flows import history_list
from kept.flows.history_list import (
    REMEMBERED_FOR,
    Progress,
    is_gone,
    last_gone,
    load_gone,
    note_gone,
    save_progress,
    strike_off,
    touches,
)
from kept.stores.memory import MemoryStore

NOW = 1_772_452_800_000_000


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """Give a store in a transaction, from which something was exported."""
    store = MemoryStore()
    with store.transaction():
        save_progress(store, Progress())
        yield store


def parts_in(store: MemoryStore) -> list[tuple[int, ...]]:
    """Return the parts of what must go, note by note."""
    return [one.parts for one in load_gone(store)]


def test_nothing_is_noted_where_nothing_was_ever_exported() -> None:
    """Nor where there is nothing to note."""
    store = MemoryStore()
    with store.transaction():
        note_gone(store, parts=[1], request_id="r")
        assert load_gone(store) == ()
        save_progress(store, Progress())
        note_gone(store, request_id="r")
        assert load_gone(store) == ()


def test_an_erasure_is_gone_when_it_is_struck_off(store: MemoryStore) -> None:
    """And not because another one is."""
    note_gone(store, parts=[1, 2], request_id="r-1")
    note_gone(store, parts=[3], request_id="r-2")
    assert [is_gone(store, name) for name in ("r-1", "r-2", "r-3")] == [False, False, True]
    one, two = load_gone(store)
    strike_off(store, [one.number], NOW)
    assert is_gone(store, "r-1")
    assert not is_gone(store, "r-2")
    strike_off(store, [two.number], NOW)
    assert load_gone(store) == ()


def test_those_whom_nobody_waits_for_go_together(store: MemoryStore) -> None:
    """They are no reason to look; whatever somebody waits for is."""
    note_gone(store, parts=[1])
    note_gone(store, parts=[2])
    assert parts_in(store) == [(1, 2)]
    assert load_gone(store, is_all=False) == ()
    note_gone(store, sequences=[7])
    note_gone(store, parts=[3])
    assert [one.parts for one in load_gone(store, is_all=False)] == [(1, 2), (), (3,)]


def test_a_note_that_grew_meanwhile_is_not_struck_off(store: MemoryStore) -> None:
    """What was added to it has not been looked for."""
    note_gone(store, parts=[1])
    (before,) = load_gone(store)
    note_gone(store, parts=[2])
    strike_off(store, [before.number], NOW)
    assert parts_in(store) == [(1, 2)]


def test_many_are_noted_in_pages(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note reads and writes one of them; pages that are done with are left behind."""
    monkeypatch.setattr(history_list, "PARTS_A_PAGE", 3)
    for part in range(1, 11):
        note_gone(store, parts=[part])
    assert parts_in(store) == [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10,)]
    numbers = [one.number for one in load_gone(store)]
    assert touches(store, since=0, parts={2}, first=0, last=-1)
    assert touches(store, since=numbers[2], parts={10}, first=0, last=-1)
    assert not touches(store, since=numbers[2], parts={9}, first=0, last=-1)
    strike_off(store, numbers[:3], NOW)
    strike_off(store, [], NOW + REMEMBERED_FOR)
    assert parts_in(store) == [(10,)]
    note_gone(store, parts=[11], request_id="r")
    assert parts_in(store) == [(10,), (11,)]


def test_what_was_struck_off_is_remembered_for_a_while(store: MemoryStore) -> None:
    """Whoever was writing a file meanwhile must still hear of it."""
    since = last_gone(store)
    note_gone(store, parts=[5], sequences=[40], request_id="r")
    strike_off(store, [last_gone(store)], NOW)
    assert touches(store, since=since, parts={5}, first=0, last=-1)
    assert touches(store, since=since, parts=(), first=30, last=40)
    assert not touches(store, since=since, parts=(), first=41, last=50)
    assert not touches(store, since=last_gone(store), parts={5}, first=0, last=-1)
    strike_off(store, [], NOW + REMEMBERED_FOR)
    assert not touches(store, since=since, parts={5}, first=0, last=-1)
