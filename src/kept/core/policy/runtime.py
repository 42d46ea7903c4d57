"""What generated Python calls: the few operations that are too long to be written in place."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, Final, Never

from kept.core.policy.types import DATE_MAX, DATE_MIN, DECIMAL_ONE, INT_MAX, INT_MIN
from kept.core.policy.zones import (
    Zone,
    find_zone,
    local_value,
    next_date_flip,
    next_hour_flip,
    next_local_change,
    next_week_flip,
    next_weekday_flip,
)
from kept.core.values import DAY, HOUR, NEVER

_ORDINAL_OF_EPOCH: Final = date(1970, 1, 1).toordinal()


class Overflow(ArithmeticError):  # noqa: N818 - "no" for a value, never an error to anyone
    """The value cannot be known: it does not fit its type. The caller takes it as *unknown*."""


class ZoneMissing(Overflow):
    """The value cannot be known: it needs local time, and the customer's zone is not known."""


def overflow() -> Never:
    """Say that a value does not fit."""
    raise Overflow


def zone_of(name: str | None) -> Zone:
    """Return the zone of this name; without one, local time is unknown."""
    zone = None if name is None else find_zone(name)
    if zone is None:
        raise ZoneMissing
    return zone


def round_half_away(value: int, unit: int) -> int:
    """Return how many units a value is, rounded to the nearest, halves away from zero."""
    count = (2 * abs(value) + unit) // (2 * unit)
    return count if value >= 0 else -count


def round_to(value: int, unit: int) -> int:
    """Return a value rounded to a multiple of the unit."""
    return _fitting(round_half_away(value, unit) * unit)


def ratio(value: int, divisor: int) -> int | None:
    """Return a quotient in millionths; `None` where the divisor is zero."""
    if divisor == 0:
        return None
    if divisor < 0:
        value, divisor = -value, -divisor
    doubled = 2 * DECIMAL_ONE * value
    if doubled < 0:
        return _fitting(-((divisor - doubled) // (2 * divisor)))
    return _fitting((doubled + divisor) // (2 * divisor))


def between(value: Any, low: Any, high: Any) -> bool | None:
    """Return `value >= low AND value <= high` where any of them may be `None`."""
    above = None if value is None or low is None else value >= low
    below = None if value is None or high is None else value <= high
    if above is False or below is False:
        return False
    return None if above is None or below is None else True


def least(*values: int | None) -> int | None:
    """Return the least value that is not `None`."""
    return min((value for value in values if value is not None), default=None)


def greatest(*values: int | None) -> int | None:
    """Return the greatest value that is not `None`."""
    return max((value for value in values if value is not None), default=None)


def date_number(day: int) -> int:
    """Return a date as the number that its digits make: 20261224."""
    found = date.fromordinal(day + _ORDINAL_OF_EPOCH)
    return found.year * 10_000 + found.month * 100 + found.day


def local_date(zone: str | None, instant: int) -> int:
    """Return the date of an instant in a zone."""
    day = (instant + zone_of(zone).offset_at(instant)) // DAY
    # At either end of time the local date may lie in the year 0 or 10,000.
    return day if DATE_MIN <= day <= DATE_MAX else overflow()


def local_hour(zone: str | None, instant: int) -> int:
    """Return the hour of the day of an instant in a zone."""
    return local_value(zone_of(zone), instant, unit=HOUR)


def local_weekday(zone: str | None, instant: int) -> int:
    """Return the weekday of an instant in a zone, from 1 for Monday."""
    return local_value(zone_of(zone), instant, unit=DAY)


def years_between(start: int, end: int) -> int:
    """Return the whole years from a date to another, rounded down."""
    return (date_number(end) - date_number(start)) // 10_000


def anniversary(day: int, years: int) -> int:
    """Return the first date on which a date is so many years ago."""
    born = date.fromordinal(day + _ORDINAL_OF_EPOCH)
    year = born.year + years
    if not date.min.year <= year <= date.max.year:
        return DATE_MIN - 1 if year < 1 else DATE_MAX + 1
    if (born.month, born.day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400)):
        return date(year, 3, 1).toordinal() - _ORDINAL_OF_EPOCH
    return born.replace(year=year).toordinal() - _ORDINAL_OF_EPOCH


def next_of(now: int, *instants: int) -> int:
    """Return the first of some instants that is still to come, or `NEVER`."""
    return min((instant for instant in instants if now < instant < NEVER), default=NEVER)


def next_date(zone: str | None, now: int) -> int:
    """Return when the local date next changes; without a zone it is unknown for good."""
    found = None if zone is None else find_zone(zone)
    return NEVER if found is None else next_local_change(found, now, unit=DAY)


def next_hour(zone: str | None, now: int) -> int:
    """Return when the local hour next changes."""
    found = None if zone is None else find_zone(zone)
    return NEVER if found is None else next_local_change(found, now, unit=HOUR)


def next_at_dates(zone: str | None, now: int, *days: int) -> int:
    """Return when one of some dates is next reached in local time, or left again."""
    found = None if zone is None else find_zone(zone)
    if found is None:
        return NEVER
    return min(next_date_flip(found, now, day) for day in days)


def next_at_hours(zone: str | None, now: int, hours: tuple[int, ...]) -> int:
    """Return when the local hour next enters or leaves some hours."""
    return _next_flip(zone, now, next_hour_flip, (hours,))


def next_at_weekdays(zone: str | None, now: int, days: tuple[int, ...]) -> int:
    """Return when the local weekday next enters or leaves some days."""
    return _next_flip(zone, now, next_weekday_flip, (days,))


def next_in_week(zone: str | None, now: int, days: tuple[int, ...], hours: tuple[int, ...]) -> int:
    """Return when some hours of some local weekdays next begin or end."""
    return _next_flip(zone, now, next_week_flip, (days, hours))


def _next_flip(
    zone: str | None, now: int, find: Callable[..., int], values: tuple[tuple[int, ...], ...]
) -> int:
    if zone is None or find_zone(zone) is None:
        return NEVER
    flips = _flips_from(zone, now // DAY, find, values)
    return flips[bisect_right(flips, now)]


@lru_cache(maxsize=10_000)
def _flips_from(
    zone: str, day: int, find: Callable[..., int], values: tuple[tuple[int, ...], ...]
) -> list[int]:
    """Return the flips after the beginning of a day (UTC), up to the first of another day.

    They are the same for everybody in a zone, and are asked for at every event.
    """
    found = find_zone(zone)
    flips = [day * DAY if found is None else find(found, day * DAY, *values)]
    while found is not None and flips[-1] < (day + 1) * DAY:
        flips.append(find(found, flips[-1], *values))
    return flips


def steady(instant: Callable[[], int]) -> int:
    """Return an instant, or `NEVER` where it cannot be known: then it stays unknown."""
    try:
        return instant()
    except Overflow:
        return NEVER


def _fitting(value: int) -> int:
    return value if INT_MIN <= value <= INT_MAX else overflow()


RUNTIME: Final[dict[str, Any]] = {
    "k_anniversary": anniversary,
    "k_between": between,
    "k_date_number": date_number,
    "k_greatest": greatest,
    "k_least": least,
    "k_local_date": local_date,
    "k_local_hour": local_hour,
    "k_local_weekday": local_weekday,
    "k_next_at_dates": next_at_dates,
    "k_next_at_hours": next_at_hours,
    "k_next_at_weekdays": next_at_weekdays,
    "k_next_date": next_date,
    "k_next_hour": next_hour,
    "k_next_in_week": next_in_week,
    "k_next_of": next_of,
    "k_overflow": overflow,
    "k_ratio": ratio,
    "k_round_to": round_to,
    "k_steady": steady,
    "k_years_between": years_between,
}
"""The globals of generated code."""
