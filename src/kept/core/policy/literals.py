"""Constants as a brand writes them: `12`, `0.8`, `'text'`, `money '9.99 EUR'`, `date '...'`."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from kept.core.policy.tree import Literal
from kept.core.policy.types import (
    BOOL,
    DATE,
    DECIMAL,
    DECIMAL_DIGITS,
    INT,
    INT_MAX,
    NULL,
    TEXT,
    TIMESTAMP,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    Scalar,
    Type,
    currency_digits,
    money,
)
from kept.core.policy.where import shown

TEXT_LENGTH_MAX: Final = 1_000
_ORDINAL_OF_EPOCH: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_NUMBER: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?")
_AMOUNT: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))? ([A-Z]{3})")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """Why something cannot be used, and what to do: a problem whose place is not known yet."""

    message: str
    suggestion: str = ""


def constant(value: Scalar, *, of: Type) -> Literal:
    """Return a constant as a part of the tree."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Literal(type=of, value=value, bounds=(value, value))
    return Literal(type=of, value=value, nullable=value is None)


TRUE: Final = constant(value=True, of=BOOL)
FALSE: Final = constant(value=False, of=BOOL)
NONE: Final = constant(None, of=NULL)


def read_number(text: str) -> Literal | Wrong:
    """Return a constant of type int, or of type decimal where it has a decimal point."""
    found = _NUMBER.fullmatch(text)
    if found is None or not (found[1] or found[2]):
        return Wrong(
            message=f"{_quoted(text)} is not a number of this language",
            suggestion="write it with digits and at most one point, such as 1200 or 0.85",
        )
    whole, fraction = found[1] or "0", found[2]
    if fraction is None:
        value = _scaled(whole, "", digits=0)
        of = INT
    elif len(fraction.rstrip("0")) > DECIMAL_DIGITS:
        return Wrong(
            message=f"{_quoted(text)} has more than {DECIMAL_DIGITS} digits after the point",
            suggestion="decimals are kept to millionths; round it",
        )
    else:
        value = _scaled(whole, fraction, digits=DECIMAL_DIGITS)
        of = DECIMAL
    if value is None:
        return Wrong(message=f"{_quoted(text)} is too large for 64 bits")
    return constant(value, of=of)


def read_text(text: str) -> Literal | Wrong:
    """Return a constant of type text, in Unicode's normal form C."""
    if len(text) > TEXT_LENGTH_MAX:
        return Wrong(message=f"a text of more than {TEXT_LENGTH_MAX} characters")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        return Wrong(
            message="a text with a NUL or half of a surrogate pair, which no store can hold"
        )
    return constant(unicodedata.normalize("NFC", text), of=TEXT)


def read_typed(kind: str, text: str) -> Literal | Wrong:
    """Return the constant that a type's name and a text make, such as `date '2026-12-24'`."""
    match kind:
        case "money":
            return read_money(text)
        case "date":
            return read_date(text)
        case "timestamp":
            return read_timestamp(text)
        case "interval":
            return Wrong(
                message="there are no intervals",
                suggestion="use add_days(t, 3), add_hours or add_minutes, "
                "or compare with days_since(t)",
            )
    return Wrong(
        message=f"{_quoted(kind)} does not begin a constant",
        suggestion="constants are 'text', money '9.99 EUR', date '2026-12-24' "
        "and timestamp '2026-12-24T18:00:00Z'",
    )


def read_money(text: str) -> Literal | Wrong:
    """Return an amount such as `9.99 EUR` as minor units with its currency."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return Wrong(
            message=f"{_quoted(text)} is not an amount of money",
            suggestion="write the amount and the currency's code: money '9.99 EUR'",
        )
    sign, whole, fraction, currency = found[1], found[2], found[3] or "", found[4]
    digits = currency_digits(currency)
    if len(fraction) > digits:
        return Wrong(
            message=f"{_quoted(text)} has more than the {digits} digits after the point "
            f"that {currency} has",
        )
    minor = _scaled(whole, fraction, digits=digits)
    if minor is None:
        return Wrong(message=f"{_quoted(text)} is too large for 64 bits")
    return constant(-minor if sign else minor, of=money(currency))


def read_date(text: str) -> Literal | Wrong:
    """Return a date such as `2026-12-24` as days since 1970."""
    try:
        if _DAY.fullmatch(text):
            return constant(date.fromisoformat(text).toordinal() - _ORDINAL_OF_EPOCH, of=DATE)
    except ValueError:
        pass  # right in form, but no such day: the same answer as for the wrong form
    return Wrong(message=f"{_quoted(text)} is not a date", suggestion="write date '2026-12-24'")


def read_timestamp(text: str) -> Literal | Wrong:
    """Return an instant such as `2026-12-24T18:00:00Z` as microseconds since 1970 in UTC."""
    suggestion = "write timestamp '2026-12-24T18:00:00Z', or with an offset such as +02:00"
    found = _INSTANT.fullmatch(text)
    if found is not None and found[3] is None:
        return Wrong(message=f"{_quoted(text)} does not say in which zone", suggestion=suggestion)
    try:
        if found is not None:
            instant = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
            if TIMESTAMP_MIN <= instant <= TIMESTAMP_MAX:
                return constant(instant, of=TIMESTAMP)
    except ValueError:
        pass  # right in form, but no such instant: the same answer as for the wrong form
    return Wrong(message=f"{_quoted(text)} is not an instant", suggestion=suggestion)


def _scaled(whole: str, fraction: str, *, digits: int) -> int | None:
    """Return a number of so many digits after the point as an integer, or `None` if too large."""
    kept = fraction.rstrip("0").ljust(digits, "0") if digits else ""
    text = (whole + kept).lstrip("0")
    # Twenty digits never fit; checked first because int() is slow on very long texts.
    if len(text) >= 20:
        return None
    value = int(text or "0")
    return value if value <= INT_MAX else None


def _quoted(text: str) -> str:
    return f"'{shown(text)}'"
