"""The floor for any service of this kind: the same front that only decodes and durably appends.

Bare ASGI on uvicorn, the body decoded with msgspec, and one writer thread that appends whatever
queued while the last fsync ran to a preallocated file. No identity, no fold, no decision, not even
de-duplication: what Kept adds to this is what Kept costs.

`python -m bench.front PORT FILE`
"""

import asyncio
import os
import queue
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvicorn

PREALLOCATED_BYTES = 256 * 1024 * 1024
QUEUE_MAX = 10_000

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class TrackEvent(msgspec.Struct, rename="camel"):
    """One Segment event, decoded as far as every consumer needs it."""

    type: str
    message_id: str
    timestamp: str
    user_id: str | None = None
    anonymous_id: str | None = None
    event: str | None = None
    name: str | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}


class Batch(msgspec.Struct, rename="camel"):
    """A Segment batch."""

    batch: list[TrackEvent]
    sent_at: str | None = None


_decode_event = msgspec.json.Decoder(TrackEvent).decode
_decode_batch = msgspec.json.Decoder(Batch).decode


class Appender:
    """Appends bodies to a file; a body's future is done once it would survive a power cut."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        """Preallocate the file, so that a commit need not change the file system's own records."""
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC)
        self._position = 0
        self._allocated = 0
        self._loop = loop
        self._waiting: queue.Queue[tuple[bytes, asyncio.Future[None]]] = queue.Queue(QUEUE_MAX)
        threading.Thread(target=self._run, daemon=True).start()

    async def append(self, body: bytes) -> None:
        """Return once the body is durable."""
        done = self._loop.create_future()
        self._waiting.put_nowait((body, done))
        await done

    def _run(self) -> None:
        while True:
            taken = [self._waiting.get()]
            while not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            self._commit(b"".join(b"%08x%b" % (len(body), body) for body, _ in taken))
            self._loop.call_soon_threadsafe(_finish, [done for _, done in taken])

    def _commit(self, content: bytes) -> None:
        while self._position + len(content) > self._allocated:
            os.posix_fallocate(self._file, self._allocated, PREALLOCATED_BYTES)
            self._allocated += PREALLOCATED_BYTES
        self._position += os.pwrite(self._file, content, self._position)
        os.fdatasync(self._file)


def _finish(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class Application:
    """The ASGI application: decode, append, answer."""

    def __init__(self, path: str) -> None:
        """Open the file with the first request, when the event loop is there."""
        self._path = path
        self._appender: Appender | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        message = await receive()
        body: bytes = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        if scope["path"] == "/v1/batch":
            _decode_batch(body)
        else:
            _decode_event(body)
        if self._appender is None:
            self._appender = Appender(self._path, asyncio.get_running_loop())
        await self._appender.append(body)
        await send(_START)
        await send(_BODY)


_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"16")],
}
_BODY = {"type": "http.response.body", "body": b'{"success":true}'}


def main() -> None:
    """Serve until told to stop."""
    port, path = sys.argv[1:]
    uvicorn.run(
        Application(path),
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        backlog=2048,
    )


if __name__ == "__main__":
    main()
