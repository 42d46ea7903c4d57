"""Providers on the loopback interface with a log and a mood of their own: slow, refusing, babbling, hanging up.

Each keeps its log by itself, before it answers anything: what stands there had arrived.
"""

import asyncio
import random  # noqa: TID251  a failure is repeated by its seed
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesHeaderParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, TypeAlias

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session

from kept.clock import read_monotonic
from tests.attack.evidence import NEWS, Arrived, Channel
from tests.contract.servers import Mailroom, mail_server

Mood: TypeAlias = Literal[
    "well", "slow", "postponing", "refusing", "garbage", "hanging_up", "deaf", "dawdling"
]
MOODS: Final[tuple[Mood, ...]] = (
    "slow", "postponing", "refusing", "garbage", "hanging_up", "deaf", "dawdling",
)  # fmt: skip
BAD_SHARE: Final = 0.4
"""How many calls a mood concerns; the others go well, so that some always get through."""
SLOW_SECONDS_MAX: Final = 0.4
DAWDLE_SECONDS_MAX: Final = 1.5
"""How long a message may lie at a provider's door before it looks at it."""
DEAF_SECONDS: Final = 4.0
"""Longer than the servers in these runs wait for an answer."""


class Desk:
    """What both providers share: the log, and how they feel."""

    def __init__(self, draw: random.Random) -> None:
        """Begin with an empty log, and well."""
        self.arrived: list[Arrived] = []
        self.links: dict[str, str] = {}
        """Person -> the link by which the newest mail lets them leave."""
        self.moods: dict[Channel, Mood] = {"email": "well", "hook": "well"}
        self.mail_port = 0
        self.hook_port = 0
        self._taken: set[str] = set()
        self._draw = draw
        self._guard = threading.Lock()

    def begin(self) -> list[Arrived]:
        """Begin an empty log, and return it."""
        with self._guard:
            self.arrived, self.links, self._taken = [], {}, set()
            # Many a message still lies at the door when a stop is answered.
            self.moods = {"email": "dawdling", "hook": "dawdling"}
            return self.arrived

    def feel(self, channel: Channel, mood: Mood) -> None:
        """Change a mood."""
        with self._guard:
            self.moods[channel] = mood

    def mood_of(self, channel: Channel) -> tuple[Mood, float]:
        """Return how one call is treated, and a share to be slow by."""
        with self._guard:
            share = self._draw.random()
            is_bad = self._draw.random() < BAD_SHARE
            return (self.moods[channel] if is_bad else "well"), share

    def note(self, arrived: Arrived, link: str = "") -> None:
        """Keep what arrived."""
        with self._guard:
            self.arrived.append(arrived)
            if arrived.taken:
                self._taken.add(arrived.key)
            if link:
                self.links[arrived.person] = link

    def has_taken(self, key: str) -> bool:
        """Return whether a message was taken before: then it is not refused when it comes again."""
        with self._guard:
            return key in self._taken

    def link_of(self, person: str) -> str | None:
        """Return the link in the newest mail to a person."""
        with self._guard:
            return self.links.get(person)


def pause_before(mood: Mood, share: float) -> float:
    """Return how many seconds a message lies unread."""
    return share * DAWDLE_SECONDS_MAX if mood == "dawdling" else 0.0


def pause_after(mood: Mood, share: float) -> float:
    """Return how many seconds pass before an answer."""
    if mood == "deaf":
        return DEAF_SECONDS
    return share * SLOW_SECONDS_MAX if mood == "slow" else 0.0


class _Post(Mailroom):
    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mood, share = self._desk.mood_of("email")
        begun_at = read_monotonic()
        if mood == "dawdling":
            await asyncio.sleep(pause_before(mood, share))
        taken = mood not in ("postponing", "refusing")
        arrived, link = read_mail(
            envelope.content,
            begun_at=begun_at,
            taken=taken,
            answered=mood not in ("garbage", "hanging_up", "deaf"),
        )
        self._desk.note(arrived, link)
        if (pause := pause_after(mood, share)) > 0:
            await asyncio.sleep(pause)
        if mood == "hanging_up" and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return {
            "postponing": "451 4.3.0 not now",
            "refusing": "554 5.7.1 not this one",
            "garbage": "999 the cat walked over it",
        }.get(mood, "250 2.0.0 taken")


def read_mail(content: bytes, *, begun_at: int, taken: bool, answered: bool) -> tuple[Arrived, str]:
    """Return a mail as the log has it, and the link by which one leaves."""
    told = BytesHeaderParser().parsebytes(content)
    arrived = Arrived(
        channel="email",
        key=str(told["Message-ID"]).strip("<> \r\n").partition("@")[0],
        person=str(told["To"]).rpartition("<")[2].partition("@")[0],
        action=NEWS,
        about=str(told["Subject"]).split()[-1],
        begun_at=begun_at,
        at=read_monotonic(),
        taken=taken,
        answered=answered,
    )
    link = "".join(str(told["List-Unsubscribe"] or "").split()).strip("<>")
    return arrived, link


def read_hook(key: str, body: bytes, *, begun_at: int, taken: bool, answered: bool) -> Arrived:
    """Return a webhook as the log has it."""
    told = msgspec.json.decode(body)["data"]
    return Arrived(
        channel="hook",
        key=key,
        person=told["to"].partition("@")[0],
        action=told["action"],
        about=told["subject"].split()[-1],
        begun_at=begun_at,
        at=read_monotonic(),
        taken=taken,
        answered=answered,
    )


def _handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            mood, share = desk.mood_of("hook")
            begun_at = read_monotonic()
            if mood == "dawdling":
                time.sleep(pause_before(mood, share))
            if mood in ("postponing", "refusing") and desk.has_taken(
                self.headers["Idempotency-Key"]
            ):
                mood = "well"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            desk.note(
                read_hook(
                    self.headers["Idempotency-Key"],
                    body,
                    begun_at=begun_at,
                    taken=mood not in ("postponing", "refusing"),
                    answered=mood not in ("garbage", "hanging_up", "deaf"),
                )
            )
            if (pause := pause_after(mood, share)) > 0:
                time.sleep(pause)
            if mood in ("hanging_up", "garbage"):
                if mood == "garbage":
                    self.wfile.write(b"the cat walked over it\r\n\r\n")
                self.close_connection = True
                return
            self.send_response({"postponing": 503, "refusing": 422}.get(mood, 200))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing; the log is what counts."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A server that is killed hangs up; that is what this is for."""


@contextmanager
def run_providers(draw: random.Random) -> Iterator[Desk]:
    """Run both providers."""
    desk = Desk(draw)
    server = _Server(("127.0.0.1", 0), _handler(desk))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with mail_server(_Post(desk)) as mail_port:
            desk.mail_port, desk.hook_port = mail_port, server.server_address[1]
            yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
