"""Values of people shown to staff over HTTP: with a reason, on record, and not too many at once."""

import asyncio
from typing import Final

import msgspec

from kept.flows.engine import Engine
from kept.flows.explain_decision import (
    DecisionExplained,
    Recalled,
    explain_decision,
    recall_decision,
)
from kept.flows.quarantine import find_quarantined
from kept.flows.regroup import parse_identifier
from kept.flows.unmask import (
    Unmasked,
    find_parts_of,
    note_staff_access,
    read_reason,
    unmask_customer,
)
from kept.ports import Quarantined
from kept.web.admin.keys import show_instant
from kept.web.admin.quarantine import QuarantinedView, view_quarantined
from kept.web.endpoints import BUSY, Call, Endpoint

NEWEST_MAX: Final = 1_000


class UnmaskWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose values, which, and why."""

    identifier: str
    """`NAMESPACE:VALUE`."""
    fields: tuple[str, ...]
    """Traits by their names, identifiers as `identifier.NAMESPACE`."""
    reason: str
    """Why, in a sentence; it is kept."""


class ReasonGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why somebody must see the values in something."""

    reason: str
    """A sentence; it is kept."""


class AccessesWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of whom to tell who saw their values."""

    identifier: str
    """`NAMESPACE:VALUE`."""
    newest: int = 100


class AccessView(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody saw values of a customer; never the values."""

    entry_id: int
    at: str
    actor: str
    name: str
    """What the actor is called, if it is a person who is still known."""
    what: str
    fields: tuple[str, ...]
    reason: str


class Accesses(msgspec.Struct, frozen=True, kw_only=True):
    """Who saw values of a customer, newest first."""

    accesses: tuple[AccessView, ...]


async def unmask(call: Call) -> Unmasked:
    """Show values of a customer; noted before they are shown."""
    wanted: UnmaskWanted = call.body
    identifier, actor = parse_identifier(wanted.identifier), call.caller.actor
    call.front.guard.admit_unmasking(call.caller.bucket)
    return await call.front.runtime.ask(
        lambda engine, now: unmask_customer(
            engine, identifier, wanted.fields, reason=wanted.reason, actor=actor, now=now
        )
    )


async def unmask_decision(call: Call) -> DecisionExplained:
    """Explain a decision with the values that it rests on."""
    decision_id, actor = call.number("decision_id"), call.caller.actor
    reason = read_reason(call.body.reason)
    call.front.guard.admit_unmasking(call.caller.bucket)

    def job(engine: Engine, now: int) -> Recalled:
        recalled = recall_decision(engine, decision_id, actor=actor, now=now)
        note_staff_access(
            engine,
            [recalled.part_id],
            what=f"decision/{decision_id}",
            fields=["explanation"],
            reason=reason,
            actor=actor,
            now=now,
        )
        return recalled

    recalled = await call.front.runtime.ask(job)
    return await asyncio.to_thread(explain_decision, recalled, is_unmasked=True)


async def unmask_quarantined(call: Call) -> QuarantinedView:
    """Show an event that could not be taken as it came."""
    quarantine_id, actor = call.number("quarantine_id"), call.caller.actor
    reason = read_reason(call.body.reason)
    call.front.guard.admit_unmasking(call.caller.bucket)

    def job(engine: Engine, now: int) -> Quarantined:
        item = find_quarantined(engine.store, quarantine_id)
        note_staff_access(
            engine,
            # Whose values they are is not known: it could not be read.
            [],
            what=f"quarantine/{quarantine_id}",
            fields=["payload"],
            reason=reason,
            actor=actor,
            now=now,
        )
        return item

    return view_quarantined(await call.front.runtime.ask(job), is_unmasked=True)


async def list_accesses(call: Call) -> Accesses:
    """Return who saw values of a customer."""
    wanted: AccessesWanted = call.body
    identifier = parse_identifier(wanted.identifier)
    newest = max(1, min(wanted.newest, NEWEST_MAX))
    entries = await call.front.runtime.ask(
        lambda engine, now: engine.store.read_accesses(
            find_parts_of(engine, identifier), newest=newest
        )
    )
    names = names_of_staff(call)
    return Accesses(
        accesses=tuple(
            AccessView(
                entry_id=entry.entry_id,
                at=show_instant(entry.at),
                actor=entry.actor,
                name=names.get(entry.actor, ""),
                what=str(entry.detail.get("what", "")),
                fields=tuple(entry.detail.get("fields", ())),
                reason=str(entry.detail.get("reason", "")),
            )
            for entry in entries
        )
    )


def names_of_staff(call: Call) -> dict[str, str]:
    """Return what actors of the audit are called, as far as they are people who are known."""
    return {each.actor: each.name for each in call.front.runtime.directory.staff.values()}


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/customers/unmask",
        name="unmaskCustomer",
        summary="Show values of a customer, with a reason; it is noted who saw which.",
        handler=unmask,
        tag="Operating",
        who="operator",
        needs="unmask",
        body=UnmaskWanted,
        answer=Unmasked,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/customers/accesses",
        name="listAccesses",
        summary="List who saw values of a customer, and why.",
        handler=list_accesses,
        tag="Operating",
        who="operator",
        needs="audit",
        body=AccessesWanted,
        answer=Accesses,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/decisions/{decision_id}/unmask",
        name="unmaskDecision",
        summary="Explain a decision with values unmasked, with a reason; it is noted.",
        handler=unmask_decision,
        tag="Operating",
        who="operator",
        needs="unmask",
        body=ReasonGiven,
        answer=DecisionExplained,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/quarantine/{quarantine_id}/unmask",
        name="unmaskQuarantined",
        summary="Show an event that could not be taken as it came, with a reason; it is noted.",
        handler=unmask_quarantined,
        tag="Operating",
        who="operator",
        needs="unmask",
        body=ReasonGiven,
        answer=QuarantinedView,
        statuses=(404, *BUSY),
    ),
)
