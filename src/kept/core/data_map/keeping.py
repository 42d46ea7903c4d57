"""Until when a field is kept: as long as its events, as its purposes need it, as a law obliges."""

from collections.abc import Iterable

from kept.core.brand.model import Brand
from kept.core.brand.units import parse_duration
from kept.core.data_map.fields import EVENT_PREFIX
from kept.core.data_map.record import DataField, Keep


def kept_for(brand: Brand, field: DataField) -> tuple[Keep, ...]:
    """Return how long a field is kept: its limit first, then the legal holds that outlive it."""
    events = events_behind(field)
    limit = _longest(event_limit(brand, event) for event in events or [""])
    purposes = [brand.consent.purposes.get(use.purpose) for use in field.uses]
    needed = [
        Keep(duration=purpose.keep, because=f"purpose {use.purpose}")
        for use, purpose in zip(field.uses, purposes, strict=True)
        if purpose is not None and purpose.keep
    ]
    # One purpose without an end of its own needs it as long as there is any.
    if needed and len(needed) == len(purposes):
        limit = min(limit, _longest(needed), key=_length)
    held = [
        Keep(duration=hold.keep, because=f"legal hold {name}: {hold.law}", hold=name)
        for name, hold in brand.brand.legal_holds.items()
        if field.field in hold.fields or any(event in hold.events for event in events)
    ]
    return (limit, *(keep for keep in held if _length(keep) > _length(limit)))


def event_limit(brand: Brand, event: str) -> Keep:
    """Return how long an event is kept; an empty name stands for one of no kind of its own."""
    limit = Keep(duration=brand.brand.history, because="history")
    own = brand.brand.retention.get(event)
    if own is None:
        return limit
    return min(limit, Keep(duration=own, because=f"retention of {event}"), key=_length)


def events_behind(field: DataField) -> list[str]:
    """Return the events that a field is known from; none where any event may tell it."""
    if field.kind == "event":
        return [field.field.removeprefix(EVENT_PREFIX)]
    return sorted({origin.event for origin in field.origins if origin.event})


def _longest(keeps: Iterable[Keep]) -> Keep:
    return max(keeps, key=_length)


def _length(keep: Keep) -> int:
    return parse_duration(keep.duration)
