"""The plain vault: writes the envelope around each record and leaves its content readable.

Stores from before records were sealed are read with it, and trials measure against it.
"""

from collections.abc import Collection
from typing import Final

from kept.core.event import Identifier
from kept.errors import DamagedError
from kept.ports import Record
from kept.stores.vault.envelope import (
    CIPHER_NONE,
    ENVELOPE_VERSION,
    HEADER_LENGTH,
    encode_identifier,
    explain_envelope,
)

_HEADER: Final = bytes((ENVELOPE_VERSION, CIPHER_NONE, 0, 0))


class PlainVault:
    """Keeps records as they are behind the envelope; implements `ports.Vault` without any key."""

    identity: Final = b""

    def start(self, identity: bytes) -> None:
        """Do nothing: there are no keys."""

    def seal(self, part_id: int, record: Record, content: bytes, record_id: int | str) -> bytes:
        """Wrap a record's content for the disk."""
        return _HEADER + content

    def open(self, part_id: int, record: Record, sealed: bytes, record_id: int | str) -> bytes:
        """Return the content of a record; raises `DamagedError` if the envelope cannot be read."""
        if sealed[:HEADER_LENGTH] != _HEADER:
            raise DamagedError(explain_envelope(part_id, record, sealed, expected=CIPHER_NONE))
        return sealed[HEADER_LENGTH:]

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found."""
        return encode_identifier(identifier, claimed=claimed)

    def prepare(self, part_ids: Collection[int], *, are_new: bool = False) -> None:
        """Do nothing: there are no keys."""

    def let_go(self) -> None:
        """Do nothing: there are no keys."""

    def settle(self) -> None:
        """Do nothing: there are no keys."""

    def destroy(self, part_ids: list[int]) -> None:
        """Do nothing: there are no keys."""

    def close(self) -> None:
        """Do nothing: there are no keys."""
