"""The sealing vault: each part's records are encrypted under a key of the part's own.

AES-256-GCM (NIST SP 800-38D) with a random nonce a record. The record's kind, part and id are
bound in as associated data, so that a record which is moved to another place cannot be opened
there. Destroying a part's key forgets everything that was sealed with it, wherever a copy lies.
"""

from collections.abc import Collection
from hashlib import blake2b
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.clock import random_bytes
from kept.core.event import Identifier
from kept.errors import DamagedError, ForgottenError
from kept.ports import Record
from kept.stores.vault.envelope import (
    CIPHER_AES_GCM,
    ENVELOPE_VERSION,
    HEADER_LENGTH,
    encode_identifier,
    explain_envelope,
    name_record,
)

KEYS_CACHED: Final = 32_768
"""Keys of parts that are ready in memory, at about 3 KiB each."""
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
LOOKUP_BYTES: Final = 16

_KEY_FIRST: Final = 1
_HEADER: Final = bytes((ENVELOPE_VERSION, CIPHER_AES_GCM)) + _KEY_FIRST.to_bytes(2, "big")
_BODY_AT: Final = HEADER_LENGTH + NONCE_BYTES
_NONCES: Final = 512
_HASHED: Final = b"#"
"""Stands before a keyed hash; the keys of the plain vault begin with `=` or `?`."""


class PartKeys(Protocol):
    """Where the keys of parts are kept, wrapped; one thread changes them, any may look one up."""

    identity: bytes

    def open(self, identity: bytes) -> None:
        """Take up the keys of a store, or begin those of a new one (`ports.Vault.start`)."""

    def find(self, part_id: int) -> bytes | None:
        """Return the key of a part, None if it has none or it was destroyed."""

    def find_many(self, part_ids: Collection[int]) -> dict[int, bytes]:
        """Return the keys of parts; those that have none are left out."""

    def add(self, part_id: int, key: bytes) -> None:
        """Keep a new key; it is durable after `settle`."""

    def settle(self) -> None:
        """Make new keys durable."""

    def destroy(self, part_ids: list[int]) -> None:
        """Destroy keys, durably."""

    def load_secret(self, name: str) -> bytes:
        """Return a secret of the whole store; the first time it is made."""

    def close(self) -> None:
        """Let go of everything."""


class SealingVault:
    """Seals and opens with a key for each part; implements `ports.Vault`.

    One thread seals; any thread may open.
    """

    def __init__(self, keys: PartKeys) -> None:
        """Take the keys; nothing of them is read yet."""
        self._keys = keys
        # Two generations: what was not used while a whole one filled up is let go.
        self._young: dict[int, AESGCM] = {}
        self._old: dict[int, AESGCM] = {}
        self._lookup = blake2b(digest_size=LOOKUP_BYTES)
        self._nonces = b""
        self._nonce_at = 0

    @property
    def identity(self) -> bytes:
        """Return which keys these are; a store notes with which it was sealed."""
        return self._keys.identity

    def start(self, identity: bytes) -> None:
        """Take up the keys that a store was sealed with; make new ones for a store without any.

        Raises:
            SettingsError: the keys are missing or not the store's, or the master key is not theirs.
        """
        self._keys.open(identity)
        secret = self._keys.load_secret("lookup")
        self._lookup = blake2b(key=secret, digest_size=LOOKUP_BYTES)

    def seal(self, part_id: int, record: Record, content: bytes, record_id: int | str) -> bytes:
        """Encrypt a record's content for the disk; a part's first record makes its key."""
        cipher = self._young.get(part_id) or self._find(part_id) or self._make(part_id)
        at = self._nonce_at
        if at == len(self._nonces):
            # One call of the system for many nonces: it is as dear as the encryption itself.
            self._nonces, at = random_bytes(NONCE_BYTES * _NONCES), 0
        self._nonce_at = at + NONCE_BYTES
        nonce = self._nonces[at : at + NONCE_BYTES]
        bound = name_record(part_id, record, record_id)
        return _HEADER + nonce + cipher.encrypt(nonce, content, bound)

    def open(self, part_id: int, record: Record, sealed: bytes, record_id: int | str) -> bytes:
        """Return the content of a record.

        Raises:
            ForgottenError: the part's key was destroyed.
            DamagedError: the record was altered, moved or torn, though its key is there.
            StoreError: its key cannot be read.
        """
        if sealed[:HEADER_LENGTH] != _HEADER or len(sealed) < _BODY_AT:
            raise DamagedError(explain_envelope(part_id, record, sealed, expected=CIPHER_AES_GCM))
        cipher = self._young.get(part_id) or self._find(part_id)
        if cipher is None:
            raise ForgottenError(f"part {part_id} was forgotten, and its {record} with it")
        bound = name_record(part_id, record, record_id)
        try:
            return cipher.decrypt(sealed[HEADER_LENGTH:_BODY_AT], sealed[_BODY_AT:], bound)
        except InvalidTag as error:
            raise DamagedError(
                f"the {record} of part {part_id} was altered or moved since it was sealed; "
                "restore a backup"
            ) from error

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the keyed hash (BLAKE2b, RFC 7693) under which an identifier is found."""
        keyed = self._lookup.copy()
        keyed.update(encode_identifier(identifier, claimed=claimed))
        return _HASHED + keyed.digest()

    def prepare(self, part_ids: Collection[int], *, are_new: bool = False) -> None:
        """Have the keys of parts ready, in one question; parts that are new get keys."""
        missing = [
            part_id
            for part_id in part_ids
            if part_id not in self._young and part_id not in self._old
        ]
        if are_new:
            for part_id in missing:
                self._make(part_id)
        elif len(missing) > 1:
            for part_id, key in self._keys.find_many(missing).items():
                self._keep(part_id, AESGCM(key))

    def let_go(self) -> None:
        """Forget the keys that are ready: whoever shares the store may have destroyed some."""
        self._young = {}
        self._old = {}

    def settle(self) -> None:
        """Make new keys durable, before the records that were sealed with them are."""
        self._keys.settle()

    def destroy(self, part_ids: list[int]) -> None:
        """Destroy the keys of parts; when this returns they are on no disk of ours any more."""
        for part_id in part_ids:
            self._young.pop(part_id, None)
            self._old.pop(part_id, None)
        self._keys.destroy(part_ids)

    def close(self) -> None:
        """Let go of every key."""
        self._young.clear()
        self._old.clear()
        self._keys.close()

    def _find(self, part_id: int) -> AESGCM | None:
        cipher = self._old.get(part_id)
        if cipher is None:
            key = self._keys.find(part_id)
            if key is None:
                return None
            cipher = AESGCM(key)
        self._keep(part_id, cipher)
        return cipher

    def _make(self, part_id: int) -> AESGCM:
        key = random_bytes(KEY_BYTES)
        self._keys.add(part_id, key)
        cipher = AESGCM(key)
        self._keep(part_id, cipher)
        return cipher

    def _keep(self, part_id: int, cipher: AESGCM) -> None:
        if len(self._young) >= KEYS_CACHED // 2:
            self._old, self._young = self._young, {}
        self._young[part_id] = cipher
