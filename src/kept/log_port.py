"""What a store keeps of the consent log: the part of `ports.Store` that is about it."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kept.core.event import Event


class LeafRow(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf of the consent log: `data` hashes to `leaf_hash`, and is None where it cannot be read.

    It cannot once its part is forgotten; the hash stays, and with it the tree.
    """

    index: int
    part_id: int
    leaf_hash: bytes
    data: bytes | None


class CheckpointRow(msgspec.Struct, frozen=True, kw_only=True):
    """A signed checkpoint of the consent log, as a note."""

    size: int
    signed_at: int
    note: str


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the stream for whoever audits it; None where it cannot be read any more."""

    sequence: int
    part_id: int
    event: Event | None


class LogStore(Protocol):
    """Leaves of an append-only Merkle tree, hashes over many of them, and what was signed.

    Like the rest of a store: writes belong to the transaction that is open, and everything from
    `log_size` on may be called from any thread.
    """

    def append_leaf(self, part_id: int, *, leaf_hash: bytes, data: bytes) -> int:
        """Add a leaf, its data sealed; return its place, counted from 0 without a gap."""

    def save_log_hash(self, level: int, position: int, value: bytes) -> None:
        """Keep the hash over 256 hashes of the level below; it is written once."""

    def save_checkpoint(self, row: CheckpointRow) -> None:
        """Keep a signed checkpoint, of which there is one of each size, outside of the backups too."""

    def load_witness(self) -> str:
        """Return the newest signed checkpoint as it is kept outside of the backups, "" for none."""

    def log_size(self) -> int:
        """Return how many leaves the consent log has."""

    def read_log_hashes(self, level: int, *, start: int, count: int) -> list[bytes]:
        """Return hashes of a level (0: of the leaves) from a place on, fewer at the end."""

    def read_leaves(self, *, start: int, limit: int) -> list[LeafRow]:
        """Return leaves in order from a place on."""

    def read_part_leaves(self, part_ids: Sequence[int]) -> list[LeafRow]:
        """Return all leaves of these parts in order."""

    def read_checkpoints(self, *, after: int, limit: int) -> list[CheckpointRow]:
        """Return signed checkpoints in order of their sizes, from `after` (exclusive)."""

    def read_newest_checkpoint(self) -> CheckpointRow | None:
        """Return the signed checkpoint of the largest size."""

    def read_events(self, *, after: int, limit: int) -> list[EventRow]:
        """Return events in stream order from `after` (exclusive), also those that cannot be opened."""
