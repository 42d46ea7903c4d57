"""A database that PostgreSQL restored is taken up: no number comes again, nobody stays signed in."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from kept.core.event import Identifier
from kept.errors import SettingsError
from kept.ports import RESTORED_SETTING
from kept.runtime.backups import note_database_restored, renew_admin_token
from kept.runtime.stores import Where
from kept.stores.postgres import PostgresStore
from kept.stores.sqlite.backup import IDS_LEFT_OUT
from tests.contract.conftest import PostgresStores
from tests.contract.test_store_access import make_session
from tests.contract.values import make_event

pytestmark = pytest.mark.postgres


def test_it_is_refused_while_nodes_are_at_work(nodes: PostgresStores, tmp_path: Path) -> None:
    """Nothing is changed then."""
    node = nodes.open_another()
    node.join("somewhere")
    with pytest.raises(SettingsError, match=r"nodes are at work .*; stop them first"):
        note_database_restored(Where(tmp_path, nodes.address.url))
    assert node.load_setting(RESTORED_SETTING) is None


def test_without_a_database_it_is_refused(tmp_path: Path) -> None:
    """A folder is restored by another command."""
    with pytest.raises(SettingsError, match="name the database that was restored"):
        note_database_restored(Where(tmp_path))


@pytest.mark.parametrize("take_up", [note_database_restored, renew_admin_token])
def test_an_empty_database_is_refused_and_stays_empty(
    nodes: PostgresStores, tmp_path: Path, take_up: Callable[[Where], object]
) -> None:
    """The name is wrong, or nothing was restored into it yet."""
    empty = f"{nodes.address.database}_empty"
    nodes.server.run(f"CREATE DATABASE {empty}")
    where = Where(tmp_path, nodes.server.address(empty).url)
    try:
        for _ in range(2):
            with pytest.raises(SettingsError, match="holds nothing of Kept's"):
                take_up(where)
    finally:
        nodes.server.run(f"DROP DATABASE {empty} WITH (FORCE)")


def test_numbers_go_on_behind_whatever_was_given_out_since(
    nodes: PostgresStores, one: PostgresStore, tmp_path: Path
) -> None:
    """Also where a part of after the backup has a key, which it keeps."""
    with one.transaction():
        last = one.append_event(1, make_event(1))
        one.save_session(make_session("somebody"))
    newest = 5 * IDS_LEFT_OUT
    beside = f"{nodes.address.database}_vault"
    nodes.server.run(f"INSERT INTO kept.part_keys VALUES ({newest}, 1, 'x')", beside)
    nodes.close()

    assert note_database_restored(Where(tmp_path, nodes.address.url)) == 0

    with closing(Where(tmp_path, nodes.address.url).open()) as again:
        assert again.load_setting(RESTORED_SETTING) == b"1"
        assert again.load_sessions() == []
        with again.transaction():
            assert again.append_event(1, make_event(2)) > last + IDS_LEFT_OUT
            part = again.add_part(Identifier("user_id", "new"), claimed=False, customer_id=None)
            assert part.part_id == newest + 1
