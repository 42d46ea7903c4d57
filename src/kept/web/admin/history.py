"""History read for analysis over HTTP, for a stated purpose: page by page, or whose files may be read."""

import asyncio
from typing import Final

import msgspec

from kept.flows.list_readable import (
    QueryRun,
    ReadablePage,
    ReadableWanted,
    list_readable,
    note_query,
)
from kept.flows.read_history import HistoryPage, HistoryWanted, read_history
from kept.web.endpoints import BUSY, Call, Endpoint


async def read_page(call: Call) -> HistoryPage:
    """Return the next rows of those for whom a basis for the purpose holds now."""
    wanted: HistoryWanted = call.body
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: read_history(engine, wanted, actor=actor, now=now)
    )


class HistoryStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Where files of history are, and how far they reach."""

    folder: str
    behind_seconds: float
    """Since when closed hours have waited; 0 where none waits."""
    files: int
    bytes: int


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """That it stands in the audit."""

    noted: bool = True


async def show_readable(call: Call) -> ReadablePage:
    """Return the next customers whose rows may be read."""
    wanted: ReadableWanted = call.body
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: list_readable(engine, wanted, actor=actor, now=now)
    )


async def note_run(call: Call) -> Noted:
    """Note that a query was answered."""
    run: QueryRun = call.body
    actor = call.caller.actor
    await call.front.runtime.ask(lambda engine, now: note_query(engine, run, actor=actor, now=now))
    return Noted()


async def show_standing(call: Call) -> HistoryStanding:
    """Return how far history has come."""
    return _show(call)


async def export_all(call: Call) -> HistoryStanding:
    """Write whatever is settled into files, the hour that is under way included."""
    await asyncio.to_thread(call.front.runtime.histories.export_all)
    return _show(call)


def _show(call: Call) -> HistoryStanding:
    runtime = call.front.runtime
    standing = runtime.histories.standing
    return HistoryStanding(
        folder=str(runtime.settings.history_folder.resolve()),
        behind_seconds=standing.behind_seconds,
        files=standing.files,
        bytes=standing.size,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/history",
        name="showHistory",
        summary="Show where the files of history are, and how far they reach.",
        handler=show_standing,
        tag="Operating",
        who="operator",
        needs="export",
        answer=HistoryStanding,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/history/export",
        name="exportHistory",
        summary="Write what came in so far into the files of history, the hour under way included.",
        handler=export_all,
        tag="Operating",
        who="operator",
        needs="export",
        answer=HistoryStanding,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/history/readable",
        name="listReadable",
        summary="List whose rows in the files of history may be read for a purpose right now.",
        handler=show_readable,
        tag="Operating",
        who="operator",
        needs="export",
        body=ReadableWanted,
        answer=ReadablePage,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/history/queries",
        name="noteQuery",
        summary="Note in the audit that a query over the files of history was answered.",
        handler=note_run,
        tag="Operating",
        who="operator",
        needs="export",
        body=QueryRun,
        answer=Noted,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/history/read",
        name="readHistory",
        summary="Read events or decisions for a purpose; rows without a basis for it are absent.",
        handler=read_page,
        tag="Operating",
        who="operator",
        needs="export",
        body=HistoryWanted,
        answer=HistoryPage,
        statuses=(404, *BUSY),
    ),
)
