"""Rows on latency: how long until an event is acknowledged at half of what the service can take.

Single events come at a fixed rate, at random moments, from a process of their own, and each is
timed from the moment at which it was due. Beside them stands a bare fsync of the same disk in the
same run, which no durable answer can beat.
"""

from pathlib import Path

from bench.baseline.serve import running_baseline
from bench.fsync import measure_fsync, percentile
from bench.load import Result, run_load
from bench.row import Figures
from bench.scale import Scale
from bench.service import Service, StartService, running_kept
from bench.stream import EVENT_PATH, Plan
from bench.whole_path import BASELINE, KEPT, check_success, introduce, make_tag, saturate
from bench.workspace import fresh_directory

UNIT = "ms"
FSYNC = "bare fsync of 64 KiB"
SERVICES: dict[str, StartService] = {KEPT: running_kept, BASELINE: running_baseline}


def latency_row(name: str, percent: str) -> str:
    """Return the name of a service's row."""
    return f"acknowledged at half load, {name}, {percent}"


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Find each service's saturation, and time events at half of it."""
    for _ in range(scale.rounds):
        for name, start in SERVICES.items():
            with fresh_directory(directory) as fresh, start(fresh) as service:
                introduce(service, count=scale.hot_customers)
                measure_half_load(figures, service, scale, name=f"{name}, hot customers")
        note_fsync(figures, directory, scale)
    figures.compare(latency_row(f"{KEPT}, hot customers", "p99"), f"{FSYNC}, p99")


def note_fsync(figures: Figures, directory: Path, scale: Scale) -> None:
    """Time the bare disk, while nothing else of ours runs."""
    seconds = sorted(measure_fsync(directory, count=scale.fsyncs))
    for percent in (50, 99):
        figures.add(f"{FSYNC}, p{percent}", percentile(seconds, percent) * 1e3, UNIT)


def measure_half_load(
    figures: Figures, service: Service, scale: Scale, *, name: str, customers: int = 0
) -> None:
    """Saturate a service with single events, then send half as many and note how long each took."""
    full = saturate(service, scale, batch_size=1, customers=customers).events_per_second
    result = run_at_rate(service, scale, rate=full / 2, customers=customers)
    figures.add(f"half load of {name}", full / 2, "events/s")
    for percent in ("p50", "p99", "p99.9"):
        figures.add(latency_row(name, percent), result.latency_ms[percent], UNIT)
    # Where this is large, something else kept the machine busy, and the figures say little.
    figures.add(f"of which the load generator's own delay, {name}, p99", result.lag_ms["p99"], UNIT)


def run_at_rate(service: Service, scale: Scale, *, rate: float, customers: int = 0) -> Result:
    """Send single events at a rate, all of which must be taken."""
    result = run_load(
        Plan(
            port=service.port,
            path=EVENT_PATH,
            headers=dict(service.headers),
            # So many that a slow moment of the server never keeps an event from being sent in time.
            connections=256,
            rate=rate,
            seconds=scale.seconds,
            warm_up_seconds=scale.warm_up_seconds,
            customers=customers or scale.hot_customers,
            tag=make_tag(),
        )
    )
    check_success(result)
    return result
