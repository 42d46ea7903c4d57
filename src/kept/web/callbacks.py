"""What providers report of messages: signed, read item by item, learnt before it is answered.

A mail server's delivery report (RFC 3464) may be posted as it is, as `message/rfc822`.
"""

from typing import Final

import msgspec

from kept.clock import read_monotonic
from kept.core.bounce import read_bounce, return_path_secret
from kept.core.feedback import CALLBACK_BYTES_MAX, Callback, Unreadable, parse_callback
from kept.flows.engine import Engine
from kept.flows.learn import learn
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.metrics import seconds

BODY_BYTES_MAX: Final = CALLBACK_BYTES_MAX
_MAIL: Final = "message/rfc822"


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the items of a callback."""

    learnt: int
    unmatched: int
    """Items that speak of no message of ours."""
    unreadable: tuple[Unreadable, ...] = ()


async def take_feedback(call: Call) -> Learnt:
    """Learn what a provider reports of a channel's messages."""
    started = read_monotonic()
    channel = call.text("channel")
    call.front.signers.check_provider(
        channel, headers=dict(call.request.scope["headers"]), body=call.raw, now=call.now
    )
    callback = _read(call)

    def job(engine: Engine, now: int) -> int:
        return sum(
            learn(engine, feedback, channel=channel, now=now) for feedback in callback.feedback
        )

    learnt = await call.front.runtime.ask(job) if callback.feedback else 0
    if _stops(callback):
        call.front.meters.stopped_by_event.observe(seconds(read_monotonic() - started))
    return Learnt(
        learnt=learnt,
        unmatched=len(callback.feedback) - learnt,
        unreadable=callback.unreadable,
    )


def _read(call: Call) -> Callback:
    content_type = call.request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != _MAIL:
        return parse_callback(call.raw, now=call.now)
    runtime = call.front.runtime
    channel = runtime.bundle.brand.consent.channels[call.text("channel")]
    # Mail that was given a return path of its own is known by that alone: anybody can write a report.
    is_signed = bool(channel.settings.get("return_path"))
    secrets = [return_path_secret(runtime.link_secret)] if is_signed else []
    feedback = read_bounce(call.raw, secrets=secrets)
    if feedback is not None:
        return Callback(feedback=(feedback,))
    return Callback(
        feedback=(), unreadable=(Unreadable(index=0, detail="no report on a message of ours"),)
    )


def _stops(callback: Callback) -> bool:
    """Return whether anything reported closes an address."""
    return any(
        each.outcome == "complained" or (each.outcome == "bounced" and each.hard)
        for each in callback.feedback
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/feedback/{channel}",
        name="takeFeedback",
        summary="Learn what a provider reports of a channel's messages.",
        handler=take_feedback,
        tag="Messages",
        who="signer",
        body_text='An item such as `{"type": "opened", "message_id": "m1-welcome"}`, a list of '
        'items, `{"events": [...]}`, or a delivery report as `message/rfc822`.',
        body_bytes_max=BODY_BYTES_MAX,
        answer=Learnt,
        statuses=(403, 404, *BUSY),
    ),
)
