"""What is said where values of different types meet, and what to do about it."""

from collections.abc import Sequence
from typing import Final

from kept.core.policy.types import BOOL, Type

_NAMES: Final = {
    "bool": "a condition",
    "int": "a whole number",
    "decimal": "a decimal",
    "date": "a date",
    "timestamp": "an instant",
    "null": "NULL",
}


def name_type(of: Type) -> str:
    """Return a type as a sentence needs it."""
    return _NAMES.get(of.kind, str(of))


def advise_on_types(types: Sequence[Type]) -> str:
    """Return how values of some types can be brought together, if there is a way."""
    kinds = {of.kind for of in types}
    amounts = [of.currency for of in types if of.kind == "money"]
    if len(amounts) > 1:
        return "amounts of different currencies are never mixed"
    if amounts and kinds & {"int", "decimal"}:
        return f"write the amount with its currency: money '10.00 {amounts[0]}'"
    if kinds == {"int", "decimal"}:
        return "write decimal(n) for the whole number"
    if kinds == {"date", "timestamp"}:
        return "write local_date(t) for the instant"
    if kinds == {"text"}:
        return "texts are put together in templates, not in conditions"
    if kinds in ({"date", "text"}, {"timestamp", "text"}):
        return "write date '2026-12-24' or timestamp '2026-12-24T18:00:00Z'"
    return ""


def advise_on_place(expects: Type) -> str:
    """Return how a value becomes one of the type that its place needs, if there is a way."""
    if expects == BOOL:
        return "compare it with something, such as x > 0"
    if expects.kind == "money":
        return f"multiply an amount by it: x * money '1.00 {expects.currency}'"
    return "write decimal(x), or ratio(a, b)" if expects.kind == "decimal" else ""
