"""Inputs made of others: cut, joined, repeated, and broken at the places where parsers break.

Drawn from a seed, so that each can be made again. libFuzzer finds more; this needs nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random  # noqa: TID251 - a seed is given and shown
from typing import Final

LENGTH_MAX: Final = 20_000
_PIECES: Final = (
    b"", b"\0", b"\n", b"\r\n", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"=",
    b"&", b"%", b"'", b"--", b"0", b"-1", b"1e400", b"NaN", b"9223372036854775808", b"null", b"true",
    b"\\ud800", b"\\u0000", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"e\xcc\x81", b"\xe2\x80\xae",
    b"{{", b"}}", b"{%", b"%}", b"(", b")", b"*", b"+", b"?", b"|", b"<", b">", b"data=", b"batch",
    b"0001-01-01", b"9999-12-31T23:59:60+24:00", b"transfer-encoding: chunked\r\n", b"__class__",
)  # fmt: skip
"""What parsers stumble over."""

_Change = Callable[[Random, bytes, Sequence[bytes]], bytes]


def _place(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((0, 1, 2, 4, 16, 256)))


def _insert(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _place(random, data)
    return data[:start] + random.choice(_PIECES) + data[end:]


def _flip(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    if not data:
        return b"\0"
    changed = bytearray(data)
    changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _repeat(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _place(random, data)
    return data[:end] + data[start:end] * random.choice((1, 2, 10, 1_000)) + data[end:]


def _cross(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    start, end = _place(random, other)
    at, _ = _place(random, data)
    return data[:at] + other[start : end + random.randint(0, 200)] + data[at:]


def _nest(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    opener, closer = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"- ", b"")))
    start, end = _place(random, data)
    depth = random.choice((1, 9, 30, 1_500))
    return data[:start] + opener * depth + data[start:end] + closer * depth + data[end:]


_CHANGES: Final[tuple[_Change, ...]] = (_insert, _insert, _flip, _repeat, _cross, _nest)


def mutations(seeds: Sequence[bytes], *, count: int, seed: int) -> Iterator[bytes]:
    """Yield inputs made of the seeds."""
    random = Random(seed)
    for _ in range(count):
        data = random.choice(seeds)
        for _ in range(random.choice((1, 1, 2, 4))):
            data = random.choice(_CHANGES)(random, data, seeds)[:LENGTH_MAX]
        yield data
