"""A decision explained over HTTP."""

import asyncio
from typing import Final

from kept.flows.explain_decision import DecisionExplained, explain_decision, recall_decision
from kept.web.endpoints import BUSY, Call, Endpoint


async def show_decision(call: Call) -> DecisionExplained:
    """Explain a decision to staff and to the customer, and prove it by making it again."""
    decision_id, actor = call.number("decision_id"), call.caller.actor
    recalled = await call.front.runtime.ask(
        lambda engine, now: recall_decision(engine, decision_id, actor=actor, now=now)
    )
    # An old brand is compiled for this, which takes longer than a request may hold the others up.
    return await asyncio.to_thread(explain_decision, recalled)


ENDPOINTS: Final = (
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
