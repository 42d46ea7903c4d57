"""From what JSON carries to the values that Kept computes with.

A raw value that does not fit its declared type reads as `UNREADABLE`: it is counted and leaves no
trace in the profile.
"""

import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, TypeAlias

from kept.core.policy.types import DECIMAL_DIGITS, INT_MAX, currency_digits
from kept.core.values import Value, parse_instant

TEXT_LENGTH_MAX: Final = 1_000
_EPOCH_DAY: Final = date(1970, 1, 1)


class _Unreadable:
    """The one value that says: this is not a value of the declared type."""

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE: Final = _Unreadable()

Reader: TypeAlias = Callable[[Any], Value | _Unreadable]


def reader_for(type_text: str) -> Reader:
    """Return the reader of a type as `facts.yaml` names it, such as `text` or `money(EUR)`."""
    if type_text.startswith("money(") and type_text.endswith(")"):
        digits = currency_digits(type_text[6:-1])
        return lambda raw: _read_scaled(raw, digits)
    return _READERS[type_text]


def _read_bool(raw: Any) -> Value | _Unreadable:
    if isinstance(raw, bool) or raw is None:
        return raw
    return UNREADABLE


def _read_int(raw: Any) -> Value | _Unreadable:
    if raw is None:
        return None
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or abs(raw) > INT_MAX:
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
        return scaled if abs(scaled) <= INT_MAX else UNREADABLE
    try:
        number = Decimal(raw.split(" ")[0] if isinstance(raw, str) else repr(raw))
        if not number.is_finite() or abs(number) > INT_MAX:
            return UNREADABLE
        scaled = int(number.scaleb(digits).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    except (ArithmeticError, ValueError):
        # Besides what is no number: one so large that Decimal itself gives up on it.
        return UNREADABLE
    return scaled if abs(scaled) <= INT_MAX else UNREADABLE


_READERS: Final[dict[str, Reader]] = {
    "bool": _read_bool,
    "int": _read_int,
    "decimal": lambda raw: _read_scaled(raw, DECIMAL_DIGITS),
    "text": _read_text,
    "date": _read_date,
    "timestamp": _read_timestamp,
}
