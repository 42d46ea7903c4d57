"""What would be posted to a tool, as files: one for each body, so that nothing leaves the machine."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from kept.channels.files import wipe_file
from kept.core.message import Accepted, Postponed, Refused, SendResult
from kept.errors import ChannelError, SettingsError

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


class PostedFiles:
    """Writes each body into a folder under its id; a body that is posted again is there once."""

    def __init__(self, *, folder: Path, is_durable: bool = True) -> None:
        """Make the folder; raises `SettingsError` if it cannot be made."""
        self._folder = folder
        self._is_durable = is_durable
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for draft in folder.glob(".*"):
                if _ID.fullmatch(draft.name[1:]):
                    # A process died over it, and nobody would find it to erase it.
                    wipe_file(draft)
        except OSError as error:
            raise SettingsError(f"{folder} cannot be written: {error}") from error

    def post(self, post_id: str, body: bytes) -> SendResult:
        """Write a body; it counts as taken once it is on the disk."""
        if not _ID.fullmatch(post_id):
            return Refused(detail="the id of a post is letters, digits, `-` and `_`")
        path = self._folder / f"{post_id}.json"
        draft = self._folder / f".{post_id}"
        try:
            with draft.open("wb") as file:
                file.write(body + b"\n")
                file.flush()
                if self._is_durable:
                    os.fsync(file.fileno())
            draft.replace(path)
            if self._is_durable:
                self._sync()
        except OSError as error:
            return Postponed(detail=f"the file cannot be written: {error}")
        return Accepted(provider_id=path.name)

    def close(self) -> None:
        """Give up nothing."""

    def _sync(self) -> None:
        """Wait until the folder's names are on the disk."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def erase_posts(folder: Path, values: Collection[str]) -> int:
    """Remove whatever was posted into folders below this one and names one of these values.

    Raises:
        ChannelError: the disk refused; asked again, it goes on.
    """
    needles = [msgspec.json.encode(value) for value in values]
    erased = 0
    try:
        for path in folder.rglob("*.json"):
            content = path.read_bytes()
            if any(needle in content for needle in needles):
                wipe_file(path)
                erased += 1
    except OSError as error:
        raise ChannelError(f"posts in {folder} cannot be erased: {error}") from error
    return erased
