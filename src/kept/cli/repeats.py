"""How often the same row came before it in a file, however long the file is."""

import hashlib
import sqlite3
from typing import Final

_BEGIN: Final = "CREATE TABLE rows (digest BLOB PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID"
_COUNT: Final = """\
INSERT INTO rows (digest, count) VALUES (?, 1)
ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count"""


class Repeats:
    """Counts rows by their content, in a file without a name that goes when this is closed."""

    def __init__(self) -> None:
        """Begin with none."""
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute(_BEGIN)
        # One transaction that is never committed: nothing of it need outlive this.
        self._rows.execute("BEGIN")

    def close(self) -> None:
        """Let go of what was counted."""
        self._rows.close()

    def name(self, row: object) -> str:
        """Return what a row is called within its file: by its content, and by which of its like it is."""
        digest = hashlib.blake2b(ascii(row).encode(), digest_size=12)
        ((count,),) = self._rows.execute(_COUNT, (digest.digest(),)).fetchall()
        return digest.hexdigest() if count == 1 else f"{digest.hexdigest()}:{count}"
