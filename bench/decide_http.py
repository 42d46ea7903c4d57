"""Rows on asking over HTTP: `/v1/decide` a thousand times a second, beside as many events."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from bench.bodies import CUSTOMER_MARK
from bench.brand import PLACEMENT
from bench.latency import UNIT, run_at_rate
from bench.load import Result, run_load
from bench.row import Figures
from bench.scale import Scale
from bench.service import Kept, running_kept
from bench.stream import Plan
from bench.whole_path import check_success, introduce, saturate
from bench.workspace import fresh_directory

RATE = 1_000.0
QUESTION = {"placement": PLACEMENT, "identifiers": {"user_id": f"u-{CUSTOMER_MARK}"}}


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Ask and tell at the same time, from two processes."""
    for round_number in range(scale.rounds):
        with fresh_directory(directory) as fresh, running_kept(fresh) as kept:
            introduce(kept, count=scale.hot_customers)
            # Customers that have a history are worth deciding about.
            saturate(kept, scale, batch_size=100, seed=round_number)
            with ThreadPoolExecutor(max_workers=2) as pool:
                asking = pool.submit(_ask, kept, scale)
                telling = pool.submit(run_at_rate, kept, scale, rate=RATE)
                answers, events = asking.result(), telling.result()
        for percent in ("p50", "p99"):
            figures.add(f"/v1/decide at 1,000/s, {percent}", answers.latency_ms[percent], UNIT)
            figures.add(f"events at 1,000/s beside it, {percent}", events.latency_ms[percent], UNIT)


def _ask(kept: Kept, scale: Scale) -> Result:
    result = run_load(
        Plan(
            port=kept.port,
            path="/v1/decide",
            headers=dict(kept.headers),
            body="raw",
            raw=msgspec.json.encode(QUESTION).decode(),
            connections=256,
            rate=RATE,
            seconds=scale.seconds,
            warm_up_seconds=scale.warm_up_seconds,
            customers=scale.hot_customers,
        )
    )
    check_success(result)
    return result
