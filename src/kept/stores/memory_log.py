"""The consent log of the store in memory."""

from collections.abc import Callable, Collection, Sequence

import msgspec

from kept.log_port import CheckpointRow, LeafRow

Undo = Callable[[], object]


class MemoryLog:
    """Keeps the leaves of the tree in lists; nothing in it is ever changed or removed."""

    def __init__(self, noted: Callable[[Undo], None]) -> None:
        """Take what notes how a change is undone, and refuses one outside of a transaction."""
        self._noted = noted
        self._leaves: list[LeafRow] = []
        self._hashes: dict[int, list[bytes]] = {}
        self._checkpoints: list[CheckpointRow] = []

    def append_leaf(self, part_id: int, *, leaf_hash: bytes, data: bytes) -> int:
        """Add a leaf; return its place."""
        index = len(self._leaves)
        self._noted(self._leaves.pop)
        self._leaves.append(LeafRow(index=index, part_id=part_id, leaf_hash=leaf_hash, data=data))
        return index

    def log_size(self) -> int:
        """Return how many leaves there are."""
        return len(self._leaves)

    def forget(self, part_ids: Collection[int]) -> None:
        """Let go of what the leaves of these parts record; the leaves stay."""
        for leaf in self.read_part_leaves(list(part_ids)):
            self._noted(lambda leaf=leaf: self._leaves.__setitem__(leaf.index, leaf))  # type: ignore[misc]
            self._leaves[leaf.index] = msgspec.structs.replace(leaf, data=None)

    def save_log_hash(self, level: int, position: int, value: bytes) -> None:
        """Keep the hash over 256 hashes of the level below."""
        hashes = self._hashes.setdefault(level, [])
        if position != len(hashes):
            raise AssertionError(f"hash {position} of level {level} comes after {len(hashes)}")
        self._noted(hashes.pop)
        hashes.append(value)

    def save_checkpoint(self, row: CheckpointRow) -> None:
        """Keep a signed checkpoint."""
        self._noted(self._checkpoints.pop)
        self._checkpoints.append(row)

    def read_log_hashes(self, level: int, *, start: int, count: int) -> list[bytes]:
        """Return hashes of a level (0: of the leaves) from a place on."""
        if level:
            return self._hashes.get(level, [])[start : start + count]
        return [leaf.leaf_hash for leaf in self._leaves[start : start + count]]

    def read_leaves(self, *, start: int, limit: int) -> list[LeafRow]:
        """Return leaves in order from a place on."""
        return self._leaves[start : start + limit]

    def read_part_leaves(self, part_ids: Sequence[int]) -> list[LeafRow]:
        """Return all leaves of these parts in order."""
        return [leaf for leaf in self._leaves if leaf.part_id in part_ids]

    def read_checkpoints(self, *, after: int, limit: int) -> list[CheckpointRow]:
        """Return signed checkpoints in order of their sizes, from `after` (exclusive)."""
        return [row for row in self._checkpoints if row.size > after][:limit]

    def read_newest_checkpoint(self) -> CheckpointRow | None:
        """Return the signed checkpoint of the largest size."""
        return self._checkpoints[-1] if self._checkpoints else None

    def load_witness(self) -> str:
        """Return the newest signed checkpoint: nothing is ever restored, so that it is the newest."""
        return self._checkpoints[-1].note if self._checkpoints else ""
