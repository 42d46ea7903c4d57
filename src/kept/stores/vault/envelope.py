"""The envelope around every stored record: format version, cipher, key id (two bytes)."""

from typing import Final

from kept.core.event import Identifier
from kept.ports import Record

ENVELOPE_VERSION: Final = 1
CIPHER_NONE: Final = 0
CIPHER_AES_GCM: Final = 1
HEADER_LENGTH: Final = 4


def encode_identifier(identifier: Identifier, *, claimed: bool) -> bytes:
    """Return an identifier as bytes, of which no two are alike."""
    # The length in front keeps ("a", "b:c") and ("a:b", "c") apart, whatever they contain.
    namespace = identifier.namespace.encode()
    head = b"%c%d:" % (b"?" if claimed else b"=", len(namespace))
    return head + namespace + identifier.value.encode()


def decode_identifier(encoded: bytes) -> tuple[Identifier, bool]:
    """Return what `encode_identifier` made into bytes, and whether it was claimed.

    Raises:
        ValueError: it did not make these.
    """
    head, colon, rest = encoded.partition(b":")
    if not colon or head[:1] not in (b"?", b"="):
        raise ValueError("no identifier")
    length = int(head[1:])
    return Identifier(rest[:length].decode(), rest[length:].decode()), head[:1] == b"?"


def name_record(part_id: int, record: Record, record_id: int | str) -> bytes:
    """Return what names a record, and is bound into its sealing."""
    return f"{record}:{part_id}:{record_id}".encode()


def explain_envelope(part_id: int, record: Record, sealed: bytes, *, expected: int) -> str:
    """Say why an envelope cannot be read, and what to do."""
    what = f"the {record} of part {part_id}"
    if len(sealed) < HEADER_LENGTH:
        return f"{what} is torn: {len(sealed)} bytes are left of it; restore a backup"
    version, cipher = sealed[0], sealed[1]
    if version != ENVELOPE_VERSION:
        return f"{what} has envelope version {version}; this Kept reads version 1: use a newer one"
    if cipher == CIPHER_NONE and expected != CIPHER_NONE:
        return f"{what} is not sealed, and this store is: it was put there by somebody else"
    if cipher != expected:
        return f"{what} is sealed with cipher {cipher}, which this vault has no key for"
    if expected == CIPHER_NONE:
        return f"{what} names a key, but is not sealed; restore a backup"
    return f"{what} is torn or names a key that is not known; restore a backup"
