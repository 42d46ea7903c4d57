"""Receipts: whatever we write the stand-alone verifier reads, and it takes no signature that is none."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kept import verify_receipt as verifier
from kept.core.receipt import read_receipt
from tests.unit.test_verify_receipt import KEY, make_record, receipt_of


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_it_agrees_with_the_library_that_signs(seed: bytes, message: bytes) -> None:
    """Whatever key and message."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verifier.is_signed(public, message, signature)
    assert not verifier.is_signed(public, message + b"!", signature)


@given(who=st.text(max_size=40), size=st.integers(min_value=1, max_value=40), data=st.data())
def test_what_we_write_is_what_it_reads(who: str, size: int, data: st.DataObject) -> None:
    """Whatever letters are in a record, and wherever it stands in the log."""
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    text = json.dumps(receipt_of(make_record(who), index=index, size=size))
    sentences = verifier.verify(text, KEY)
    assert f"the log had {size} entries" in sentences[1]
    assert all("\n" not in sentence for sentence in sentences)
    assert read_receipt(text)[1].index == index
