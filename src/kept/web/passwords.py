"""Passwords hashed by argon2id, a few at a time, each in the same time whoever it is for."""

import asyncio
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from kept import settings
from kept.clock import random_token
from kept.core.passwords import LENGTH_MAX
from kept.errors import TooOftenError

# OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
HASHER: Final = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
_WAITING_MAX: Final = 50


class Passwords:
    """Hashes and compares on threads, so that nobody else waits."""

    def __init__(self) -> None:
        """Make the hash that is compared with where there is none."""
        self._nobody = HASHER.hash(random_token())
        self._room = asyncio.Semaphore(settings.PASSWORDS_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return a password in the form in which it is kept."""
        hashed, _ = await self._work(password, None)
        return hashed

    async def is_right(self, password: str, kept: str) -> tuple[bool, str]:
        """Return whether a password is the one that is kept, and its new hash if it needs one.

        Without a kept hash (nobody has this name) as much is computed, and the answer is no.
        """
        if len(password) > LENGTH_MAX:
            # Nobody has such a password, and hashing a book would take long.
            password, kept = "", ""
        outcome, rehashed = await self._work(password, kept)
        return outcome == "right" and bool(kept), rehashed if kept else ""

    async def _work(self, password: str, kept: str | None) -> tuple[str, str]:
        if self._waiting >= _WAITING_MAX:
            raise TooOftenError("too many people sign in at once; try again in a moment")
        self._waiting += 1
        try:
            async with self._room:
                if kept is None:
                    return await asyncio.to_thread(HASHER.hash, password), ""
                return await asyncio.to_thread(_compare, password, kept or self._nobody)
        finally:
            self._waiting -= 1


def _compare(password: str, kept: str) -> tuple[str, str]:
    try:
        HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return "wrong", ""
    return "right", HASHER.hash(password) if HASHER.check_needs_rehash(kept) else ""
