"""The thread that keeps history: closed hours into files, and out of them what may not stay.

Rows are read and written beside the writer, which is only asked to plan and to note. After each
piece of work this thread rests several times as long, so that it never takes much of a core.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kept.clock import read_monotonic
from kept.core.retention import Limits
from kept.core.values import SECOND
from kept.errors import KeptError, StoreError
from kept.flows.engine import Engine
from kept.flows.export_history import HistoryWriter, how_far_behind
from kept.flows.history_list import Progress, is_gone, load_progress
from kept.flows.trim_history import HistoryTrimmer
from kept.history_port import History
from kept.ports import Store
from kept.runtime.rounds import Rounds, Submit

LOOK_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 10.0
REST_SHARE: Final = 3
"""How many times as long as it worked this thread rests."""
REST_SECONDS_MAX: Final = 0.5
SWEEP_SECONDS: Final = 86_400.0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far history has come."""

    behind_seconds: float = 0.0
    """Since when closed hours have waited."""
    files: int = 0
    size: int = 0
    """Their length in bytes, together."""


class Histories(Rounds):
    """Exports, forgets and sweeps while the server works."""

    def __init__(
        self,
        submit: Submit,
        store_of: Callable[[], Store],
        history: History,
        *,
        limits_of: Callable[[], Limits],
    ) -> None:
        """Take the way to the writer, the store to read from, the files, and the limits in force."""
        self._submit = submit
        self._history = history
        self._limits_of = limits_of
        self._writer = HistoryWriter(self._do, store_of, history, rest=self._rest)
        self._trimmer = HistoryTrimmer(self._writer)
        self._working = threading.Lock()
        self._rested_at = 0
        self._is_hasty = False
        self._sweep_at = 0
        self.standing = Standing()
        super().__init__("history", self.look, every=LOOK_SECONDS, first=FIRST_SECONDS)

    def stop(self) -> None:
        """End after the piece that is under way; a file that is not finished is begun anew later."""
        super().stop()
        with self._working:
            self._history.close()

    def is_clean(self, request_id: str) -> bool:
        """Return whether no file holds what an erasure is about; if one does, see to it now."""
        is_clean: bool = self._do(lambda engine, now: is_gone(engine.store, request_id))
        if not is_clean:
            self.wake()
        return is_clean

    def export_all(self) -> Standing:
        """Export whatever is settled, the hour that is under way included, without resting."""
        with self._working:
            self._is_hasty = True
            try:
                self._do_all(is_all=True)
            except _StoppedError as error:
                raise StoreError("the server stops; history goes on with its next start") from error
            finally:
                self._is_hasty = False
            return self.standing

    def look(self) -> bool:
        """Do what is due; whatever is left waits for the next look."""
        with self._working:
            try:
                self._do_all(is_all=False)
            except _StoppedError:
                return False
            except KeptError:
                # Whatever it was, the next look begins as a start does.
                self._sweep_at = 0
                raise
        return False

    def _do_all(self, *, is_all: bool) -> None:
        self._rested_at = read_monotonic()
        if self._rested_at >= self._sweep_at:
            self._trimmer.sweep()
            self._sweep_at = self._rested_at + int(SWEEP_SECONDS * SECOND)
        self._writer.settle()
        self._trimmer.forget()
        self._trimmer.close_places()
        count = 0
        while done := self._writer.export(is_all=is_all):
            count += done
            # Whoever waits to be forgotten does not wait for all that is behind.
            self._trimmer.forget()
        has_expired = self._trimmer.expire(self._limits_of())
        if count or has_expired:
            self._writer.group()
        self._measure()

    def _measure(self) -> None:
        self.standing = self._do(
            lambda engine, now: _stand(
                how_far_behind(engine.store, now), load_progress(engine.store)
            )
        )

    def _do(self, job: Callable[[Engine, int], Any]) -> Any:
        return self._submit(job).result()

    def _rest(self) -> None:
        """Let others work: as long as this thread worked since the last rest, and more."""
        if self.is_stopping:
            raise _StoppedError
        if not self._is_hasty:
            worked = (read_monotonic() - self._rested_at) / SECOND
            self._stopping.wait(min(worked * REST_SHARE, REST_SECONDS_MAX))
        self._rested_at = read_monotonic()


def _stand(behind: int, progress: Progress) -> Standing:
    return Standing(behind_seconds=behind / SECOND, files=progress.files, size=progress.size)


class _StoppedError(Exception):
    """The server stops in the middle of a file."""
