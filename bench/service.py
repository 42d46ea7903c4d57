"""What is measured over HTTP: Kept, the service one would write instead, and the bare front."""

import base64
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Protocol, TypeAlias

from bench.baseline.serve import running_baseline
from bench.brand import CHANNEL_SECRET_VARIABLE, CHANNEL_URL_VARIABLE, write_brand
from bench.case import Case, make_case
from bench.process import Program, find_port, running

KEY = "bench-write-key"
START_SECONDS = 300.0


class Service(Protocol):
    """Something that takes Segment events on a local port."""

    port: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Return what a request must carry."""

    def read_cpu_seconds(self) -> float:
        """Return what all its processes have used so far."""


StartService: TypeAlias = Callable[[Path], AbstractContextManager[Service]]


class Kept:
    """A running `kept serve`."""

    def __init__(self, *, port: int, program: Program) -> None:
        """Note where it listens."""
        self.port = port
        self.program = program

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the write key of the one source."""
        return {"Authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()}

    def read_cpu_seconds(self) -> float:
        """Return what the server has used so far."""
        return self.program.read_cpu_seconds()


class Front:
    """A running `bench.front`."""

    def __init__(self, *, port: int, program: Program) -> None:
        """Note where it listens."""
        self.port = port
        self.program = program
        self.headers: Mapping[str, str] = {}

    def read_cpu_seconds(self) -> float:
        """Return what the server has used so far."""
        return self.program.read_cpu_seconds()


@contextmanager
def running_kept(
    directory: Path,
    *,
    case: Case | None = None,
    provider_url: str = "",
    database: str = "",
    master_key: Path | None = None,
) -> Iterator[Kept]:
    """Run Kept on the data in a directory, which may be new or have been used before.

    With a database it is a node on that, and nodes share a master key. Without a provider all messages
    are written into files. The block is entered once `/ready` says that everything is there.
    """
    brand, data, port = directory / "brand", directory / "data", find_port()
    write_brand(case or make_case(), brand)
    command = [sys.executable, "-m", "kept", "serve", "--brand", str(brand), "--data", str(data)]
    command += ["--port", str(port)]
    if database:
        command += ["--database", database]
    if master_key is not None:
        command += ["--master-key", f"file:{master_key}"]
    if provider_url:
        command += ["--deliver", "providers", "--allow-private-webhooks"]
    with _running_ready(command, directory, port=port, provider_url=provider_url) as kept:
        yield kept
        if kept.program.is_running:
            _check_taken(port)


def _check_taken(port: int) -> None:
    """Raise where events were put aside: what that costs is no figure of what taking them costs."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    aside = [line for line in lines if line.startswith("kept_quarantined_events_total{")]
    if any(float(line.rpartition(" ")[2]) for line in aside):
        raise RuntimeError(f"not every event was taken: {aside}")


@contextmanager
def running_own_front(directory: Path) -> Iterator[Kept]:
    """Run Kept's own front and store without what stands between them."""
    brand, port = directory / "brand", find_port()
    write_brand(make_case(), brand)
    command = [sys.executable, "-m", "bench.own_front"]
    command += [str(brand), str(directory / "data"), str(port)]
    with _running_ready(command, directory, port=port) as kept:
        yield kept


@contextmanager
def _running_ready(
    command: Sequence[str], directory: Path, *, port: int, provider_url: str = ""
) -> Iterator[Kept]:
    environment = {
        "BENCH_KEY": KEY,
        CHANNEL_URL_VARIABLE: provider_url or "http://127.0.0.1:9/",
        CHANNEL_SECRET_VARIABLE: "whsec_" + base64.b64encode(b"bench" * 5).decode(),
    }
    with running(
        command,
        log=directory / "kept.log",
        port=port,
        environment=environment,
        patience_seconds=START_SECONDS,
    ) as program:
        _wait_until_ready(port, program)
        yield Kept(port=port, program=program)


def _wait_until_ready(port: int, program: Program) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        program.check_alive()
        connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except ConnectionError:
            # It was listening, and ends: the next look at the program says why.
            pass
        finally:
            connection.close()
        time.sleep(0.01)
    raise TimeoutError(f"not ready after {START_SECONDS} s")


@contextmanager
def running_front(directory: Path) -> Iterator[Front]:
    """Run the server that only decodes and appends."""
    port = find_port()
    command = [sys.executable, "-m", "bench.front", str(port), str(directory / "front.log")]
    with running(command, log=directory / "front.out", port=port) as program:
        yield Front(port=port, program=program)


@contextmanager
def running_array_baseline(directory: Path) -> Iterator[Service]:
    """Run the baseline with its hand-written statement over arrays."""
    with running_baseline(directory, uses_arrays=True) as baseline:
        yield baseline
