"""A provider of messages that takes whatever it is sent and remembers when.

`python -m bench.provider PORT DELAY_MS LOG` answers each POST after a delay, and writes a line for
each: when the request had come whole, in nanoseconds of the machine's clock, and its body.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import BinaryIO

import httptools

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n"
BODY = b'{"id":"bench1"}'


class Arrival:
    """A message as the provider got it."""

    def __init__(self, line: bytes) -> None:
        """Read a line of the log."""
        at, _, self.body = line.rstrip(b"\n").partition(b" ")
        self.at_ns = int(at)


def read_arrivals(log: Path) -> list[Arrival]:
    """Return what has arrived so far."""
    return [Arrival(line) for line in log.read_bytes().splitlines()] if log.exists() else []


class _Protocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, *, delay_seconds: float, log: BinaryIO) -> None:
        self._delay_seconds = delay_seconds
        self._log = log
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        line = b"%d %b\n" % (time.time_ns(), self._body.replace(b"\n", b" "))
        self._log.write(line)
        self._body = b""
        asyncio.get_running_loop().call_later(self._delay_seconds, self._answer)

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(ANSWER + BODY)


async def _serve(port: int, delay_seconds: float, log: BinaryIO) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(delay_seconds=delay_seconds, log=log), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


def main() -> None:
    """Serve until told to stop."""
    port, delay_ms, path = sys.argv[1:]
    with Path(path).open("wb", buffering=0) as log:
        asyncio.run(_serve(int(port), float(delay_ms) / 1_000, log))


if __name__ == "__main__":
    main()
