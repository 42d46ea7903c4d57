"""Time zones as plain tables, so that local time is the same in every engine.

The tables come from the pinned `tzdata` package and never from the machine's own database, and
they are handed to SQL engines as columns instead of trusting what zones an engine knows. A table
reaches from a zone's first recorded change to the end of 2099; after that a zone keeps the offset
that it had then.
"""

import pkgutil
import re
import struct
from bisect import bisect_right
from collections.abc import Collection
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec

from kept.core.policy.types import DATE_MAX, DATE_MIN
from kept.core.values import DAY, HOUR, NEVER, SECOND

_YEAR_END: Final = 2100
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
# No zone has ever been more than 16 hours from UTC; two days leave room.
_FARTHEST: Final = 2 * DAY
_HEADER: Final = struct.Struct(">4sc15x6L")

_OFFSET: Final = r"(?:<[^>]+>|[A-Za-z]{3,})([+-]?\d+(?::\d+)*)?"
_RULE: Final = r"M(\d+)\.(\d+)\.(\d+)(?:/([+-]?\d+(?::\d+)*))?"
_FOOTER: Final = re.compile(rf"{_OFFSET}(?:{_OFFSET},{_RULE},{_RULE})?")


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """A zone's changes: at `starts[i]` the offset from UTC becomes `offsets[i + 1]`, in µs."""

    name: str
    starts: tuple[int, ...]
    offsets: tuple[int, ...]

    def offset_at(self, instant: int) -> int:
        """Return how far local time is ahead of UTC at an instant."""
        return self.offsets[bisect_right(self.starts, instant)]


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all zones, such as `Europe/Lisbon`."""
    return frozenset(_read("zones").decode().split())


@lru_cache(maxsize=1024)
def find_zone(name: str) -> Zone | None:
    """Return the zone of an IANA name, or `None` where there is no such zone."""
    if name not in zone_names():
        return None
    return _parse(name, _read(f"zoneinfo/{name}"))


def next_local_change(zone: Zone, now: int, *, unit: int) -> int:
    """Return the first instant after now at which the local day (or hour, by unit) is another."""
    index = bisect_right(zone.starts, now)
    value = (now + zone.offsets[index]) // unit
    while True:
        change = (value + 1) * unit - zone.offsets[index]
        end = zone.starts[index] if index < len(zone.starts) else NEVER
        if change < end:
            return change
        index += 1
        # The clocks are put forward or back here, which may or may not change the value.
        if (end + zone.offsets[index]) // unit != value:
            return end


def next_date_flip(zone: Zone, now: int, day: int) -> int:
    """Return the first instant after now at which `local date >= day` becomes true or false.

    It is almost always the midnight with which the day begins; but where clocks are put back over
    midnight, a day ends, comes again, and so is left and reached twice.
    """
    if not DATE_MIN <= day <= DATE_MAX:
        return NEVER
    midnight = day * DAY
    if now > midnight + _FARTHEST:
        return NEVER
    begin = max(now, midnight - _FARTHEST)
    index = bisect_right(zone.starts, begin)
    reached = begin + zone.offsets[index] >= midnight
    while True:
        end = zone.starts[index] if index < len(zone.starts) else NEVER
        if not reached and midnight - zone.offsets[index] < end:
            return midnight - zone.offsets[index]
        if end > midnight + _FARTHEST:
            return NEVER
        index += 1
        if (end + zone.offsets[index] >= midnight) is not reached:
            return end


def next_hour_flip(zone: Zone, now: int, hours: Collection[int]) -> int:
    """Return the first instant after now at which the local hour enters or leaves some hours."""
    return _next_flip(zone, now, hours, unit=HOUR)


def next_weekday_flip(zone: Zone, now: int, days: Collection[int]) -> int:
    """Return the first instant after now at which the local weekday enters or leaves some days."""
    return _next_flip(zone, now, days, unit=DAY)


def next_week_flip(zone: Zone, now: int, days: Collection[int], hours: Collection[int]) -> int:
    """Return the first instant after now at which some hours of some weekdays begin or end."""

    def is_inside(instant: int) -> bool:
        return (
            local_value(zone, instant, unit=DAY) in days
            and local_value(zone, instant, unit=HOUR) in hours
        )

    inside = is_inside(now)
    change = now
    # Two weeks of hours: then all of them have been seen.
    for _ in range(14 * 25):
        is_the_day = local_value(zone, change, unit=DAY) in days
        # On other days no hour matters.
        change = next_local_change(zone, change, unit=HOUR if is_the_day else DAY)
        if is_inside(change) is not inside:
            return change
    return change


def local_value(zone: Zone, instant: int, *, unit: int) -> int:
    """Return the local hour of the day, or the local weekday, by unit."""
    count = (instant + zone.offset_at(instant)) // unit
    # 1970 began on a Thursday, the fourth day of the week.
    return count % 24 if unit == HOUR else (count + 3) % 7 + 1


def _next_flip(zone: Zone, now: int, values: Collection[int], *, unit: int) -> int:
    inside = local_value(zone, now, unit=unit) in values
    change = now
    # Two days of hours, or two weeks of days: then all of them have been seen.
    for _ in range(50):
        change = next_local_change(zone, change, unit=unit)
        if (local_value(zone, change, unit=unit) in values) is not inside:
            return change
    return change


def _read(path: str) -> bytes:
    return pkgutil.get_data("tzdata", path) or b""


def _parse(name: str, content: bytes) -> Zone:
    """Return the table in a file of the form of RFC 8536 (TZif, version 2 or later)."""
    _, _, *counts = _HEADER.unpack_from(content)
    isut, isstd, leaps, times, types, letters = counts
    start = _HEADER.size + times * 5 + types * 6 + letters + leaps * 8 + isstd + isut
    _, _, *counts = _HEADER.unpack_from(content, start)
    isut, isstd, leaps, times, types, letters = counts
    start += _HEADER.size
    instants = struct.unpack_from(f">{times}q", content, start)
    start += times * 8
    kinds = struct.unpack_from(f">{times}B", content, start)
    start += times
    seconds = [struct.unpack_from(">l", content, start + kind * 6)[0] for kind in range(types)]
    footer = content[start + types * 6 + letters + leaps * 12 + isstd + isut :].decode().strip()

    changes = [(at, seconds[kind]) for at, kind in zip(instants, kinds, strict=True)]
    last = changes[-1][0] if changes else 0
    first = date.fromordinal(last // 86_400 + _EPOCH_ORDINAL).year
    changes += [(at, offset) for at, offset in _by_rule(footer, first) if at > last]
    return Zone(
        name=name,
        starts=tuple(at * SECOND for at, _ in changes),
        offsets=tuple(offset * SECOND for offset in (seconds[0], *(o for _, o in changes))),
    )


def _by_rule(footer: str, first: int) -> list[tuple[int, int]]:
    """Return the changes, as (second, offset), that a zone's standing rule makes in each year."""
    found = _FOOTER.fullmatch(footer)
    if found is None or found[3] is None:
        return []
    standard = -_seconds(found[1])
    summer = -_seconds(found[2]) if found[2] else standard + 3600
    changes: list[tuple[int, int]] = []
    for year in range(first, _YEAR_END):
        changes += (
            (_rule_second(year, found.group(3, 4, 5, 6)) - standard, summer),
            (_rule_second(year, found.group(7, 8, 9, 10)) - summer, standard),
        )
    return sorted(changes)


def _rule_second(year: int, rule: tuple[str | None, ...]) -> int:
    """Return the local second of a rule such as M3.5.0/3: the fifth (last) Sunday of March at 3."""
    month, week, weekday = (int(part or 0) for part in rule[:3])
    first = date(year, month, 1)
    # POSIX counts Sunday as 0; Python's isoweekday counts it as 7.
    day = 1 + (weekday - first.isoweekday()) % 7 + (week - 1) * 7
    length = (date(year + month // 12, month % 12 + 1, 1) - first).days
    if day > length:
        day -= 7
    days = first.toordinal() - _EPOCH_ORDINAL + day - 1
    return days * 86_400 + _seconds(rule[3] or "2")


def _seconds(text: str) -> int:
    """Return a POSIX time such as `-3:30` in seconds."""
    parts = [int(part) for part in text.lstrip("+-").split(":")]
    total = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    return -total if text.startswith("-") else total
