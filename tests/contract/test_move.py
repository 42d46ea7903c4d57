"""An embedded store with everything in it moves to PostgreSQL, and is the same there."""

from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from kept.core.event import Identifier
from kept.errors import KeptError, SettingsError, StoreError
from kept.ports import Store
from kept.runtime import move as moving
from kept.runtime.audits import audit_store
from kept.runtime.backups import restore
from kept.runtime.move import MoveDone, move
from kept.runtime.stores import Where
from kept.stores.postgres import VAULT_SUFFIX
from kept.stores.sqlite import SqliteStore
from kept.stores.sqlite.moved import MOVED_NAME
from tests.contract.conftest import PostgresStores
from tests.contract.full_store import EVENTS, PEOPLE, fill_everything, tell_everything
from tests.contract.values import NOW, make_event, make_message
from tests.vaults import make_vault

pytestmark = pytest.mark.postgres
Report = Callable[[str, int], None]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give the folder of a full store that was stopped in order."""
    folder = tmp_path / "data"
    with closing(SqliteStore(folder, vault=make_vault(folder))) as store:
        fill_everything(store)
    return folder


def carry(data: Path, nodes: PostgresStores, report: Report = lambda what, rows: None) -> MoveDone:
    """Move to the database of the test."""
    return move(data, to=nodes.address.url, report=report)


def open_moved(data: Path, nodes: PostgresStores) -> Store:
    """Open the store as a server with the database among its settings does."""
    return Where(data, nodes.address.url).open()


def test_everything_is_there_and_goes_on(data: Path, nodes: PostgresStores) -> None:
    """All that the port tells is the same; numbers go on; what was claimed stays claimed."""
    with closing(SqliteStore(data, vault=make_vault(data))) as store:
        before = tell_everything(store)
    done = carry(data, nodes)
    assert done.opened > 100
    assert done.log_size == 5
    assert done.master_key == data / "master-key"
    with closing(open_moved(data, nodes)) as there:
        assert tell_everything(there) == before
        with there.transaction():
            assert not there.claim(1, hour=7)
            assert there.claim(EVENTS, hour=7)
            assert there.append_event(1, make_event(99)) == EVENTS + 1
            assert there.next_decision_id() == EVENTS + 1
            new = there.add_part(Identifier("user_id", "new"), claimed=False, customer_id=None)
            assert new.part_id == 2 * PEOPLE + 1
            assert there.next_request_number() == 3
            assert there.next_dossier_number("finding") == 4
            assert there.log_size() == 5
            assert set(there.lock_customers([1, 3, 5, 9])) == {1, 5}
            there.append_guard(b"\x92\xc4\x01#\x03")


def test_history_goes_on_where_it_was(data: Path, nodes: PostgresStores) -> None:
    """Messages keep the numbers by which they ended; what was exported is not exported again."""
    with closing(SqliteStore(data, vault=make_vault(data))) as store:
        with store.transaction():
            for message_id in ("z", "a"):
                ended = make_message(message_id, part_id=1, state="delivered", queued_at=NOW)
                store.save_messages([ended])
            last = store.number_ended()
            store.drop_ended_messages(up_to=last - 2)
        before = store.read_ended_messages(after=0, limit=99)
    assert [one.message.message_id for one in before if one.message] == ["z", "a"]
    carry(data, nodes)
    with closing(open_moved(data, nodes)) as there, there.transaction():
        assert there.number_ended() == last
        assert there.read_ended_messages(after=0, limit=99) == before
        there.save_messages([make_message("new", part_id=1, state="failed", queued_at=NOW)])
        assert there.number_ended() == last + 1


def test_interrupted_after_every_piece_it_goes_on(
    data: Path, nodes: PostgresStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call carries one piece and is interrupted; nothing opens before the end."""
    monkeypatch.setattr(moving, "CHUNK", 7)
    with closing(SqliteStore(data, vault=make_vault(data))) as store:
        before = tell_everything(store)

    def interrupt(what: str, rows: int) -> None:
        if what.startswith("carrying"):
            raise KeyboardInterrupt

    for calls in count():
        try:
            carry(data, nodes, interrupt)
        except KeyboardInterrupt:
            if calls % 20 == 0:
                with pytest.raises(SettingsError, match="has not ended; run the same `kept move`"):
                    open_moved(data, nodes)
                with pytest.raises(SettingsError, match="run `kept move` again"):
                    SqliteStore(data, vault=make_vault(data))
            continue
        break
    assert calls > 40
    with closing(open_moved(data, nodes)) as there:
        assert tell_everything(there) == before


def test_a_lost_connection_loses_no_piece_and_doubles_none(
    data: Path, nodes: PostgresStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends it in the middle of events; called again, it goes on."""
    monkeypatch.setattr(moving, "CHUNK", 5)

    def cut(what: str, rows: int) -> None:
        if what == "carrying events":
            nodes.server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'kept'"
            )

    with pytest.raises(StoreError, match="ended the connection"):
        carry(data, nodes, cut)
    assert carry(data, nodes).log_size == 5


def test_what_was_done_but_for_the_last_note_is_done(data: Path, nodes: PostgresStores) -> None:
    """Nodes may be at work there already: nothing is compared, and the note here is completed."""
    carry(data, nodes)
    noted = (data / MOVED_NAME).read_text()
    (data / MOVED_NAME).write_text(noted.replace("true", "false"))
    with closing(open_moved(data, nodes)) as store, store.transaction():
        store.append_event(1, make_event(99))
    assert carry(data, nodes).rows == 0
    assert (data / MOVED_NAME).read_text() == noted


DAMAGE = {
    "an altered record": (
        """UPDATE kept.events SET body = set_byte(body, 20, 1 + get_byte(body, 20) % 255)
        WHERE sequence = 3""",
        "events: .*altered",
    ),
    "two bodies exchanged": (
        """UPDATE kept.states SET state = other.state FROM (SELECT * FROM kept.states) AS other
        WHERE states.part_id + other.part_id = 3""",
        "states: .*altered or moved",
    ),
    "a row lost": (
        "DELETE FROM kept.links WHERE part_id = 3 AND other_id = 1",
        "links: 4 rows here, 3 there",
    ),
    "a row too many": ("INSERT INTO kept.claims VALUES (9, 9)", "claims: 24 rows here, 25 there"),
    "a customer parted": (
        "UPDATE kept.members SET customer_id = 3 WHERE part_id = 4",
        "members: some of 10 rows differ",
    ),
    "a leaf exchanged": (
        "UPDATE kept.consent_log SET leaf_hash = sha256('x') WHERE leaf_index = 2",
        "consent_log: the root of the tree is another",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_differs_is_found_and_nothing_ends(
    data: Path, nodes: PostgresStores, name: str
) -> None:
    """Whatever changed on its way is named by its table, and neither side is opened."""
    sql, told = DAMAGE[name]

    def damage(what: str, rows: int) -> None:
        if what == "comparing vault of the keys":
            nodes.server.run(sql, nodes.address.database)

    with pytest.raises(StoreError, match=told) as caught:
        carry(data, nodes, damage)
    assert "is not what is in the folder, which stays as it is" in str(caught.value)
    with pytest.raises(SettingsError, match="has not ended"):
        open_moved(data, nodes)


def test_a_wrong_key_is_found(data: Path, nodes: PostgresStores) -> None:
    """Keys are compared before what they open."""

    def damage(what: str, rows: int) -> None:
        if what == "comparing vault of the keys":
            database = nodes.address.database + VAULT_SUFFIX
            nodes.server.run("DELETE FROM kept.part_keys WHERE part_id = 3", database)

    with pytest.raises(StoreError, match=r"part_keys of the keys: .* rows here, .* there"):
        carry(data, nodes, damage)


# -- refusals


def refused(data: Path, nodes: PostgresStores, words: str) -> None:
    """Check that a move is refused with these words, and that the store goes on here."""
    with pytest.raises(SettingsError, match=words):
        carry(data, nodes)
    SqliteStore(data, vault=make_vault(data)).close()


def test_a_database_that_is_not_empty_is_refused(data: Path, nodes: PostgresStores) -> None:
    """Whether it is a store that was opened once, or keys alone."""
    nodes.open_another()
    nodes.close()
    refused(data, nodes, "is not empty; name an empty database")


def test_what_another_move_carried_is_refused(
    data: Path, nodes: PostgresStores, tmp_path: Path
) -> None:
    """Two stores do not become one; and a move that was given up is not gone on with."""
    carry(data, nodes)
    second = tmp_path / "second"
    SqliteStore(second, vault=make_vault(second)).close()
    refused(second, nodes, "holds what another `kept move` carried there")


def test_a_store_in_use_is_refused(data: Path, nodes: PostgresStores) -> None:
    """It says by whom."""
    with (
        closing(SqliteStore(data, vault=make_vault(data))),
        pytest.raises(SettingsError, match="in use by process"),
    ):
        carry(data, nodes)
    carry(data, nodes)


@pytest.mark.parametrize("left", ["event", "message"])
def test_a_store_that_was_not_stopped_in_order_is_refused(
    data: Path, nodes: PostgresStores, left: str
) -> None:
    """What a killed server left is finished by a server, and by nobody else."""
    with closing(SqliteStore(data, vault=make_vault(data))) as store, store.transaction():
        if left == "event":
            store.append_event(1, make_event(500))
        else:
            store.save_messages([make_message("on its way", state="leaving", queued_at=NOW)])
    refused(data, nodes, "was not stopped in order and left .*; start it once more")


def test_after_the_move_nothing_starts_here(data: Path, nodes: PostgresStores) -> None:
    """Neither a server nor a restore, an audit or another move; each says where the store is."""
    backup = data / "copy.db"
    with closing(SqliteStore(data, vault=make_vault(data))) as store:
        assert list(store.backup(str(backup)))[-1] == 1
    carry(data, nodes)
    tries: list[Callable[[], object]] = [
        lambda: SqliteStore(data, vault=make_vault(data)),
        lambda: restore(backup, data, replace=True),
        lambda: audit_store(Where(data), against=[]),
        lambda: carry(data, nodes),
    ]
    for attempt in tries:
        with pytest.raises(KeptError, match=f"was moved to the database {nodes.address.database}"):
            attempt()
    assert "postgres@" not in (data / MOVED_NAME).read_text()


def test_another_target_is_refused_in_the_middle(data: Path, nodes: PostgresStores) -> None:
    """A move that has begun goes on to where it began."""

    def interrupt(what: str, rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry(data, nodes, interrupt)
    with pytest.raises(SettingsError, match="is moving to the database"):
        move(data, to="postgresql://postgres@/elsewhere")
    assert carry(data, nodes).log_size == 5


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    """Before anything is made there."""
    with pytest.raises(SettingsError, match="there is no store in"):
        move(tmp_path / "none", to="postgresql://postgres@/elsewhere")
    assert not (tmp_path / "none").exists()
