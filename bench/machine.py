"""Which machine the figures come from, told well enough to judge them."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ENGINES = ("kept", "uvicorn", "msgspec", "fastapi", "sqlalchemy", "asyncpg", "duckdb", "zen-engine")
"""Packages whose versions belong to a figure."""


def describe_machine(directory: Path) -> dict[str, Any]:
    """Return what a reader needs to compare these figures with their own."""
    return {
        "measured_on": datetime.now(UTC).date().isoformat(),
        "cpu": _read_cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(_read_memory_kib() / 1024 / 1024, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "filesystem": read_filesystem(directory),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in ENGINES},
    }


def read_filesystem(directory: Path) -> str:
    """Return the type of the file system that holds a directory."""
    answer = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(directory)],
        check=True,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip()


def _read_cpu() -> str:
    """Return the processor's name as the kernel knows it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read_memory_kib() -> int:
    """Return the machine's memory in KiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0
