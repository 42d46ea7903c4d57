"""The battery that every channel passes: what is accepted has arrived, once and as it was meant."""

import email
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from kept.channels.files import FilesChannel
from kept.channels.silent import SilentChannel
from kept.channels.smtp import SmtpChannel
from kept.channels.webhook import WebhookChannel
from kept.clock import VirtualClock
from kept.core.message import Accepted, Outgoing, Postponed, Refused, SendResult
from kept.core.plain_text import clean_line
from kept.ports import Channel
from tests.contract.servers import Desk, Mailroom, http_server, mail_server, outgoing

pytestmark = pytest.mark.network

NOW = 1_700_000_000_000_000
SECRET = "whsec_" + "a2VwdCBrZXB0IGtlcHQga2VwdCBrZXB0"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the other side has it."""

    key: str
    to: str
    subject: str
    text: str


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A channel and a look at what the other side has received."""

    name: str
    channel: Channel
    received: Callable[[], list[Received]]


def from_mail(mailroom: Mailroom) -> list[Received]:
    """Return the mails that a mail server has taken."""
    found = []
    for envelope in mailroom.mails:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        found.append(
            Received(
                key=mail["Message-ID"].partition("@")[0].strip("<"),
                to=envelope.rcpt_tos[0],
                subject=mail["Subject"],
                text=body.get_content().replace("\r\n", "\n"),
            )
        )
    return found


def from_requests(desk: Desk) -> list[Received]:
    """Return the messages that an HTTP server has taken."""
    found = []
    for request in desk.requests:
        data = json.loads(request.body)["data"]
        found.append(
            Received(
                key=request.headers["webhook-id"],
                to=data["to"],
                subject=data.get("subject", ""),
                text=data.get("text", ""),
            )
        )
    return found


def from_folder(folder: Path) -> list[Received]:
    """Return the messages in a folder, by its index."""
    found = []
    for line in (folder / "index.jsonl").read_text().split("\n")[:-1]:
        entry = json.loads(line)
        text = (folder / entry["file"]).read_text().partition("\n\n")[2]
        found.append(
            Received(
                key=entry["idempotency_key"], to=entry["to"], subject=entry["subject"], text=text
            )
        )
    return found


@pytest.fixture(params=["files", "smtp", "webhook", "silent"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """Yield each channel in turn, before a real server of its kind."""
    clock = VirtualClock(NOW)
    with ExitStack() as stack:
        channel: Channel
        if request.param == "files":
            channel = FilesChannel(folder=tmp_path / "out", clock=clock)
            received = lambda: from_folder(tmp_path / "out")  # noqa: E731
        elif request.param == "smtp":
            mailroom = Mailroom()
            port = stack.enter_context(mail_server(mailroom))
            channel = SmtpChannel(host="127.0.0.1", port=port, security="none", clock=clock)
            received = lambda: from_mail(mailroom)  # noqa: E731
        elif request.param == "webhook":
            desk = Desk()
            url = f"http://127.0.0.1:{stack.enter_context(http_server(desk))}/hook"
            channel = WebhookChannel(url=url, secret=SECRET, clock=clock, allow_private=True)
            received = lambda: from_requests(desk)  # noqa: E731
        else:
            channel = SilentChannel()
            received = list
        stack.callback(channel.close)
        yield Way(name=request.param, channel=channel, received=received)


def test_what_is_accepted_has_arrived_as_it_was_meant(way: Way) -> None:
    """To the right address, with its subject and its text; the silent twin sends nothing."""
    assert isinstance(way.channel.send(outgoing()), Accepted)
    expected = Received(
        key="m7-grace",
        to="ana@mail.example",
        subject="Your bill can wait",
        text="Dear Ana,\n\nyour bill can wait.\n",
    )
    assert way.received() == ([] if way.name == "silent" else [expected])


NAMES = [
    "Zoë Ångström",
    "Иван Петров",
    "שָׁלוֹם כהן",
    "李小龍",
    "👩\u200d🚀 Ana",
    "علی\u200cرضا",  # noqa: RUF001
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_arrives_as_people_write_it(way: Way, name: str) -> None:
    """In the subject and in the text, whatever the script."""
    way.channel.send(outgoing(subject=f"To {name}", text=f"Dear {name},\n"))
    for received in way.received():
        assert received.subject == f"To {name}"
        assert received.text == f"Dear {name},\n"


HOSTILE = [
    "A\r\nBcc: victim@mail.example",
    "A\nX-Evil: 1\n\nanother body",
    "A\u2028B\u2029C\x85D",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "\x00\x07\x1b[31m",
    "half \ud83d",
    "=?utf-8?q?=0D=0ABcc=3A_x?=",
    "\r\n.\r\nMAIL FROM:<evil@mail.example>",
    "A" * 5_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_can_forge_a_header_a_recipient_or_a_second_message(way: Way, text: str) -> None:
    """One message, to the one it was meant for, with a subject of one line."""
    result = way.channel.send(
        outgoing(
            subject=text,
            text=f"Dear {text},\n",
            sender=f'"{clean_line(text)}" <hello@shop.example>',
            headers={"X-Campaign": text},
            idempotency_key=text,
            action=text,
            data={"name": text.encode("utf-8", "replace").decode()},
        )
    )
    assert isinstance(result, Accepted | Refused)
    received = way.received()
    assert len(received) == (1 if isinstance(result, Accepted) and way.name != "silent" else 0)
    for message in received:
        assert message.to == "ana@mail.example"
        if way.name != "webhook":
            # What looks like an encoded word is broken up, or readers would decode it.
            assert message.subject.replace("= ?", "=?") == clean_line(text)
            assert not set(message.subject) & set("\r\n\0\u202e\u200b\u2028")


ADDRESSES = [
    "",
    "ana",
    "ana@",
    "@mail.example",
    "ana@mail.example, victim@mail.example",
    "ana@mail.example\r\nRCPT TO:<victim@mail.example>",
    "ana@mail.example\nBcc: victim@mail.example",
    "<ana@mail.example> victim@mail.example",
    "ana@mail..example",
    "a na@mail.example",
    "ana@mail.example>",
    "ana..b@mail.example",
    "a" * 65 + "@mail.example",
    "ana@" + "a" * 250 + ".example",
    "ana\u200b@mail.example",
    'ana"@mail.example',
    "ana@[127.0.0.1]",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_reaches_somebody_else(way: Way, address: str) -> None:
    """A channel that knows what an address is refuses what is none, and closes it."""
    result = way.channel.send(outgoing(to=address))
    if way.name == "smtp":
        assert result == Refused(
            detail="the recipient has no valid mail address", closes_address=True
        )
        assert way.received() == []
    else:
        assert isinstance(result, Accepted)


def test_a_message_of_a_megabyte_is_taken_or_refused_as_a_whole(way: Way) -> None:
    """Never cut short."""
    text = "x" * 999 + "\n"
    result = way.channel.send(outgoing(text=text * 1_000))
    received = way.received()
    if way.name == "webhook":
        assert isinstance(result, Refused)
        assert received == []
    else:
        assert isinstance(result, Accepted)
        assert [message.text for message in received] == (
            [] if way.name == "silent" else [text * 1_000]
        )


def test_a_retry_goes_under_the_same_name(way: Way) -> None:
    """The other side can tell that it has the message already; a folder keeps it once."""
    results = [way.channel.send(outgoing()) for _ in range(2)]
    assert results[0] == results[1]
    keys = [message.key for message in way.received()]
    assert keys == ["m7-grace"] * {"files": 1, "smtp": 2, "webhook": 2, "silent": 0}[way.name]


def test_a_channel_serves_several_threads_at_once(way: Way) -> None:
    """Each message arrives once, and none is mixed with another."""
    results: list[SendResult] = []

    def send(thread: int) -> None:
        for number in range(5):
            name = f"m{thread}-{number}"
            results.append(way.channel.send(numbered(name)))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(result, Accepted) for result in results)
    received = {(message.key, message.subject, message.text) for message in way.received()}
    names = [f"m{thread}-{number}" for thread in range(6) for number in range(5)]
    assert received == (
        set() if way.name == "silent" else {(name, name, f"to {name}\n") for name in names}
    )


def numbered(name: str) -> Outgoing:
    """Return a message of which every part says which one it is."""
    return outgoing(message_id=name, idempotency_key=name, subject=name, text=f"to {name}\n")


def test_an_instant_that_never_comes_is_no_trouble(way: Way) -> None:
    """A message may have no end; the calendar has one."""
    assert isinstance(way.channel.send(outgoing(expires_at=2**62)), Accepted)


def test_closing_twice_is_closing_once(way: Way) -> None:
    """And a closed channel that is asked to send surely sends nothing."""
    way.channel.send(outgoing())
    way.channel.close()
    way.channel.close()
    result = way.channel.send(outgoing(idempotency_key="after"))
    assert isinstance(result, Accepted if way.name == "silent" else Postponed)
