"""Rows that were gathered in memory and are written in the order of their index, a piece a commit.

Rows in random order dirty a page each; the same rows sorted dirty few. Written all at once they
would hold up one commit for long, so each commit writes a piece in proportion to its own size.
"""

from typing import Any, Final, LiteralString

from kept.stores.sqlite.session import Session

GENERATION_ROWS: Final = 8_192
"""How many rows are gathered before they are sorted and written."""

_PIECE_RATIO: Final = 4
_PIECE_ROWS_MIN: Final = 128


class Backlog:
    """A sorted generation of rows on its way to the disk."""

    def __init__(self, session: Session, insert: LiteralString) -> None:
        """Begin empty; `insert` must do nothing for a row that is there already."""
        self._session = session
        self._insert = insert
        self._rows: list[tuple[Any, ...]] = []
        self._position = 0
        self._committed_position = 0

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits, not even for the commit of what was written."""
        return not self._rows

    @property
    def is_written(self) -> bool:
        """Return whether the last row of a generation is in this transaction."""
        return bool(self._rows) and self._position == len(self._rows)

    def is_due(self, gathered_count: int) -> bool:
        """Return whether enough has been gathered for the next generation, and none is waiting."""
        return not self._rows and gathered_count >= GENERATION_ROWS

    def fill(self, rows: list[tuple[Any, ...]]) -> None:
        """Take a sorted generation."""
        self._rows = rows
        self._position = self._committed_position = 0

    def write_piece(self, row_count: int) -> None:
        """Write a piece in proportion to what this transaction does itself."""
        size = max(_PIECE_ROWS_MIN, row_count * _PIECE_RATIO)
        self._write(size)

    def write_rest(self) -> None:
        """Write everything that waits."""
        self._write(len(self._rows))

    def committed(self) -> None:
        """Keep the place; drop the generation once it is written as a whole."""
        self._committed_position = self._position
        if self.is_written:
            self.fill([])

    def rolled_back(self) -> None:
        """Go back to the place of the last commit."""
        self._position = self._committed_position

    def _write(self, size: int) -> None:
        piece = self._rows[self._position : self._position + size]
        if piece:
            self._session.write_all(self._insert, piece)
            self._position += len(piece)
