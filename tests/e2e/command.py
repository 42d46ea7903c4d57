"""Runs `kept` as a person does, and reads what it prints."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
TIMEOUT_SECONDS = 120
_STEP_SECONDS = 0.05


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


def run_kept(*arguments: Any, environment: Mapping[str, str] = {}, cwd: Path | None = None) -> Done:
    """Run a command to its end."""
    began = time.perf_counter()  # noqa: TID251 - how long a person waits
    done = subprocess.run(
        [sys.executable, "-m", "kept", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, **environment},
        cwd=cwd,
        check=False,
    )
    took = time.perf_counter() - began  # noqa: TID251 - how long a person waits
    return Done(done.returncode, done.stdout, done.stderr, took)


def ok(*arguments: Any) -> str:
    """Run a command that must succeed; return what it printed."""
    done = run_kept(*arguments)
    assert done.code == 0, done.err
    return done.out


def wait_for(seen: Callable[[], T], *, seconds: float = TIMEOUT_SECONDS) -> T:
    """Return what `seen` gives as soon as it gives something."""
    waiting = threading.Event()
    for _ in range(int(seconds / _STEP_SECONDS)):
        found = seen()
        if found:
            return found
        waiting.wait(_STEP_SECONDS)
    raise AssertionError(f"it did not happen within {seconds} seconds")
