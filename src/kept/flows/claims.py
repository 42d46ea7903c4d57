"""De-duplication: by which keys an event is known again, and for how long.

Keys are kept by hour, and hours are dropped by age. Live events are repeated within days, by a
sender that got no answer; a file of history may be imported again years later.
"""

from typing import Final

from kept.core.brand.units import parse_duration
from kept.core.event import Event
from kept.core.values import HOUR
from kept.flows.engine import Engine

PROMPT_HOURS: Final = 24
"""An event that arrives within this of its own time is de-duplicated under that time."""
PERIOD_HOURS: Final = 8 * 24
KEPT: Final = PERIOD_HOURS * HOUR
"""How long keys are kept; those of history so much longer than the brand keeps events."""
DROPPED: Final = 50_000
"""How many old keys one round of housekeeping drops, of either sort."""
HISTORY_HOURS: Final = 1 << 32
"""Where the hours of history begin, apart from all others, for they are dropped later."""
ERA_HOURS: Final = 366 * 24
"""Within this, and the next, history is known again that has no time of its own."""


def claim(engine: Engine, event: Event) -> bool:
    """Return whether an event is new, and remember it."""
    is_new = True
    is_history = event.source in engine.plan.imports
    for hour in _hours_of_history(event) if is_history else hours_of(event):
        is_new = engine.store.claim(event.event_key, hour=hour) and is_new
    return is_new


def hours_of(event: Event) -> tuple[int, ...]:
    """Return the hours under which a live event is known again, for at least a week.

    What is sent when it happens, or soon after, is kept under its sender's own hour, which a retry
    repeats. What comes late (or stamped by nobody) is kept under the week in which it arrives; a
    retry may arrive in the next one, so that both are asked.
    """
    arrived = event.received_at // HOUR
    age = arrived - event.claim_hour
    if event.claim_hour and age <= PROMPT_HOURS:
        return (event.claim_hour,)
    if event.claim_hour and age <= PERIOD_HOURS:
        # It may have come promptly the first time.
        return (*periods_of(event.received_at), event.claim_hour)
    return periods_of(event.received_at)


def periods_of(now: int) -> tuple[int, int]:
    """Return the period under which what arrives now is known again, and the one before it.

    A period is named by its end, so that it is dropped only when all of it is old.
    """
    period = (now // HOUR // PERIOD_HOURS + 1) * PERIOD_HOURS
    return period, period - PERIOD_HOURS


def _hours_of_history(event: Event) -> tuple[int, ...]:
    """Return the hours under which history is known again, for as long as it would be taken.

    Its own hour, which is the same in next year's file; where it has none, the era in which it
    arrives, and the one before.
    """
    if event.claim_hour:
        return (HISTORY_HOURS + event.claim_hour,)
    era = HISTORY_HOURS + (event.received_at // HOUR // ERA_HOURS + 1) * ERA_HOURS
    return (era, era - ERA_HOURS)


def forget_claims(engine: Engine, now: int) -> None:
    """Drop old keys; history older than what the brand keeps is refused by its age, and needs none."""
    forget = engine.store.forget_claims
    forget(before_hour=(now - KEPT) // HOUR, limit=DROPPED)
    oldest = now - parse_duration(engine.bundle.brand.brand.history) - KEPT
    forget(from_hour=HISTORY_HOURS, before_hour=HISTORY_HOURS + oldest // HOUR, limit=DROPPED)
