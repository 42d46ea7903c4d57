"""Rows on the whole path: HTTP in, identity, fold, decide, durable, acknowledged.

Each service runs alone on the machine, on a fresh directory, with the load generator beside it;
within a round they follow each other, so that what disturbs the machine disturbs all of them.
"""

import time
from pathlib import Path

import msgspec

from bench.baseline.serve import running_baseline
from bench.load import Result, run_load
from bench.row import Figures
from bench.scale import Scale
from bench.service import (
    Service,
    StartService,
    running_array_baseline,
    running_front,
    running_kept,
    running_own_front,
)
from bench.stream import EVENT_PATH, Plan
from bench.workspace import fresh_directory

KEPT = "Kept"
BASELINE = "FastAPI + SQLAlchemy + PostgreSQL, storing only"
ARRAYS = "the same with a hand-written array statement"
OWN_FRONT = "Kept's own front: read, claim, append"
FRONT = "bare front: decode and append"
SERVICES: dict[str, StartService] = {
    KEPT: running_kept,
    BASELINE: running_baseline,
    ARRAYS: running_array_baseline,
    OWN_FRONT: running_own_front,
    FRONT: running_front,
}

BATCH_SIZE = 100
BATCH_CONNECTIONS = 16
SINGLE_CONNECTIONS = 64
THROUGHPUT = "events/s"
CPU = "CPU µs an event"


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One closed loop: what came through and what it cost the service."""

    result: Result
    events_per_second: float
    cpu_us_per_event: float


def batch_row(name: str) -> str:
    """Return the name of a service's row for batches."""
    return f"batches of {BATCH_SIZE}: {name}"


def single_row(name: str) -> str:
    """Return the name of a service's row for single events."""
    return f"single events, {SINGLE_CONNECTIONS} at a time: {name}"


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Run every service in every round."""
    for round_number in range(scale.rounds):
        for name, start in SERVICES.items():
            with fresh_directory(directory) as fresh, start(fresh) as service:
                introduce(service, count=scale.hot_customers)
                batches = saturate(service, scale, batch_size=BATCH_SIZE, seed=round_number)
                singles = saturate(service, scale, batch_size=1, seed=round_number)
            _note(figures, batch_row(name), batches)
            _note(figures, single_row(name), singles)
    for row in (batch_row, single_row):
        figures.compare(row(KEPT), row(BASELINE))
        # Of a cost, the ratio that one wants is the other way round: a front's to Kept's.
        for front in (FRONT, OWN_FRONT):
            figures.compare(_cost(row(front)), _cost(row(KEPT)))
        figures.compare(row(ARRAYS), row(BASELINE))


def saturate(
    service: Service,
    scale: Scale,
    *,
    batch_size: int,
    seed: int = 0,
    customers: int = 0,
    seconds: float = 0.0,
) -> Measured:
    """Send as much as the service takes, and return what it took and what that cost."""
    is_batch = batch_size > 1
    plan = Plan(
        port=service.port,
        path="/v1/batch" if is_batch else EVENT_PATH,
        headers=dict(service.headers),
        body="batches" if is_batch else "events",
        batch_size=batch_size,
        connections=BATCH_CONNECTIONS if is_batch else SINGLE_CONNECTIONS,
        seconds=seconds or scale.seconds,
        warm_up_seconds=scale.warm_up_seconds,
        customers=customers or scale.hot_customers,
        seed=seed,
        tag=make_tag(),
    )
    cpu = service.read_cpu_seconds()
    # The processor's time covers the warm-up too, so the events of both are needed.
    result = run_load(plan)
    cpu = service.read_cpu_seconds() - cpu
    check_success(result)
    answered = result.requests + result.warm_up_requests
    return Measured(
        result=result,
        events_per_second=result.per_second * batch_size,
        cpu_us_per_event=cpu * 1e6 / (answered * batch_size),
    )


def introduce(service: Service, *, count: int, first: int = 0) -> None:
    """Send one event about each of so many customers, in their order."""
    result = run_load(
        Plan(
            port=service.port,
            path="/v1/batch",
            headers=dict(service.headers),
            body="first_events",
            batch_size=BATCH_SIZE,
            connections=BATCH_CONNECTIONS,
            seconds=3_600,
            warm_up_seconds=0,
            request_count=-(-count // BATCH_SIZE),
            first_customer=first,
            customers=count,
            order="sequential",
            tag=make_tag(),
        )
    )
    check_success(result)


def check_success(result: Result) -> None:
    """Raise where anything was refused: a figure of refusals is no figure."""
    if result.failures or not result.requests:
        answers = f"{result.statuses}\n{result.last_answer}"
        raise RuntimeError(f"not everything was answered with 200: {answers}")


def _note(figures: Figures, row: str, measured: Measured) -> None:
    figures.add(row, measured.events_per_second, THROUGHPUT)
    figures.add(_cost(row), measured.cpu_us_per_event, CPU)


def _cost(row: str) -> str:
    return f"cost of {row}"


def make_tag() -> str:
    """Return what makes a run's message ids differ from those of any other: the time in ms."""
    return f"{time.time_ns() // 1_000_000 & 0xFFFF_FFFF:08x}"
