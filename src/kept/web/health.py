"""Is the process alive, is it ready, and what does it measure?"""

import asyncio
from typing import Final

import msgspec
from starlette.responses import Response

from kept.core.values import SECOND
from kept.errors import KeptError, OutsideError, StoreError
from kept.flows.engine import Engine
from kept.runtime.tools import Tools
from kept.web.endpoints import Call, Endpoint
from kept.web.metrics import MEDIA_TYPE, Depth
from kept.web.status import state_of

SCRAPE_SECONDS_MAX: Final = 2.0
"""How long a scrape waits for the writer; then it goes without the ages of queues."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Said by a process that is alive."""

    alive: bool = True


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Said by a server that takes events."""

    ready: bool = True


async def show_health(call: Call) -> Health:
    """Say that the process is alive."""
    return Health()


async def show_ready(call: Call) -> Ready:
    """Say whether events are taken; if not, with 503 and when to ask again."""
    writer = call.front.runtime.writer
    match state_of(call.front):
        case "stopping":
            raise OutsideError("the server is being stopped, and takes nothing more")
        case "refusing" if writer.refusal is not None:
            raise writer.refusal
        case "refusing":
            raise StoreError("the store cannot be written just now; the log says why")
    return Ready()


async def show_metrics(call: Call) -> Response:
    """Return what is measured, in Prometheus' text form."""
    try:
        runtime = call.front.runtime
        asked = runtime.ask(lambda engine, now: read_depth(engine, runtime.tools, now))
        depth = await asyncio.wait_for(asked, SCRAPE_SECONDS_MAX)
    except (TimeoutError, KeptError):
        # What is wrong with the writer shows in the other figures.
        depth = None
    return Response(call.front.meters.render(depth), headers={"content-type": MEDIA_TYPE})


def read_depth(engine: Engine, tools: Tools, now: int) -> Depth:
    """Return how long what waits has waited."""
    ages = {}
    for channel in engine.bundle.policy.channels:
        due = engine.store.load_due_messages(now=now, channels=[channel], limit=1)
        ages[channel] = (now - due[0].due_at) / SECOND if due else 0.0
    leaving = engine.store.load_messages_in(["leaving"], limit=1)
    return Depth(
        due_ages=ages,
        flight_age=(now - leaving[0].attempted_at) / SECOND if leaving else 0.0,
        told_ages=tools.ages(engine, now),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/health",
        name="showHealth",
        summary="Say that the process is alive.",
        handler=show_health,
        tag="Watching",
        who="anyone",
        answer=Health,
    ),
    Endpoint(
        method="GET",
        path="/ready",
        name="showReady",
        summary="Say whether events are taken.",
        handler=show_ready,
        tag="Watching",
        who="anyone",
        answer=Ready,
        statuses=(503,),
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        name="showMetrics",
        summary="What is measured, in Prometheus' text form.",
        handler=show_metrics,
        tag="Watching",
        who="watcher",
        needs="metrics",
        media_type="text/plain",
    ),
)
