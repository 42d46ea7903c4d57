"""Ids from the server's sequences: taken within the transaction that uses them.

A few are taken ahead, for each asking is a round trip; those that are left over are given to nobody.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

from kept.stores.postgres.session import Session

AHEAD_MAX: Final = 256
"""How many ids are taken at once at most where nobody foresaw how many are needed: at first as many
as the transaction before needed, then twice as many each time."""


class Numbers:
    """The ids of one sequence, as this transaction has them."""

    def __init__(
        self, session: Session, name: str, queries: Mapping[str, LiteralString], *, ahead: int = 0
    ) -> None:
        """Name the sequence; `ahead` bounds how many are taken at once, by default `AHEAD_MAX`."""
        self._session = session
        self._name = name
        self._take = queries["take_numbers"]
        self._find_last = queries["find_last_number"]
        self._ahead = ahead
        self._taken: deque[int] = deque()
        self._next_count = 1
        self._used_count = 0

    def peek(self) -> int:
        """Return the id that is taken next; outside of a transaction, what it would be at least."""
        if not self._session.is_ours:
            return self.last() + 1
        if not self._taken:
            rows = self._session.write(self._take, (self._name, self._next_count))
            self._taken.extend(sorted(number for (number,) in rows))
            self._next_count = min(self._next_count * 2, self._ahead or AHEAD_MAX)
        return self._taken[0]

    def take(self) -> int:
        """Take an id; it is given to nobody else, whatever becomes of this transaction."""
        self._session.require_transaction()
        self.peek()
        self._used_count += 1
        return self._taken.popleft()

    def give(self, numbers: Sequence[int]) -> None:
        """Have ids ready that were taken along with another question."""
        self._taken = deque(sorted((*self._taken, *numbers)))

    def last(self) -> int:
        """Return the highest id that was given to anybody, 0 for none."""
        ((last,),) = self._session.fetch(self._find_last, (self._name,))
        return int(last)

    def flush(self) -> None:
        """Do nothing: what was taken is taken."""

    def committed(self) -> None:
        """Forget what is left over: whoever counts on the order of ids need not wait for it."""
        self._taken.clear()
        self._next_count = max(1, min(self._used_count, self._ahead or AHEAD_MAX))
        self._used_count = 0

    def rolled_back(self) -> None:
        """Forget what is left over."""
        self.committed()
