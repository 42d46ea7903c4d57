"""Values as a template sees them: an instant is not a number, an amount knows its currency.

Facts are plain integers at runtime; a schema (dotted name -> type) says what each one means, and
here it is put on before a template can print the number itself.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from kept.core.policy.types import DECIMAL_ONE, currency_digits

Schema: TypeAlias = Mapping[str, str]
"""Dotted name -> `bool`, `int`, `decimal`, `text`, `date`, `timestamp`, `money(EUR)`, `list`
or `any`.

The items of a list are described under its own name: `parts.price` is the price of each part.
Below `any` nothing is known beforehand, and nothing is given a type.
"""

_MONEY_TYPE: Final = re.compile(r"money\(([A-Z]{3})\)")


class Instant(msgspec.Struct, frozen=True):
    """A moment, in microseconds since 1970 UTC."""

    at: int

    def __liquid__(self) -> int:
        """Return what comparisons in a template compare."""
        return self.at


class Day(msgspec.Struct, frozen=True):
    """A date, in days since 1970-01-01."""

    on: int

    def __liquid__(self) -> int:
        """Return what comparisons in a template compare."""
        return self.on


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units of its currency."""

    minor: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """Return the amount in whole units."""
        return Decimal(self.minor).scaleb(-currency_digits(self.currency))

    def __liquid__(self) -> Decimal:
        """Return what comparisons in a template compare: whole units, as people write them."""
        return self.amount


class Fraction(msgspec.Struct, frozen=True):
    """A decimal number, in millionths."""

    millionths: int

    @property
    def number(self) -> Decimal:
        """Return the number itself."""
        return Decimal(self.millionths) / DECIMAL_ONE

    def __liquid__(self) -> Decimal:
        """Return what comparisons in a template compare."""
        return self.number


class Record(Mapping[str, object]):
    """Values under a common name; each is given its type when it is looked up.

    A field that the schema knows and the values lack is known to be none (an object holds only
    what was ever set). A name that the schema does not know is a `KeyError`.
    """

    __slots__ = ("_prefix", "_schema", "_values")

    def __init__(self, values: Mapping[str, Any], *, schema: Schema, prefix: str) -> None:
        """Take values whose names in the schema begin with the prefix."""
        self._values = values
        self._schema = schema
        self._prefix = prefix

    def __getitem__(self, key: str) -> object:
        """Return a value with its type on."""
        name = f"{self._prefix}.{key}" if self._prefix else key
        try:
            value = self._values[key]
        except KeyError:
            # Only below the top: there, a name that was left out is not known at all.
            if self._prefix and name in self._schema:
                return None
            raise
        return put_type_on(value, schema=self._schema, name=name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that have a value."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return how many names have a value."""
        return len(self._values)


def put_type_on(value: Any, *, schema: Schema, name: str) -> object:
    """Return the value as its type in the schema says; what has no type there stays as it is."""
    if isinstance(value, Mapping):
        return Record(value, schema=schema, prefix=name)
    if isinstance(value, list | tuple):
        return [put_type_on(item, schema=schema, name=name) for item in value]
    # A bool is an int in Python, but never an amount or an instant.
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    match schema.get(name):
        case "timestamp":
            return Instant(value)
        case "date":
            return Day(value)
        case "decimal":
            return Fraction(value)
        case str() as type_text if money := _MONEY_TYPE.fullmatch(type_text):
            return Money(value, money[1])
        case _:
            return value
