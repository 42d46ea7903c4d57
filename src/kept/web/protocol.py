"""HTTP/1.1 as uvicorn speaks it, bounded, and with a short way for the routes that must be fast.

A plain POST to a hot route skips what uvicorn must do for every application: the scope, the events
back and forth, the check of each header that we wrote ourselves. Anything out of the ordinary (an
upgrade, `Expect`, a request behind one that another way still answers) takes uvicorn's way, to the
same handlers.
"""

import asyncio
from typing import Any, ClassVar, Final

import httptools
from starlette.types import Message, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kept.web.app import Application, Hot
from kept.web.asgi import Header, header_of
from kept.web.wire.body import BODY_BYTES_MAX

HEAD_BYTES_MAX: Final = 64 * 1024
"""What a request's line and headers may hold beyond what arrives at once."""
REQUEST_SECONDS_MAX: Final = 60.0
"""How long a request may take to arrive, from the connection's or its own first byte to its last."""
_UPGRADE: Final = frozenset({b"upgrade", b"http2-settings"})
"""The headers, and words of `Connection`, that ask for another protocol."""


class Protocol(HttpToolsProtocol):
    """Answers a plain POST to a hot route by itself; one request of a connection at a time."""

    application: ClassVar[Application]

    _is_in_head = False
    _head_bytes = 0
    _hot: tuple[str, Hot] | None = None
    """The route of the request that is being read, where it takes the short way."""
    _query = b""
    _body: bytearray
    """What has arrived of the body before the bytes that are being read."""
    _pieces: list[bytes]
    """What these bytes add to it: they may hold thousands of chunks of one byte each."""
    _body_bytes = 0
    _is_pending = False
    """Whether a request was read and is not answered yet."""
    _is_last = False
    """Whether the connection ends with this answer."""
    _asks_upgrade = False
    """Whether the head that was just read asks for another protocol."""
    _later = b""
    """What arrived behind a request that is not answered yet."""
    _arriving_since: float | None = None
    """When the request began that is not here as a whole yet, on the loop's clock."""
    _watch: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; whoever opens one and says nothing does not hold it for long."""
        super().connection_made(transport)
        self._body = bytearray()
        self._pieces = []
        self._arriving_since = self.loop.time()
        self._watch = self.loop.call_later(REQUEST_SECONDS_MAX, self._hang_up_on_the_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._watch.cancel()
        super().connection_lost(exc)

    def _hang_up_on_the_slow(self) -> None:
        """Close the connection if its request takes too long to arrive; else look again later."""
        now = self.loop.time()
        due = REQUEST_SECONDS_MAX + (now if self._arriving_since is None else self._arriving_since)
        if due <= now:
            self.transport.close()
        else:
            self._watch = self.loop.call_at(due, self._hang_up_on_the_slow)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those behind a request that is not answered yet wait for the answer."""
        if self._is_pending:
            self._later += data
            self.flow.pause_reading()
            return
        was_in_head = self._is_in_head
        self._unset_keepalive_if_required()
        self._feed(data)
        self._gather()
        if was_in_head and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response("The head of the request is too large.")

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read a request that asks for another protocol once more, as one that does not.

        The parser takes what follows such a head for that protocol, and the next bytes for a new
        request: a body would be lost, or read as one (request smuggling). Java's own client asks
        with every first request; a server may ignore it (RFC 9110, 7.8).
        """
        self._asks_upgrade = False
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This is no proxy.")
            return
        head = b"%s %s HTTP/%s\r\n" % (method, self.url, self.parser.get_http_version().encode())
        for name, value in self.headers:
            if name == b"connection":
                tokens = [each.strip() for each in value.split(b",")]
                value = b", ".join(each for each in tokens if each.lower() not in _UPGRADE)  # noqa: PLW2901
            if name not in _UPGRADE:
                head += b"%s: %s\r\n" % (name, value)
        self.parser = httptools.HttpRequestParser(self)
        self._feed(head + b"\r\n" + rest)

    def on_message_begin(self) -> None:
        """Begin a request; one in the same packet as another that is not answered yet is the last.

        No client sends anything behind a POST before it is answered (RFC 9112, 9.3.2).
        """
        if self._is_pending:
            self._is_last = True
            return
        self._is_in_head = True
        self._head_bytes = 0
        self._arriving_since = self.loop.time()
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body (a trailer) is none, and may not look like one.

        A proxy judges headers and passes trailers on (RFC 9110, 6.5.1).
        """
        if not self._is_in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if self._is_pending:
            return
        self._is_in_head = False
        if self.parser.should_upgrade():
            self._asks_upgrade = True
            return
        path, _, query = self.url.partition(b"?")
        self._hot = self.application.hot_posts.get(path)
        if (
            self._hot is None
            or self.parser.get_method() != b"POST"
            or self.expect_100_continue
            or self._is_answering()
        ):
            self._take_long_way()
            return
        self._query = query
        self._is_last = not self.parser.should_keep_alive()

    def _is_answering(self) -> bool:
        """Return whether a request before this one is still being answered the other way."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _take_long_way(self) -> None:
        """Let uvicorn answer, as if it had read the head itself."""
        self._hot = None
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; one that grows too large is answered before its end."""
        if self._is_pending or self._asks_upgrade:
            return
        self._pieces.append(body)
        self._body_bytes += len(body)
        if self._hot is not None and self._body_bytes > BODY_BYTES_MAX:
            self._is_last = True
            self._begin(self._hot)

    def on_message_complete(self) -> None:
        """Answer what was read."""
        if self._is_pending or self._asks_upgrade:
            return
        self._arriving_since = None
        if self._hot is None:
            self._gather()
            super().on_message_complete()
        else:
            self._begin(self._hot)

    def _gather(self) -> None:
        """Put the pieces that came together at the end of the body, all at once.

        One by one, the chunks of a long body would be copied as often as there are any.
        """
        if not self._pieces:
            return
        joined = b"".join(self._pieces)
        self._pieces.clear()
        if self._hot is None:
            self._body_bytes = 0
            super().on_body(joined)
        else:
            self._body += joined

    def _take_body(self) -> bytes:
        """Return the body that has arrived, and begin the next."""
        pieces = [bytes(self._body), *self._pieces] if self._body else self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._body = bytearray()
        self._pieces = []
        self._body_bytes = 0
        return body

    def _begin(self, hot: tuple[str, Hot]) -> None:
        self._is_pending = True
        # Everything is taken along: what is read next must not change what is answered now.
        scope: Scope = {
            "type": "http",
            "headers": self.headers,
            "query_string": self._query,
            "client": self.client,
        }
        task = self.loop.create_task(self._answer(hot, scope, self._take_body()))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, hot: tuple[str, Hot], scope: Scope, body: bytes) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        application = self.application
        own = application.front.name_request(header_of(scope, b"x-request-id"))
        answer = await application.answer(*hot, scope=scope, receive=receive, own=own)
        if answer is None:
            self.transport.close()
        else:
            self._finish(*answer)

    def _finish(self, status: int, headers: list[Header], body: bytes) -> None:
        """Write the answer, and go on with what arrived behind the request."""
        self._hot = None
        self._is_pending = False
        if self.transport.is_closing():
            return
        self.server_state.total_requests += 1
        self.transport.write(self._write_head(status, headers, len(body)) + body)
        if self._is_last:
            self.transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        if self.flow.write_paused:
            # Whoever does not read answers sends no more questions.
            self.flow.pause_reading()
        else:
            self._go_on()

    def _go_on(self) -> None:
        self.flow.resume_reading()
        if self._later:
            data, self._later = self._later, b""
            self.data_received(data)

    def _write_head(self, status: int, headers: list[Header], length: int) -> bytes:
        parts = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        if self._is_last:
            parts.append(b"connection: close\r\n")
        parts.append(b"content-length: %d\r\n\r\n" % length)
        return b"".join(parts)

    def resume_writing(self) -> None:
        """Go on once the caller reads again."""
        super().resume_writing()
        if not self._is_pending and not self._is_answering():
            self._go_on()

    def shutdown(self) -> None:
        """End the connection, after the answer that is on its way."""
        if self._is_pending:
            self._is_last = True
        else:
            super().shutdown()


def make_protocol(application: Application) -> type[Protocol]:
    """Return the protocol of one application."""
    return type("Protocol", (Protocol,), {"application": application})
