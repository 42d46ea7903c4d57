"""What is read back from a disk: records, envelopes and the guard log, torn or tampered with."""

import contextlib
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from kept.core.event import Event, Identifier
from kept.core.message import Message
from kept.errors import KeptError, SettingsError, StoreError
from kept.stores import codecs
from kept.stores.guard_log import append_guard_file, read_guard_file, salvage_guard_file
from kept.stores.vault import MasterKeyText, PlainVault, SealingVault
from kept.stores.vault.envelope import decode_identifier, encode_identifier
from kept.web.passes import Pass
from tests.fuzz.target import fuzz
from tests.unit.core.touchpoint_sample import event

_FOLDER: Final = Path(tempfile.mkdtemp(prefix="kept-fuzz-"))
_LINE: Final = b"%08x %s\n" % (907060870, b"aGVsbG8=")


@fuzz(
    "guard-log", "kept.stores.guard_log", _LINE, _LINE * 3, _LINE + b"00000000 aGVsbG8=\n" + _LINE
)
def run_guard_log(data: bytes) -> None:
    """The guard log: every whole record, an error at damage, and what is appended is read again."""
    path = _FOLDER / "guard.log"
    path.write_bytes(data)
    salvage_guard_file(path, is_record=lambda record: True)
    try:
        records, whole = read_guard_file(path)
    except StoreError:
        return
    assert whole <= len(data)
    append_guard_file(path, [b"later"], at=whole)
    again, _ = read_guard_file(path)
    assert again == [*records, b"later"]


class Keys:
    """Keys of parts in memory."""

    identity = b"store"

    def __init__(self) -> None:
        """Begin with a key for one part, always the same."""
        self.kept = {1: b"k" * 32}

    def open(self, identity: bytes) -> None:
        """Take up nothing."""

    def find(self, part_id: int) -> bytes | None:
        """Return the key of a part."""
        return self.kept.get(part_id)

    def find_many(self, part_ids: Collection[int]) -> dict[int, bytes]:
        """Return the keys of parts."""
        return {part_id: self.kept[part_id] for part_id in part_ids if part_id in self.kept}

    def add(self, part_id: int, key: bytes) -> None:
        """Keep a key."""
        self.kept[part_id] = key

    def settle(self) -> None:
        """Do nothing."""

    def load_secret(self, name: str) -> bytes:
        """Return a secret of the store, always the same."""
        return b"s" * 32

    def close(self) -> None:
        """Let go of nothing."""

    def destroy(self, part_ids: list[int]) -> None:
        """Forget keys."""
        for part_id in part_ids:
            self.kept.pop(part_id, None)


def make_vault() -> SealingVault:
    """Return a vault that can open what it sealed in another run."""
    vault = SealingVault(Keys())
    vault.start(b"store")
    return vault


_VAULT: Final = make_vault()


@fuzz(
    "envelope",
    "kept.stores.vault.sealing",
    PlainVault().seal(1, "event", b"x", 7),
    _VAULT.seal(1, "event", b"x", 7),
    b"\x01",
)
def run_envelope(data: bytes) -> None:
    """An envelope: nothing that we did not seal is opened, and no error repeats anything of it."""
    try:
        content = _VAULT.open(1, "event", data, 7)
    except StoreError as error:
        assert len(str(error)) < 300
    else:
        assert content == b"x", "a record was forged"
    try:
        content = PlainVault().open(1, "event", data, 7)
    except StoreError as error:
        assert len(str(error)) < 300
        return
    assert PlainVault().seal(1, "event", content, 7) == data


@fuzz(
    "stored-identifier", "kept.stores.vault.envelope", b"=5:emaila@b", b"?1:a", b"=99999:a", b"=:"
)
def run_stored_identifier(data: bytes) -> None:
    """An identifier as an older store kept it."""
    try:
        found, claimed = decode_identifier(data)
    except ValueError:
        return
    again = encode_identifier(found, claimed=claimed)
    assert decode_identifier(again) == (found, claimed)


@fuzz(
    "master-key",
    "kept.stores.vault.master_keys",
    "1:" + "a2tr" * 10 + "a2s=\n",
    "# x\n2:AA==",
    "9" * 5_000,
)
def run_master_key(data: bytes) -> None:
    """A master key as text: its epochs, or all that is wrong, and no error repeats a key."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        keys = MasterKeyText(text, place="the environment")
    except SettingsError as error:
        assert not any(len(word) > 20 and word in text for word in str(error).split())
        return
    for epoch in keys.list_epochs():
        assert keys.unwrap(epoch, keys.wrap(epoch, b"secret")) == b"secret"


@fuzz(
    "codecs",
    "kept.stores.codecs",
    codecs.encode_event(event()),
    codecs.encode_identifier(Identifier("email", "a@b")),
    codecs.encode_texts({"a": "b"}),
    b'["a:b"]',
)
def run_codecs(data: bytes) -> None:
    """Records: what decodes is encoded again to what decodes to the same."""
    for decode, kind in (
        (codecs.decode_event, Event),
        (codecs.decode_identifier, Identifier),
        (codecs.decode_message, Message),
        (codecs.decode_texts, dict),
        (codecs.decode_detail, dict),
        (codecs.decode_scopes, tuple),
        (msgspec.msgpack.Decoder(Pass).decode, Pass),
    ):
        with contextlib.suppress(
            msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeptError
        ):
            found = decode(data)
            assert isinstance(found, kind)
