"""The newest signed checkpoint, beside the keys.

An older store that takes the place of a newer one fits itself, and does not fit this.
"""

from contextlib import suppress

from kept.errors import StoreError
from kept.stores.postgres.vault_database import VaultDatabase


class Witness:
    """Written after the commit: it may lag behind what is signed, and is never ahead of it."""

    def __init__(self, database: VaultDatabase) -> None:
        """Take the database of keys."""
        self._database = database
        self._noted: tuple[int, str] | None = None
        self._waiting: tuple[int, str] | None = None

    def note(self, size: int, text: str) -> None:
        """Keep a checkpoint once its transaction is durable."""
        self._noted = (size, text)

    def load_witness(self) -> str:
        """Return the newest signed checkpoint as it is kept outside of the backups, "" for none."""
        rows = self._database.fetch("load_witness")
        return str(rows[0][0]) if rows else ""

    def flush(self) -> None:
        """Do nothing: a commit may still fail, and then nothing was signed."""

    def committed(self) -> None:
        """Write what was signed; where that fails, it is tried again after the next commit."""
        if self._noted is not None:
            self._waiting, self._noted = self._noted, None
        if self._waiting is not None:
            with suppress(StoreError):
                self._database.write("save_witness", self._waiting)
                self._waiting = None

    def rolled_back(self) -> None:
        """Forget what was not signed after all."""
        self._noted = None
