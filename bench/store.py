"""What the embedded store costs: CPU of the writing thread for each event, layer upon layer.

Batches of one hundred events a commit, on disk before the answer. Each row adds one duty to the row
above it, with 10,000 customers who come again and again and with a million at random.

    python -m bench.store [--events 100000] [--customers 1000000] [--rounds 3]
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.fsync import percentile
from bench.row import Figures
from kept.core.event import Event, Identifier
from kept.ports import StateRow
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import PlainVault

BATCH = 100
HOT_CUSTOMERS = 10_000
STATE_BYTES_MIN, STATE_BYTES_MAX = 1_000, 3_000
EVENTS_BEHIND = 50_000
"""How far states may lie behind the stream before they are written."""

STATES_A_COMMIT = 500
HOUR_EVENTS = 1_000_000
DUTIES = ("append", "de-duplicate", "find the customer", "load cold states", "write states behind")


class Load:
    """Events of customers drawn evenly from so many, and what is dirty of them."""

    def __init__(self, store: SqliteStore, *, customers: int, seed: int) -> None:
        """Prepare bodies of 600 to 700 bytes."""
        self.store = store
        self.customers = customers
        self._random = random.Random(seed)
        self._blob = self._random.randbytes(STATE_BYTES_MAX)
        self._bodies = [_make_properties(self._random) for _ in range(64)]
        self._sequence = store.last_sequence()
        # Part -> sequence of its oldest event that no stored state holds; oldest first.
        self._dirty: dict[int, int] = {}

    def make_batch(self) -> list[tuple[int, Event]]:
        """Return the next events with the parts that they fall to."""
        draw, batch = self._random, []
        for _ in range(BATCH):
            part_id = draw.randrange(self.customers) + 1
            key = draw.getrandbits(63)
            event = Event(
                event_key=key,
                message_id=f"{key:020d}",
                source="web",
                name="Product Viewed",
                type="track",
                occurred_at=1_767_225_600_000_000 + key % 10**12,
                received_at=1_767_225_600_000_000,
                identifiers=(make_identifier(part_id),),
                vouched_count=1,
                properties=draw.choice(self._bodies),
            )
            batch.append((part_id, event))
        return batch

    def take(self, batch: Sequence[tuple[int, Event]], duties: int) -> None:
        """Commit a batch, doing as many of the duties as asked."""
        store, dirty = self.store, self._dirty
        with store.transaction():
            if duties > 2:
                store.find_parts([(event.identifiers[0], False) for _, event in batch])
            if duties > 3 and self.customers > HOT_CUSTOMERS:
                store.load_states([part_id for part_id, _ in batch])
            for part_id, event in batch:
                if duties > 1:
                    assert store.claim(event.event_key, hour=self._sequence // HOUR_EVENTS)
                self._sequence = store.append_event(part_id, event)
                dirty.setdefault(part_id, self._sequence)
            if duties > 4:
                self._write_behind()

    def _write_behind(self) -> None:
        due: list[int] = []
        for part_id, oldest in self._dirty.items():
            if oldest > self._sequence - EVENTS_BEHIND or len(due) == STATES_A_COMMIT:
                break
            due.append(part_id)
        for part_id in due:
            del self._dirty[part_id]
        mark = next(iter(self._dirty.values()), self._sequence + 1) - 1
        self.store.save_states([self.make_state(part_id) for part_id in due], mark=mark)

    def make_state(self, part_id: int) -> StateRow:
        """Return a state of 1 to 3 KB."""
        size = STATE_BYTES_MIN + part_id * 7919 % (STATE_BYTES_MAX - STATE_BYTES_MIN)
        return StateRow(part_id=part_id, applied_sequence=self._sequence, state=self._blob[:size])


def make_identifier(part_id: int) -> Identifier:
    """Return the identifier that began a part."""
    return Identifier("user_id", f"customer-{part_id:09d}")


def fill(store: SqliteStore, *, customers: int) -> None:
    """Store the customers and a state for each."""
    load = Load(store, customers=customers, seed=0)
    for start in range(1, customers + 1, 5_000):
        part_ids = range(start, min(start + 5_000, customers + 1))
        with store.transaction():
            for part_id in part_ids:
                store.add_part(make_identifier(part_id), claimed=False, customer_id=None)
            store.save_states([load.make_state(part_id) for part_id in part_ids], mark=0)


def measure(load: Load, *, duties: int, events: int) -> dict[str, float]:
    """Return CPU of the writer and of the checkpoints in µs an event, and commit times in ms."""
    begun_all, writer, commits = time.process_time(), 0.0, []
    making = 0.0
    for _ in range(events // BATCH):
        before = time.thread_time()
        batch = load.make_batch()
        begun, wall = time.thread_time(), time.perf_counter()
        load.take(batch, duties)
        commits.append(time.perf_counter() - wall)
        writer += time.thread_time() - begun
        making += begun - before
    beside = time.process_time() - begun_all - writer - making
    commits.sort()
    return {
        "writer": writer / events * 1e6,
        "checkpoints": max(beside, 0.0) / events * 1e6,
        "p50": percentile(commits, 50) * 1e3,
        "p99": percentile(commits, 99) * 1e3,
        "rate": events / sum(commits),
    }


def measure_store(
    directory: Path,
    figures: Figures,
    *,
    customers: int,
    events: int,
    rounds: int,
    show: Callable[[str], None],
) -> None:
    """Measure every duty with this many customers, and add the rounds to the figures."""
    folder = directory / f"store-{customers}"
    store = SqliteStore(folder, vault=PlainVault())
    try:
        fill(store, customers=customers)
        for round_number in range(rounds):
            for duties, duty in enumerate(DUTIES, start=1):
                load = Load(store, customers=customers, seed=round_number * 100 + duties)
                if duties == len(DUTIES):
                    # Only once states lie far enough behind is each commit as dear as the next.
                    measure(load, duties=duties, events=EVENTS_BEHIND)
                found = measure(load, duties=duties, events=events)
                name = f"store, {customers} customers, {'+ ' if duties > 1 else ''}{duty}"
                figures.add(name, found["writer"], "CPU µs/event")
                figures.add(f"{name}: p99 of a commit", found["p99"], "ms")
                show(
                    f"{customers:>9} {duty:<20} {found['writer']:>7.1f} {found['checkpoints']:>7.1f}"
                    f" {found['p50']:>7.2f} {found['p99']:>7.2f} {found['rate']:>9.0f}"
                )
    finally:
        store.close()
        shutil.rmtree(folder)


def _make_properties(draw: random.Random) -> dict[str, object]:
    """Return properties that make an event of 600 to 700 bytes."""
    return {
        "product_id": f"p-{draw.randrange(10**6)}",
        "price": draw.randrange(10_000),
        "currency": "EUR",
        "category": draw.choice(("shoes", "books", "garden")),
        "url": f"https://shop.example/{draw.getrandbits(64):x}",
        "position": draw.randrange(50),
        "note": f"{draw.getrandbits(8 * 130):x}",
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    figures = Figures()
    print(
        f"{'customers':>9} {'duty':<20} {'writer':>7} {'beside':>7} {'p50 ms':>7} {'p99 ms':>7}"
        f" {'events/s':>9}   (CPU µs an event)"
    )
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        for customers in (HOT_CUSTOMERS, options.customers):
            measure_store(
                Path(directory),
                figures,
                customers=customers,
                events=options.events,
                rounds=options.rounds,
                show=print,
            )
    print("\nmedians")
    for row in figures.rows():
        print(f"{row.value:>9} {row.unit:<13} {row.name}")


if __name__ == "__main__":
    main()
