"""Decisions over HTTP: one explained, and the contacts of tools outside that were refused."""

import asyncio
from typing import Annotated, Final

import msgspec

from kept.flows.explain_decision import DecisionExplained, explain_decision, recall_decision
from kept.flows.list_refused import RefusedPage, list_refused
from kept.web.endpoints import BUSY, Call, Endpoint


class RefusedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    """Go on after this decision, as the page before said."""


async def show_decision(call: Call) -> DecisionExplained:
    """Explain a decision to staff and to the customer, and prove it by making it again."""
    decision_id, actor = call.number("decision_id"), call.caller.actor
    recalled = await call.front.runtime.ask(
        lambda engine, now: recall_decision(engine, decision_id, actor=actor, now=now)
    )
    # An old brand is compiled for this, which takes longer than a request may hold the others up.
    return await asyncio.to_thread(explain_decision, recalled)


async def show_refused(call: Call) -> RefusedPage:
    """Return the next contacts of tools outside that were refused, and why."""
    after, actor = call.query.after, call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: list_refused(engine, after=after, actor=actor, now=now)
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/refused-contacts",
        name="listRefusedContacts",
        summary="List the contacts of tools outside that were refused, and why.",
        handler=show_refused,
        tag="Operating",
        who="operator",
        needs="decisions",
        query=RefusedQuery,
        answer=RefusedPage,
        statuses=(400, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/decisions/{decision_id}",
        name="showDecision",
        summary="Explain a decision, and prove it by making it again.",
        handler=show_decision,
        tag="Operating",
        who="operator",
        needs="decisions",
        answer=DecisionExplained,
        statuses=(400, 404, *BUSY),
    ),
)
