"""Epochs of the master key, as whatever keeps the keys of parts uses them.

The master key wraps one secret an epoch, and that secret wraps the keys, so that an outside key
service is asked once an epoch and not once a part.
"""

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.clock import random_bytes
from kept.errors import SettingsError, StoreError
from kept.ports import KeyService
from kept.stores.vault.sealing import PartKeys

NONCE_BYTES: Final = 12
SECRET_BYTES: Final = 32
IDENTITY_BYTES: Final = 16
BEFORE_ALL: Final = -(1 << 62)
"""Before every part: those of requests have numbers below that of the house, which is 0."""


class EpochStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of the master key as the vault uses it; instants are µs, 0 for not yet."""

    epoch: int
    begun_at: int
    retired_at: int
    is_there: bool
    """Whether the key service still has it."""


class UpkeptKeys(PartKeys, Protocol):
    """Keys of parts whose epochs turn: what `runtime.key_upkeep` asks of them."""

    service: KeyService

    def list_epochs(self) -> list[EpochStatus]:
        """Return the epochs that are in use here, ascending."""

    def count_keys(self) -> dict[int, int]:
        """Return how many keys each epoch wraps; looks through all of them."""

    def rotate(self) -> int:
        """Begin a new epoch of the master key, and return it.

        Raises:
            SettingsError: the key service cannot be changed from here.
        """

    def rewrap(self, limit: int, *, now: int) -> int:
        """Wrap keys of older epochs under the newest, at most `limit`; return how many."""

    def destroy_epochs(self, *, retired_before: int) -> list[int]:
        """Destroy epochs that have been retired for long; return those that only the operator can."""


class Epochs:
    """Wraps keys under the newest epoch, and unwraps those of every epoch that is still there."""

    def __init__(self, *, place: str) -> None:
        """Know none yet; `place` says in errors where the wrapped keys are."""
        self._place = place
        self._wrappers: dict[int, AESGCM] = {}
        self.newest = 0

    def take_up(self, rows: Iterable[tuple[int, bytes, int]], service: KeyService) -> None:
        """Unwrap the secret of every (epoch, wrapped secret, retired at) that a service still has.

        `newest` is then the newest of the service, which may have no secret yet (`has_newest`).

        Raises:
            SettingsError: an epoch is missing under which keys are still wrapped.
        """
        there = service.list_epochs()
        lost = []
        for epoch, wrapped, retired_at in rows:
            if epoch in self._wrappers:
                continue
            if epoch in there:
                self.admit(epoch, service.unwrap(epoch, wrapped))
            elif not retired_at:
                lost.append(epoch)
        if lost:
            told = " and ".join(f"epoch {epoch}" for epoch in lost)
            raise SettingsError(
                f"the master key in {service.place} lacks {told}, under which keys in "
                f"{self._place} are wrapped; give it back. If it was destroyed, as it is for "
                "backups that are too old, nobody can read what was sealed with these keys"
            )
        self.newest = there[-1]

    @property
    def has_newest(self) -> bool:
        """Return whether the newest epoch has a secret."""
        return self.newest in self._wrappers

    def admit(self, epoch: int, secret: bytes) -> None:
        """Use an epoch's secret from now on."""
        self._wrappers[epoch] = AESGCM(secret)

    def knows(self, epoch: int) -> bool:
        """Return whether what an epoch wraps can be unwrapped."""
        return epoch in self._wrappers

    def drop(self, epoch: int) -> None:
        """Forget an epoch."""
        self._wrappers.pop(epoch, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._wrappers = {}

    def wrap(self, bound: bytes, key: bytes) -> bytes:
        """Return a key wrapped under the newest epoch; what it belongs to is bound in."""
        nonce = random_bytes(NONCE_BYTES)
        return nonce + self._wrappers[self.newest].encrypt(nonce, key, bound)

    def unwrap(self, bound: bytes, epoch: int, wrapped: bytes) -> bytes:
        """Return a key.

        Raises:
            StoreError: it was altered, belongs elsewhere, or its epoch is gone.
        """
        try:
            wrapper = self._wrappers[epoch]
            return wrapper.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
        except (InvalidTag, KeyError) as error:
            raise StoreError(
                f"a key in {self._place} was altered or belongs elsewhere ({bound.decode()}); "
                "restore a backup"
            ) from error


def make_secret(service: KeyService, epoch: int) -> tuple[bytes, bytes]:
    """Return a new secret for an epoch, and the same wrapped."""
    secret = random_bytes(SECRET_BYTES)
    return secret, service.wrap(epoch, secret)


def bind_part(part_id: int) -> bytes:
    """Return what is bound into the wrapping of a part's key."""
    return b"part:%d" % part_id


def bind_secret(name: str) -> bytes:
    """Return what is bound into the wrapping of a secret of the whole store."""
    return b"secret:" + name.encode()
