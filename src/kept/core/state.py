"""What a part's events add up to: the only mutable values of the core.

A state is a sum: folding events in any order, or adding the states of two parts, gives the same
result. It never depends on now; windows are cut when facts are read. Every `Stamped` value keeps
its event time and event key, so that the latest wins whatever the order of arrival.
"""

from typing import Any, Final

import msgspec

OWN: Final = "own"
"""Under this a state keeps from when on it knows all of our own contacts."""
REPORTED: Final = "reported"
"""The same of contacts that other tools report."""
ANSWERS: Final = "answers"
"""The same of answers to messages."""
SAID: Final = "said"
"""Stands there once so much was said that it is not known any more what was."""


SLOT_MARK: Final = "@"
"""Stands between a name and the rest in a slot that has not just the name of what it keeps."""


def name_of_slot(slot: str) -> str:
    """Return the name of the trait or kind of objects that a slot keeps."""
    return slot.partition(SLOT_MARK)[0]


class Stamped(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A value with the event time (µs) and event key that decide which of two is the later."""

    value: Any
    at: int
    event_key: int
    source: str = ""

    def is_later_than(self, other: "Stamped") -> bool:
        """Return whether this value wins over the other one."""
        return (self.at, self.event_key) > (other.at, other.event_key)


class Contact(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One contact that left or was reported: it occupies its cap slots from `attempt_at` on.

    `settled_at` is 0 while the attempt is in flight. `outcome` is "" (in flight), "delivered",
    "failed" (it surely never left: its slot is free, and it may be tried again), "refused" (the
    provider will not have it: its slot is free, and it is not tried again), "shadow" (Kept
    only watched, and its slot is free too) or "unknown".
    """

    message_id: str
    attempt_at: int
    settled_at: int
    outcome: str
    action: str
    kind: str
    purpose: str
    topic: str
    channel: str
    about: str = ""
    """`kind/key` of the object that it was about, or empty."""
    answered_at: int = 0
    """When a person (never a machine) last opened, clicked or answered it."""


class State(msgspec.Struct, array_like=True, gc=False):
    """The sum of one part's events (or, merged, of a whole customer's)."""

    features: dict[str, Any] = msgspec.field(default_factory=dict)
    """Feature's fingerprint -> its slot, in the form that its aggregate defines."""
    traits: dict[str, Stamped] = msgspec.field(default_factory=dict)
    """Slot of a trait -> value; which slot a brand reads is in its fold plan (see `fold.told`)."""
    objects: dict[str, dict[str, dict[str, Stamped]]] = msgspec.field(default_factory=dict)
    """Slot of a kind -> key -> field -> value."""
    consents: dict[str, Stamped] = msgspec.field(default_factory=dict)
    """Consent scope (see `consent.scope_key`) -> True, False, or a preference's text."""
    contacts: dict[str, Contact] = msgspec.field(default_factory=dict)
    declines: dict[str, Stamped] = msgspec.field(default_factory=dict)
    """Action, or `action|kind/key` -> True, stamped when it was declined."""
    closed_addresses: dict[str, Stamped] = msgspec.field(default_factory=dict)
    """`channel|address` -> reason (a hard bounce, a complaint)."""
    history: Stamped | None = None
    """What held already when imported history came in: a list of `action|about`."""
    heard_at: int = 0
    """When any source but an import last said something (time of receipt, µs)."""
    answers: dict[str, int] = msgspec.field(default_factory=dict)
    """Message -> when a person last opened, clicked or answered it, known as a contact or not."""
    said: dict[str, int] = msgspec.field(default_factory=dict)
    """`action|about` -> when it was first said; it outlives the contact by which it was."""
    forgotten_objects: dict[str, int] = msgspec.field(default_factory=dict)
    """Slot of a kind -> the instant up to which all that was said of such objects is forgotten."""
    forgotten_contacts: dict[str, int] = msgspec.field(default_factory=dict)
    """The same of contacts, by whose they are (see `OWN`)."""
    approvals: dict[str, Stamped] = msgspec.field(default_factory=dict)
    """`action|about` -> what a person said of it last, as `approval.Approval` has it."""
    breaches: dict[str, Stamped] = msgspec.field(default_factory=dict)
    """Number of a breach that touched the customer -> `due`, or `told` once the notice arrived."""
    rejected: dict[str, Stamped] = msgspec.field(default_factory=dict)
    """Field (see `core.correction`) -> digests of values that a person put right."""
