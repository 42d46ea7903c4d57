"""Rows on a million stored customers: start, memory, and customers at random against hot ones."""

import time
from pathlib import Path

from bench.latency import FSYNC, latency_row, measure_half_load
from bench.row import Figures
from bench.scale import Scale
from bench.service import running_kept
from bench.whole_path import (
    BATCH_SIZE,
    KEPT,
    THROUGHPUT,
    introduce,
    saturate,
)
from bench.workspace import fresh_directory

MIB = 1024 * 1024


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Store a base in steps, start anew on it, and measure it."""
    count = scale.stored_customers
    random_row = f"batches of {BATCH_SIZE}, at random over {count:,} customers"
    hot_row = f"batches of {BATCH_SIZE}, {scale.hot_customers:,} hot of {count:,} customers"
    name = f"{KEPT}, at random over {count:,}"
    with fresh_directory(directory) as fresh:
        _store_in_steps(figures, scale, fresh)
        for round_number in range(scale.rounds):
            begun = time.perf_counter()
            with running_kept(fresh) as kept:
                figures.add(f"ready with {count:,} customers", time.perf_counter() - begun, "s")
                measure_half_load(figures, kept, scale, name=name, customers=count)
                at_random = saturate(
                    kept, scale, batch_size=BATCH_SIZE, seed=round_number, customers=count
                )
                introduce(kept, count=scale.hot_customers)
                hot = saturate(kept, scale, batch_size=BATCH_SIZE, seed=round_number)
                memory = kept.program.read_resident_bytes() / MIB
            figures.add(f"resident memory with {count:,} customers", memory, "MiB")
            figures.add(random_row, at_random.events_per_second, THROUGHPUT)
            figures.add(f"cost of {random_row}", at_random.cpu_us_per_event, "CPU µs an event")
            figures.add(hot_row, hot.events_per_second, THROUGHPUT)
            figures.add(f"cost of {hot_row}", hot.cpu_us_per_event, "CPU µs an event")
    figures.compare(random_row, hot_row)
    if figures.rounds(f"{FSYNC}, p99"):
        figures.compare(latency_row(name, "p99"), f"{FSYNC}, p99")


def _store_in_steps(figures: Figures, scale: Scale, fresh: Path) -> None:
    """Introduce customers, and measure at each size on the way: how throughput grows with them."""
    stored = 0
    for count in scale.customer_counts:
        with running_kept(fresh) as kept:
            introduce(kept, first=stored, count=count - stored)
            stored = count
            measured = saturate(kept, scale, batch_size=BATCH_SIZE, customers=count)
        row = f"growth: at random over {count:,} customers"
        figures.add(row, measured.events_per_second, THROUGHPUT)
        figures.add(f"cost of {row}", measured.cpu_us_per_event, "CPU µs an event")
