"""`kept demo`: the example brand at work, with a living customer base, until Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import kept
from kept.cli.client import call
from kept.cli.living import SCENE_SECONDS, Living, invent_people, read_people
from kept.cli.output import console
from kept.clock import SystemClock, random_token, seeded_chance
from kept.core.check import check_folder, errors_of
from kept.errors import SettingsError
from kept.runtime.folder import read_folder
from kept.runtime.server import ADDRESS_FILE

EXAMPLES: Final = Path(kept.__file__).parents[2] / "examples"
LINES_SHOWN: Final = 14
START_SECONDS: Final = 60
STOP_SECONDS: Final = 30
_STYLES: Final = {
    "heard": "cyan", "asked": "blue", "queued": "yellow", "held": "yellow", "said": "green", "withdrawn": "magenta",
    "alert": "red", "gap": "red", "refused": "red", "paused": "red", "resumed": "green",
}  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command("demo")(demo)


def demo(
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".kept-demo"),
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8080,
    people: Annotated[int, typer.Option(help="How many customers besides the twelve.")] = 200,
    seconds: Annotated[int, typer.Option(help="Stop after this; 0 goes on until Ctrl-C.")] = 0,
) -> None:
    """Show the example brand at work: real events in, one decision, real messages out."""
    brand = EXAMPLES / "ferrowen"
    problems = check_folder(read_folder(brand))
    if errors_of(problems):
        message = f"the example brand does not pass its check; see `kept check {brand}`"
        raise SettingsError(message)
    console.print(f"The example brand is in order ({len(problems)} note(s)).", markup=False)
    secrets = _make_secrets(brand)
    data.mkdir(parents=True, exist_ok=True)
    server = _start_server(brand, data, port, secrets)
    try:
        url = _wait_until_ready(server, data)
        show = _Show(url, data)
        living = _start_living(url, data, people, secrets, show)
        _run(living, show, server, seconds)
    finally:
        _stop(server)
        console.print("Stopped cleanly; everything that was acknowledged is kept.", markup=False)


def _make_secrets(brand: Path) -> dict[str, str]:
    """Return a value for every reference in the example brand."""
    names = {
        name
        for path in (brand / "sources.yaml", brand / "consent.yaml")
        for name in re.findall(r"env:([A-Z0-9_]+)", path.read_text(encoding="utf-8"))
    }
    return {name: f"whsec_{_base64(random_token())}" for name in sorted(names)}


def _base64(token: str) -> str:
    # 32 letters are 24 bytes in base64, whatever they are.
    return re.sub(r"[^A-Za-z0-9]", "x", token)[:32].ljust(32, "x")


def _start_server(
    brand: Path, data: Path, port: int, secrets: dict[str, str]
) -> subprocess.Popen[bytes]:
    (data / ADDRESS_FILE).unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "kept", "serve",
        "--brand", str(brand), "--data", str(data), "--port", str(port),
    ]  # fmt: skip
    with (data / "server.log").open("ab") as log:
        # A session of its own, so that Ctrl-C reaches the demo alone and the server ends in order.
        return subprocess.Popen(  # noqa: S603 - our own command
            command, env=os.environ | secrets, stdout=log, stderr=log, start_new_session=True
        )


def _wait_until_ready(server: subprocess.Popen[bytes], data: Path) -> str:
    clock = SystemClock()
    until = clock.now() + START_SECONDS * 1_000_000
    pause = threading.Event()
    while clock.now() < until and server.poll() is None:
        pause.wait(0.1)
        address = data / ADDRESS_FILE
        if address.exists():
            url = address.read_text(encoding="utf-8").strip()
            try:
                if httpx.get(f"{url}/ready", timeout=2).is_success:
                    return url
            except httpx.HTTPError:
                continue
    tail = (data / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
    message = f"the server did not start; the end of {data / 'server.log'} says:\n{tail}"
    raise SettingsError(message)


def _start_living(
    url: str, data: Path, people: int, secrets: dict[str, str], show: "_Show"
) -> Living:
    chance = seeded_chance(7)
    named = read_people(EXAMPLES / "people" / "people.yaml")
    sources = (
        "web", "app_backend", "till", "kiosk", "billing", "warehouse", "call_centre",
    )  # fmt: skip
    keys = {
        source: call(data, "POST", "/v1/admin/keys", {"source": source})["key"]
        for source in sources
    }
    show.key = keys["app_backend"]
    living = Living(
        url,
        [*named, *invent_people(people, chance)],
        keys=keys,
        secrets={
            source: secrets[f"FERROWEN_{name}_SECRET"]
            for source, name in (
                ("carrier", "CARRIER"),
                ("helpdesk", "HELPDESK"),
                ("payments", "PAYMENTS"),
                ("sms_replies", "SMS_REPLIES"),
                ("mail_replies", "MAIL"),
            )
        },
        clock=SystemClock(),
        chance=chance,
        tell=show.tell,
        take_history=lambda events: call(
            data, "POST", "/v1/admin/import/history", {"batch": events}
        ),
    )
    count = living.move_in()
    show.tell("heard", f"history: {count} events of {people + len(named)} people moved in")
    return living


def _run(living: Living, show: "_Show", server: subprocess.Popen[bytes], seconds: int) -> None:
    clock = SystemClock()
    until = clock.now() + seconds * 1_000_000 if seconds else None
    stopping = threading.Event()
    # An exception could be raised where nobody hears it, such as within a clean-up of Python's own.
    before = signal.signal(signal.SIGINT, lambda *_: stopping.set())
    with Live(show.draw(), console=Console(), refresh_per_second=4, screen=False) as live:
        try:
            while (until is None or clock.now() < until) and server.poll() is None:
                if stopping.wait(SCENE_SECONDS):
                    show.tell("said", "stopping")
                    break
                living.live()
                show.look()
                live.update(show.draw())
        except httpx.HTTPError as error:
            show.tell("alert", f"the server does not answer: {type(error).__name__}")
        finally:
            signal.signal(signal.SIGINT, before)
            living.close()


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()


class _Show:
    """What the terminal shows."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self.data = data
        self.key = ""
        self._lines: deque[tuple[str, str]] = deque(maxlen=LINES_SHOWN)
        self._status: dict[str, Any] = {}
        self._seen: list[Any] = []

    def tell(self, kind: str, sentence: str) -> None:
        """Add a line."""
        self._lines.append((kind, sentence))

    def look(self) -> None:
        """Ask the server how it is doing."""
        self._status = httpx.get(f"{self.url}/status.json", timeout=5).json()
        # The server tells the newest first.
        news = self._status["news"][::-1]
        fresh = news
        for start in range(len(self._seen)):
            if self._seen[start:] == news[: len(self._seen) - start]:
                fresh = news[len(self._seen) - start :]
                break
        self._seen = news
        for one in fresh:
            self.tell(one["kind"], one["sentence"])

    def draw(self) -> Group:
        """Return the picture."""
        status = self._status
        numbers = Table.grid(padding=(0, 3))
        names = ("heard", "decided", "silences", "queued", "said", "held_back")
        numbers.add_row(*(Text(name.replace("_", " "), style="dim") for name in names))
        numbers.add_row(*(Text(f"{status.get(name, 0):,}", style="bold") for name in names))
        held = Table.grid(padding=(0, 2))
        reasons = sorted(status.get("held_by_reason", {}).items(), key=lambda one: -one[1])[:6]
        for code, count in reasons:
            held.add_row(Text(f"{count:,}", style="bold"), Text(code.replace("_", " ")))
        lines = Table.grid(padding=(0, 2))
        for kind, sentence in self._lines:
            lines.add_row(Text(kind, style=_STYLES.get(kind, "white")), Text(sentence))
        hint = Text(
            f"Status page   {self.url}/\n"
            f"Messages      {self.data}/outbox\n"
            "Your own event, as Marta (open the outbox afterwards):\n"
            f"  curl -u {self.key}: {self.url}/v1/track -H 'content-type: application/json' \\\n"
            '    -d \'{"userId":"marta","event":"Signed In"}\'\n'
            "Ctrl-C stops.",
            overflow="fold",
        )
        return Group(
            Panel(numbers, title="Kept, at work on the example brand", title_align="left"),
            Panel(held, title="Held back, and why", title_align="left"),
            Panel(lines, title="Now", title_align="left", height=LINES_SHOWN + 2),
            hint,
        )
