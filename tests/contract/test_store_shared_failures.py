"""Nodes on one PostgreSQL that stall, lose their connections, or are of another release."""

import pytest

from kept.errors import SettingsError, StoreError
from kept.stores.postgres import PostgresStore, session
from tests.contract.conftest import PostgresStores
from tests.contract.shared import ADA, add, lock_alone
from tests.contract.values import make_event

pytestmark = pytest.mark.postgres


def count_connections(nodes: PostgresStores, store: PostgresStore) -> int:
    """Return whether the server still has the connection on which a store writes."""
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {writer_of(store)}"
    return int(nodes.server.fetch(sql)[0][0])


def writer_of(store: PostgresStore) -> int:
    """Return the server's process for the connection on which a store writes."""
    return int(store._session._wire._connection.get_server_pid())


def test_a_node_that_stalls_loses_its_locks_and_its_transaction(
    nodes: PostgresStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends it, others go on, and nothing that it had is durable then."""
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.05)
    stalled, other = nodes.open_another(), nodes.open_another()
    (ada,) = add(other, ADA)
    with pytest.raises(StoreError, match="idle within a transaction"), stalled.transaction():
        stalled.lock_customers([ada])
        stalled.append_event(ada, make_event(1))
        while count_connections(nodes, stalled):
            continue
        assert lock_alone(other, ada) == {ada: 0}
    assert other.load_part_events([ada]) == []
    with pytest.raises(StoreError, match="open the store again"), stalled.transaction():
        pass


def test_a_connection_that_is_ended_says_so(
    nodes: PostgresStores, one: PostgresStore, other: PostgresStore
) -> None:
    """The store must be opened again, and then stands where the database stands."""
    with pytest.raises(StoreError, match="ended the connection"), one.transaction():
        one.append_event(1, make_event(1))
        nodes.server.run(f"SELECT pg_terminate_backend({writer_of(one)})")
    again = nodes.open_another()
    assert again.load_part_events([1]) == []
    with again.transaction():
        again.append_event(1, make_event(1))
    assert len(other.load_part_events([1])) == 1


def test_a_reader_whose_connection_was_ended_asks_again(
    nodes: PostgresStores, one: PostgresStore
) -> None:
    """Nobody who looks at a page sees that the server was started anew."""
    assert one.read_counts()["events"] == 0
    nodes.server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{nodes.address.database}' AND pid <> {writer_of(one)}"
        " AND application_name = 'kept'"
    )
    assert one.read_counts()["events"] == 0


def test_what_a_newer_release_added_is_tolerated_and_what_it_changed_is_refused(
    nodes: PostgresStores,
) -> None:
    """The schema says from which version on a program can work with it."""
    database = nodes.address.database
    nodes.server.run("INSERT INTO kept.schema_versions VALUES (99, 1)", database)
    nodes.open().close()
    nodes.server.run("UPDATE kept.schema_versions SET compatible_from = 99", database)
    try:
        with pytest.raises(SettingsError, match="start a newer one"):
            nodes.open()
    finally:
        nodes.server.run(
            "DELETE FROM kept.schema_versions WHERE version = 99;"
            " UPDATE kept.schema_versions SET compatible_from = 1",
            database,
        )
