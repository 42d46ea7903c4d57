"""Bare ASGI, for the few routes that must be fast: read a body, send an answer, no more than that."""

from collections.abc import Iterable
from typing import Final

from starlette.types import Receive, Scope, Send

from kept.errors import TooLargeError

JSON: Final = b"application/json"

Header = tuple[bytes, bytes]


async def read_body(receive: Receive, *, bytes_max: int) -> bytes | None:
    """Return a request's body, or None if the caller hung up before its end."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    if len(body) <= bytes_max and not message.get("more_body", False):
        return body
    parts = [body]
    size = len(body)
    while size <= bytes_max and message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > bytes_max:
        raise TooLargeError(f"the request has more than {bytes_max} bytes; split it")
    return b"".join(parts)


async def send_answer(send: Send, status: int, body: bytes, headers: Iterable[Header]) -> None:
    """Send a whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


def header_of(scope: Scope, name: bytes) -> bytes:
    """Return the first header of a name (in lower case), empty if there is none."""
    for each, value in scope["headers"]:
        if each == name:
            return bytes(value)
    return b""


def query_of(scope: Scope) -> str:
    """Return the query as it stands in the URL."""
    return str(scope.get("query_string", b""), "latin-1")
