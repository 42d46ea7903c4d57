"""Rows on history: how fast events become Parquet, how long they are there, and what it costs others.

A store is filled through the engine first. Then everything is exported at once, without the rests
that a server takes; and once more, with them, while the engine takes batches as fast as it can.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.brand import ARCHIVE, make_brand
from bench.case import make_case
from bench.row import Figures
from bench.scale import Scale
from bench.stream import Plan, Stream
from bench.whole_path import BATCH_SIZE
from bench.workspace import fresh_directory
from kept.analytics import ParquetHistory
from kept.clock import SystemClock
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.flows.engine import Engine
from kept.flows.export_history import HistoryWriter
from kept.flows.history_list import load_progress
from kept.flows.ingest import ingest
from kept.ports import Vault
from kept.runtime.histories import REST_SECONDS_MAX, REST_SHARE
from kept.runtime.master_key import open_keys
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import PlainVault, SealingVault
from kept.web.wire.batch import parse_batch, read_batch

EXPORTED = "history: events exported, sealed, without resting"
LENGTH = "history: an event in a file, sealed"
FOLDER = "history"
ALONE = "history: engine without HTTP, nothing exported beside"
BESIDE = "history: engine without HTTP, history exported beside"
Job = Callable[[Engine, int], Any]


class Side:
    """A store that takes batches on this thread, and jobs of another between them."""

    def __init__(self, folder: Path, vault: Vault, scale: Scale, *, seed: int) -> None:
        """Open an empty store."""
        self.clock = SystemClock()
        bundle = compile_brand(load_brand(make_brand(make_case())))
        self.store = SqliteStore(folder, vault=vault)
        self.engine = Engine(self.store, bundle, secret=b"bench", public_url="http://127.0.0.1")
        self._touchpoint = bundle.touchpoints[ARCHIVE]
        self._stream = Stream(
            Plan(
                port=0,
                path="",
                body="batches",
                customers=scale.hot_customers,
                seed=seed,
                tag=f"history{seed}",
            )
        )
        self._jobs: queue.SimpleQueue[tuple[Job, queue.SimpleQueue[Any]]] = queue.SimpleQueue()

    def take(self, seconds: float) -> tuple[int, float]:
        """Take batches for a while; return how many events, and how long it took."""
        count, begun = 0, time.perf_counter()
        while time.perf_counter() < begun + seconds:
            now = self.clock.now()
            batch = read_batch(bytes(self._stream.next_request()))
            assert batch is not None
            parsed = parse_batch(batch, self._touchpoint, received_at=now)
            with self.store.transaction():
                ingest(self.engine, parsed.events, [], source=ARCHIVE, now=now)
            self.work()
            count += BATCH_SIZE
        return count, time.perf_counter() - begun

    def work(self) -> None:
        """Do what another thread asked for."""
        while not self._jobs.empty():
            job, answer = self._jobs.get()
            with self.store.transaction():
                done = job(self.engine, self.clock.now())
            answer.put(done)

    def ask(self, job: Job) -> Any:
        """Have a job done by the thread that takes batches."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._jobs.put((job, answer))
        return answer.get()

    def do(self, job: Job) -> Any:
        """Do a job on this thread."""
        with self.store.transaction():
            return job(self.engine, self.clock.now())


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Measure a sealed store and one that is not, and then both works beside each other."""
    for seed in range(scale.rounds):
        with fresh_directory(directory) as fresh:
            side = Side(fresh, SealingVault(open_keys(fresh)), scale, seed=seed)
            speed, length = _export(side, fresh, scale)
            figures.add(EXPORTED, speed, "events/s")
            figures.add(LENGTH, length, "bytes")
            _measure_beside(figures, side, fresh, scale)
            side.store.close()
        with fresh_directory(directory) as fresh:
            side = Side(fresh, PlainVault(), scale, seed=seed)
            speed, length = _export(side, fresh, scale)
            figures.add("history: events exported, unsealed", speed, "events/s", against=EXPORTED)
            figures.add("history: an event in a file, unsealed", length, "bytes", against=LENGTH)
            side.store.close()


def _export(side: Side, fresh: Path, scale: Scale) -> tuple[float, float]:
    """Fill a store and export it; return events a second, and the bytes of one."""
    side.take(scale.seconds)
    history = ParquetHistory(fresh / FOLDER)
    writer = HistoryWriter(side.do, lambda: side.store, history, rest=lambda: None)
    count, begun = side.store.last_sequence(), time.perf_counter()
    while writer.export(is_all=True):
        pass
    taken = time.perf_counter() - begun
    history.close()
    return count / taken, load_progress(side.store).size / count


def _measure_beside(figures: Figures, side: Side, fresh: Path, scale: Scale) -> None:
    count, seconds = side.take(scale.seconds)
    figures.add(ALONE, count / seconds, "events/s")
    history = ParquetHistory(fresh / FOLDER)
    rested_at, is_over = time.perf_counter(), threading.Event()

    def rest() -> None:
        nonlocal rested_at
        worked = time.perf_counter() - rested_at
        is_over.wait(min(worked * REST_SHARE, REST_SECONDS_MAX))
        rested_at = time.perf_counter()

    writer = HistoryWriter(side.ask, lambda: side.store, history, rest=rest)

    def export() -> None:
        while not is_over.is_set():
            writer.export(is_all=True)
            rest()

    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(export)
        try:
            count, seconds = side.take(scale.seconds)
        finally:
            is_over.set()
        while not exporting.done():
            side.work()
        # What failed there was no work beside.
        exporting.result()
    figures.add(BESIDE, count / seconds, "events/s", against=ALONE)
    history.close()
