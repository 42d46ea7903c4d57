"""Recipients outside: who was given a customer's data, and so must forget it."""

from collections.abc import Sequence
from typing import Final

from kept.core.brand.model import Erasure, Recipient
from kept.core.erasure import How, RecipientErasure
from kept.core.message import Message
from kept.flows.customers import Customer
from kept.flows.engine import Engine

_REACHED: Final = frozenset({"leaving", "delivered", "unknown"})
"""States of messages whose provider may have them."""


def find_recipients(
    engine: Engine, customer: Customer, messages: Sequence[Message], now: int
) -> tuple[RecipientErasure, ...]:
    """Return who has data of this customer: providers, tools and sources that others run."""
    brand = engine.bundle.brand
    if not engine.is_live:
        # Nothing has left this machine.
        return ()
    state = customer.total(engine.plan)
    channels = {message.channel for message in messages if message.state in _REACHED}
    channels |= {
        contact.channel
        for contact in state.contacts.values()
        if contact.outcome in ("", "delivered", "unknown")
    }
    told = {
        brand.consent.channels[name].recipient
        for name in channels
        if name in brand.consent.channels
    }
    heard = {
        stored.event.source for stored in engine.store.load_part_events(sorted(customer.parts))
    }
    for name, source in brand.sources.sources.items():
        was_told = source.suppressions is not None and bool(state.consents)
        has_pulled = any(channel in channels for channel in source.pulls)
        if name in heard or was_told or has_pulled:
            told.add(source.recipient)
    recipients = brand.consent.recipients
    return tuple(
        RecipientErasure(
            recipient=name, how=(how := _how(recipients[name])), next_at=_first(how, now)
        )
        for name in sorted(told)
        if name in recipients
    )


def _how(recipient: Recipient) -> How:
    if isinstance(recipient.erasure, Erasure):
        return "call"
    return "manual" if recipient.erasure == "manual" else "none"


def _first(how: How, now: int) -> int:
    return now if how == "call" else 0
