"""Events about customers, sent to Kept one by one or in batches, and the messages that come of them."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec

from bench.process import find_port, running
from bench.provider import Arrival, read_arrivals
from bench.service import Kept

SETTLE_SECONDS = 30.0

_ADDRESS = re.compile(rb"customer-(\d{9})@example\.org")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What we sent at once, and its answer."""

    sent_ns: int
    answered_ns: int
    answer: dict[str, Any]


def make_event(customer: int, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return an event about one of the customers that were introduced."""
    return {
        "type": "track",
        "messageId": f"{name}-{customer}-{time.time_ns()}",
        "userId": f"u-{customer:09d}",
        "event": name,
        "properties": properties,
    }


def make_events(count: int, name: str, properties: dict[str, str]) -> list[dict[str, Any]]:
    """Return an event about each of the first customers; `{customer}` stands for its number."""
    return [
        make_event(
            customer,
            name,
            {key: value.format(customer=customer) for key, value in properties.items()},
        )
        for customer in range(count)
    ]


def send(kept: Kept, event: dict[str, Any]) -> Sent:
    """Send one event.

    Raises:
        RuntimeError: it was not taken.
        OSError: it was not answered.
    """
    return _post(kept, "/v1/track", event)


def send_batches(kept: Kept, events: Sequence[dict[str, Any]]) -> list[Sent]:
    """Send events a hundred a request; raises as `send` does."""
    return [
        _post(kept, "/v1/batch", {"batch": events[first : first + 100]})
        for first in range(0, len(events), 100)
    ]


def _post(kept: Kept, path: str, body: dict[str, Any]) -> Sent:
    connection = HTTPConnection("127.0.0.1", kept.port, timeout=SETTLE_SECONDS)
    connection.connect()
    try:
        sent_ns = time.time_ns()
        connection.request("POST", path, msgspec.json.encode(body), dict(kept.headers))
        answer = connection.getresponse()
        content = answer.read()
        answered_ns = time.time_ns()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} was answered with {answer.status}: {content!r}")
    return Sent(sent_ns=sent_ns, answered_ns=answered_ns, answer=msgspec.json.decode(content))


@contextmanager
def running_provider(directory: Path, delay_ms: float) -> Iterator[tuple[str, Path]]:
    """Run a provider that answers after a delay; give its address, and the log of what arrives."""
    port, log = find_port(), directory / "arrivals.log"
    command = [sys.executable, "-m", "bench.provider", str(port), str(delay_ms), str(log)]
    with running(command, log=directory / "provider.out", port=port):
        yield f"http://127.0.0.1:{port}/messages", log


def wait_for_messages(log: Path, *, count: int) -> list[Arrival]:
    """Return what has arrived once it is enough, or once waiting longer is in vain."""
    give_up_at = time.monotonic() + SETTLE_SECONDS
    while len(arrived := read_arrivals(log)) < count and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return arrived


def first_arrivals(arrived: Sequence[Arrival]) -> dict[int, int]:
    """Return when the first message of each customer arrived (ns)."""
    first: dict[int, int] = {}
    for each in arrived:
        found = _ADDRESS.search(each.body)
        if found is None:
            raise ValueError(f"a message without a customer's address: {each.body[:500]!r}")
        first.setdefault(int(found[1]), each.at_ns)
    return first
