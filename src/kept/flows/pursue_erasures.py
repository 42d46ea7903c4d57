"""See erasures through: recipients are asked until they confirm, and then nobody is named any more."""

import zlib
from collections.abc import Iterable
from typing import Final

import msgspec

from kept.core.erasure import (
    ALARM_AFTER,
    ErasureRecord,
    RecipientErasure,
    note_confirmed,
    note_told,
    note_untaken,
)
from kept.core.message import Accepted, SendResult
from kept.errors import ConflictError, ContendedError, NotFoundError
from kept.flows.duties import hold_duty
from kept.flows.engine import Engine
from kept.flows.erasure_records import ERASURE, read_record, save_record
from kept.flows.note_in_log import note_operator
from kept.flows.regulate import REGULATION, continue_regulation
from kept.ports import RequestRow

REQUESTS_A_LOOK: Final = 100
OWN_FILES: Final = ""


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient that is to be asked now; an empty name stands for files of ours."""

    record: ErasureRecord
    recipient: str


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done now."""

    askings: tuple[Asking, ...]
    is_more: bool
    """Whether more is due already."""


def find_due(engine: Engine, now: int) -> Due:
    """Go on with regulations, and return whom to ask now; alert about who does not confirm."""
    due: list[Asking] = []
    is_more = False
    is_ours = hold_duty(engine, "erasures", now)
    _hold_requests(engine)
    there = {node.node_id for node in engine.nodes if not node.is_gone}
    for row in engine.store.load_due_requests(now=now, limit=REQUESTS_A_LOOK):
        if row.kind == REGULATION:
            if is_ours:
                continue_regulation(engine, row, now)
                is_more = True
            continue
        record = _alarm(engine, row, now) if is_ours else read_record(row)
        is_left = engine.node_id not in record.files_erased_by or there <= set(
            record.files_erased_by
        )
        if not record.are_files_erased and is_left:
            # Every node has files of its own; those of one that is gone nobody waits for.
            due.append(Asking(record=record, recipient=OWN_FILES))
        if not is_ours:
            continue
        due += [
            Asking(record=record, recipient=one.recipient)
            for one in record.recipients
            if 0 < one.next_at <= now
        ]
    return Due(askings=tuple(due), is_more=is_more)


def note_files_erased(engine: Engine, request_id: str) -> None:
    """Note that files of this node hold nothing of a customer any more."""
    store = engine.store
    _hold_requests(engine)
    row = store.load_request(request_id)
    if row is None:
        return
    record = read_record(row)
    done = (*record.files_erased_by, engine.node_id)
    there = {node.node_id for node in store.list_nodes() if not node.is_gone}
    record = msgspec.structs.replace(
        record, files_erased_by=done, are_files_erased=there <= set(done)
    )
    save_record(store, record, number=row.number)


def note_answer(
    engine: Engine, request_id: str, recipient: str, result: SendResult, now: int
) -> None:
    """Note what a recipient answered: done, taken and under way, or not taken."""
    row, record, one = _find(engine, request_id, recipient)
    if one.state == "confirmed":
        return
    if isinstance(result, Accepted):
        changed = note_told(one, now, is_done=not result.is_pending)
    else:
        draw = zlib.crc32(f"{request_id}|{recipient}|{one.attempt_count}".encode())
        changed = note_untaken(one, now, draw=draw)
        engine.counts["unerased", recipient] += 1
    _save(engine, row, record, changed)


def confirm(
    engine: Engine, request_id: str, recipient: str, *, actor: str, now: int
) -> ErasureRecord:
    """Note that a recipient has erased, as it says itself or a person says of it.

    Raises:
        NotFoundError: there is no such erasure, or it was not forwarded to this recipient.
        ConflictError: it is confirmed already.
    """
    row, record, one = _find(engine, request_id, recipient)
    if one.state == "confirmed":
        raise ConflictError(f"{recipient} has confirmed {request_id} already")
    detail = {"request": request_id, "recipient": recipient}
    note_operator(
        engine.store, "approval", actor=actor, verb="confirm_erasure", detail=detail, now=now
    )
    return _save(engine, row, record, note_confirmed(one, now))


def _alarm(engine: Engine, row: RequestRow, now: int) -> ErasureRecord:
    record = read_record(row)
    if now < record.erased_at + ALARM_AFTER:
        return record
    late = [one for one in record.recipients if one.state != "confirmed" and not one.is_alarmed]
    for one in late:
        engine.alert(
            "erasure_unconfirmed", at=now, request=record.request_id, recipient=one.recipient
        )
        record = _save(engine, row, record, msgspec.structs.replace(one, is_alarmed=True))
    return record


def _hold_requests(engine: Engine) -> None:
    """Let no other node change a request until the end: one of two changes would be lost."""
    if not engine.store.try_duty("requests"):
        raise ContendedError("another node notes what became of an erasure")


def _find(
    engine: Engine, request_id: str, recipient: str
) -> tuple[RequestRow, ErasureRecord, RecipientErasure]:
    _hold_requests(engine)
    row = engine.store.load_request(request_id)
    record = read_record(row) if row is not None and row.kind == ERASURE else None
    if row is None or record is None:
        raise NotFoundError(f"there is no erasure {request_id[:100]!r}")
    for one in record.recipients:
        if one.recipient == recipient:
            return row, record, one
    names = ", ".join(one.recipient for one in record.recipients) or "nobody"
    raise NotFoundError(f"{request_id} was forwarded to {names}, not to {recipient[:100]!r}")


def _save(
    engine: Engine, row: RequestRow, record: ErasureRecord, changed: RecipientErasure
) -> ErasureRecord:
    recipients: Iterable[RecipientErasure] = (
        changed if one.recipient == changed.recipient else one for one in record.recipients
    )
    updated = msgspec.structs.replace(record, recipients=tuple(recipients))
    save_record(engine.store, updated, number=row.number)
    return updated
