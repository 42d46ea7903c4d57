"""Rows on messages: how soon one is with its provider, and that what was stopped never leaves."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.fsync import percentile
from bench.latency import run_at_rate
from bench.messages import (
    Sent,
    first_arrivals,
    make_event,
    make_events,
    running_provider,
    send,
    send_batches,
    wait_for_messages,
)
from bench.provider import Arrival, read_arrivals
from bench.row import Figures
from bench.scale import Scale
from bench.service import Kept, running_kept
from bench.whole_path import introduce
from bench.workspace import fresh_directory

MESSAGES_PER_SECOND = 50
BACKGROUND_RATE = 500.0
SLOW_PROVIDER_MS = 250.0
"""Slow enough that messages queue up, so that there is something to stop."""

STOPPING_AT_ONCE = 8


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Measure both."""
    for _ in range(scale.rounds):
        _measure_acceptance(figures, scale, directory)
        _measure_stop(figures, scale, directory)


def _measure_acceptance(figures: Figures, scale: Scale, directory: Path) -> None:
    """Cause service messages at a rate, beside other events, and time each up to its arrival."""
    count = int(MESSAGES_PER_SECOND * scale.seconds)
    with fresh_directory(directory) as fresh, running_provider(fresh, 0.0) as (url, log):  # noqa: SIM117 - one sentence each
        with running_kept(fresh, provider_url=url) as kept, ThreadPoolExecutor(1) as pool:
            introduce(kept, count=count)
            beside = pool.submit(run_at_rate, kept, scale, rate=BACKGROUND_RATE)
            told = [
                send(kept, make_event(customer, "Receipt Wanted", {"receipt_id": f"r-{customer}"}))
                for customer in _in_step(count, MESSAGES_PER_SECOND)
            ]
            beside.result()
            arrived = wait_for_messages(log, count=count)
    first = first_arrivals(arrived)
    missing = [customer for customer in range(count) if customer not in first]
    if missing:
        raise RuntimeError(f"{len(missing)} of {count} receipts never reached the provider")
    taken = sorted((first[customer] - each.sent_ns) / 1e6 for customer, each in enumerate(told))
    for percent in (50, 99, 100):
        figures.add(
            f"event to the provider's acceptance, p{percent}", percentile(taken, percent), "ms"
        )


def _measure_stop(figures: Figures, scale: Scale, directory: Path) -> None:
    """Queue promotions at a slow provider, stop each by an event, and count what left too late."""
    count = scale.stopped_customers
    with fresh_directory(directory) as fresh, running_provider(fresh, SLOW_PROVIDER_MS) as found:
        url, log = found
        with running_kept(fresh, provider_url=url) as kept:
            introduce(kept, count=count)
            agreed = make_events(count, "Segment Consent Preference Updated", {})
            for event in agreed:
                event["context"] = {"consent": {"categoryPreferences": {"marketing": True}}}
            send_batches(kept, agreed)
            subscription = {"subscription_id": "s-{customer}"}
            send_batches(kept, make_events(count, "Subscription Ending", subscription))
            # Some must be on their way, and most must still be waiting.
            wait_for_messages(log, count=1)
            with ThreadPoolExecutor(STOPPING_AT_ONCE) as pool:
                stops = list(pool.map(partial(_stop, kept), range(count)))
            time.sleep(2)
            arrived = read_arrivals(log)
    late, listed = _count_late(stops, arrived)
    sent = len(first_arrivals(arrived))
    latency = sorted((stop.answered_ns - stop.sent_ns) / 1e6 for stop in stops)
    figures.add("stop run: messages queued for as many customers", count, "customers")
    figures.add("stop run: withdrawn in time", count - sent, "messages")
    figures.add("stop run: listed as in flight", listed, "messages")
    figures.add("stop run: left after the answer and not listed", late, "messages")
    figures.add("stop run: answer to the stopping event, p99", percentile(latency, 99), "ms")
    if late:
        raise RuntimeError(f"{late} messages left after the answer that stopped them")


def _stop(kept: Kept, customer: int) -> Sent:
    """Tell what forbids the message that is on its way to a customer."""
    renewed = {"subscription_id": f"s-{customer}"}
    return send(kept, make_event(customer, "Subscription Renewed", renewed))


def _count_late(stops: Sequence[Sent], arrived: Sequence[Arrival]) -> tuple[int, int]:
    """Return how many left after an answer that did not list them, and how many were listed."""
    first = first_arrivals(arrived)
    late = listed = 0
    for customer, stop in enumerate(stops):
        in_flight = bool(stop.answer.get("in_flight"))
        listed += in_flight
        arrived_ns = first.get(customer)
        late += arrived_ns is not None and arrived_ns > stop.answered_ns and not in_flight
    return late, listed


def _in_step(count: int, rate: int) -> Iterator[int]:
    """Count at a rate."""
    begun = time.perf_counter()
    for number in range(count):
        time.sleep(max(begun + number / rate - time.perf_counter(), 0))
        yield number
