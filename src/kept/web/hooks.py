"""Webhooks of other systems: proven by their signature, read by the brand's mappings."""

from typing import Final

import msgspec

from kept.clock import read_monotonic
from kept.errors import UnknownCallerError
from kept.flows.ingest import InFlight
from kept.web.asgi import query_of
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.ingest import hand_over
from kept.web.wire.body import BODY_BYTES_MAX


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a webhook's delivery."""

    success: bool = True
    in_flight: tuple[InFlight, ...] = ()
    withdrawn: int = 0
    quarantined: int = 0
    ignored: int = 0
    """Entries that no mapping takes."""


async def take_webhook(call: Call) -> Delivered:
    """Take a delivery; answered once it and what follows from it are durable."""
    started = read_monotonic()
    front = call.front
    if front.runtime.is_barred(call.text("source")):
        raise UnknownCallerError(
            "the secret of this webhook was taken away because of a breach; give it another one"
        )
    parsed = front.signers.find_webhook(call.text("source")).parse(
        headers=call.request.scope["headers"],
        query=query_of(call.request.scope),
        body=call.raw,
        keys=front.runtime.keys,
        received_at=call.now,
        address=front.guard.address(call.request.scope),
    )
    weight = len(call.raw)
    front.begin(weight)
    try:
        taken = await hand_over(front, parsed, started=started)
    finally:
        front.end(weight)
    if taken is None:
        return Delivered(ignored=parsed.ignored_count)
    return Delivered(
        in_flight=taken.in_flight,
        withdrawn=len(taken.withdrawn),
        quarantined=taken.quarantined,
        ignored=parsed.ignored_count,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/hooks/{source}",
        name="takeWebhook",
        summary="Take a webhook of another system, read by the brand's mappings.",
        handler=take_webhook,
        tag="Events",
        who="signer",
        body_text="Whatever the other system sends.",
        body_bytes_max=BODY_BYTES_MAX,
        answer=Delivered,
        statuses=(404, *BUSY),
    ),
)
