"""HTTP/1.1 on a connection that means harm: smuggled requests, forged headers, slow and huge ones."""

from collections.abc import Iterator

import pytest

from kept.web.protocol import REQUEST_SECONDS_MAX
from tests.unit.web.connection import Connection

CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
PATHS = pytest.mark.parametrize("path", ["/v1/track", "/v1/hooks/desk"])


def head_of(path: str, *lines: bytes) -> bytes:
    """Return the head of a POST up to its last header."""
    return b"\r\n".join([f"POST {path} HTTP/1.1".encode(), b"host: a", *lines, b""])


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection that has just been opened."""
    with Connection() as opened:
        yield opened


@PATHS
def test_what_follows_a_body_is_no_header(connection: Connection, path: str) -> None:
    """A proxy judges headers and hands trailers on: a key or a signal there must mean nothing."""
    trailers = b"authorization: Bearer stolen\r\nsec-gpc: 0\r\n\r\n"
    connection.send(head_of(path) + CHUNKED + b"2\r\n{}\r\n0\r\n" + trailers)
    (seen,) = connection.seen
    assert seen.body == b"{}"
    assert {name for name, _ in seen.headers} == {b"host", b"transfer-encoding"}


@PATHS
def test_trailers_without_end_are_not_kept(connection: Connection, path: str) -> None:
    """They would fill the memory, for they belong to no head whose size is looked at."""
    connection.send(head_of(path) + CHUNKED + b"2\r\n{}\r\n0\r\n")
    connection.send(*(b"x: " + b"a" * 60_000 + b"\r\n" for _ in range(50)))
    assert len(connection.protocol.headers) == 2


@PATHS
def test_a_body_is_never_read_as_a_request(connection: Connection, path: str) -> None:
    """`Upgrade` makes parsers forget that a body follows: what stands in it would be answered."""
    smuggled = b"GET /health HTTP/1.1\r\nhost: smuggled\r\n\r\n"
    lines = (b"connection: upgrade, keep-alive", b"upgrade: h2c", b"http2-settings: AAMAAABk")
    head = head_of(path, *lines, b"content-length: %d" % len(smuggled)) + b"\r\n"
    connection.send(head, smuggled)
    connection.send(head + smuggled)
    assert [seen.body for seen in connection.seen] == [smuggled, smuggled]
    assert b"upgrade" not in dict(connection.seen[0].headers)
    assert dict(connection.seen[0].headers)[b"connection"] == b"keep-alive"


def test_nothing_is_tunnelled(connection: Connection) -> None:
    """It is no proxy."""
    connection.send(b"CONNECT inside.example:443 HTTP/1.1\r\nhost: inside.example:443\r\n\r\n")
    assert connection.wire.written.startswith(b"HTTP/1.1 400 ")
    assert connection.wire.is_closed
    assert connection.seen == []


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
        b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"content-length: +2\r\n\r\n{}",
        b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n2;a=\nb\r\n{}\r\n0\r\n\r\n",
        b"x: a\nb: c\r\ncontent-length: 2\r\n\r\n{}",
        b"content-length: 2\n\n{}",
    ],
)
@PATHS
def test_a_length_that_could_be_read_in_two_ways_is_refused(
    connection: Connection, path: str, lines: bytes
) -> None:
    """A proxy in front that reads it the other way would let a second request through unseen."""
    connection.send(head_of(path) + lines)
    assert connection.wire.written.startswith(b"HTTP/1.1 400 ")
    assert connection.wire.is_closed
    assert connection.seen == []


@PATHS
def test_a_long_body_in_tiny_chunks_is_not_copied_for_each(
    connection: Connection, path: str
) -> None:
    """Ten thousand chunks of one byte behind four megabytes: gathered, not added one by one."""
    held = 3_900_000 if path == "/v1/track" else 60_000
    connection.send(head_of(path) + CHUNKED + b"%x\r\n" % held + b"a" * held + b"\r\n")
    parts = 0
    join = connection.protocol._gather

    def counted() -> None:
        nonlocal parts
        parts += 1
        join()

    connection.protocol._gather = counted  # type: ignore[method-assign]
    connection.send(b"1\r\nb\r\n" * 10_000)
    connection.send(b"0\r\n\r\n")
    (seen,) = connection.seen
    assert seen.body == b"a" * held + b"b" * 10_000
    assert parts <= 4


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /v1/tr",
        head_of("/v1/track", b"content-length: 100") + b"\r\n{",
        head_of("/v1/hooks/desk", b"content-length: 100") + b"\r\n{",
        head_of("/v1/track") + CHUNKED + b"2\r\n{}\r\n0\r\nx: y\r\n",
    ],
)
def test_a_request_that_never_arrives_is_hung_up_on(connection: Connection, begun: bytes) -> None:
    """However slowly it drips; its connection is wanted by others."""
    if begun:
        connection.send(begun)
    connection.wait(REQUEST_SECONDS_MAX - 1)
    assert not connection.wire.is_closed
    connection.wait(2)
    assert connection.wire.is_closed


def test_a_connection_in_use_is_not_hung_up_on(connection: Connection) -> None:
    """Each request has its own time, and between two of them the keep-alive decides."""
    whole = head_of("/v1/track", b"content-length: 2") + b"\r\n{}"
    for _ in range(5):
        connection.send(whole[:-1])
        connection.wait(REQUEST_SECONDS_MAX / 2)
        connection.send(whole[-1:])
        connection.wait(2)
    assert len(connection.seen) == 5
    assert not connection.wire.is_closed
