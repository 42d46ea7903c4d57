"""How long data is kept, over HTTP: what would be removed, and approving what is shorter."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from kept.flows.engine import Engine
from kept.flows.retain import approve_retention
from kept.flows.survey_retention import (
    RetentionView,
    Tally,
    count_events,
    count_records,
    view_retention,
)
from kept.web.endpoints import BUSY, Call, Endpoint


class ApprovalWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why shorter limits need not wait."""

    because: str


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """Whether any limit waited."""

    approved: bool


async def show_retention(call: Call) -> RetentionView:
    """Return what is past its time; the stream is read in pieces, so that nobody else waits."""
    runtime = call.front.runtime
    tally = Tally(await asyncio.to_thread(runtime.keeping.limits))
    after = await runtime.ask(_count_from(tally, 0))
    while after:
        after = await runtime.ask(_count_from(tally, after))
    store = runtime.writer.engine.store
    await asyncio.to_thread(count_records, store, tally, now=call.now)
    return await runtime.ask(lambda engine, now: view_retention(engine, tally, now=now))


def _count_from(tally: Tally, after: int) -> Callable[[Engine, int], int]:
    return lambda engine, now: count_events(engine, tally, after=after, now=now)


async def approve(call: Call) -> Approved:
    """Apply shorter limits at once."""
    body: ApprovalWanted = call.body
    actor = call.caller.actor
    approved = await call.front.runtime.ask(
        lambda engine, now: approve_retention(engine, actor=actor, because=body.because, now=now)
    )
    call.front.runtime.keeping.wake()
    return Approved(approved=approved)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/retention",
        name="showRetention",
        summary="Count what is past its time and would be removed, by kind and purpose.",
        handler=show_retention,
        tag="Privacy",
        who="operator",
        needs="erase",
        answer=RetentionView,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/retention/approve",
        name="approveRetention",
        summary="Apply limits that became shorter without waiting any longer.",
        handler=approve,
        tag="Privacy",
        who="operator",
        needs="erase",
        body=ApprovalWanted,
        answer=Approved,
        statuses=BUSY,
    ),
)
