"""Runs single expressions: for constants, tests and rare use. A policy is compiled as a whole."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

import msgspec

from kept.core.policy.next_change import emit_next_change
from kept.core.policy.runtime import RUNTIME, Overflow
from kept.core.policy.to_python import Names, emit, emit_test
from kept.core.policy.tree import Aggregate, Expression, FactRef, FieldRef, Node, RowField, walk
from kept.core.policy.types import Scalar


class Unknown(Enum):
    """The one value that says: this cannot be known."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Outcome: TypeAlias = Scalar | Unknown


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one customer's expressions are evaluated on."""

    facts: Mapping[str, Scalar] = {}
    fields: Mapping[str, Mapping[str, Scalar]] = {}
    """The fields of `about` and of other namespaces."""
    objects: Mapping[str, Sequence[Mapping[str, Scalar]]] = {}
    now: int = 0
    zone: str | None = None


def compile_expression(expression: Expression) -> Callable[[Row], Outcome]:
    """Return a function from a row to the value of an expression, `UNKNOWN` included."""
    return _guarded(emit(expression, _names(expression.root), now="row.now", zone="row.zone"))


def compile_test(expression: Expression) -> Callable[[Row], Outcome]:
    """Return a function from a row to whether a condition is true; NULL is not."""
    source = emit_test(expression, _names(expression.root), now="row.now", zone="row.zone")
    return _guarded(f"bool({source})")


def compile_next_change(expression: Expression) -> Callable[[Row], int] | None:
    """Return a function from a row to the next instant at which an expression may change."""
    names = _names(expression.root)
    source = emit_next_change(expression, names, now="row.now", zone="row.zone")
    return None if source is None else _compile(source)


def _names(root: Node) -> Names:
    """Return sources that look each name up in a row."""
    values: dict[str, str] = {}
    rows: dict[str, str] = {}
    fields: dict[str, dict[str, str]] = {}
    for node in walk(root):
        match node:
            case FactRef(name=name):
                values[name] = f"row.facts[{name!r}]"
            case FieldRef(space=space, name=name):
                values[f"{space}.{name}"] = f"row.fields[{space!r}][{name!r}]"
            case RowField(object=kind, name=name):
                fields.setdefault(kind, {})[name] = repr(name)
            case Aggregate(object=kind):
                rows[kind] = f"row.objects[{kind!r}]"
    return Names(values=values, rows=rows, fields=fields)


def _guarded(source: str) -> Callable[[Row], Outcome]:
    run = _compile(source)

    def evaluate(row: Row) -> Outcome:
        try:
            value: Scalar = run(row)
        except Overflow:
            return UNKNOWN
        return value

    return evaluate


def _compile(source: str) -> Callable[[Row], Any]:
    # The source is our own: every name in it was looked up, every constant written by ascii().
    run: Callable[[Row], Any] = eval(f"lambda row: {source}", dict(RUNTIME))  # noqa: S307
    return run
