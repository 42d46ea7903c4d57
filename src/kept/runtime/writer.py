"""The writer: one thread that does everything that changes anything, and commits it in groups.

A commit takes whatever queued while the one before it was being made durable; there is no timer to
wait for. Those who asked are answered only after the commit. If a commit fails, memory is ahead of
the disk: everything in memory is dropped, the store is opened again, and what is durable is loaded.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from kept import settings
from kept.clock import Clock, read_monotonic
from kept.core.values import HOUR, SECOND
from kept.errors import InputError, KeptError, OutdatedError, OverloadedError, StoreError
from kept.flows.engine import Engine
from kept.flows.tick import housekeep, tick
from kept.flows.together import WantsOf

T = TypeVar("T")
Job = Callable[[Engine, int], Any]
_log = logging.getLogger("kept.writer")
TICK: Final = int(settings.TICK_SECONDS * SECOND)
HOUSEKEEPING: Final = int(settings.HOUSEKEEPING_SECONDS * SECOND)
SET_ASIDE: Final = HOUR
"""How long timed work passes over whom it could not look at."""
_REOPEN_SECONDS: Final = 1.0


class Asked:
    """A job and where its result goes: a future of a thread, or one of an event loop."""

    __slots__ = ("future", "is_answered", "job", "loop", "outcome", "wants")

    def __init__(
        self,
        job: Job,
        future: "Future[Any] | asyncio.Future[Any]",
        loop: asyncio.AbstractEventLoop | None,
        wants: WantsOf | None = None,
    ) -> None:
        """Take the job, and what it will touch as far as that is known."""
        self.job = job
        self.wants = wants
        self.future = future
        self.loop = loop
        self.outcome: Any = None
        self.is_answered = False


class Writer:
    """Runs jobs on one engine, in groups that become durable together."""

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        *,
        clock: Clock,
        after_commit: Callable[[Engine, int], None],
        before_commit: Callable[[Engine, int], None],
    ) -> None:
        """Take how to open an engine (recovered, ready), and what to do around a commit.

        Args:
            before_commit: runs within the transaction where something may be due (begin hand-overs).
            after_commit: runs once that transaction is durable (call providers).
        """
        self._open_engine = open_engine
        self._clock = clock
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._jobs: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kept-writer", daemon=True)
        self._next_tick = 0
        self._next_housekeeping = 0
        self._set_aside: dict[int, int] = {}
        self.engine = self._open()
        self.refusal: OutdatedError | None = None
        """Why nothing is decided here: another brand is in force, which this node cannot work by."""
        self.is_well = True
        """False while the store cannot be written; callers are refused clearly meanwhile."""
        self.contended_count = 0
        """Transactions that were undone because another node came in the way."""
        self.alone_count = 0
        """Transactions that had to be the only one."""
        self.commit_seconds: list[float] = []
        """How long the last commits took, for the metrics; bounded."""

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was asked, make it durable, write every state, and end."""
        self._stopping.set()
        self._jobs.put(Asked(lambda engine, now: None, Future(), None))
        self._thread.join()

    def submit(self, job: Callable[[Engine, int], T], wants: WantsOf | None = None) -> "Future[T]":
        """Ask from any thread; the future is done when the job's changes are durable."""
        future: Future[T] = Future()
        self._check_room()
        self._jobs.put(Asked(job, future, None, wants))
        return future

    def ask(
        self, job: Callable[[Engine, int], T], wants: WantsOf | None = None
    ) -> "asyncio.Future[T]":
        """Ask from an event loop; many answers of one commit reach the loop in one call."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._check_room()
        self._jobs.put(Asked(job, future, loop, wants))
        return future

    def _check_room(self) -> None:
        if self._jobs.qsize() >= settings.QUEUE_MAX:
            message = "more arrives than can be made durable just now; try again soon"
            raise OverloadedError(message, retry_after_seconds=1)
        if not self.is_well:
            message = "the store cannot be written just now, and the log says why; try again soon"
            raise StoreError(message)

    # -- the thread

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._jobs.empty()):
            asked = self._take()
            try:
                self._commit(asked)
            except StoreError as error:
                _log.warning("the store failed, and is opened again: %s", error)
                self._refuse(asked, error)
                self._reopen()
            except Exception as error:  # noqa: BLE001 - the outer edge of the writer
                # A bug in one job must not take its neighbours with it.
                self._isolate(asked, error)
        self._finish()

    def _take(self) -> list[Asked]:
        wait = max(0.0, (self._next_tick - self._clock.now()) / SECOND)
        try:
            asked = [self._jobs.get(timeout=wait) if wait else self._jobs.get_nowait()]
        except queue.Empty:
            return []
        while len(asked) < settings.COMMIT_JOBS_MAX:
            try:
                asked.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return asked

    def _commit(self, asked: list[Asked]) -> None:
        engine = self.engine
        started = read_monotonic()
        now = self._clock.now()
        is_tick = now >= self._next_tick
        keeps_house = is_tick and now >= self._next_housekeeping
        with engine.store.transaction():
            for one in asked:
                one.outcome = self._try(one, engine, now)
            if is_tick:
                tick(engine, now)
                if keeps_house:
                    housekeep(engine, now)
            _write_behind(engine)
            # What was queued just now need not wait for the clock.
            hands_over = is_tick or engine.may_be_due
            if hands_over:
                self._before_commit(engine, now)
        if keeps_house:
            self._next_housekeeping = now + HOUSEKEEPING
        if hands_over:
            self._follow(engine, now)
        if is_tick:
            self._next_tick = now + TICK
        self._note_seconds(started)
        self._answer(asked)

    def _follow(self, engine: Engine, now: int) -> None:
        """Do what follows a commit; whatever comes of it, what was committed is not done again."""
        try:
            self._after_commit(engine, now)
        except Exception:  # noqa: BLE001 - the outer edge: the jobs are done, and are told so
            _log.exception("what follows a commit failed")

    def _note_seconds(self, started: int) -> None:
        self.commit_seconds.append((read_monotonic() - started) / SECOND)
        del self.commit_seconds[:-1000]

    @staticmethod
    def _try(one: Asked, engine: Engine, now: int) -> Any:
        try:
            return one.job(engine, now)
        except InputError as error:
            # Flows refuse bad input before they change anything.
            return Refused(error)

    def _answer(self, asked: list[Asked]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Asked]] = {}
        for one in asked:
            if one.loop is None:
                _settle(one)
            else:
                by_loop.setdefault(one.loop, []).append(one)
        for loop, ones in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle_all, ones)

    def _refuse(self, asked: list[Asked], error: Exception) -> None:
        for one in asked:
            one.outcome = Refused(error)
        self._answer(asked)

    def _open(self) -> Engine:
        engine = self._open_engine()
        engine.customers.set_aside = self._set_aside
        return engine

    def _start_over(self) -> bool:
        """Begin anew after a bug; return whether timed work failed, and not a job.

        Whom it failed at is passed over from now on, or it would fail there for good.
        """
        failed, self.engine.customers.looked_at = self.engine.customers.looked_at, 0
        self._drop_memory()
        if failed:
            self._pass_over(failed)
        return bool(failed)

    def _drop_memory(self) -> None:
        self._reopen()

    def _pass_over(self, failed: int) -> None:
        now = self._clock.now()
        _log.error("timed work failed at one customer, who is set aside for an hour")
        self._set_aside[failed] = now + SET_ASIDE
        self.engine.alert("customer_set_aside", at=now)
        self.engine.keep_noted()

    def _isolate(self, asked: list[Asked], error: Exception) -> None:
        _log.exception("a job failed; its neighbours are done again one by one")
        if not self._start_over() and len(asked) <= 1:
            self._refuse(asked, error)
            return
        for one in asked:
            try:
                self._commit([one])
            except Exception as own_error:  # noqa: BLE001 - the outer edge of the writer
                self._refuse([one], own_error)
                self._start_over()

    def _reopen(self) -> None:
        """Drop memory, which is ahead of the disk, and load what is durable."""
        self.is_well = False
        while True:
            try:
                self.engine.store.close()
                self.engine = self._open()
            except KeptError as error:
                # The key service may refuse for a while, too; without this thread nothing goes on.
                _log.warning("the store cannot be opened: %s", error)
                if self._stopping.wait(_REOPEN_SECONDS):
                    return
            else:
                self.is_well = True
                return

    def _finish(self) -> None:
        if not self.is_well:
            return
        engine = self.engine
        now = self._clock.now()
        with engine.store.transaction():
            tick(engine, now)
            while engine.customers.dirty_count:
                engine.customers.flush(settings.COMMIT_JOBS_MAX)
            housekeep(engine, now)
        engine.store.close()


def _write_behind(engine: Engine) -> None:
    """Write states in small pieces, but never slower than they change: memory is bounded by it."""
    surplus = engine.customers.dirty_count - settings.WRITE_BEHIND_BACKLOG
    if surplus > 0:
        count = min(surplus + settings.WRITE_BEHIND_PARTS, settings.WRITE_BEHIND_MOST)
        engine.customers.flush(count)


class Refused:
    """An outcome that is an exception."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        """Take what the caller is told."""
        self.error = error


def _settle(one: Asked) -> None:
    if one.future.cancelled() or one.future.done():
        return
    if isinstance(one.outcome, Refused):
        one.future.set_exception(one.outcome.error)
    else:
        one.future.set_result(one.outcome)


def _settle_all(asked: list[Asked]) -> None:
    for one in asked:
        _settle(one)
