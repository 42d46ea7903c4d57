"""A receipt: what a customer keeps to prove, without us, what we recorded of their consent.

`kept.verify_receipt` checks one and needs nothing else; the two must agree on every member.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any, Final, Literal

import msgspec

from kept.core.checkpoint import PROOF_HEADER, Proof, parse_proof, write_proof
from kept.core.merkle import hash_leaf
from kept.core.record import SALT_BYTES, canonical
from kept.errors import InputError

FORMAT: Final = "kept-receipt@v1"


class ConsentReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record with all that proves that it is in the log."""

    receipt: Literal["kept-receipt@v1"] = FORMAT
    record: dict[str, Any]
    """The record, in the fields of ISO/IEC TS 27560."""
    salt: str
    """In base64; record and salt together hash to the leaf."""
    proof: str
    """A `.tlog-proof` (C2SP) with the checkpoint that was signed."""


def write_receipt(leaf_data: bytes, proof: Proof) -> ConsentReceipt:
    """Return the receipt of a leaf's data."""
    return ConsentReceipt(
        record=msgspec.json.decode(leaf_data[SALT_BYTES:]),
        salt=b64encode(leaf_data[:SALT_BYTES]).decode(),
        proof=write_proof(proof),
    )


def read_receipt(text: str) -> tuple[bytes, Proof]:
    """Return the hash of the leaf that a receipt speaks of, and its proof; nothing is verified yet.

    Raises:
        InputError: the text is no receipt.
    """
    try:
        receipt = msgspec.json.decode(text, type=ConsentReceipt)
        leaf_data = b64decode(receipt.salt, validate=True) + canonical(receipt.record)
    except (msgspec.MsgspecError, Base64Error, ValueError) as error:
        raise InputError(f"this is no receipt: {error}") from None
    return hash_leaf(leaf_data), parse_proof(receipt.proof)


def read_kept(text: str) -> tuple[str, tuple[int, bytes] | None]:
    """Return the signed checkpoint of whatever somebody kept, and the leaf if it is a receipt.

    It may be a checkpoint, a `.tlog-proof`, or a receipt.

    Raises:
        InputError: the text is none of these.
    """
    if text.lstrip().startswith("{"):
        leaf_hash, proof = read_receipt(text)
        return proof.note, (proof.index, leaf_hash)
    return (parse_proof(text).note if text.startswith(PROOF_HEADER) else text), None
