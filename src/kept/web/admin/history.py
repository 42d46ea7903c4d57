"""History read for analysis over HTTP, page by page, for a stated purpose."""

from typing import Final

from kept.flows.read_history import HistoryPage, HistoryWanted, read_history
from kept.web.endpoints import BUSY, Call, Endpoint


async def read_page(call: Call) -> HistoryPage:
    """Return the next rows of those for whom a basis for the purpose holds now."""
    wanted: HistoryWanted = call.body
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: read_history(engine, wanted, actor=actor, now=now)
    )


ENDPOINTS: Final = (
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
