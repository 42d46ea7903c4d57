"""Time zones as tables, and when local time next changes."""

from datetime import UTC, datetime, timedelta

import pytest

from kept.core.policy.zones import (
    Zone,
    find_zone,
    next_date_flip,
    next_hour_flip,
    next_local_change,
    next_weekday_flip,
)
from kept.core.values import DAY, HOUR, NEVER

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(text: str) -> int:
    """Return an instant in microseconds."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def zone_called(name: str) -> Zone:
    """Return a zone that is known to be there."""
    zone = find_zone(name)
    assert zone is not None
    return zone


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../zones", "Europe", "europe/berlin", "/etc/localtime", "CET\0"]
)
def test_what_is_no_zone_is_none(name: str) -> None:
    """Only the names of the list are ever looked up, so no path leaves it."""
    assert find_zone(name) is None


def test_a_day_that_was_left_out_is_passed_over() -> None:
    """Apia had no 30 December 2011: the date changes by two days at once."""
    zone = zone_called("Pacific/Apia")
    change = next_local_change(zone, at("2011-12-29T12:00:00Z"), unit=DAY)
    assert change == at("2011-12-30T10:00:00Z")


def test_a_date_that_comes_twice_is_left_and_reached_again() -> None:
    """In Goose Bay the clocks went back from 00:01 to 23:01 of the day before."""
    zone = zone_called("America/Goose_Bay")
    day = (at("2010-11-07T00:00:00Z")) // DAY
    before = at("2010-11-06T12:00:00Z")
    first = next_date_flip(zone, before, day)
    left = next_date_flip(zone, first, day)
    again = next_date_flip(zone, left, day)
    assert first == at("2010-11-07T03:00:00Z")
    assert left == at("2010-11-07T03:01:00Z")
    assert again == at("2010-11-07T04:00:00Z")
    assert next_date_flip(zone, again, day) == NEVER


@pytest.mark.parametrize("day", [-(10**9), 10**9])
def test_a_day_outside_the_calendar_is_never_reached(day: int) -> None:
    """What an overflowing sum might ask for has no instant."""
    assert next_date_flip(zone_called("UTC"), 0, day) == NEVER


def test_a_day_long_past_is_never_reached_again() -> None:
    """What is more than two days past cannot come back by any change of clocks."""
    assert next_date_flip(zone_called("Europe/Berlin"), at("2026-07-01T00:00:00Z"), 0) == NEVER


def test_a_change_of_clocks_within_a_day_leaves_the_day_as_it_is() -> None:
    """On 29 March 2026 in Berlin the day goes on past the change, and ends an hour sooner."""
    zone = zone_called("Europe/Berlin")
    midnight = at("2026-03-29T22:00:00Z")
    assert next_local_change(zone, at("2026-03-28T23:30:00Z"), unit=DAY) == midnight
    day = at("2026-03-30T00:00:00Z") // DAY
    assert next_date_flip(zone, at("2026-03-28T12:00:00Z"), day) == midnight


def test_an_hour_that_is_skipped_does_not_count() -> None:
    """On the last Sunday of March, 02:00 to 03:00 does not exist in Berlin."""
    zone = zone_called("Europe/Berlin")
    now = at("2026-03-29T00:30:00Z")
    assert next_hour_flip(zone, now, {2}) == at("2026-03-30T00:00:00Z")
    assert next_local_change(zone, now, unit=HOUR) == at("2026-03-29T01:00:00Z")


def test_a_weekend_begins_at_local_midnight() -> None:
    """Saturday in Kiritimati is 14 hours before Saturday in London."""
    zone = zone_called("Pacific/Kiritimati")
    assert next_weekday_flip(zone, at("2026-07-01T00:00:00Z"), {6, 7}) == at("2026-07-03T10:00:00Z")


def test_hours_that_are_never_left_are_looked_at_again_after_two_days() -> None:
    """A set of all hours has no turn; the search ends early, which is always allowed."""
    now = at("2026-07-01T00:00:00Z")
    assert now < next_hour_flip(zone_called("UTC"), now, range(24)) <= now + 3 * DAY
