"""Count again, apart from the decision, whether what left in a replay was allowed to.

A decision keeps what it found out before, and stands on windows that it cut. This asks afresh, of
the state at the moment of each hand-over and of all contacts that a customer had: consent, quiet
hours on the customer's own clock, and every cap in every window that ends with the contact.
"""

from collections.abc import Iterator

from kept.core.consent import check_permission
from kept.core.contact import UNCOUNTED
from kept.core.fold.told import told_text
from kept.core.message import Message
from kept.core.policy.zones import find_zone
from kept.core.state import State
from kept.core.values import DAY, MINUTE
from kept.flows.customers import Customer
from kept.flows.engine import Engine


def recount(engine: Engine, customer: Customer, message: Message, now: int) -> Iterator[str]:
    """Yield which guarantees a message breaks that has just left."""
    state = customer.total(engine.plan)
    rule = engine.bundle.policy.by_name[message.action]
    refused = check_permission(
        state.consents,
        entity=message.entity,
        rule=rule.purpose_rule,
        channel=message.channel,
        topic=message.topic,
    )
    if refused is not None:
        yield "consent"
    if not rule.urgent and _is_quiet(engine, state, message, now):
        yield "quiet hours"
    if _is_too_much(engine, state, message, now):
        yield "caps"


def _is_quiet(engine: Engine, state: State, message: Message, now: int) -> bool:
    rules = [
        rule
        for rule in engine.bundle.policy.quiet_hours
        if rule.scope.covers(message, message.channel)
    ]
    if not rules:
        return False
    zone = find_zone(told_text(engine.plan, state, engine.bundle.policy.zone_trait))
    if zone is None:
        # Of whom nobody knows what time it is, it is not the time.
        return True
    minute = (now + zone.offset_at(now)) % DAY // MINUTE
    return any(_is_between(minute, rule.start_minute, rule.end_minute) for rule in rules)


def _is_between(minute: int, start: int, end: int) -> bool:
    return start <= minute < end if start <= end else minute >= start or minute < end


def _is_too_much(engine: Engine, state: State, message: Message, now: int) -> bool:
    attempts = [
        contact
        for contact in state.contacts.values()
        if contact.outcome not in UNCOUNTED and contact.attempt_at <= now
    ]
    for cap in engine.bundle.policy.caps:
        if not cap.scope.covers(message, message.channel):
            continue
        covered = [
            contact
            for contact in attempts
            if contact.attempt_at > now - cap.window and cap.scope.covers(contact, contact.channel)
        ]
        # The message itself has left already, and is one of them.
        if len(covered) > cap.count_max:
            return True
    return False
