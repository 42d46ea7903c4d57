"""The reasons that a query may give, numbered: what is fixed of each, and how the rest is found.

A query speaks of a reason as a number. Everything that the policy alone settles (which hold, which
cap, which scope) belongs to the number; what differs from customer to customer (until when, how many)
is a column beside it.
"""

from typing import Literal, TypeAlias

import msgspec

from kept.core.reason import Reason

Detail: TypeAlias = Literal[
    "",  # nothing differs from customer to customer
    "declined",
    "contacted",
    "queued",
    "expired",
    "restricted",
    "facts",
    "held",
    "refused",
    "contested",
    "cap",
    "memory_of_cap",
    "memory_of_repeat",
    "memory_of_rest",
    "resting",
    "quiet",
    "benefit",
    "score",
    "outranked",
]
"""Where the rest of a reason is found."""


class NumberedReason(msgspec.Struct, frozen=True, kw_only=True):
    """A reason as far as the policy settles it."""

    reason: Reason
    detail: Detail = ""
    index: int = -1
    """The hold or cap that the rest is found of, or -1."""


class Reasons:
    """All reasons of one query, each with its number from 1 on."""

    def __init__(self) -> None:
        """Begin with none."""
        self._numbers: dict[NumberedReason, int] = {}

    def number(self, reason: Reason, detail: Detail = "", index: int = -1) -> int:
        """Return the number of a reason."""
        numbered = NumberedReason(reason=reason, detail=detail, index=index)
        return self._numbers.setdefault(numbered, len(self._numbers) + 1)

    def text(self, reason: Reason, detail: Detail = "", index: int = -1) -> str:
        """Return the number of a reason as a constant."""
        return str(self.number(reason, detail, index))

    @property
    def numbered(self) -> tuple[NumberedReason, ...]:
        """Return the reasons in the order of their numbers."""
        return tuple(self._numbers)

    def numbers_of(self, *details: Detail) -> list[int]:
        """Return the numbers of the reasons whose rest is found in one of some ways."""
        return [number for one, number in self._numbers.items() if one.detail in details]
