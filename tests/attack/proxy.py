"""A way of our own between each node and the database, which can be cut, stalled, or lead nowhere.

It runs as a process of its own and is commanded by lines of JSON on its standard input; the first
line that it says are the ports that it listens on.
"""

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from typing import Final, Literal, TypeAlias

from tests.tree import ROOT

Mode: TypeAlias = Literal["open", "cut", "stalled", "nowhere"]
CHUNK: Final = 65_536


class Way:
    """One node's way to the database."""

    def __init__(self) -> None:
        """Begin open, and leading nowhere yet."""
        self.mode: Mode = "open"
        self.target = 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()

    def set_mode(self, mode: Mode) -> None:
        """Cut what is open, stop what flows, or let it flow again."""
        self.mode = mode
        if mode == "open":
            self._flows.set()
        elif mode == "cut":
            self._flows.set()
            for writer in list(self._open):
                writer.transport.abort()
        else:
            self._flows.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a connection to one of the database."""
        if self.mode == "cut":
            writer.transport.abort()
            return
        self._open.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._flows.wait()
            back, there = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(there)
            await asyncio.gather(self._pass_on(reader, there), self._pass_on(back, writer))
        except OSError:
            writer.transport.abort()
        finally:
            for each in (writer, there):
                if each is not None:
                    self._open.discard(each)
                    each.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                # What was on its way when the way was stalled arrives once it is open again.
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            await self._flows.wait()
            writer.close()


async def run(count: int) -> None:
    """Serve until nobody commands any more."""
    ways = [Way() for _ in range(count)]
    servers = [await asyncio.start_server(way.serve, "127.0.0.1", 0) for way in ways]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        told = json.loads(line)
        chosen = ways if told["way"] is None else [ways[told["way"]]]
        for way in chosen:
            if "target" in told:
                way.target = told["target"]
            if "mode" in told:
                way.set_mode(told["mode"])


class Proxy:
    """The process in which the ways are, as a test commands it."""

    def __init__(self, ways: int) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.proxy", str(ways)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.ports: list[int] = json.loads(self._process.stdout.readline())

    def order(self, way: int | None, **told: object) -> None:
        """Change one way, or all of them."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"way": way, **told}) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
