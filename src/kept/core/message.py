"""A message's life: queued, leased, leaving, settled; or withdrawn, or expired.

`queued -> leased -> leaving -> settled (delivered | failed | unknown) | withdrawn | expired`.
A message leaves only through `leaving`, which is committed before the provider is called; from
then on it occupies its cap slots until it is settled. Nothing is ever silently dropped: each
message ends in exactly one recorded state with a reason.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

MessageState: TypeAlias = Literal[
    "queued", "leased", "leaving", "delivered", "failed", "unknown", "withdrawn", "expired"
]

OPEN_STATES: Final[frozenset[str]] = frozenset({"queued", "leased", "leaving"})
WITHDRAWABLE_STATES: Final[frozenset[str]] = frozenset({"queued", "leased"})
IN_FLIGHT_STATES: Final[frozenset[str]] = frozenset({"leaving"})
"""A message whose outcome is unclear stays `leaving`, and listed, until it is settled."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message decided for one customer, about one object, on one channel."""

    message_id: str
    part_id: int
    decision_id: int
    action: str
    kind: str
    purpose: str
    topic: str = ""
    entity: str
    promotional: bool
    channel: str
    about: str = ""
    state: MessageState = "queued"
    queued_at: int
    due_at: int
    """Not before this instant: quiet hours wait, retries back off."""
    expires_at: int
    leased_until: int = 0
    """Until when whoever hands it over may be waited for, where others could do it as well."""
    node: int = 0
    """Which node handed it over last, where several share the store."""
    attempt_count: int = 0
    failed_count: int = 0
    """How many attempts the provider failed, each of which makes the next one wait longer; one that
    the end of our own process cut short is none of them."""
    attempted_at: int = 0
    to: str = ""
    """The address that it left for last, whatever the customer's is meanwhile."""
    may_have_arrived: bool = False
    """Whether an attempt ended and nobody knows how: whatever comes of later ones, it may have arrived."""
    settled_at: int = 0
    provider_id: str = ""
    reason: Any = None
    """Why it was withdrawn, expired or failed: a `decision.Reason`, as builtins."""
    sets: dict[str, int | str | bool | None] = {}
    """Fields of the object in play that become true once this leaves."""
    mark: Literal["", "read", "dismissed", "declined"] = ""
    """What the customer did with it, where it waits in an inbox."""

    @property
    def is_open(self) -> bool:
        """Return whether anything may still happen to the message."""
        return self.state in OPEN_STATES


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message on its way to a provider."""

    message_id: str
    idempotency_key: str
    channel: str
    action: str
    to: str
    sender: str
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = {}
    data: dict[str, Any] = {}
    """What an inbox, a webhook or a call card needs beyond the text."""
    expires_at: int


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The provider took the message."""

    provider_id: str = ""
    is_pending: bool = False
    """Whether it said that it has still to act on it (HTTP 202)."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The provider refused the message for good: it has not been and will not be delivered."""

    detail: str
    closes_address: bool = False


class Postponed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The provider surely did not take the message, and may do so later (connection refused, 429, 4xx SMTP)."""

    detail: str
    retry_after_seconds: int = 0


class Unclear(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nobody knows whether the provider took it (a cut connection, a time-out, garbage for an answer)."""

    detail: str


SendResult: TypeAlias = Accepted | Refused | Postponed | Unclear
