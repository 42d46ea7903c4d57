"""Forgetting over HTTP: one customer with a receipt, or many as Segment's regulations have it."""

from typing import Annotated, Any, Final

import msgspec

from kept.clock import new_id
from kept.core.erasure import ErasureRecord, write_receipt
from kept.core.event import Identifier
from kept.core.receipt import ConsentReceipt
from kept.core.values import format_instant
from kept.errors import InputError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.erasure_records import ERASURE, read_record
from kept.flows.forget import Wish, forget
from kept.flows.legal_holds import read_held
from kept.flows.pursue_erasures import confirm
from kept.flows.regroup import parse_identifier
from kept.flows.regulate import (
    SUBJECTS_MAX,
    Regulation,
    RegulationType,
    begin_regulation,
    load_regulation,
)
from kept.flows.write_receipts import prove_record
from kept.web.endpoints import BUSY, Call, Endpoint

REASON_LENGTH_MIN: Final = 8
ERASURES_SHOWN: Final = 200
_NAMESPACES: Final = {"USER_ID": "user_id", "ANONYMOUS_ID": "anonymous_id"}
Reason = Annotated[str, msgspec.Meta(min_length=REASON_LENGTH_MIN, max_length=500)]


class ErasureWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to forget, and how it was made sure that they ask themselves."""

    identifier: str
    """`NAMESPACE:VALUE`."""
    confirmed_by: Reason
    """Such as `passport shown at the desk`; it stands in the receipt and the audit."""
    is_suppressed: bool = False
    """Whether nothing is taken of them any more, even if they come back."""
    is_forwarded: bool = True
    """Whether recipients outside are told to erase as well."""


class ErasureSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure, by its id; whom it was about nobody knows any more."""

    request_id: str
    erased_at: str
    is_complete: bool
    waiting_for: tuple[str, ...]
    """Recipients that have not confirmed."""


class Erasures(msgspec.Struct, frozen=True, kw_only=True):
    """The newest erasures, newest first."""

    erasures: tuple[ErasureSummary, ...]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the customer keeps: what was erased, what is left and why, who has confirmed."""

    receipt: dict[str, Any]
    proof: ConsentReceipt
    """The record of the erasure in the consent log, signed; `kept verify-receipt` verifies it offline."""
    key: str
    """The key that it is verified with, as `NAME+ID+BASE64`."""


class Confirmed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a recipient has erased, as it told a person."""

    recipient: str


class HeldWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why what a law obliges to keep is looked at."""

    because: Reason


class HeldShown(msgspec.Struct, frozen=True, kw_only=True):
    """One record that a law obliges to keep."""

    hold: str
    until: str
    record: Any
    """The event, and the traits that the law wants beside it."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What is held after an erasure."""

    records: tuple[HeldShown, ...]


class RegulationWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """People to forget or to suppress, in the form of Segment's public API."""

    regulation_type: RegulationType
    subject_type: str
    subject_ids: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=SUBJECTS_MAX)]
    confirmed_by: str = "by the system that asked for the regulation"


class RegulationId(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The id under which a regulation is asked after."""

    regulate_id: str


class RegulationBegun(msgspec.Struct, frozen=True, kw_only=True):
    """A regulation that was kept and is done from now on."""

    data: RegulationId


class RegulationStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a regulation has come."""

    id: str
    overall_status: str
    created_at: str
    finished_at: str
    subject_count: int
    done_count: int


class RegulationShown(msgspec.Struct, frozen=True, kw_only=True):
    """A regulation."""

    data: dict[str, RegulationStatus]


async def erase(call: Call) -> Receipt:
    """Forget a customer; answered when everything here is erased."""
    runtime, body = call.front.runtime, call.body
    wanted = parse_identifier(body.identifier)
    wish = Wish(
        request_id=new_id(),
        actor=call.caller.actor,
        confirmed_by=body.confirmed_by,
        is_suppressed=body.is_suppressed,
        is_forwarded=body.is_forwarded,
    )
    record = await runtime.ask(lambda engine, now: forget(engine, wanted, wish, now))
    runtime.erasures.wake()
    return await _receipt(call, record)


async def list_erasures(call: Call) -> Erasures:
    """Return the newest erasures."""
    rows = await call.front.runtime.ask(
        lambda engine, now: engine.store.load_requests(newest=ERASURES_SHOWN)
    )
    records = [read_record(row) for row in rows if row.kind == ERASURE]
    return Erasures(
        erasures=tuple(
            ErasureSummary(
                request_id=record.request_id,
                erased_at=format_instant(record.erased_at),
                is_complete=record.is_closed,
                waiting_for=tuple(
                    one.recipient for one in record.recipients if one.state != "confirmed"
                ),
            )
            for record in records
        )
    )


async def show_receipt(call: Call) -> Receipt:
    """Return the receipt of an erasure as it stands now."""
    request_id = call.text("request")
    record = await call.front.runtime.ask(lambda engine, now: _load(engine, request_id))
    return await _receipt(call, record)


async def confirm_recipient(call: Call) -> Receipt:
    """Note that a recipient has erased, as it told a person."""
    request_id, recipient, actor = call.text("request"), call.body.recipient, call.caller.actor
    record = await call.front.runtime.ask(
        lambda engine, now: confirm(engine, request_id, recipient, actor=actor, now=now)
    )
    return await _receipt(call, record)


async def show_held(call: Call) -> Held:
    """Return what a law obliges to keep after an erasure; who asked, and why, is kept."""
    request_id, because, actor = call.text("request"), call.body.because, call.caller.actor
    records = await call.front.runtime.ask(
        lambda engine, now: read_held(engine, request_id, actor=actor, because=because, now=now)
    )
    return Held(
        records=tuple(
            HeldShown(
                hold=one.hold,
                until=format_instant(one.until),
                record=msgspec.json.decode(one.body),
            )
            for one in records
        )
    )


async def regulate(call: Call) -> RegulationBegun:
    """Keep a regulation; its people are forgotten or suppressed from now on."""
    runtime, body = call.front.runtime, call.body
    namespace = _NAMESPACES.get(body.subject_type)
    if namespace is None:
        raise InputError(
            f"subjectType is {body.subject_type[:40]!r}; it must be {' or '.join(_NAMESPACES)}"
        )
    if any(not value.strip() for value in body.subject_ids):
        raise InputError("a subjectId is empty")
    regulation = Regulation(
        regulation_id=new_id(),
        type=body.regulation_type,
        actor=call.caller.actor,
        confirmed_by=body.confirmed_by,
        created_at=call.now,
        subject_count=len(body.subject_ids),
        subjects=tuple(Identifier(namespace, value.strip()) for value in body.subject_ids),
    )
    await runtime.ask(lambda engine, now: begin_regulation(engine, regulation, now))
    runtime.erasures.wake()
    return RegulationBegun(data=RegulationId(regulate_id=regulation.regulation_id))


async def show_regulation(call: Call) -> RegulationShown:
    """Return how far a regulation has come."""
    regulation_id = call.text("regulation")
    regulation, status = await call.front.runtime.ask(
        lambda engine, now: load_regulation(engine, regulation_id)
    )
    shown = RegulationStatus(
        id=regulation.regulation_id,
        overall_status=status,
        created_at=format_instant(regulation.created_at),
        finished_at=format_instant(regulation.finished_at) if status == "FINISHED" else "",
        subject_count=regulation.subject_count,
        done_count=regulation.done_count,
    )
    return RegulationShown(data={"regulation": shown})


def _load(engine: Engine, request_id: str) -> ErasureRecord:
    row = engine.store.load_request(request_id)
    if row is None or row.kind != ERASURE:
        raise NotFoundError(f"there is no erasure {request_id[:100]!r}")
    return read_record(row)


async def _receipt(call: Call, record: ErasureRecord) -> Receipt:
    runtime = call.front.runtime
    key, proof = await runtime.ask(lambda engine, now: prove_record(engine, record.log_index, now))
    told = write_receipt(record, brand=runtime.bundle.brand.brand.brand)
    return Receipt(receipt=told, proof=proof, key=key)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/erasures",
        name="eraseCustomer",
        summary="Forget a customer by an identifier; the answer is the receipt.",
        handler=erase,
        tag="Privacy",
        who="operator",
        needs="erase",
        body=ErasureWanted,
        answer=Receipt,
        statuses=BUSY,
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/erasures",
        name="listErasures",
        summary="List the newest erasures, and for whom each still waits.",
        handler=list_erasures,
        tag="Privacy",
        who="operator",
        needs="erase",
        answer=Erasures,
        statuses=BUSY,
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/erasures/{request}",
        name="showReceipt",
        summary="Return the receipt of an erasure as it stands now.",
        handler=show_receipt,
        tag="Privacy",
        who="operator",
        needs="erase",
        answer=Receipt,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/erasures/{request}/confirm",
        name="confirmErasure",
        summary="Note that a recipient has erased, as it told a person.",
        handler=confirm_recipient,
        tag="Privacy",
        who="operator",
        needs="erase",
        body=Confirmed,
        answer=Receipt,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/erasures/{request}/held",
        name="showHeld",
        summary="Show what a law obliges to keep after an erasure; needs a reason, which is kept.",
        handler=show_held,
        tag="Privacy",
        who="operator",
        needs="export",
        body=HeldWanted,
        answer=Held,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/regulations",
        name="regulate",
        summary="Forget or suppress many people, as Segment's regulations do.",
        handler=regulate,
        tag="Privacy",
        who="operator",
        needs="erase",
        body=RegulationWanted,
        body_bytes_max=1024 * 1024,
        answer=RegulationBegun,
        statuses=BUSY,
    ),
    Endpoint(
        method="GET",
        path="/v1/regulations/{regulation}",
        name="showRegulation",
        summary="Return how far a regulation has come.",
        handler=show_regulation,
        tag="Privacy",
        who="operator",
        needs="erase",
        answer=RegulationShown,
        statuses=(404, *BUSY),
    ),
)
