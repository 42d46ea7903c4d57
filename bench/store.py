"""Rows on what the embedded store costs its writing thread, layer upon layer.

Batches of one hundred events a commit, on the disk before the answer. Each row adds one duty to the
row above it: with customers who come again and again, and with many times more of them, evenly
drawn. Checkpoints, which run beside, are counted apart.

    python -m bench.store [--quick]
"""

import argparse
import random
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from bench.fsync import percentile
from bench.row import Figures
from bench.scale import FULL, QUICK, Scale
from bench.whole_path import BATCH_SIZE, CPU
from bench.workspace import fresh_directory
from kept.core.event import Event, Identifier
from kept.ports import StateRow
from kept.runtime.master_key import open_keys
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import SealingVault

NOW = 1_767_225_600_000_000
EVENTS_PER_SECOND = 10_000
"""How many events a round takes for each second of its scale."""

STATE_BYTES = (1_000, 3_000)
STATES_A_COMMIT = 500
BEHIND_SHARE = 0.5
"""How far states lie behind the stream before they are written, as a share of a round's events."""

HOUR_EVENTS = 1_000_000
DUTIES = (
    "append",
    "+ de-duplicate",
    "+ find the customer",
    "+ load the state if cold",
    "+ write states behind",
)
APPEND, CLAIM, FIND, LOAD, WRITE = range(len(DUTIES))


class Base:
    """A store with so many customers, and events that are evenly theirs."""

    def __init__(self, store: SqliteStore, *, customers: int, is_cold: bool, behind: int) -> None:
        """Fill the store with the customers and a state for each."""
        self.store = store
        self._customers = customers
        self._is_cold = is_cold
        self._behind = behind
        self._draw = random.Random(1)
        self._blob = self._draw.randbytes(STATE_BYTES[1])
        self._bodies = [make_properties(self._draw) for _ in range(64)]
        self._sequence = 0
        # Part -> its oldest event that no stored state holds; oldest first.
        self._dirty: dict[int, int] = {}
        for start in range(1, customers + 1, 5_000):
            part_ids = range(start, min(start + 5_000, customers + 1))
            with store.transaction():
                for part_id in part_ids:
                    store.add_part(make_identifier(part_id), claimed=False, customer_id=None)
                store.save_states([self._make_state(part_id) for part_id in part_ids], mark=0)

    def make_batch(self) -> list[tuple[int, Event]]:
        """Return the next events with the parts that they fall to."""
        draw = self._draw
        keys = [draw.getrandbits(63) for _ in range(BATCH_SIZE)]
        part_ids = [draw.randrange(self._customers) + 1 for _ in keys]
        return [
            (part_id, make_event(key, part_id, draw.choice(self._bodies)))
            for key, part_id in zip(keys, part_ids, strict=True)
        ]

    def take(self, batch: Sequence[tuple[int, Event]], duty: int) -> None:
        """Commit a batch, doing every duty up to this one, event by event as the flows do."""
        store = self.store
        with store.transaction():
            for part_id, event in batch:
                if duty >= CLAIM:
                    assert store.claim(event.event_key, hour=self._sequence // HOUR_EVENTS)
                if duty >= FIND:
                    store.find_parts([(event.identifiers[0], False)])
                if duty >= LOAD and self._is_cold:
                    store.load_states([part_id])
                self._sequence = store.append_event(part_id, event)
                self._dirty.setdefault(part_id, self._sequence)
            if duty >= WRITE:
                self._write_behind()

    def _write_behind(self) -> None:
        last = self._sequence - self._behind
        oldest = islice(self._dirty.items(), STATES_A_COMMIT)
        due = [part_id for part_id, sequence in oldest if sequence <= last]
        for part_id in due:
            del self._dirty[part_id]
        mark = next(iter(self._dirty.values()), self._sequence + 1) - 1
        self.store.save_states([self._make_state(part_id) for part_id in due], mark=mark)

    def _make_state(self, part_id: int) -> StateRow:
        least, most = STATE_BYTES
        state = self._blob[: least + part_id * 7919 % (most - least)]
        return StateRow(part_id=part_id, applied_sequence=self._sequence, state=state)


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Measure every duty with few and with many customers."""
    events = max(int(scale.seconds * EVENTS_PER_SECOND), 10 * BATCH_SIZE)
    behind = int(events * BEHIND_SHARE)
    for customers in (scale.hot_customers, scale.stored_customers):
        is_cold = customers != scale.hot_customers
        with fresh_directory(directory) as fresh:
            store = SqliteStore(fresh, vault=SealingVault(open_keys(fresh)))
            base = Base(store, customers=customers, is_cold=is_cold, behind=behind)
            name = f"store, {customers:,} customers: "
            for _ in range(scale.rounds):
                for duty, title in enumerate(DUTIES):
                    if duty == LOAD and not is_cold:
                        continue
                    # Once states lie far enough behind, each commit is as dear as the next.
                    warm_up(base, duty, events=behind if duty == WRITE else behind // 10)
                    measure_duty(base, duty, events=events, figures=figures, name=name + title)
            store.close()


def warm_up(base: Base, duty: int, *, events: int) -> None:
    """Take events without measuring."""
    for _ in range(events // BATCH_SIZE):
        base.take(base.make_batch(), duty)


def measure_duty(base: Base, duty: int, *, events: int, figures: Figures, name: str) -> None:
    """Add a round: processor time of the writer and of what runs beside, and the commits."""
    process, writer, making, commits = time.process_time(), 0.0, 0.0, []
    for _ in range(events // BATCH_SIZE):
        begun = time.thread_time()
        batch = base.make_batch()
        taken, at = time.thread_time(), time.perf_counter()
        base.take(batch, duty)
        commits.append(time.perf_counter() - at)
        writer += time.thread_time() - taken
        making += taken - begun
    beside = max(time.process_time() - process - writer - making, 0.0)
    figures.add(name, writer / events * 1e6, CPU)
    if duty == WRITE:
        figures.add(f"{name}; beside, checkpoints", beside / events * 1e6, CPU)
        figures.add(f"{name}; p50 of a commit", percentile(sorted(commits), 50) * 1e3, "ms")
        figures.add(f"{name}; p99 of a commit", percentile(sorted(commits), 99) * 1e3, "ms")
        figures.add(f"{name}; at most", events / sum(commits), "events/s")


def make_identifier(part_id: int) -> Identifier:
    """Return the identifier that began a part."""
    return Identifier("user_id", f"customer-{part_id:09d}")


def make_event(key: int, part_id: int, properties: dict[str, object]) -> Event:
    """Return an event of 600 to 700 bytes."""
    return Event(
        event_key=key,
        message_id=f"{key:020d}",
        source="web",
        name="Product Viewed",
        type="track",
        occurred_at=NOW + key % 10**12,
        received_at=NOW,
        identifiers=(make_identifier(part_id),),
        vouched_count=1,
        claim_hour=NOW // 3_600_000_000,
        properties=properties,
    )


def make_properties(draw: random.Random) -> dict[str, object]:
    """Return the properties of an event."""
    return {
        "product_id": f"p-{draw.randrange(10**6)}",
        "price": draw.randrange(10_000),
        "currency": "EUR",
        "category": draw.choice(("shoes", "books", "garden")),
        "url": f"https://shop.example/{draw.getrandbits(64):x}",
        "position": draw.randrange(50),
        "note": f"{draw.getrandbits(8 * 160):x}",
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--directory", type=Path, default=Path("var") / "bench")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    figures = Figures()
    measure(figures, QUICK if options.quick else FULL, options.directory)
    for row in figures.rows():
        print(f"{row.value:>9,} {row.unit:<16} ±{figures.spread(row.name):<5.0%} {row.name}")


if __name__ == "__main__":
    main()
