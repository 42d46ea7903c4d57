"""Runs `kept` as a person does, and reads what it prints."""

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

from tests.crash.processes import Nursery

T = TypeVar("T")
TIMEOUT_SECONDS = 120
_STEP_SECONDS = 0.05


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@cache
def _nursery() -> Nursery:
    """Return the process that forks commands, so that each need not import everything first."""
    nursery = Nursery()
    atexit.register(nursery.close)
    return nursery


def run_kept(*arguments: Any) -> Done:
    """Run a command to its end, in a process of its own."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = _nursery().order(
            arguments=[str(argument) for argument in arguments],
            environment={},
            out=str(out),
            err=str(err),
        )
        code = _nursery().order(wait=process)
        return Done(code, out.read_text(), err.read_text())


def ok(*arguments: Any) -> str:
    """Run a command that must succeed; return what it printed."""
    done = run_kept(*arguments)
    assert done.code == 0, done.err
    return done.out


class Started:
    """A command that runs."""

    def __init__(self, process: int) -> None:
        """Take its process id."""
        self.process = process

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.process, signal.SIGKILL)


@contextmanager
def started(*arguments: Any) -> Iterator[Started]:
    """Start a command, and wait for its end on leaving."""
    process = _nursery().order(
        arguments=[str(argument) for argument in arguments],
        environment={},
        out=os.devnull,
        err=os.devnull,
    )
    try:
        yield Started(process)
    finally:
        _nursery().order(wait=process)


def wait_for(seen: Callable[[], T], *, seconds: float = TIMEOUT_SECONDS) -> T:
    """Return what `seen` gives as soon as it gives something."""
    waiting = threading.Event()
    for _ in range(int(seconds / _STEP_SECONDS)):
        found = seen()
        if found:
            return found
        waiting.wait(_STEP_SECONDS)
    raise AssertionError(f"it did not happen within {seconds} seconds")
