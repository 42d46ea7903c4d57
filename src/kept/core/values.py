"""From what JSON carries to the values that Kept computes with, and back for people.

At runtime an instant is an int of microseconds since 1970 in UTC, a date an int of days, money an
int of minor units, a decimal an int of millionths, and text is NFC. A raw value that does not fit
its declared type reads as `UNREADABLE`: it is counted and leaves no trace in the profile.
"""

import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

Value: TypeAlias = bool | int | str | None

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NEVER: Final = 2**63 - 1
"""An instant that no clock reaches."""

INT64_MAX: Final = 2**63 - 1
TEXT_LENGTH_MAX: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1)
_ZERO_DIGIT_CURRENCIES: Final = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THREE_DIGIT_CURRENCIES: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


class _Unreadable:
    """The one value that says: this is not a value of the declared type."""

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE: Final = _Unreadable()

Reader: TypeAlias = Callable[[Any], Value | _Unreadable]


def minor_digits(currency: str) -> int:
    """Return how many digits a currency's minor unit has (ISO 4217)."""
    if currency in _ZERO_DIGIT_CURRENCIES:
        return 0
    return 3 if currency in _THREE_DIGIT_CURRENCIES else 2


def reader_for(type_text: str) -> Reader:
    """Return the reader of a type as `facts.yaml` names it, such as `text` or `money(EUR)`."""
    if type_text.startswith("money(") and type_text.endswith(")"):
        digits = minor_digits(type_text[6:-1])
        return lambda raw: _read_scaled(raw, digits)
    return _READERS[type_text]


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


def _read_bool(raw: Any) -> Value | _Unreadable:
    if isinstance(raw, bool) or raw is None:
        return raw
    return UNREADABLE


def _read_int(raw: Any) -> Value | _Unreadable:
    if raw is None:
        return None
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or abs(raw) > INT64_MAX:
        return UNREADABLE
    return raw


def _read_text(raw: Any) -> Value | _Unreadable:
    if raw is None:
        return None
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str):
        return UNREADABLE
    return unicodedata.normalize("NFC", raw[:TEXT_LENGTH_MAX])


def _read_date(raw: Any) -> Value | _Unreadable:
    if raw is None:
        return None
    if not isinstance(raw, str):
        return UNREADABLE
    try:
        return (date.fromisoformat(raw[:10]) - _EPOCH_DAY).days
    except ValueError:
        return UNREADABLE


def _read_timestamp(raw: Any) -> Value | _Unreadable:
    if raw is None:
        return None
    if not isinstance(raw, str):
        return UNREADABLE
    instant = parse_instant(raw)
    return UNREADABLE if instant is None else instant


def _read_scaled(raw: Any, digits: int) -> Value | _Unreadable:
    """Read a number, or a text such as `9.99` or `9.99 EUR`, rounding half away from zero."""
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return UNREADABLE
    if isinstance(raw, int):
        scaled = raw * 10**digits
        return scaled if abs(scaled) <= INT64_MAX else UNREADABLE
    try:
        number = Decimal(raw.split(" ")[0] if isinstance(raw, str) else repr(raw))
        if not number.is_finite() or abs(number) > INT64_MAX:
            return UNREADABLE
        scaled = int(number.scaleb(digits).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    except (InvalidOperation, ValueError):
        return UNREADABLE
    return scaled if abs(scaled) <= INT64_MAX else UNREADABLE


_READERS: Final[dict[str, Reader]] = {
    "bool": _read_bool,
    "int": _read_int,
    "decimal": lambda raw: _read_scaled(raw, 6),
    "text": _read_text,
    "date": _read_date,
    "timestamp": _read_timestamp,
}
