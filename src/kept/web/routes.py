"""Every route that the server answers, in one table: it runs them and documents them."""

from typing import Any, Final

import msgspec
from starlette.responses import Response

from kept.flows.ask import ContactAnswer, ContactQuestion
from kept.web import (
    callbacks,
    calls,
    consent_log,
    contest,
    data_use_page,
    decide,
    health,
    hooks,
    inbox,
    ingest,
    status,
    suppressions,
    unsubscribe,
)
from kept.web.admin import (
    access,
    approvals,
    base,
    brakes,
    breaches,
    campaign,
    customers,
    data_use,
    decisions,
    history,
    imports,
    keys,
    nodes,
    privacy,
    quarantine,
    replays,
    retention,
    staff,
    tokens,
    unmask,
    upkeep,
    vault,
)
from kept.web.admin import consent_log as admin_log
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.staff import pages, provider_pages
from kept.web.wire.routes import ROUTES, Route


class EventBody(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """One event in the form of the Segment specification; further members are kept or ignored."""

    type: str = ""
    user_id: str | None = None
    anonymous_id: str | None = None
    event: str | None = None
    name: str | None = None
    message_id: str | None = None
    timestamp: str | None = None
    sent_at: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    group_id: str | None = None
    previous_id: str | None = None
    write_key: str | None = None


class BatchBody(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """Many events at once, with what is said of all of them."""

    batch: list[EventBody]
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None
    sent_at: str | None = None
    write_key: str | None = None


class SdkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser SDK asks for before it sends anything; the members are the SDK's own."""


def _event_endpoint(path: str, route: Route) -> Endpoint:
    name = "send" + "".join(part.capitalize() for part in path.split("/") if part)
    if route.kind == "pixel":
        return Endpoint(
            method="GET",
            path=path,
            name=name,
            summary=f"Take one {route.type} by a picture; the event is in `data`.",
            tag="Events",
            who="source",
            media_type="image/gif",
            statuses=(400, 413, *BUSY),
            is_shared=True,
        )
    is_batch = route.kind == "batch"
    return Endpoint(
        method="POST",
        path=path,
        name=name,
        summary="Take many events." if is_batch else f"Take one {route.type}.",
        tag="Events",
        who="source",
        body=BatchBody if is_batch else EventBody,
        answer=ingest.Taken,
        statuses=BUSY,
        is_shared=True,
    )


_SDKS: Final = tuple(
    _event_endpoint(path, route)
    for path, route in ROUTES.items()
    if route.kind in ("event", "batch", "pixel")
)

_SETTINGS: Final = (
    Endpoint(
        method="GET",
        path="/v1/projects/{key}/settings",
        name="readSettings",
        summary="What analytics.js asks for before it sends anything.",
        tag="Events",
        who="anyone",
        answer=SdkSettings,
        statuses=(404,),
        is_shared=True,
    ),
    Endpoint(
        method="GET",
        path="/sourceConfig",
        name="readSourceConfig",
        summary="What the RudderStack browser SDK asks for before it sends anything.",
        tag="Events",
        who="source",
        answer=SdkSettings,
        is_shared=True,
    ),
)

_HOT: Final = (
    Endpoint(
        method="POST",
        path="/v1/decide",
        name="decide",
        summary="Ask what a placement may show; one question, or many at one moment.",
        tag="Decisions",
        who="source",
        body=decide.BODY,
        answer=decide.ANSWER,
        statuses=(404, *BUSY),
        is_shared=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/may-i",
        name="mayI",
        summary="Ask, as a tool outside Kept, whether a customer may be contacted.",
        tag="Decisions",
        who="server",
        body=ContactQuestion,
        answer=ContactAnswer,
        statuses=BUSY,
        is_shared=True,
    ),
)


async def show_document(call: Call) -> Response:
    """Return this table as an OpenAPI document."""
    return Response(call.front.document, media_type="application/json")


_OWN: Final = (
    Endpoint(
        method="GET",
        path="/openapi.json",
        name="showOpenapi",
        summary="This document.",
        handler=show_document,
        tag="Watching",
        who="anyone",
    ),
)

ENDPOINTS: Final = (
    *_SDKS,
    *_SETTINGS,
    *_HOT,
    *suppressions.ENDPOINTS,
    *hooks.ENDPOINTS,
    *callbacks.ENDPOINTS,
    *inbox.ENDPOINTS,
    *calls.ENDPOINTS,
    *unsubscribe.ENDPOINTS,
    *consent_log.ENDPOINTS,
    *contest.ENDPOINTS,
    *brakes.ENDPOINTS,
    *unmask.ENDPOINTS,
    *keys.ENDPOINTS,
    *tokens.ENDPOINTS,
    *staff.ENDPOINTS,
    *pages.ENDPOINTS,
    *provider_pages.ENDPOINTS,
    *quarantine.ENDPOINTS,
    *decisions.ENDPOINTS,
    *base.ENDPOINTS,
    *campaign.ENDPOINTS,
    *approvals.ENDPOINTS,
    *breaches.ENDPOINTS,
    *customers.ENDPOINTS,
    *data_use.ENDPOINTS,
    *history.ENDPOINTS,
    *replays.ENDPOINTS,
    *data_use_page.ENDPOINTS,
    *retention.ENDPOINTS,
    *access.ENDPOINTS,
    *admin_log.ENDPOINTS,
    *upkeep.ENDPOINTS,
    *vault.ENDPOINTS,
    *nodes.ENDPOINTS,
    *imports.ENDPOINTS,
    *privacy.ENDPOINTS,
    *status.ENDPOINTS,
    *health.ENDPOINTS,
    *_OWN,
)
