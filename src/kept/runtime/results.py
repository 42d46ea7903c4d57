"""What providers said of hand-overs: noted on the writer, and kept for as long as that fails."""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeAlias

from kept.core.message import Message, SendResult
from kept.errors import KeptError, OutdatedError, OverloadedError, StoreError
from kept.flows import deliver
from kept.flows.engine import Engine

_log = logging.getLogger("kept.results")
Submit: TypeAlias = Callable[[Callable[[Engine, int], None]], "Future[None]"]


class Results:
    """Takes results from the threads that send; none of them is lost while the process lives."""

    def __init__(self, submit: Submit) -> None:
        """Take the way to the writer."""
        self._submit = submit
        self._waiting: deque[tuple[Message, SendResult]] = deque()
        self._noted_count = 0

    def __len__(self) -> int:
        """Return how many results wait to be noted."""
        return len(self._waiting)

    def report(self, message: Message, result: SendResult) -> None:
        """Note what a provider said; while the store cannot be written, it waits."""

        def keep(future: "Future[None]") -> None:
            # What failed by a bug would fail again, and keep everything else from being committed.
            if not future.cancelled() and isinstance(
                future.exception(), StoreError | OutdatedError | OverloadedError
            ):
                self._waiting.append((message, result))

        try:
            future = self._submit(partial(_settle, message=message, result=result))
        except KeptError as error:
            _log.warning("a result waits to be recorded: %s", error)
            self._waiting.append((message, result))
        else:
            future.add_done_callback(keep)

    def note(self, engine: Engine, now: int) -> None:
        """Note what waits; within a transaction, and before anything is handed over again."""
        waiting = list(self._waiting)
        for message, result in waiting:
            _settle(engine, now, message=message, result=result)
        self._noted_count = len(waiting)

    def forget_noted(self) -> None:
        """Let go of what was noted, once that is durable."""
        for _ in range(self._noted_count):
            self._waiting.popleft()
        self._noted_count = 0


def _settle(engine: Engine, now: int, *, message: Message, result: SendResult) -> None:
    deliver.settle(engine, message.message_id, result, now, attempt=message.attempt_count)
