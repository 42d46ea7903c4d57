"""The only place that reads the clock or draws at random.

Everything else takes `now` as an argument, so that a story is a unit test, a replay is a loop, and
a failure has a seed. Instants are microseconds since 1970 in UTC, as plain integers.
"""

import random
import secrets
import time
import uuid
from typing import Protocol, TypeAlias

Chance: TypeAlias = random.Random
"""Draws that a seed repeats: for simulations, never for secrets."""


class Clock(Protocol):
    """Whatever tells the time."""

    def now(self) -> int:
        """Return the present instant in microseconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Return the present instant in microseconds since 1970, UTC."""
        return time.time_ns() // 1_000


class VirtualClock:
    """A clock that stands still until it is told to move: stories, replays and tests run on it."""

    def __init__(self, now: int) -> None:
        """Start at the given instant."""
        self._now = now

    def now(self) -> int:
        """Return the instant that this clock was last moved to."""
        return self._now

    def advance(self, duration: int) -> int:
        """Move forward by a number of microseconds and return the new instant."""
        if duration < 0:
            raise ValueError(f"time does not run backwards: cannot advance by {duration} µs")
        self._now += duration
        return self._now


def read_monotonic() -> int:
    """Return microseconds of a clock that never steps: for measuring durations, not for dating."""
    return time.perf_counter_ns() // 1_000


def seeded_chance(seed: int) -> Chance:
    """Return a sequence of draws that is the same for the same seed."""
    return random.Random(seed)


def new_id() -> str:
    """Return an id that nothing else has and nobody can guess."""
    return str(uuid.uuid4())


def random_token() -> str:
    """Return a secret of 256 random bits, safe to put into a URL."""
    return secrets.token_urlsafe(32)


def random_bytes(count: int) -> bytes:
    """Return so many bytes that nobody can guess: keys, nonces, salts."""
    return secrets.token_bytes(count)
