"""HTTP/1.1 on the short way: the odd things that clients and attackers do with a connection."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e.served import SHOP_KEY, Served, new_id

END = b"\r\n\r\n"


def body_of(**rest: object) -> bytes:
    """Return one event of the shop."""
    told = {"userId": new_id("user"), "event": "Account Opened", "messageId": new_id("m")}
    return json.dumps(told | rest).encode()


def post(body: bytes, *lines: str, path: str = "/v1/track", version: str = "1.1") -> bytes:
    """Return a whole request."""
    head = [f"POST {path} HTTP/{version}", "host: localhost", f"authorization: Bearer {SHOP_KEY}"]
    head += [f"content-length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + END + body


@pytest.fixture
def line(kept_server: Served) -> Iterator[socket.socket]:
    """A bare connection to the server."""
    host, _, port = kept_server.url.removeprefix("http://").rpartition(":")
    with closing(socket.create_connection((host, int(port)), timeout=20)) as connected:
        yield connected


def read_answer(line: socket.socket, rest: bytes = b"") -> tuple[bytes, bytes, bytes]:
    """Return the head and body of the next answer, and what came behind it."""
    while END not in rest:
        piece = line.recv(65_536)
        assert piece, f"the server hung up after {rest!r}"
        rest += piece
    head, _, rest = rest.partition(END)
    length = next(
        int(each.split(b":")[1])
        for each in head.lower().split(b"\r\n")
        if each.startswith(b"content-length")
    )
    while len(rest) < length:
        piece = line.recv(65_536)
        assert piece
        rest += piece
    return head, rest[:length], rest[length:]


def is_closed(line: socket.socket) -> bool:
    """Return whether the server hung up."""
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True


def test_a_connection_serves_one_request_after_another(line: socket.socket) -> None:
    """On the short way and on the long, in any order."""
    for _ in range(3):
        line.sendall(post(body_of()))
        assert json.loads(read_answer(line)[1])["success"] is True
        line.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert json.loads(read_answer(line)[1]) == {"alive": True}


def test_a_request_may_come_byte_by_byte(line: socket.socket) -> None:
    """However the network cuts it."""
    for byte in post(body_of()):
        line.sendall(bytes([byte]))
    assert json.loads(read_answer(line)[1])["success"] is True


def test_a_body_may_come_in_chunks_without_a_length(line: socket.socket) -> None:
    """As streaming clients send it."""
    body = body_of()
    head = f"POST /v1/track HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SHOP_KEY}\r\n"
    line.sendall(head.encode() + b"transfer-encoding: chunked\r\n\r\n")
    for piece in (body[:20], body[20:]):
        line.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    line.sendall(b"0\r\n\r\n")
    assert json.loads(read_answer(line)[1])["success"] is True


def test_a_request_behind_an_unanswered_one_waits_for_its_turn(line: socket.socket) -> None:
    """Two packets, two answers, in their order."""
    line.sendall(post(b"{"))
    line.sendall(post(body_of()))
    head, _, rest = read_answer(line)
    assert b" 400 " in head
    if b"connection: close" not in head.lower():
        head, body, _ = read_answer(line, rest)
        assert b" 200 " in head
        assert json.loads(body)["success"] is True


def test_a_request_in_the_same_packet_is_not_answered_and_not_taken(line: socket.socket) -> None:
    """The connection ends with the first answer, so that the client sends the second one again."""
    line.sendall(post(body_of()) + post(body_of()))
    head, _, rest = read_answer(line)
    assert b" 200 " in head
    assert b"connection: close" in head.lower()
    assert rest == b""
    assert is_closed(line)


def test_a_request_behind_a_slow_one_is_answered_after_it(line: socket.socket) -> None:
    """The long way keeps its own queue."""
    line.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" + post(body_of()))
    _, body, rest = read_answer(line)
    assert json.loads(body) == {"alive": True}
    assert json.loads(read_answer(line, rest)[1])["success"] is True


@pytest.mark.parametrize(
    ("version", "header", "is_kept"),
    [("1.1", "x: y", True), ("1.1", "connection: close", False), ("1.0", "x: y", False)],
)
def test_the_connection_is_kept_as_the_client_wishes(
    line: socket.socket, version: str, header: str, *, is_kept: bool
) -> None:
    """HTTP/1.0 closes by itself."""
    line.sendall(post(body_of(), header, version=version))
    head, _, _ = read_answer(line)
    assert (b"connection: close" not in head.lower()) is is_kept
    if not is_kept:
        assert is_closed(line)


def test_whoever_asks_first_is_told_to_go_on(line: socket.socket) -> None:
    """`Expect: 100-continue` takes the long way to the same answer."""
    body = body_of()
    request = post(body, "expect: 100-continue")
    line.sendall(request[: -len(body)])
    assert line.recv(1_000).startswith(b"HTTP/1.1 100 Continue")
    line.sendall(body)
    assert json.loads(read_answer(line)[1])["success"] is True


def test_a_body_that_grows_too_large_ends_the_connection(line: socket.socket) -> None:
    """It is answered before its end, and the rest is not read."""
    head = f"POST /v1/batch HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SHOP_KEY}\r\n"
    line.sendall(head.encode() + b"content-length: 99999999\r\n\r\n")
    try:
        for _ in range(80):
            line.sendall(b" " * 65_536)
    except ConnectionError:
        pass
    try:
        answer, _, _ = read_answer(line)
    except ConnectionError:
        return  # reset while we were still talking, which is as good
    assert b" 413 " in answer
    assert is_closed(line)


def test_a_head_without_end_ends_the_connection(line: socket.socket) -> None:
    """Header after header, for ever."""
    line.sendall(b"POST /v1/track HTTP/1.1\r\n")
    try:
        for number in range(400):
            line.sendall(b"x-%d: %s\r\n" % (number, b"y" * 1_000))
    except ConnectionError:
        return
    assert b" 400 " in line.recv(1_000)
    assert is_closed(line)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"POST /v1/track\r\n\r\n",
        b"POST /v1/track HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_what_is_no_http_is_refused(
    line: socket.socket, kept_server: Served, rubbish: bytes
) -> None:
    """And nobody else notices."""
    line.sendall(rubbish)
    line.shutdown(socket.SHUT_WR)
    received = b""
    while piece := line.recv(65_536):
        received += piece
    assert received == b"" or b" 400 " in received.split(b"\r\n")[0]
    assert kept_server.ok(kept_server.http.get("/health")) == {"alive": True}


def test_whoever_hangs_up_in_the_middle_harms_nobody(kept_server: Served) -> None:
    """Before the end of a body, and before the answer."""
    host, _, port = kept_server.url.removeprefix("http://").rpartition(":")
    whole = post(body_of())
    for sent in (whole[:-5], whole):
        with closing(socket.create_connection((host, int(port)), timeout=20)) as line:
            line.sendall(sent)
    kept_server.introduce()


def test_no_header_of_ours_can_be_forged_by_a_request(line: socket.socket) -> None:
    """A name for the request that holds a line break never comes back."""
    line.sendall(post(body_of(), "x-request-id: a\tb: c"))
    head, _, _ = read_answer(line)
    assert b"a\tb" not in head


def test_a_query_behind_the_path_takes_the_short_way_too(line: socket.socket) -> None:
    """A beacon's key stands there."""
    body = body_of()
    head = f"POST /v1/track?writeKey={SHOP_KEY} HTTP/1.1\r\nhost: localhost\r\n"
    line.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert json.loads(read_answer(line)[1])["success"] is True
