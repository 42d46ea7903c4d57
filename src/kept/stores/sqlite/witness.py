"""The newest signed checkpoint in a file beside the database, which no backup holds.

An older database that takes the place of a newer one fits itself; this file does not fit it.
"""

import os
from contextlib import suppress
from pathlib import Path

from kept.errors import StoreError
from kept.stores.files import sync_folder


class Witness:
    """Written after the commit: it may lag behind what is signed, and is never ahead of it."""

    def __init__(self, path: Path) -> None:
        """Name the file; there may be none yet."""
        self._path = path
        self._noted = ""
        self._waiting = ""

    def note(self, text: str) -> None:
        """Keep a checkpoint once its transaction is durable."""
        self._noted = text

    def load_witness(self) -> str:
        """Return the newest signed checkpoint as it is kept outside of the backups, "" for none."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(
                f"{self._path} cannot be read: {error}; look at it before it is moved away, for it "
                "shows whether the database is the newest"
            ) from error

    def flush(self) -> None:
        """Do nothing: a commit may still fail, and then nothing was signed."""

    def committed(self) -> None:
        """Write what was signed; where that fails, it is tried again after the next commit."""
        if self._noted:
            self._waiting, self._noted = self._noted, ""
        if self._waiting:
            with suppress(OSError):
                self._write(self._waiting)
                self._waiting = ""

    def rolled_back(self) -> None:
        """Forget what was not signed after all."""
        self._noted = ""

    def _write(self, text: str) -> None:
        beside = self._path.with_suffix(".new")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, text.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        beside.replace(self._path)
        sync_folder(self._path.parent)
