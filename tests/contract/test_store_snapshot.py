"""A store as it was at one instant: what everybody in a base is read from."""

import threading
from typing import cast

from kept.base_port import SnapshotStore
from kept.core.event import Identifier
from kept.core.identity import Link
from kept.ports import StateRow, Store
from tests.contract.conftest import Stores
from tests.contract.values import make_event, make_message

ANA = Identifier("user_id", "ana")
BEN = Identifier("email", "ben@example.com")
CAL = Identifier("user_id", "cal")


def fill(store: Store) -> None:
    """Give a customer of two parts, and another of one, all that a snapshot shows."""
    with store.transaction():
        store.add_part(ANA, claimed=False, customer_id=None)
        store.add_part(BEN, claimed=False, customer_id=1)
        store.add_part(CAL, claimed=False, customer_id=None)
        store.save_link(Link(part_a=1, part_b=2, evidence="alias", first_at=5))
        for key in range(3):
            store.append_event(1, make_event(key))
        store.save_states([StateRow(part_id=1, applied_sequence=2, state=b"folded")], mark=2)
        store.save_messages([make_message("m1", part_id=3)])


def test_a_snapshot_shows_what_the_store_holds(stores: Stores) -> None:
    """Customers in order with parts, states and links, the events after the mark, open messages."""
    store = stores.open_shared()
    if not hasattr(store, "snapshot"):
        return
    fill(store)
    with cast("SnapshotStore", store).snapshot() as seen:
        assert seen.list_customers(after=0, limit=9) == [1, 3]
        assert seen.list_customers(after=1, limit=9) == [3]
        found = seen.load_customers([1, 3])
        assert [part.identifier for part in found[1]] == [ANA, BEN]
        assert [part.identifier for part in found[3]] == [CAL]
        assert [row.state for row in seen.load_states([1, 2, 3])] == [b"folded"]
        assert [(link.part_a, link.part_b) for link in seen.load_links([2])] == [(1, 2)]
        # Where several nodes write, no state waits for anything: nothing is left to be folded.
        assert seen.load_mark() == (3 if store.is_shared else 2)
        assert [one.event for one in seen.load_events(after=2, limit=9)] == [make_event(2)]
        assert [one.message_id for one in seen.load_open_messages([1, 2, 3])] == ["m1"]


def test_what_is_written_meanwhile_is_not_seen(stores: Stores) -> None:
    """Another thread reads while the writer goes on; the instant of the snapshot stands."""
    store = stores.open_shared()
    if not hasattr(store, "snapshot") or hasattr(store, "_parts"):
        # A store in memory has one thread, and its snapshot is itself.
        return
    fill(store)
    taken, written = threading.Event(), threading.Event()
    seen_then: list[int] = []

    def read() -> None:
        with cast("SnapshotStore", store).snapshot() as seen:
            seen.list_customers(after=0, limit=9)
            taken.set()
            assert written.wait(10)
            seen_then.extend(seen.list_customers(after=0, limit=9))

    reader = threading.Thread(target=read)
    reader.start()
    assert taken.wait(10)
    with store.transaction():
        store.add_part(Identifier("user_id", "dan"), claimed=False, customer_id=None)
    written.set()
    reader.join()
    assert seen_then == [1, 3]
