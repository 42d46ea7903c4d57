"""Learn what became of a message: callbacks of providers, answers, and one-click unsubscribing."""

import hashlib
from typing import Any, Final

from kept.core.consent import UNSUBSCRIBED, purpose_key
from kept.core.event import (
    MESSAGE_BOUNCED,
    MESSAGE_CLICKED,
    MESSAGE_COMPLAINED,
    MESSAGE_DELIVERED,
    MESSAGE_OPENED,
    MESSAGE_REPLIED,
)
from kept.core.feedback import Feedback
from kept.core.message import Message
from kept.core.unsubscribe import Unsubscribe
from kept.flows.claims import periods_of
from kept.flows.deliver import close_address, look_up, settle_as
from kept.flows.engine import Engine
from kept.flows.react import react

NAMES: Final = {
    "delivered": MESSAGE_DELIVERED,
    "opened": MESSAGE_OPENED,
    "clicked": MESSAGE_CLICKED,
    "bounced": MESSAGE_BOUNCED,
    "complained": MESSAGE_COMPLAINED,
    "replied": MESSAGE_REPLIED,
}


def learn(engine: Engine, feedback: Feedback, *, channel: str, now: int) -> bool:
    """Take up one piece of feedback; return False where it speaks of no message of ours.

    A repeated callback changes nothing.
    """
    message = find_message(engine, feedback, channel=channel)
    if message is None:
        engine.counts["feedback", "unmatched"] += 1
        return False
    if not _is_new(engine, message, feedback, now):
        return True
    customer, newest = look_up(engine, message)
    if newest is None:
        return True
    message = newest
    told: dict[str, Any] = {
        "message_id": message.message_id,
        "action": message.action,
        "kind": message.kind,
        "purpose": message.purpose,
        "channel": message.channel,
        "about": message.about,
        "machine": feedback.machine,
    }
    engine.append_own(customer, message.part_id, NAMES[feedback.outcome], told, now)
    _settle_by(engine, message, feedback, now)
    if (feedback.outcome == "bounced" and feedback.hard) or feedback.outcome == "complained":
        close_address(engine, customer, message, feedback.outcome, now)
    react(engine, customer, now)
    engine.counts["feedback", feedback.outcome] += 1
    return True


def find_message(engine: Engine, feedback: Feedback, *, channel: str) -> Message | None:
    """Return the message that a piece of feedback speaks of, by our id or by the provider's."""
    if feedback.message_id:
        message = engine.store.load_message(feedback.message_id)
        if message is not None and message.channel == channel:
            return message
    if feedback.provider_id:
        return engine.store.load_message_by_provider_id(channel, feedback.provider_id)
    return None


def _is_new(engine: Engine, message: Message, feedback: Feedback, now: int) -> bool:
    # Not every provider tells one report from another: that it fails for good is no repetition.
    told = (message.message_id, feedback.outcome, feedback.machine, feedback.hard)
    text = "|".join(map(str, (*told, feedback.occurrence)))
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
    # By when it is reported: under the hour of an old message it would soon be forgotten.
    claims = [engine.store.claim(key, hour=hour) for hour in periods_of(now)]
    return all(claims)


def _settle_by(engine: Engine, message: Message, feedback: Feedback, now: int) -> None:
    """End a message that is in flight, or waits to be tried again, by what its provider says of it."""
    if message.state != "leaving" and not (message.is_open and message.may_have_arrived):
        return
    if feedback.outcome == "bounced":
        settle_as(engine, message, "failed", "refused", now)
    else:
        # Whatever else is reported of it, it has arrived.
        settle_as(engine, message, "delivered", "delivered", now)


def unsubscribe(engine: Engine, told: Unsubscribe, now: int) -> bool:
    """Withdraw a consent by a signed link, durable and in force before it is answered."""
    parts = engine.store.load_parts([told.part_id])
    if not parts:
        return False
    customer = engine.customers.home_of(parts[0])
    properties = {"entity": told.entity, "purpose": told.purpose, "channel": told.channel}
    scope = purpose_key(told.entity, told.purpose, told.channel)
    said = [
        state.consents[scope].at for state in customer.states.values() if scope in state.consents
    ]
    engine.append_own(
        customer,
        told.part_id,
        UNSUBSCRIBED,
        properties | {"message_id": told.message_id},
        now,
        # A clock that is fast may have dated the opt-in ahead; this comes after what it takes back.
        at=max([now, *(at + 1 for at in said)]),
    )
    react(engine, customer, now)
    engine.counts["unsubscribed", told.channel] += 1
    return True
