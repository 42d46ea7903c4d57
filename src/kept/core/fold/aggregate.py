"""The aggregates of `facts.yaml`: how events add up to a feature, all time or within a window.

Each aggregate has a slot (plain data that msgpack can carry), and four functions on it: fold one
event, add two slots, read the value at an instant, and say when that value could next change.
Folding and adding are commutative and associative, so the order of events cannot matter. Both use
up their first slot: a slot belongs to one state, and the state takes the result in its place.

A windowed aggregate keeps event-time buckets of the declared grain, and its window is the newest
`window / grain` buckets, the one that now falls into included: exact by definition in every engine.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from kept.core.event import CLOCK_TOLERANCE
from kept.core.policy.types import INT_MAX, INT_MIN
from kept.core.values import NEVER, SECOND, Value

VALUES_MAX: Final = 1_000
"""How many distinct values one slot counts before it reads as unknown."""
VISITS_MAX: Final = 2_000
"""How many events a dwell slot keeps; the newest stay."""


class _Overflowing:
    """The value of a slot that outgrew its limit: unknown, never a guess."""

    def __repr__(self) -> str:
        return "OVERFLOWING"


OVERFLOWING: Final = _Overflowing()


class Aggregate(Protocol):
    """One feature's arithmetic. `slot` is None where no event was folded yet."""

    def fold(self, slot: Any, value: Any, at: int, event_key: int) -> Any:
        """Return the slot with one more event."""

    def add(self, slot: Any, other: Any) -> Any:
        """Return the sum of two slots."""

    def read(self, slot: Any, now: int) -> Value | _Overflowing:
        """Return the value at `now`."""

    def next_change(self, slot: Any, now: int) -> int:
        """Return the instant after `now` at which the value could change by itself, or NEVER."""

    def look(self, slot: Any, now: int) -> tuple[Value | _Overflowing, int]:
        """Return both at once."""


Fold = Callable[[Any, Any, int, int], Any]
Add = Callable[[Any, Any], Any]
Finish = Callable[[Any], Any]


def count_fold(slot: Any, value: Any, at: int, event_key: int) -> Any:
    """Count events."""
    return 1 if slot is None else slot + 1


def sum_fold(slot: Any, value: Any, at: int, event_key: int) -> Any:
    """Sum values."""
    return value if slot is None else sum_add(slot, value)


def min_fold(slot: Any, value: Any, at: int, event_key: int) -> Any:
    """Keep the least value."""
    return value if slot is None or value < slot else slot


def max_fold(slot: Any, value: Any, at: int, event_key: int) -> Any:
    """Keep the greatest value."""
    return value if slot is None or value > slot else slot


def first_fold(slot: Any, value: Any, at: int, event_key: int) -> Any:
    """Keep the earliest event's value."""
    return first_add(slot, [at, event_key, value])


def last_fold(slot: Any, value: Any, at: int, event_key: int) -> Any:
    """Keep the latest event's value."""
    is_later = slot is None or at > slot[0] or (at == slot[0] and event_key > slot[1])
    return [at, event_key, value] if is_later else slot


def values_fold(slot: Any, value: Any, at: int, event_key: int) -> Any:
    """Count events by value."""
    if slot is None:
        return {value: 1}
    if isinstance(slot, dict):
        slot[value] = slot.get(value, 0) + 1
        return slot if len(slot) <= VALUES_MAX else ""
    return ""


def plus(slot: Any, other: Any) -> Any:
    """Add two numbers."""
    return slot + other


def sum_add(slot: Any, other: Any) -> Any:
    """Add two sums; one that no int64 holds is kept as text, so that it may come back in range."""
    total = int(slot) + int(other)
    return total if INT_MIN <= total <= INT_MAX else str(total)


def sum_value(slot: Any) -> Any:
    """Return a sum, which is unknown while it is out of range."""
    return OVERFLOWING if isinstance(slot, str) else slot


def first_add(slot: Any, other: Any) -> Any:
    """Return the earlier of two stamped values."""
    return other if slot is None or other[:2] < slot[:2] else slot


def last_add(slot: Any, other: Any) -> Any:
    """Return the later of two stamped values."""
    return other if slot is None or other[:2] > slot[:2] else slot


def values_add(slot: Any, other: Any) -> Any:
    """Add two counts by value; one that outgrows its limit stays overgrown (an empty text)."""
    if not isinstance(slot, dict) or not isinstance(other, dict):
        return ""
    for value, count in other.items():
        slot[value] = slot.get(value, 0) + count
    return slot if len(slot) <= VALUES_MAX else ""


def as_is(slot: Any) -> Any:
    """Return a slot that is its own value."""
    return slot


def stamped_value(slot: Any) -> Any:
    """Return the value of a stamped slot."""
    return None if slot is None else slot[2]


def distinct_count(slot: Any) -> Any:
    """Return how many values were counted."""
    return OVERFLOWING if not isinstance(slot, dict) else len(slot)


def top_value(slot: Any) -> Any:
    """Return the most frequent value; among equals the least."""
    if slot is None:
        return None
    if not isinstance(slot, dict):
        return OVERFLOWING
    return min(slot, key=lambda value: (-slot[value], value))


class Whole:
    """An aggregate over all time."""

    def __init__(self, fold: Fold, add: Add, finish: Finish, empty: Value) -> None:
        """Take the arithmetic, and the value where no event was folded."""
        self.fold: Fold = fold
        self._add = add
        self._finish = finish
        self._empty = empty

    def add(self, slot: Any, other: Any) -> Any:
        """Return the sum of two slots."""
        return self._add(slot, other)

    def read(self, slot: Any, now: int) -> Value | _Overflowing:
        """Return the value, which does not depend on now."""
        value: Value | _Overflowing = self._empty if slot is None else self._finish(slot)
        return value

    def next_change(self, slot: Any, now: int) -> int:
        """Return NEVER: only an event changes it."""
        return NEVER

    def look(self, slot: Any, now: int) -> tuple[Value | _Overflowing, int]:
        """Return the value, and NEVER."""
        return (self._empty if slot is None else self._finish(slot)), NEVER


class Windowed:
    """An aggregate over the newest buckets of event time."""

    def __init__(
        self, fold: Fold, add: Add, finish: Finish, empty: Value, *, grain: int, buckets: int
    ) -> None:
        """Take the arithmetic of one bucket, the grain (µs) and how many buckets the window has."""
        self._fold = fold
        self._add = add
        self._finish = finish
        self._empty = empty
        self._grain = grain
        self._buckets = buckets
        # The newest event may be dated ahead of now, and the window that counts ends with now.
        self._kept = buckets - (-CLOCK_TOLERANCE // grain)

    def fold(self, slot: Any, value: Any, at: int, event_key: int) -> Any:
        """Return the slot with one more event in its bucket."""
        bucket = at // self._grain
        if slot is None:
            return {bucket: self._fold(None, value, at, event_key)}
        slot[bucket] = self._fold(slot.get(bucket), value, at, event_key)
        return slot if len(slot) <= self._kept else self._trimmed(slot)

    def add(self, slot: Any, other: Any) -> Any:
        """Return the sum of two slots, bucket by bucket."""
        for bucket, content in other.items():
            mine = slot.get(bucket)
            slot[bucket] = content if mine is None else self._add(mine, content)
        return self._trimmed(slot)

    def _trimmed(self, slot: dict[int, Any]) -> dict[int, Any]:
        # Cut by the newest bucket, not by now, so that the result is a function of the events.
        # Now is earlier than the newest event by the tolerance at most, so no window misses what is cut.
        if len(slot) > self._kept:
            oldest = max(slot) - self._kept
            return {bucket: content for bucket, content in slot.items() if bucket > oldest}
        return slot

    def read(self, slot: Any, now: int) -> Value | _Overflowing:
        """Return the value over the window that ends with the bucket of `now`."""
        return self.look(slot, now)[0]

    def next_change(self, slot: Any, now: int) -> int:
        """Return when the next bucket leaves (or, dated ahead, enters) the window."""
        return self.look(slot, now)[1]

    def look(self, slot: Any, now: int) -> tuple[Value | _Overflowing, int]:
        """Return the value and when it next changes by itself."""
        if not slot:
            return self._empty, NEVER
        grain, buckets = self._grain, self._buckets
        newest = now // grain
        oldest = newest - buckets
        # The first bucket to leave, and the first to come, by number.
        first, next_one = NEVER, NEVER
        total: Any = None
        for bucket, content in slot.items():
            if bucket > newest:
                next_one = min(next_one, bucket)
            elif bucket > oldest:
                if total is None:
                    # Reading must not change the slot, so that what is added to is a copy.
                    total = dict(content) if isinstance(content, dict) else content
                else:
                    total = self._add(total, content)
                first = min(first, bucket)
        change = NEVER if first == NEVER else (first + buckets) * grain
        if next_one != NEVER:
            change = min(change, next_one * grain)
        return (self._empty if total is None else self._finish(total)), change


class WindowedCount(Windowed):
    """A count over the newest buckets: what most features are, so that it has a short way."""

    def __init__(self, *, grain: int, buckets: int) -> None:
        """Take the grain (µs) and how many buckets the window has."""
        super().__init__(count_fold, plus, as_is, 0, grain=grain, buckets=buckets)

    def fold(self, slot: Any, value: Any, at: int, event_key: int) -> Any:
        """Return the slot with one more event in its bucket."""
        bucket = at // self._grain
        if slot is None:
            return {bucket: 1}
        slot[bucket] = slot.get(bucket, 0) + 1
        return slot if len(slot) <= self._kept else self._trimmed(slot)

    def look(self, slot: Any, now: int) -> tuple[Value | _Overflowing, int]:
        """Return the count and when it next changes by itself."""
        if not slot:
            return 0, NEVER
        newest, first = now // self._grain, min(slot)
        if first > newest - self._buckets and max(slot) <= newest:
            # All buckets are inside: then nothing need be looked at one by one.
            return sum(slot.values()), (first + self._buckets) * self._grain
        return super().look(slot, now)


class Dwelt(NamedTuple):
    """How long somebody dwelt on each value up to a visit, so that later ones need only be added."""

    slot: Any
    first: int
    """The place of the oldest visit within the window."""
    newest: int
    """The place of the newest visit that is in the sums."""
    last: Any
    """That visit."""
    times: dict[Any, int]


class Dwell:
    """Time spent on a value: gaps between consecutive events, each capped, within a window.

    The slot is a sorted list of [at, event key, value]; the last event has no gap yet.
    """

    def __init__(self, *, window: int, grain: int, gap: int, seconds: bool) -> None:
        """Take the window, grain and longest gap in µs; `seconds` reads the leading value's time."""
        self._window = window
        self._grain = grain
        self._gap = gap
        self._seconds = seconds

    def fold(self, slot: Any, value: Any, at: int, event_key: int) -> Any:
        """Return the slot with one more visit."""
        visit = [at, event_key, value]
        if slot and visit > slot[-1] and len(slot) < VISITS_MAX:
            slot.append(visit)
            return slot
        return self.add(slot or [], [visit])

    def add(self, slot: Any, other: Any) -> Any:
        """Return both slots' visits in order, the newest that fit."""
        merged = sorted([*slot, *other])
        # As long before the newest visit as now may be.
        ends_at = merged[-1][0] // self._grain * self._grain - CLOCK_TOLERANCE
        oldest = ends_at - self._window
        return [visit for visit in merged if visit[0] > oldest][-VISITS_MAX:]

    def _add_times(self, visits: Any, times: dict[Any, int]) -> dict[Any, int]:
        """Add the gaps between visits, and return the sums."""
        if not visits:
            return times
        longest = self._gap
        (at, _, value), *rest = visits
        for next_at, _, next_value in rest:
            gap = next_at - at
            times[value] = times.get(value, 0) + (min(longest, gap))
            at, value = next_at, next_value
        return times

    def _first_within(self, slot: Any, now: int) -> int:
        """Return the place of the oldest visit that the window has."""
        return bisect_left(slot, [(now // self._grain + 1) * self._grain - self._window])

    def read(self, slot: Any, now: int) -> Value | _Overflowing:
        """Return the value with the most time (or its seconds); None (or 0) where there is none."""
        times = self._add_times(slot[self._first_within(slot, now) :], {}) if slot else {}
        return self._lead(times)

    def _lead(self, times: dict[Any, int]) -> Value:
        if not times:
            return 0 if self._seconds else None
        longest = max(times.values())
        if self._seconds:
            return longest // SECOND
        top: Value = min([value for value, time in times.items() if time == longest])
        return top

    def next_change(self, slot: Any, now: int) -> int:
        """Return when the oldest visit within the window leaves it."""
        return self._leaves_at(slot, self._first_within(slot, now)) if slot else NEVER

    def _leaves_at(self, slot: Any, first: int) -> int:
        if first == len(slot):
            return NEVER
        return int((slot[first][0] // self._grain) * self._grain + self._window)

    def look(self, slot: Any, now: int) -> tuple[Value | _Overflowing, int]:
        """Return the value and when it next changes by itself."""
        return self.read(slot, now), self.next_change(slot, now)

    def look_on(self, slot: Any, now: int, before: Dwelt | None) -> tuple[Value, int, Dwelt | None]:
        """Return the same, and what the next look may go on from; most visits only add one more."""
        if not slot:
            return self._lead({}), NEVER, None
        first = self._first_within(slot, now)
        start, times = first, {}
        if (
            before is not None
            and before.slot is slot
            and before.first == first
            and slot[before.newest] is before.last
        ):
            start, times = max(first, before.newest), dict(before.times)
        times = self._add_times(slot[start:], times)
        dwelt = Dwelt(slot, first, len(slot) - 1, slot[-1], times)
        return self._lead(times), self._leaves_at(slot, first), dwelt
