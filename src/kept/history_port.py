"""What history asks of the store, and of whoever keeps its files.

History is what was exported of the stream, the decisions and the messages that ended, for analyses
that must not stand in anybody's way: files that are written once and read by anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from kept.core.event import Event
from kept.core.history_columns import HistoryKind
from kept.core.history_rows import Place
from kept.core.message import Message


class SealedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event beside its sealed record; None where nobody can open it any more."""

    sequence: int
    part_id: int
    event: Event | None
    sealed: bytes


class SealedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision's trace beside its sealed record; None where nobody can open it any more."""

    decision_id: int
    part_id: int
    trace: bytes | None
    sealed: bytes


class EndedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that came to its end; None, or absent, where it was forgotten since."""

    ended_id: int
    message: Message | None


class Grouped(msgspec.Struct, frozen=True):
    """To which customer a part belongs."""

    part_id: int
    customer_id: int
    claimed: bool


class HistoryStore(Protocol):
    """The part of the store that history is read from; `read_*` sees what is committed, from any thread.

    A key that cannot be read just now raises `StoreError`: nobody takes what it opens for gone.
    """

    def read_sealed_events(self, *, after: int, limit: int) -> list[SealedEvent]:
        """Return events in stream order from `after` (exclusive)."""

    def read_known_events(self, sequences: Sequence[int]) -> set[int]:
        """Return which of these sequences are still events."""

    def read_sealed_decisions(self, *, after: int, limit: int) -> list[SealedDecision]:
        """Return decisions in order of their ids from `after` (exclusive)."""

    def number_ended(self) -> int:
        """Number the messages that ended since it was asked last; return the last number, 0 for none.

        It belongs to the transaction, and only one node may do it at a time.
        """

    def read_ended_messages(self, *, after: int, limit: int) -> list[EndedMessage]:
        """Return messages in the order in which they ended, from `after` (exclusive).

        Those that ended in one transaction come in any order.
        """

    def drop_ended_messages(self, *, up_to: int) -> None:
        """Forget the order in which messages ended, up to an id; the messages stay."""

    def read_grouping(self, *, after: int, limit: int) -> list[Grouped]:
        """Return parts in order of their ids from `after` (exclusive)."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written under a temporary name, and is on the disk."""

    temporary: str
    rows: int
    first: int
    last: int
    size: int
    digest: str
    version: int


class Trim(msgspec.Struct, frozen=True, kw_only=True):
    """What a file must lose or have put right."""

    parts: frozenset[int] = frozenset()
    """All rows of these parts."""
    ids: frozenset[int] = frozenset()
    """These rows."""
    rows: tuple[dict[str, Any], ...] = ()
    """Rows that take the place of those with their ids."""
    places: tuple[Place, ...] = ()
    """Fields that may not be open any more; an empty event stands for every one."""


class Draft(Protocol):
    """A file that is being written."""

    @property
    def size(self) -> int:
        """Return about how many bytes were added so far."""

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows in order of their ids."""

    def finish(self) -> Written:
        """Write the file under a temporary name, down to the disk."""

    def drop(self) -> None:
        """Give it up."""


class History(Protocol):
    """Where files of history are kept; raises `StoreError` where the folder cannot be used.

    Nothing that has its final name is ever changed, only replaced as a whole.
    """

    def draft(self, kind: HistoryKind) -> Draft:
        """Begin a file."""

    def place(self, temporary: str, name: str) -> None:
        """Give a temporary file its final name, in the place of whatever had it."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, temporary or not; one that is not there is gone already."""

    def exists(self, name: str) -> bool:
        """Return whether a file is there, temporary or not."""

    def list_names(self) -> tuple[list[str], list[str]]:
        """Return the files that have their final names, and the temporary ones."""

    def find_parts(self, names: Sequence[str], parts: Collection[int]) -> list[str]:
        """Return which of these files have rows of any of these parts."""

    def list_events(self, names: Sequence[str]) -> set[str]:
        """Return the names of events that stand in these files of events."""

    def find_expired(
        self,
        kind: HistoryKind,
        names: Sequence[str],
        before: Mapping[str, int],
        *,
        spared: Sequence[int] = (),
    ) -> dict[str, list[int]]:
        """Return the ids of rows that are older than they may be, by file.

        Args:
            kind: what these files hold.
            names: the files.
            before: event -> the instant (µs) before which it is past its time, unless it is a
                proof; for decisions and outcomes one instant under an empty name.
            spared: parts whose rows are kept however old they are.
        """

    def rewrite(self, kind: HistoryKind, name: str, trim: Trim) -> Written | None:
        """Write a file anew without what it must lose; None where nothing would be left of it."""

    def close(self) -> None:
        """Let go of what files are read and written with; it may be used again."""

    def write_grouping(self, rows: Iterable[Grouped]) -> bool:
        """Write which customer each part belongs to; return whether it changed."""
