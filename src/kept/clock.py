"""The only place that reads the clock or draws at random.

Everything else takes `now` as an argument, so that a story is a unit test, a replay is a loop, and
a failure has a seed. Instants are microseconds since 1970 in UTC, as plain integers.
"""

import random
import secrets
import time
import uuid
from typing import Final, Protocol, TypeAlias

_SET_BACK: Final = 5_000_000
"""A clock that differs by so much (µs) was set on purpose."""
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


class SharedClock:
    """The clock of a store that several nodes share: this machine's, set by what the store says.

    It does not run backwards, unless the store's own clock was set back by more than a little.
    """

    def __init__(self) -> None:
        """Begin with this machine's own time."""
        self._ahead = 0
        self._latest = 0

    def now(self) -> int:
        """Return the present instant in microseconds since 1970, UTC."""
        now = time.time_ns() // 1_000 + self._ahead
        if now < self._latest < now + _SET_BACK:
            return self._latest
        self._latest = now
        return now

    def follow(self, shared: int) -> int:
        """Take over what the store says the time is (0: nothing), and return the present instant."""
        if shared:
            self._ahead = shared - time.time_ns() // 1_000
        return self.now()


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


def read_uptime() -> int:
    """Return microseconds of a clock that never steps and goes on while this process is stopped.

    Where the machine has one, it goes on while the machine sleeps, too.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000


def random_share() -> float:
    """Return a share of one by chance: for pauses that must not be alike."""
    return random.random()


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
