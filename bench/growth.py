"""Rows on growth: what happens to the throughput as actions, and events per customer, grow.

How it changes with the number of customers is measured while a base is stored: see `large_base`.
"""

from pathlib import Path

from bench.case import make_case
from bench.load import run_load
from bench.row import Figures
from bench.scale import Scale
from bench.service import Kept, running_kept
from bench.stream import Plan
from bench.whole_path import (
    BATCH_CONNECTIONS,
    BATCH_SIZE,
    CPU,
    THROUGHPUT,
    Measured,
    check_success,
    introduce,
    make_tag,
    saturate,
)
from bench.workspace import fresh_directory

DEEP_CUSTOMERS = 1_000
"""Few enough that each can be given a long history."""


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Measure one dimension after the other."""
    for _ in range(scale.rounds):
        _measure_actions(figures, scale, directory)
    # Once: to tell a thousand things about each of a thousand customers takes its time.
    _measure_histories(figures, scale, directory)


def _measure_actions(figures: Figures, scale: Scale, directory: Path) -> None:
    for count in scale.action_counts:
        # Conditions grow along, twenty to fifty actions.
        case = make_case(condition_count=max(count * 2 // 5, 1), action_count=count)
        with fresh_directory(directory) as fresh, running_kept(fresh, case=case) as kept:
            introduce(kept, count=scale.hot_customers)
            measured = saturate(kept, scale, batch_size=BATCH_SIZE)
        _note(figures, f"growth: {count} actions", measured)


def _measure_histories(figures: Figures, scale: Scale, directory: Path) -> None:
    customers = min(DEEP_CUSTOMERS, scale.hot_customers)
    for count in scale.events_per_customer:
        with fresh_directory(directory) as fresh, running_kept(fresh) as kept:
            _tell(kept, customers=customers, events=count * customers)
            measured = saturate(kept, scale, batch_size=BATCH_SIZE, customers=customers)
        _note(figures, f"growth: from {count:,} events a customer on", measured)


def _tell(kept: Kept, *, customers: int, events: int) -> None:
    """Give customers a history."""
    result = run_load(
        Plan(
            port=kept.port,
            path="/v1/batch",
            headers=dict(kept.headers),
            body="batches",
            connections=BATCH_CONNECTIONS,
            seconds=3_600,
            warm_up_seconds=0,
            request_count=-(-events // BATCH_SIZE),
            customers=customers,
            tag=make_tag(),
        )
    )
    check_success(result)


def _note(figures: Figures, row: str, measured: Measured) -> None:
    figures.add(row, measured.events_per_second, THROUGHPUT)
    figures.add(f"cost of {row}", measured.cpu_us_per_event, CPU)
