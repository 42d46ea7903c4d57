"""The note in a data folder whose store is moving elsewhere, or has moved: nothing starts on it."""

import os
from pathlib import Path
from typing import Final

import msgspec

from kept.errors import SettingsError
from kept.stores.files import sync_folder

MOVED_NAME: Final = "moved.json"


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A move of the store in a folder."""

    move_id: str
    to: str
    """Where to, in words; without user and password."""
    is_finished: bool


def read_moved(folder: Path) -> Moved | None:
    """Return the move of a folder's store, None if it stays.

    Raises:
        SettingsError: the note cannot be read.
    """
    path = folder / MOVED_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Moved)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(
            f"{path} says that the store beside it moved, and cannot be read: look into it, and "
            "put it right"
        ) from error


def write_moved(folder: Path, moved: Moved) -> None:
    """Note a move, durably."""
    beside = folder / (MOVED_NAME + ".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, msgspec.json.encode(moved) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    beside.replace(folder / MOVED_NAME)
    sync_folder(folder)


def remove_moved(folder: Path) -> None:
    """Take a note back: the move did not begin."""
    (folder / MOVED_NAME).unlink(missing_ok=True)
    sync_folder(folder)


def refuse_moved(folder: Path) -> None:
    """Refuse a folder whose store is elsewhere, or on its way.

    Raises:
        SettingsError: it says where it went, and what to do.
    """
    moved = read_moved(folder)
    if moved is None:
        return
    if moved.is_finished:
        raise SettingsError(
            f"the store in {folder} was moved to {moved.to}, and nothing is written here any "
            "more; name that database with --database or KEPT_DATABASE"
        )
    raise SettingsError(
        f"the store in {folder} is moving to {moved.to}, and that has not ended: run `kept move` "
        f"again. To stay here instead, remove {folder / MOVED_NAME}; that database cannot be used "
        "then, and is to be dropped"
    )
