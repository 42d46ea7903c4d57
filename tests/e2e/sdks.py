"""Starts the drivers in `clients/`, each around one real, unmodified SDK."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

CLIENTS: Final = Path(__file__).parent / "clients"
TIMEOUT_SECONDS: Final = 90


class Clients:
    """The drivers that need Node."""

    def __init__(self, node: str) -> None:
        """Take the path of Node."""
        self._node = node

    def drive(self, script: str, plan: dict[str, Any]) -> list[str]:
        """Let a driver carry a plan out; return what its SDK says went wrong."""
        return run_driver([self._node, str(CLIENTS / script)], plan)

    def bundle(self, entry: str, target: Path) -> None:
        """Bundle a page's script with esbuild, as a site would."""
        esbuild = CLIENTS / "node_modules" / "esbuild" / "bin" / "esbuild"
        command = [self._node, str(esbuild), entry, "--bundle", "--log-level=error"]
        command += ["--define:process.env.NODE_ENV='production'", f"--outfile={target}"]
        subprocess.run(command, cwd=CLIENTS, check=True, timeout=TIMEOUT_SECONDS)


def drive_python(package: str, plan: dict[str, Any]) -> list[str]:
    """Let a Python SDK carry a plan out; return what it says went wrong."""
    return run_driver([sys.executable, str(CLIENTS / "python_sdk.py"), package], plan)


def run_driver(command: list[str], plan: dict[str, Any]) -> list[str]:
    """Run a driver to its end; it must not fail itself."""
    done = subprocess.run(
        [*command, json.dumps(plan)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return list(json.loads(done.stdout.splitlines()[-1])["errors"])
