"""History over HTTP: a batch of events, answered item by item, so that a report can be made."""

from typing import Any, Final

import msgspec

from kept.errors import NotAllowedError, NotFoundError
from kept.flows.ingest import ingest
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.wire.batch import parse_batch, read_batch
from kept.web.wire.body import BODY_BYTES_MAX


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Events as SDKs send them, each on its own."""

    batch: tuple[msgspec.Raw, ...]


class NotTaken(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was not taken, by its position in the batch, and why."""

    position: int
    code: str
    detail: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch of history."""

    accepted: int
    duplicates: int
    rejected: tuple[NotTaken, ...]


async def import_batch(call: Call) -> Imported:
    """Fold a batch of history; nothing is sent because of it, and nothing of it is quarantined."""
    name = call.text("source")
    runtime = call.front.runtime
    touchpoint = runtime.bundle.touchpoints.get(name)
    if touchpoint is None:
        raise NotFoundError(f"there is no source {name!r} in sources.yaml")
    if touchpoint.source.kind != "import":
        raise NotAllowedError(f"{name} is a source of kind {touchpoint.source.kind}, not import")
    events: list[Any] = []
    rejected: list[NotTaken] = []
    for position, item in enumerate(call.body.batch):
        batch = read_batch(b'{"batch":[%s]}' % bytes(item))
        parsed = batch and parse_batch(batch, touchpoint, received_at=call.now, gpc=False)
        if parsed and parsed.events:
            events += parsed.events
        else:
            one = parsed.rejected[0] if parsed and parsed.rejected else None
            rejected.append(
                NotTaken(
                    position=position,
                    code=one.code if one else "event.invalid",
                    detail=one.detail if one else "the item cannot be read",
                )
            )
    taken = await runtime.ask(lambda engine, now: ingest(engine, events, [], source=name, now=now))
    return Imported(accepted=taken.accepted, duplicates=taken.duplicates, rejected=tuple(rejected))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/import/{source}",
        name="importBatch",
        summary="Take history in; nothing is ever sent because of it.",
        handler=import_batch,
        tag="Operating",
        who="operator",
        needs="imports",
        body=Batch,
        body_bytes_max=BODY_BYTES_MAX,
        answer=Imported,
        statuses=(403, 404, *BUSY),
    ),
)
