"""Every vault gives back what it sealed, and finds each identifier under a key of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kept.core.event import Identifier
from kept.errors import ForgottenError, SettingsError, StoreError
from kept.ports import HOUSE, Record, Vault
from kept.stores.sqlite.key_file import KeyFile
from kept.stores.vault import MasterKeyFile, MasterKeyText, PlainVault, SealingVault, sealing

RECORDS: tuple[Record, ...] = get_args(Record)

# One vault serves all examples of a test: whatever was sealed before must make no difference.
each_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
identifiers = st.builds(Identifier, st.text(max_size=9), st.text(max_size=9))
parts = st.integers(-(2**40), 2**62)
record_ids = st.integers(0, 2**62) | st.text(max_size=12)


def open_sealing(folder: Path, identity: bytes = b"") -> SealingVault:
    """Return a sealing vault on keys in a folder."""
    path = folder / "master-key"
    service = MasterKeyFile(path) if path.exists() else MasterKeyFile.make(path)
    vault = SealingVault(KeyFile(folder / "vault.db", service))
    vault.start(identity)
    return vault


@pytest.fixture(params=["plain", "sealing"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vault]:
    """Give each vault."""
    opened: Vault = PlainVault() if request.param == "plain" else open_sealing(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[SealingVault]:
    """Give a sealing vault."""
    opened = open_sealing(tmp_path)
    yield opened
    opened.close()


@each_example
@given(part_id=parts, record=st.sampled_from(RECORDS), content=st.binary(), record_id=record_ids)
def test_what_was_sealed_can_be_opened(
    vault: Vault, part_id: int, record: Record, content: bytes, record_id: int | str
) -> None:
    """For every kind of record and any content."""
    sealed = vault.seal(part_id, record, content, record_id)
    assert vault.open(part_id, record, sealed, record_id) == content


@each_example
@given(content=st.binary(max_size=20), place=st.integers(0, 3), bit=st.integers(0, 7))
def test_a_damaged_envelope_is_never_opened(
    vault: Vault, content: bytes, place: int, bit: int
) -> None:
    """Nor is one that is cut off; the error names the record and the part."""
    sealed = bytearray(vault.seal(7, "message", content, "m"))
    for torn in (b"", bytes(sealed[:place])):
        with pytest.raises(StoreError, match="message of part 7"):
            vault.open(7, "message", torn, "m")
    sealed[place] ^= 1 << bit
    with pytest.raises(StoreError, match="message of part 7"):
        vault.open(7, "message", bytes(sealed), "m")


@each_example
@given(first=identifiers, second=identifiers, claimed=st.booleans())
def test_no_two_identifiers_share_a_lookup_key(
    vault: Vault, first: Identifier, second: Identifier, *, claimed: bool
) -> None:
    """The same identifier has the same key always; any other, or a claimed use, another."""
    key = vault.lookup_key(first, claimed=claimed)
    assert key == vault.lookup_key(first, claimed=claimed)
    assert key != vault.lookup_key(first, claimed=not claimed)
    assert (key == vault.lookup_key(second, claimed=claimed)) == (first == second)


def test_the_plain_vault_says_what_it_cannot_read() -> None:
    """What a newer or a sealing vault wrote is told apart from damage."""
    vault = PlainVault()
    for sealed, words in (
        (b"\x02\x00\x00\x00x", "envelope version 2"),
        (b"\x01\x05\x00\x00x", "cipher 5"),
        (b"\x01\x00\x00\x09x", "names a key"),
        (b"\x01\x00", "torn: 2 bytes"),
    ):
        with pytest.raises(StoreError, match=words):
            vault.open(1, "event", sealed, 1)


# -- sealing


@each_example
@given(
    content=st.binary(min_size=1, max_size=30),
    place=st.integers(4, 60),
    bit=st.integers(0, 7),
)
def test_no_altered_bit_goes_unnoticed(
    sealed: SealingVault, content: bytes, place: int, bit: int
) -> None:
    """Wherever it is: in the nonce, in the content, in the tag."""
    record = bytearray(sealed.seal(7, "event", content, 1))
    record[4 + (place - 4) % (len(record) - 4)] ^= 1 << bit
    with pytest.raises(StoreError, match="event of part 7 was altered or moved"):
        sealed.open(7, "event", bytes(record), 1)


def test_a_record_is_bound_to_its_place(sealed: SealingVault) -> None:
    """Moved to another part, another kind or another id it cannot be opened."""
    sealed.seal(8, "event", b"of another", 1)
    record = sealed.seal(7, "event", b"ana@example.com", 1)
    assert b"ana" not in record
    places: list[tuple[int, Record, int]] = [(8, "event", 1), (7, "state", 1), (7, "event", 2)]
    for part_id, kind, record_id in places:
        with pytest.raises(StoreError, match="altered or moved"):
            sealed.open(part_id, kind, record, record_id)


def test_equal_contents_look_different(sealed: SealingVault) -> None:
    """Nobody can see that two records say the same; no nonce comes again."""
    records = {sealed.seal(7, "event", b"the same", 1) for _ in range(2_000)}
    assert len({record[4:16] for record in records}) == 2_000


def test_a_record_that_was_put_there_unsealed_is_refused(sealed: SealingVault) -> None:
    """Whoever can write the database cannot pass by the key."""
    planted = PlainVault().seal(7, "event", b"planted", 1)
    with pytest.raises(StoreError, match="is not sealed, and this store is"):
        sealed.open(7, "event", planted, 1)


def test_what_was_sealed_can_be_opened_after_a_start(tmp_path: Path) -> None:
    """Keys that were settled are there, identifiers are found under the same hashes."""
    vault = open_sealing(tmp_path)
    record = vault.seal(7, "event", b"hello", 1)
    key = vault.lookup_key(Identifier("email", "ana@example.com"), claimed=False)
    vault.settle()
    identity = vault.identity
    vault.close()
    again = open_sealing(tmp_path, identity)
    assert again.open(7, "event", record, 1) == b"hello"
    assert again.lookup_key(Identifier("email", "ana@example.com"), claimed=False) == key
    assert b"ana" not in key
    again.close()


def test_keys_beyond_the_cache_are_read_again(
    sealed: SealingVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory for keys has a bound; who falls out of it is found in the file."""
    monkeypatch.setattr(sealing, "KEYS_CACHED", 8)
    records = {part: sealed.seal(part, "event", b"%d" % part, 1) for part in range(100)}
    sealed.settle()
    assert all(sealed.open(part, "event", records[part], 1) == b"%d" % part for part in records)
    assert len(sealed._young) + len(sealed._old) <= 8


def test_a_destroyed_key_leaves_no_trace(tmp_path: Path) -> None:
    """Neither the file nor its log holds the wrapped key; the part's records are gone for good."""
    vault = open_sealing(tmp_path)
    record = vault.seal(7, "event", b"hello", 1)
    other = vault.seal(8, "event", b"stays", 1)
    vault.settle()
    with closing(sqlite3.connect(tmp_path / "vault.db")) as keys:
        (wrapped,) = keys.execute("SELECT wrapped FROM part_keys WHERE part_id = 7").fetchone()
    assert wrapped in _all_bytes(tmp_path)
    vault.destroy([7])
    assert wrapped not in _all_bytes(tmp_path)
    with pytest.raises(ForgottenError, match="part 7 was forgotten"):
        vault.open(7, "event", record, 1)
    assert vault.open(8, "event", other, 1) == b"stays"
    vault.close()


def _all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


# -- the master key


def test_rotation_changes_no_record(tmp_path: Path) -> None:
    """Keys are wrapped anew in pieces while sealing goes on; then the old epoch may go."""
    vault = open_sealing(tmp_path)
    records = {part: vault.seal(part, "event", b"%d" % part, 1) for part in range(10)}
    vault.settle()
    keys = vault._keys
    assert isinstance(keys, KeyFile)
    assert keys.rewrap(100, now=1) == 0
    assert keys.rotate() == 2
    assert keys.rewrap(4, now=2) == 4
    records[99] = vault.seal(99, "event", b"99", 1)
    while keys.rewrap(4, now=3):
        continue
    first, second = keys.list_epochs()
    assert first.retired_at == 3
    assert keys.count_keys() == {second.epoch: 11}
    assert keys.destroy_epochs(retired_before=2) == []
    assert len(keys.list_epochs()) == 2
    assert keys.destroy_epochs(retired_before=3) == []
    assert [one.epoch for one in keys.list_epochs()] == [2]
    assert (tmp_path / "master-key").read_text().startswith("2:")
    identity = vault.identity
    vault.close()
    again = open_sealing(tmp_path, identity)
    assert all(again.open(part, "event", records[part], 1) == b"%d" % part for part in records)
    again.close()


def test_a_copy_from_before_a_destroyed_epoch_is_closed(tmp_path: Path) -> None:
    """With every file of the time and today's master key nobody opens it."""
    vault = open_sealing(tmp_path)
    vault.seal(7, "event", b"hello", 1)
    vault.settle()
    keys = vault._keys
    assert isinstance(keys, KeyFile)
    identity = vault.identity
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        keys._require().backup(copy)
    keys.rotate()
    while keys.rewrap(100, now=1):
        continue
    keys.destroy_epochs(retired_before=1)
    vault.close()
    old = KeyFile(tmp_path / "copy.db", MasterKeyFile(tmp_path / "master-key"))
    with pytest.raises(SettingsError, match="lacks epoch 1,"):
        old.open(identity)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("1:c2hvcnQ=", "line 1 does not hold 32 bytes"),
        ("one:" + "A" * 43 + "=", "line 1 does not begin with the number"),
        (f"1:{'A' * 43}=\n1:{'B' * 43}=\nx", "line 2 gives epoch 1 again; line 3 does not begin"),
    ],
)
def test_a_master_key_that_is_none_is_refused_with_all_reasons(text: str, words: str) -> None:
    """The error names the place and never repeats what stands there."""
    with pytest.raises(SettingsError, match=words) as refused:
        MasterKeyText(text, place="the environment variable X")
    assert "AAAA" not in str(refused.value)
    assert "c2hv" not in str(refused.value)


def test_a_wrong_or_lost_master_key_is_refused(tmp_path: Path) -> None:
    """It is said clearly, and nothing is made in its place."""
    vault = open_sealing(tmp_path)
    vault.seal(HOUSE, "setting", b"x", "name")
    vault.settle()
    identity = vault.identity
    vault.close()
    right = (tmp_path / "master-key").read_bytes()
    (tmp_path / "master-key").write_text(f"1:{'A' * 43}=\n")
    with pytest.raises(SettingsError, match=r"epoch 1 of the master key in .* is not the one"):
        open_sealing(tmp_path, identity)
    (tmp_path / "master-key").write_text(f"2:{'A' * 43}=\n")
    with pytest.raises(SettingsError, match="lacks epoch 1"):
        open_sealing(tmp_path, identity)
    (tmp_path / "master-key").write_bytes(right)
    with pytest.raises(SettingsError, match="holds the keys of another store"):
        open_sealing(tmp_path, bytes(16))
    (tmp_path / "vault.db").unlink()
    with pytest.raises(SettingsError, match=r"keys .* are missing"):
        open_sealing(tmp_path, identity)
    assert not (tmp_path / "vault.db").exists()


def test_a_master_key_that_the_operator_keeps_is_not_changed_from_here() -> None:
    """Whoever asks is told what to do by hand."""
    service = MasterKeyText(f"1:{'A' * 43}=", place="the environment variable KEPT_X")
    with pytest.raises(SettingsError, match="add a line `2:`"):
        service.begin_epoch()
    with pytest.raises(SettingsError, match="remove the line `1:`"):
        service.destroy_epoch(1)
