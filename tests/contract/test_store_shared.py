"""Nodes on one PostgreSQL: what is locked, known and settled is so for all of them."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from kept.errors import ContendedError, ForgottenError, StoreError
from kept.log_port import CheckpointRow
from kept.stores.postgres import PostgresStore
from tests.contract.conftest import PostgresStores
from tests.contract.shared import ADA, BOB, add, lock_alone
from tests.contract.values import NOW, make_event, make_request

pytestmark = pytest.mark.postgres


def wait_until_blocked(nodes: PostgresStores, waiting: "Future[Any]") -> None:
    """Return once some node waits for a lock."""
    sql = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not waiting.done():
        if nodes.server.fetch(sql, nodes.address.database)[0][0]:
            return
    raise AssertionError("nobody waits")


# -- the customer's lock


def test_who_waits_for_a_lock_sees_what_was_changed(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore, beside: ThreadPoolExecutor
) -> None:
    """The version that is told under the lock is the newest."""
    (ada,) = add(one, ADA)
    with one.transaction():
        assert one.lock_customers([ada]) == {ada: 0}
        waiting = beside.submit(lock_alone, other, ada)
        wait_until_blocked(nodes, waiting)
        one.raise_versions([ada])
        assert one.lock_customers([ada]) == {ada: 0}
    assert waiting.result() == {ada: 1}


def test_a_customer_that_began_in_a_transaction_is_locked_by_it(one: PostgresStore) -> None:
    """Its version rises like any other's."""
    with one.transaction():
        ada = one.add_part(ADA, claimed=False, customer_id=None).customer_id
        assert one.lock_customers([ada]) == {ada: 0}
        one.raise_versions([ada, 999])
    assert lock_alone(one, ada, 999) == {ada: 1}


def test_what_is_taken_is_skipped(one: PostgresStore, other: PostgresStore) -> None:
    """Whoever looks for work takes what is free."""
    ada, bob = add(one, ADA, BOB)
    with one.transaction():
        one.lock_customers([ada])
        with other.transaction():
            assert other.lock_customers([ada, bob], if_taken="skip") == {bob: 0}
    assert lock_alone(other, ada, bob) == {ada: 0, bob: 0}


def test_nobody_waits_out_of_order(one: PostgresStore, other: PostgresStore) -> None:
    """The error names all that was wanted, and when all is taken first it goes well."""
    ada, bob = add(one, ADA, BOB)
    with one.transaction():
        one.lock_customers([ada])
        with pytest.raises(ContendedError) as raised, other.transaction():
            other.lock_customers([bob])
            other.lock_customers([ada])
    assert raised.value.customers == {ada, bob}
    assert lock_alone(other, *raised.value.customers) == {ada: 0, bob: 0}


def test_out_of_order_goes_well_where_nobody_is_in_the_way(one: PostgresStore) -> None:
    """A free lock is taken whatever its place."""
    ada, bob = add(one, ADA, BOB)
    with one.transaction():
        one.lock_customers([bob])
        assert one.lock_customers([ada]) == {ada: 0}


def test_a_contended_transaction_leaves_nothing_behind(
    one: PostgresStore, other: PostgresStore
) -> None:
    """Also where the error was caught, the transaction cannot be committed; the next one can."""
    ada, bob = add(one, ADA, BOB)
    with one.transaction():
        one.lock_customers([ada])
        with pytest.raises(ContendedError), other.transaction():
            other.lock_customers([bob])
            other.append_event(bob, make_event(1))
            with suppress(ContendedError):
                other.lock_customers([ada])
    assert one.load_part_events([bob]) == []
    with other.transaction():
        other.append_event(bob, make_event(1))
    assert len(one.load_part_events([bob])) == 1


def test_a_customer_that_comes_back_has_a_version_that_it_never_had(one: PostgresStore) -> None:
    """What a node holds of it from before does not count again."""
    ada, bob = add(one, ADA, BOB)
    with one.transaction():
        one.lock_customers([ada, bob])
        one.move_parts([bob], customer_id=ada)
        one.raise_versions([ada, bob])
    assert lock_alone(one, bob) == {}
    with one.transaction():
        one.lock_customers([ada])
        one.move_parts([bob], customer_id=bob)
        one.raise_versions([ada, bob])
    versions = lock_alone(one, ada, bob)
    assert versions[ada] == 2
    assert versions[bob] > 1


# -- what two nodes begin at once


def test_an_event_is_claimed_by_one_node(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore, beside: ThreadPoolExecutor
) -> None:
    """The second finds out at its commit at the latest, and claims nothing when it tries again."""

    def claim() -> None:
        with other.transaction():
            assert other.claim(7, hour=1)

    with one.transaction():
        assert one.claim(7, hour=1)
        one.load_events(after=0, limit=1)
        one.append_event(1, make_event(7))
        one.load_events(after=0, limit=1)
        waiting = beside.submit(claim)
        wait_until_blocked(nodes, waiting)
    with pytest.raises(ContendedError):
        waiting.result()
    with other.transaction():
        other.foresee_claims([(7, 1), (8, 1)])
        assert not other.claim(7, hour=1)
        assert other.claim(8, hour=1)


@pytest.mark.parametrize("claimed", [False, True])
def test_an_identifier_is_begun_by_one_node(
    one: PostgresStore, other: PostgresStore, *, claimed: bool
) -> None:
    """Also where one of them only claims it: the two uses must find each other."""
    with pytest.raises(ContendedError), one.transaction():
        assert one.find_parts([(ADA, False), (ADA, True)]) == [None, None]
        with other.transaction():
            other.add_part(ADA, claimed=False, customer_id=None)
        one.add_part(ADA, claimed=claimed, customer_id=None)
    with one.transaction():
        known, twin = one.find_parts([(ADA, False), (ADA, True)])
        assert known is not None
        assert twin is None
        one.add_part(ADA, claimed=True, customer_id=known.customer_id)
    assert [part.claimed for part in other.load_customer(known.customer_id)] == [False, True]


def test_an_identifier_that_another_node_is_about_to_begin_is_not_waited_for(
    one: PostgresStore, other: PostgresStore
) -> None:
    """Its other use may be written a moment later."""
    with one.transaction():
        one.add_part(ADA, claimed=True, customer_id=None)
        one.load_events(after=0, limit=1)
        one.append_event(1, make_event(1))
        one.load_events(after=0, limit=1)
        with pytest.raises(ContendedError), other.transaction():
            other.add_part(ADA, claimed=False, customer_id=None)


def test_what_was_found_before_a_lock_is_found_anew_under_it(
    one: PostgresStore, other: PostgresStore
) -> None:
    """A part may have moved until its customer was locked."""
    ada, bob = add(one, ADA, BOB)
    with one.transaction():
        before = one.find_parts([(ADA, False), (BOB, False)])
        with other.transaction():
            other.lock_customers([ada, bob])
            other.move_parts([bob], customer_id=ada)
        assert one.lock_customers([ada, bob]).keys() == {ada}
        after = one.find_parts([(BOB, False), (ADA, False)])
    assert [part and part.customer_id for part in before] == [ada, bob]
    assert [part and part.customer_id for part in after] == [ada, ada]


def test_nodes_agree_on_one_key(one: PostgresStore, other: PostgresStore) -> None:
    """What was sealed with the other key is void, and sealed again with the one that counts."""
    with pytest.raises(ContendedError), other.transaction():
        other.save_setting("theirs", b"x")
        with one.transaction():
            one.save_setting("ours", b"1")
    with other.transaction():
        other.save_setting("theirs", b"2")
    for store in (one, other):
        assert store.load_setting("ours") == b"1"
        assert store.load_setting("theirs") == b"2"


def test_leaves_of_the_consent_log_have_no_gap(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore, beside: ThreadPoolExecutor
) -> None:
    """Who asks for its size has it until the commit; who gives up leaves no place behind."""

    def append() -> int:
        with other.transaction():
            return other.append_leaf(ada, leaf_hash=b"h" * 32, data=b"d")

    (ada,) = add(one, ADA)
    with suppress(ZeroDivisionError), one.transaction():
        assert one.append_leaf(ada, leaf_hash=b"h" * 32, data=b"d") == 0
        waiting = beside.submit(append)
        wait_until_blocked(nodes, waiting)
        raise ZeroDivisionError
    assert waiting.result() == 0
    with one.transaction():
        assert one.append_leaf(ada, leaf_hash=b"i" * 32, data=b"d") == 1


def test_whoever_has_the_consent_log_waits_for_no_customer(
    one: PostgresStore, other: PostgresStore
) -> None:
    """Else two nodes could wait for each other; the error says what to lock first."""
    ada, bob = add(one, ADA, BOB)
    with one.transaction():
        one.lock_customers([bob])
        with pytest.raises(ContendedError) as raised, other.transaction():
            other.lock_customers([ada])
            other.log_size()
            other.lock_customers([bob])
    assert raised.value.customers == {ada, bob}


def test_requests_have_numbers_of_their_own(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore, beside: ThreadPoolExecutor
) -> None:
    """Two that are taken up at once are two."""

    def take_up(store: PostgresStore) -> int:
        with store.transaction():
            number = store.next_request_number()
            store.save_request(make_request(number))
            return number

    with one.transaction():
        number = one.next_request_number()
        waiting = beside.submit(take_up, other)
        wait_until_blocked(nodes, waiting)
        one.save_request(make_request(number))
    assert (number, waiting.result()) == (1, 2)


# -- what all nodes must know


def test_what_all_must_know_is_changed_alone(one: PostgresStore, other: PostgresStore) -> None:
    """Whoever did not begin alone is told to; the next transaction of everybody sees the change."""
    with pytest.raises(ContendedError) as raised, one.transaction():
        one.change_control()
    assert raised.value.alone
    before = other.control_version()
    with one.transaction(alone=True):
        one.change_control()
        one.change_control()
    with other.transaction():
        assert other.control_version() == before + 1


def test_a_change_waits_for_those_who_rest_on_what_was(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore, beside: ThreadPoolExecutor
) -> None:
    """And those who begin wait for the change."""

    def change() -> int:
        with other.transaction(alone=True):
            other.change_control()
            return other.control_version()

    with one.transaction():
        version = one.control_version()
        waiting = beside.submit(change)
        wait_until_blocked(nodes, waiting)
        assert one.control_version() == version
    assert waiting.result() == version + 1
    with one.transaction():
        assert one.control_version() == version + 1


def test_a_transaction_is_told_the_time_that_all_share(one: PostgresStore) -> None:
    """It stands still within a transaction, and goes on with the next."""
    with one.transaction():
        first = one.read_clock()
        assert one.read_clock() == first > NOW
    with one.transaction():
        assert one.read_clock() > first


def test_a_forgotten_part_is_closed_to_a_node_that_had_its_key(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore
) -> None:
    """Keys in memory are let go of once what all must know has changed."""
    (ada,) = add(one, ADA)
    with other.transaction():
        assert other.load_parts([ada])
    ((kept,),) = nodes.server.fetch(
        f"SELECT row(parts.*)::text FROM kept.parts WHERE part_id = {ada}", nodes.address.database
    )
    with one.transaction(alone=True):
        one.erase_parts([ada])
        one.change_control()
    nodes.server.run(
        f"INSERT INTO kept.parts SELECT ($${kept}$$::kept.parts).*", nodes.address.database
    )
    with pytest.raises(ForgottenError), other.transaction():
        other.load_parts([ada])


# -- duties and nodes


def test_a_duty_is_done_by_one_node_at_a_time(one: PostgresStore, other: PostgresStore) -> None:
    """For the length of a transaction."""
    with one.transaction():
        assert one.try_duty("sign the log")
        with other.transaction():
            assert not other.try_duty("sign the log")
            assert other.try_duty("clear away")
    with other.transaction():
        assert other.try_duty("sign the log")


def test_a_node_is_gone_once_it_is_closed(one: PostgresStore, other: PostgresStore) -> None:
    """And stays listed until somebody has seen to what it left."""
    first, second = one.join("a"), other.join("b")
    other.say_present(control_version=5)
    listed = {node.node_id: node for node in one.list_nodes()}
    assert [listed[each].is_gone for each in (first, second)] == [False, False]
    assert (listed[second].name, listed[second].control_version) == ("b", 5)
    assert listed[second].seen_at >= listed[second].joined_at > NOW
    other.close()
    assert [node.is_gone for node in one.list_nodes()] == [False, True]
    with one.transaction():
        one.take_out(second)
    assert [node.node_id for node in one.list_nodes()] == [first]


# -- what is settled


def test_what_is_settled_never_runs_ahead(one: PostgresStore, other: PostgresStore) -> None:
    """A number that was given out and is not committed yet may still come."""
    with one.transaction():
        low = one.append_event(1, make_event(1))
        with other.transaction():
            high = other.append_event(2, make_event(2))
            assert high > low
        assert other.read_settled().sequence < low
        assert other.read_settled().sequence < low
        assert [event.sequence for event in other.load_events(after=0, limit=9)] == [high]
    # One look finds that those are done whom the look before waited for.
    settled = [other.read_settled().sequence for _ in range(2)][-1]
    assert settled >= high
    assert [event.sequence for event in other.load_events(after=0, limit=9)] == [low, high]


def test_what_is_settled_is_told_at_once_where_nobody_is_at_work(one: PostgresStore) -> None:
    """Numbers of an undone transaction are settled too: nothing comes under them any more."""
    with one.transaction():
        last = one.append_event(1, make_event(1))
        decision_id = one.next_decision_id()
        notice_id = one.append_notice(1, noted_at=NOW, scopes=["c|sms"])
    settled = one.read_settled()
    assert settled.sequence >= last
    assert settled.decision_id >= decision_id
    assert settled.notice_id == notice_id


def test_what_is_settled_says_when_it_was_looked_at(
    one: PostgresStore, other: PostgresStore
) -> None:
    """Not when it was asked for: an answer may be of a look before, and at first of none."""
    with one.transaction():
        one.append_event(1, make_event(1))
        assert other.read_settled().at == 0
        with other.transaction():
            looked = other.read_clock()
    with one.transaction():
        one.append_event(1, make_event(2))
        with other.transaction():
            asked = other.read_clock()
        assert 0 < other.read_settled().at <= looked
    assert other.read_settled().at >= asked


# -- what is beside the transaction


def test_what_was_taken_ahead_is_used_after_what_is_next(one: PostgresStore) -> None:
    """Whoever notes the next sequence knows that whatever this transaction adds has it, or a later one."""
    with one.transaction():
        one.foresee_claims([(key, 1) for key in range(5)])
        next_one = one.next_sequence()
        assert one.last_sequence() >= next_one + 4
        assert one.append_event(1, make_event(1)) == next_one


def test_a_node_that_others_took_out_joins_again(one: PostgresStore, other: PostgresStore) -> None:
    """It would be looked for in vain, were it to work on."""
    first = one.join("a")
    other.join("b")
    one.say_present(control_version=1)
    with other.transaction():
        other.take_out(first)
    with pytest.raises(StoreError, match="took this one for gone"):
        one.say_present(control_version=1)


def test_keys_that_a_node_left_when_it_ended_are_destroyed_by_another(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore
) -> None:
    """It had removed the rows, and not the keys yet."""
    (ada,) = add(one, ADA)
    gone = one.join("a")
    other.join("b")
    database = nodes.address.database
    nodes.server.run(f"INSERT INTO kept.keys_to_destroy VALUES ({ada})", database)
    one.close()
    with other.transaction():
        other.take_out(gone)
    with pytest.raises(ForgottenError), other.transaction():
        other.load_parts([ada])
    with other.transaction():
        pass
    assert nodes.server.fetch("SELECT * FROM kept.keys_to_destroy", database) == []


def test_the_witness_goes_on_with_a_log_that_was_restored(one: PostgresStore) -> None:
    """Under its new name the log is smaller than the one that was lost."""
    for size, note, kept in (
        (9, "old\n9", "old\n9"),
        (5, "old\n5", "old\n9"),
        (6, "new\n6", "new\n6"),
    ):
        with one.transaction():
            one.save_checkpoint(CheckpointRow(size=size, signed_at=NOW, note=note))
        assert one.load_witness() == kept
