"""A connection to the HTTP protocol in memory: bytes in, answers out, on a clock that is given."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self, cast

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from kept.web.app import Application
from kept.web.asgi import Header
from kept.web.protocol import Protocol, make_protocol

HOT = b"/v1/track"


class Seen:
    """One request as the application was given it."""

    def __init__(self, way: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """Keep what it saw."""
        self.way = way
        self.headers = list(headers)
        self.body = body


class Front:
    """The part of the web's front that the protocol asks."""

    @staticmethod
    def name_request(offered: bytes) -> bytes:
        """Name a request as it wishes."""
        return offered or b"request"


class Listener:
    """An application that answers everything and remembers what it was asked."""

    front = Front()

    def __init__(self) -> None:
        """Begin without requests."""
        self.hot_posts = {HOT: ("event", None)}
        self.seen: list[Seen] = []

    async def answer(
        self, name: str, hot: Any, *, scope: Scope, receive: Receive, own: bytes
    ) -> tuple[int, list[Header], bytes]:
        """Answer on the short way."""
        message = await receive()
        self.seen.append(Seen("short", scope["headers"], message["body"]))
        return 200, [(b"content-type", b"application/json")], b"{}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer on the long way."""
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append(Seen("long", scope["headers"], body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


class Wire(asyncio.Transport):
    """Keeps what is written, and whether the connection was closed."""

    def __init__(self) -> None:
        """Begin open."""
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        """Keep."""
        self.written += bytes(data)

    def close(self) -> None:
        """Note that it is closed."""
        self.is_closed = True

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.is_closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know nothing of any address."""
        return default

    def pause_reading(self) -> None:
        """Go on: whoever tests says what arrives."""

    def resume_reading(self) -> None:
        """Go on."""


class GivenTime(asyncio.SelectorEventLoop):
    """An event loop whose clock is moved by hand."""

    seconds = 0.0

    def time(self) -> float:
        """Return the time that was given."""
        return self.seconds


class Connection:
    """One connection, driven step by step."""

    def __init__(self) -> None:
        """Open it."""
        self.loop = GivenTime()
        self.listener = Listener()
        self.wire = Wire()
        application = cast("Application", self.listener)
        config = uvicorn.Config(
            cast("Any", self.listener),
            http=make_protocol(application),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        config.load()
        self.protocol = cast("type[Protocol]", config.http_protocol_class)(
            config=config, server_state=ServerState(), app_state={}, _loop=self.loop
        )
        self.protocol.connection_made(self.wire)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up, and close the loop."""
        self.protocol.connection_lost(None)
        self.wait()
        self.loop.close()

    def send(self, *packets: bytes) -> None:
        """Let packets arrive, each handled before the next."""
        for packet in packets:
            if not self.wire.is_closed:
                self.protocol.data_received(packet)
                self.wait()

    def wait(self, seconds: float = 0.0) -> None:
        """Let time pass, and everything run that can."""
        self.loop.seconds += seconds
        for _ in range(6):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    @property
    def seen(self) -> list[Seen]:
        """Return the requests that reached the application."""
        return self.listener.seen
