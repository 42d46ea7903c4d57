"""What is read back from a disk: records, envelopes and the guard log, torn or tampered with."""

import contextlib
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from kept.core.event import Event, Identifier
from kept.core.message import Message
from kept.errors import KeptError, StoreError
from kept.stores import codecs
from kept.stores.guard_log import append_guard_file, read_guard_file, salvage_guard_file
from kept.stores.vault import PlainVault
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


@fuzz(
    "envelope",
    "kept.stores.vault",
    PlainVault().seal(1, "event", b"x"),
    b"\x01\x01\x00\x01x",
    b"\x01",
)
def run_envelope(data: bytes) -> None:
    """An envelope: its content, or an error of the store that repeats nothing of it."""
    vault = PlainVault()
    try:
        content = vault.open(1, "event", data)
    except StoreError as error:
        assert len(str(error)) < 300
        return
    assert vault.seal(1, "event", content) == data


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
