"""Several `kept serve` on one PostgreSQL, each with a folder of its own, as a test commands them."""

import os
import shutil
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from signal import SIGCONT, SIGTERM, Signals
from typing import Any

import httpx

from kept.clock import read_monotonic
from kept.core.values import SECOND
from tests.crash.providers import Providers
from tests.postgres import Server
from tests.tree import ROOT

BRAND = ROOT / "tests" / "crash" / "brand"
KEY = "pier-key"
SECRET = "whsec_" + b64encode(b"pier post" * 4).decode()
PATIENCE_SECONDS = 60.0


class Member:
    """One node: its folder, its process while there is one, and its address."""

    def __init__(self, fleet: "Fleet", name: str) -> None:
        """Give it a folder of its own; nothing runs yet."""
        self.fleet = fleet
        self.folder = fleet.folder / name
        self.brand = self.folder / "brand"
        self.data = self.folder / "data"
        shutil.copytree(BRAND, self.brand)
        sources = self.brand / "sources.yaml"
        text = sources.read_text()
        sources.write_text(text.replace("Consent Given]", "Consent Given, Consent Withdrawn]"))
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.http = httpx.Client(timeout=PATIENCE_SECONDS)

    def start(self) -> "Member":
        """Start a process, and return once it is ready."""
        (self.data / "server-address").unlink(missing_ok=True)
        arguments = ["serve", "--brand", str(self.brand), "--data", str(self.data), "--port", "0"]
        arguments += ["--deliver", "providers", "--allow-private-webhooks"]
        arguments += ["--master-key", f"file:{self.fleet.folder / 'master-key'}"]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kept", *arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.fleet.environment},
            )
        address = self.data / "server-address"
        until("it is announced", lambda: address.exists() and address.read_text().strip())
        self.url = address.read_text().strip()
        until("it is ready", self.is_ready)
        return self

    def is_ready(self) -> bool:
        """Return whether it says that it takes events."""
        try:
            return self.http.get(f"{self.url}/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def signal(self, number: Signals) -> None:
        """Send its process a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: Signals = SIGTERM) -> int:
        """End its process, and return how it ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def log(self) -> str:
        """Return the end of what it said."""
        return (self.folder / "log").read_text()[-3000:]

    # -- what is asked of it

    def send(self, *events: dict[str, Any]) -> Any:
        """Send events, and return the answer."""
        answer = self.http.post(
            f"{self.url}/v1/batch", json={"batch": list(events)}, auth=(KEY, "")
        )
        assert answer.status_code == 200, (answer.text, self.log())
        assert answer.json()["quarantined"] == 0
        return answer.json()

    def may_write(self, user: str) -> bool:
        """Ask whether a tool may send somebody an offer by mail."""
        question = {"entity": "shop", "purpose": "marketing", "channel": "email"}
        answer = self.http.post(
            f"{self.url}/v1/may-i",
            json={"identifiers": {"user_id": user}, **question},
            headers={"authorization": f"Bearer {KEY}"},
        )
        assert answer.status_code == 200, (answer.text, self.log())
        return bool(answer.json()["allowed"])

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Call the admin API; all nodes have the same token."""
        headers = {"authorization": f"Bearer {self.fleet.token}", "x-kept-actor": "test"}
        answer = self.http.request(method, f"{self.url}/v1/admin{path}", json=body, headers=headers)
        assert answer.status_code == 200, (answer.text, self.log())
        return answer.json()

    def status(self) -> Any:
        """Return what people are shown."""
        return self.http.get(f"{self.url}/status.json").json()


class Fleet:
    """All nodes of one store."""

    def __init__(self, folder: Path, server: Server, providers: Providers) -> None:
        """Take an empty database."""
        self.folder = folder
        self.environment = {
            "PIER_SHOP_KEY": KEY,
            "PIER_MAIL_PORT": str(providers.mail_port),
            "PIER_HOOK_URL": f"http://127.0.0.1:{providers.hook_port}/",
            "PIER_HOOK_SECRET": SECRET,
            "KEPT_DATABASE": server.lend().url,
        }
        self.members: list[Member] = []
        self._numbers = count(1)

    def add(self, name: str) -> Member:
        """Add a node, and start it."""
        member = Member(self, name)
        self.members.append(member)
        return member.start()

    @property
    def token(self) -> str:
        """Return the admin token, which the first node made."""
        return (self.members[0].data / "admin-token").read_text().strip()

    def id(self, kind: str) -> str:
        """Return an id that nothing else has."""
        return f"{kind}{next(self._numbers)}"

    def event(self, user: str, name: str, **properties: Any) -> dict[str, Any]:
        """Return an event about somebody."""
        told = {"type": "track", "event": name, "userId": user, "properties": properties}
        return told | {"messageId": self.id("m")}

    def newcomer(self) -> tuple[str, list[dict[str, Any]]]:
        """Return somebody new who may be written to, and what says so."""
        user = self.id("user")
        traits = {"first_name": "Ana", "email": f"{user}@mail.example"}
        told = {"type": "identify", "userId": user, "traits": traits, "messageId": self.id("m")}
        agreed = self.event(user, "Consent Given", entity="shop", purpose="marketing")
        return user, [told, agreed]

    def close(self) -> None:
        """End whatever runs."""
        for member in self.members:
            member.http.close()
            if member.process is not None and member.process.poll() is None:
                member.signal(SIGCONT)
                member.process.terminate()
                member.process.wait(PATIENCE_SECONDS)


@contextmanager
def fleet_on(folder: Path, server: Server, providers: Providers) -> Iterator[Fleet]:
    """Give a fleet without nodes, and end it."""
    fleet = Fleet(folder, server, providers)
    try:
        yield fleet
    finally:
        fleet.close()


def until(what: str, seen: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until something is seen, and return how long it took (s)."""
    began, waiting = read_monotonic(), threading.Event()
    while not seen():
        took = (read_monotonic() - began) / SECOND
        assert took < seconds, f"not within {seconds} seconds: {what}"
        waiting.wait(0.02)
    return (read_monotonic() - began) / SECOND


def figures(member: Member) -> dict[str, float]:
    """Return what a node measures."""
    lines = member.http.get(f"{member.url}/metrics").text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}
