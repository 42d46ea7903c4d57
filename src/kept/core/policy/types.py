"""The types of conditions and values, and how each is represented while Kept runs.

| type | at runtime, in Python and in SQL alike |
|---|---|
| `bool` | true or false |
| `int` | a 64-bit integer |
| `decimal` | a 64-bit integer of millionths |
| `money(EUR)` | a 64-bit integer of minor units; the currency is part of the type |
| `text` | Unicode text in normal form C |
| `date` | an integer of days since 1970-01-01, in the years 1 to 9999 |
| `timestamp` | an integer of microseconds since 1970 in UTC, in the years 1 to 9999 |

There are no floats, so every engine computes the same. NULL is `None`.
"""

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.policy.where import Where, nearest
from kept.core.values import DAY
from kept.errors import InvalidBrandError, Problem

Kind: TypeAlias = Literal["bool", "int", "decimal", "money", "text", "date", "timestamp", "null"]
Scalar: TypeAlias = bool | int | str | None
"""A value of a condition at runtime."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
DATE_MIN: Final = -719_162  # 0001-01-01
DATE_MAX: Final = 2_932_896  # 9999-12-31
DECIMAL_DIGITS: Final = 6
DECIMAL_ONE: Final = 10**DECIMAL_DIGITS
TIMESTAMP_MIN: Final = DATE_MIN * DAY
TIMESTAMP_MAX: Final = (DATE_MAX + 1) * DAY - 1

_NO_MINOR_UNIT: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"}
    | {"RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DIGITS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_FOUR_DIGITS: Final = frozenset({"CLF", "UYW"})


class Type(msgspec.Struct, frozen=True, kw_only=True):
    """The type of an expression; only money has a currency."""

    kind: Kind
    currency: str = ""

    def __str__(self) -> str:
        """Return the form that a brand folder uses, such as `int` or `money(EUR)`."""
        return f"money({self.currency})" if self.kind == "money" else self.kind


BOOL: Final = Type(kind="bool")
INT: Final = Type(kind="int")
DECIMAL: Final = Type(kind="decimal")
TEXT: Final = Type(kind="text")
DATE: Final = Type(kind="date")
TIMESTAMP: Final = Type(kind="timestamp")
NULL: Final = Type(kind="null")
"""The type of a bare NULL before its place gives it one."""

_PLAIN: Final = {str(plain): plain for plain in (BOOL, INT, DECIMAL, TEXT, DATE, TIMESTAMP)}
_MONEY: Final = re.compile(r"money\(([A-Z]{3})\)")


def money(currency: str) -> Type:
    """Return the type of money in a currency, given by its ISO 4217 code."""
    return Type(kind="money", currency=currency)


def currency_digits(currency: str) -> int:
    """Return how many decimal digits the minor unit of a currency stands for."""
    if currency in _NO_MINOR_UNIT:
        return 0
    if currency in _THREE_DIGITS:
        return 3
    return 4 if currency in _FOUR_DIGITS else 2


def bounds_of(of: Type) -> tuple[int, int] | None:
    """Return the smallest and the largest value of a type, or `None` for bool and text."""
    match of.kind:
        case "int" | "decimal" | "money":
            return INT_MIN, INT_MAX
        case "date":
            return DATE_MIN, DATE_MAX
        case "timestamp":
            return TIMESTAMP_MIN, TIMESTAMP_MAX
    return None


def check_type(text: str, *, where: Where) -> Type | list[Problem]:
    """Return the type that a text such as `money(EUR)` names, or what is wrong with it."""
    plain = _PLAIN.get(text)
    if plain is not None:
        return plain
    found = _MONEY.fullmatch(text)
    if found:
        return money(found[1])
    near = nearest(text, [*_PLAIN, "money(EUR)"])
    choice = "use bool, int, decimal, text, date, timestamp, or money with a currency: money(EUR)"
    suggestion = f"did you mean {near}?" if near else choice
    return [where.problem(f"{text!r} is not a type", suggestion=suggestion)]


@lru_cache(maxsize=256)
def parse_type(text: str) -> Type:
    """Return the type that a text names; a wrong text is an `InvalidBrandError`."""
    found = check_type(text, where=Where(file="type"))
    if isinstance(found, Type):
        return found
    raise InvalidBrandError(found)
