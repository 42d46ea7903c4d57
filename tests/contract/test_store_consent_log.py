"""Every store keeps the leaves of the consent log, hashes over many, and what was signed."""

import pytest

from kept.core.event import Identifier
from kept.log_port import CheckpointRow, EventRow, LeafRow
from kept.ports import Store
from tests.contract.conftest import Stores
from tests.contract.values import NOW, make_event

pytestmark = pytest.mark.store
EMAIL, PHONE = Identifier("email", "ana@mail.example"), Identifier("phone", "+351900000000")


def hash_of(number: int) -> bytes:
    """Return 32 bytes that no other number has."""
    return number.to_bytes(32, "big")


def append(store: Store, count: int) -> list[int]:
    """Commit leaves of the parts 1, 2, 1, 2 ... and return their places."""
    with store.transaction():
        return [
            store.append_leaf(
                n % 2 + 1, leaf_hash=hash_of(store.log_size()), data=b"data %d" % store.log_size()
            )
            for n in range(count)
        ]


def test_leaves_are_counted_from_zero_across_reopening(stores: Stores) -> None:
    """A place is given once, and what stands there comes back."""
    store = stores.open()
    assert store.log_size() == 0
    assert append(store, 3) == [0, 1, 2]
    store = stores.open()
    assert store.log_size() == 3
    assert append(store, 2) == [3, 4]
    assert store.read_leaves(start=1, limit=2) == [
        LeafRow(index=1, part_id=2, leaf_hash=hash_of(1), data=b"data 1"),
        LeafRow(index=2, part_id=1, leaf_hash=hash_of(2), data=b"data 2"),
    ]
    assert store.read_leaves(start=5, limit=9) == []
    assert [leaf.index for leaf in store.read_part_leaves([2])] == [1, 4]
    assert store.read_part_leaves([]) == store.read_part_leaves([7]) == []


def test_a_leaf_goes_with_the_transaction_that_it_belongs_to(stores: Stores) -> None:
    """What did not happen has no leaf, and its place is given again."""
    store = stores.open()
    append(store, 1)

    def fail_after_appending() -> None:
        with store.transaction():
            assert store.append_leaf(1, leaf_hash=hash_of(1), data=b"gone") == 1
            store.save_log_hash(1, 0, hash_of(9))
            store.save_checkpoint(CheckpointRow(size=2, signed_at=NOW, note="gone"))
            assert store.log_size() == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_appending()
    assert store.log_size() == 1
    assert store.read_newest_checkpoint() is None
    assert store.load_witness() == ""
    assert store.read_log_hashes(1, start=0, count=1) == []
    assert append(store, 1) == [1]


def test_hashes_are_read_by_level_and_place(stores: Stores) -> None:
    """Level 0 is that of the leaves; the end gives fewer than were asked for."""
    store = stores.open()
    append(store, 5)
    with store.transaction():
        store.save_log_hash(1, 0, hash_of(100))
        store.save_log_hash(1, 1, hash_of(101))
        store.save_log_hash(2, 0, hash_of(200))
        # A hash over hashes is computed from what this very transaction appended.
        assert store.read_log_hashes(1, start=0, count=9) == [hash_of(100), hash_of(101)]
    store = stores.open()
    assert store.read_log_hashes(0, start=3, count=9) == [hash_of(3), hash_of(4)]
    assert store.read_log_hashes(1, start=1, count=1) == [hash_of(101)]
    assert store.read_log_hashes(2, start=0, count=2) == [hash_of(200)]
    assert store.read_log_hashes(3, start=0, count=1) == []


def test_checkpoints_come_back_in_order_of_their_sizes(stores: Stores) -> None:
    """Word for word, for they are signed."""
    store = stores.open()
    rows = [
        CheckpointRow(size=size, signed_at=NOW + size, note=f"note {size}\n\n— ü\n")
        for size in (2, 10, 300)
    ]
    with store.transaction():
        for row in rows:
            store.save_checkpoint(row)
    store = stores.open()
    assert store.read_checkpoints(after=0, limit=9) == rows
    assert store.read_checkpoints(after=2, limit=1) == rows[1:2]
    assert store.read_newest_checkpoint() == rows[-1]
    assert store.load_witness() == rows[-1].note


def test_what_was_forgotten_keeps_its_leaf(stores: Stores) -> None:
    """The data of a part that was erased is gone, its hash and place stand; the others' is there."""
    store = stores.open()
    with store.transaction():
        parts = [store.add_part(name, claimed=False, customer_id=None) for name in (EMAIL, PHONE)]
    with store.transaction():
        for index, part in enumerate(parts):
            store.append_leaf(part.part_id, leaf_hash=hash_of(index), data=b"data %d" % index)
    with store.transaction():
        store.erase_parts([parts[0].part_id])
    for reopens in (False, True):
        leaves = (stores.open() if reopens else store).read_leaves(start=0, limit=9)
        assert [leaf.data for leaf in leaves] == [None, b"data 1"]
        assert [leaf.leaf_hash for leaf in leaves] == [hash_of(0), hash_of(1)]


def test_events_are_read_for_an_audit_in_the_order_of_the_stream(stores: Stores) -> None:
    """As they are in the stream, from any thread."""
    store = stores.open()
    events = [make_event(n) for n in range(1, 5)]
    with store.transaction():
        for n, event in enumerate(events):
            store.append_event(n + 7, event)
    rows = [EventRow(sequence=n + 1, part_id=n + 7, event=event) for n, event in enumerate(events)]
    assert store.read_events(after=0, limit=9) == rows
    assert stores.open().read_events(after=1, limit=2) == rows[1:3]
