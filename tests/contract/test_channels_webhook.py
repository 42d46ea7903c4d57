"""Webhooks before a real server: signatures, answers, broken connections, private addresses."""

import hashlib
import hmac
import json
import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from kept.channels.post import (
    ANSWER_BYTES_MAX,
    HEADER_BYTES_MAX,
    Line,
    NoAnswer,
)
from kept.channels.webhook import WebhookChannel
from kept.clock import read_monotonic
from kept.core.message import Accepted, Postponed, Refused, SendResult, Unclear
from tests.contract.hooks import KEY, TIMESTAMP, channel_to
from tests.contract.servers import (
    CERTIFICATE,
    Desk,
    Script,
    ScriptedServer,
    free_port,
    http_server,
    outgoing,
    read_until,
)

pytestmark = pytest.mark.network


@pytest.fixture
def desk() -> Desk:
    """Return the mind of an HTTP provider."""
    return Desk()


@pytest.fixture
def channel(desk: Desk) -> Iterator[WebhookChannel]:
    """Yield a channel to a server with that mind."""
    with http_server(desk) as port:
        channel = channel_to(port)
        yield channel
        channel.close()


def play(script: Script, **settings: Any) -> SendResult:
    """Send one message to a server that follows a script."""
    with ScriptedServer(script) as server:
        channel = channel_to(server.port, **settings)
        try:
            return channel.send(outgoing())
        finally:
            channel.close()


def test_a_message_is_posted_and_signed(desk: Desk, channel: WebhookChannel) -> None:
    """The receiver can check who sent it, when, and that nothing was changed."""
    assert channel.send(outgoing(data={"about": "bill/7"})) == Accepted(provider_id="p-1")
    (request,) = desk.requests
    assert request.path == "/hook?a=b"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == "m7-grace"
    assert request.headers["webhook-timestamp"] == str(TIMESTAMP)
    signed = f"m7-grace.{TIMESTAMP}.".encode() + request.body
    expected = b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(request.body) == {
        "type": "message.send",
        "timestamp": "2023-11-14T22:13:20Z",
        "data": {
            "message_id": "m7-grace",
            "idempotency_key": "m7-grace",
            "channel": "email",
            "action": "grace",
            "to": "ana@mail.example",
            "sender": "Fernbank Shop <hello@shop.example>",
            "subject": "Your bill can wait",
            "text": "Dear Ana,\n\nyour bill can wait.\n",
            "data": {"about": "bill/7"},
            "expires_at": "2027-01-15T08:00:00Z",
        },
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Accepted),
        (201, Accepted),
        (202, Accepted),
        (204, Accepted),
        (301, Refused),
        (302, Refused),
        (307, Refused),
        (308, Refused),
        (400, Refused),
        (401, Postponed),
        (403, Refused),
        (404, Refused),
        (408, Postponed),
        (409, Unclear),
        (410, Refused),
        (413, Refused),
        (422, Refused),
        (425, Postponed),
        (429, Postponed),
        (500, Unclear),
        (501, Unclear),
        (502, Unclear),
        (503, Postponed),
        (504, Unclear),
        (599, Unclear),
        (999, Unclear),
    ],
)
def test_each_status_means_what_is_known_of_the_message(
    desk: Desk, channel: WebhookChannel, status: int, kind: type[SendResult]
) -> None:
    """Taken, refused for good, surely not taken, or nobody knows."""
    desk.status = status
    desk.body = b"" if status == 204 else b'{"error": "because"}'
    assert isinstance(channel.send(outgoing()), kind)
    assert len(desk.requests) == 1


def test_a_redirect_is_not_followed(desk: Desk, channel: WebhookChannel) -> None:
    """It could lead a signed message about a customer anywhere."""
    with http_server(Desk()) as elsewhere:
        desk.status = 307
        desk.headers = {"Location": f"http://127.0.0.1:{elsewhere}/"}
        result = channel.send(outgoing())
    assert isinstance(result, Refused)
    assert "redirect" in result.detail


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        ("999999999999999999999", 86_400),
        ("-5", 0),
        ("soon", 0),
        ("Tue, 99 Nov 9999", 0),
        ("١٢", 0),
    ],
)
def test_a_busy_server_says_when_to_come_back(
    desk: Desk, channel: WebhookChannel, said: str, seconds: int
) -> None:
    """In seconds or as a date, within reason, and readably."""
    desk.status = 429
    desk.headers = {"Retry-After": said.encode().decode("latin-1")}
    assert channel.send(outgoing()) == Postponed(detail="HTTP 429", retry_after_seconds=seconds)


@pytest.mark.parametrize(
    ("body", "provider_id"),
    [
        (b'{"id": 42}', "42"),
        (b'{"id": "a\\r\\nb\\u202e"}', "a b"),
        (b'{"id": "' + b"x" * 1_000 + b'"}', "x" * 200),
        (b'{"id": true}', ""),
        (b'{"id": null}', ""),
        (b'{"id": {"a": 1}}', ""),
        (b'["id"]', ""),
        (b"not json", ""),
        (b"\xff\xfe", ""),
        (b"", ""),
        (b"[" * 60_000, ""),
        (b'{"id": "p", "rest": "' + b"x" * ANSWER_BYTES_MAX + b'"}', ""),
    ],
)
def test_a_strange_body_does_not_undo_an_acceptance(
    desk: Desk, channel: WebhookChannel, body: bytes, provider_id: str
) -> None:
    """The status says that it was taken; the id is only of use if it is one."""
    desk.body = body
    assert channel.send(outgoing()) == Accepted(provider_id=provider_id)


def test_one_connection_serves_many_messages(desk: Desk, channel: WebhookChannel) -> None:
    """As long as both sides keep it."""
    for number in range(4):
        assert isinstance(channel.send(outgoing(idempotency_key=f"m{number}")), Accepted)
    assert (desk.connections, len(desk.requests)) == (1, 4)


def test_a_connection_that_the_server_closes_is_not_used_again(
    desk: Desk, channel: WebhookChannel
) -> None:
    """Whether it says so or not."""
    desk.headers = {"Connection": "close"}
    for _ in range(2):
        assert isinstance(channel.send(outgoing()), Accepted)
    assert desk.connections == 2


def test_a_connection_that_was_closed_while_it_rested_is_noticed() -> None:
    """A message is not lost to a line that is dead already."""
    hung_up = threading.Semaphore(0)

    def script(server: socket.socket) -> None:
        read_until(server, b"}}")
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        server.shutdown(socket.SHUT_WR)
        hung_up.release()

    with ScriptedServer(script) as server:
        channel = channel_to(server.port)
        for number in range(3):
            assert channel.send(outgoing(idempotency_key=f"m{number}")) == Accepted()
            hung_up.acquire(timeout=10)
        channel.close()
        assert server.connections == 3


def answer(*pieces: bytes) -> Script:
    """Return a script that reads the request, answers in pieces and hangs up."""

    def script(server: socket.socket) -> None:
        read_until(server, b"}}")
        for piece in pieces:
            server.sendall(piece)

    return script


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (answer(), Unclear),
        (answer(b"HTTP/1.1 2"), Unclear),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Le"), Unclear),
        (answer(b"220 mail.example ESMTP\r\n"), Unclear),
        (answer(b"\x00\xff\x16\x03\x01"), Unclear),
        (answer(b"HTTP/1.1 999999 OK\r\n\r\n"), Unclear),
        (answer(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * HEADER_BYTES_MAX), Unclear),
        (answer(b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), Unclear),
        (answer(b"HTTP/1.1 100 Continue\r\n\r\n"), Unclear),
        (answer(b"HTTP/1.1 103 H\r\n\r\nHTTP/1.1 429 L\r\nContent-Length: 0\r\n\r\n"), Postponed),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{id"), Accepted),
        (answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Accepted),
        (answer(b"HTTP/1.1 200 OK\r\n\r\n[]"), Accepted),
        (answer(b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 300_000), Accepted),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 No\r\n\r\n"), Accepted),
        (answer(b"HTTP/1.1 4", b"22 No\r\nConte", b"nt-Length: 2\r\n\r\nn", b"o"), Refused),
    ],
)  # fmt: skip
def test_a_broken_answer_is_taken_for_what_it_is(
    script: Script, expected: type[SendResult]
) -> None:
    """Without a whole status and headers nobody knows; with them, the rest does not matter."""
    assert isinstance(play(script), expected)


def reset(server: socket.socket) -> None:
    """Hang up without a word of farewell."""
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()


def test_a_connection_that_breaks_while_sending_is_unclear() -> None:
    """How much of the message got through is not known."""

    def script(server: socket.socket) -> None:
        server.recv(10)
        reset(server)

    with ScriptedServer(script) as server:
        channel = channel_to(server.port)
        result = channel.send(outgoing(text="x" * 900_000))
        channel.close()
    assert isinstance(result, Unclear)


def test_a_request_that_cannot_be_sent_is_unclear() -> None:
    """Even a part of it may have been enough."""
    here, there = socket.socketpair()
    there.close()
    line = Line(here)
    result = line.post(b"POST / HTTP/1.1\r\n", deadline=read_monotonic() + 1_000_000)
    line.close()
    assert isinstance(result, NoAnswer)
    assert "broke while sending" in result.detail


def test_a_connection_that_was_reset_while_it_rested_is_noticed() -> None:
    """As one that was closed is."""
    is_reset = threading.Event()

    def script(server: socket.socket) -> None:
        read_until(server, b"}}")
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        reset(server)
        is_reset.set()

    with ScriptedServer(script) as server:
        channel = channel_to(server.port)
        assert channel.send(outgoing()) == Accepted()
        is_reset.wait(10)
        assert channel.send(outgoing(idempotency_key="m8")) == Accepted()
        channel.close()


def test_a_server_that_is_not_there_takes_nothing() -> None:
    """The message waits."""
    assert isinstance(channel_to(free_port()).send(outgoing()), Postponed)


def test_a_server_that_never_answers_is_left_in_time() -> None:
    """Nobody knows whether it took the message."""

    def script(server: socket.socket) -> None:
        read_until(server, b"never")

    assert isinstance(play(script, timeout_seconds=0.2), Unclear)


def test_a_server_that_drips_is_left_in_time() -> None:
    """The time is for the whole answer, not for each byte."""

    def script(server: socket.socket) -> None:
        read_until(server, b"}}")
        server.settimeout(0.02)
        server.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            try:
                if not server.recv(100):
                    return
            except TimeoutError:
                server.sendall(b"x")

    started = read_monotonic()
    assert isinstance(play(script, timeout_seconds=0.3), Unclear)
    assert read_monotonic() - started < 3_000_000


def test_a_server_that_takes_no_more_is_left_in_time() -> None:
    """A request that could not be sent as a whole may have been understood all the same."""
    seen_enough = threading.Event()

    def script(server: socket.socket) -> None:
        server.recv(10)
        seen_enough.wait(10)

    with ScriptedServer(script) as server:
        channel = channel_to(server.port, timeout_seconds=0.3)
        result = channel.send(outgoing(text="x" * 900_000))
        seen_enough.set()
        channel.close()
    assert isinstance(result, Unclear)


def test_a_certificate_is_verified(desk: Desk) -> None:
    """A provider proves its name, or gets nothing."""
    with http_server(desk, tls=True) as port:
        url = f"https://localhost:{port}/hook"
        trusted = channel_to(port, url=url, ca_file=str(CERTIFICATE))
        assert isinstance(trusted.send(outgoing()), Accepted)
        assert isinstance(trusted.send(outgoing(idempotency_key="again")), Accepted)
        trusted.close()
        assert desk.connections == 1
        unknown = channel_to(port, url=url).send(outgoing())
        other = channel_to(
            port, url=f"https://127.0.0.1.nip.example:{port}/", ca_file=str(CERTIFICATE)
        )
        renamed = other.send(outgoing())
    assert isinstance(unknown, Postponed)
    assert "certificate" in unknown.detail.lower()
    assert isinstance(renamed, Postponed)
    assert len(desk.requests) == 2


@pytest.mark.parametrize("key", ["a b", "a\r\nX-Evil: 1", "", "é", "x" * 300])
def test_a_key_that_may_not_stand_in_a_header_is_replaced_by_its_hash(
    desk: Desk, channel: WebhookChannel, key: str
) -> None:
    """Always by the same one, so that it still names the message."""
    for _ in range(2):
        assert isinstance(channel.send(outgoing(idempotency_key=key)), Accepted)
    ids = {request.headers["webhook-id"] for request in desk.requests}
    assert ids == {hashlib.sha256(key.encode()).hexdigest()}
    assert not any("x-evil" in request.headers for request in desk.requests)
