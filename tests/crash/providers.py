"""Providers on the loopback interface that keep a log of their own, are slow, and sometimes hang up."""

import asyncio
import random  # noqa: TID251  a failure is repeated by its seed
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.contract.servers import Mailroom, mail_server

SLOW_SECONDS_MAX = 0.02
HANG_UP_SHARE = 0.02


class Providers:
    """What a mail server and a receiver of webhooks were handed, by their own account."""

    def __init__(self, draw: random.Random) -> None:
        """Take what draws how slow they are."""
        self.mails: list[tuple[str, str]] = []
        """Name and subject of each mail that was taken."""
        self.hooked: Counter[str] = Counter()
        """Idempotency key -> how many times it was taken."""
        self.is_troubled = False
        self.mail_port = 0
        self.hook_port = 0
        self._draw = draw
        self._guard = threading.Lock()

    def begin(self, *, is_troubled: bool) -> None:
        """Begin an empty log; trouble makes them hang up after they took something."""
        with self._guard:
            self.mails, self.hooked, self.is_troubled = [], Counter(), is_troubled

    def calm_down(self) -> None:
        """End the trouble, and keep the log."""
        with self._guard:
            self.is_troubled = False

    def take_mail(self, content: bytes) -> None:
        """Keep a mail."""
        mail = message_from_bytes(content, policy=policy.default)
        with self._guard:
            self.mails.append((str(mail["Message-ID"]), str(mail["Subject"])))

    def take_hook(self, key: str) -> None:
        """Keep a webhook's key."""
        with self._guard:
            self.hooked[key] += 1

    def delay(self) -> float:
        """Return how long the next answer takes, in seconds."""
        with self._guard:
            return self._draw.random() * SLOW_SECONDS_MAX

    def hangs_up(self) -> bool:
        """Return whether the next answer is never given."""
        with self._guard:
            return self.is_troubled and self._draw.random() < HANG_UP_SHARE


class _Post(Mailroom):
    def __init__(self, providers: Providers) -> None:
        super().__init__()
        self._providers = providers

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self._providers.delay())
        assert isinstance(envelope.content, bytes)
        self._providers.take_mail(envelope.content)
        await asyncio.sleep(self._providers.delay())
        if self._providers.hangs_up() and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return "250 2.0.0 taken"


@contextmanager
def run_providers(draw: random.Random) -> Iterator[Providers]:
    """Run both providers."""
    providers = Providers(draw)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(providers.delay())
            providers.take_hook(self.headers["Idempotency-Key"])
            time.sleep(providers.delay())
            if providers.hangs_up():
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing; the log is what counts."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A server that is killed hangs up; that is what this is for."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with mail_server(_Post(providers)) as mail_port:
            providers.mail_port, providers.hook_port = mail_port, server.server_address[1]
            yield providers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
