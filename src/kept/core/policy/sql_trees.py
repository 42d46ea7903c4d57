"""Small pieces of SQL, as trees: columns, constants, operators, conditions joined."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from sqlglot import exp

from kept.core.policy.types import Scalar

_SQL_TYPES: Final = {"bool": "BOOLEAN", "text": "TEXT"}


def column(name: str, table: str | None = None) -> exp.Expr:
    """Return a column, quoted so that any name will do."""
    source = None if table is None else exp.to_identifier(table, quoted=True)
    return exp.column(exp.to_identifier(name, quoted=True), table=source)


def number(value: int | str) -> exp.Expr:
    """Return a numeric constant."""
    text = str(value)
    if text.startswith("-"):
        return exp.Paren(this=exp.Neg(this=exp.Literal.number(text[1:])))
    return exp.Literal.number(text)


def typed_constant(value: Scalar, kind: str) -> exp.Expr:
    """Return a constant with the width that its type has at runtime."""
    if value is None:
        return cast(exp.Null(), _SQL_TYPES.get(kind, "BIGINT"))
    if isinstance(value, bool | str):
        return bare_constant(value)
    # A bare constant would be of 32 bits, and so would sums of two of them.
    return cast(number(value), "BIGINT")


def bare_constant(value: Scalar) -> exp.Expr:
    """Return a constant as short as it can be written."""
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        return number(value)
    return exp.Null() if value is None else exp.Literal.string(value)


def function(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Return a call under exactly this name: no dialect gives it another meaning."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def binary(kind: type[exp.Binary], left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Return an operator between two operands, in parentheses."""
    return exp.Paren(this=kind(this=left, expression=right))


@cache
def _type_named(name: str) -> exp.DataType:
    return exp.DataType.build(name)


def cast(value: exp.Expr, to: str) -> exp.Expr:
    """Return a value as a type that is named as sqlglot's own dialect names it."""
    return exp.Cast(this=value, to=_type_named(to).copy())


def try_cast(value: exp.Expr, to: str) -> exp.Expr:
    """Return a value as a type, or NULL where it does not fit."""
    return exp.TryCast(this=value, to=_type_named(to).copy())


def within(value: exp.Expr, low: int, high: int) -> exp.Expr:
    """Return a number, or NULL where it is not within bounds; GREATEST and LEAST pass over NULL."""
    clamped = function("GREATEST", function("LEAST", value, number(high + 1)), number(low - 1))
    return function("NULLIF", function("NULLIF", clamped, number(high + 1)), number(low - 1))


def plus(value: exp.Expr, summand: int) -> exp.Expr:
    """Return a sum with a constant."""
    return binary(exp.Add, value, number(summand))


def total(values: Sequence[exp.Expr], signs: Sequence[int]) -> exp.Expr:
    """Return a sum, halved and halved again, so that long sums are not deep."""
    if len(values) == 1:
        return values[0] if signs[0] > 0 else binary(exp.Sub, number(0), values[0])
    half = len(values) // 2
    left = total(values[:half], signs[:half])
    if signs[half] > 0:
        return binary(exp.Add, left, total(values[half:], signs[half:]))
    # A half that begins with a minus is subtracted, with all its signs turned.
    return binary(exp.Sub, left, total(values[half:], [-sign for sign in signs[half:]]))


def is_null(value: exp.Expr) -> exp.Expr:
    """Return whether a value is NULL."""
    return exp.Paren(this=exp.Is(this=value, expression=exp.Null()))


def negated(condition: exp.Expr) -> exp.Expr:
    """Return NOT of a condition."""
    if not isinstance(condition, exp.Paren):
        condition = exp.Paren(this=condition)
    return exp.Paren(this=exp.Not(this=condition))


def joined(kind: type[exp.And | exp.Or], parts: Sequence[exp.Expr]) -> exp.Expr:
    """Return AND or OR of some conditions, as a flat chain: no engine nests it deeply."""
    if len(parts) == 1:
        return parts[0]
    found = parts[0]
    for part in parts[1:]:
        found = kind(this=found, expression=part)
    return exp.Paren(this=found)


def any_of(parts: Sequence[exp.Expr | None]) -> exp.Expr | None:
    """Return whether any part is true, of those that there are."""
    given = [part for part in parts if part is not None]
    return joined(exp.Or, given) if given else None
