"""The plain vault: writes the envelope around each record and leaves its content readable.

The envelope is there from the first day, so that a sealing vault can be put in its place and read
what the plain one wrote.
"""

from typing import Final

from kept.core.event import Identifier
from kept.errors import StoreError
from kept.ports import Record

_ENVELOPE_VERSION: Final = 1
_CIPHER_NONE: Final = 0
_KEY_NONE: Final = 0
_HEADER: Final = bytes((_ENVELOPE_VERSION, _CIPHER_NONE)) + _KEY_NONE.to_bytes(2, "big")
_HEADER_LENGTH: Final = len(_HEADER)


class PlainVault:
    """Keeps records as they are, behind four bytes: format version, cipher, key id (two bytes)."""

    def seal(self, part_id: int, record: Record, content: bytes) -> bytes:
        """Wrap a record's content for the disk."""
        return _HEADER + content

    def open(self, part_id: int, record: Record, sealed: bytes) -> bytes:
        """Return the content of a record; raises `StoreError` if the envelope cannot be read."""
        if sealed[:_HEADER_LENGTH] != _HEADER:
            raise StoreError(_explain(part_id, record, sealed))
        return sealed[_HEADER_LENGTH:]

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found."""
        # The length in front keeps ("a", "b:c") and ("a:b", "c") apart, whatever they contain.
        namespace = identifier.namespace.encode()
        head = b"%c%d:" % (b"?" if claimed else b"=", len(namespace))
        return head + namespace + identifier.value.encode()


def _explain(part_id: int, record: Record, sealed: bytes) -> str:
    """Say why an envelope cannot be read, and what to do."""
    what = f"the {record} of part {part_id}"
    if len(sealed) < _HEADER_LENGTH:
        return f"{what} is torn: {len(sealed)} bytes are left of it; restore a backup"
    version, cipher = sealed[0], sealed[1]
    if version != _ENVELOPE_VERSION:
        return f"{what} has envelope version {version}; this Kept reads version 1: use a newer one"
    if cipher != _CIPHER_NONE:
        return f"{what} is sealed with cipher {cipher}, and no vault with keys is set up"
    return f"{what} names a key, but is not sealed; restore a backup"
