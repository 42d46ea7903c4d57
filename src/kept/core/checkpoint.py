"""Checkpoints of the consent log as signed notes, and proofs as `.tlog-proof` texts.

The formats are those of C2SP: signed-note, tlog-checkpoint and tlog-proof. A checkpoint says, under
a signature that anybody can check, how many leaves the log has and what its root is.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kept.core.merkle import HASH_BYTES
from kept.errors import InputError

ED25519: Final = b"\x01"
"""The signature type of C2SP signed-note for Ed25519."""
SEED_BYTES: Final = 32
NOTE_LENGTH_MAX: Final = 64 * 1024
SIGNATURES_MAX: Final = 32
PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
_HASHES_MAX: Final = 63
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_NAME: Final = re.compile(r"[^\s+]+")
_DASH: Final = "\N{EM DASH} "


class LogKey(msgspec.Struct, frozen=True, order=True):
    """A public key of a log: its name is the log's origin, `public` the 32 bytes of RFC 8032."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Return the four bytes by which a signature says which key made it."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """Return the key as one line, `NAME+ID+BASE64`, the form that note tools take."""
        return f"{self.name}+{self.key_id.hex()}+{_encode(ED25519 + self.public)}"


class KeyPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A public key of the log, and from when until when it signed; `until` is 0 for the present one."""

    key: str
    """As `NAME+ID+BASE64`."""
    since: int
    until: int = 0


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How many leaves the log of this origin had, and its root then."""

    origin: str
    size: int
    root: bytes


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """That a leaf is in the tree of a signed checkpoint."""

    index: int
    hashes: tuple[bytes, ...]
    note: str
    """The signed checkpoint, word for word."""


def key_of(name: str, seed: bytes) -> LogKey:
    """Return the public key of a private one, which is 32 random bytes."""
    return LogKey(name, Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def parse_key(text: str) -> LogKey:
    """Return the key in a line `NAME+ID+BASE64`.

    Raises:
        InputError: the line is none, or its id is not that of its key.
    """
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _decode(encoded, "the key")
    if not _NAME.fullmatch(name) or raw[:1] != ED25519 or len(raw) != 1 + SEED_BYTES:
        raise InputError("this is no Ed25519 key of a log; write NAME+ID+BASE64, all on one line")
    key = LogKey(name, raw[1:])
    if key.key_id.hex() != key_id:
        raise InputError(f"the id {key_id[:20]!r} is not that of the key of {name}; is it whole?")
    return key


def sign_checkpoint(checkpoint: Checkpoint, seed: bytes) -> str:
    """Return a checkpoint as a note, signed by the key whose name is its origin."""
    body = f"{checkpoint.origin}\n{checkpoint.size}\n{_encode(checkpoint.root)}\n"
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(body.encode())
    key = key_of(checkpoint.origin, seed)
    return f"{body}\n{_DASH}{key.name} {_encode(key.key_id + signature)}\n"


def read_checkpoint(note: str, keys: Sequence[LogKey]) -> Checkpoint:
    """Return the checkpoint in a note that one of these keys signed.

    Signatures by other keys are passed over, as C2SP signed-note asks.

    Raises:
        InputError: the note is none, none of the keys signed it, or one of their signatures is wrong.
    """
    body, signatures = _split_note(note)
    checkpoint = _read_body(body)
    known = {(key.name, key.key_id): key for key in keys if key.name == checkpoint.origin}
    is_signed = False
    for name, raw in signatures:
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], body.encode())
        except InvalidSignature:
            raise InputError(
                f"the signature of {name} on the checkpoint of {checkpoint.size} leaves is wrong"
            ) from None
        is_signed = True
    if not is_signed:
        raise InputError(
            f"none of the known keys signed the checkpoint of {checkpoint.size} leaves "
            f"of {checkpoint.origin}"
        )
    return checkpoint


def sign_note(body: str, name: str, seed: bytes) -> str:
    """Return a text that ends with a newline as a note (C2SP signed-note), signed under a name."""
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(body.encode())
    return f"{body}\n{_DASH}{name} {_encode(key_of(name, seed).key_id + signature)}\n"


def read_note(note: str, keys: Sequence[LogKey]) -> tuple[str, tuple[str, ...]]:
    """Return the text of a note, and which of these keys signed it; others are passed over.

    Raises:
        InputError: the note is none, or a signature by one of the keys is wrong.
    """
    body, signatures = _split_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    names = []
    for name, raw in signatures:
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], body.encode())
        except InvalidSignature:
            raise InputError(f"the signature of {name} is wrong: the note was changed") from None
        names.append(name)
    return body, tuple(names)


def write_proof(proof: Proof) -> str:
    """Return a proof in the form of C2SP tlog-proof."""
    hashes = "".join(f"{_encode(one)}\n" for one in proof.hashes)
    return f"{PROOF_HEADER}\nindex {proof.index}\n{hashes}\n{proof.note}"


def parse_proof(text: str) -> Proof:
    """Return the proof in a text of the form of C2SP tlog-proof; nothing of it is verified yet.

    Raises:
        InputError: the text is none.
    """
    head, blank, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if lines and lines[0].startswith("extra "):
        del lines[0]
    label, _, index = lines[0].partition(" ") if lines else ("", "", "")
    if not blank or header != PROOF_HEADER or label != "index" or not _NUMBER.fullmatch(index):
        raise InputError(f"this is no proof; one begins with {PROOF_HEADER} and its index")
    if len(lines) > 1 + _HASHES_MAX:
        raise InputError(f"a proof has at most {_HASHES_MAX} hashes, and this has {len(lines) - 1}")
    hashes = tuple(_decode(line, "a hash of the proof", HASH_BYTES) for line in lines[1:])
    return Proof(index=int(index), hashes=hashes, note=note)


def _split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text of a note with its last newline, and its signatures with their names."""
    if len(note) > NOTE_LENGTH_MAX or any(sign < " " and sign != "\n" for sign in note):
        raise InputError("this is no signed note: it is too long, or has control characters")
    body, blank, tail = note.rpartition("\n\n")
    if not blank or not note.endswith("\n"):
        raise InputError("this is no signed note; after its text come a blank line and signatures")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise InputError(f"a note has at most {SIGNATURES_MAX} signatures")
    signatures = []
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not _NAME.fullmatch(name) or not encoded:
            raise InputError("a signature of the note is not in the form of C2SP signed-note")
        raw = _decode(encoded, "a signature")
        signatures.append((name, raw))
    return body + "\n", signatures


def _read_body(body: str) -> Checkpoint:
    origin, size, root, *_ = [*body.split("\n"), "", ""]
    if not origin or not _NUMBER.fullmatch(size):
        raise InputError("this is no checkpoint; its lines are an origin, a size and a root")
    return Checkpoint(origin=origin, size=int(size), root=_decode(root, "the root", HASH_BYTES))


def _encode(raw: bytes) -> str:
    return b64encode(raw).decode()


def _decode(text: str, what: str, length: int = 0) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise InputError(f"{what} is not base64") from None
    # Several texts decode to the same bytes; only the one that is written by everybody is taken.
    if _encode(raw) != text or (length and len(raw) != length):
        raise InputError(f"{what} is not as it must be written")
    return raw
