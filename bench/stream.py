"""The requests of a plan, one after the other, made by writing over bodies that exist already."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from bench.bodies import (
    CUSTOMER_WIDTH,
    ID_WIDTH,
    INSTANT,
    Template,
    make_batches,
    make_events,
    make_first_events,
    make_raw,
)

EVENT_PATH = "/v1/{type}"
"""Where a single event goes: the path says of which type it is, and an event of another is put aside."""

SEQUENCE_WIDTH = 12
"""How many digits of a message id count the events of a plan; the rest is the plan's tag."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to send, how fast and for how long."""

    port: int
    path: str
    """Empty for bodies without a head, which never see a network."""
    headers: dict[str, str] = {}
    body: Literal["events", "batches", "first_events", "raw"] = "events"
    raw: str = ""
    """With `body: raw`: the text of each request, customers and message ids marked as in bodies."""
    batch_size: int = 100
    pool_size: int = 0
    """How many different bodies to make; 0 means what is customary for their kind."""
    connections: int = 64
    rate: float = 0.0
    """Requests a second of an open loop; 0 means a closed loop."""
    seconds: float = 5.0
    warm_up_seconds: float = 1.0
    request_count: int = 0
    """Stop after so many requests, if not 0."""
    customers: int = 10_000
    first_customer: int = 0
    order: Literal["random", "sequential"] = "random"
    seed: int = 1
    tag: str = "bench"
    """Begins every message id; another tag makes another set of events."""


class _Request:
    """A request that is written over for each use."""

    __slots__ = ("buffer", "customers", "ids", "instants", "per_event")

    def __init__(self, head: bytes, template: Template) -> None:
        """Put a head before a body and move its places along."""
        self.buffer = bytearray(head + template.content)
        shift = len(head)
        self.ids = [place + shift for place in template.message_ids]
        self.customers = [place + shift for place in template.customers]
        self.instants = [place + shift for place in template.instants]
        self.per_event = template.customers_per_event


class Stream:
    """Makes one request after the other."""

    def __init__(self, plan: Plan) -> None:
        """Make all bodies before they are needed."""
        self._pool = [_Request(_make_head(plan, template), template) for template in _bodies(plan)]
        self._draw = _customer_source(plan, random.Random(plan.seed))
        width = ID_WIDTH - SEQUENCE_WIDTH
        self._tag = plan.tag.encode()[:width].ljust(width, b"-")
        self._made = 0
        self._events = 0
        self._instant_at = 0
        self._instant = INSTANT.encode()

    def next_request(self) -> bytearray:
        """Return the next request; it is written over when its turn comes again."""
        request = self._pool[self._made % len(self._pool)]
        self._made += 1
        self._fill(request)
        return request.buffer

    def _fill(self, request: _Request) -> None:
        """Write new ids, customers and the present time over a request."""
        buffer, tag, number, draw = request.buffer, self._tag, self._events, self._draw
        for place in request.ids:
            buffer[place : place + ID_WIDTH] = b"%b%012d" % (tag, number)
            number += 1
        self._events = number
        places = iter(request.customers)
        for count in request.per_event:
            customer = draw()
            for _ in range(count):
                place = next(places)
                buffer[place : place + CUSTOMER_WIDTH] = customer
        now = time.time_ns() // 1_000_000
        if now != self._instant_at:
            self._instant_at = now
            moment = datetime.fromtimestamp(now / 1_000, tz=UTC)
            self._instant = moment.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03dZ" % (
                now % 1_000
            )
        instant = self._instant
        for place in request.instants:
            buffer[place : place + 24] = instant


def _bodies(plan: Plan) -> list[Template]:
    """Return the bodies that the plan asks for."""
    if plan.body == "events":
        return make_events(plan.pool_size or 5_000, seed=plan.seed)
    if plan.body == "batches":
        return make_batches(plan.pool_size or 100, size=plan.batch_size, seed=plan.seed)
    if plan.body == "first_events":
        return make_first_events(plan.pool_size or 100, size=plan.batch_size, seed=plan.seed)
    return [make_raw(plan.raw)]


def _make_head(plan: Plan, template: Template) -> bytes:
    if not plan.path:
        return b""
    lines = [
        f"POST {plan.path.replace('{type}', template.type)} HTTP/1.1",
        f"Host: 127.0.0.1:{plan.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(template.content)}",
        *(f"{name}: {value}" for name, value in plan.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _customer_source(plan: Plan, chance: random.Random) -> Callable[[], bytes]:
    """Return a function that draws the next customer's number as fixed-width text."""
    first, count = plan.first_customer, plan.customers
    if plan.order == "random":
        draw = chance.random
        return lambda: b"%09d" % (first + int(draw() * count))

    def walk() -> Iterator[bytes]:
        while True:
            for number in range(first, first + count):
                yield b"%09d" % number

    return walk().__next__
