"""Runs the baseline: PostgreSQL, and uvicorn with the FastAPI application before it."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.baseline.app import create_schema
from bench.baseline.postgres import running_postgres
from bench.process import Program, find_port, running


class Baseline:
    """The running service: the application's processes and the database's."""

    def __init__(self, *, port: int, programs: tuple[Program, ...]) -> None:
        """Note what runs and where."""
        self.port = port
        self.programs = programs
        self.headers: Mapping[str, str] = {}

    def read_cpu_seconds(self) -> float:
        """Return what application and database have used so far."""
        return sum(program.read_cpu_seconds() for program in self.programs)


@contextmanager
def running_baseline(
    directory: Path, *, processes: int = 2, pool_size: int = 16, uses_arrays: bool = False
) -> Iterator[Baseline]:
    """Run the baseline for the length of the block."""
    port = find_port()
    command = [sys.executable, "-m", "uvicorn", "bench.baseline.app:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command += ["--log-level", "warning", "--workers", str(processes)]
    with running_postgres(directory) as postgres:
        asyncio.run(create_schema(postgres.url))
        environment = {
            "BENCH_DATABASE_URL": postgres.url,
            "BENCH_POOL_SIZE": str(pool_size // processes),
            "BENCH_STATEMENT": "arrays" if uses_arrays else "rows",
        }
        log = directory / "baseline.log"
        with running(command, log=log, port=port, environment=environment) as program:
            yield Baseline(port=port, programs=(program, postgres.program))
