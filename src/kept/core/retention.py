"""Until when an event, a decision, a message is kept: a pure function of the brand.

What a law obliges to keep longer is held apart (see `flows.legal_holds`). What a customer allowed
and refused, and what of theirs was put right, is kept as long as anything of them is: it is the
proof, and a no must not lapse because it is old.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from kept.core.brand.model import Brand
from kept.core.brand.units import parse_duration
from kept.core.consent import CONSENT_EVENTS
from kept.core.data_map import DataMap
from kept.core.data_map.fields import EVENT_PREFIX
from kept.core.event import CHANNEL_CLOSED, CORRECTED, Event
from kept.core.values import DAY

DECISIONS: Final = "decisions"
MESSAGES: Final = "messages"
QUARANTINE: Final = "quarantine"
OTHERS: Final = "event.*"
"""The limit of events that have none of their own."""
GRACE: Final = 7 * DAY
"""How long a shorter limit waits for an operator before it is applied all the same."""
_NEVER_YET: Final = 1 << 62
"""Longer than any limit: nothing was removed so far."""
_PROOFS: Final = CONSENT_EVENTS | {CHANNEL_CLOSED, CORRECTED}


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How long something is kept (µs), what says so, and for what it is used."""

    duration: int
    because: str
    purposes: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit of one version of a brand, by `event.NAME`, `decisions`, `messages`, `quarantine`."""

    version: str
    by_name: dict[str, Limit]

    def of_event(self, name: str) -> Limit:
        """Return the limit of an event: its own, that of the longest pattern, or that of all others."""
        return self.by_name[self.name_of(name)]

    def name_of(self, event: str) -> str:
        """Return under which name the limit of an event stands."""
        own = f"{EVENT_PREFIX}{event}"
        if own in self.by_name:
            return own
        patterns = (
            name for name in self.by_name if name.endswith("*") and own.startswith(name[:-1])
        )
        return max(patterns, key=len, default=OTHERS)

    def durations(self) -> dict[str, int]:
        """Return the bare limits."""
        return {name: limit.duration for name, limit in self.by_name.items()}


def limits_of(brand: Brand, data: DataMap) -> Limits:
    """Return the limits of a checked brand, by the map of its data."""
    file = brand.brand
    history = parse_duration(file.history)
    found = {OTHERS: Limit(duration=history, because="history")}
    for field in data.fields:
        if field.kind == "event":
            kept = field.kept[0]
            found[field.field] = Limit(
                duration=parse_duration(kept.duration),
                because=kept.because,
                purposes=field.purposes(),
            )
    for event, text in file.retention.items():
        name = f"{EVENT_PREFIX}{event}"
        if name not in found:
            because = f"retention of {event}"
            found[name] = Limit(duration=min(history, parse_duration(text)), because=because)
    for name in (DECISIONS, MESSAGES, QUARANTINE):
        text = getattr(file.records, name)
        because = f"records.{name}" if text else "history"
        duration = min(history, parse_duration(text or file.history))
        found[name] = Limit(duration=duration, because=because)
    return Limits(version=brand.version, by_name=found)


def keep_until(limits: Limits, event: Event) -> int:
    """Return the instant from which an event is not kept any more."""
    return event.occurred_at + limits.of_event(event.name).duration


def is_proof(event: Event) -> bool:
    """Return whether an event is kept as long as anything of its customer is."""
    return event.name in _PROOFS or event.context.get("gpc") is True


# -- what shortens a limit waits


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that are applied, and those that wait to be."""

    applied: dict[str, int] = {}
    """Empty while nothing was ever removed."""
    waiting: dict[str, int] = {}
    """The limits of the brand in force, while some are shorter than what is applied."""
    waiting_since: int = 0
    is_approved: bool = False

    @property
    def applies_at(self) -> int:
        """Return when what waits is applied at the latest; 0 where nothing waits."""
        return self.waiting_since + GRACE if self.waiting else 0


def agree(known: Agreement, limits: Limits, now: int, *, is_empty: bool) -> Agreement:
    """Return the agreement with the brand in force: what is longer counts at once, what is shorter waits.

    Args:
        is_empty: whether nothing is stored yet, so that nothing can be lost.
    """
    wanted = limits.durations()
    if is_empty or not shortened(known.applied, wanted):
        return Agreement(applied=wanted)
    if known.waiting != wanted:
        known = Agreement(applied=known.applied, waiting=wanted, waiting_since=now)
    if known.is_approved or now >= known.applies_at:
        return Agreement(applied=wanted)
    return known


def shortened(applied: Mapping[str, int], wanted: Mapping[str, int]) -> tuple[str, ...]:
    """Return what would be kept shorter than it is now."""
    return tuple(
        name for name, length in sorted(wanted.items()) if length < _applied(applied, name)
    )


def limits_in_force(known: Agreement, limits: Limits) -> Limits:
    """Return the limits that may be applied now: the longer ones of the brand's and the applied."""
    by_name = {
        name: msgspec.structs.replace(
            limit, duration=max(limit.duration, _applied(known.applied, name))
        )
        for name, limit in limits.by_name.items()
    }
    if not known.waiting:
        by_name = limits.by_name
    return msgspec.structs.replace(limits, by_name=by_name)


def _applied(applied: Mapping[str, int], name: str) -> int:
    if name in applied:
        return applied[name]
    return applied.get(OTHERS, _NEVER_YET) if name.startswith(EVENT_PREFIX) else _NEVER_YET
