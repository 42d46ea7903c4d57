"""Give a customer receipts: every record of their consent, each with its proof."""

from typing import Final

import msgspec

from kept.core.checkpoint import Proof
from kept.core.identity import Part
from kept.core.merkle import prove_inclusion
from kept.core.receipt import ConsentReceipt, write_receipt
from kept.core.record import CONSENT_KINDS, read_leaf
from kept.errors import InputError, NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.regroup import parse_identifier
from kept.flows.resolve import find_customer
from kept.flows.sign_log import load_log_keys, read_subtrees, sign_log

RECEIPTS_MAX: Final = 1_000
_KINDS: Final = CONSENT_KINDS | {"approval", "erasure"}
"""What a customer is given; who of the staff looked is in the log, and not in their hands."""


class ConsentReceipts(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's receipts, oldest first, and the key that they are verified with."""

    customer_id: int
    key: str
    """As `NAME+ID+BASE64`."""
    receipts: tuple[ConsentReceipt, ...]
    left_out: int
    """How many records are not among them: forgotten ones, and those beyond the newest thousand."""


def write_receipts(engine: Engine, identifier: str, *, actor: str, now: int) -> ConsentReceipts:
    """Return the receipts of the customer that an identifier leads to, and record who asked.

    What somebody merely claimed to be is no part of the customer for this: a claim never reveals.

    Raises:
        InputError: the text is no identifier, or the log does not fit what was signed of it.
        NotFoundError: nobody has this identifier, or the log never began.
    """
    wanted, store = parse_identifier(identifier), engine.store
    customer = find_customer(engine.customers, [(wanted, False), (wanted, True)])
    keys = load_log_keys(store)
    if customer is None or keys is None:
        raise NotFoundError(f"nobody is known by this {wanted.namespace}")
    parts = [part.part_id for part in _own_parts(customer)]
    leaves = []
    left_out = 0
    for leaf in store.read_part_leaves(parts):
        if leaf.data is None:
            left_out += 1
        elif _kind(leaf.data) in _KINDS:
            leaves.append((leaf.index, leaf.data))
    left_out += max(len(leaves) - RECEIPTS_MAX, 0)
    detail = {"count": len(leaves)}
    note_operator(
        store,
        "staff_access",
        actor=actor,
        verb="write_receipts",
        detail=detail,
        now=now,
        part_id=customer.own_part,
    )
    signed, read = sign_log(engine, now), read_subtrees(store)
    return ConsentReceipts(
        customer_id=customer.customer_id,
        key=keys.periods[-1].key,
        receipts=tuple(
            write_receipt(
                data,
                Proof(
                    index=index,
                    hashes=tuple(prove_inclusion(index, signed.size, read)),
                    note=signed.note,
                ),
            )
            for index, data in leaves[-RECEIPTS_MAX:]
        ),
        left_out=left_out,
    )


def prove_record(engine: Engine, index: int, now: int) -> tuple[str, ConsentReceipt]:
    """Return the log's key, and the receipt of one record of the house, such as an erasure.

    Raises:
        NotFoundError: there is no such record, or the log never began.
        InputError: the log does not fit what was signed of it.
    """
    keys = load_log_keys(engine.store)
    leaves = engine.store.read_leaves(start=index, limit=1)
    if keys is None or not leaves or leaves[0].data is None:
        raise NotFoundError("the consent log holds no such record")
    signed = sign_log(engine, now)
    hashes = tuple(prove_inclusion(index, signed.size, read_subtrees(engine.store)))
    proof = Proof(index=index, hashes=hashes, note=signed.note)
    return keys.periods[-1].key, write_receipt(leaves[0].data, proof)


def _own_parts(customer: Customer) -> list[Part]:
    """Return the parts that somebody vouched for; all, where nobody did for any."""
    parts = list(customer.parts.values())
    return [part for part in parts if not part.claimed] or parts


def _kind(data: bytes) -> str:
    try:
        return read_leaf(data)[1].kind
    except msgspec.MsgspecError:
        raise InputError(
            "a record of the consent log cannot be read; run `kept audit`, and restore a backup"
        ) from None
