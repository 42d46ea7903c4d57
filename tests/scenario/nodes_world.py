"""The same world at work on several nodes that share one store, each step at whichever comes."""

from collections.abc import Callable
from typing import Any

from kept.core.message import Message, Outgoing, SendResult
from kept.errors import ContendedError
from kept.flows.engine import Engine
from kept.flows.recover import recover
from kept.flows.together import AT_ONCE, do_together, together
from kept.ports import Store
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
        do_together(engine, lambda engine, now: recover(engine, now), lambda _: self.now)
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
        self.called = [one for one in self.called if self.caller_of[one[0]] != mine]
        self.nodes.remove(self.engine)
        self.store.close()
        self.store = self.open_store()
        self.engine = self._open_engine()

    @property
    def caller_of(self) -> dict[str, int]:
        """Return which node called the provider last, for each message."""
        return {one.message.message_id: one.message.node for one in self.log}

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

    def _result_of(self, message: Message) -> tuple[SendResult, bool]:
        return super()._result_of(message)
