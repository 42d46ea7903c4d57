"""The consent log over HTTP for operators: receipts, the audit, a new key."""

import asyncio
from typing import Final

import msgspec

from kept.core.values import format_instant
from kept.flows.audit_log import Audited, Kept, audit_log, begin_audit
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.sign_log import rotate_key
from kept.flows.write_receipts import ConsentReceipts, write_receipts
from kept.web.consent_log import LogKeyView
from kept.web.endpoints import BUSY, Call, Endpoint

_KEPT_BYTES_MAX: Final = 4 * 1024 * 1024


class ReceiptsWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose receipts; in a body, for addresses of pages are written down everywhere."""

    identifier: str
    """`NAMESPACE:VALUE`."""


class AuditWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to compare the log with, besides itself."""

    against: tuple[Kept, ...] = ()


async def give_receipts(call: Call) -> ConsentReceipts:
    """Return the receipts of a customer's consent, signed now."""
    wanted, actor = call.body.identifier, call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: write_receipts(engine, wanted, actor=actor, now=now)
    )


async def audit(call: Call) -> Audited:
    """Compare the log with itself, with the stream and with what was kept elsewhere."""
    runtime, actor = call.front.runtime, call.caller.actor
    against: tuple[Kept, ...] = call.body.against

    def note(engine: Engine, now: int) -> None:
        detail = {"against": len(against)}
        note_operator(
            engine.store, "staff_access", actor=actor, verb="audit_log", detail=detail, now=now
        )

    await runtime.ask(note)
    # The bounds are drawn once that is durable, for the audit reads what is.
    scope = await runtime.ask(lambda engine, now: begin_audit(engine.store))
    store = runtime.writer.engine.store
    return await asyncio.to_thread(audit_log, store, scope, against=against)


async def renew_key(call: Call) -> LogKeyView:
    """Sign with a new key from now on; the old one stays listed."""
    actor = call.caller.actor
    period = await call.front.runtime.ask(
        lambda engine, now: rotate_key(engine, actor=actor, now=now)
    )
    return LogKeyView(key=period.key, since=format_instant(period.since))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/customers/receipts",
        name="giveReceipts",
        summary="Give the receipts of a customer's consent, each with its proof.",
        handler=give_receipts,
        tag="Operating",
        who="operator",
        needs="export",
        body=ReceiptsWanted,
        answer=ConsentReceipts,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/log/audit",
        name="auditLog",
        summary="Prove that the consent log was not rewritten, or name the place where it was.",
        handler=audit,
        tag="Operating",
        who="operator",
        needs="audit",
        body=AuditWanted,
        body_bytes_max=_KEPT_BYTES_MAX,
        answer=Audited,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/log/key",
        name="renewLogKey",
        summary="Sign the consent log with a new key from now on; the old one stays listed.",
        handler=renew_key,
        tag="Operating",
        who="operator",
        needs="vault",
        answer=LogKeyView,
        statuses=(409, *BUSY),
    ),
)
