"""What is known of a run by those who do not belong to Kept: the clients, the providers, the operator.

All instants are microseconds of one monotonic clock, which every process of a machine shares. What
was never answered has an `answered_at` of 0: it may have happened, or not.
"""

from typing import Literal, TypeAlias

import msgspec

Channel: TypeAlias = Literal["email", "hook"]

NEWS = "order_news"
TIP = "order_tip"
NOTE = "bill_note"
PROMOTIONS = frozenset({NEWS, TIP})
COUNTER = "counter_tip"
STOP = "stop"
"""The change by which everything ends."""


class Said(msgspec.Struct, frozen=True, gc=False):
    """One event that a client sent, perhaps several times, until it was answered."""

    message_id: str
    person: str
    sent_at: int
    answered_at: int = 0
    order: int = 0
    """How many orders of the person this is the last of; 0 for what is no order."""
    bill: str = ""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of being written to: allowed it, or stopped it."""

    person: str
    allows: bool
    sent_at: int
    answered_at: int = 0
    channel: Channel | Literal[""] = ""
    """The only channel that it is about; empty for every one."""
    in_flight: frozenset[str] | None = None
    """What the answer listed as on its way, by the ids of messages; None where it lists nothing."""
    is_late: bool = False
    """Whether it happened long before it was sent: then a later word stands."""
    by: Literal["shop", "site", "link"] = "shop"
    """Who passed it on; a site vouches for nobody."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A person's matter was opened, or resolved; while it is open nothing promotional is said."""

    person: str
    case: str
    opens: bool
    sent_at: int
    answered_at: int = 0
    in_flight: frozenset[str] | None = None


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """An operator said that two people are one, or that they are two."""

    people: tuple[str, str]
    joins: bool
    sent_at: int
    answered_at: int = 0


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was forgotten."""

    person: str
    sent_at: int
    answered_at: int = 0
    left_before: frozenset[str] = frozenset()
    """The channels by which something was on its way, as the receipt says."""


class Brake(msgspec.Struct, frozen=True, kw_only=True):
    """An operator paused something, or let it go on."""

    scope: str
    is_on: bool
    sent_at: int
    answered_at: int = 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something changed for everybody, at some time between two instants: a brand, a process."""

    what: str
    began_at: int
    ended_at: int


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One question of a placement, and its answer."""

    person: str
    placement: str
    sent_at: int
    answered_at: int
    action: str
    """What is shown; empty for silence."""
    about: str
    decision_id: int


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """One hand-over by the provider's own log."""

    channel: Channel
    key: str
    """The name by which the provider tells two messages apart."""
    person: str
    action: str
    about: str
    begun_at: int
    """When the provider first heard of it."""
    at: int
    """When it had received all of it."""
    taken: bool
    """Whether it took it; what it refused reached nobody."""
    answered: bool = True
    """Whether it said so; a provider may hang up, or babble."""


class Run(msgspec.Struct, kw_only=True):
    """Everything that was noted while one store lived."""

    said: list[Said] = []
    words: list[Word] = []
    cases: list[Case] = []
    ties: list[Tie] = []
    erasures: list[Erasure] = []
    brakes: list[Brake] = []
    changes: list[Change] = []
    asked: list[Asked] = []
    arrived: list[Arrived] = []


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the store has it in the end."""

    message_id: str
    action: str
    about: str
    state: str
    queued_at: int
    """When it was queued, on the clock of the evidence."""
    left_at: int
    """When its last attempt was committed, on the clock of the evidence; 0 if it never left."""
    attempt_count: int
    has_reason: bool


class Stored(msgspec.Struct, kw_only=True):
    """What a store holds after a run, read by its port and told in plain values."""

    events: list[tuple[str, str]] = []
    """Each event of a touchpoint in the order of the stream: its message id, and whom it names."""
    messages: list[Row] = []
    decisions: frozenset[int] = frozenset()
    """Those that were looked for and are there."""
    replayed_count: int = 0
    replayed_otherwise: list[int] = []
    """Decisions of the sample that came out differently when they were made again."""
    groups: frozenset[frozenset[int]] = frozenset()
    """Who is together with whom, by parts."""
    groups_afresh: frozenset[frozenset[int]] = frozenset()
    """The same, computed from all evidence anew."""
    torn_parts: dict[int, str] = {}
    """Parts whose stored state is not what their events fold to -> in what they differ."""
    audit: list[str] = []
    """What an audit of the consent log finds."""
    people: frozenset[str] = frozenset()
    """Everybody who is known by a user id."""
    readable: frozenset[str] = frozenset()
    """Of those who were forgotten: whose values stand in some file."""


class Violation(msgspec.Struct, frozen=True):
    """A promise that was not kept."""

    guarantee: str
    judge: str
    what: str
    at: int = 0
    """When it showed; 0 where only the end tells."""
