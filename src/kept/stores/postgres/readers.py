"""Connections that only read, each lent to one thread at a time."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, LiteralString

from kept.errors import StoreError
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import Wire

IDLE_READERS_MAX: Final = 8
READ_SECONDS: Final = 50.0
_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": f"{READ_SECONDS * 1000:.0f}ms",
}


class Readers:
    """What is committed, for any thread."""

    def __init__(self, address: Address) -> None:
        """Open none yet."""
        self._address = address
        # Appending to and popping from a deque are atomic.
        self._idle: deque[Wire] = deque()
        self._is_closed = False

    def fetch(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        if self._is_closed:
            raise StoreError(f"the store in {self._address.place} is closed")
        is_reused = True
        try:
            wire = self._idle.pop()
        except IndexError:
            wire, is_reused = Wire(self._address, _SETTINGS), False
        try:
            rows = wire.fetch(sql, parameters)
        except StoreError:
            if wire.is_open or not is_reused:
                self._give_back(wire)
                raise
            # The server ended it while nobody looked: whoever reads asks once more.
            wire.close()
            self._drop_idle()
            return self.fetch(sql, parameters)
        except BaseException:
            self._give_back(wire)
            raise
        self._give_back(wire)
        return rows

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._is_closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.popleft().close()

    def _give_back(self, wire: Wire) -> None:
        if self._is_closed or not wire.is_open or len(self._idle) >= IDLE_READERS_MAX:
            wire.close()
        else:
            self._idle.append(wire)
