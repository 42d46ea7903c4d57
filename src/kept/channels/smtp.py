"""Messages by mail, over a connection for each thread that is kept open from one to the next.

What is known after a failure depends on when it came. Before the end of the message was sent the
server surely took nothing; after it and before the reply nobody knows.
"""

import smtplib
import socket
import ssl
import threading
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.channels.dkim import DkimSigner
from kept.channels.mail import Mail, Unmailable, compose_mail, parse_mailbox
from kept.clock import Clock, read_monotonic
from kept.core.bounce import find_status, is_address_failure, make_return_path
from kept.core.message import Accepted, Outgoing, Postponed, Refused, SendResult, Unclear
from kept.core.plain_text import clean_line
from kept.core.values import moment_of
from kept.errors import SettingsError

Security: TypeAlias = Literal["starttls", "tls", "none"]

REPLY_BYTES_MAX: Final = 65_536
REPLY_LINES_MAX: Final = 200
_SECOND: Final = 1_000_000
_DETAIL_LENGTH: Final = 200
_SECRET_BYTES_MIN: Final = 32
_RETURN_PATH_LOCAL_MAX: Final = 14
"""So that with a message's name and signature it still fits into the 64 bytes of a local part."""

Reply: TypeAlias = tuple[int, bytes]


class Connection(smtplib.SMTP):
    """The standard library's client, with a deadline for the whole of an exchange.

    The library's time-out begins anew with each byte; a server that drips would hold a sender for
    ever. Replies are also bounded in length.
    """

    deadline: int = 0

    def __init__(
        self, host: str, port: int, *, own_name: str, tls: ssl.SSLContext | None, deadline: int
    ) -> None:
        """Connect and read the greeting; with a context, TLS begins at once."""
        self._received = b""
        self._tls = tls
        self.deadline = deadline
        super().__init__(host, port, local_hostname=own_name, timeout=_seconds_left(deadline))

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        """Connect, and begin TLS at once where that is wanted."""
        connected = socket.create_connection((host, port), timeout)
        if self._tls is None:
            return connected
        return self._tls.wrap_socket(connected, server_hostname=host)

    def send(self, s: Any) -> None:
        """Send before the deadline."""
        if self.sock is not None:
            self.sock.settimeout(_seconds_left(self.deadline))
        super().send(s)

    def upgrade(self, context: ssl.SSLContext) -> None:
        """Begin TLS; what was received in the clear before it counts for nothing."""
        self.starttls(context=context)
        self._received = b""

    def getreply(self) -> Reply:
        """Return the next reply; raises `SMTPServerDisconnected` where there is none to be read."""
        lines: list[bytes] = []
        length = 0
        while True:
            line = self._read_line()
            length += len(line)
            code, mark = line[:3], line[3:4]
            if not code.isdigit() or mark not in (b" ", b"-", b""):
                raise self._hang_up("the answer is no SMTP")
            lines.append(line[4:].strip())
            if mark != b"-":
                return int(code), b"\n".join(lines)
            if length > REPLY_BYTES_MAX or len(lines) > REPLY_LINES_MAX:
                raise self._hang_up("the answer is endless")

    def _read_line(self) -> bytes:
        while b"\n" not in self._received:
            if len(self._received) > REPLY_BYTES_MAX:
                raise self._hang_up("the answer is endless")
            if self.sock is None:
                raise self._hang_up("not connected")
            try:
                self.sock.settimeout(_seconds_left(self.deadline))
                chunk = self.sock.recv(8_192)
            except OSError as error:
                raise self._hang_up(f"no answer: {_named(error)}") from error
            if not chunk:
                raise self._hang_up("the connection was closed")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line.rstrip(b"\r")

    def _hang_up(self, why: str) -> smtplib.SMTPServerDisconnected:
        """Close, and return the error that says why."""
        self.close()
        return smtplib.SMTPServerDisconnected(why)


class SmtpChannel:
    """Hands messages to a mail server, which keeps trying, and signs them if it is given a key."""

    def __init__(
        self,
        *,
        host: str,
        port: int = 587,
        security: Security = "starttls",
        username: str = "",
        password: str = "",
        clock: Clock,
        timeout_seconds: float = 30.0,
        return_path: str = "",
        return_path_secret: bytes = b"",
        own_name: str = "",
        ca_file: str = "",
        signer: DkimSigner | None = None,
    ) -> None:
        """Check what can be checked without the server; raises `SettingsError`.

        Args:
            host: The mail server.
            port: 587 for STARTTLS, 465 for TLS, as a rule.
            security: How the connection is protected; there is never a fall-back to none.
            username: With a password, who we are to the server.
            password: The same; never sent in the clear.
            clock: Dates the mail.
            timeout_seconds: For the whole of one message, connecting included.
            return_path: Where reports go; the sender's own address if empty.
            return_path_secret: Signs a return path for each message, which proves the reports.
            own_name: How we greet the server; the machine's name if empty.
            ca_file: Certificates to trust instead of the system's.
            signer: Signs each mail (DKIM); without one that is the server's to do.
        """
        if security == "none" and password:
            raise SettingsError(
                f"the password for {host} would be sent in the clear: use starttls or tls"
            )
        path = parse_mailbox(return_path)
        fits = path is not None and path.local.isascii() and path.address == return_path
        if return_path and not (path and fits and len(path.local) <= _RETURN_PATH_LOCAL_MAX):
            raise SettingsError(
                f"the return path {return_path!r} is no address with at most "
                f"{_RETURN_PATH_LOCAL_MAX} characters before the @"
            )
        if return_path_secret and not (
            return_path and len(return_path_secret) >= _SECRET_BYTES_MIN
        ):
            raise SettingsError(
                f"a signed return path needs an address and a secret of {_SECRET_BYTES_MIN} bytes"
            )
        self._host, self._port, self._security = host, port, security
        self._username, self._password = username, password
        self._clock, self._signer = clock, signer
        self._timeout = int(timeout_seconds * _SECOND)
        self._return_path, self._return_path_secret = return_path, return_path_secret
        self._own_name = own_name or socket.gethostname()
        self._context = ssl.create_default_context(cafile=ca_file or None)
        self._own = threading.local()
        self._guard = threading.Lock()
        self._connections: set[Connection] = set()
        self._is_closed = False

    def send(self, outgoing: Outgoing) -> SendResult:
        """Hand a message to the mail server."""
        now = self._clock.now()
        try:
            mail = compose_mail(outgoing, at=moment_of(now))
        except UnicodeError:
            return Refused(detail="the message holds half a character, which nothing can carry")
        if isinstance(mail, Unmailable):
            return Refused(detail=mail.detail, closes_address=mail.is_address)
        if self._signer is not None:
            signed = self._signer.sign(mail.content, at=now)
            mail = msgspec.structs.replace(mail, content=signed)
        deadline = read_monotonic() + self._timeout
        held: Connection | None = getattr(self._own, "connection", None)
        if held is not None:
            held.deadline = deadline
            begun = self._begin(held, mail)
            if begun is not None:
                return self._finish(held, mail, begun)
            # The server had hung up while the connection rested; nothing was said on it.
            self._drop(held)
        opened = self._open(deadline)
        if isinstance(opened, Postponed):
            return opened
        begun = self._begin(opened, mail)
        if begun is None:
            self._drop(opened)
            return Postponed(detail=f"{self._host} hung up before the message")
        return self._finish(opened, mail, begun)

    def close(self) -> None:
        """Hang up every thread's connection."""
        with self._guard:
            self._is_closed = True
            connections, self._connections = self._connections, set()
        for connection in connections:
            connection.close()

    def _open(self, deadline: int) -> Connection | Postponed:
        """Return a new connection, protected and logged in, or why there is none."""
        if self._is_closed:
            return Postponed(detail="the channel is closed")
        context = self._context if self._security == "tls" else None
        connection = None
        try:
            connection = Connection(
                self._host, self._port, own_name=self._own_name, tls=context, deadline=deadline
            )
            connection.ehlo_or_helo_if_needed()
            if self._security == "starttls":
                connection.upgrade(self._context)
                connection.ehlo()
            if self._password:
                connection.login(self._username, self._password)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            # The library's errors quote the server, never the password.
            if connection is not None:
                connection.close()
            return Postponed(detail=f"{self._host}: {_named(error)}"[:_DETAIL_LENGTH])
        with self._guard:
            self._connections.add(connection)
        self._own.connection = connection
        return connection

    def _begin(self, connection: Connection, mail: Mail) -> Reply | None:
        """Return the reply to MAIL FROM, None if the server is not there any more."""
        options: tuple[str, ...] = ()
        if not mail.recipient.local.isascii() and connection.has_extn("smtputf8"):
            options = ("SMTPUTF8", "BODY=8BITMIME")
        try:
            code, text = connection.mail(self._path_of(mail), options)
        except (OSError, smtplib.SMTPException):
            return None
        return None if code == 421 else (code, text)

    def _path_of(self, mail: Mail) -> str:
        """Return the address to which reports on this message go."""
        if self._return_path_secret:
            return make_return_path(
                mail.mail_id, address=self._return_path, secret=self._return_path_secret
            )
        return self._return_path or mail.sender.address

    def _finish(self, connection: Connection, mail: Mail, begun: Reply) -> SendResult:
        """Name the recipient and send the content; keep the connection if it is still good."""
        if not mail.recipient.local.isascii() and not connection.has_extn("smtputf8"):
            self._reset(connection)
            return Refused(detail=f"{self._host} takes no addresses beyond ASCII")
        try:
            refusal = _refusal(begun, wanted=2, about_recipient=False)
            if refusal is None:
                reply = connection.rcpt(mail.recipient.address)
                refusal = _refusal(reply, wanted=2, about_recipient=True)
            if refusal is None:
                reply = connection.docmd("DATA")
                refusal = _refusal(reply, wanted=3, about_recipient=False)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self._drop(connection)
            return Postponed(detail=f"{self._host}: {_named(error)}"[:_DETAIL_LENGTH])
        if refusal is not None:
            self._reset(connection)
            return refusal
        return self._send_content(connection, mail)

    def _send_content(self, connection: Connection, mail: Mail) -> SendResult:
        """Send the content; from here on only a clear reply tells what became of it."""
        try:
            connection.send(_dotted(mail.content))
            reply = connection.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self._drop(connection)
            return Unclear(detail=f"{self._host}: {_named(error)}"[:_DETAIL_LENGTH])
        if reply[0] // 100 not in (2, 4, 5):
            self._drop(connection)
            return Unclear(detail=_shown(*reply))
        refusal = _refusal(reply, wanted=2, about_recipient=True)
        if reply[0] == 421:
            self._drop(connection)
        return refusal or Accepted(provider_id=mail.mail_id)

    def _reset(self, connection: Connection) -> None:
        """Forget a begun message on the server, so that the connection serves the next."""
        try:
            code, _ = connection.rset()
        except (OSError, smtplib.SMTPException):
            code = 0
        if code != 250:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._own.connection = None
        with self._guard:
            self._connections.discard(connection)
        connection.close()


def _refusal(reply: Reply, *, wanted: int, about_recipient: bool) -> Refused | Postponed | None:
    """Return what a reply refuses, None if it is of the class that is wanted (2 or 3)."""
    code, text = reply
    if code // 100 == wanted:
        return None
    if code // 100 == 5:
        closes = about_recipient and is_address_failure(find_status(_shown(code, text)))
        return Refused(detail=_shown(code, text), closes_address=closes)
    # 4xx, or an answer out of place: nothing has been taken yet.
    return Postponed(detail=_shown(code, text))


def _dotted(content: bytes) -> bytes:
    """Return mail as it is sent after DATA: leading dots doubled, and the end marked."""
    content = content.replace(b"\r\n.", b"\r\n..")
    return content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")


def _shown(code: int, text: bytes) -> str:
    """Return a server's reply for the record, harmless to show."""
    return clean_line(f"{code} {text[:_DETAIL_LENGTH].decode('utf-8', 'replace')}")


def _seconds_left(deadline: int) -> float:
    """Return the time until a deadline (µs on the monotonic clock), never quite nothing."""
    return max((deadline - read_monotonic()) / _SECOND, 0.001)


def _named(error: Exception) -> str:
    """Return an error in words, harmless to show."""
    return clean_line(str(error)) or type(error).__name__
