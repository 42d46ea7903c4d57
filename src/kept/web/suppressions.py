"""Suppressions, for a tool that cannot be called: it fetches what it was not told yet."""

from typing import Annotated, Final

import msgspec

from kept.core.suppression import Suppression
from kept.flows.disclosures import note_suppressions_told
from kept.flows.engine import Engine
from kept.flows.tell_tools import Page, read_page
from kept.web.endpoints import BUSY, Call, Endpoint

LIMIT_MAX: Final = 200


class SuppressionsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """From where on, and how much at once."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    """The `next` of the answer before; 0 begins with the first there ever was."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)] = 100
    """At most so many changes; each may speak of several scopes."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, in its order."""

    suppressions: tuple[Suppression, ...]
    next: int
    """What to ask for `after` next time, to be kept once these are taken over."""
    has_more: bool
    """Whether more waits already."""


async def fetch_suppressions(call: Call) -> Told:
    """Return what a tool was not told yet; what holds is read at this moment."""
    query: SuppressionsQuery = call.query
    source = call.caller.source

    def fetch(engine: Engine, now: int) -> Page:
        page = read_page(engine, source, after=query.after, limit=query.limit)
        note_suppressions_told(engine, source, after=query.after, upto=page.upto, now=now)
        return page

    page = await call.front.runtime.ask(fetch)
    return Told(suppressions=page.suppressions, next=page.upto, has_more=page.has_more)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/suppressions",
        name="fetchSuppressions",
        summary="Fetch, as a tool outside Kept, whom it may not contact any more, or may again.",
        handler=fetch_suppressions,
        tag="Decisions",
        who="server",
        query=SuppressionsQuery,
        answer=Told,
        statuses=(400, *BUSY),
    ),
)
