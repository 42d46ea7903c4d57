"""Recipients of personal data and legal holds as values: who else is given it, and what a law keeps."""

from typing import Literal

from kept.core.brand.entry import DurationText, Entry


class Erasure(Entry, frozen=True, kw_only=True):
    """Where a recipient is told to erase somebody, signed as Standard Webhooks has it."""

    url: str
    """Where it is called, or the name of that: `env:NAME`."""
    secret: str
    """What signs the calls: `env:NAME` or `file:PATH`."""


class Recipient(Entry, frozen=True, kw_only=True):
    """A company outside of the group that is given personal data (GDPR, articles 13 and 30)."""

    name: str
    """The company's full name."""
    country: str
    """Where it is established, by the two letters of ISO 3166-1."""
    contact: str
    """An e-mail address or telephone number that a person answers."""
    role: Literal["processor", "controller"]
    """`processor` acts on the brand's instructions only, `controller` decides for itself."""
    safeguard: str = ""
    """What protects data that leaves for a third country, such as standard contractual clauses."""
    erasure: Literal["manual"] | Erasure | None = None
    """How it is told to erase somebody: a signed call, or `manual` where a person writes to it."""


class LegalHold(Entry, frozen=True, kw_only=True):
    """What a law obliges to keep: it outlives `history` and an erasure, and no decision reads it."""

    law: str
    """The law that obliges, as precisely as one can look it up."""
    events: tuple[str, ...]
    """The events that are kept whole."""
    fields: tuple[str, ...] = ()
    """Fields that are kept beside them, such as `trait.called` or `bill.amount`."""
    keep: DurationText
    """How long after the event."""
    told: dict[str, str]
    """What the customer is told of it, by locale."""


class Records(Entry, frozen=True, kw_only=True):
    """How long what Kept itself writes down is kept; empty means as long as `history`."""

    decisions: DurationText = ""
    """Decisions with the facts that they read, so that they can be explained and made again."""
    messages: DurationText = ""
    """What was or was not sent, after it was settled."""
    quarantine: DurationText = "30 days"
    """Events that could not be taken."""
