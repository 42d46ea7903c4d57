"""The call list, for a dialler: one call at a time, decided again when it is handed out."""

from typing import Final

import msgspec

from kept.errors import ConflictError
from kept.flows.pull import CALL_LIST, CallOutcome, Card, next_call, settle_call
from kept.web.callers import find_pulled
from kept.web.endpoints import BUSY, Call, Endpoint


class NextCall(msgspec.Struct, frozen=True, kw_only=True):
    """The next call to make; None where there is none just now."""

    card: Card | None


class CallEnded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a call went."""

    outcome: CallOutcome


class CallSettled(msgspec.Struct, frozen=True, kw_only=True):
    """Said once it is durable."""

    message_id: str
    outcome: CallOutcome


async def take_next_call(call: Call) -> NextCall:
    """Hand out the next call; from here on it is in flight."""
    channels = _lists_of(call)
    card = await call.front.runtime.ask(
        lambda engine, now: next_call(engine, now, channels=channels, source=call.caller.source)
    )
    return NextCall(card=card)


async def end_call(call: Call) -> CallSettled:
    """Record how a call went.

    Raises:
        ConflictError: the call was not handed out, or its outcome is known already.
    """
    ended: CallEnded = call.body
    message_id, channels = call.text("message_id"), _lists_of(call)
    is_awaited = await call.front.runtime.ask(
        lambda engine, now: settle_call(
            engine, message_id, ended.outcome, channels=channels, now=now
        )
    )
    if not is_awaited:
        # Not inside the job, which would be undone, and with it that the customer left.
        kept = "; the customer is opted out all the same" if ended.outcome == "do_not_call" else ""
        raise ConflictError(
            f"the call {message_id} was not handed out, or its outcome is known already{kept}"
        )
    return CallSettled(message_id=message_id, outcome=ended.outcome)


def _lists_of(call: Call) -> frozenset[str]:
    """Return the call lists that the asking source may fetch from: they hold numbers."""
    return find_pulled(call.front.runtime.bundle, call.caller.source, CALL_LIST)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/calls/next",
        name="takeNextCall",
        summary="Hand a dialler the next call, decided again; from then on it is in flight.",
        handler=take_next_call,
        tag="Messages",
        who="server",
        answer=NextCall,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/calls/{message_id}/outcome",
        name="endCall",
        summary="Record how a call went.",
        handler=end_call,
        tag="Messages",
        who="server",
        body=CallEnded,
        answer=CallSettled,
        statuses=(404, 409, *BUSY),
    ),
)
