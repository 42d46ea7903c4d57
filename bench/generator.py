"""Rows on the load generator itself, against a server that does nothing."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.process import Program, find_port, running
from bench.row import Figures
from bench.scale import Scale
from bench.whole_path import BATCH_SIZE, THROUGHPUT, saturate
from bench.workspace import fresh_directory


class Echo:
    """A running `bench.echo`."""

    def __init__(self, *, port: int, program: Program) -> None:
        """Note where it listens."""
        self.port = port
        self.program = program
        self.headers: Mapping[str, str] = {}

    def read_cpu_seconds(self) -> float:
        """Return what the server has used so far."""
        return self.program.read_cpu_seconds()


@contextmanager
def running_echo(directory: Path) -> Iterator[Echo]:
    """Run the server that answers at once."""
    port = find_port()
    command = [sys.executable, "-m", "bench.echo", str(port)]
    with running(command, log=directory / "echo.out", port=port) as program:
        yield Echo(port=port, program=program)


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Find the generator's own limits, which all other rows must stay well below."""
    for _ in range(scale.rounds):
        with fresh_directory(directory) as fresh, running_echo(fresh) as echo:
            for size in (1, BATCH_SIZE):
                name = "single events" if size == 1 else f"batches of {size}"
                measured = saturate(echo, scale, batch_size=size)
                cost = measured.result.cpu_us_per_request / size
                figures.add(f"load generator alone, {name}", measured.events_per_second, THROUGHPUT)
                figures.add(f"cost of the load generator, {name}", cost, "CPU µs an event")
