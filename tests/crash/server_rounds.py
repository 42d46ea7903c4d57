"""Kills a whole server under load again and again, and judges what is left against the clients' word."""

import random  # noqa: TID251  a failure is repeated by its seed
import signal
import subprocess
import threading
import time
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import httpx

from kept.clock import read_monotonic
from kept.core.bounce import mail_id_of
from kept.core.compile import compile_brand
from kept.core.fold.fold import decode_state, fold_event
from kept.core.message import OPEN_STATES, Message
from kept.core.state import State
from kept.core.values import SECOND
from kept.flows.take_brand import choose_slots
from kept.runtime.folder import load_checked, read_folder
from kept.stores.sqlite import SqliteStore
from tests.crash.processes import Nursery
from tests.crash.providers import Providers, run_providers
from tests.crash.server_load import KEY, Client, Ledger
from tests.vaults import make_vault

BRAND = Path(__file__).parent / "brand"
SECRET = "whsec_" + b64encode(b"pier post" * 4).decode()
ROUNDS_A_FOLDER = 20
CLIENTS = 4
START_SECONDS_MAX = 60.0
LIFE_SECONDS_MAX = 0.8
EARLY_SHARE = 0.15
CHECKED_SHARE = 0.5
TROUBLED_SHARE = 0.3
SETTLE_SECONDS_MAX = 150.0
STATES = ("queued", "leased", "leaving", "delivered", "failed", "unknown", "withdrawn", "expired")
ALL = 10_000_000


class Life:
    """One data folder, the servers that live and die on it, and everything that was said to them."""

    def __init__(
        self, folder: Path, nursery: Nursery, providers: Providers, draw: random.Random
    ) -> None:
        """Begin with an empty folder."""
        self.folder = folder
        self.data = folder / "data"
        self.nursery = nursery
        self.providers = providers
        self.draw = draw
        self.ledgers = [Ledger(f"{folder.name}-{n}") for n in range(CLIENTS)]
        self.start_seconds: list[float] = []
        folder.mkdir()

    def start(self) -> int:
        """Start a server and return its process id."""
        (self.data / "server-address").unlink(missing_ok=True)
        environment = {
            "PIER_SHOP_KEY": KEY,
            "PIER_MAIL_PORT": str(self.providers.mail_port),
            "PIER_HOOK_URL": f"http://127.0.0.1:{self.providers.hook_port}/",
            "PIER_HOOK_SECRET": SECRET,
        }
        arguments = ["serve", "--brand", str(BRAND), "--data", str(self.data), "--port", "0"]
        arguments += ["--deliver", "providers", "--allow-private-webhooks"]
        log = str(self.folder / "log")
        return self.nursery.order(arguments=arguments, environment=environment, out=log, err=log)

    def wait_until_ready(self) -> str:
        """Return the address of a server that says it is ready."""
        began, address = read_monotonic(), self.data / "server-address"
        while seconds_since(began) < START_SECONDS_MAX:
            if address.exists() and (url := address.read_text().strip()):
                try:
                    if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                        self.start_seconds.append(seconds_since(began))
                        return url
                except httpx.TransportError:
                    # It is announced just before it answers.
                    time.sleep(0.002)
            time.sleep(0.005)
        raise AssertionError(f"the server never became ready: {self.log()}")

    def log(self) -> str:
        """Return the end of what the servers said."""
        return (self.folder / "log").read_text()[-3000:]

    def live_and_die(self) -> None:
        """Run one server under load, or none yet, and kill it at a random moment."""
        process = self.start()
        if self.draw.random() < EARLY_SHARE:
            time.sleep(self.draw.random() * 0.3)
            signal_and_wait(self.nursery, process, signal.SIGKILL)
            return
        clients = [
            Client(self.wait_until_ready(), ledger, random.Random(self.draw.random()))
            for ledger in self.ledgers
        ]
        for client in clients:
            client.start()
        time.sleep(0.02 + self.draw.random() * LIFE_SECONDS_MAX)
        assert signal_and_wait(self.nursery, process, signal.SIGKILL) == -signal.SIGKILL, self.log()
        for client in clients:
            client.join()
            assert not client.failed, client.failed

    def end_well(self) -> None:
        """Send what is still unanswered, wait until every service message is settled, and stop."""
        # Whatever they hang up on is tried again, each time after a longer wait: not for ever here.
        self.providers.calm_down()
        process = self.start()
        url = self.wait_until_ready()
        for ledger in self.ledgers:
            client = Client(url, ledger, random.Random(0))
            client.stopping.set()
            client.run()
            assert not client.failed, client.failed
            assert not ledger.unanswered()
        began, waiting = read_monotonic(), threading.Event()
        while self._open_services(url):
            assert seconds_since(began) < SETTLE_SECONDS_MAX, self.log()
            waiting.wait(0.2)
        assert signal_and_wait(self.nursery, process, signal.SIGTERM) == 0, self.log()

    @staticmethod
    def _open_services(url: str) -> float:
        """Return how many notes of bills are queued and not settled, by the server's own count."""
        lines = httpx.get(f"{url}/metrics", timeout=20).text.splitlines()
        ages = [line for line in lines if line.startswith('kept_oldest_due_seconds{channel="hook"')]
        told = httpx.get(f"{url}/status.json", timeout=20).json()["stored"]
        return float(told.get("messages.queued", 0)) + float(ages[0].split()[-1] if ages else 0)


def seconds_since(began: int) -> float:
    """Return how long ago a reading of the monotonic clock was taken."""
    return (read_monotonic() - began) / SECOND


def signal_and_wait(nursery: Nursery, process: int, number: signal.Signals) -> int:
    """Send a server a signal and return how it ended."""
    subprocess.run(["kill", f"-{int(number)}", str(process)], check=True)
    return nursery.order(wait=process)


def judge(life: Life, *, is_final: bool) -> None:
    """Check a folder on which no server runs against what clients and providers say."""
    with closing(SqliteStore(life.data, vault=make_vault(life.data))) as store:
        check_events(life, store)
        check_states(store)
        messages = store.load_messages_in(STATES, limit=ALL)
    check_promotions(life.providers, messages)
    check_services(life, messages, is_final=is_final)


def check_events(life: Life, store: SqliteStore) -> None:
    """Every acknowledged event and decision is there, no event twice, and nothing unheard of."""
    stored = [each.event for each in store.load_events(after=0, limit=ALL)]
    names = [event.message_id for event in stored if event.source == "shop"]
    assert len(names) == len(set(names)), "an event is there twice"
    sent = {name for ledger in life.ledgers for name in ledger.sent}
    acknowledged = {name for ledger in life.ledgers for name in ledger.acknowledged}
    assert acknowledged <= set(names), f"lost: {sorted(acknowledged - set(names))[:10]}"
    assert set(names) <= sent
    for ledger in life.ledgers:
        lost = [number for number in ledger.decided if store.read_decision(number) is None]
        assert not lost, "a decision that was answered is not on record"


def check_states(store: SqliteStore) -> None:
    """What is stored of each part is what its events fold to."""
    brand = load_checked(read_folder(BRAND))
    plan = compile_brand(brand, slots=choose_slots(brand.facts, store)).fold_plan
    mark = store.load_mark()
    for row in store.iterate_states(after=0, limit=ALL):
        state = State()
        for stored in store.load_part_events([row.part_id]):
            if stored.sequence <= row.applied_sequence:
                fold_event(plan, state, stored.event)
            else:
                assert stored.sequence > mark, "the mark covers an event that no state holds"
        assert decode_state(row.state) == state, f"part {row.part_id} is torn"


def check_promotions(providers: Providers, messages: list[Message]) -> None:
    """By the mail server's own log nothing promotional came twice, and what is called delivered came."""
    names = [name for name, _ in providers.mails]
    assert len(names) == len(set(names)), "a promotion was handed over twice"
    subjects = [subject for _, subject in providers.mails]
    assert len(subjects) == len(set(subjects)), "two promotions were about one order"
    taken = {name.strip("<>").partition("@")[0] for name in names}
    told = {m.message_id for m in messages if m.promotional and m.state == "delivered"}
    missing = {name for name in told if mail_id_of(name) not in taken}
    assert not missing, f"called delivered, and never handed over: {sorted(missing)[:10]}"


def check_services(life: Life, messages: list[Message], *, is_final: bool) -> None:
    """Each bill has at most one note; in the end each has one, delivered, whatever happened meanwhile."""
    notes = [message for message in messages if message.action == "bill_note"]
    bills = [message.about.partition("/")[2] for message in notes]
    assert len(bills) == len(set(bills)), "a bill has two notes"
    for message in notes:
        if message.state == "delivered":
            assert life.providers.hooked[message.message_id] >= 1
    if not is_final:
        return
    acknowledged = {
        f"b-{name}"
        for ledger in life.ledgers
        for name in ledger.acknowledged
        if ledger.sent[name].get("event") == "Bill Issued"
    }
    assert acknowledged == set(bills)
    assert {message.state for message in notes} <= {"delivered"}
    promotions = {message.state for message in messages if message.promotional}
    # One whose outcome nobody knows stays listed as on its way; it is never sent again.
    assert promotions & OPEN_STATES <= {"leaving"}


def kill_servers(folder: Path, *, seed: int, rounds: int) -> list[float]:
    """Kill servers so many times and judge them; return how long each took to start."""
    draw = random.Random(seed)
    started: list[float] = []
    nursery = Nursery()
    try:
        with run_providers(random.Random(seed)) as providers:
            for first in range(0, rounds, ROUNDS_A_FOLDER):
                life = Life(folder / f"life{first}", nursery, providers, draw)
                count = min(ROUNDS_A_FOLDER, rounds - first)
                # Whatever they hang up on is tried again half a minute later: not in a short run.
                is_troubled = count == ROUNDS_A_FOLDER and draw.random() < TROUBLED_SHARE
                providers.begin(is_troubled=is_troubled)
                for _ in range(count):
                    life.live_and_die()
                    # A folder that is not looked at is next opened as the kill left it.
                    if life.data.exists() and draw.random() < CHECKED_SHARE:
                        judge(life, is_final=False)
                life.end_well()
                judge(life, is_final=True)
                started += life.start_seconds
    finally:
        nursery.close()
    return started
