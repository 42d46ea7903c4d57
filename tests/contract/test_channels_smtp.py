"""Mail before a real server: refusals, connections that break, TLS, logins, return paths."""

import email
import email.policy
import smtplib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from kept.channels.smtp import REPLY_BYTES_MAX, Connection, SmtpChannel
from kept.clock import VirtualClock, read_monotonic
from kept.core.bounce import read_return_path
from kept.core.message import Accepted, Postponed, Refused, SendResult, Unclear
from kept.core.unsubscribe import list_unsubscribe_headers
from kept.errors import SettingsError
from tests.contract.servers import (
    CERTIFICATE,
    PASSWORD,
    Mailroom,
    Script,
    ScriptedServer,
    free_port,
    mail_server,
    outgoing,
    read_until,
    server_context,
)

pytestmark = pytest.mark.network

CLOCK = VirtualClock(1_700_000_000_000_000)


def channel_to(port: int, **settings: Any) -> SmtpChannel:
    """Return a channel to a port on this machine, in the clear unless told otherwise."""
    given: dict[str, Any] = {"host": "127.0.0.1", "security": "none", "timeout_seconds": 5.0}
    return SmtpChannel(port=port, clock=CLOCK, **(given | settings))


@pytest.fixture
def mailroom() -> Mailroom:
    """Return the mind of a mail server."""
    return Mailroom()


@pytest.fixture
def channel(mailroom: Mailroom) -> Iterator[SmtpChannel]:
    """Yield a channel to a server with that mind."""
    with mail_server(mailroom) as port:
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


def test_a_mail_says_who_when_and_which(mailroom: Mailroom, channel: SmtpChannel) -> None:
    """From, To, a date from the clock given, and a Message-ID made of the key."""
    assert channel.send(outgoing(html="<p>Dear Ana</p>")) == Accepted(provider_id="m7-grace")
    (envelope,) = mailroom.mails
    assert isinstance(envelope.content, bytes)
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert mail["From"] == "Fernbank Shop <hello@shop.example>"
    assert mail["To"] == "ana@mail.example"
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert mail["Message-ID"] == "<m7-grace@shop.example>"
    assert mail.get_content_type() == "multipart/alternative"
    html = mail.get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == "<p>Dear Ana</p>"
    assert envelope.mail_from == "hello@shop.example"


def test_the_unsubscribe_headers_arrive_unbroken(mailroom: Mailroom, channel: SmtpChannel) -> None:
    """A long link stays one line of plain text: folded or encoded, no mail service reads it."""
    link = "https://shop.example/u/" + "aB3_" * 60
    channel.send(outgoing(headers=list_unsubscribe_headers(link)))
    raw = mailroom.mails[0].content
    assert isinstance(raw, bytes)
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in raw
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


@pytest.mark.parametrize(
    ("stage", "answer", "expected"),
    [
        ("rcpt", "550 5.1.1 nobody", Refused(detail="550 5.1.1 nobody", closes_address=True)),
        ("rcpt", "550 5.7.1 go away", Refused(detail="550 5.7.1 go away")),
        ("rcpt", "550 no such user", Refused(detail="550 no such user")),
        ("rcpt", "451 4.7.1 greylisted", Postponed(detail="451 4.7.1 greylisted")),
        ("rcpt", "399 odd", Postponed(detail="399 odd")),
        ("mail", "553 5.1.8 who are you", Refused(detail="553 5.1.8 who are you")),
        ("mail", "452 4.3.1 disk full", Postponed(detail="452 4.3.1 disk full")),
        ("data", "554 5.6.0 spam", Refused(detail="554 5.6.0 spam")),
        ("data", "550 5.1.1 gone", Refused(detail="550 5.1.1 gone", closes_address=True)),
        ("data", "451 4.3.0 later", Postponed(detail="451 4.3.0 later")),
        ("data", "421 4.3.2 closing", Postponed(detail="421 4.3.2 closing")),
        ("data", "399 odd", Unclear(detail="399 odd")),
    ],
)  # fmt: skip
def test_each_refusal_means_what_it_says(
    mailroom: Mailroom, channel: SmtpChannel, stage: str, answer: str, expected: SendResult
) -> None:
    """5xx is final, 4xx is not; 5.1.x closes the address; and the next message goes as usual."""
    mailroom.answers[stage] = answer
    assert channel.send(outgoing()) == expected
    mailroom.answers.clear()
    assert isinstance(channel.send(outgoing(idempotency_key="next")), Accepted)
    assert len(mailroom.mails) == 1


def test_one_connection_serves_many_messages(mailroom: Mailroom, channel: SmtpChannel) -> None:
    """Refusals in between do not cost a new one."""
    for number in range(5):
        mailroom.answers = {"rcpt": "550 5.1.1 no"} if number % 2 else {}
        channel.send(outgoing(idempotency_key=f"m{number}"))
    assert (mailroom.connections, len(mailroom.mails)) == (1, 3)


def test_a_connection_that_the_server_has_closed_is_replaced(mailroom: Mailroom) -> None:
    """Nothing was said on it yet, so that the message can go over another one."""
    port = free_port()
    channel = channel_to(port)
    for _ in range(2):
        # The server stops between two messages, which closes what rested.
        with mail_server_on(port, mailroom):
            assert isinstance(channel.send(outgoing()), Accepted)
    channel.close()
    assert mailroom.connections == 2


def mail_server_on(port: int, mailroom: Mailroom) -> Any:
    """Return a mail server for a port that was used before."""
    return mail_server(mailroom, port=port)


def test_a_server_that_is_not_there_takes_nothing() -> None:
    """The message waits."""
    result = channel_to(free_port()).send(outgoing())
    assert isinstance(result, Postponed)
    assert "refused" in result.detail.lower()


def test_a_server_that_is_busy_takes_nothing() -> None:
    """A greeting of 421 or 554 is no refusal of the message."""
    for greeting in (b"421 4.3.2 too busy\r\n", b"554 no service here\r\n"):
        assert isinstance(play(lambda server, said=greeting: server.sendall(said)), Postponed)  # type: ignore[misc]


def talk(*answers: bytes) -> Script:
    """Return a script that answers line by line and then hangs up."""

    def script(server: socket.socket) -> None:
        server.sendall(b"220 hello\r\n")
        for answer in answers:
            read_until(server, b"\r\n")
            server.sendall(answer)

    return script


OK = b"250 OK\r\n"
GO = b"354 go\r\n"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (talk(), Postponed),
        (talk(OK), Postponed),
        (talk(OK, OK), Postponed),
        (talk(OK, OK, OK), Postponed),
        (talk(OK, OK, OK, b"250 what\r\n"), Postponed),
        (talk(OK, b"hello there\r\n"), Postponed),
        (talk(OK, OK, b"\xff\xfe\x00\r\n"), Postponed),
        (talk(OK, OK, b"250-" + b"x" * 2 * REPLY_BYTES_MAX), Postponed),
        (talk(OK, OK, b"250-x\r\n" * REPLY_BYTES_MAX), Postponed),
        (talk(OK, OK, OK, GO), Unclear),
    ],
)
def test_what_is_known_depends_on_when_the_connection_broke(
    script: Script, kind: type[SendResult]
) -> None:
    """Before the content nothing was taken, whatever was babbled; after it nobody knows."""
    assert isinstance(play(script), kind)


@pytest.mark.parametrize(
    "answer", [b"", b"25", b"garbage\r\n", b"250-half\r\n", b"000 zero\r\n", b"199 hm\r\n"]
)
def test_no_clear_reply_to_the_content_is_unclear(answer: bytes) -> None:
    """Cut, garbled or out of place: the message may be on its way."""

    def script(server: socket.socket) -> None:
        talk(OK, OK, OK, GO)(server)
        read_until(server, b"\r\n.\r\n")
        server.sendall(answer)

    assert isinstance(play(script), Unclear)


def test_a_reply_that_comes_in_pieces_is_read_whole() -> None:
    """A network may cut where it likes."""

    def script(server: socket.socket) -> None:
        talk(b"250-one\r\n250 two\r\n", OK, OK, GO)(server)
        read_until(server, b"\r\n.\r\n")
        for piece in (b"2", b"50", b"-x\r", b"\n250 2.0.0 don", b"e\r\n"):
            server.sendall(piece)

    assert play(script) == Accepted(provider_id="m7-grace")


@pytest.mark.parametrize("dripped", [b"", b"2"])
def test_a_server_that_is_silent_or_drips_is_left_in_time(dripped: bytes) -> None:
    """The time is for the whole message, not for each byte."""

    def script(server: socket.socket) -> None:
        server.settimeout(0.02)
        server.sendall(b"220 hello\r\n250-")
        while True:
            try:
                if not server.recv(1_000):
                    return
            except TimeoutError:
                server.sendall(dripped or b"")

    result = play(script, timeout_seconds=0.3)
    assert isinstance(result, Postponed)
    assert "timed out" in result.detail


def test_silence_after_the_content_is_unclear() -> None:
    """The reply may be late; the message may be taken."""

    def script(server: socket.socket) -> None:
        talk(OK, OK, OK, GO)(server)
        read_until(server, b"\r\n.\r\n")
        read_until(server, b"never")

    result = play(script, timeout_seconds=0.3)
    assert isinstance(result, Unclear)


def test_a_connection_that_was_closed_has_no_reply() -> None:
    """Another thread may close the channel while this one waits."""

    def script(server: socket.socket) -> None:
        server.sendall(b"220 hello\r\n")
        read_until(server, b"never")

    deadline = read_monotonic() + 5_000_000
    with ScriptedServer(script) as server:
        connection = Connection(
            "127.0.0.1", server.port, own_name="test", tls=None, deadline=deadline
        )
        connection.close()
        with pytest.raises(smtplib.SMTPServerDisconnected, match="not connected"):
            connection.getreply()


def test_a_line_that_begins_with_a_dot_arrives_as_it_is(
    mailroom: Mailroom, channel: SmtpChannel
) -> None:
    """A dot alone on a line ends nothing."""
    channel.send(outgoing(text="a\n.\n.b\n..c\nend\n"))
    raw = mailroom.mails[0].content
    assert isinstance(raw, bytes)
    assert b"a\r\n.\r\n.b\r\n..c\r\nend\r\n" in raw


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_protected_connection_carries_a_login(mailroom: Mailroom, security: str) -> None:
    """With STARTTLS or TLS from the first byte, the certificate verified."""
    options: dict[str, Any] = {"authenticator": mailroom.authenticate}
    if security == "tls":
        # The server cannot see that its socket was wrapped before it came to it.
        options |= {"ssl_context": server_context(), "auth_require_tls": False}
    else:
        options |= {"tls_context": server_context(), "require_starttls": True}
    with mail_server(mailroom, **options) as port:
        channel = channel_to(
            port,
            security=security,
            ca_file=str(CERTIFICATE),
            username="kept",
            password=PASSWORD,
        )
        assert isinstance(channel.send(outgoing()), Accepted)
        channel.close()
        assert len(mailroom.logins) == 1
        wrong = channel_to(
            port, security=security, ca_file=str(CERTIFICATE), username="kept", password="wrong"
        )
        refused = wrong.send(outgoing())
    assert isinstance(refused, Postponed)
    assert "wrong" not in refused.detail
    assert len(mailroom.mails) == 1


@pytest.mark.parametrize(
    ("security", "settings"),
    [
        ("starttls", {}),
        ("tls", {}),
        ("starttls", {"ca_file": str(CERTIFICATE), "host": "127.0.0.2"}),
        ("tls", {"ca_file": str(CERTIFICATE), "host": "127.0.0.2"}),
    ],
)
def test_a_certificate_that_proves_nothing_ends_the_matter(
    mailroom: Mailroom, security: str, settings: dict[str, Any]
) -> None:
    """Unknown to us, or made out to another name: nothing is said to such a server."""
    key = "ssl_context" if security == "tls" else "tls_context"
    place = settings.get("host", "127.0.0.1")
    with mail_server(mailroom, hostname=place, **{key: server_context()}) as port:
        result = channel_to(port, security=security, **settings).send(outgoing())
    assert isinstance(result, Postponed)
    assert "certificate" in result.detail
    assert mailroom.mails == []


def test_there_is_no_fall_back_to_an_open_connection(mailroom: Mailroom) -> None:
    """A server (or somebody between) that offers no STARTTLS gets no message."""
    with mail_server(mailroom) as port:
        result = channel_to(port, security="starttls").send(outgoing())
    assert isinstance(result, Postponed)
    assert "STARTTLS" in result.detail
    assert mailroom.mails == []


def test_what_was_said_before_tls_counts_for_nothing() -> None:
    """An answer slipped in before the handshake is not taken for one after it."""

    def script(server: socket.socket) -> None:
        server.sendall(b"220 hello\r\n")
        read_until(server, b"\r\n")
        server.sendall(b"250-hello\r\n250 STARTTLS\r\n")
        read_until(server, b"\r\n")
        server.sendall(
            b"220 go\r\n250-forged\r\n250 SMTPUTF8\r\n250 OK\r\n250 OK\r\n354 go\r\n250 OK\r\n"
        )
        with server_context().wrap_socket(server, server_side=True) as secure:
            read_until(secure, b"\r\n")

    result = play(script, security="starttls", ca_file=str(CERTIFICATE), timeout_seconds=2.0)
    assert isinstance(result, Postponed)


def test_each_message_can_have_a_return_path_of_its_own(mailroom: Mailroom) -> None:
    """What comes back to it is known to be about this message."""
    secret = b"s" * 32
    with mail_server(mailroom) as port:
        plain = channel_to(port, return_path="bounces@shop.example")
        signed = channel_to(port, return_path="bounces@shop.example", return_path_secret=secret)
        for channel in (plain, signed):
            assert isinstance(channel.send(outgoing()), Accepted)
            channel.close()
    assert mailroom.mails[0].mail_from == "bounces@shop.example"
    assert read_return_path(str(mailroom.mails[1].mail_from), [secret]) == "m7-grace"


def test_an_address_beyond_ascii_needs_a_server_that_takes_it(mailroom: Mailroom) -> None:
    """The domain becomes ASCII for every server; the part before it only some servers know."""
    with mail_server(mailroom, enable_SMTPUTF8=True) as port:
        channel = channel_to(port)
        assert isinstance(channel.send(outgoing(to="ana@münchen.example")), Accepted)
        assert isinstance(channel.send(outgoing(to="josé@mail.example")), Accepted)
        channel.close()
    assert [mail.rcpt_tos for mail in mailroom.mails] == [
        ["ana@xn--mnchen-3ya.example"],
        ["josé@mail.example"],
    ]
    with mail_server(mailroom, enable_SMTPUTF8=False) as port:
        channel = channel_to(port)
        assert isinstance(channel.send(outgoing(to="josé@mail.example")), Refused)
        assert isinstance(channel.send(outgoing()), Accepted)
        channel.close()


@pytest.mark.parametrize(
    "header",
    ["Bcc", "from", "Content-Type", "Subject", "X\r\nBcc", "X: y", "", "Date", "DKIM-Signature"],
)
def test_a_message_may_not_set_what_is_the_channels_own(
    mailroom: Mailroom, channel: SmtpChannel, header: str
) -> None:
    """Recipients, dates and the form of the mail are not up to a template."""
    result = channel.send(outgoing(headers={header: "victim@mail.example"}))
    assert isinstance(result, Refused)
    assert not result.closes_address
    assert mailroom.mails == []


@pytest.mark.parametrize("sender", ["Shop", "", "Shop <hällo@shop.example>", "a@b, c@d"])
def test_a_sender_that_is_no_address_is_the_brands_fault(channel: SmtpChannel, sender: str) -> None:
    """The customer's address stays open."""
    assert channel.send(outgoing(sender=sender)) == Refused(
        detail=f"the sender {sender!r} is no mail address"
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"security": "none", "password": "x"},
        {"return_path": "bounces"},
        {"return_path": "bounces@shop.example>\r\nRCPT TO:<x@y.example"},
        {"return_path": "böunces@shop.example"},
        {"return_path": "a-very-long-return-path@shop.example"},
        {"return_path_secret": b"s" * 32},
        {"return_path": "bounces@shop.example", "return_path_secret": b"short"},
    ],
)
def test_settings_that_can_never_be_right_are_refused_at_the_start(
    settings: dict[str, Any],
) -> None:
    """A password in the clear, a return path that has no room or no secret."""
    with pytest.raises(SettingsError):
        channel_to(25, **settings)


def test_the_certificate_of_the_tests_is_what_it_says() -> None:
    """So that a test which expects a refusal is not satisfied by a broken file."""
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    assert context.cert_store_stats()["x509_ca"] == 1
