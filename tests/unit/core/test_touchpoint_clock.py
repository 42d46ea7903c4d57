"""When an event happened, and how a repetition is known."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from kept.core.touchpoint_item import instant_of_moment
from kept.core.values import DAY, HOUR, MINUTE, SECOND, moment_of
from tests.unit.core.touchpoint_sample import HISTORY, NOW, event, read, rejection


def at(instant: int) -> str:
    """Return an instant as SDKs write it."""
    return moment_of(instant).isoformat()


def test_without_a_time_it_happened_when_it_came() -> None:
    """There is nothing better to go by, and no hour that a retry would repeat."""
    found = event()
    assert (found.occurred_at, found.received_at, found.claim_hour) == (NOW, NOW, 0)


def test_a_wrong_clock_is_corrected_by_its_own_sending_time() -> None:
    """Two hours fast, and fifteen years slow: the distance of the two times is what counts."""
    for wrong in (NOW + 2 * HOUR, NOW - 15 * 365 * DAY):
        found = event(timestamp=at(wrong - 10 * SECOND), sent_at=wrong)
        assert found.occurred_at == NOW - 10 * SECOND


def test_the_items_own_sending_time_comes_first() -> None:
    """A single event carries `sentAt` itself."""
    found = event(timestamp=at(NOW - HOUR), sentAt=at(NOW - HOUR + SECOND), sent_at=NOW + DAY)
    assert found.occurred_at == NOW - SECOND


def test_an_event_kept_for_days_on_a_phone_keeps_its_day() -> None:
    """Offline is not wrong."""
    assert event(timestamp=at(NOW - 3 * DAY), sent_at=NOW).occurred_at == NOW - 3 * DAY


def test_original_timestamp_comes_before_timestamp() -> None:
    """Some SDKs send only the former; what was forwarded carries both, the latter corrected."""
    found = event(originalTimestamp=at(NOW - DAY), timestamp=at(NOW - HOUR), sent_at=NOW)
    assert found.occurred_at == NOW - DAY


def test_without_a_sending_time_the_time_is_believed() -> None:
    """As an import and a webhook mean it."""
    assert event(timestamp=at(NOW - DAY)).occurred_at == NOW - DAY


def test_sent_before_it_happened_is_not_believed() -> None:
    """The clock was set in between, so the pair says nothing; five minutes are forgiven."""
    early = event(timestamp=at(NOW - HOUR), sent_at=NOW - DAY)
    assert early.occurred_at == NOW - HOUR
    slightly = event(timestamp=at(NOW - HOUR), sent_at=NOW - HOUR - 4 * MINUTE)
    assert slightly.occurred_at == NOW + 4 * MINUTE


def test_the_future_is_now() -> None:
    """A little ahead is a clock's freedom, more is an error."""
    assert event(timestamp=at(NOW + 5 * MINUTE)).occurred_at == NOW + 5 * MINUTE
    assert event(timestamp=at(NOW + 5 * MINUTE + 1)).occurred_at == NOW
    assert event(timestamp="2099-01-01T00:00:00Z").occurred_at == NOW


def test_what_is_older_than_the_history_is_set_aside() -> None:
    """A clock years slow without a sending time must not rewrite the past."""
    assert event(timestamp=at(NOW - HISTORY)).occurred_at == NOW - HISTORY
    found = rejection(timestamp=at(NOW - HISTORY - 1))
    assert (found.code, found.field) == ("event.too_old", "timestamp")
    assert "1000 days" in found.detail
    assert rejection(timestamp="1970-01-01T00:00:00Z").code == "event.too_old"


def test_the_hour_for_deduplication_is_the_senders_own() -> None:
    """A retry has another `sentAt` and another arrival, but the same stamp."""
    stamped = at(NOW - 90 * DAY - 30 * MINUTE)
    first = event(messageId="m", timestamp=stamped, sent_at=NOW - 90 * DAY)
    retry = event(messageId="m", timestamp=stamped, sent_at=NOW - 90 * DAY + HOUR)
    assert first.occurred_at != retry.occurred_at
    assert first.claim_hour == retry.claim_hour == (NOW - 90 * DAY - 30 * MINUTE) // HOUR


def test_an_hour_that_means_nothing_is_none() -> None:
    """A stamp far ahead would be remembered for ever."""
    assert event(timestamp="2099-01-01T00:00:00Z").claim_hour == 0
    assert event(timestamp=at(-HOUR), sent_at=-HOUR + SECOND).claim_hour == 0


@pytest.mark.parametrize(
    "written",
    [
        "2025-11-03T09:00:00Z",
        "2025-11-03T09:00:00.000+00:00",
        "2025-11-03T10:00:00+01:00",
        "2025-11-03 09:00:00",
        "20251103T090000Z",
        1762160400,
        1762160400.0,
        1762160400000,
        1762160400000000,
        "1762160400",
        "1762160400000",
        datetime(2025, 11, 3, 9, tzinfo=UTC),
        datetime(2025, 11, 3, 4, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_times_are_understood_as_programs_write_them(written: object) -> None:
    """ISO 8601 with or without a zone (then UTC), and numbers since 1970."""
    assert event(timestamp=written).occurred_at == NOW - HOUR


def test_a_date_is_its_midnight() -> None:
    """In UTC, where nothing else is said."""
    assert event(timestamp="2025-11-03").occurred_at == NOW - 10 * HOUR


@pytest.mark.parametrize("written", ["yesterday", "2025-13-01", "9" * 19, "12"])
def test_what_is_no_time_is_rejected(written: str) -> None:
    """An event at a wrong time is worse than one that waits to be mended."""
    found = rejection(timestamp=written)
    assert (found.code, found.field) == ("event.bad_time", "timestamp")


def test_an_empty_time_is_none() -> None:
    """Templates that had nothing to fill in."""
    assert event(timestamp="").occurred_at == NOW


def test_a_moment_before_1970_is_negative() -> None:
    """The computation does not care for the epoch."""
    assert instant_of_moment(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -SECOND


def test_the_key_is_a_stable_hash_of_source_and_message_id() -> None:
    """It fits 63 bits, differs between sources, and must never change between releases."""
    key = event(messageId="m1").event_key
    assert key == event(messageId=" m1 ", event="Other").event_key
    assert key != event(messageId="m2").event_key
    assert key != event("mirror", messageId="m1").event_key
    assert 0 <= key < 2**63
    assert key == 8_649_725_429_369_951_624


def test_ids_are_not_always_texts() -> None:
    """A number is its digits, and what is blank is absent."""
    assert event(messageId=77).message_id == "77"
    for blank in ("", "  ", None):
        assert event(messageId=blank).message_id.startswith("auto-")


def test_a_long_id_is_hashed() -> None:
    """A hundred characters are kept, more become a hash of all of them."""
    assert event(messageId="x" * 100).message_id == "x" * 100
    one, other = event(messageId="x" * 101), event(messageId="x" * 100 + "y")
    assert one.message_id.startswith("long-")
    assert len({one.message_id, other.message_id}) == 2
    assert len(one.message_id) <= 100


def test_a_stamped_event_without_an_id_is_known_again() -> None:
    """All but `sentAt` is hashed, so a retry of the same bytes is the same event."""
    stamped: dict[str, Any] = {
        "timestamp": at(NOW - HOUR),
        "properties": {"b": 1, "a": {"d": 1, "c": 2}},
    }
    first = event(**stamped, sentAt=at(NOW))
    assert first.message_id.startswith("auto-")
    assert event(**stamped, sentAt=at(NOW + SECOND), position=7).event_key == first.event_key
    reordered = {**stamped, "properties": {"a": {"c": 2, "d": 1}, "b": 1}}
    assert event(**reordered).event_key == first.event_key
    assert event(**{**stamped, "properties": {"b": 2}}).event_key != first.event_key


def test_an_unstamped_event_without_an_id_is_never_taken_for_a_repetition() -> None:
    """Two coffees are two coffees, within one request and between two."""
    assert event(position=0).event_key != event(position=1).event_key
    assert event(position=0).event_key == event(position=0).event_key  # the same arrival


def test_a_bad_time_of_sending_spoils_nothing_else() -> None:
    """It is a field like the others: named, and the item waits."""
    result = read(sentAt="soon")
    assert getattr(result, "field", "") == "sentAt"
