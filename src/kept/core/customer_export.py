"""All that is held of one customer, as values: what `kept/customer-export@v1` consists of.

GDPR, articles 15 and 20. Instants are ISO 8601 in UTC. What was merely claimed to be the customer's,
and never vouched for, stands apart as such.
"""

from typing import Any, Final

import msgspec

EXPORT_TYPE: Final = "kept/customer-export@v1"


class ExportedValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a field, where it comes from, and until when it is kept."""

    field: str
    about: str
    """`KIND/KEY` of the object that it belongs to; empty for what is of the customer."""
    value: Any
    source: str
    told_at: str
    kept_until: str


class ExportedUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a field is used for, on which basis, and whether that basis holds just now."""

    field: str
    entity: str
    purpose: str
    description: str
    basis: str
    holds: bool
    readers: tuple[str, ...]


class ExportedRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Who may be given a field, and when something last went that way."""

    field: str
    recipient: str
    country: str
    role: str
    through: str
    what: str
    last_at: str


class ExportedConsent(msgspec.Struct, frozen=True, kw_only=True):
    """What was allowed or refused, in the words that were agreed to where they are known."""

    scope: str
    """`purpose`, `channel`, `topic`, `gpc`, `restricted` or `preferred_channel`."""
    entity: str
    purpose: str
    channel: str
    topic: str
    value: Any
    said_at: str
    source: str
    wording: str
    text: str


class ExportedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message: what became of it, and why where it did not leave."""

    message_id: str
    action: str
    kind: str
    entity: str
    purpose: str
    topic: str
    channel: str
    about: str
    state: str
    queued_at: str
    attempted_at: str
    settled_at: str
    because: str


class ExportedHeld(msgspec.Struct, frozen=True, kw_only=True):
    """What a law obliges to keep past its time; nothing else reads it."""

    hold: str
    law: str
    told: str
    kept_until: str
    record: Any


class ExportedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as its source told it."""

    message_id: str
    event: str
    source: str
    occurred_at: str
    received_at: str
    is_claimed: bool
    """Whether nobody vouched that it is the customer's."""
    identifiers: tuple[str, ...]
    properties: dict[str, Any]
    traits: dict[str, Any]
    context: dict[str, Any]
    kept_until: str
    """Empty where it is kept as long as anything else: it proves what was allowed or put right."""


class ExportedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about the customer, in their words."""

    decision_id: int
    decided_at: str
    placement: str
    chosen: tuple[str, ...]
    reasons: tuple[str, ...]
    facts: dict[str, Any]
    """What was known when it was decided, by the names of the facts."""
    objects: dict[str, Any]
    brand_version: str


class ExportHead(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but events and decisions, of which there may be very many."""

    type: str
    brand: str
    brand_version: str
    made_at: str
    locale: str
    confirmed_by: str
    """How it was made sure who asks."""
    restricted_since: str
    """Since when the data is kept and not used; empty where it is used."""
    identifiers: tuple[ExportedValue, ...]
    traits: tuple[ExportedValue, ...]
    objects: tuple[ExportedValue, ...]
    derived: tuple[ExportedValue, ...]
    """What is worked out from events, and how many of each are held."""
    contacts: tuple[ExportedValue, ...]
    claimed: tuple[ExportedValue, ...]
    """What was claimed to be the customer's and never proven."""
    consents: tuple[ExportedConsent, ...]
    messages: tuple[ExportedMessage, ...]
    uses: tuple[ExportedUse, ...]
    recipients: tuple[ExportedRecipient, ...]
    held_by_law: tuple[ExportedHeld, ...]
