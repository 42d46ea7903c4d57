"""A story: a clock, signals from touchpoints, and what the customer must and must not receive.

A story is data. `kept test` plays each one on a fresh system in virtual time through the same
flows that production runs, and compares what was handed over, held and answered with what the
story expects.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from kept.core.brand.model import Kind


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a story have in common."""


class Signal(_Part, frozen=True, kw_only=True):
    """One event as a touchpoint would send it, in the words of the wire."""

    source: str
    event: str = ""
    """A track event's name; or give `type` for identify, page, screen, group and alias."""
    type: Literal["track", "identify", "page", "screen", "group", "alias"] = "track"
    user_id: str = ""
    anonymous_id: str = ""
    identifiers: dict[str, str] = {}
    """Further identifiers, by namespace."""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}
    occurred: str = ""
    """When it happened, if not now: an instant, or an offset such as `-2 days`."""
    message_id: str = ""
    body: dict[str, Any] = {}
    """Of a webhook: the foreign payload as it arrives; the source's mappings make the event of it."""
    times: int = 1
    """How often it is sent. `{n}` within its texts stands for the number of the repetition, from 1."""
    every: str = ""
    """With `times`: the distance between repetitions, such as `5 minutes`, starting at the step's time
    (of imported signals: at `occurred`)."""


class Ask(_Part, frozen=True, kw_only=True):
    """A question to `/v1/decide`, or with `may_i` to `/v1/may-i`."""

    source: str = ""
    """The touchpoint that asks; what it vouches for is proof, the rest is a claim."""
    placement: str = ""
    may_i: bool = False
    identifiers: dict[str, str] = {}
    proven: bool = True
    action: str = ""
    purpose: str = ""
    entity: str = ""
    channel: str = ""
    kind: Kind | Literal[""] = ""
    """may_i only: what kind of action the tool's contact is."""
    about: str = ""
    label: str = ""
    """A name for the answer, so that a later one can be compared with it."""
    reported: bool = False
    """may_i only: the tool then sends, and reports it, so that it counts."""


class Control(_Part, frozen=True, kw_only=True):
    """What an operator does: pause or resume, take up a changed folder, unmerge."""

    pause: str = ""
    """`all`, `action:NAME`, `channel:NAME`, `region:NAME`, `cohort:NAME`, `purpose:NAME`; joined
    by a plus, such as `region:NAME+purpose:NAME`, what is within both."""
    resume: str = ""
    unmerge: tuple[str, str] | None = None
    provider: Literal["", "up", "down", "slow", "garbage"] = ""
    """How the provider of `channel` behaves from now on."""
    channel: str = ""


class Feedback(_Part, frozen=True, kw_only=True):
    """What a provider reports of the newest message of an action, such as that it was opened."""

    action: str
    outcome: Literal["delivered", "opened", "clicked", "bounced", "complained", "unsubscribed"]
    machine: bool = False
    hard: bool = True


class Approve(_Part, frozen=True, kw_only=True):
    """What a person decides about an action that waits for them."""

    action: str
    about: str = ""
    customer: str = ""
    """Whose it is (`namespace:value`); the step's own customer where empty."""
    by: str = "a supervisor"
    because: str = "A person looked at it."
    refuse: bool = False
    alone: bool = False
    """Whether there is nobody else to decide what the same person approved before."""


class ContestStep(_Part, frozen=True, kw_only=True):
    """A customer follows the link by which an approved decision is contested."""

    action: str
    about: str = ""
    customer: str = ""
    """Whose it is (`namespace:value`); the step's own customer where empty."""


class BreachStep(_Part, frozen=True, kw_only=True):
    """What a privacy officer does about a breach: declares one, lets its notices go, closes it."""

    source: str = ""
    """The source that is compromised; or give `recipient`."""
    recipient: str = ""
    since: str = ""
    """From when on: an instant, or an offset such as `-2 days`."""
    notify: dict[str, str] = {}
    """Locale -> what the notices say that was done; they go at once."""
    close: str = ""
    """Why the breach is closed."""


class Seen(_Part, frozen=True, kw_only=True):
    """A message that must have been handed over (or withdrawn, or queued)."""

    action: str
    channel: str = ""
    customer: str = ""
    count: int = 1
    says: tuple[str, ...] = ()
    """Texts that the message contains."""
    not_says: tuple[str, ...] = ()
    reason: str = ""
    about: str = ""


class Answer(_Part, frozen=True, kw_only=True):
    """What an ask must have been answered."""

    action: str = ""
    """The action shown first; or, for a gate, the action asked for."""
    silence: bool | None = None
    allowed: bool | None = None
    reason: str = ""
    because: str = ""
    """The name of the hold, cap or brake that said no."""
    until: str = ""
    shown: tuple[str, ...] = ()
    shown_max: int | None = None
    says: tuple[str, ...] = ()
    not_says: tuple[str, ...] = ()
    asks: tuple[str, ...] | None = None
    """The traits that the placement may still ask for."""
    same_as: str = ""


class Expect(_Part, frozen=True, kw_only=True):
    """What must be true now; messages and withdrawals count since the previous step that expected."""

    messages: tuple[Seen, ...] = ()
    silence: bool = False
    """Nothing else was handed over since the last expectation."""
    withdrawn: tuple[Seen, ...] = ()
    queued: tuple[Seen, ...] | None = None
    in_flight: tuple[str, ...] | None = None
    answer: Answer | None = None
    reasons: dict[str, str] = {}
    """Action -> reason code in the newest decision about the customer."""
    profile: dict[str, Any] = {}
    """Fact -> value as a condition would read it."""
    customer: str = ""
    """Whose profile and reasons (`namespace:value`); the step's own customer where empty."""
    same_customer: tuple[str, ...] = ()
    different_customers: tuple[str, ...] = ()
    alerts: tuple[str, ...] | None = None
    """Exactly what the operator was alerted of since the last expectation."""
    waiting: tuple[str, ...] | None = None
    """Actions that wait for a person, of all customers."""
    touched: dict[str, tuple[str, ...]] | None = None
    """Whom the newest breach touched (`namespace:value`) -> exactly which fields."""


class Step(_Part, frozen=True, kw_only=True):
    """One step: time passes to `at`, then one thing happens, then expectations are compared."""

    at: str = ""
    """An instant, or an offset from the previous step such as `+2 days`; empty: at once."""
    signal: Signal | None = None
    signals: tuple[Signal, ...] = ()
    history: tuple[Signal, ...] = ()
    """Signals that are imported: they are folded and nothing is sent."""
    ask: Ask | None = None
    control: Control | None = None
    feedback: Feedback | None = None
    approve: Approve | None = None
    contest: ContestStep | None = None
    breach: BreachStep | None = None
    expect: Expect | None = None


class Story(_Part, frozen=True, kw_only=True):
    """A story file."""

    story: str
    number: int
    tells: str
    clock: str
    steps: tuple[Step, ...]
    never: tuple[Seen, ...] = ()
    """Messages that must not have been handed over at any time of the story."""
    watched: tuple[str, ...] = ()
    """Sources whose silence is noticed in this story; all others are taken to be alive."""
    shadow: bool = False


Outcome: TypeAlias = Literal["passed", "failed"]
