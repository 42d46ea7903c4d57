"""Work in the background: a thread that does it a piece at a time, and looks now and then for more."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

from kept.errors import KeptError
from kept.flows.engine import Engine

Submit: TypeAlias = Callable[[Callable[[Engine, int], Any]], "Future[Any]"]
"""The way to the writer."""


class Rounds:
    """A thread of its own for one kind of work; what fails is tried again at the next look."""

    def __init__(
        self,
        name: str,
        look: Callable[[], bool],
        *,
        every: float,
        pause: float = 0.0,
        first: float = 0.0,
    ) -> None:
        """Take the work.

        Args:
            name: what the thread and its log are called.
            look: does a piece, and returns whether more is to be done right away.
            every: how long (s) to wait for more work once there is none.
            pause: how long to wait between two pieces, so that others get on with theirs.
            first: how long to wait at the start, which has better things to do.
        """
        self._look = look
        self._every = every
        self._pause = pause
        self._first = first
        self._log = logging.getLogger(f"kept.{name}")
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kept-{name}", daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Return whether the piece that is under way is the last."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin; what a stop interrupted goes on where it was."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once."""
        self._woken.set()

    def stop(self) -> None:
        """End after the piece that is under way."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        self._wait(self._first)
        while not self._stopping.is_set():
            is_more = False
            try:
                is_more = self._look()
            except KeptError as error:
                self._log.warning("this is done later: %s", error)
            except Exception:  # noqa: BLE001 - the outer edge: a bug must not end the looking
                self._log.exception("this is done later")
            self._wait(self._pause if is_more else self._every)

    def _wait(self, seconds: float) -> None:
        if seconds:
            self._woken.wait(seconds)
        self._woken.clear()
