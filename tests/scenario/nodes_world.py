"""The same world at work on several nodes that share one store, each step at whichever comes."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from kept.core.message import Message, Outgoing, Postponed, SendResult
from kept.errors import ContendedError, NotFoundError
from kept.flows import deliver
from kept.flows.engine import Engine
from kept.flows.recover import recover
from kept.flows.together import AT_ONCE, do_together, together
from kept.ports import Store
from tests.memory_shared import Shared
from tests.scenario.baton import Baton
from tests.scenario.larkmead import compile_larkmead
from tests.scenario.world import World, WorldEndedError


class NodesWorld(World):
    """One seed's world on a store that several nodes share; one of them may die at any time."""

    def __init__(self, seed: int, open_store: Callable[[], Store], *, nodes: int) -> None:
        """Take a seed, how to connect to the store, and how many nodes there are."""
        self.nodes: list[Engine] = []
        super().__init__(seed, open_store)
        for _ in range(nodes - 1):
            self.store = open_store()
            self._open_engine()
        self.retries = 0

    def _open_engine(self) -> Engine:
        engine = Engine(
            self.store,
            compile_larkmead(),
            secret=b"nobody outside of this world knows it",
            public_url="https://kept.example",
        )
        engine.node_id = self.store.join("world")
        do_together(engine, recover, lambda _: self.now)
        for source in engine.bundle.stale_after:
            engine.heard_at.setdefault(source, self.now)
        engine.keep_noted()
        self.nodes.append(engine)
        return engine

    def take_turn(self) -> None:
        """Let any node do what comes next."""
        self.engine = self.random.choice(self.nodes)
        self.store = self.engine.store

    def look(self, job: Callable[[], Any]) -> Any:
        """Look at something as it is now, under the locks."""
        return do_together(self.engine, lambda engine, now: job(), lambda _: self.now)

    def crash(self) -> None:
        """Let this node die, and another one begin."""
        self.crashes += 1
        mine = self.engine.node_id
        left: list[tuple[Message, Outgoing]] = []
        for message, outgoing in self.pending:
            if message.node != mine:
                left.append((message, outgoing))
            elif self.random.random() < 0.5:
                self._call(message, outgoing)
        self.pending = left
        self.called = [one for one in self.called if one[0].node != mine]
        self.nodes.remove(self.engine)
        self.store.close()
        self.store = self.open_store()
        self.engine = self._open_engine()

    def _call(self, message: Message, outgoing: Outgoing) -> SendResult:
        if self.now > message.attempted_at + deliver.CALLED_WITHIN:
            # A node that was stopped for so long calls nobody any more: others may have.
            return Postponed(detail="it was too late")
        return super()._call(message, outgoing)

    def commit(self, job: Callable[[], Any], *, may_die: bool = True) -> Any:
        """Run a job in a transaction, again if it was contended; now and then the node dies in it."""
        dies = may_die and self.random.random() < 0.02
        first = AT_ONCE
        while True:
            try:
                with together(self.engine, lambda _: self.now, first=first):
                    result = job()
                    if dies:
                        raise WorldEndedError  # noqa: TRY301 - a crash has no better place
            except ContendedError as error:
                self.retries += 1
                first = first.after(error)
            except WorldEndedError:
                self.crash()
                return None
            else:
                return result

    def pull_brake(self) -> None:
        """Put a brake on, or take one off; the operator looks first which are on."""
        self.look(lambda: None)
        super().pull_brake()

    def come_to_rest(self) -> None:
        """Mend everything, and let a month pass."""
        self.look(lambda: None)
        super().come_to_rest()


class ConcurrentWorld(NodesWorld):
    """The same, and what several nodes do happens at the same moment, call by call in any order."""

    def __init__(self, seed: int, *, nodes: int) -> None:
        """Take a seed, and how many nodes there are."""
        self.shared = Shared()
        self.baton = Baton(seed)
        self._mine = threading.local()
        self._engine_of_all: Engine
        self._store_of_all: Store
        self._commits = 0
        super().__init__(seed, self.shared.connect, nodes=nodes)
        self.shared.between = self.baton.pause

    @property
    def engine(self) -> Engine:
        """Return the engine of the node that works in this thread."""
        return getattr(self._mine, "engine", self._engine_of_all)

    @engine.setter
    def engine(self, engine: Engine) -> None:
        """Let a node work in this thread."""
        self._mine.engine = self._engine_of_all = engine

    @property
    def store(self) -> Store:
        """Return the store of the node that works in this thread."""
        return getattr(self._mine, "store", self._store_of_all)

    @store.setter
    def store(self, store: Store) -> None:
        """Let a store be worked on in this thread."""
        self._mine.store = self._store_of_all = store

    @property
    def step(self) -> int:
        """Return the place of this thread's last commit among all."""
        return getattr(self._mine, "step", 0)

    @step.setter
    def step(self, step: int) -> None:
        """Count on among all threads, whatever is asked for."""
        self._commits += 1
        self._mine.step = self._commits

    def take_turn(self) -> None:
        """Let any node do what comes next; in a thread of its own, it stays the one that it is."""
        if threading.current_thread() is threading.main_thread():
            super().take_turn()

    def commit(self, job: Callable[[], Any], *, may_die: bool = True) -> Any:
        """Run a job in a transaction, and note the place that it has among all."""
        result = super().commit(job, may_die=may_die)
        self.step = 0
        return result

    def crash(self) -> None:
        """Let this node die, and another one begin."""
        self.step = 0
        super().crash()

    def pull_brake(self) -> None:
        """Put a brake on, or take one off, unless another operator did meanwhile."""
        with suppress(NotFoundError):
            super().pull_brake()

    def call_provider(self) -> None:
        """Let one waiting hand-over reach its provider."""
        self.step = 0
        super().call_provider()

    def run(self, steps: int) -> None:
        """Let several nodes go on at once for so many rounds, and then come to rest."""
        doings: list[tuple[int, Callable[[], None]]] = [
            (30, self.say_something), (14, self.work), (6, self.report_result),
            (3, self.ask_everywhere), (2, self.say_again), (2, self.feed_back),
            (1, self.pull_brake), (1, self.outside_contact), (2, self.regroup),
        ]  # fmt: skip
        between: list[Callable[[], None]] = [
            self.pass_time, self.call_provider, self.call_provider, self.change_providers,
            self.crash,
        ]  # fmt: skip
        weights = [weight for weight, _ in doings]
        for _ in range(steps):
            some = self.random.choices([each for _, each in doings], weights, k=len(self.nodes))
            nodes = list(self.nodes)
            self.baton.run([partial(self._do, *one) for one in zip(nodes, some, strict=True)])
            self.take_turn()
            if self.random.random() < 0.4:
                self.random.choice(between)()
        self.come_to_rest()

    def _do(self, engine: Engine, doing: Callable[[], None]) -> None:
        self._mine.engine, self._mine.store = engine, engine.store
        doing()
