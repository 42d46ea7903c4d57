"""Show what keeping no longer than needed would remove, before it does: counted, and nobody named."""

from collections.abc import Iterable

import msgspec

from kept.core.retention import (
    DECISIONS,
    MESSAGES,
    QUARANTINE,
    Limit,
    Limits,
    is_proof,
    keep_until,
    limits_in_force,
    shortened,
)
from kept.core.values import DAY, format_instant
from kept.flows.engine import Engine
from kept.flows.retain import Progress, load_progress
from kept.ports import Store

EVENTS_A_PIECE = 2_000
_QUARANTINE_A_PIECE = 100


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """What of one kind is past its time."""

    what: str
    """`event.NAME`, `decisions`, `messages` or `quarantine`."""
    count: int
    oldest: str
    kept: str
    """How long it is kept, in days where it is whole days."""
    because: str
    """What of the brand says so."""
    purposes: tuple[str, ...]
    """`entity/purpose` of what it is used for."""
    is_waiting: bool
    """Whether this limit is shorter than what is applied, and waits."""


class RetentionView(msgspec.Struct, frozen=True, kw_only=True):
    """What would be removed, what is waited for, and how far the present round is."""

    brand_version: str
    waits_until: str
    """When shorter limits are applied at the latest; empty where none waits."""
    shortened: tuple[str, ...]
    round_begun_at: str
    is_round_done: bool
    overdue: tuple[Overdue, ...]


class Tally:
    """Counts what is past its time."""

    def __init__(self, limits: Limits) -> None:
        """Begin at nothing."""
        self.limits = limits
        self.found: dict[str, tuple[int, int]] = {}
        """Name of the limit -> how many, and the oldest instant."""

    def add(self, name: str, count: int, oldest: int) -> None:
        """Count some more."""
        if count:
            known, least = self.found.get(name, (0, oldest))
            self.found[name] = known + count, min(least, oldest)


def count_events(engine: Engine, tally: Tally, *, after: int, now: int) -> int:
    """Count a piece of the stream; return where the next one begins, 0 at the end."""
    events = engine.store.load_events(after=after, limit=EVENTS_A_PIECE)
    for stored in events:
        event = stored.event
        if keep_until(tally.limits, event) <= now and not is_proof(event):
            name = tally.limits.name_of(event.name)
            tally.add(f"event.{event.name}" if name.endswith("*") else name, 1, event.occurred_at)
    return events[-1].sequence if len(events) == EVENTS_A_PIECE else 0


def count_records(store: Store, tally: Tally, *, now: int) -> None:
    """Count what is not of the stream; it may be done on any thread."""
    by_name = tally.limits.by_name
    before = now - by_name[DECISIONS].duration
    tally.add(DECISIONS, *store.read_old_decisions(before=before))
    before = now - by_name[QUARANTINE].duration
    after = 0
    while rows := store.read_quarantine(after=after, limit=_QUARANTINE_A_PIECE):
        after = rows[-1].quarantine_id
        for row in rows:
            if row.received_at < before:
                tally.add(QUARANTINE, 1, row.received_at)


def view_retention(engine: Engine, tally: Tally, *, now: int) -> RetentionView:
    """Return what was counted, beside what is waited for."""
    before = now - tally.limits.by_name[MESSAGES].duration
    tally.add(MESSAGES, *engine.store.read_old_messages(before=before))
    progress = load_progress(engine.store)
    agreement = progress.agreement
    return RetentionView(
        brand_version=tally.limits.version,
        waits_until=format_instant(agreement.applies_at) if agreement.waiting else "",
        shortened=shortened(agreement.applied, agreement.waiting),
        round_begun_at=format_instant(progress.begun_at) if progress.begun_at else "",
        is_round_done=progress.is_done,
        overdue=tuple(_overdue(tally, progress)),
    )


def _overdue(tally: Tally, progress: Progress) -> Iterable[Overdue]:
    applied = limits_in_force(progress.agreement, tally.limits)
    for name, (count, oldest) in sorted(tally.found.items()):
        limit, now_applied = _limit(tally.limits, name), _limit(applied, name)
        yield Overdue(
            what=name,
            count=count,
            oldest=format_instant(oldest),
            kept=_in_days(limit.duration),
            because=limit.because,
            purposes=limit.purposes,
            is_waiting=limit.duration < now_applied.duration,
        )


def _limit(limits: Limits, name: str) -> Limit:
    if name in limits.by_name:
        return limits.by_name[name]
    return limits.of_event(name.partition(".")[2])


def _in_days(duration: int) -> str:
    days, rest = divmod(duration, DAY)
    return f"{days} days" if not rest else f"{duration // 1_000_000} seconds"
