"""One HTTP POST with nothing left to chance: the address given, the time and the answer bounded.

Every way in which a post can end is a value, and each says what is known: the request surely did
not arrive, or nobody knows, or there is an answer.
"""

import socket
import ssl
from typing import Final, TypeAlias

import httptools
import msgspec

from kept.channels.address import Target
from kept.clock import read_monotonic

ANSWER_BYTES_MAX: Final = 65_536
"""What is read of an answer's body; the rest is not waited for."""
HEADER_BYTES_MAX: Final = 65_536
_CHUNK: Final = 16_384
_SECOND: Final = 1_000_000


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes
    keep_open: bool


class NotSent(msgspec.Struct, frozen=True, kw_only=True):
    """The request surely did not arrive."""

    detail: str


class NoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The request may have arrived, and no answer to it can be read."""

    detail: str


PostResult: TypeAlias = Answer | NoAnswer
"""What is known once a request was begun; a connection that was never made is `NotSent`."""


class Line:
    """An open connection to one address, over which requests go one after another."""

    def __init__(self, connected: socket.socket) -> None:
        """Take a connected socket, after the handshake if there is one."""
        self._socket = connected

    def is_fresh(self) -> bool:
        """Return whether the server has not hung up (or said something unasked) meanwhile."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1, socket.MSG_PEEK if not self._is_tls else 0)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    @property
    def _is_tls(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket)

    def post(self, request: bytes, *, deadline: int) -> PostResult:
        """Send a request and return what comes back before the deadline."""
        try:
            self._socket.settimeout(_seconds_left(deadline))
            self._socket.sendall(request)
        except OSError as error:
            # Part of it may be through, and a server may act on less than we meant to say.
            return NoAnswer(detail=f"the connection broke while sending: {_named(error)}")
        return self._read(deadline)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _read(self, deadline: int) -> PostResult:
        reader = _Reader()
        try:
            while not reader.is_complete:
                self._socket.settimeout(_seconds_left(deadline))
                chunk = self._socket.recv(_CHUNK)
                if not chunk:
                    break
                reader.feed(chunk)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            return reader.answer() or NoAnswer(detail=f"the answer is no HTTP: {error}")
        except OSError as error:
            return reader.answer() or NoAnswer(detail=f"no answer came: {_named(error)}")
        return reader.answer() or NoAnswer(detail="the connection was closed before an answer")


class _Reader:
    """Takes an answer apart as it arrives, and stops listening when it has heard enough."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._parser = httptools.HttpResponseParser(self)
        self._reset()
        self.is_complete = False
        self._keep_open = False

    def _reset(self) -> None:
        self._status = 0
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body = b""

    def feed(self, chunk: bytes) -> None:
        """Take what was received; raises `HttpParserError` if it is no HTTP."""
        self._header_bytes += len(chunk) if not self._status else 0
        if self._header_bytes > HEADER_BYTES_MAX:
            raise httptools.HttpParserError("the headers are too long")
        self._parser.feed_data(chunk)

    def on_message_begin(self) -> None:
        """Forget an interim answer; what follows the final one is not ours."""
        if self.is_complete:
            self._keep_open = False
        else:
            self._reset()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if not self.is_complete:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Know the status; from here on there is an answer, whole or not."""
        if not self.is_complete:
            self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Keep the beginning of the body."""
        if not self.is_complete:
            self._body += body
            if len(self._body) > ANSWER_BYTES_MAX:
                self._body = self._body[:ANSWER_BYTES_MAX]
                self.is_complete = True

    def on_message_complete(self) -> None:
        """Stop, unless it was an interim answer such as 103."""
        if not self.is_complete and self._status >= 200:
            self.is_complete = True
            self._keep_open = self._parser.should_keep_alive()

    def answer(self) -> Answer | None:
        """Return the answer, None if not even its status and headers are here."""
        if self._status < 200:
            return None
        return Answer(
            status=self._status,
            headers=self._headers,
            body=self._body,
            keep_open=self._keep_open and self.is_complete,
        )


def connect(
    target: Target, address: str, *, context: ssl.SSLContext, deadline: int
) -> Line | NotSent:
    """Return a connection to exactly this address, proven by certificate to be the target."""
    try:
        connected = socket.create_connection(
            (address, target.port), timeout=_seconds_left(deadline)
        )
    except OSError as error:
        return NotSent(detail=f"no connection to {target.authority}: {_named(error)}")
    if not target.is_tls:
        return Line(connected)
    try:
        connected.settimeout(_seconds_left(deadline))
        return Line(context.wrap_socket(connected, server_hostname=target.host))
    except (OSError, ValueError) as error:
        connected.close()
        return NotSent(detail=f"no safe connection to {target.authority}: {_named(error)}")


def write_request(target: Target, headers: dict[str, str], body: bytes) -> bytes:
    """Return a request as bytes; the headers are ours and hold no line breaks."""
    lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def _seconds_left(deadline: int) -> float:
    """Return the time until a deadline (µs on the monotonic clock), never quite nothing."""
    return max((deadline - read_monotonic()) / _SECOND, 0.001)


def _named(error: Exception) -> str:
    """Return an error in words; some have none of their own."""
    return str(error) or type(error).__name__
