"""What a transaction writes into the hot tables: gathered, and written by one statement.

Each table's rows are kept by their key, so that the last of several counts, and are sent as arrays,
a column each. A read flushes first where what it reads is gathered here.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final, Literal, LiteralString, TypeAlias

from kept.stores.postgres.session import Session

Table: TypeAlias = Literal[
    "claims",
    "customers",
    "raised",
    "parts",
    "links",
    "events",
    "states",
    "messages",
    "decisions",
    "wakes",
    "gone_wakes",
]

WIDTHS: Final[Mapping[Table, int]] = {
    "claims": 2,
    "customers": 2,
    "raised": 1,
    "parts": 5,
    "links": 4,
    "events": 3,
    "states": 3,
    "messages": 9,
    "decisions": 5,
    "wakes": 2,
    "gone_wakes": 1,
}
"""How many columns of each table are sent, in the order in which `write_hot` takes them."""

Row: TypeAlias = tuple[Any, ...]


class Batch:
    """Rows that wait for the end of the transaction, or for whoever reads them before."""

    def __init__(
        self,
        session: Session,
        queries: Mapping[str, LiteralString],
        *,
        settle_keys: Callable[[], None],
    ) -> None:
        """Take the session; `settle_keys` makes new keys durable, before what they seal is sent."""
        self._session = session
        self._write = queries["write_hot"]
        self._settle_keys = settle_keys
        self.rows: dict[Table, dict[Any, Row]] = {table: {} for table in WIDTHS}

    def put(self, table: Table, key: Any, row: Row) -> None:
        """Gather a row in the place of one with the same key."""
        self._session.require_transaction()
        self._session.stay()
        self.rows[table][key] = row

    def settle(self, *tables: Table) -> None:
        """Write what waits, if any of it is of these tables and of the calling thread."""
        if self._session.is_ours and any(self.rows[table] for table in tables):
            self._session.flush()

    def flush(self) -> None:
        """Write everything that waits by one statement."""
        if not any(self.rows.values()):
            return
        self._settle_keys()
        columns: list[list[Any]] = []
        for table, width in WIDTHS.items():
            columns += _columns(self.rows[table].values(), width)
        self.clear()
        self._session.write(self._write, columns)

    def clear(self) -> None:
        """Forget what waits."""
        for rows in self.rows.values():
            rows.clear()

    def committed(self) -> None:
        """Do nothing: everything was written."""

    def rolled_back(self) -> None:
        """Forget what waits."""
        self.clear()


def _columns(rows: Iterable[Row], width: int) -> list[list[Any]]:
    """Return rows as so many columns, in the order of their first two: as whoever locks them goes."""
    # Two nodes that write the same rows do so in the same order, and none waits for the other.
    ordered = sorted(rows, key=itemgetter(0, 1) if width > 1 else itemgetter(0))
    return [[row[place] for row in ordered] for place in range(width)]
