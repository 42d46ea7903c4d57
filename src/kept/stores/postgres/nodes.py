"""Which nodes there are: each holds a lock on a connection of its own, as long as its process lives."""

from collections.abc import Callable, Mapping
from typing import LiteralString

from kept.errors import StoreError
from kept.shared_port import NO_NODE, Node
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import Wire
from kept.stores.postgres.session import Session
from kept.stores.postgres.texts import from_text, to_text


class Nodes:
    """The nodes of a store, this one among them once it has joined."""

    def __init__(
        self, address: Address, session: Session, queries: Mapping[str, LiteralString]
    ) -> None:
        """Name the database; nobody has joined yet."""
        self._address = address
        self._session = session
        self._queries = queries
        self.on_taken_out: Callable[[], None] = lambda: None
        """Takes up what a node left that is taken out."""
        self._wire: Wire | None = None
        self._node_id = NO_NODE

    def join(self, name: str) -> int:
        """Take part, and return the id of a new node; it is gone once the store is closed."""
        self.leave()
        # The server lets go of the lock when the connection ends, so nothing else runs on it.
        self._wire = Wire(self._address, {"statement_timeout": "10s"})
        ((node_id,),) = self._wire.fetch(self._queries["take_node_id"])
        # The lock before the row: whoever sees the row without it takes the node for gone.
        self._wire.fetch(self._queries["hold_node"], (node_id,))
        self._wire.fetch(self._queries["join_nodes"], (node_id, to_text(name)))
        self._node_id = int(node_id)
        return self._node_id

    def say_present(self, *, control_version: int) -> None:
        """Say that this node is there, and what it works by; nothing waits for it.

        Raises:
            StoreError: others took it for gone, and it must join again.
        """
        if self._wire is None:
            raise AssertionError("a node says that it is there before it has joined")
        if not self._wire.fetch(self._queries["say_present"], (self._node_id, control_version)):
            raise StoreError("other nodes took this one for gone; it joins again")

    def list_nodes(self) -> list[Node]:
        """Return the nodes that were not taken out, in order of their ids."""
        return [
            Node(
                node_id=node_id,
                name=from_text(name),
                joined_at=joined_at,
                seen_at=seen_at,
                control_version=control_version,
                is_gone=is_gone,
            )
            for node_id, name, joined_at, seen_at, control_version, is_gone in self._session.fetch(
                self._queries["list_nodes"]
            )
        ]

    def take_out(self, node_id: int) -> None:
        """Forget a node that is gone, once nothing of it is left to do."""
        self._session.write(self._queries["take_out_node"], (node_id,))
        self.on_taken_out()

    def leave(self) -> None:
        """Be gone."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
