"""Law: our tables of time zones are Python's own, for every zone and every change."""

import importlib.resources
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from kept.core.policy.zones import zone_names
from tests.property.policy_language import zone_called

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = (datetime(1, 1, 3, tzinfo=UTC) - EPOCH) // MICROSECOND
LAST = (datetime(2100, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
NAMES = sorted(zone_names())


def python_offset(zone: ZoneInfo, instant: int) -> int:
    """Return the offset that Python's own reader of the same files finds, in microseconds."""
    local = (EPOCH + timedelta(microseconds=instant)).astimezone(zone)
    return (local.utcoffset() or timedelta()) // MICROSECOND


def python_zone(name: str) -> ZoneInfo:
    """Return a zone as Python reads it from the pinned package."""
    path = importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def test_every_change_of_every_zone_is_as_python_has_it() -> None:
    """A microsecond before each change, and at it, the offsets are those of `zoneinfo`."""
    for name in NAMES:
        peer = python_zone(name)
        zone = zone_called(name)
        for start, before, after in zip(zone.starts, zone.offsets, zone.offsets[1:], strict=False):
            if FIRST <= start < LAST:
                assert python_offset(peer, start - 1) == before, (name, start)
                assert python_offset(peer, start) == after, (name, start)


@given(name=st.sampled_from(NAMES), instants=st.lists(st.integers(FIRST, LAST - 1), max_size=50))
def test_no_change_is_missing(name: str, instants: list[int]) -> None:
    """At any instant up to the end of 2099 the offset is that of `zoneinfo`."""
    peer = python_zone(name)
    zone = zone_called(name)
    for instant in instants:
        assert zone.offset_at(instant) == python_offset(peer, instant)
