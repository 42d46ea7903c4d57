"""Every store commits as a whole or not at all, and says so when it fails."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from kept.core.event import Identifier
from kept.core.identity import Link
from kept.errors import KeptError, StoreError
from kept.log_port import CheckpointRow, LogStore
from kept.ports import BrandRow, HeldRecord, StateRow, Store
from tests.contract.conftest import Stores
from tests.contract.values import NOW, append, make_event, make_message, make_request, undone

pytestmark = pytest.mark.store

EMAIL = Identifier("email", "ada@example.org")

# One call for each method of the port that writes.
WRITES: dict[str, Callable[[Store], Any]] = {
    "claim": lambda store: store.claim(1, hour=1),
    "append_event": lambda store: store.append_event(1, make_event(1)),
    "forget_claims": lambda store: store.forget_claims(before_hour=2),
    "add_part": lambda store: store.add_part(EMAIL, claimed=False, customer_id=None),
    "save_link": lambda store: store.save_link(Link(1, 2, "vouched", NOW)),
    "move_parts": lambda store: store.move_parts([1], customer_id=2),
    "save_states": lambda store: store.save_states(
        [StateRow(part_id=1, applied_sequence=0, state=b"s")], mark=0
    ),
    "save_wakes": lambda store: store.save_wakes([(1, NOW)]),
    "save_messages": lambda store: store.save_messages([make_message("m")]),
    "append_decision": lambda store: store.append_decision(
        part_id=1,
        decided_at=NOW,
        placement="web",
        trace=b"t",
        decision_id=store.next_decision_id(),
    ),
    "quarantine": lambda store: store.quarantine(
        source="web", received_at=NOW, code="c", detail="d", payload=b"{}"
    ),
    "set_quarantine_state": lambda store: store.set_quarantine_state(1, "dropped"),
    "append_audit": lambda store: store.append_audit(at=NOW, actor="a", verb="v", detail={}),
    "save_brand": lambda store: store.save_brand(BrandRow(version="v", in_force_at=NOW, texts={})),
    "save_setting": lambda store: store.save_setting("name", b"value"),
    "append_guard": lambda store: store.append_guard(b"stop"),
    "append_notice": lambda store: store.append_notice(1, noted_at=NOW, scopes=["c|sms"]),
    "erase_parts": lambda store: store.erase_parts([1]),
    "erase_quarantined": lambda store: store.erase_quarantined([1]),
    "save_tombstone": lambda store: store.save_tombstone(b"k", until=NOW, is_suppressed=False),
    "save_request": lambda store: store.save_request(make_request(1)),
    "hold_records": lambda store: store.hold_records(
        1, [HeldRecord(hold="invoices", until=NOW, body=b"{}")]
    ),
    "drop_held_records": lambda store: store.drop_held_records(now=NOW, limit=9),
    "drop_emptied_events": lambda store: store.drop_emptied_events(),
    "append_leaf": lambda store: store.append_leaf(1, leaf_hash=b"h" * 32, data=b"d"),
    "save_log_hash": lambda store: store.save_log_hash(1, 0, b"h" * 32),
    "save_checkpoint": lambda store: store.save_checkpoint(
        CheckpointRow(size=1, signed_at=NOW, note="note")
    ),
}

READS: dict[str, Callable[[Store], Any]] = {
    "load_events": lambda store: store.load_events(after=0, limit=1),
    "load_part_events": lambda store: store.load_part_events([1]),
    "find_parts": lambda store: store.find_parts([(EMAIL, False)]),
    "find_part_by_key": lambda store: store.find_part_by_key(
        store.lookup_key(EMAIL, claimed=False)
    ),
    "load_customer": lambda store: store.load_customer(1),
    "load_parts": lambda store: store.load_parts([1, 2]),
    "load_links": lambda store: store.load_links([1]),
    "load_states": lambda store: store.load_states([1]),
    "load_mark": lambda store: store.load_mark(),
    "iterate_states": lambda store: store.iterate_states(after=0, limit=1),
    "load_due_wakes": lambda store: store.load_due_wakes(now=NOW, limit=1),
    "load_message": lambda store: store.load_message("m"),
    "load_open_messages": lambda store: store.load_open_messages([1]),
    "load_due_messages": lambda store: store.load_due_messages(
        now=NOW, channels=["email"], limit=1
    ),
    "load_messages_in": lambda store: store.load_messages_in(["queued"], limit=1),
    "load_part_messages": lambda store: store.load_part_messages([1]),
    "load_message_by_provider_id": lambda store: store.load_message_by_provider_id("email", "p"),
    "load_brand": lambda store: store.load_brand(),
    "load_setting": lambda store: store.load_setting("name"),
    "load_notices": lambda store: store.load_notices(after=0, limit=9),
    "next_request_number": lambda store: store.next_request_number(),
    "load_request": lambda store: store.load_request("r"),
    "load_requests": lambda store: store.load_requests(newest=1),
    "load_due_requests": lambda store: store.load_due_requests(now=NOW, limit=1),
    "load_held_records": lambda store: store.load_held_records(1),
    "last_notice": lambda store: store.last_notice(),
    "read_decision": lambda store: store.read_decision(1),
    "read_decisions": lambda store: store.read_decisions([1], newest=1),
    "read_quarantine": lambda store: store.read_quarantine(after=0, limit=1),
    "read_audit": lambda store: store.read_audit(newest=1),
    "read_counts": lambda store: store.read_counts(),
    "log_size": lambda store: store.log_size(),
    "read_log_hashes": lambda store: store.read_log_hashes(1, start=0, count=1),
    "read_leaves": lambda store: store.read_leaves(start=0, limit=1),
    "read_part_leaves": lambda store: store.read_part_leaves([1]),
    "read_checkpoints": lambda store: store.read_checkpoints(after=0, limit=1),
    "read_newest_checkpoint": lambda store: store.read_newest_checkpoint(),
    "read_events": lambda store: store.read_events(after=0, limit=1),
}

APART = {
    "close",
    "transaction",
    "last_sequence",
    "lookup_key",
    "next_decision_id",
    "load_guard",
    "load_witness",
    "backup",
    "find_tombstone",
    "has_tombstones",
}
"""What touches no table when it is called (of tombstones, while there are none), and the backup,
which has tests of its own."""


ON_A_DISK = ["sqlite", "postgres"]
"""Below memory lies nothing that could fail; and how SQLite writes behind, or seals, adds no way to."""


def test_the_battery_knows_every_method_of_the_port() -> None:
    """A method that is added to the port must be added to the lists above."""
    declared = vars(Store).keys() | vars(LogStore).keys()
    methods = {name for name in declared if not name.startswith("_")}
    assert methods == WRITES.keys() | READS.keys() | APART


@pytest.mark.parametrize("name", WRITES)
def test_a_write_outside_of_a_transaction_is_a_bug(store: Store, name: str) -> None:
    """It would never be committed, so it is refused loudly."""
    with pytest.raises(AssertionError, match="transaction"):
        WRITES[name](store)


@pytest.mark.parametrize("stores", ON_A_DISK, indirect=True)
@pytest.mark.parametrize("name", [*WRITES, *READS])
def test_no_error_of_the_driver_leaks(stores: Stores, name: str) -> None:
    """Whatever fails below comes out as `StoreError`, with the driver's error as its cause."""
    store = stores.open()
    append(store, 1)
    stores.spoil()
    with pytest.raises(StoreError) as raised:
        _call(store, name)
    assert raised.value.__cause__ is not None
    assert not isinstance(raised.value.__cause__, KeptError)


@pytest.mark.parametrize("stores", ON_A_DISK, indirect=True)
@pytest.mark.parametrize("name", [*WRITES, *READS])
def test_a_closed_store_says_so_in_our_words(stores: Stores, name: str) -> None:
    """Nothing else than `StoreError` comes from a store that was closed."""
    store = stores.open()
    stores.shut()
    with pytest.raises(StoreError):
        _call(store, name)


def test_closing_twice_does_nothing(stores: Stores) -> None:
    """A server that stops in two places stops once."""
    store = stores.open()
    store.close()
    store.close()


def test_a_transaction_within_a_transaction_is_a_bug(store: Store) -> None:
    """There is one write transaction; waiting for oneself would never end."""
    with pytest.raises(AssertionError), store.transaction(), store.transaction():
        pass
    append(store, 1)


def test_everything_of_a_transaction_is_rolled_back(stores: Stores) -> None:
    """After an exception nothing of it has happened, on disk and in memory."""
    store = stores.open()
    before = _look(store)
    with undone(store):
        _write_everything(store)
        assert _look(store) != before
    assert _look(store) == before
    assert _look(stores.open()) == before


def test_what_was_rolled_back_can_be_done_again(stores: Stores) -> None:
    """Keys of an undone transaction are free, and its ids where there is one writer."""
    store = stores.open()
    with undone(store):
        _write_everything(store)
    with store.transaction():
        _write_everything(store)
    committed = _look(store)
    assert _look(stores.open()) == committed


def test_an_empty_transaction_is_nothing(store: Store) -> None:
    """Whoever had nothing to write has written nothing."""
    before = _look(store)
    with store.transaction():
        pass
    assert _look(store) == before


def test_after_a_failed_write_the_store_refuses_until_it_is_opened_again(stores: Stores) -> None:
    """Memory is ahead of the disk then, so nothing more may be built on it."""
    store = stores.open_fallible()
    append(store, 1)
    with store.transaction():
        store.add_part(EMAIL, claimed=False, customer_id=None)
    with pytest.raises(StoreError), store.transaction():
        _append_and_fail(store)
    for _ in range(2):
        with pytest.raises(StoreError, match="open the store again"), store.transaction():
            pass
    assert [one.sequence for one in store.load_events(after=0, limit=9)] == [1]
    assert append(stores.open(), 1, first_key=2) == [2]


def test_a_swallowed_failure_still_stops_the_commit(stores: Stores) -> None:
    """Catching the error inside the transaction does not make half of it durable."""
    store = stores.open_fallible()
    with store.transaction():
        store.add_part(EMAIL, claimed=False, customer_id=None)
    with pytest.raises(StoreError), store.transaction(), suppress(StoreError):
        _append_and_fail(store)
    assert stores.open().last_sequence() == 0


def test_readers_on_other_threads_see_whole_commits_only(stores: Stores) -> None:
    """Pages are read while the writer writes; each look is of one instant."""
    store = stores.open_shared()
    failures: list[str] = []
    is_done = threading.Event()

    def read() -> None:
        newest = 0
        while not is_done.is_set():
            counts = store.read_counts()
            # Each commit adds two events and one decision.
            if counts["events"] % 2:
                failures.append(f"half a commit: {counts}")
            found = store.read_decisions([1], newest=3)
            ids = [row.decision_id for row in found]
            if ids != sorted(ids, reverse=True) or (found and ids[0] < newest):
                failures.append(f"back in time: {ids} after {newest}")
            newest = ids[0] if ids else 0
            if store.read_audit(newest=1) and store.read_quarantine(after=0, limit=1) == []:
                failures.append("an entry without what was written before it")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for key in range(0, 200, 2):
        with store.transaction():
            store.append_event(1, make_event(key))
            WRITES["append_decision"](store)
            store.append_event(2, make_event(key + 1))
        if key == 100:
            with store.transaction():
                WRITES["quarantine"](store)
            with store.transaction():
                WRITES["append_audit"](store)
    is_done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert store.read_counts()["events"] == 200


def _call(store: Store, name: str) -> None:
    """Call a method of the port as it should be called."""
    if name in READS:
        READS[name](store)
    else:
        with store.transaction():
            WRITES[name](store)


def _write_everything(store: Store) -> None:
    """Call every method that writes."""
    for write in WRITES.values():
        write(store)


def _append_and_fail(store: Store) -> None:
    """Append an event, then let the database refuse something: one identifier begins one part."""
    store.append_event(1, make_event(2))
    store.add_part(EMAIL, claimed=False, customer_id=None)


def _look(store: Store) -> dict[str, Any]:
    """Return everything that the port shows of a store that holds little."""
    looks = {name: read(store) for name, read in READS.items()}
    if not store.is_shared:
        # Where others take numbers too, those of an undone transaction are given to nobody.
        looks["last_sequence"] = store.last_sequence()
        looks["next_decision_id"] = store.next_decision_id()
    return looks
