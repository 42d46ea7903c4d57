"""Sends load from a process of its own and says how long each answer took.

`python -m bench.load` reads a `Plan` as JSON from its input and writes a `Result` to its output.
Sockets, one epoll and requests made beforehand: some fifteen microseconds a request, so that the
server is the one that is measured.

In a closed loop each connection sends its next request when the last is answered, which finds the
highest throughput. In an open loop requests are due at a fixed rate whatever the server does, and
the latency counts from the instant at which a request was *due*: a server that stalls for a second
is charged for everybody who would have come in that second.
"""

import random
import select
import socket
import subprocess
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable

import msgspec

from bench.fsync import percentile
from bench.stream import Plan, Stream

PERCENTS = (50.0, 90.0, 99.0, 99.9, 100.0)
DRAIN_SECONDS = 30.0
READ_BYTES = 256 * 1024


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered after the warm-up, and what the load generator itself cost."""

    requests: int
    warm_up_requests: int
    seconds: float
    statuses: dict[str, int]
    latency_ms: dict[str, float]
    """Percentile -> milliseconds, of the answers that were successes."""
    cpu_us_per_request: float
    lag_ms: dict[str, float]
    """How late requests left although a connection was free: the generator's own delay."""
    answers_per_second: list[int]
    last_answer: str

    @property
    def per_second(self) -> float:
        """Return successful requests a second."""
        return self.statuses.get("200", 0) / self.seconds if self.seconds else 0.0

    @property
    def failures(self) -> int:
        """Return how many requests were not answered with success."""
        return sum(count for status, count in self.statuses.items() if status != "200")


def run_load(plan: Plan, *, patience_seconds: float = 3_600) -> Result:
    """Run a plan in a process of its own."""
    finished = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=msgspec.json.encode(plan),
        stdout=subprocess.PIPE,
        check=True,
        timeout=patience_seconds,
    )
    return msgspec.json.decode(finished.stdout, type=Result)


class _Connection:
    """A connection that has at most one request under way."""

    __slots__ = ("due_at", "received", "socket")

    def __init__(self, port: int) -> None:
        """Connect to the server on this machine."""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, READ_BYTES)
        self.received = b""
        self.due_at = 0


class _Load:
    """One plan under way."""

    def __init__(self, plan: Plan) -> None:
        """Make all bodies and open all connections before the clock runs."""
        self.plan = plan
        self.stream = Stream(plan)
        self.epoll = select.epoll()
        self.connections: dict[int, _Connection] = {}
        self.free: deque[_Connection] = deque()
        for _ in range(plan.connections):
            self._connect()
        self.chance = random.Random(plan.seed)
        self.sent = 0
        self.measures_from = 0
        self.free_since = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was measured: the warm-up is over."""
        self.latencies: array[int] = array("q")
        self.lags: array[int] = array("q")
        self.statuses: Counter[str] = Counter()
        self.seconds_of_answers: Counter[int] = Counter()
        self.last_answer = b""

    def run(self) -> Result:
        """Warm up, measure, and drain."""
        plan = self.plan
        advance = self._advance_open if plan.rate else self._advance_closed
        self.next_due = time.perf_counter_ns()
        self._run_until(time.perf_counter_ns() + int(plan.warm_up_seconds * 1e9), advance)
        warm_up_requests = sum(self.statuses.values())
        self.reset()
        self.measures_from = begun = time.perf_counter_ns()
        cpu = time.process_time()
        self._run_until(begun + int(plan.seconds * 1e9), advance)
        if plan.rate or plan.request_count:
            self._drain()
        ended = time.perf_counter_ns()
        cpu = time.process_time() - cpu
        answered = sum(self.statuses.values())
        return Result(
            requests=answered,
            warm_up_requests=warm_up_requests,
            seconds=(ended - begun) / 1e9 if not plan.rate else plan.seconds,
            statuses=dict(self.statuses),
            latency_ms=_percentiles_ms(self.latencies),
            cpu_us_per_request=cpu * 1e6 / max(answered, 1),
            lag_ms=_percentiles_ms(self.lags),
            answers_per_second=[n for _, n in sorted(self.seconds_of_answers.items())],
            last_answer=self.last_answer[:2_000].decode(errors="replace"),
        )

    def _run_until(self, end: int, advance: Callable[[int, int], float]) -> None:
        """Send and receive until the end; then leave what is under way to the next phase."""
        while True:
            now = time.perf_counter_ns()
            wait_seconds = advance(now, end)
            if now >= end and (not self.plan.rate or self.next_due >= end):
                return
            if now >= end + DRAIN_SECONDS * 1e9:
                return
            if self._is_complete() and len(self.free) == len(self.connections):
                return
            self._receive(wait_seconds)

    def _is_complete(self) -> bool:
        return bool(self.plan.request_count) and self.sent >= self.plan.request_count

    def _advance_closed(self, now: int, end: int) -> float:
        """Send on every free connection; return how long to wait for answers."""
        if now < end:
            while self.free and not self._is_complete():
                self._send(self.free.popleft(), due_at=time.perf_counter_ns())
        return max(min((end - now) / 1e9, 0.1), 0.0)

    def _advance_open(self, now: int, end: int) -> float:
        """Send what is due; return how long until more is."""
        while self.next_due <= now and self.next_due < end and self.free:
            # What waited for the server to free a connection is the server's delay, not ours.
            self.lags.append(max(now - max(self.next_due, self.free_since), 0))
            self._send(self.free.popleft(), due_at=self.next_due)
            # Customers do not come in step: gaps are drawn so that arrivals are independent.
            self.next_due += int(self.chance.expovariate(self.plan.rate) * 1e9)
        if not self.free:
            return 0.1
        return max((min(self.next_due, end) - time.perf_counter_ns()) / 1e9, 0.0)

    def _send(self, connection: _Connection, *, due_at: int) -> None:
        """Make the next request and send it."""
        self.sent += 1
        connection.due_at = due_at
        connection.socket.sendall(self.stream.next_request())

    def _receive(self, wait_seconds: float) -> None:
        """Take the answers that are there, waiting for the first no longer than is said."""
        ready = self.epoll.poll(0)
        if not ready and wait_seconds > 0:
            # epoll waits in whole milliseconds, select in microseconds, and an epoll is selectable.
            select.select([self.epoll], [], [], wait_seconds)
            ready = self.epoll.poll(0)
        for number, _ in ready:
            self._read(self.connections[number])

    def _read(self, connection: _Connection) -> None:
        data = connection.socket.recv(READ_BYTES)
        now = time.perf_counter_ns()
        if not data:
            self._drop(connection)
            return
        if connection.received:
            data = connection.received + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            connection.received = data
            return
        at = data.lower().find(b"content-length:", 0, head_end)
        if at < 0:
            raise ValueError(f"an answer without a length: {data[:head_end]!r}")
        length = int(data[at + 15 : data.find(b"\r", at)])
        if len(data) < head_end + 4 + length:
            connection.received = data
            return
        connection.received = b""
        self._note(data[9:12].decode(), now - connection.due_at, now)
        self.last_answer = data
        if not self.free:
            self.free_since = now
        self.free.append(connection)

    def _note(self, status: str, latency: int, now: int) -> None:
        self.statuses[status] += 1
        if status == "200":
            self.latencies.append(latency)
            self.seconds_of_answers[(now - self.measures_from) // 1_000_000_000] += 1

    def _drop(self, connection: _Connection) -> None:
        """Connect anew where the server hung up; that is a failure if it still owed an answer."""
        if connection in self.free:
            self.free.remove(connection)
        else:
            self.statuses["closed"] += 1
        del self.connections[connection.socket.fileno()]
        self.epoll.unregister(connection.socket)
        connection.socket.close()
        self._connect()

    def _connect(self) -> None:
        connection = _Connection(self.plan.port)
        self.connections[connection.socket.fileno()] = connection
        self.epoll.register(connection.socket, select.EPOLLIN)
        self.free.append(connection)

    def _drain(self) -> None:
        """Wait for the answers that are still under way; what does not come in time has failed."""
        give_up_at = time.perf_counter_ns() + int(DRAIN_SECONDS * 1e9)
        while len(self.free) < len(self.connections) and time.perf_counter_ns() < give_up_at:
            self._receive(0.1)
        missing = len(self.connections) - len(self.free)
        if missing:
            self.statuses["unanswered"] += missing


def _percentiles_ms(nanoseconds: "array[int]") -> dict[str, float]:
    if not nanoseconds:
        return {}
    ordered = sorted(nanoseconds)
    return {f"p{percent:g}": percentile(ordered, percent) / 1e6 for percent in PERCENTS}


def main() -> None:
    """Run the plan on standard input."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(_Load(plan).run()))


if __name__ == "__main__":
    main()
