"""Regulations: many people forgotten or suppressed by one request, as Segment's public API has it.

https://docs.segmentapis.com/tag/Deletion-and-Suppression. A regulation is kept first and done
afterwards, some of its people at a time; each erasure is a request of its own with its own receipt.
"""

from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.event import Identifier
from kept.errors import NotFoundError
from kept.flows.engine import Engine
from kept.flows.erasure_records import ERASURE, read_record
from kept.flows.forget import Wish, bury, forget
from kept.flows.note_in_log import note_operator
from kept.flows.resolve import find_customer
from kept.ports import RequestRow

REGULATION: Final = "regulation"
SUBJECTS_A_STEP: Final = 10
SUBJECTS_MAX: Final = 5_000

RegulationType: TypeAlias = Literal[
    "SUPPRESS_ONLY",
    "UNSUPPRESS",
    "SUPPRESS_WITH_DELETE",
    "DELETE_ONLY",
    "SUPPRESS_WITH_DELETE_INTERNAL",
    "DELETE_INTERNAL",
]
"""What is done: deleting erases, suppressing takes nothing any more, INTERNAL tells no recipient."""

Status: TypeAlias = Literal["INITIALIZED", "RUNNING", "FINISHED"]
_SUPPRESSING: Final = frozenset(
    {"SUPPRESS_ONLY", "SUPPRESS_WITH_DELETE", "SUPPRESS_WITH_DELETE_INTERNAL"}
)


class Regulation(msgspec.Struct, frozen=True, kw_only=True):
    """One regulation, and how many of its people it is through with."""

    regulation_id: str
    type: RegulationType
    actor: str
    confirmed_by: str
    created_at: int
    subject_count: int
    subjects: tuple[Identifier, ...]
    """Those that are still to be done."""
    finished_at: int = 0

    @property
    def done_count(self) -> int:
        """Return how many people it is through with."""
        return self.subject_count - len(self.subjects)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Regulation).decode


def begin_regulation(engine: Engine, regulation: Regulation, now: int) -> None:
    """Keep a regulation; it is done from now on."""
    _save(engine, regulation, number=engine.store.next_request_number())
    detail = {
        "request": regulation.regulation_id,
        "type": regulation.type,
        "subjects": regulation.subject_count,
        "confirmed_by": regulation.confirmed_by,
    }
    note_operator(
        engine.store, "approval", actor=regulation.actor, verb="regulate", detail=detail, now=now
    )


def continue_regulation(engine: Engine, row: RequestRow, now: int) -> None:
    """Do the next people of a regulation."""
    regulation = _decode(row.body)
    step = regulation.subjects[:SUBJECTS_A_STEP]
    for number, subject in enumerate(step, start=regulation.done_count + 1):
        _apply(engine, regulation, subject, f"{regulation.regulation_id}.{number}", now)
    left = regulation.subjects[len(step) :]
    done = msgspec.structs.replace(
        regulation, subjects=left, finished_at=0 if left else max(now, 1)
    )
    _save(engine, done, number=row.number)


def load_regulation(engine: Engine, regulation_id: str) -> tuple[Regulation, Status]:
    """Return a regulation and its status: finished once every recipient has confirmed.

    Raises:
        NotFoundError: there is none.
    """
    row = engine.store.load_request(regulation_id)
    if row is None or row.kind != REGULATION:
        raise NotFoundError(f"there is no regulation {regulation_id[:100]!r}")
    regulation = _decode(row.body)
    if regulation.subjects:
        return regulation, "RUNNING" if regulation.done_count else "INITIALIZED"
    erasures = [
        engine.store.load_request(f"{regulation_id}.{number}")
        for number in range(1, regulation.subject_count + 1)
    ]
    is_closed = all(
        erasure is None or (erasure.kind == ERASURE and read_record(erasure).is_closed)
        for erasure in erasures
    )
    return regulation, "FINISHED" if is_closed else "RUNNING"


def _apply(
    engine: Engine, regulation: Regulation, subject: Identifier, request_id: str, now: int
) -> None:
    if regulation.type in ("SUPPRESS_ONLY", "UNSUPPRESS"):
        _suppress(engine, subject, is_suppressed=regulation.type == "SUPPRESS_ONLY")
        return
    wish = Wish(
        request_id=request_id,
        actor=regulation.actor,
        confirmed_by=regulation.confirmed_by,
        is_suppressed=regulation.type in _SUPPRESSING,
        is_forwarded=not regulation.type.endswith("INTERNAL"),
    )
    forget(engine, subject, wish, now)


def _suppress(engine: Engine, subject: Identifier, *, is_suppressed: bool) -> None:
    """Take nothing of somebody any more, or again; what is stored stays."""
    customer = find_customer(engine.customers, [(subject, False), (subject, True)])
    known = {part.identifier for part in customer.parts.values()} if customer else set()
    bury(engine, sorted(known | {subject}), until=0, is_suppressed=is_suppressed)


def _save(engine: Engine, regulation: Regulation, *, number: int) -> None:
    engine.store.save_request(
        RequestRow(
            number=number,
            request_id=regulation.regulation_id,
            kind=REGULATION,
            state="open" if regulation.subjects else "closed",
            requested_at=regulation.created_at,
            next_at=max(regulation.created_at, 1) if regulation.subjects else 0,
            body=_encode(regulation),
        )
    )
