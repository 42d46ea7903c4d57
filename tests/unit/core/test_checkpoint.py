"""Signed notes, checkpoints and proofs as C2SP writes them, and everything that is none."""

from base64 import b64decode

import pytest

from kept.core.checkpoint import (
    Checkpoint,
    LogKey,
    Proof,
    key_of,
    parse_key,
    parse_proof,
    read_checkpoint,
    sign_checkpoint,
    write_proof,
)
from kept.errors import InputError
from kept.verify_receipt import is_signed

SEED = bytes(range(32))
NAME = "harbour/consent-log/1a2b3c4d"
KEY = key_of(NAME, SEED)
CHECKPOINT = Checkpoint(origin=NAME, size=10, root=b"r" * 32)
NOTE = sign_checkpoint(CHECKPOINT, SEED)

# The key and the note with which golang.org/x/mod/sumdb/note explains itself.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def test_a_checkpoint_is_three_lines_a_blank_one_and_a_signature() -> None:
    """Origin, size, root in base64; then the name of the key with its id and signature."""
    origin, size, root, blank, signature, end = NOTE.split("\n")
    assert (origin, size, blank, end) == (NAME, "10", "", "")
    assert root == "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI="
    assert signature.startswith(f"\N{EM DASH} {NAME} ")
    assert read_checkpoint(NOTE, [KEY]) == CHECKPOINT


def test_a_key_is_written_as_note_tools_take_it() -> None:
    """Name, id and key: the id is the hash that C2SP signed-note says."""
    key = parse_key(PETER)
    assert key.name == "PeterNeumann"
    assert key.key_id.hex() == "c74f20a3"
    assert key.text == PETER
    assert parse_key(f" {KEY.text}\n") == KEY


def test_the_known_note_is_signed_by_its_key() -> None:
    """A signature that another implementation made."""
    raw = b64decode(PETER_SIGNATURE)
    key = parse_key(PETER)
    assert raw[:4] == key.key_id
    assert is_signed(key.public, PETER_TEXT.encode(), raw[4:])
    with pytest.raises(InputError, match="no checkpoint"):
        read_checkpoint(f"{PETER_TEXT}\n\N{EM DASH} PeterNeumann {PETER_SIGNATURE}\n", [key])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000+AQ==",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("Peter", "Pet er"),
        PETER[:-1],
        PETER.replace("ARpc", "Axpc"),
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    """Torn, altered, of another kind, or not one word."""
    with pytest.raises(InputError):
        parse_key(text)


def test_signatures_by_others_are_passed_over() -> None:
    """A witness may have signed as well, under any type; one of ours is enough."""
    witness = "\N{EM DASH} witness.example mJirIkljAAAA\n"
    assert read_checkpoint(NOTE + witness * 16, [KEY]) == CHECKPOINT
    other = key_of(NAME, b"o" * 32)
    assert read_checkpoint(NOTE, [other, KEY]) == CHECKPOINT
    with pytest.raises(InputError, match="none of the known keys"):
        read_checkpoint(NOTE, [other])
    with pytest.raises(InputError, match="none of the known keys"):
        read_checkpoint(NOTE, [LogKey("another/log", KEY.public)])


@pytest.mark.parametrize(
    ("note", "says"),
    [
        (NOTE.replace("\n10\n", "\n11\n"), "signature of"),
        (NOTE.replace("cnJy", "cnJz", 1), "signature of"),
        (NOTE.replace("\n10\n", "\n010\n"), "no checkpoint"),
        (NOTE.replace("\n10\n", "\n-1\n"), "no checkpoint"),
        (NOTE.replace("\n\n", "\n"), "blank line"),
        (NOTE[:-1], "blank line"),
        (NOTE + "\N{EM DASH} nobody\n", "signature"),
        (NOTE + "- witness.example mJirIkljAAAA\n", "in the form"),
        (NOTE + "\N{EM DASH} witness.example !!!!\n", "not base64"),
        (NOTE + "\N{EM DASH} w mJirIkljAAAA\n" * 40, "at most"),
        (NOTE.replace("\n10\n", "\n10\r\n"), "control characters"),
        ("x" * 100_000, "too long"),
        ("", "blank line"),
    ],
)
def test_what_is_no_signed_checkpoint_is_refused(note: str, says: str) -> None:
    """Altered, torn, or written otherwise than C2SP does."""
    with pytest.raises(InputError, match=says):
        read_checkpoint(note, [KEY])


def test_a_proof_comes_back_as_it_was() -> None:
    """Index, hashes and the note; extra data is passed over, for nothing vouches for it."""
    proof = Proof(index=3, hashes=(b"a" * 32, b"b" * 32), note=NOTE)
    text = write_proof(proof)
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 3\nYWFh")
    assert text.endswith(f"\n\n{NOTE}")
    assert parse_proof(text) == proof
    assert parse_proof(text.replace("index", "extra AAAA\nindex")) == proof
    alone = Proof(index=0, hashes=(), note=NOTE)
    assert parse_proof(write_proof(alone)) == alone


@pytest.mark.parametrize(
    "text",
    [
        "",
        NOTE,
        "c2sp.org/tlog-proof@v1",
        f"c2sp.org/tlog-proof@v1\nindex 03\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v2\nindex 3\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nplace 3\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nindex 3\nYWFh\n\n{NOTE}",
        "c2sp.org/tlog-proof@v1\nindex 3\n" + "YWFh\n" * 64 + f"\n{NOTE}",
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    """Of another form, another version, with too much or too little in it."""
    with pytest.raises(InputError):
        parse_proof(text)
