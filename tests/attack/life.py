"""One life of a store: clients carry their plans out while things go wrong, and then it is judged."""

import random  # noqa: TID251  a failure is repeated by its seed
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from kept.clock import SystemClock, read_monotonic
from kept.ports import Store
from kept.runtime.stores import open_store
from kept.settings import Settings
from tests.attack.book import SECOND, Book, Slack
from tests.attack.clients import Client, Where, merge_runs
from tests.attack.cluster import Cluster, running_cluster
from tests.attack.evidence import STOP, Brake, Change, Run, Violation
from tests.attack.faults import CLOCKS_OFF_SECONDS, Fault, make_schedule
from tests.attack.judge_store import judge
from tests.attack.launcher import CLOCK, SABOTAGE
from tests.attack.nodes import Site
from tests.attack.plan import Plan
from tests.attack.providers import Desk
from tests.attack.recount import recount
from tests.attack.show import save_evidence

CLIENTS: Final = 6
ASYNCHRONOUS: Final = "replica_not_waited_for"
POLL_SECONDS: Final = 0.01
QUIET_POLLS: Final = 8
SETTLE_SECONDS_MIN: Final = 9.0
SETTLE_SECONDS_MAX: Final = 60.0
GIVE_UP_SECONDS: Final = 1_800.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one life came to."""

    life: str
    operations: int
    seconds: float
    violations: tuple[tuple[Violation, int], ...]
    """Each with the number of operations after which it showed."""
    counts: dict[str, int]


class Life:
    """One store, its nodes, and everybody around it."""

    def __init__(
        self,
        folder: Path,
        desk: Desk,
        *,
        seed: int,
        operations: int,
        sabotage: str = "",
        cluster: Cluster | None = None,
    ) -> None:
        """Prepare everything; nothing runs yet. With a cluster, several nodes share its database."""
        folder.mkdir(parents=True)
        self.name = folder.name
        self.folder = folder
        self.desk = desk
        self.cluster = cluster
        given = {SABOTAGE: sabotage} if sabotage else {}
        environments = [given]
        options: tuple[str, ...] = ()
        if cluster is not None:
            options = ("--master-key", f"file:{folder / 'master-key'}")
            environments = [
                given | {"KEPT_DATABASE": cluster.address(port), CLOCK: str(seconds)}
                for port, seconds in zip(cluster.proxy.ports, CLOCKS_OFF_SECONDS, strict=True)
            ]
        self.site = Site(folder, desk, environments=environments, options=options)
        self.schedule = make_schedule(
            seed, life=self.name, operations=operations, nodes=len(environments)
        )
        self._troubles: list[threading.Thread] = []
        self._failed: list[str] = []
        self.where = Where(self.site.urls, self.site.token, desk)
        self.where.wall_offset = read_monotonic() - SystemClock().now()
        self.runs = [Run() for _ in range(CLIENTS)]
        self.clients = [
            Client(
                f"client-{number}",
                Plan(seed, life=self.name, client=number, clients=CLIENTS),
                self.where,
                run=run,
                draw=random.Random(f"routes/{seed}/{self.name}/{number}"),
                operations=operations // CLIENTS + 1,
            )
            for number, run in enumerate(self.runs)
        ]
        self.changes: list[Change] = []
        self._pace: list[tuple[int, int]] = []
        self._began_at = read_monotonic()

    # -- the attack

    def run(self) -> Result:
        """Let everything happen, judge it, and return what it came to."""
        arrived = self.desk.begin()
        try:
            self.site.start_all()
            for client in self.clients:
                client.start()
            self._watch()
            self._come_to_rest()
            stopped_at = read_monotonic()
            self.site.stop_all()
            stopped = Change(what=STOP, began_at=stopped_at, ended_at=read_monotonic())
            self.changes.append(stopped)
        except BaseException:
            self.where.stopping.set()
            raise
        finally:
            self.site.abandon()
        run = merge_runs(self.runs)
        run.arrived = arrived
        run.changes = self.changes
        return self._judge(run)

    def _watch(self) -> None:
        """Let things go wrong when their time has come, until every client is done."""
        waiting = list(self.schedule)
        while any(client.is_alive() for client in self.clients):
            self._check_clients()
            done = self._done()
            self._pace.append((read_monotonic(), done))
            while waiting and waiting[0].after <= done:
                trouble = threading.Thread(target=self._try_fault, args=(waiting.pop(0),))
                self._troubles.append(trouble)
                trouble.start()
            if read_monotonic() - self._began_at > GIVE_UP_SECONDS * SECOND:
                raise AssertionError(f"it does not go on: {self.site.logs}")
            threading.Event().wait(POLL_SECONDS)
        for trouble in self._troubles:
            trouble.join()
        self._check_clients()

    def _check_clients(self) -> None:
        for client in self.clients:
            assert not client.failed, f"{client.name}: {client.failed}"
        assert not self._failed, "\n".join(self._failed)

    def _done(self) -> int:
        return sum(client.done for client in self.clients) + len(self.desk.arrived)

    def _try_fault(self, fault: Fault) -> None:
        try:
            with self.site.nodes[fault.node].guard:
                self._go_wrong(fault)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must tell it
            self._failed.append(f"{fault.kind}: {type(error).__name__}: {error}")

    def _go_wrong(self, fault: Fault) -> None:
        node, cluster = self.site.nodes[fault.node], self.cluster
        began_at = read_monotonic()
        match fault.kind:
            case "kill":
                self.site.kill(node)
                self.site.start(node)
            case "freeze":
                self.site.signal(node, signal.SIGSTOP)
                threading.Event().wait(fault.seconds)
                self.site.signal(node, signal.SIGCONT)
            case "mood":
                self.desk.feel(fault.channel, fault.mood)
            case "calm":
                self.desk.feel("email", "well")
                self.desk.feel("hook", "well")
            case "brand":
                self._change_brand()
            case "fail_over":
                assert cluster is not None
                cluster.fail_over()
            case "cut" | "stalled" | "nowhere":
                assert cluster is not None
                cluster.proxy.order(fault.node, mode=fault.kind)
                threading.Event().wait(fault.seconds)
                # Whoever was led nowhere never hears of it again.
                if fault.kind == "nowhere":
                    cluster.proxy.order(fault.node, mode="cut")
                cluster.proxy.order(fault.node, mode="open")
        self.changes.append(Change(what=fault.kind, began_at=began_at, ended_at=read_monotonic()))

    def _change_brand(self) -> None:
        """Let the brand have one feature more, or less again: states are back-filled meanwhile."""
        path = self.site.brand / "facts.yaml"
        extra = "  bills: {count: Bill Issued}\n"
        text = path.read_text()
        changed = text.removesuffix(extra) if text.endswith(extra) else text + extra
        draft = path.with_suffix(".draft")
        draft.write_text(changed)
        draft.replace(path)

    # -- the end

    def _come_to_rest(self) -> None:
        """Mend everything, and wait until nothing is left to be handed over."""
        self.desk.feel("email", "well")
        self.desk.feel("hook", "well")
        headers = {
            "authorization": f"Bearer {self.site.token()}",
            "x-kept-actor": "attack",
        }
        with httpx.Client(base_url=self.site.nodes[0].url, headers=headers, timeout=20) as http:
            for one in self._get(http, "/v1/admin/brakes")["brakes"]:
                sent_at = read_monotonic()
                http.delete(f"/v1/admin/brakes/{one['scope']}").raise_for_status()
                lifted = Brake(
                    scope=one["scope"], is_on=False, sent_at=sent_at, answered_at=read_monotonic()
                )
                self.runs[0].brakes.append(lifted)
            began, quiet = read_monotonic(), 0
            while quiet < QUIET_POLLS or read_monotonic() - began < SETTLE_SECONDS_MIN * SECOND:
                waiting = self._get(http, "/status.json")["stored"].get("messages.queued", 0)
                quiet = 0 if waiting else quiet + 1
                if read_monotonic() - began > SETTLE_SECONDS_MAX * SECOND:
                    # What never ended is for the judges to see.
                    return
                threading.Event().wait(0.5)

    def _get(self, http: httpx.Client, path: str) -> Any:
        """Return what a node says, which may need a while to be well again."""
        began = read_monotonic()
        while True:
            answer = http.get(path)
            if answer.status_code == 200:
                return answer.json()
            if read_monotonic() - began > SETTLE_SECONDS_MAX * SECOND:
                raise AssertionError(f"{path}: {answer.text}: {self.site.logs}")
            threading.Event().wait(0.5)

    def _judge(self, run: Run) -> Result:
        seconds = (read_monotonic() - self._began_at) / SECOND
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        with self._open_store() as store:
            stored = recount(
                store,
                run,
                brand=self.site.brand,
                files=files,
                wall_offset=self.where.wall_offset,
            )
        found = judge(Book(run, stored, Slack()))
        if found:
            save_evidence(self.folder, run, stored)
        operations = self._done() + sum(one.what != STOP for one in self.changes)
        return Result(
            life=self.name,
            operations=operations,
            seconds=seconds,
            violations=tuple((one, self._operations_at(one.at) or operations) for one in found),
            counts=self._counts(run, stored.replayed_count),
        )

    def _operations_at(self, at: int) -> int:
        return next((done for when, done in self._pace if when >= at), 0) if at else 0

    def _counts(self, run: Run, replayed: int) -> dict[str, int]:
        counts = {
            "events": len(run.said),
            "questions": len(run.asked),
            "stops": sum(not word.allows for word in run.words),
            "opt-ins": sum(word.allows for word in run.words),
            "cases": len(run.cases),
            "merges and unmerges": len(run.ties),
            "erasures": len(run.erasures),
            "brakes": len(run.brakes),
            "hand-overs": len(run.arrived),
            "listed in flight": sum(bool(word.in_flight) for word in run.words),
            "decisions replayed": replayed,
        }
        for change in run.changes:
            if change.what == STOP:
                continue
            counts[f"faults: {change.what}"] = counts.get(f"faults: {change.what}", 0) + 1
        return counts

    @contextmanager
    def _open_store(self) -> Iterator[Store]:
        """Open the store on which nothing runs any more."""
        settings = Settings(brand=self.site.brand, data=self.site.nodes[0].data)
        if self.cluster is not None:
            settings = msgspec.structs.replace(
                settings,
                database=self.cluster.address(),
                master_key=f"file:{self.folder / 'master-key'}",
            )
        with closing(open_store(settings).store) as store:
            yield store


def attack(
    folder: Path,
    desk: Desk,
    *,
    seed: int,
    operations: int,
    store: str = "sqlite",
    sabotage: str = "",
) -> Result:
    """Let one store live under attack: one node on SQLite, or four on PostgreSQL."""
    with ExitStack() as stack:
        cluster = None
        if store == "postgres":
            cluster = stack.enter_context(
                running_cluster(len(CLOCKS_OFF_SECONDS), is_synchronous=sabotage != ASYNCHRONOUS)
            )
        life = Life(
            folder, desk, seed=seed, operations=operations, sabotage=sabotage, cluster=cluster
        )
        return life.run()
