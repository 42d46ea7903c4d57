"""What the entries of a brand folder are made of: texts with a rule, and structs without slack."""

from typing import Annotated, TypeAlias

import msgspec

# `x-reads` tells the loader by which rule a text is read; published schemas do without it.
ExpressionText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a SQL expression",
        examples=["days_until(about.ends_at) BETWEEN 0 AND 30 AND NOT about.renewed"],
        extra_json_schema={"x-reads": "expression"},
    ),
]
DurationText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a duration such as `7 days`",
        pattern=r"^\d+ (second|minute|hour|day|week)s?$",
        examples=["7 days"],
        extra_json_schema={"x-reads": "duration"},
    ),
]
MoneyText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="an amount such as `9.99 EUR`",
        pattern=r"^-?\d+(\.\d+)? [A-Z]{3}$",
        examples=["9.99 EUR"],
        extra_json_schema={"x-reads": "money"},
    ),
]
CurrencyText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a currency such as `EUR`",
        pattern=r"^[A-Z]{3}$",
        examples=["EUR"],
        extra_json_schema={"x-reads": "currency"},
    ),
]
DecimalText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a decimal number such as `0.6`",
        pattern=r"^-?\d+(\.\d{1,6})?$",
        examples=["0.6"],
        extra_json_schema={"x-reads": "decimal"},
    ),
]
ClockText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a time of day such as `21:00`",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        examples=["21:00"],
    ),
]
DateText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a date such as `2026-11-22`",
        pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
        examples=["2026-11-22"],
    ),
]
TypeText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a type: bool, int, decimal, text, date, timestamp or money(EUR)",
        pattern=r"^(bool|int|decimal|text|date|timestamp|money\([A-Z]{3}\))$",
        examples=["text", "money(EUR)"],
    ),
]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a brand have in common: frozen, and no unknown keys.

    msgspec does not inherit `kw_only`, and type checkers want `frozen` said again.
    """
