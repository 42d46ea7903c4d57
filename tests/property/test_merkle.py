"""The tree against a reference that is RFC 6962 written down word for word."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.core import merkle

SIZE_MAX = 300


def mth(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash (RFC 6962, section 2.1)."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the audit path (RFC 6962, section 2.1.1)."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], *, is_whole: bool) -> list[bytes]:
    """Return the consistency proof (RFC 6962, section 2.1.2)."""
    if m == len(leaves):
        return [] if is_whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], is_whole=is_whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], is_whole=False), mth(leaves[:k])]


def split(count: int) -> int:
    """Return the largest power of two smaller than a count."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def leaves_of(size: int) -> list[bytes]:
    """Return the data of so many leaves."""
    return [b"leaf %d" % index for index in range(size)]


def reader(leaves: Sequence[bytes]) -> merkle.ReadSubtree:
    """Return what reads complete subtrees of these leaves, and nothing else."""

    def read(height: int, place: int) -> bytes:
        covered = leaves[place << height : (place + 1) << height]
        assert len(covered) == 1 << height
        return mth(covered)

    return read


sizes = st.integers(min_value=1, max_value=SIZE_MAX)


@given(sizes)
def test_a_growing_tree_has_the_root_of_the_whole(size: int) -> None:
    """Leaf by leaf, from all hashes, and from complete subtrees alone it is the same root."""
    leaves = leaves_of(size)
    assert merkle.root_of([merkle.hash_leaf(one) for one in leaves]) == mth(leaves)
    assert merkle.root_at(size, reader(leaves)) == mth(leaves)


@given(sizes, st.data())
def test_inclusion_is_proven_as_the_rfc_says_and_for_nothing_else(
    size: int, data: st.DataObject
) -> None:
    """The proof is the reference's; it holds for its own leaf, place and size only."""
    leaves = leaves_of(size)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    proof = merkle.prove_inclusion(index, size, reader(leaves))
    assert proof == path(index, leaves)
    root, leaf = mth(leaves), merkle.hash_leaf(leaves[index])
    assert merkle.root_by_inclusion(leaf, index, size, proof) == root
    other = data.draw(st.integers(min_value=0, max_value=size - 1))
    assert (merkle.root_by_inclusion(leaf, other, size, proof) == root) == (other == index)
    assert merkle.root_by_inclusion(merkle.hash_leaf(b"other"), index, size, proof) != root
    assert merkle.root_by_inclusion(leaf, index, size, [*proof, root]) is None
    if proof:
        broken = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
        altered = [*proof[:broken], bytes(32), *proof[broken + 1 :]]
        assert merkle.root_by_inclusion(leaf, index, size, altered) != root
        assert merkle.root_by_inclusion(leaf, index, size, proof[:-1]) != root


@given(sizes, st.data())
def test_growth_is_proven_as_the_rfc_says_and_nothing_else_is(
    new: int, data: st.DataObject
) -> None:
    """A tree with one leaf of the old part changed is never taken for its continuation."""
    leaves = leaves_of(new)
    old = data.draw(st.integers(min_value=1, max_value=new))
    proof = merkle.prove_consistency(old, new, reader(leaves))
    assert proof == subproof(old, leaves, is_whole=True)
    then, now = mth(leaves[:old]), mth(leaves)
    assert merkle.is_consistent(old, then, new, now, proof)
    changed = data.draw(st.integers(min_value=0, max_value=old - 1))
    forged = [*leaves[:changed], b"forged", *leaves[changed + 1 :]]
    forged_proof = merkle.prove_consistency(old, new, reader(forged))
    assert not merkle.is_consistent(old, then, new, mth(forged), forged_proof)
    assert not merkle.is_consistent(old, then, new, mth(forged), proof)
    assert not merkle.is_consistent(old, then, new, now, [*proof, now])
    if proof:
        assert not merkle.is_consistent(old, then, new, now, proof[:-1])


# The eight leaves that certificate-transparency implementations test with, and their roots.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_known_trees_have_the_known_roots(size: int) -> None:
    """The vectors of the certificate transparency project."""
    hashes = [merkle.hash_leaf(leaf) for leaf in LEAVES[:size]]
    assert merkle.root_of(hashes).hex() == ROOTS[size - 1]


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    """RFC 6962, section 2.1."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.Growth().root().hex() == merkle.EMPTY_ROOT.hex() == empty
    assert merkle.root_at(0, reader([])).hex() == empty


def test_what_cannot_be_proven_is_refused() -> None:
    """A leaf outside of the tree, and a tree that would have to shrink."""
    with pytest.raises(ValueError, match="no leaf 3"):
        merkle.prove_inclusion(3, 3, reader(leaves_of(3)))
    with pytest.raises(ValueError, match="cannot be compared"):
        merkle.prove_consistency(4, 3, reader(leaves_of(3)))
    assert merkle.root_by_inclusion(b"", 3, 3, []) is None
    assert not merkle.is_consistent(0, b"", 3, b"", [])
    assert not merkle.is_consistent(3, b"", 4, b"", [])
