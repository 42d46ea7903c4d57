"""What it is to fuzz one parser: a name, real bodies to begin with, and what must hold of any input.

An input is refused with an error of ours or accepted; everything else is a find. Time and memory
are watched from outside: by libFuzzer's limits, or by `replay`.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from kept.errors import KeptError

CANARY: Final = "canary.7f3a"
"""Stands in the seeds wherever a person would be named, and never in an error's text."""

_TARGETS: "dict[str, Target]" = {}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One parser that meets the outside."""

    name: str
    module: str
    """The module of Kept that it lives in."""
    run: Callable[[bytes], Any]
    """Raises only where a property does not hold; errors of ours that refuse the input pass."""
    seeds: tuple[bytes, ...]
    seconds_max: float = 2.0
    """How long one input may take; a thousand times what a usual one takes."""


def fuzz(
    name: str, module: str, *seeds: bytes | str, seconds_max: float = 2.0
) -> Callable[[Callable[[bytes], Any]], Callable[[bytes], Any]]:
    """Return a decorator that registers what must hold of any input."""

    def register(run: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        bodies = tuple(each.encode() if isinstance(each, str) else each for each in seeds)
        assert name not in _TARGETS, name
        _TARGETS[name] = Target(
            name=name, module=module, run=run, seeds=bodies, seconds_max=seconds_max
        )
        return run

    return register


def targets() -> dict[str, Target]:
    """Return every parser that is fuzzed, by its name."""
    # Each of these registers its own when it is imported.
    from tests.fuzz import brands, flowing, mails, records, requests, rows  # noqa: F401, PLC0415

    return _TARGETS


def check_refusal(error: KeptError, data: bytes) -> None:
    """Hold that an error tells what is wrong and not of whom it was said."""
    text = str(error)
    assert text.strip(), "an error without a word"
    assert CANARY not in text, "an error repeats a person's value"
    assert len(text) < 4_000, "an error as long as what it refuses"
    text.encode()


def words_of(data: bytes) -> tuple[list[str], bytes]:
    """Return the words of an input's first line, which say how it is sent, and the rest of it."""
    head, _, rest = data.partition(b"\n")
    return head[:2_000].decode("latin-1").split(" "), rest
