"""To which hour a row belongs, and what its file is called."""

from kept.core.history_files import (
    day_in,
    first_open_hour,
    hour_of_row,
    is_name,
    kind_and_version,
    name_of,
)
from kept.core.values import DAY, HOUR, MINUTE

NOON = 1_772_452_800_000_000
TWELVE = NOON // HOUR


def test_a_row_belongs_to_the_hour_of_its_arrival() -> None:
    """Unless the row before it was later, or its clock ran ahead."""
    assert hour_of_row(NOON + 5, now=NOON + HOUR, floor=0) == TWELVE
    assert hour_of_row(NOON - HOUR, now=NOON, floor=TWELVE) == TWELVE
    assert hour_of_row(NOON + 9 * DAY, now=NOON + 5, floor=0) == TWELVE
    assert hour_of_row(NOON, now=NOON - HOUR, floor=TWELVE + 1) == TWELVE + 1


def test_an_hour_is_open_until_a_minute_after_its_end() -> None:
    """Whoever arrived at its end is in the stream by then."""
    assert first_open_hour(NOON + HOUR + MINUTE - 1) == TWELVE
    assert first_open_hour(NOON + HOUR + MINUTE) == TWELVE + 1


def test_a_name_says_kind_hour_version_and_ids() -> None:
    """And only such a name is one."""
    name = name_of("events", TWELVE, version=1, first=7, last=12)
    assert name == "events/date=2026-03-02/hour=12/part-v1-000000000007-000000000012.parquet"
    assert is_name(name)
    assert kind_and_version(name) == ("events", 1)
    assert day_in(name) == NOON // DAY
    for other in ("events/x.parquet", f"../{name}", f"{name}.x", name.replace("events", "people")):
        assert not is_name(other)
        assert kind_and_version(other) is None
