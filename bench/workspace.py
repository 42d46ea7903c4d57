"""Directories for what is measured, on a real disk, removed afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import read_filesystem

MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs"})


def check_durable(directory: Path) -> None:
    """Raise where an fsync would be free, because the directory lives in memory."""
    filesystem = read_filesystem(directory)
    if filesystem in MEMORY_FILESYSTEMS:
        raise ValueError(
            f"{directory} is on {filesystem}, where nothing is durable: use --directory"
        )


@contextmanager
def fresh_directory(parent: Path) -> Iterator[Path]:
    """Make an empty directory for the length of the block."""
    directory = Path(tempfile.mkdtemp(dir=parent))
    # Other users' programs (PostgreSQL does not run as root) must be able to pass through.
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
