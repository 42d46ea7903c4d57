"""A customer's rights over HTTP: access, correction, and restriction (GDPR, articles 15, 16, 18, 20)."""

import asyncio
from typing import Final

import msgspec
from starlette.responses import Response, StreamingResponse

from kept.flows.correct import Corrected, Correction, correct
from kept.flows.export_customer import begin_export
from kept.flows.regroup import parse_identifier
from kept.flows.restrict import RestrictionView, lift_restriction, restrict
from kept.runtime.export_archive import Archive
from kept.web.admin.data_use import data_map_of
from kept.web.endpoints import BUSY, Call, Endpoint


class ExportWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data is handed over, and how it was made sure that they ask themselves."""

    identifier: str
    """`NAMESPACE:VALUE`."""
    confirmed_by: str
    """It stands in the export and in the audit."""
    locale: str = ""
    """The language of what is written for a person; empty for the customer's own."""


class RestrictionWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data is kept and not used, why, and how it was made sure who asks."""

    identifier: str
    """`NAMESPACE:VALUE`."""
    because: str
    confirmed_by: str


class LiftWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data is used again, and how they were told before."""

    identifier: str
    """`NAMESPACE:VALUE`."""
    informed_by: str


async def export_customer(call: Call) -> Response:
    """Return everything that is held of a customer as a ZIP archive, written while it is read."""
    body: ExportWanted = call.body
    wanted = parse_identifier(body.identifier)
    runtime = call.front.runtime
    data = await data_map_of(call.front)
    limits = await asyncio.to_thread(runtime.keeping.limits)
    actor = call.caller.actor
    export = await runtime.ask(
        lambda engine, now: begin_export(
            engine,
            data,
            wanted,
            confirmed_by=body.confirmed_by,
            locale=body.locale,
            actor=actor,
            now=now,
        )
    )
    archive = Archive(export, limits, submit=runtime.submit, bundle=runtime.bundle)
    return StreamingResponse(
        archive.write(),
        media_type="application/zip",
        headers={
            "cache-control": "no-store",
            "content-disposition": 'attachment; filename="customer.zip"',
        },
    )


async def correct_customer(call: Call) -> Corrected:
    """Put one thing right; sources that repeat the wrong value do not bring it back."""
    body: Correction = call.body
    data = await data_map_of(call.front)
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: correct(engine, data, body, actor=actor, now=now)
    )


async def restrict_customer(call: Call) -> RestrictionView:
    """Keep a customer's data, and use it for nothing but what a law obliges to."""
    body: RestrictionWanted = call.body
    wanted = parse_identifier(body.identifier)
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: restrict(
            engine,
            wanted,
            because=body.because,
            confirmed_by=body.confirmed_by,
            actor=actor,
            now=now,
        )
    )


async def lift(call: Call) -> RestrictionView:
    """Use a customer's data again, once they have been told."""
    body: LiftWanted = call.body
    wanted = parse_identifier(body.identifier)
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: lift_restriction(
            engine, wanted, informed_by=body.informed_by, actor=actor, now=now
        )
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/customers/export",
        name="exportCustomer",
        summary="Hand a customer everything that is held of them: a ZIP of text, CSV and JSON.",
        handler=export_customer,
        tag="Privacy",
        who="operator",
        needs="export",
        body=ExportWanted,
        media_type="application/zip",
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/customers/correct",
        name="correctCustomer",
        summary="Put a trait, a field, a property or an identifier of a customer right.",
        handler=correct_customer,
        tag="Privacy",
        who="operator",
        needs="correct",
        body=Correction,
        answer=Corrected,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/customers/restrict",
        name="restrictCustomer",
        summary="Keep a customer's data, and use it for nothing but what a law obliges to.",
        handler=restrict_customer,
        tag="Privacy",
        who="operator",
        needs="restrict",
        body=RestrictionWanted,
        answer=RestrictionView,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/customers/lift-restriction",
        name="liftRestriction",
        summary="Use a customer's data again, once they have been told.",
        handler=lift,
        tag="Privacy",
        who="operator",
        needs="restrict",
        body=LiftWanted,
        answer=RestrictionView,
        statuses=(404, 409, *BUSY),
    ),
)
