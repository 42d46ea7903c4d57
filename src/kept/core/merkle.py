"""The Merkle tree of RFC 6962: hashes, roots, and proofs that a leaf is in it or that it only grew.

A *subtree* is named by its height and its place: (height, place) covers the `2**height` leaves from
`place * 2**height` on. Whoever proves is given a function that returns the hash of a complete
subtree, so that a proof needs as many hashes as the tree is high, and never all leaves.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
"""How many hashes a tile has (C2SP tlog-tiles)."""

ReadSubtree = Callable[[int, int], bytes]


def hash_leaf(data: bytes) -> bytes:
    """Return the hash of a leaf's data (RFC 6962, section 2.1)."""
    return sha256(b"\x00" + data).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these children (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Growth:
    """A tree that grows leaf by leaf and keeps only the complete subtrees that it consists of."""

    def __init__(self) -> None:
        """Begin empty."""
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf_hash: bytes) -> None:
        """Add the hash of one more leaf."""
        size, joined = self.size, leaf_hash
        while size & 1:
            joined = hash_node(self._peaks.pop(), joined)
            size >>= 1
        self._peaks.append(joined)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash of the whole tree as it is now."""
        return _join(self._peaks)


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a tree whose leaves (or complete subtrees of one height) hash to these."""
    growth = Growth()
    for one in hashes:
        growth.append(one)
    return growth.root()


def root_at(size: int, read: ReadSubtree) -> bytes:
    """Return the root that the tree had when it had `size` leaves."""
    return _read_range(0, size, read) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, read: ReadSubtree) -> list[bytes]:
    """Return the audit path of a leaf in the tree of `size` leaves (RFC 6962, section 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    return [_read_range(*side, read) for side in _siblings(index, size)][::-1]


def _siblings(index: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges beside the way from the root down to a leaf."""
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            yield middle, end
            end = middle
        else:
            yield start, middle
            start = middle


def prove_consistency(old: int, new: int, read: ReadSubtree) -> list[bytes]:
    """Return the proof that a tree of `new` leaves begins with that of `old` (RFC 6962, section 2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves cannot be compared with one of {old}")
    proof: list[bytes] = []
    start, end = 0, new
    is_whole = True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_read_range(middle, end, read))
            end = middle
        else:
            proof.append(_read_range(start, middle, read))
            start = middle
            is_whole = False
    if not is_whole:
        proof.append(_read_range(start, end, read))
    return proof[::-1]


def root_by_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes]
) -> bytes | None:
    """Return the root that an audit path leads to, None if it cannot belong to such a leaf.

    RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = hash_node(sibling, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = hash_node(root, sibling)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether a proof shows that the tree of `new` leaves begins with that of `old`.

    RFC 9162, section 2.1.4.2.
    """
    if not 0 < old <= new:
        return False
    if old == new:
        return old_root == new_root and not proof
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    then = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            then, now = hash_node(sibling, then), hash_node(sibling, now)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            now = hash_node(now, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and (then, now) == (old_root, new_root)


def _split(count: int) -> int:
    """Return the largest power of two that is smaller than a count of two or more."""
    return 1 << ((count - 1).bit_length() - 1)


def _read_range(start: int, end: int, read: ReadSubtree) -> bytes:
    """Return the hash over the leaves of a range that begins where one of the tree's splits is."""
    peaks = []
    while start < end:
        height = (end - start).bit_length() - 1
        peaks.append(read(height, start >> height))
        start += 1 << height
    return _join(peaks)


def _join(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = hash_node(peak, root)
    return root
