"""Files of history as values: their names, the hour that a row belongs to, and when an hour is closed.

An hour is that of *arrival*: an event that comes late is filed under the hour in which it came, so
that no file that is there already must change for it. Hours follow the order of the stream: a row
never belongs to an earlier hour than the one before it.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from kept.core.history_columns import KINDS, HistoryKind
from kept.core.values import HOUR, MINUTE

CLOSE_AFTER: Final = MINUTE
"""How long after its end an hour is taken as closed: whoever arrived in it is in the stream by then."""
PARTS_FILE: Final = "parts/parts.parquet"
"""Which customer each part belongs to."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAME: Final = re.compile(
    rf"({'|'.join(KINDS)})/date=\d{{4}}-\d\d-\d\d/hour=\d\d/part-v(\d+)-\d+-\d+\.parquet"
)


class HistoryFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of history, as the store's list of files names it."""

    kind: HistoryKind
    name: str
    """Its path within the folder of history."""
    rows: int
    first: int
    last: int
    """The ids of its first and last row."""
    size: int
    """Its length in bytes."""
    digest: str
    """SHA-256 of its bytes, in hexadecimal."""
    version: int
    """The version of its schema."""
    plain: str
    """Which fields stood open when it was written: a digest of their places."""
    placing: str = ""
    """The temporary file that is to take its place; empty once that is done."""
    is_dropping: bool = False
    """Whether it is to be removed: nothing of it is left."""


def hour_of_row(arrived_at: int, *, now: int, floor: int) -> int:
    """Return the hour (since 1970) that a row belongs to.

    Args:
        arrived_at: when it came about by the clock of then (µs).
        now: a clock that was wrong must not file anything under an hour to come.
        floor: the hour of the row before it, or the first hour that is not closed.
    """
    return max(floor, min(arrived_at, now) // HOUR)


def first_open_hour(now: int) -> int:
    """Return the first hour (since 1970) that is not closed."""
    return (now - CLOSE_AFTER) // HOUR


def name_of(kind: HistoryKind, hour: int, *, version: int, first: int, last: int) -> str:
    """Return the name of a file: hive-partitioned by the date and the hour, both in UTC."""
    at = _EPOCH + timedelta(hours=hour)
    file = f"part-v{version}-{first:012}-{last:012}.parquet"
    return f"{kind}/date={at:%Y-%m-%d}/hour={at:%H}/{file}"


def is_name(text: str) -> bool:
    """Return whether a path is one that `name_of` makes."""
    return _NAME.fullmatch(text) is not None


def kind_and_version(name: str) -> tuple[str, int] | None:
    """Return what a file holds and the version of its schema, None for no file of history."""
    found = _NAME.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def day_in(name: str) -> int:
    """Return the day (since 1970) that a name stands under."""
    text = name.partition("/date=")[2][:10]
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH).days
