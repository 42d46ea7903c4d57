"""The thread that sees to it that nothing is kept longer than needed, a small piece at a time.

The limits of a brand are worked out here, beside the writer; each piece is done on the writer, in a
transaction of its own, with a pause after it, so that no event waits for more than one piece.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from kept.core.brand.model import Brand
from kept.core.data_map import map_data
from kept.core.retention import Limits, limits_of
from kept.errors import KeptError
from kept.flows.engine import Engine
from kept.flows.retain import Retaining, retain

_log = logging.getLogger("kept.keeping")
PAUSE_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 10.0

Submit = Callable[[Callable[[Engine, int], Any]], "Future[Any]"]


class Keeping:
    """Removes what is past its time while the server works."""

    def __init__(self, submit: Submit, brand_of: Callable[[], Brand]) -> None:
        """Take the way to the writer, and the brand in force."""
        self._submit = submit
        self._brand_of = brand_of
        self._retaining: Retaining | None = None
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="kept-keeping", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once: a limit was approved."""
        self._woken.set()

    def stop(self) -> None:
        """End after the piece that is under way."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def limits(self) -> Limits:
        """Return the limits of the brand in force, worked out once a version."""
        brand = self._brand_of()
        with self._lock:
            known = self._retaining
            if known is None or known.limits.version != brand.version:
                known = self._retaining = Retaining(limits_of(brand, map_data(brand)))
            return known.limits

    def work(self) -> bool:
        """Do one piece; return whether more is to be done."""
        self.limits()
        retaining = self._retaining
        if retaining is None:
            raise AssertionError("limits were just worked out")
        return bool(self._submit(lambda engine, now: retain(engine, retaining, now)).result())

    def _run(self) -> None:
        # A start has better things to do first.
        self._woken.wait(FIRST_SECONDS)
        while not self._stopping.is_set():
            is_more = False
            try:
                is_more = self.work()
            except KeptError as error:
                _log.warning("what is past its time is removed later: %s", error)
            except Exception:  # noqa: BLE001 - the outer edge: a bug must not end the looking
                _log.exception("what is past its time is removed later")
            self._woken.wait(PAUSE_SECONDS if is_more else LOOK_SECONDS)
            self._woken.clear()
