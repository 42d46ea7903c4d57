"""The server's base: taken when it is asked for, beside the writer, and let go once nobody asks."""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from kept import settings as limits
from kept.analytics.duckdb_base import DuckDbBase
from kept.analytics.spark_base import SparkBase
from kept.analytics.spark_session import find_missing, open_session
from kept.base_port import Base, SnapshotStore
from kept.clock import Clock, read_monotonic
from kept.core.bundle import Bundle
from kept.core.decision import Controls
from kept.core.fold.fold import FoldPlan
from kept.core.values import SECOND, format_instant
from kept.errors import ConflictError, KeptError, StoreError
from kept.flows.engine import Engine
from kept.flows.extract_base import Extracted, extract_base
from kept.flows.prove_base import find_differences

T = TypeVar("T")
Submit = Callable[[Callable[[Engine, int], Any]], "Future[Any]"]
Question = Callable[[Base, Bundle, Extracted, Controls], T]
_log = logging.getLogger("kept.bases")
_LOOK_SECONDS: Final = 5.0
_BREAK_SECONDS: Final = 0.1
"""How often a question is broken off, which may just have been between two queries."""

BaseState = Literal["none", "filling", "ready", "failed"]
BaseEngine = Literal["duckdb", "spark"]


class BaseView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a base is."""

    state: BaseState
    customers: int
    """How many are in it (so far)."""
    instant: str
    """When it was taken; empty while there is none."""
    seconds: float
    """How long filling it took (so far)."""
    problem: str = ""
    engine: BaseEngine = "duckdb"
    """Which engine is asked."""


class Bases:
    """Holds at most one base."""

    def __init__(self, submit: Submit, settings: limits.Settings, *, clock: Clock) -> None:
        """Take how to ask the writer, and where a cluster is."""
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._asking = threading.Lock()
        self._changing = threading.Lock()
        self._holding = threading.Lock()
        """Held while a base is broken off or closed: never one within the other."""
        self._stopping = threading.Event()
        self._leaving = threading.Event()
        """Set while a base goes that is not even to answer what it was asked."""
        self._thread: threading.Thread | None = None
        self._base: Base | None = None
        self._filled: tuple[Bundle, Extracted] | None = None
        self._asked_at = 0
        self._view = BaseView(state="none", customers=0, instant="", seconds=0.0)

    def view(self) -> BaseView:
        """Return how far the base is."""
        return self._view

    def prepare(self, engine: BaseEngine = "duckdb") -> BaseView:
        """Begin to take a base of now, unless one is being taken; the older one is let go.

        Raises:
            ConflictError: Spark is to be asked and cannot be; the older base stays.
        """
        if engine == "spark":
            self._require_spark()
        if self._view.state == "ready":
            # Its thread waits for nobody to ask any more, and would be taken for one that fills.
            # Whoever asks the older one is answered first.
            self._drop(breaks_off=False)
        with self._changing:
            if self._thread is None or not self._thread.is_alive():
                self._let_go()
                self._view = BaseView(
                    state="filling", customers=0, instant="", seconds=0.0, engine=engine
                )
                self._thread = threading.Thread(target=self._run, name="kept-base", daemon=True)
                self._thread.start()
        return self._view

    def ask(self, question: Question[T]) -> T:
        """Return what the base says; whoever asks waits until no one else does.

        Raises:
            ConflictError: there is no base, it is of an older brand, or it is let go meanwhile.
        """
        _, _, controls, version = self._in_force()
        with self._asking:
            base, filled = self._base, self._filled
            if base is None or filled is None or self._leaving.is_set():
                raise ConflictError(
                    "there is no base to ask; prepare one first: `kept base prepare`"
                )
            bundle, extracted = filled
            if bundle.policy.version != version:
                message = "the brand changed since the base was taken; prepare another one"
                raise ConflictError(message)
            self._asked_at = read_monotonic()
            try:
                return question(base, bundle, extracted, controls)
            except StoreError as error:
                if self._leaving.is_set():
                    message = "the base was let go while it was asked; prepare another one"
                    raise ConflictError(message) from error
                raise

    def drop(self) -> BaseView:
        """Let go of the base; a question that is being answered is broken off."""
        return self._drop(breaks_off=True)

    stop = drop

    def _drop(self, *, breaks_off: bool) -> BaseView:
        if breaks_off:
            self._leaving.set()
        self._stopping.set()
        thread = self._thread
        while thread is not None and thread.is_alive():
            if breaks_off:
                self._break_off()
            thread.join(_BREAK_SECONDS)
        self._stopping.clear()
        self._leaving.clear()
        with self._changing:
            self._let_go()
            self._view = BaseView(state="none", customers=0, instant="", seconds=0.0)
        return self._view

    # -- the thread

    def _in_force(self) -> tuple[Bundle, FoldPlan, Controls, str]:
        def look(engine: Engine, now: int) -> tuple[Bundle, FoldPlan, Controls, str]:
            return engine.bundle, engine.plan, engine.controls, engine.bundle.policy.version

        found: tuple[Bundle, FoldPlan, Controls, str] = self._submit(look).result()
        return found

    def _run(self) -> None:
        try:
            self._fill()
        except KeptError as error:
            _log.warning("a base could not be taken: %s", error)
            self._view = msgspec.structs.replace(
                self._view, state="failed", problem=f"{error} [{error.code}]"
            )
            return
        except Exception as error:  # noqa: BLE001 - the outer edge: or it would be filling for ever
            kind = type(error).__name__  # its text may quote a value
            _log.error("a base could not be taken: %s", kind)
            self._view = msgspec.structs.replace(
                self._view, state="failed", problem=f"something unforeseen went wrong ({kind})"
            )
            return
        while not self._stopping.wait(_LOOK_SECONDS):
            idle = (read_monotonic() - self._asked_at) / SECOND
            if self._filled is None or idle > limits.BASE_KEPT_SECONDS:
                break
        self._let_go()
        self._view = BaseView(state="none", customers=0, instant="", seconds=0.0)

    def _fill(self) -> None:
        started = read_monotonic()
        bundle, plan, _, _ = self._in_force()
        reader: SnapshotStore = self._submit(lambda engine, now: engine.store).result()
        base = self._open(self._view.engine)

        def go_on(count: int) -> bool:
            seconds = (read_monotonic() - started) / SECOND
            self._view = msgspec.structs.replace(self._view, customers=count, seconds=seconds)
            return not self._stopping.is_set()

        try:
            with reader.snapshot() as snapshot:
                # After the snapshot: whatever is in it happened before this instant.
                now = self._clock.now()
                extracted = extract_base(base, snapshot, bundle, plan, now=now, go_on=go_on)
            if extracted is not None:
                self._prove(base, bundle, extracted)
        except BaseException:
            base.close()
            raise
        if extracted is None:
            base.close()
            return
        self._asked_at = read_monotonic()
        self._base, self._filled = base, (bundle, extracted)
        self._view = BaseView(
            state="ready",
            engine=self._view.engine,
            customers=extracted.customers,
            instant=format_instant(extracted.instant),
            seconds=(read_monotonic() - started) / SECOND,
        )

    def _prove(self, base: Base, bundle: Bundle, extracted: Extracted) -> None:
        _, _, controls, _ = self._in_force()
        if find_differences(base, bundle, extracted, controls):
            self._submit(lambda engine, now: engine.alert("base_differs", at=now)).result()
            raise StoreError("the base decides otherwise than the engine; it is not asked")

    def _open(self, engine: BaseEngine) -> Base:
        if engine == "duckdb":
            return DuckDbBase(threads=limits.BASE_THREADS, memory_limit=limits.BASE_MEMORY)
        return SparkBase(
            open_session(self._settings.spark_master), Path(self._settings.spark_folder)
        )

    def _require_spark(self) -> None:
        """Refuse before anything is let go of for what cannot be had."""
        folder = self._settings.spark_folder
        if not self._settings.spark_master or not folder:
            raise ConflictError(
                "there is no Spark cluster to ask: start the server with KEPT_SPARK_MASTER "
                "(spark://HOST:PORT) and KEPT_SPARK_FOLDER (a folder that all of its machines see)"
            )
        if not Path(folder).is_absolute() or not os.access(folder, os.W_OK | os.X_OK):
            raise ConflictError(
                f"KEPT_SPARK_FOLDER is {folder!r}: it must be the whole path of a folder that is "
                "there and that this server may write to"
            )
        missing = find_missing()
        if missing:
            raise ConflictError(missing)

    def _break_off(self) -> None:
        # A cluster that cannot be told so any more answers nothing either.
        with self._holding, suppress(StoreError):
            if self._base is not None:
                self._base.interrupt()

    def _let_go(self) -> None:
        with self._asking, self._holding:
            base, self._base, self._filled = self._base, None, None
            if base is not None:
                base.close()
