"""Hand over one message: decide again under the customer's lock, commit `leaving`, then send.

`begin` and `settle` run on the writer; between them, on another thread and with no lock held, the
channel calls the provider. `leaving` is durable before the provider is called, so that a message
may be reported in flight without having left, and never the other way round (guarantees G1, G4).
"""

import hashlib
from typing import Any, Final

import msgspec

from kept.core.decision import Chosen
from kept.core.event import CHANNEL_CLOSED, MESSAGE_LEAVING
from kept.core.message import (
    WITHDRAWABLE_STATES,
    Accepted,
    Message,
    Outgoing,
    Postponed,
    Refused,
    SendResult,
)
from kept.core.notices import breach_of
from kept.core.reason import (
    BreachNoticeDue,
    Expired,
    MissingValue,
    ProviderRefused,
    Reason,
    Shadowed,
)
from kept.core.values import DAY, MINUTE, SECOND
from kept.flows.approval_requests import use_approval
from kept.flows.breach_records import note_told
from kept.flows.compose import Gap, compose
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.react import find_wait, judge, note_settled, react, told_of, withdraw

RETRY_FIRST: Final = 30 * SECOND
RETRY_LONGEST: Final = 60 * MINUTE
UNCLEAR_SETTLES_AFTER: Final = DAY
"""How long a promotion whose outcome nobody knows stays listed before it is settled as unknown."""


def take_due(
    engine: Engine, *, channels: list[str], limit: int, now: int
) -> list[tuple[Message, Outgoing]]:
    """Begin the hand-over of what is due; what is returned is `leaving` once this is committed."""
    due = engine.store.load_due_messages(now=now, channels=channels, limit=limit)
    begun = [outgoing for message in due if (outgoing := begin(engine, message, now)) is not None]
    engine.may_be_due = len(due) == limit
    return begun


def customer_of(engine: Engine, message: Message) -> Customer:
    """Return the customer whom a message is for, whoever it was merged with since."""
    (part,) = engine.store.load_parts([message.part_id])
    return engine.customers.home_of(part)


def begin(engine: Engine, message: Message, now: int) -> tuple[Message, Outgoing] | None:
    """Decide again about a due message; return it rendered and leaving, or None if it stays."""
    customer = customer_of(engine, message)
    message = customer.messages.get(message.message_id, message)
    if message.state not in WITHDRAWABLE_STATES:
        return None
    if now >= message.expires_at:
        _take_back(engine, customer, message, Expired(at=message.expires_at), now)
        return None
    verdict = judge(engine, customer, message, now)
    if isinstance(verdict, BreachNoticeDue) and verdict.is_searching:
        # It waits until it is known whom the breach touched; nothing is lost meanwhile.
        engine.save_message(customer, msgspec.structs.replace(message, due_at=now + MINUTE))
        return None
    if not isinstance(verdict, Chosen) and (waits_until := find_wait(message, verdict, now)):
        waiting = msgspec.structs.replace(message, state="queued", due_at=waits_until)
        engine.save_message(customer, waiting)
        return None
    if not isinstance(verdict, Chosen):
        _take_back(engine, customer, message, verdict, now)
        return None
    if verdict.due_at > now:
        waiting = msgspec.structs.replace(message, state="queued", due_at=verdict.due_at)
        engine.save_message(customer, waiting)
        return None
    outgoing = compose(engine, customer, message, now)
    if isinstance(outgoing, Gap):
        _take_back(engine, customer, message, MissingValue(names=outgoing.names), now)
        engine.tell("gap", action=message.action, names=list(outgoing.names))
        return None
    return _leave(engine, customer, message, outgoing, now)


def _take_back(
    engine: Engine, customer: Customer, message: Message, reason: Reason, now: int
) -> None:
    """Withdraw a message at its hand-over, and look when it, or something else, may be said instead.

    The answer that stands knew it as queued. What held it back (a brake, a cap) may end by itself,
    and then nobody else would notice.
    """
    withdraw(engine, customer, message, reason, now)
    customer.standing = None
    react(engine, customer, now)
    engine.customers.touched[customer.customer_id] = customer


def _leave(
    engine: Engine, customer: Customer, message: Message, outgoing: Outgoing, now: int
) -> tuple[Message, Outgoing] | None:
    leaving = msgspec.structs.replace(
        message, state="leaving", attempted_at=now, attempt_count=message.attempt_count + 1
    )
    engine.save_message(customer, leaving)
    told = told_of(leaving) | ({"sets": leaving.sets} if leaving.sets else {})
    engine.append_own(customer, message.part_id, MESSAGE_LEAVING, told, now)
    if engine.bundle.policy.by_name[message.action].needs_approval:
        use_approval(
            engine, customer, message.action, message.about, now, message_id=message.message_id
        )
    if engine.shadow:
        _end(engine, customer, leaving, "withdrawn", "shadow", Shadowed(), now)
        return None
    engine.counts["leaving", message.channel] += 1
    return leaving, outgoing


def settle(engine: Engine, message_id: str, result: SendResult, now: int) -> None:
    """Record what the provider said; retry what may be retried, and raise what may not."""
    message = engine.store.load_message(message_id)
    if message is None or message.state != "leaving":
        return
    customer = customer_of(engine, message)
    match result:
        case Accepted(provider_id=provider_id):
            accepted = msgspec.structs.replace(message, provider_id=provider_id)
            _end(engine, customer, accepted, "delivered", "delivered", None, now)
            engine.tell("said", action=message.action, channel=message.channel)
        case Refused(detail=detail, closes_address=closes):
            refused = ProviderRefused(detail=detail)
            _end(engine, customer, message, "failed", "refused", refused, now)
            if message.promotional:
                engine.tell("refused", action=message.action, channel=message.channel)
            else:
                engine.alert("refused", action=message.action, channel=message.channel, at=now)
            if closes:
                close_address(engine, customer, message, "refused", now)
        case Postponed(retry_after_seconds=seconds):
            # It was surely not taken: its slot is free again, and it may be tried again.
            note_settled(engine, customer, message, "failed", now)
            _retry(engine, customer, message, now, not_before=now + seconds * SECOND)
        case _:
            if message.promotional:
                # It may have been taken: it stays in flight, listed, and is never sent again.
                engine.tell("unclear", action=message.action, channel=message.channel)
            else:
                unclear = msgspec.structs.replace(message, may_have_arrived=True)
                _retry(engine, customer, unclear, now, not_before=now)


def _retry(
    engine: Engine, customer: Customer, message: Message, now: int, *, not_before: int
) -> None:
    """Queue a message again, later each time, each customer's at a moment of its own."""
    failed_count = message.failed_count + 1
    wait = min(RETRY_FIRST * 2 ** (failed_count - 1), RETRY_LONGEST)
    text = f"{message.message_id}|{message.attempt_count}".encode()
    draw = int.from_bytes(hashlib.blake2b(text, digest_size=4).digest())
    jittered = wait // 2 + wait * draw // 2**33
    due_at = max(now + jittered, not_before)
    if due_at >= message.expires_at:
        _end(engine, customer, message, "expired", "failed", Expired(at=message.expires_at), now)
        engine.tell("expired", action=message.action, channel=message.channel)
        return
    queued = msgspec.structs.replace(
        message, state="queued", due_at=due_at, failed_count=failed_count
    )
    engine.save_message(customer, queued)


def _end(
    engine: Engine,
    customer: Customer,
    message: Message,
    state: Any,
    outcome: str,
    reason: Any,
    now: int,
) -> None:
    engine.save_message(
        customer,
        msgspec.structs.replace(
            message,
            state=state,
            settled_at=now,
            reason=msgspec.to_builtins(reason) if reason is not None else None,
        ),
    )
    note_settled(engine, customer, message, outcome, now)
    engine.counts["settled", message.channel, state] += 1
    breach = breach_of(message.about)
    if breach and outcome == "delivered":
        note_told(engine, customer, breach, message.message_id, now)
        react(engine, customer, now)


def settle_as(engine: Engine, message: Message, state: Any, outcome: str, now: int) -> None:
    """Settle a message by what was learnt of it later: a callback, or time that has passed."""
    _end(engine, customer_of(engine, message), message, state, outcome, None, now)


def close_address(
    engine: Engine, customer: Customer, message: Message, reason: str, now: int
) -> None:
    """Note that an address takes no more messages."""
    address = engine.address_of(customer, message.channel)
    if address:
        closed = {"channel": message.channel, "address": address, "reason": reason}
        engine.append_own(customer, message.part_id, CHANNEL_CLOSED, closed, now)


def resume_interrupted(engine: Engine, now: int) -> None:
    """At start: what was leaving when the process died may or may not have left.

    Service messages are tried again under the same key. Promotions stay listed in flight until a
    callback or time settles them; they are never handed over twice.
    """
    for message in engine.store.load_messages_in(["leaving"], limit=1_000_000):
        if not message.promotional:
            customer = customer_of(engine, message)
            queued = msgspec.structs.replace(
                message, state="queued", due_at=now, may_have_arrived=True
            )
            engine.save_message(customer, queued)


def settle_unclear(engine: Engine, now: int) -> None:
    """Settle as unknown what has been in flight for so long that nobody will say any more."""
    for message in engine.store.load_messages_in(["leaving"], limit=100):
        if message.attempted_at <= now - UNCLEAR_SETTLES_AFTER:
            settle_as(engine, message, "unknown", "unknown", now)
