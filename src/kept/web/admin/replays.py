"""Replays over HTTP: they run beside the server, which keeps that its record is read for one."""

from typing import Final

import msgspec

from kept.flows.engine import Engine
from kept.flows.replay.reading import ReplayReading, note_replay
from kept.web.endpoints import BUSY, Call, Endpoint


class ReplayNoted(msgspec.Struct, frozen=True, kw_only=True):
    """That a reading is in the audit, and for which legal entity."""

    entity: str


async def note_reading(call: Call) -> ReplayNoted:
    """Keep in the audit that the record is read to be played again."""
    reading: ReplayReading = call.body
    actor = call.caller.actor

    def note(engine: Engine, now: int) -> str:
        return note_replay(engine.store, engine.bundle.brand, reading, actor=actor, now=now)

    return ReplayNoted(entity=await call.front.runtime.ask(note))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/replays",
        name="noteReplay",
        summary="Keep in the audit that the record is read for a replay, which `kept replay` runs.",
        handler=note_reading,
        tag="Operating",
        who="operator",
        needs="export",
        body=ReplayReading,
        answer=ReplayNoted,
        statuses=(404, *BUSY),
    ),
)
