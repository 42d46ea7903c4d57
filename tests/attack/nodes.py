"""The servers under attack: started, killed, frozen and started again, each with a data folder of its own."""

import os
import shutil
import signal
import threading
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from kept.clock import read_monotonic
from tests.attack.book import SECOND
from tests.attack.clients import SHOP_KEY, SITE_KEY
from tests.attack.providers import Desk
from tests.crash.processes import Nursery

BRAND: Final = Path(__file__).parent / "brand"
SECRET: Final = "whsec_" + b64encode(b"quayside " * 4).decode()
START_SECONDS_MAX: Final = 90.0
PREPARE: Final = "tests.attack.launcher"
LOG_SHOWN: Final = 4_000
STARTS_MAX: Final = 20
AGAIN_SECONDS: Final = 0.5


class Node:
    """One place where a server runs: its data folder outlives every process."""

    def __init__(
        self,
        folder: Path,
        brand: Path,
        *,
        environment: Mapping[str, str],
        options: tuple[str, ...] = (),
    ) -> None:
        """Take where it keeps its data, and the brand that all share."""
        self.folder = folder
        self.data = folder / "data"
        self.brand = brand
        self.environment = dict(environment)
        self.options = options
        self.guard = threading.Lock()
        """Held while something goes wrong with this node: one thing after the other."""
        self.process = 0
        self.url = ""
        self.start_seconds: list[float] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, nursery: Nursery) -> None:
        """Start a server; it is not ready yet."""
        (self.data / "server-address").unlink(missing_ok=True)
        arguments = ["serve", "--brand", str(self.brand), "--data", str(self.data), "--port", "0"]
        arguments += ["--deliver", "providers", "--allow-private-webhooks", *self.options]
        log = str(self.folder / "log")
        self.process = nursery.order(
            arguments=arguments, environment=self.environment, out=log, err=log, prepare=PREPARE
        )

    def wait_until_ready(self) -> bool:
        """Wait until the server says that it is ready; return False if it ended instead."""
        began, address = read_monotonic(), self.data / "server-address"
        while read_monotonic() - began < START_SECONDS_MAX * SECOND:
            if has_ended(self.process):
                return False
            if address.exists() and (url := address.read_text().strip()):
                try:
                    if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                        self.url = url
                        self.start_seconds.append((read_monotonic() - began) / SECOND)
                        return True
                except httpx.TransportError:
                    # It is announced just before it answers.
                    time.sleep(0.005)
            time.sleep(0.01)
        raise AssertionError(f"the server never became ready: {self.log()}")

    def log(self) -> str:
        """Return the end of what its servers said."""
        return (self.folder / "log").read_text()[-LOG_SHOWN:]


def has_ended(process: int) -> bool:
    """Return whether a process that the nursery forked has ended; nobody was told of it yet."""
    stat = Path(f"/proc/{process}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "Z"


class Site:
    """All nodes, and the process that forks them."""

    def __init__(
        self,
        folder: Path,
        desk: Desk,
        *,
        environments: Sequence[Mapping[str, str]],
        options: tuple[str, ...] = (),
    ) -> None:
        """Prepare a folder for each environment; nothing runs yet."""
        self.brand = folder / "brand"
        shutil.copytree(BRAND, self.brand)
        given = {
            "QUAY_SHOP_KEY": SHOP_KEY,
            "QUAY_SITE_KEY": SITE_KEY,
            "QUAY_MAIL_PORT": str(desk.mail_port),
            "QUAY_HOOK_URL": f"http://127.0.0.1:{desk.hook_port}/",
            "QUAY_HOOK_SECRET": SECRET,
        }
        self.nodes = [
            Node(
                folder / f"node{number}",
                self.brand,
                environment={**environment, **given},
                options=options,
            )
            for number, environment in enumerate(environments)
        ]
        self._nursery = Nursery()
        # One order at a time: the nursery has one pipe.
        self._guard = threading.Lock()

    @property
    def logs(self) -> str:
        """Return the end of what every node said."""
        return "\n".join(node.log() for node in self.nodes)

    def urls(self) -> list[str]:
        """Return where servers are reached just now, as far as is known."""
        return [node.url for node in self.nodes if node.url]

    def token(self) -> str:
        """Return the operator's token, which whichever node came first wrote down."""
        path = next(path for node in self.nodes if (path := node.data / "admin-token").exists())
        return path.read_text().strip()

    def start(self, node: Node) -> None:
        """Start one node and wait until it is ready; one that finds no database is started again."""
        for _ in range(STARTS_MAX):
            with self._guard:
                node.start(self._nursery)
            if node.wait_until_ready():
                return
            self._wait(node)
            time.sleep(AGAIN_SECONDS)
        raise AssertionError(f"the server does not start: {node.log()}")

    def start_all(self) -> None:
        """Start all nodes at once: none of them is the first on the empty store."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            for _ in pool.map(self.start, self.nodes):
                pass

    def kill(self, node: Node) -> None:
        """End a process at once; nothing of it is written any more."""
        node.url = ""
        self.signal(node, signal.SIGKILL)
        code = self._wait(node)
        assert code == -signal.SIGKILL, f"it had ended by itself with {code}: {node.log()}"

    def signal(self, node: Node, number: signal.Signals) -> None:
        """Send a signal to a node's process."""
        os.kill(node.process, number)

    def stop_all(self) -> None:
        """Let every server end as it should."""
        for node in self.nodes:
            node.url = ""
            self.signal(node, signal.SIGTERM)
        for node in self.nodes:
            code = self._wait(node)
            assert code == 0, f"it ended with {code}: {node.log()}"

    def abandon(self) -> None:
        """End whatever still runs, and the nursery."""
        for node in self.nodes:
            if node.process:
                with self._guard:
                    try:
                        os.kill(node.process, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                self._wait(node)
        self._nursery.close()

    def _wait(self, node: Node) -> int:
        with self._guard:
            process, node.process = node.process, 0
            return self._nursery.order(wait=process)
