"""The folder of a store: the names of its files, and the lock that keeps it to one process."""

import fcntl
import os
from pathlib import Path
from typing import Final

from kept.errors import SettingsError
from kept.stores.sqlite.moved import refuse_moved

DATABASE_NAME: Final = "kept.db"
KEYS_NAME: Final = "vault.db"
GUARD_NAME: Final = "optouts.log"
WITNESS_NAME: Final = "log.checkpoint"
LOCK_NAME: Final = "lock"


class FolderLock:
    """Held by the one process that may write a folder; the system lets go when the process dies."""

    def __init__(self, folder: Path, *, is_moving: bool = False) -> None:
        """Take the lock, or say which process holds it; refuse a store that has moved elsewhere."""
        if not is_moving:
            refuse_moved(folder)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingsError(
                f"the data folder {folder} cannot be used ({error.strerror}); "
                "name a folder that this user may write"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise SettingsError(
                f"the data folder {folder} is in use by process {holder or 'of unknown id'}; "
                "stop that one first, or name another folder"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process in; releasing twice does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
