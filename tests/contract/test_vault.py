"""Every vault gives back what it sealed, and finds each identifier under a key of its own."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.core.event import Identifier
from kept.errors import StoreError
from kept.ports import Record, Vault
from kept.stores.vault import PlainVault

VAULTS: list[Vault] = [PlainVault()]
RECORDS: tuple[Record, ...] = get_args(Record)

each_vault = pytest.mark.parametrize("vault", VAULTS, ids=lambda vault: type(vault).__name__)
identifiers = st.builds(Identifier, st.text(max_size=9), st.text(max_size=9))


@each_vault
@given(part_id=st.integers(0, 2**63 - 1), record=st.sampled_from(RECORDS), content=st.binary())
def test_what_was_sealed_can_be_opened(
    vault: Vault, part_id: int, record: Record, content: bytes
) -> None:
    """For every kind of record and any content."""
    assert vault.open(part_id, record, vault.seal(part_id, record, content)) == content


@each_vault
@given(content=st.binary(max_size=20), place=st.integers(0, 3), bit=st.integers(0, 7))
def test_a_damaged_envelope_is_never_opened(
    vault: Vault, content: bytes, place: int, bit: int
) -> None:
    """Nor is one that is cut off; the error names the record and the part."""
    sealed = bytearray(vault.seal(7, "message", content))
    for torn in (b"", bytes(sealed[:place])):
        with pytest.raises(StoreError, match="message of part 7"):
            vault.open(7, "message", torn)
    sealed[place] ^= 1 << bit
    with pytest.raises(StoreError, match="message of part 7"):
        vault.open(7, "message", bytes(sealed))


@each_vault
@given(first=identifiers, second=identifiers, claimed=st.booleans())
def test_no_two_identifiers_share_a_lookup_key(
    vault: Vault, first: Identifier, second: Identifier, *, claimed: bool
) -> None:
    """The same identifier has the same key always; any other, or a claimed use, another."""
    key = vault.lookup_key(first, claimed=claimed)
    assert key == vault.lookup_key(first, claimed=claimed)
    assert key != vault.lookup_key(first, claimed=not claimed)
    assert (key == vault.lookup_key(second, claimed=claimed)) == (first == second)


def test_the_plain_vault_says_what_it_cannot_read() -> None:
    """What a newer or a sealing vault wrote is told apart from damage."""
    vault = PlainVault()
    for sealed, words in (
        (b"\x02\x00\x00\x00x", "envelope version 2"),
        (b"\x01\x05\x00\x00x", "cipher 5"),
        (b"\x01\x00\x00\x09x", "names a key"),
        (b"\x01\x00", "torn: 2 bytes"),
    ):
        with pytest.raises(StoreError, match=words):
            vault.open(1, "event", sealed)
