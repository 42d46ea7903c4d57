"""Providers on the loopback interface: real servers that accept, refuse, hang up and babble.

`tests/contract/loopback.pem` is a certificate for localhost and 127.0.0.1 with its key. It opens
nothing; it lets the channels verify a certificate as they would a provider's.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kept.core.message import Outgoing

CERTIFICATE = Path(__file__).with_name("loopback.pem")
PASSWORD = "open sesame"
SENDER = "Fernbank Shop <hello@shop.example>"


def outgoing(**changes: Any) -> Outgoing:
    """Return a message on its way, in every respect as a brand would send it."""
    given: dict[str, Any] = {
        "message_id": "m7-grace",
        "idempotency_key": "m7-grace",
        "channel": "email",
        "action": "grace",
        "to": "ana@mail.example",
        "sender": SENDER,
        "subject": "Your bill can wait",
        "text": "Dear Ana,\n\nyour bill can wait.\n",
        "expires_at": 1_800_000_000_000_000,
    }
    return Outgoing(**(given | changes))


def server_context() -> ssl.SSLContext:
    """Return TLS as the test server offers it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class Mailroom:
    """A mail server's handler: keeps what it takes, and answers as it is told."""

    def __init__(self) -> None:
        """Take everything at first."""
        self.mails: list[Envelope] = []
        self.answers: dict[str, str] = {}
        """Stage (`mail`, `rcpt`, `data`) -> the answer instead of a friendly one."""
        self.connections = 0
        self.logins: list[str] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Count a greeting."""
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a return path, or answer as told."""
        if "mail" in self.answers:
            return self.answers["mail"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or answer as told."""
        if "rcpt" in self.answers:
            return self.answers["rcpt"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail, or answer as told."""
        if "data" in self.answers:
            return self.answers["data"]
        self.mails.append(envelope)
        return "250 2.0.0 taken"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any
    ) -> AuthResult:
        """Let in whoever knows the password."""
        known = isinstance(auth_data, LoginPassword) and auth_data.password == PASSWORD.encode()
        if known:
            self.logins.append(mechanism)
        return AuthResult(success=known, handled=False)


@contextmanager
def mail_server(mailroom: Mailroom, **options: Any) -> Iterator[int]:
    """Run a real mail server and yield its port."""
    given: dict[str, Any] = {"hostname": "127.0.0.1", "port": free_port()}
    controller = Controller(mailroom, **(given | options))
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    """Return a port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Request:
    """A request that arrived at the HTTP server."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Keep what arrived."""
        self.path = path
        self.headers = headers
        self.body = body


class Desk:
    """What an HTTP provider does: keeps requests and answers each in the same way."""

    def __init__(self) -> None:
        """Accept everything at first."""
        self.requests: list[Request] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b'{"id": "p-1"}'
        self.connections = 0


@contextmanager
def http_server(desk: Desk, *, tls: bool = False) -> Iterator[int]:
    """Run a real HTTP server and yield its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm: ClassVar[bool] = True

        def setup(self) -> None:
            super().setup()
            desk.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            desk.requests.append(Request(self.path, headers, body))
            self.send_response(desk.status)
            for name, value in {"Content-Length": str(len(desk.body)), **desk.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(desk.body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing: the tests look at what arrived."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = server_context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Script = Callable[[socket.socket], None]


class ScriptedServer:
    """A server that does to each connection what a script says, and then hangs up."""

    def __init__(self, script: Script) -> None:
        """Listen."""
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reasons: object) -> None:
        # Closing alone does not wake a thread that waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connected:
                # A client that gave up is no fault of the script.
                connected.settimeout(5)
                try:
                    self._script(connected)
                except OSError:
                    continue


def read_until(connected: socket.socket, end: bytes) -> bytes:
    """Read until a client has said something, or has hung up."""
    said = b""
    while end not in said:
        chunk = connected.recv(65_536)
        if not chunk:
            break
        said += chunk
    return said
