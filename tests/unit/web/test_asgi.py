"""Bodies read bare: whole, in pieces, too large, and from callers who hang up."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from kept.errors import TooLargeError
from kept.web.asgi import read_body, send_answer


def read(messages: Iterable[dict[str, Any]], *, bytes_max: int = 10) -> bytes | None:
    """Return what is read of these messages."""
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    return asyncio.run(read_body(receive, bytes_max=bytes_max))


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """Return a message with a piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_whole_or_in_pieces() -> None:
    """It is the same body."""
    assert read([piece(b"abc")]) == b"abc"
    assert read([piece(b"a", more=True), piece(b"b", more=True), piece(b"c")]) == b"abc"
    assert read([piece(b"")]) == b""


def test_a_body_may_be_as_large_as_the_limit_and_no_larger() -> None:
    """Not a byte more, however it comes."""
    assert read([piece(b"x" * 10)]) == b"x" * 10
    for messages in (
        [piece(b"x" * 11)],
        [piece(b"x" * 6, more=True), piece(b"x" * 5, more=True)],
    ):
        with pytest.raises(TooLargeError):
            read(messages)


def test_a_caller_who_hangs_up_is_not_answered() -> None:
    """At the beginning, or in the middle."""
    assert read([{"type": "http.disconnect"}]) is None
    assert read([piece(b"a", more=True), {"type": "http.disconnect"}]) is None


def test_an_answer_says_how_long_it_is() -> None:
    """So that the connection can be used again."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(send_answer(send, 200, b"abc", [(b"a", b"b")]))
    assert sent[0]["headers"] == [(b"a", b"b"), (b"content-length", b"3")]
    assert sent[1]["body"] == b"abc"
