"""An event as everything behind the wire formats sees it, whoever sent it and however.

What customers do and what Kept itself does (attempts, outcomes, brakes) are events of the same
stream, so that one fold gives profiles, caps, recovery and replay.
"""

from typing import Any, Final

import msgspec

from kept.core.values import MINUTE

CLOCK_TOLERANCE: Final = 5 * MINUTE
"""How far a sender's clock may be ahead before it is not believed: no event is dated later."""
SOURCE_SELF: Final = "kept"
"""The source of the events that Kept itself causes; no outside source may carry this name."""

IDENTIFIED: Final = "Identified"
PAGE_VIEWED: Final = "Page Viewed"
SCREEN_VIEWED: Final = "Screen Viewed"
GROUPED: Final = "Grouped"
ALIASED: Final = "Aliased"

CONSENT_UPDATED: Final = "Segment Consent Preference Updated"
MESSAGE_LEAVING: Final = "Message Leaving"
MESSAGE_SETTLED: Final = "Message Settled"
MESSAGE_DELIVERED: Final = "Message Delivered"
MESSAGE_OPENED: Final = "Message Opened"
MESSAGE_CLICKED: Final = "Message Clicked"
MESSAGE_BOUNCED: Final = "Message Bounced"
MESSAGE_COMPLAINED: Final = "Message Complained"
MESSAGE_REPLIED: Final = "Message Replied"
CONTACT_REPORTED: Final = "Contact Reported"
HISTORY_TAKEN: Final = "History Taken"
OFFER_DECLINED: Final = "Offer Declined"
CHANNEL_CLOSED: Final = "Channel Closed"
CORRECTED: Final = "Corrected"
RESTRICTED: Final = "Processing Restricted"
RESTRICTION_LIFTED: Final = "Processing Restriction Lifted"
APPROVAL_DECIDED: Final = "Approval Decided"
DECISION_CONTESTED: Final = "Decision Contested"
BREACH_FOUND: Final = "Breach Found"


class Identifier(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """A way to recognise somebody: a value within a namespace, such as an e-mail address."""

    namespace: str
    value: str

    def __str__(self) -> str:
        """Return the form used on command lines: `namespace:value`."""
        return f"{self.namespace}:{self.value}"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that happened to or was done for one customer, after parsing and clock correction.

    `occurred_at` and `received_at` are microseconds since 1970 in UTC. `event_key` is a stable
    63-bit hash of (source, message id): it de-duplicates, and it breaks ties between events of the
    same instant, so that folding does not depend on the order of arrival.
    """

    event_key: int
    message_id: str
    source: str
    name: str
    type: str
    occurred_at: int
    received_at: int
    identifiers: tuple[Identifier, ...] = ()
    """Strongest first, and those that the source vouches for before those that it merely claims."""
    vouched_count: int = 0
    """How many of `identifiers`, from the first on, the source vouches for."""
    claim_hour: int = 0
    """The hour (since 1970) that the sender itself stamped, which a retry does not change; 0 for none."""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
