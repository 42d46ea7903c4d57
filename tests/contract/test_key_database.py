"""Keys in a database that nodes share: epochs begin, end and are lost while others make keys."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kept.errors import ContendedError, SettingsError
from kept.runtime.stores import Where
from kept.stores.postgres import VAULT_SUFFIX, Address, KeyDatabase, VaultDatabase
from kept.stores.postgres.driver import Wire
from kept.stores.vault import MasterKeyFile
from tests.postgres import Server

pytestmark = pytest.mark.postgres
KEY, OTHER = b"k" * 32, b"o" * 32

Open = Callable[[], KeyDatabase]


@pytest.fixture
def address(postgres: Server) -> Iterator[Address]:
    """Give an empty store's address."""
    lent = postgres.lend()
    yield lent
    postgres.give_back(lent)


@pytest.fixture
def master_key(tmp_path: Path) -> Path:
    """Give the file of a master key, which all nodes see here."""
    path = tmp_path / "master-key"
    MasterKeyFile.make(path)
    return path


@pytest.fixture
def node(address: Address, master_key: Path) -> Iterator[Open]:
    """Give what starts the keys of one more node."""
    opened: list[KeyDatabase] = []

    def start() -> KeyDatabase:
        database = VaultDatabase(address.beside(address.database + VAULT_SUFFIX), main=address)
        keys = KeyDatabase(database, MasterKeyFile(master_key))
        opened.append(keys)
        keys.open(b"")
        return keys

    yield start
    for keys in opened:
        keys.close()


def make(keys: KeyDatabase, *part_ids: int, key: bytes = KEY) -> None:
    """Make keys, durably."""
    for part_id in part_ids:
        keys.add(part_id, key)
    keys.settle()


def test_two_nodes_agree_on_a_part_s_key(node: Open) -> None:
    """Whoever comes second begins again, and has the key of the first then."""
    one, other = node(), node()
    assert one.identity == other.identity
    assert one.load_secret("lookup") == other.load_secret("lookup")
    one.add(7, KEY)
    other.add(7, OTHER)
    other.add(8, OTHER)
    one.settle()
    with pytest.raises(ContendedError, match=r"made a key in .* first"):
        other.settle()
    assert other.find(7) == KEY
    other.settle()
    assert one.find_many([7, 8]) == {7: KEY, 8: OTHER}


def test_keys_are_wrapped_anew_while_another_node_makes_some(node: Open) -> None:
    """The other learns of the epoch when it next makes a key; the old one is retired after the last."""
    one, other = node(), node()
    make(one, *range(10))
    assert one.rewrap(100, now=1) == 0
    assert one.rotate() == 2
    assert one.rewrap(4, now=2) == 4
    make(other, 50)
    assert other.count_keys() == {1: 6, 2: 5}
    assert other.find(50) == KEY
    while one.rewrap(4, now=3):
        make(other, 60 + one.count_keys()[2])
    first, second = other.list_epochs()
    assert (first.retired_at, second.retired_at) == (3, 0)
    assert set(one.count_keys()) == {2}
    assert other.destroy_epochs(retired_before=2) == []
    assert len(one.list_epochs()) == 2
    assert other.destroy_epochs(retired_before=3) == []
    assert [(status.epoch, status.is_there) for status in one.list_epochs()] == [(2, True)]
    late = node()
    assert late.find_many(list(range(10))) == dict.fromkeys(range(10), KEY)
    assert late.load_secret("lookup") == one.load_secret("lookup")


def test_a_key_that_was_destroyed_is_not_wrapped_anew(node: Open) -> None:
    """Nor does it come back by whoever wraps keys at the same moment."""
    one, other = node(), node()
    make(one, 7, 8)
    one.rotate()
    rows = one.database.write("find_old_keys", (2, 10))
    other.destroy([7])
    one._rewrap_parts(rows, 2)
    assert other.find(7) is None
    assert one.find_many([7, 8]) == {8: KEY}
    assert one.count_keys() == {2: 1}


def test_two_nodes_that_begin_an_epoch_have_one_secret_of_it(node: Open) -> None:
    """Each takes up what the other began, also where both had the same thought."""
    one, other = node(), node()
    one.rotate()
    other.service.list_epochs()
    other._take_up_epochs()
    make(other, 1)
    make(one, 2)
    assert node().find_many([1, 2]) == {1: KEY, 2: KEY}
    assert one.count_keys() == {2: 2}


def test_a_copy_from_before_a_destroyed_epoch_is_closed(
    node: Open, postgres: Server, master_key: Path
) -> None:
    """With every row of the time and today's master key nobody opens it."""
    one = node()
    make(one, 7)
    copied = {
        name: [tuple(row) for row in one.database.write(f"load_{name}")]
        for name in ("identity", "epochs")
    }
    one.rotate()
    while one.rewrap(100, now=1):
        continue
    one.destroy_epochs(retired_before=1)
    elsewhere = postgres.lend()
    try:
        beside = elsewhere.beside(elsewhere.database + VAULT_SUFFIX)
        wire = Wire(beside, {})
        wire.copy("vault", ("identity",), copied["identity"])
        wire.copy("epochs", ("epoch", "wrapped", "retired_at"), copied["epochs"])
        wire.close()
        old = KeyDatabase(VaultDatabase(beside, main=elsewhere), MasterKeyFile(master_key))
        try:
            with pytest.raises(SettingsError, match=r"lacks epoch 1, under which keys in .* are"):
                old.open(one.identity)
        finally:
            old.close()
    finally:
        postgres.give_back(elsewhere)


def test_a_wrong_or_lost_master_key_is_refused(node: Open, master_key: Path) -> None:
    """It is said clearly, and nothing is made in its place."""
    make(node(), 7)
    right = master_key.read_bytes()
    master_key.write_text(f"1:{'A' * 43}=\n")
    with pytest.raises(SettingsError, match=r"epoch 1 of the master key in .* is not the one"):
        node()
    master_key.write_text(f"2:{'A' * 43}=\n")
    with pytest.raises(SettingsError, match="lacks epoch 1"):
        node()
    master_key.write_bytes(right)
    assert node().find(7) == KEY


def test_a_node_without_the_master_key_makes_none(address: Address, tmp_path: Path) -> None:
    """The first node makes it; another that was not given it is refused, and says what to do."""
    Where(tmp_path / "one", address.url).open().close()
    (tmp_path / "two").mkdir()
    with pytest.raises(
        SettingsError, match=r"the master key .*two.* is missing, and everything in"
    ):
        Where(tmp_path / "two", address.url).open()
    assert not list((tmp_path / "two").iterdir())
    (tmp_path / "two" / "master-key").write_bytes((tmp_path / "one" / "master-key").read_bytes())
    Where(tmp_path / "two", address.url).open().close()


def test_a_copy_of_a_master_key_is_not_changed_by_its_node(master_key: Path) -> None:
    """The others could not read what is sealed under it; a line that people add is taken up."""
    service = MasterKeyFile(master_key)
    before = master_key.read_bytes()
    service.leave_to_people()
    with pytest.raises(SettingsError, match="add a line `2:`"):
        service.begin_epoch()
    with pytest.raises(SettingsError, match="remove the line `1:`"):
        service.destroy_epoch(1)
    assert master_key.read_bytes() == before
    master_key.write_bytes(before + f"2:{'A' * 43}=\n".encode())
    assert service.list_epochs() == [1, 2]
