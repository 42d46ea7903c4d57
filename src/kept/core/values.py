"""The values that Kept computes with, and instants as people write them.

At runtime an instant is an int of microseconds since 1970 in UTC, a date an int of days, money an
int of minor units, a decimal an int of millionths, and text is NFC.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

Value: TypeAlias = bool | int | str | None

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NEVER: Final = 2**63 - 1
"""An instant that no clock reaches."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant_of(moment: datetime) -> int:
    """Return a timezone-aware datetime as microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(instant: int) -> datetime:
    """Return microseconds since 1970 as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def parse_instant(text: str) -> int | None:
    """Return an ISO 8601 text as microseconds since 1970 (UTC where it names no zone), else None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return instant_of(moment.astimezone(UTC))
    except OverflowError:
        return None


def format_instant(instant: int) -> str:
    """Return an instant as ISO 8601 in UTC, to the second where it has no fraction."""
    return moment_of(instant).isoformat().replace("+00:00", "Z")
