"""What keeping data no longer than needed asks of a store, and putting right what is wrong in it."""

from collections.abc import Sequence
from typing import Final, Protocol

from kept.core.event import Event

_RETAINED: Final = 1 << 40


def request_part(number: int) -> int:
    """Return the part under whose key a request is sealed while it is open."""
    return -2 * number


def hold_part(number: int) -> int:
    """Return the part under whose key is sealed what the law obliges to keep after a request."""
    return -2 * number - 1


def retained_number(part_id: int) -> int:
    """Return the number under which is held what a law keeps of a part past its own time.

    It lies above the numbers of all requests, so that `hold_part` makes a key of its own of it.
    """
    return _RETAINED + part_id


class Retention(Protocol):
    """The part of the store that removes by age; what it removes is gone with the commit."""

    def list_customers(self, *, after: int, limit: int) -> list[int]:
        """Return ids of customers in ascending order from `after` (exclusive)."""

    def erase_events(self, part_id: int, sequences: Sequence[int]) -> None:
        """Remove some events of a part; their sequences are not given again."""

    def replace_event(self, part_id: int, sequence: int, event: Event) -> None:
        """Put another event in the place of one: it told something wrong."""

    def erase_old_decisions(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove decisions made before an instant (µs), the oldest first; return how many."""

    def erase_old_messages(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove settled messages that were queued before an instant (µs); return how many."""

    def read_old_decisions(self, *, before: int) -> tuple[int, int]:
        """Return how many decisions were made before an instant, and when the oldest was (µs)."""

    def read_old_messages(self, *, before: int) -> tuple[int, int]:
        """Return how many settled messages were queued before an instant, and when the oldest was."""
