"""The writer of a node that is one of several: what another node came in the way of is done again.

A group of jobs is one transaction, small enough that others need not wait long for what it locked.
Contended work is undone without a trace and done again, in smaller groups each time and in the end
alone; nobody who asked hears of it, unless it never succeeds.
"""

import logging
from collections.abc import Callable
from typing import Final

from kept import settings
from kept.clock import Clock, SharedClock, random_share, read_monotonic
from kept.core.values import SECOND
from kept.errors import ContendedError, KeptError, OutdatedError, OverloadedError, StoreError
from kept.flows.engine import NOTHING_KNOWN, Engine
from kept.flows.tick import SHARED_WAKES_A_TICK, housekeep, tick
from kept.flows.together import AT_ONCE, First, together
from kept.runtime.writer import HOUSEKEEPING, TICK, Asked, T, Writer

_log = logging.getLogger("kept.writer")
_RENEW_SECONDS: Final = 2.0
"""How often a brand that this node cannot work by is tried again."""
_LONGEST_PAUSE: Final = 1.0


class SharedWriter(Writer):
    """Runs jobs on one engine whose store others write to as well."""

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        *,
        clock: Clock,
        after_commit: Callable[[Engine, int], None],
        before_commit: Callable[[Engine, int], None],
        renew: Callable[[Engine], None],
    ) -> None:
        """Take what every writer takes, and what sets an engine to work by what is in force."""
        super().__init__(
            open_engine, clock=clock, after_commit=after_commit, before_commit=before_commit
        )
        self._renew_engine = renew
        self._renewed_at = 0

    def _check_room(self) -> None:
        super()._check_room()
        if self.refusal is not None:
            raise self.refusal

    def _answer(self, asked: list[Asked]) -> None:
        for one in asked:
            one.is_answered = True
        super()._answer(asked)

    def _refuse(self, asked: list[Asked], error: Exception) -> None:
        # Those who were answered are done, whatever became of others.
        super()._refuse([one for one in asked if not one.is_answered], error)

    def _commit(self, asked: list[Asked]) -> None:
        todo = asked
        while todo:
            todo = todo[self._do_some(todo) :]
            # What is due does not wait for all that arrived.
            if todo and self._clock.now() >= self._next_tick:
                self._do_timed()
        if self._clock.now() >= self._next_tick:
            self._do_timed()
        elif self.engine.may_be_due and self.refusal is None:
            self._hand_over()

    def _do_some(self, asked: list[Asked]) -> int:
        """Do the first of these jobs, whatever other nodes do; return how many are answered."""
        group, first = asked[: settings.SHARED_COMMIT_JOBS_MAX], AT_ONCE
        for tries in range(settings.CONTENDED_TRIES):
            try:
                count = self._commit_group(group, first)
            except ContendedError as error:
                first = self._after(first, error, tries)
                if tries and len(group) > 1:
                    group = group[: len(group) // 2]
            except OutdatedError as error:
                if not self._renew():
                    self._refuse(group, self.refusal or error)
                    return len(group)
            else:
                self._answer(group[:count])
                return count
        message = "other nodes are busy with the same; try again soon"
        self._refuse(group[:1], OverloadedError(message, retry_after_seconds=1))
        return 1

    def _after(self, first: First, error: ContendedError, tries: int) -> First:
        """Note that work was contended, wait a moment, and return what to take first now."""
        self.contended_count += 1
        if tries or not error.alone:
            longest = min(settings.CONTENDED_PAUSE_SECONDS * 2**tries, _LONGEST_PAUSE)
            self._stopping.wait(longest * random_share())
        first = first.after(error)
        if tries >= settings.CONTENDED_TRIES - 3:
            # Whatever it is that comes in the way: nobody does who is not at work.
            first = First(customers=first.customers, alone=True)
        return first

    def _commit_group(self, group: list[Asked], first: First) -> int:
        """Do jobs in one transaction, for as long as one may take; return how many were done."""
        started = read_monotonic()
        until = started + int(settings.SHARED_COMMIT_SECONDS * SECOND)
        wants = [one.wants for one in group if one.wants is not None]
        self.alone_count += first.alone
        count = 0
        with together(self.engine, self._tell_time, first=first, wants=wants) as now:
            for one in group:
                one.outcome = self._try(one, self.engine, now)
                count += 1
                if read_monotonic() >= until:
                    break
        self.refusal = None
        self._note_seconds(started)
        return count

    def _tell_time(self, shared: int) -> int:
        clock = self._clock
        return clock.follow(shared) if isinstance(clock, SharedClock) else clock.now()

    # -- what happens because time passed

    def _do_timed(self) -> None:
        # Whatever comes of it, there is another tick.
        self._next_tick = self._clock.now() + TICK
        woken = 0
        if (done := self._do_alone_if_asked(self._tick)) is not None:
            # Housekeeping that was undone is still due.
            woken, self._next_housekeeping = done
        if self.refusal is None:
            self._hand_over()
        if woken >= SHARED_WAKES_A_TICK:
            self._next_tick = self._clock.now()

    def _tick(self, engine: Engine, now: int) -> tuple[int, int]:
        """Do what is due; return how many were woken, and when the next housekeeping is."""
        woken = tick(engine, now)
        if now < self._next_housekeeping:
            return woken, self._next_housekeeping
        housekeep(engine, now)
        # What all nodes must know is looked at afresh now and then, whoever forgot to say so.
        engine.control_version = NOTHING_KNOWN
        return woken, now + HOUSEKEEPING

    def _hand_over(self) -> None:
        def begin(engine: Engine, now: int) -> int:
            self._before_commit(engine, now)
            return now

        now = self._do_alone_if_asked(begin)
        if now is not None:
            self._follow(self.engine, now)

    def _do_alone_if_asked(self, work: Callable[[Engine, int], T]) -> T | None:
        """Do timed work once, or a second time alone; what is contended has time until the next tick."""
        first = AT_ONCE
        for _ in range(2):
            try:
                with together(self.engine, self._tell_time, first=first) as now:
                    done = work(self.engine, now)
            except ContendedError as error:
                self.contended_count += 1
                if not error.alone or first.alone:
                    return None
                first = first.after(error)
                self.alone_count += 1
            except OutdatedError:
                if not self._renew():
                    return None
            else:
                self.refusal = None
                return done
        return None

    # -- when things go wrong

    def _renew(self) -> bool:
        """Compile what is in force; return whether this node can work by it."""
        now = read_monotonic()
        if self.refusal is not None and now < self._renewed_at + int(_RENEW_SECONDS * SECOND):
            return False
        self._renewed_at = now
        try:
            self._renew_engine(self.engine)
        except StoreError:
            raise
        except KeptError as error:
            _log.warning("the brand in force cannot be taken up here: %s", error)
            if self.refusal is None:
                self.engine.alert("brand_not_taken", at=self._clock.now())
                self.engine.keep_noted()
            self.refusal = OutdatedError(
                f"this node cannot work by the brand that is in force: {error}"
            )
            return False
        return True

    def _isolate(self, asked: list[Asked], error: Exception) -> None:
        """Do jobs again one by one, after a bug in one of them; the transaction was undone."""
        _log.error("a job failed; its neighbours are done again one by one", exc_info=error)
        waiting = [one for one in asked if not one.is_answered]
        if not self._start_over() and len(waiting) <= 1:
            self._refuse(waiting, error)
            return
        for one in waiting:
            try:
                self._commit([one])
            except StoreError as store_error:
                self._refuse([one], store_error)
                self._reopen()
            except Exception as own_error:  # noqa: BLE001 - the outer edge of the writer
                self._refuse([one], own_error)
                self._start_over()

    def _drop_memory(self) -> None:
        # It went with the transaction.
        return

    def _finish(self) -> None:
        if self.is_well:
            self._do_alone_if_asked(self._tick)
        self.engine.store.close()
