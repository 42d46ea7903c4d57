"""What a changed folder declares of channels and tools is opened with it, and nothing goes on as before."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kept.clock import read_monotonic
from kept.core.values import SECOND
from kept.errors import SettingsError
from kept.flows.engine import Engine
from kept.runtime import outside as module
from kept.runtime.channels import OUTBOX
from kept.runtime.outside import Outside
from kept.runtime.server import Runtime
from kept.settings import Settings
from tests.attack.nodes import BRAND
from tests.contract.servers import Mailroom, mail_server, outgoing
from tests.contract.test_channels_of_a_brand import SECRET
from tests.contract.values import make_message

SENDER = "sender: {shop: Quayside <hello@quayside.example>}"
FILES = f"  email: {{adapter: files, cost: 0.01 EUR, address: email, {SENDER}}}\n"


def smtp(port: int | str) -> str:
    """Return the declaration of a channel that mails."""
    told = f'{{host: 127.0.0.1, port: "{port}", security: none}}'
    return (
        f"  email: {{adapter: smtp, cost: 0.01 EUR, address: email, {SENDER}, settings: {told}}}\n"
    )


def webhook(name: str, secret: str) -> str:
    """Return the declaration of a channel that posts."""
    told = f'{{url: "https://hook.example/", secret: "{secret}"}}'
    return f"  {name}: {{adapter: webhook, cost: 0.01 EUR, address: email, settings: {told}}}\n"


class Server:
    """A server that really sends, and its folder."""

    def __init__(self, folder: Path) -> None:
        """Begin with mail into files, and a hook."""
        self.consent = folder / "brand" / "consent.yaml"
        shutil.copytree(BRAND, folder / "brand")
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        self.hook = webhook("hook", f"file:{self.secret}")
        self.declare(FILES)
        settings = Settings(
            brand=folder / "brand", data=folder / "data", deliver="providers", watch=False
        )
        self.runtime = Runtime(settings)
        self.runtime.start()

    def declare(self, channels: str) -> None:
        """Write these channels into the folder, beside the hook."""
        head, _, _ = self.consent.read_text().partition("channels:")
        self.consent.write_text(f"{head}channels:\n{channels}{self.hook}")

    def change(self, channels: str) -> list[str]:
        """Change the folder, and return why it was refused."""
        self.declare(channels)
        problems = self.runtime.reload()
        self.tick()
        return [problem.message for problem in problems]

    def tick(self) -> None:
        """Let the writer begin what is due once at least."""
        looks: list[int] = []
        take = self.runtime.results.note

        def note(engine: Engine, now: int) -> None:
            looks.append(now)
            take(engine, now)

        self.runtime.results.note = note  # type: ignore[method-assign]
        until = read_monotonic() + 10 * SECOND
        while len(looks) < 2 and read_monotonic() < until:
            pass
        self.runtime.results.note = take  # type: ignore[method-assign]

    def mail(self) -> None:
        """Hand a mail over."""
        message = make_message("m1", channel="email")
        told = msgspec.structs.replace(outgoing(), channel="email")
        self.runtime.senders.send(message, told, self.runtime.clock.now())
        assert self.runtime.senders.wait(10)

    @property
    def channels(self) -> set[str]:
        """Return what is sent by just now."""
        return set(self.runtime.senders.rooms(self.runtime.clock.now()))

    @property
    def alerts(self) -> list[str]:
        """Return what the operator heard of."""
        return [alert["code"] for alert in self.runtime.writer.engine.noted.alerts]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Give a server that works."""
    for name in ("QUAY_SHOP_KEY", "QUAY_SITE_KEY"):
        monkeypatch.setenv(name, name.lower())
    server = Server(tmp_path)
    yield server
    server.runtime.stop()


@pytest.mark.network
def test_mail_goes_to_the_mail_server_once_the_folder_says_so(
    server: Server, tmp_path: Path
) -> None:
    """Not into files that count as delivered, and not to the host of before."""
    server.mail()
    index = tmp_path / "data" / OUTBOX / "index.jsonl"
    assert len(index.read_text().splitlines()) == 1
    first, second = Mailroom(), Mailroom()
    with mail_server(first) as one, mail_server(second) as two:
        for port in (one, two):
            assert server.change(smtp(port)) == []
            server.mail()
    assert [len(room.mails) for room in (first, second)] == [1, 1]
    assert len(index.read_text().splitlines()) == 1


def test_a_new_channel_sends_and_one_that_went_does_not(server: Server) -> None:
    """Messages for it would wait until they expire, and nobody would hear of it."""
    assert server.channels == {"email", "hook"}
    assert server.change(FILES + webhook("sms", f"file:{server.secret}")) == []
    assert server.channels == {"email", "hook", "sms"}
    assert server.change(FILES) == []
    assert server.channels == {"email", "hook"}


def test_a_channel_without_its_secret_refuses_the_folder(server: Server) -> None:
    """As a start does: the old folder stays in force, and the operator hears of it."""
    (said,) = server.change(FILES + webhook("sms", "env:QUAY_NO_SUCH_SECRET"))
    assert said.startswith("channel sms: `secret`:")
    assert "QUAY_NO_SUCH_SECRET" in said
    assert server.channels == {"email", "hook"}
    assert "brand_refused" in server.alerts


def test_nothing_is_sent_while_a_secret_is_gone_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there at the check: sent as before, a message could go where it no longer should."""
    later = tmp_path / "later"
    later.write_text(SECRET)
    monkeypatch.setattr(module, "RETRY", 0)
    opened = Outside._open
    begun: list[int] = []

    def lose(self: Outside, brand: object) -> None:
        begun.append(len(begun))
        if len(begun) < 4:
            message = "the secret file cannot be read"
            raise SettingsError(message)
        opened(self, brand)  # type: ignore[arg-type]

    monkeypatch.setattr(Outside, "_open", lose)
    rooms = server.runtime.senders.rooms
    asked: list[int] = []

    def note(now: int) -> dict[str, int]:
        asked.append(len(begun))
        return rooms(now)

    monkeypatch.setattr(server.runtime.senders, "rooms", note)
    server.change(FILES + webhook("sms", f"file:{later}"))
    until = read_monotonic() + 10 * SECOND
    while len(begun) < 4 and read_monotonic() < until:
        pass
    server.tick()
    assert server.channels >= {"sms"}
    assert server.alerts.count("channel_not_opened") == 1
    assert not set(asked) & {1, 2, 3}
