"""What a store with one writer answers where others are asked about other nodes: nobody is there."""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from kept.core.identity import Part
from kept.core.values import NEVER
from kept.shared_port import NO_NODE, Node, Settled


class Lone(Protocol):
    """What is asked of the store itself."""

    def load_customer(self, customer_id: int) -> list[Part]:
        """Return the parts of a customer in order of their ids."""

    def last_sequence(self) -> int:
        """Return the sequence of the newest event, 0 if there is none."""

    def next_decision_id(self) -> int:
        """Return the id that the next decision shall have."""

    def last_notice(self) -> int:
        """Return the id of the newest notice, 0 if there is none."""


class Alone:
    """The part of `ports.Store` about many nodes, for a store that has only one."""

    def __init__(self, store: Lone) -> None:
        """Belong to a store."""
        self._store = store

    def read_clock(self) -> int:
        """Return 0: this machine's own clock is the only one."""
        return 0

    def foresee_claims(self, keys: Sequence[tuple[int, int]]) -> None:
        """Do nothing: a question costs nothing here."""

    def load_customers(self, customer_ids: Sequence[int]) -> dict[int, list[Part]]:
        """Return the parts of many customers, each in order of their ids."""
        return {customer_id: self._store.load_customer(customer_id) for customer_id in customer_ids}

    def next_sequence(self) -> int:
        """Return the sequence that the next event appended will have."""
        return self._store.last_sequence() + 1

    def read_settled(self) -> Settled:
        """Return the newest ids: what is written is complete."""
        return Settled(
            sequence=self._store.last_sequence(),
            decision_id=self._store.next_decision_id() - 1,
            notice_id=self._store.last_notice(),
            at=NEVER,
        )

    def lock_customers(
        self, customer_ids: Collection[int], *, if_taken: Literal["wait", "skip"] = "wait"
    ) -> dict[int, int]:
        """Return version 0 of each: the one writer is the lock of every customer."""
        return dict.fromkeys(customer_ids, 0)

    def raise_versions(self, customer_ids: Collection[int]) -> None:
        """Do nothing: nobody else holds anything in memory."""

    def control_version(self) -> int:
        """Return 0: whoever changes it is whoever works by it."""
        return 0

    def change_control(self) -> None:
        """Do nothing: nobody else must know."""

    def try_duty(self, name: str) -> bool:
        """Return True: every duty is ours."""
        return True

    def join(self, name: str) -> int:
        """Return the node of a store with one writer."""
        return NO_NODE

    def say_present(self, *, control_version: int) -> None:
        """Do nothing: nobody else asks."""

    def list_nodes(self) -> list[Node]:
        """Return none: others than this one there are not."""
        return []

    def take_out(self, node_id: int) -> None:
        """Do nothing: there is none."""
