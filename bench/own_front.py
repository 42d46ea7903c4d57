"""Kept's own front and store, and nothing between: read the wire format, claim, append, answer.

The same server, checks, clock correction, de-duplication and rows as Kept's; no identity, no fold,
no decision. `python -m bench.own_front BRAND DATA PORT`
"""

import sys
from functools import partial
from pathlib import Path

from starlette.types import Receive, Scope

from kept.core.event import Event
from kept.flows.claims import claim
from kept.flows.engine import Engine
from kept.runtime import Runtime
from kept.settings import Settings
from kept.web import server
from kept.web.app import Application, Hot
from kept.web.asgi import JSON, query_of, read_body
from kept.web.front import Front
from kept.web.wire.body import BODY_BYTES_MAX
from kept.web.wire.routes import Route
from kept.web.wire.segment import parse_request

NOBODY = 1
"""The part that every event is appended to."""
ANSWER = b'{"success":true}'


def append(engine: Engine, events: list[Event]) -> None:
    """Make events durable that were not seen before."""
    for event in events:
        if claim(engine, event):
            engine.store.append_event(NOBODY, event)


async def take_events(
    front: Front, route: Route, scope: Scope, receive: Receive
) -> tuple[bytes, bytes] | None:
    """Read a request as Kept does, and append what it holds."""
    body = await read_body(receive, bytes_max=BODY_BYTES_MAX)
    if body is None:
        return None
    runtime = front.runtime
    parsed = parse_request(
        route,
        headers=scope["headers"],
        query=query_of(scope),
        body=body,
        keys=runtime.keys,
        touchpoints=runtime.bundle.touchpoints,
        received_at=runtime.clock.now(),
    )
    await runtime.ask(lambda engine, now: append(engine, parsed.events))
    return JSON, ANSWER


class AppendOnly(Application):
    """Kept's application, but for what it does with events."""

    def _ingest(self, route: Route) -> Hot:
        return partial(take_events, self.front, route)


def main() -> None:
    """Serve until told to stop."""
    brand, data, port = sys.argv[1:]
    runtime = Runtime(Settings(brand=Path(brand), data=Path(data), port=int(port)))
    runtime.start()
    # The one thing that is exchanged in an otherwise unchanged server.
    vars(server)["Application"] = AppendOnly
    server.serve(runtime)


if __name__ == "__main__":
    main()
