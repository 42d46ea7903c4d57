"""Starts the programs under test, and reads what they cost from the kernel."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Program:
    """A running program and its children."""

    def __init__(
        self, process: subprocess.Popen[bytes], *, log: Path, stop_signal: str = "SIGTERM"
    ) -> None:
        """Take a process that was started in a session of its own."""
        self._stop_signal = signal.Signals[stop_signal]
        self._process = process
        self.pid = process.pid
        self.log = log

    def read_cpu_seconds(self) -> float:
        """Return the processor time that the program, its children and their dead have used."""
        return sum(_read_ticks(pid) for pid in list_tree(self.pid)) / TICKS_PER_SECOND

    def read_resident_bytes(self) -> int:
        """Return the resident memory of the program and its children."""
        return sum(_read_resident_bytes(pid) for pid in list_tree(self.pid))

    @property
    def is_running(self) -> bool:
        """Return whether the program has not ended."""
        return self._process.poll() is None

    def check_alive(self) -> None:
        """Raise if the program has ended, with the end of what it said."""
        if self._process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2_000:]
            raise RuntimeError(f"{self._process.args!r} ended: {self._process.returncode}\n{tail}")

    def kill(self) -> None:
        """End the program and its children as a power cut would: no goodbye."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, *, patience_seconds: float = 60) -> None:
        """Ask the program to end, and make it end when it does not listen."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(patience_seconds)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    patience_seconds: float = 60,
    user: str | None = None,
    stop_signal: str = "SIGTERM",
) -> Iterator[Program]:
    """Run a program until the block ends; with a port, enter the block once it listens there."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            user=user,
        )
    program = Program(process, log=log, stop_signal=stop_signal)
    try:
        if port is not None:
            wait_for_port(port, program=program, patience_seconds=patience_seconds)
        yield program
    except Exception:
        # Where the program is dead, its last words say more than whoever missed it.
        program.check_alive()
        raise
    finally:
        program.stop()


def wait_for_port(port: int, *, program: Program, patience_seconds: float) -> None:
    """Return once something listens on a local port."""
    give_up_at = time.monotonic() + patience_seconds
    while time.monotonic() < give_up_at:
        program.check_alive()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.005)
    raise TimeoutError(
        f"nothing listens on port {port} after {patience_seconds} s; see {program.log}"
    )


def find_port() -> int:
    """Return a local port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def list_tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    tree = [pid]
    for parent in tree:
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            for task in tasks:
                tree.extend(int(child) for child in (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return tree


def _read_ticks(pid: int) -> int:
    """Return the clock ticks of a process and of its children that have ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # The name stands in parentheses and may hold spaces; what follows is fixed.
    fields = stat.rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def _read_resident_bytes(pid: int) -> int:
    """Return the resident memory of one process, shared pages counted by their share."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0
