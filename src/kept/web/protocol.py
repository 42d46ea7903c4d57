"""HTTP/1.1 as uvicorn speaks it, bounded, and with a short way for the routes that must be fast.

A plain POST to a hot route skips what uvicorn must do for every application: the scope, the events
back and forth, the check of each header that we wrote ourselves. Anything out of the ordinary (an
upgrade, `Expect`, a request behind one that another way still answers) takes uvicorn's way, to the
same handlers.
"""

from typing import Any, ClassVar, Final

from starlette.types import Message, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kept.web.app import Application, Hot
from kept.web.asgi import Header, header_of
from kept.web.wire.body import BODY_BYTES_MAX

HEAD_BYTES_MAX: Final = 64 * 1024
"""What a request's line and headers may hold beyond what arrives at once."""


class Protocol(HttpToolsProtocol):
    """Answers a plain POST to a hot route by itself; one request of a connection at a time."""

    application: ClassVar[Application]

    _is_in_head = False
    _head_bytes = 0
    _hot: tuple[str, Hot] | None = None
    """The route of the request that is being read, where it takes the short way."""
    _body = b""
    _query = b""
    _is_pending = False
    """Whether a request was read and is not answered yet."""
    _is_last = False
    """Whether the connection ends with this answer."""
    _later = b""
    """What arrived behind a request that is not answered yet."""

    def data_received(self, data: bytes) -> None:
        """Take bytes; those behind a request that is not answered yet wait for the answer."""
        if self._is_pending:
            self._later += data
            self.flow.pause_reading()
            return
        was_in_head = self._is_in_head
        super().data_received(data)
        if was_in_head and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Begin a request; one in the same packet as another that is not answered yet is the last.

        No client sends anything behind a POST before it is answered (RFC 9112, 9.3.2).
        """
        if self._is_pending:
            self._is_last = True
            return
        self._is_in_head = True
        self._head_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if self._is_pending:
            return
        self._is_in_head = False
        path, _, query = self.url.partition(b"?")
        self._hot = self.application.hot_posts.get(path)
        if (
            self._hot is None
            or self.parser.get_method() != b"POST"
            or self.expect_100_continue
            or self.parser.should_upgrade()
            or self._is_answering()
        ):
            self._take_long_way()
            return
        self._body = b""
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
        if self._is_pending:
            return
        if self._hot is None:
            super().on_body(body)
            return
        self._body = self._body + body if self._body else body
        if len(self._body) > BODY_BYTES_MAX:
            self._is_last = True
            self._begin(self._hot)

    def on_message_complete(self) -> None:
        """Answer what was read."""
        if self._is_pending:
            return
        if self._hot is None:
            super().on_message_complete()
        else:
            self._begin(self._hot)

    def _begin(self, hot: tuple[str, Hot]) -> None:
        self._is_pending = True
        # Everything is taken along: what is read next must not change what is answered now.
        scope: Scope = {"type": "http", "headers": self.headers, "query_string": self._query}
        task = self.loop.create_task(self._answer(hot, scope, self._body))
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
        self._body = b""
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
