"""After something changed for a customer: withdraw what is no longer right, and decide what is next.

Both happen in the same transaction as the change, so that whoever is told of success finds every
consequence durable (guarantee G1).
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kept.core.contact import NEVER_ARRIVED
from kept.core.decision import OUTBOUND, Chosen, Decision, Request
from kept.core.event import MESSAGE_SETTLED
from kept.core.message import WITHDRAWABLE_STATES, Message
from kept.core.reason import (
    BreachNoticeDue,
    ContactsUnknown,
    Expired,
    NotEligible,
    Reason,
    Shadowed,
    code_of,
)
from kept.core.standing import distinct_reasons
from kept.core.values import SECOND
from kept.flows.approval_requests import request_approvals
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of, standing_of
from kept.flows.import_events import settle_history

LOOK_AGAIN: Final = 30 * SECOND
"""When that which waits for something is looked at again at the earliest."""
_HELD_BACK: Final = frozenset({"permitted", "held", "pressure", "honest"})
"""Layers that hold back what would be said otherwise; the others say that there is nothing to say."""


def react(engine: Engine, customer: Customer, now: int) -> list[Message]:
    """Look at everything again for one customer; return the messages that were withdrawn."""
    if customer.customer_id in engine.customers.imported:
        # Whatever brings us here before their turn: what history made hold is not said because of it.
        settle_history(engine, customer, now)
    if engine.still_stands(customer, now):
        return []
    withdrawn = recheck(engine, customer, now)
    decision = engine.decide(customer, Request(open_messages=open_messages_of(customer)), now)
    reasons = distinct_reasons(decision)
    customer.standing = standing_of(customer, decision, reasons, engine.bundle.policy)
    engine.note_evaluated(customer, now)
    if "needs_approval" in note_reasons(engine, decision, reasons):
        request_approvals(engine, customer, decision, now)
    for chosen in decision.chosen:
        queue(engine, customer, decision, chosen, now)
    return withdrawn


def recheck(engine: Engine, customer: Customer, now: int) -> list[Message]:
    """Withdraw every queued message that would not be decided again; shift what must wait."""
    withdrawn = []
    for message in list(customer.messages.values()):
        if message.state not in WITHDRAWABLE_STATES:
            continue
        if now >= message.expires_at:
            withdraw(engine, customer, message, Expired(at=message.expires_at), now)
            continue
        verdict = judge(engine, customer, message, now)
        if isinstance(verdict, Chosen):
            due_at = _due_again(message, verdict, now)
            if due_at != message.due_at:
                engine.save_message(customer, msgspec.structs.replace(message, due_at=due_at))
        elif isinstance(verdict, BreachNoticeDue) and verdict.is_searching:
            continue
        elif waits_until := find_wait(message, verdict, now):
            let_wait(engine, customer, message, waits_until, now)
        else:
            withdraw(engine, customer, message, verdict, now)
            withdrawn.append(message)
    return withdrawn


def find_wait(message: Message, verdict: Reason, now: int) -> int:
    """Return until when a message waits that something holds back for a while; 0 where it is withdrawn.

    What was never tried is withdrawn and decided again. What may have arrived counts as said once it
    is withdrawn: had it not arrived, it would never be said.
    """
    if not message.may_have_arrived:
        return 0
    if verdict.layer == "held" or (verdict.layer == "pressure" and verdict.until > now):
        return max(verdict.until, now + LOOK_AGAIN)
    return 0


def let_wait(engine: Engine, customer: Customer, message: Message, until: int, now: int) -> None:
    """Let a message wait that may have arrived; its earlier attempt occupies a slot as of when it was made."""
    contact = customer.total(engine.plan).contacts.get(message.message_id)
    if contact is not None and not contact.settled_at:
        # Those that a cap holds back would wait for one another: what is open occupies its slot until
        # it ends, and what ended as long as the cap says.
        note_settled(engine, customer, message, "unknown", now)
    waiting = msgspec.structs.replace(message, state="queued", due_at=until)
    engine.save_message(customer, waiting)


def _due_again(message: Message, verdict: Chosen, now: int) -> int:
    """Return when a waiting message may go: as it is decided now, though no retry goes earlier."""
    if verdict.due_at <= now:
        # What was due before keeps its place in the line.
        return message.due_at if message.failed_count else min(message.due_at, now)
    return max(verdict.due_at, message.due_at) if message.failed_count else verdict.due_at


def judge(engine: Engine, customer: Customer, message: Message, now: int) -> Chosen | Reason:
    """Decide again about one message, on the newest facts: may it still go, or why not?"""
    decision = engine.decide(customer, _asking_again(customer, message), now)
    return _verdict(decision, message)


def look_again(engine: Engine, customer: Customer, message: Message, now: int) -> Chosen | Reason:
    """Judge a message that was handed over before, without a trace: may it still be seen?"""
    decision = engine.look(customer, _asking_again(customer, message), now)
    return _verdict(decision, message)


def _asking_again(customer: Customer, message: Message) -> Request:
    return Request(
        placement=OUTBOUND,
        actions=(message.action,),
        about=message.about,
        channel=message.channel,
        open_messages=open_messages_of(customer),
        message_id=message.message_id,
    )


def _verdict(decision: Decision, message: Message) -> Chosen | Reason:
    for chosen in decision.chosen:
        if chosen.about == message.about:
            return chosen
    return reason_in(decision, message.action, message.about)


def reason_in(decision: Decision, action: str, about: str) -> Reason:
    """Return why an action was not chosen; one that is not listed was not eligible."""
    for one in decision.considered:
        if one.action == action and one.about in ("", about) and one.reason is not None:
            return one.reason
    return NotEligible()


def withdraw(
    engine: Engine, customer: Customer, message: Message, reason: Reason, now: int
) -> None:
    """End a message that is not on its way, with the reason on record."""
    if message.may_have_arrived:
        # An earlier attempt still occupies its slot: nobody will say any more how it ended.
        note_settled(engine, customer, message, "unknown", now)
    engine.save_message(
        customer,
        msgspec.structs.replace(
            message,
            state="expired" if isinstance(reason, Expired) else "withdrawn",
            settled_at=now,
            reason=msgspec.to_builtins(reason),
        ),
    )
    engine.counts["withdrawn", code_of(reason)] += 1
    engine.tell("withdrawn", action=message.action, channel=message.channel, reason=code_of(reason))


def told_of(message: Message) -> dict[str, Any]:
    """Return what events about a message's way say of it."""
    return {
        "message_id": message.message_id,
        "action": message.action,
        "kind": message.kind,
        "purpose": message.purpose,
        "topic": message.topic,
        "channel": message.channel,
        "about": message.about,
        "attempt_at": message.attempted_at,
    }


def note_settled(
    engine: Engine, customer: Customer, message: Message, outcome: str, now: int
) -> None:
    """Note how the newest attempt ended; what may have arrived before has not failed."""
    if message.may_have_arrived and outcome in NEVER_ARRIVED:
        outcome = "unknown"
    told = told_of(message) | {"outcome": outcome}
    engine.append_own(customer, message.part_id, MESSAGE_SETTLED, told, now)


def queue(
    engine: Engine, customer: Customer, decision: Decision, chosen: Chosen, now: int
) -> Message:
    """Make a message of a choice; in shadow it is recorded and goes no further."""
    rule = engine.bundle.policy.by_name[chosen.action]
    message = Message(
        message_id=f"m{decision.decision_id}-{chosen.action}"
        + (f"-{chosen.about.replace('/', '-')}" if chosen.about else ""),
        part_id=engine.part_reached(customer, chosen.channel),
        decision_id=decision.decision_id,
        action=rule.action,
        kind=rule.kind,
        purpose=rule.purpose,
        topic=rule.topic,
        entity=rule.entity,
        promotional=rule.promotional,
        channel=chosen.channel,
        about=chosen.about,
        state="withdrawn" if engine.shadow else "queued",
        queued_at=now,
        due_at=chosen.due_at,
        expires_at=chosen.expires_at,
        settled_at=now if engine.shadow else 0,
        reason=msgspec.to_builtins(Shadowed()) if engine.shadow else None,
        sets={name: value for name, value in chosen.sets.items() if value is not None},
    )
    engine.save_message(customer, message)
    engine.counts["queued", rule.action] += 1
    engine.tell("queued", action=rule.action, channel=chosen.channel, decision=decision.decision_id)
    return message


def note_reasons(engine: Engine, decision: Decision, reasons: Iterable[Reason]) -> set[str]:
    """Count why a decision held something back, each reason once; tell one of them, and no name.

    Return the codes of these reasons.
    """
    codes: set[str] = set()
    for index in decision.facts.unknown:
        _tell_outgrown(engine, engine.bundle.policy.fact_names[index], decision.decided_at)
    for reason in reasons:
        if reason.layer in _HELD_BACK:
            codes.add(code_of(reason))
            if isinstance(reason, ContactsUnknown):
                _tell_outgrown(engine, "contacts", decision.decided_at)
    if codes:
        _tell_held(engine, decision)
    for code in codes:
        engine.counts["reasons", code] += 1
    return codes


def _tell_held(engine: Engine, decision: Decision) -> None:
    """Tell of the first action that is held back by more than a missing permission."""
    for one in decision.considered:
        reason = one.reason
        if reason is not None and reason.layer in _HELD_BACK and reason.layer != "permitted":
            engine.tell("held", action=one.action, reason=code_of(reason))
            return


def _tell_outgrown(engine: Engine, fact: str, now: int) -> None:
    """Alert the operator, once for each fact: somebody's is unknown for being too much to keep."""
    if fact not in engine.outgrown:
        engine.outgrown.add(fact)
        engine.alert("outgrown", fact=fact, at=now)
