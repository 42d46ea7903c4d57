"""Hand over one message: decide again under the customer's lock, commit `leaving`, then send.

`begin` and `settle` run on the writer; between them, on another thread and with no lock held, the
channel calls the provider. `leaving` is durable before the provider is called, so that a message
may be reported in flight without having left, and never the other way round (guarantees G1, G4).
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from kept.core.bounce import mail_id_of
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
    Readdressed,
    Reason,
    Shadowed,
)
from kept.core.values import DAY, MINUTE, NEVER, SECOND
from kept.errors import KeptError
from kept.flows.approval_requests import use_approval
from kept.flows.breach_records import note_told
from kept.flows.compose import Gap, compose
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.react import find_wait, judge, let_wait, note_settled, react, told_of, withdraw

RETRY_FIRST: Final = 30 * SECOND
RETRY_LONGEST: Final = 60 * MINUTE
CALLED_WITHIN: Final = 5 * SECOND
"""How long after `leaving` was committed its provider may still be called, where others may retry."""
LEASE: Final = 2 * MINUTE
"""After how long another node may try a service message again, though nobody knows of its sender:
longer than the slowest provider takes, step by step."""
LEAVING_LOOKED_AT: Final = 10_000
UNCLEAR_SETTLES_AFTER: Final = DAY
"""How long a promotion whose outcome nobody knows stays listed before it is settled as unknown."""


def take_due(
    engine: Engine, *, rooms: Mapping[str, int], now: int
) -> list[tuple[Message, Outgoing]]:
    """Begin the hand-over of what is due; what is returned is `leaving` once this is committed.

    Args:
        engine: the engine.
        rooms: channel -> how many messages it takes just now without their waiting.
        now: the present instant.
    """
    limit = sum(rooms.values())
    found = engine.store.load_due_messages(now=now, channels=[*rooms], limit=limit)
    left = dict(rooms)
    due = []
    for message in found:
        if left[message.channel]:
            left[message.channel] -= 1
            due.append(message)
    begun = [
        outgoing
        for message in held_of(engine, due)
        if (outgoing := begin(engine, message, now, lease=LEASE)) is not None
    ]
    engine.may_be_due = len(found) == limit or len(due) < len(found)
    return begun


def held_of(engine: Engine, messages: Sequence[Message]) -> list[Message]:
    """Return the messages of those on whom no other node works just now; they are locked."""
    if not engine.store.is_shared:
        return list(messages)
    parts = engine.store.load_parts(sorted({message.part_id for message in messages}))
    held = engine.customers.hold({part.customer_id for part in parts})
    ours = {part.part_id for part in parts if part.customer_id in held}
    return [message for message in messages if message.part_id in ours]


def customer_of(engine: Engine, message: Message) -> Customer:
    """Return the customer whom a message is for, whoever it was merged with since."""
    (part,) = engine.store.load_parts([message.part_id])
    return engine.customers.home_of(part)


def look_up(engine: Engine, message: Message) -> tuple[Customer, Message | None]:
    """Return whose a message is, and the message as it is now; None where it is gone."""
    parts = engine.store.load_parts([message.part_id])
    if not parts:
        return Customer(0, {}, {}, {}, {}, {}), None
    customer = engine.customers.home_of(parts[0])
    newest = customer.messages.get(message.message_id)
    return customer, newest or engine.store.load_message(message.message_id)


def begin(
    engine: Engine, message: Message, now: int, *, lease: int = 0
) -> tuple[Message, Outgoing] | None:
    """Decide again about a due message; return it rendered and leaving, or None if it stays.

    Args:
        engine: the engine.
        message: the message, as it was due.
        now: the present instant.
        lease: for how long (µs) to wait for its outcome, where another node could hand it over too.
    """
    customer, current = look_up(engine, message)
    if current is None or current.state not in WITHDRAWABLE_STATES:
        return None
    customers = engine.customers
    if customers.is_set_aside(customer.customer_id, now):
        # They could not be looked at (see `tick`); others' messages must not wait behind theirs.
        engine.save_message(customer, msgspec.structs.replace(current, due_at=now + MINUTE))
        return None
    customers.looked_at = customer.customer_id
    try:
        begun = _begin(engine, customer, current, now, lease)
    except KeptError:
        customers.looked_at = 0
        raise
    customers.looked_at = 0
    return begun


def _begin(
    engine: Engine, customer: Customer, message: Message, now: int, lease: int
) -> tuple[Message, Outgoing] | None:
    if now >= message.expires_at:
        _take_back(engine, customer, message, Expired(at=message.expires_at), now)
        return None
    verdict = judge(engine, customer, message, now)
    if isinstance(verdict, BreachNoticeDue) and verdict.is_searching:
        # It waits until it is known whom the breach touched; nothing is lost meanwhile.
        engine.save_message(customer, msgspec.structs.replace(message, due_at=now + MINUTE))
        return None
    if not isinstance(verdict, Chosen) and (waits_until := find_wait(message, verdict, now)):
        let_wait(engine, customer, message, waits_until, now)
        return None
    if not isinstance(verdict, Chosen):
        _take_back(engine, customer, message, verdict, now)
        return None
    if verdict.due_at > now:
        waiting = msgspec.structs.replace(message, state="queued", due_at=verdict.due_at)
        engine.save_message(customer, waiting)
        return None
    reached = engine.part_reached(customer, message.channel)
    if reached != message.part_id and not message.may_have_arrived:
        # It would count for somebody else, should the two be separated.
        _take_back(engine, customer, message, Readdressed(), now)
        return None
    outgoing = compose(engine, customer, message, now)
    if isinstance(outgoing, Gap):
        # Not decided again: the same would be chosen, and would lack the same, without end.
        withdraw(engine, customer, message, MissingValue(names=outgoing.names), now)
        engine.tell("gap", action=message.action, names=list(outgoing.names))
        return None
    leaving = msgspec.structs.replace(
        message,
        state="leaving",
        attempted_at=now,
        attempt_count=message.attempt_count + 1,
        leased_until=now + lease if lease else 0,
        node=engine.node_id,
    )
    return _leave(engine, customer, leaving, outgoing, now)


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
    _note_end(engine, customer, now)


def _note_end(engine: Engine, customer: Customer, now: int) -> None:
    """Note at once when to look again: before the next tick an outcome may void the answer, or a kill come."""
    standing = customer.standing
    if standing is None:
        return
    wake_at = max(min(standing.wakes_at, engine.waits_until(standing, now)), now + 1)
    if wake_at >= NEVER:
        return
    if not 0 < customer.wake_at <= wake_at:
        customer.wake_at = wake_at
        engine.store.save_wakes([(customer.customer_id, wake_at)])


def _leave(
    engine: Engine, customer: Customer, leaving: Message, outgoing: Outgoing, now: int
) -> tuple[Message, Outgoing] | None:
    leaving = msgspec.structs.replace(leaving, to=outgoing.to)
    if engine.bundle.brand.consent.channels[leaving.channel].adapter == "smtp":
        # Before it leaves: of one whose outcome nobody learns, a report still comes back to this name.
        mail_id = mail_id_of(outgoing.idempotency_key)
        leaving = msgspec.structs.replace(leaving, provider_id=mail_id)
    engine.save_message(customer, leaving)
    told = told_of(leaving) | ({"sets": leaving.sets} if leaving.sets else {})
    engine.append_own(customer, leaving.part_id, MESSAGE_LEAVING, told, now)
    if engine.bundle.policy.by_name[leaving.action].needs_approval:
        use_approval(
            engine, customer, leaving.action, leaving.about, now, message_id=leaving.message_id
        )
    if engine.shadow:
        _end(engine, customer, leaving, "withdrawn", "shadow", Shadowed(), now)
        return None
    engine.counts["leaving", leaving.channel] += 1
    return leaving, outgoing


def settle(
    engine: Engine, message_id: str, result: SendResult, now: int, *, attempt: int = 0
) -> None:
    """Record what the provider said; retry what may be retried, and raise what may not.

    With `attempt`, only what came of that one counts: another node may have made a later one.
    """
    known = engine.store.load_message(message_id)
    if known is None:
        return
    customer, message = look_up(engine, known)
    if message is None or not _is_awaited(message, result, attempt):
        return
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


def _is_awaited(message: Message, result: SendResult, attempt: int) -> bool:
    """Return whether a message still rests on what came of an attempt (0: of whichever it was)."""
    if attempt and message.attempt_count != attempt:
        return False
    if message.state == "queued":
        # It was given up too early: what its provider took need not go again.
        return message.may_have_arrived and isinstance(result, Accepted)
    return message.state == "leaving"


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
    customer, newest = look_up(engine, message)
    if newest is not None and newest.is_open:
        _end(engine, customer, newest, state, outcome, None, now)


def close_address(
    engine: Engine, customer: Customer, message: Message, reason: str, now: int
) -> None:
    """Note that the address which a message left for takes no more messages."""
    # The customer may have another by now; only what left before it was noted says no address.
    address = message.to or engine.address_of(customer, message.channel)
    if address:
        closed = {"channel": message.channel, "address": address, "reason": reason}
        engine.append_own(customer, message.part_id, CHANNEL_CLOSED, closed, now)


def resume_interrupted(engine: Engine, now: int) -> None:
    """At start: what was leaving when the process died may or may not have left.

    Service messages are tried again under the same key. Promotions stay listed in flight until a
    callback or time settles them; they are never handed over twice. So does what was pulled (a call
    list), which has no lease: whoever fetched it outlives this process, and will say how it went.
    """
    for message in engine.store.load_messages_in(["leaving"], limit=1_000_000):
        if not message.promotional and message.leased_until:
            _try_again(engine, message, now)


def _try_again(engine: Engine, message: Message, now: int) -> None:
    """Queue a service message again of which nobody will say any more how its attempt ended."""
    customer, newest = look_up(engine, message)
    if newest is not None and newest.state == "leaving":
        queued = msgspec.structs.replace(newest, state="queued", due_at=now, may_have_arrived=True)
        engine.save_message(customer, queued)


def settle_unclear(engine: Engine, now: int) -> None:
    """Settle as unknown what has been in flight for so long that nobody will say any more."""
    leaving = engine.store.load_messages_in(["leaving"], limit=100)
    old = [one for one in leaving if one.attempted_at <= now - UNCLEAR_SETTLES_AFTER]
    for message in held_of(engine, old):
        settle_as(engine, message, "unknown", "unknown", now)


def resume_from_others(engine: Engine, gone: Collection[int], now: int) -> int:
    """Take up what other nodes were handing over: of those gone at once, else when its lease ended.

    Only service messages are tried again, under the same key. Return how many wait for a lock.
    """
    leaving = engine.store.load_messages_in(["leaving"], limit=LEAVING_LOOKED_AT)
    # What was pulled (a call list) has no lease: its outcome comes through whichever node it comes.
    left = [
        one
        for one in leaving
        if not one.promotional
        and one.leased_until
        and (one.node in gone or one.leased_until <= now)
    ]
    held = held_of(engine, left)
    for message in held:
        _try_again(engine, message, now)
        engine.counts["resumed", message.channel] += 1
    engine.may_be_due |= bool(held)
    return len(left) - len(held)
