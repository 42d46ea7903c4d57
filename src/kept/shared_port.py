"""What a store is asked for where several nodes write to it: the part of `ports.Store` about that.

A store with one writer answers all of it too, and every answer is that nobody else is there. A node
is one process of Kept. Nobody leads: whatever only one may do at a time is a *duty*, taken for the
length of a transaction by whoever comes first.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, Protocol

import msgspec

from kept.core.identity import Part

NO_NODE: Final = 0
"""The node of a store that has only one writer."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One process that writes to the store, from its start to its end; a restart is another node."""

    node_id: int
    name: str
    """Where it runs, for people."""
    joined_at: int
    seen_at: int
    """When it last said that it is there (µs, by the shared clock)."""
    control_version: int
    """Which version of what all nodes must know it works by."""
    is_gone: bool
    """Whether it surely does nothing any more: its process ended. One that only stalls is not gone."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """Ids up to which nothing is ever added any more (inclusive)."""

    sequence: int
    decision_id: int
    notice_id: int
    at: int
    """When these ids were looked at, by the shared clock (µs): what came later may lie above them.

    0 where nothing is settled; `NEVER` where nobody else writes, and nothing can be on its way.
    """


class SharedStore(Protocol):
    """One store, many nodes: the customer's lock, versions, duties, and what all must know.

    A transaction that comes in the way of another node's raises `ContendedError`: nothing of it
    has happened, and the same work may be done again. The error says what to take first then.
    """

    @property
    def is_shared(self) -> bool:
        """Return whether others may write to the store: memory counts only under the lock then."""

    def read_clock(self) -> int:
        """Return the instant at which the transaction began by the clock that all nodes share (µs), 0 for none."""

    def foresee_claims(self, keys: Sequence[tuple[int, int]]) -> None:
        """Say which (event key, hour) will be claimed, so that one question answers all; nothing changes."""

    def next_sequence(self) -> int:
        """Return the sequence that the next event appended will have."""

    def read_settled(self) -> Settled:
        """Return how far the stream, the decisions and the notices are complete."""

    # -- the customer's lock

    def lock_customers(
        self, customer_ids: Collection[int], *, if_taken: Literal["wait", "skip"] = "wait"
    ) -> dict[int, int]:
        """Take the locks of customers until the transaction ends; return each one's version.

        They are taken in ascending order. One that has to be waited for out of that order raises
        `ContendedError` naming all that this transaction wanted; with `skip` it is left out.
        Customers that do not exist (any more) are left out too. Of a store with one writer the
        versions are all 0.
        """

    def raise_versions(self, customer_ids: Collection[int]) -> None:
        """Raise the versions of customers that are locked by one: they were changed.

        What other nodes hold of them in memory no longer counts. Once in a transaction at most.
        """

    def load_customers(self, customer_ids: Sequence[int]) -> dict[int, list[Part]]:
        """Return the parts of many customers, each in order of their ids."""

    # -- what all nodes must know: the brand in force, brakes, who has access, which keys are gone

    def control_version(self) -> int:
        """Return its version; it cannot change before the transaction ends."""

    def change_control(self) -> None:
        """Raise the version with this transaction, which must have begun with `alone`.

        Every transaction that rests on the version before has ended then, and none has begun.
        """

    # -- nodes and duties

    def try_duty(self, name: str) -> bool:
        """Return whether this transaction may do what only one node does at a time."""

    def join(self, name: str) -> int:
        """Take part, and return the id of a new node; it is gone once the store is closed."""

    def say_present(self, *, control_version: int) -> None:
        """Say that this node is there, and what it works by."""

    def list_nodes(self) -> list[Node]:
        """Return the nodes that were not taken out, in order of their ids."""

    def take_out(self, node_id: int) -> None:
        """Forget a node that is gone, once nothing of it is left to do."""
