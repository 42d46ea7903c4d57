"""Works on breaches in small pieces, each one job of the writer, with everybody else's in between."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from kept.errors import KeptError
from kept.flows.breach import work_on_breaches
from kept.flows.engine import Engine

_log = logging.getLogger("kept.breaches")
LOOK_SECONDS: Final = 2.0

Submit = Callable[[Callable[[Engine, int], Any]], "Future[Any]"]


class Breaches:
    """The thread that searches, and looks again at those who were found."""

    def __init__(self, submit: Submit) -> None:
        """Take the way to the writer."""
        self._submit = submit
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kept-breaches", daemon=True)

    def start(self) -> None:
        """Begin to look; what a stop interrupted goes on where it was."""
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
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and self._submit(work_on_breaches).result():
                    pass
            except KeptError as error:
                _log.warning("a breach is worked on later: %s", error)
            except Exception:  # noqa: BLE001 - the outer edge: a bug must not end the search
                _log.exception("a breach is worked on later")
            self._woken.wait(LOOK_SECONDS)
            self._woken.clear()
