"""Requests between the port's struct and a row: sealed under a key of their own until they are closed."""

from collections.abc import Sequence
from typing import Any

from kept.ports import HOUSE, RequestRow, Vault
from kept.retention_port import request_part


def write_request(vault: Vault, row: RequestRow) -> tuple[Any, ...]:
    """Return a request as the values of its row; one that is closed is sealed with the house's key."""
    part_id = HOUSE if row.is_closed else request_part(row.number)
    sealed = vault.seal(part_id, "request", row.body, row.request_id)
    asked = row.number, row.request_id, row.kind, row.state, row.requested_at, row.next_at
    return (*asked, sealed)


def read_request(vault: Vault, values: Sequence[Any]) -> RequestRow:
    """Return the values of a row as a request."""
    number, request_id, kind, state, requested_at, next_at, sealed = values
    part_id = HOUSE if next_at == 0 else request_part(number)
    return RequestRow(
        number=number,
        request_id=request_id,
        kind=kind,
        state=state,
        requested_at=requested_at,
        next_at=next_at,
        body=vault.open(part_id, "request", sealed, request_id),
    )
