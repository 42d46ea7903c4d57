"""Approvals over HTTP: what waits for a person, why, and their yes or no to one of them."""

import asyncio
from typing import Annotated, Final

import msgspec

from kept.flows.approval_requests import ApprovalState
from kept.flows.approvals import (
    LISTED_MAX,
    ApprovalView,
    decide_approval,
    list_approvals,
    show_approval,
)
from kept.flows.engine import Engine
from kept.flows.explain_decision import (
    DecisionExplained,
    Recalled,
    explain_decision,
    recall_decision,
)
from kept.web.endpoints import BUSY, Call, Endpoint


class ApprovalsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which approvals."""

    state: ApprovalState | None = None
    """Only in this state; without one, what waits for a person."""
    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    """Go on after this approval."""


class Approvals(msgspec.Struct, frozen=True, kw_only=True):
    """Approvals in the order in which they were asked for."""

    approvals: tuple[ApprovalView, ...]
    has_more: bool


class ApprovalShown(msgspec.Struct, frozen=True, kw_only=True):
    """One approval with the decision behind it: the reasons and the facts."""

    approval: ApprovalView
    explained: DecisionExplained


class Reasoned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a person decides as they do."""

    because: str
    """In their own words; kept with their name."""
    alone: bool = False
    """Whether there is nobody else to decide what the same person approved before."""


async def list_all(call: Call) -> Approvals:
    """Return what waits for a person."""
    query: ApprovalsQuery = call.query
    states: tuple[ApprovalState, ...] = (query.state,) if query.state else ()
    found = await call.front.runtime.ask(
        lambda engine, now: list_approvals(engine, states=states, after=query.after, now=now)
    )
    return Approvals(approvals=tuple(found), has_more=len(found) == LISTED_MAX)


async def show(call: Call) -> ApprovalShown:
    """Return one approval, why it would go ahead, and what else was considered."""
    number, actor = call.number("approval"), call.caller.actor

    def job(engine: Engine, now: int) -> tuple[ApprovalView, Recalled]:
        view = show_approval(engine, number, now)
        return view, recall_decision(engine, view.decision_id, actor=actor, now=now)

    view, recalled = await call.front.runtime.ask(job)
    explained = await asyncio.to_thread(explain_decision, recalled)
    return ApprovalShown(approval=view, explained=explained)


async def approve(call: Call) -> ApprovalView:
    """Let one action about one object go ahead, once."""
    wanted: Reasoned = call.body
    number, actor = call.number("approval"), call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: decide_approval(
            engine,
            number,
            "approved",
            actor=actor,
            because=wanted.because,
            is_alone=wanted.alone,
            now=now,
        )
    )


async def refuse(call: Call) -> ApprovalView:
    """Keep one action about one object away, also where it was approved and not used yet."""
    wanted: Reasoned = call.body
    number, actor = call.number("approval"), call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: decide_approval(
            engine,
            number,
            "refused",
            actor=actor,
            because=wanted.because,
            is_alone=wanted.alone,
            now=now,
        )
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/approvals",
        name="listApprovals",
        summary="List what waits for a person, customers masked.",
        handler=list_all,
        tag="Operating",
        who="operator",
        needs="decisions",
        query=ApprovalsQuery,
        answer=Approvals,
        statuses=(400, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/approvals/{approval}",
        name="showApproval",
        summary="Show one approval with the reasons and the facts behind it.",
        handler=show,
        tag="Operating",
        who="operator",
        needs="decisions",
        answer=ApprovalShown,
        statuses=(400, 404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/approvals/{approval}/approve",
        name="approve",
        summary="Approve one action about one object, once, with a reason.",
        handler=approve,
        tag="Operating",
        who="operator",
        needs="approve",
        body=Reasoned,
        answer=ApprovalView,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/approvals/{approval}/refuse",
        name="refuse",
        summary="Refuse one action about one object, or take an approval back, with a reason.",
        handler=refuse,
        tag="Operating",
        who="operator",
        needs="approve",
        body=Reasoned,
        answer=ApprovalView,
        statuses=(404, 409, *BUSY),
    ),
)
