"""Files as stores use them: private, and durable before anything counts on them."""

import os
from pathlib import Path

from kept.errors import StoreError


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a file that was synced may otherwise lose its name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_private_file(path: Path) -> None:
    """Make an empty file that only its owner may read; what SQLite puts beside it is the same."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}") from error
