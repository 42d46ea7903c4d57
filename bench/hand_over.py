"""Rows on messages: how soon one is with its provider, and that what was stopped never leaves."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec

from bench.fsync import percentile
from bench.latency import run_at_rate
from bench.process import find_port, running
from bench.provider import Arrival, read_arrivals
from bench.row import Figures
from bench.scale import Scale
from bench.service import Kept, running_kept
from bench.whole_path import introduce
from bench.workspace import fresh_directory

MESSAGES_PER_SECOND = 50
BACKGROUND_RATE = 500.0
SETTLE_SECONDS = 30.0
SLOW_PROVIDER_MS = 250.0
"""Slow enough that messages queue up, so that there is something to stop."""

STOPPING_AT_ONCE = 8

_ADDRESS = re.compile(rb"customer-(\d{9})@example\.org")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One event that we sent, and its answer."""

    customer: int
    sent_ns: int
    answered_ns: int
    answer: dict[str, Any]


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Measure both."""
    for _ in range(scale.rounds):
        _measure_acceptance(figures, scale, directory)
        _measure_stop(figures, scale, directory)


def _measure_acceptance(figures: Figures, scale: Scale, directory: Path) -> None:
    """Cause service messages at a rate, beside other events, and time each up to its arrival."""
    count = int(MESSAGES_PER_SECOND * scale.seconds)
    with fresh_directory(directory) as fresh, _running_provider(fresh, 0.0) as (url, log):  # noqa: SIM117 - one sentence each
        with running_kept(fresh, provider_url=url) as kept, ThreadPoolExecutor(1) as pool:
            introduce(kept, count=count)
            beside = pool.submit(run_at_rate, kept, scale, rate=BACKGROUND_RATE)
            told = [
                _tell(kept, customer, "Receipt Wanted", {"receipt_id": f"r-{customer}"})
                for customer in _in_step(count, MESSAGES_PER_SECOND)
            ]
            beside.result()
            arrived = _wait_for(log, count=count)
    first = _first_arrivals(arrived)
    missing = [each.customer for each in told if each.customer not in first]
    if missing:
        raise RuntimeError(f"{len(missing)} of {count} receipts never reached the provider")
    taken = sorted((first[each.customer] - each.sent_ns) / 1e6 for each in told)
    for percent in (50, 99, 100):
        figures.add(
            f"event to the provider's acceptance, p{percent}", percentile(taken, percent), "ms"
        )


def _measure_stop(figures: Figures, scale: Scale, directory: Path) -> None:
    """Queue promotions at a slow provider, stop each by an event, and count what left too late."""
    count = scale.stopped_customers
    with fresh_directory(directory) as fresh, _running_provider(fresh, SLOW_PROVIDER_MS) as found:
        url, log = found
        with running_kept(fresh, provider_url=url) as kept:
            introduce(kept, count=count)
            _batch(kept, count, "Segment Consent Preference Updated", {}, consents=True)
            subscription = {"subscription_id": "s-{customer}"}
            _batch(kept, count, "Subscription Ending", subscription)
            # Some must be on their way, and most must still be waiting.
            _wait_for(log, count=1)
            with ThreadPoolExecutor(STOPPING_AT_ONCE) as pool:
                stops = list(pool.map(partial(_stop, kept), range(count)))
            time.sleep(2)
            arrived = read_arrivals(log)
    late, listed = _count_late(stops, arrived)
    sent = len(_first_arrivals(arrived))
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
    return _tell(kept, customer, "Subscription Renewed", {"subscription_id": f"s-{customer}"})


def _count_late(stops: Sequence[Sent], arrived: Sequence[Arrival]) -> tuple[int, int]:
    """Return how many left after an answer that did not list them, and how many were listed."""
    first = _first_arrivals(arrived)
    late = listed = 0
    for stop in stops:
        in_flight = bool(stop.answer.get("in_flight"))
        listed += in_flight
        arrived_ns = first.get(stop.customer)
        late += arrived_ns is not None and arrived_ns > stop.answered_ns and not in_flight
    return late, listed


def _first_arrivals(arrived: Sequence[Arrival]) -> dict[int, int]:
    """Return when the first message of each customer arrived."""
    first: dict[int, int] = {}
    for each in arrived:
        found = _ADDRESS.search(each.body)
        if found is None:
            raise ValueError(f"a message without a customer's address: {each.body[:500]!r}")
        first.setdefault(int(found[1]), each.at_ns)
    return first


@contextmanager
def _running_provider(directory: Path, delay_ms: float) -> Iterator[tuple[str, Path]]:
    port, log = find_port(), directory / "arrivals.log"
    command = [sys.executable, "-m", "bench.provider", str(port), str(delay_ms), str(log)]
    with running(command, log=directory / "provider.out", port=port):
        yield f"http://127.0.0.1:{port}/messages", log


def _in_step(count: int, rate: int) -> Iterator[int]:
    """Count at a rate."""
    begun = time.perf_counter()
    for number in range(count):
        time.sleep(max(begun + number / rate - time.perf_counter(), 0))
        yield number


def _tell(kept: Kept, customer: int, event: str, properties: dict[str, Any]) -> Sent:
    """Send one event about one customer, and return what was answered."""
    body = _event(customer, event, properties)
    connection = HTTPConnection("127.0.0.1", kept.port, timeout=30)
    connection.connect()
    try:
        sent_ns = time.time_ns()
        connection.request("POST", "/v1/track", msgspec.json.encode(body), dict(kept.headers))
        answer = connection.getresponse()
        content = answer.read()
        answered_ns = time.time_ns()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{event} was answered with {answer.status}: {content!r}")
    return Sent(
        customer=customer,
        sent_ns=sent_ns,
        answered_ns=answered_ns,
        answer=msgspec.json.decode(content),
    )


def _batch(
    kept: Kept, count: int, event: str, properties: dict[str, str], *, consents: bool = False
) -> None:
    """Send an event about each of the first customers, a hundred a request."""
    for first in range(0, count, 100):
        events = []
        for customer in range(first, min(first + 100, count)):
            filled = {name: value.format(customer=customer) for name, value in properties.items()}
            body = _event(customer, event, filled)
            if consents:
                body["context"] = {"consent": {"categoryPreferences": {"marketing": True}}}
            events.append(body)
        connection = HTTPConnection("127.0.0.1", kept.port, timeout=30)
        try:
            content = msgspec.json.encode({"batch": events})
            connection.request("POST", "/v1/batch", content, dict(kept.headers))
            answer = connection.getresponse()
            answered = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"a batch was answered with {answer.status}: {answered!r}")


def _event(customer: int, event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": f"{event}-{customer}-{time.time_ns()}",
        "userId": f"u-{customer:09d}",
        "event": event,
        "properties": properties,
    }


def _wait_for(log: Path, *, count: int) -> list[Arrival]:
    """Return what has arrived once it is enough, or once waiting longer is in vain."""
    give_up_at = time.monotonic() + SETTLE_SECONDS
    while len(arrived := read_arrivals(log)) < count and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return arrived
