"""The process that forks `kept`, as tests command it."""

import json
import subprocess
import sys
from typing import Any

from tests.tree import ROOT


class Nursery:
    """The process that forks servers."""

    def __init__(self) -> None:
        """Load what a server imports, once."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def order(self, **command: Any) -> int:
        """Give one command and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()
