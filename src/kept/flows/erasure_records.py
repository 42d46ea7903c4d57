"""Erasures as the store keeps them: sealed while somebody must still be told whom to forget."""

from typing import Final

import msgspec

from kept.core.erasure import ErasureRecord
from kept.ports import RequestRow, Store

ERASURE: Final = "erasure"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(ErasureRecord).decode


def save_record(store: Store, record: ErasureRecord, *, number: int) -> None:
    """Keep how far an erasure has come; once it is closed, whom it was about is dropped."""
    if record.is_closed:
        record = msgspec.structs.replace(record, identifiers=(), message_ids=())
    row = RequestRow(
        number=number,
        request_id=record.request_id,
        kind=ERASURE,
        state="closed" if record.is_closed else "open",
        requested_at=record.erased_at,
        next_at=record.next_at,
        body=_encode(record),
    )
    store.save_request(row)


def read_record(row: RequestRow) -> ErasureRecord:
    """Return an erasure as it was kept."""
    return _decode(row.body)
