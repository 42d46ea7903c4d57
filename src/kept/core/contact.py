"""Pressure: caps, rest periods and quiet hours (guarantee G3).

A contact occupies its slot from the attempt until it is settled, and for the window after. One
that its provider refused never reached anybody and is not counted.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from kept.core.policy.zones import Zone
from kept.core.reason import CapReached, ContactsUnknown
from kept.core.state import Contact
from kept.core.values import DAY, MINUTE

NEVER_ARRIVED: Final = frozenset({"failed", "refused"})
"""Outcomes of attempts that surely reached nobody."""
IN_FLIGHT_MAX: Final = 2 * DAY
"""No attempt is in flight for longer: it was settled by then, and so was heard of again."""
UNCOUNTED: Final = NEVER_ARRIVED | {"shadow"}
"""Outcomes that occupy no slot of a cap."""


class Contactable(Protocol):
    """What a scope looks at: an action on a channel, or a contact that was."""

    @property
    def action(self) -> str:
        """The action's name."""

    @property
    def kind(self) -> str:
        """The action's kind."""

    @property
    def purpose(self) -> str:
        """The action's purpose."""

    @property
    def topic(self) -> str:
        """The action's topic."""


class ScopeRule(msgspec.Struct, frozen=True, kw_only=True):
    """A scope, ready to match: an empty set stands for everything, but for purposes."""

    purposes: frozenset[str] | None = None
    """None stands for every purpose; an empty set is what no purpose fits."""
    topics: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def covers(self, what: Contactable, channel: str) -> bool:
        """Return whether an action or contact on this channel is within the scope."""
        return (not self.channels or channel in self.channels) and self.covers_some_channel(what)

    def covers_some_channel(self, what: Contactable) -> bool:
        """Return whether an action is within the scope on at least one channel."""
        return (
            (self.purposes is None or what.purpose in self.purposes)
            and (not self.kinds or what.kind in self.kinds)
            and (not self.actions or what.action in self.actions)
            and (not self.topics or what.topic in self.topics)
        )


class CapRule(msgspec.Struct, frozen=True, kw_only=True):
    """At most `count_max` contacts in any `window` (µs)."""

    name: str
    count_max: int
    window: int
    scope: ScopeRule


class QuietRule(msgspec.Struct, frozen=True, kw_only=True):
    """Quiet time in minutes of the customer's own day; `start` may be later than `end`."""

    name: str
    start_minute: int
    end_minute: int
    scope: ScopeRule


def check_cap(cap: CapRule, contacts: Sequence[Contact], *, now: int) -> CapReached | None:
    """Return why one more contact would break the cap, or None when it would not."""
    if len(contacts) < cap.count_max:
        return None
    oldest = now - cap.window
    # A slot is free again one window after it was settled; in flight, nobody knows when.
    free_at = sorted(
        contact.settled_at + cap.window if contact.settled_at else now + cap.window
        for contact in contacts
        if contact.outcome not in UNCOUNTED
        and (not contact.settled_at or contact.settled_at > oldest)
        and cap.scope.covers(contact, contact.channel)
    )
    if len(free_at) < cap.count_max:
        return None
    until = free_at[len(free_at) - cap.count_max]
    return CapReached(cap=cap.name, count=len(free_at), until=until)


def check_memory(cap: CapRule, *, known_after: int, now: int) -> ContactsUnknown | None:
    """Return that the cap cannot be told, while a contact up to `known_after` might count."""
    until = known_after + max(cap.window, IN_FLIGHT_MAX)
    return ContactsUnknown(cap=cap.name, until=until) if known_after and now < until else None


def last_contact_at(contacts: Sequence[Contact], *, kind: str, but_for: str = "") -> int:
    """Return when the customer was last contacted by an action of this kind, 0 if never.

    `but_for` is the message that is decided again, empty for none: it does not stand in its own way.
    """
    return max(
        (
            contact.attempt_at
            for contact in contacts
            if contact.kind == kind
            and contact.outcome not in NEVER_ARRIVED
            and (not but_for or contact.message_id != but_for)
        ),
        default=0,
    )


def quiet_until(rule: QuietRule, *, zone: Zone, now: int) -> int | None:
    """Return when the quiet time that now falls into ends, None when it is not quiet.

    The end is when the customer's own clock shows the end's minute, also if the clocks are put
    forward or back before then.
    """
    at = now
    while _is_quiet(rule, at + zone.offset_at(at)):
        local = at + zone.offset_at(at)
        end = local // DAY * DAY + rule.end_minute * MINUTE
        if end <= local:
            end += DAY
        ends_at = end - zone.offset_at(at)
        index = bisect_right(zone.starts, at)
        if index == len(zone.starts) or ends_at < zone.starts[index]:
            return ends_at
        # The clocks are put forward or back before then: look again from there on.
        at = zone.starts[index]
    return at if at > now else None


def _is_quiet(rule: QuietRule, local: int) -> bool:
    minute = local // MINUTE % (DAY // MINUTE)
    if rule.start_minute <= rule.end_minute:
        return rule.start_minute <= minute < rule.end_minute
    return minute >= rule.start_minute or minute < rule.end_minute
