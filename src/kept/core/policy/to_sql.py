"""Compiles a checked expression to SQL that gives the same answer as the generated Python.

Numbers, dates and instants are BIGINT, as they are at runtime. Of every expression there are two
trees: its value, and whether it is *unknown*, which SQL has no value for; where it is unknown the
value means nothing. No engine ever raises an error: what does not fit becomes NULL, and is told
from a real NULL by the operands.

A query has these columns, all quoted:

- each fact under its own name (`"orders_90d"`, `"trait.first_name"`);
- `about` and other namespaces as structs or as joined tables (`"about"."ends_at"`);
- the objects of a kind as a list of structs, `"objects.case"`;
- `"now"`, in µs; and the changes of the customer's zone as two lists, `"zone_starts"` and
  `"zone_offsets"` (see `zones.Zone`), both NULL where the zone is not known.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

import msgspec
from sqlglot import exp

from kept.core.policy.build import UNIT_OF, digits_of, rounding_unit
from kept.core.policy.sql_targets import ROW, TARGETS, Dialect, Target
from kept.core.policy.sql_trees import (
    any_of,
    bare_constant,
    binary,
    cast,
    column,
    function,
    is_null,
    joined,
    negated,
    number,
    plus,
    total,
    typed_constant,
)
from kept.core.policy.tree import (
    Aggregate,
    And,
    Between,
    Call,
    Case,
    Coalesce,
    Compare,
    Expression,
    FactRef,
    FieldRef,
    IsNull,
    Literal,
    Node,
    Not,
    OneOf,
    Or,
    Product,
    RowField,
    Sum,
    needs_zone,
)
from kept.core.policy.types import (
    DATE_MAX,
    DATE_MIN,
    DECIMAL_ONE,
    INT_MAX,
    INT_MIN,
    bounds_of,
)
from kept.core.values import DAY, HOUR

_COMPARISONS: Final[dict[str, type[exp.Binary]]] = {
    "=": exp.EQ,
    "<>": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}
_SHIFT: Final = 4_000_000
"""Days that make any length of time positive, for engines divide towards zero, not downwards."""


class SqlExpression(msgspec.Struct, frozen=True, kw_only=True):
    """An expression as SQL: its value, and whether that is unknown (true or false, never NULL)."""

    value: exp.Expr
    unknown: exp.Expr


def to_sql(expression: Expression, dialect: Dialect) -> SqlExpression:
    """Return an expression as trees of sqlglot, to be placed in a query for one engine."""
    pair = _Writer(TARGETS[dialect]).write(expression.root)
    unknown = pair.unknown or exp.false()
    return SqlExpression(value=pair.value.copy(), unknown=unknown.copy())


class _Pair(msgspec.Struct, frozen=True):
    """A value, and whether it is unknown: `None` where it never is."""

    value: exp.Expr
    unknown: exp.Expr | None = None


class _Writer:
    """Writes the parts of one expression for one engine."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._written: dict[int, _Pair] = {}

    def write(self, node: Node) -> _Pair:
        """Return a part of the expression. A tree may have several parents until it is copied."""
        pair = self._written.get(id(node))
        if pair is None:
            pair = self._written[id(node)] = self._WRITERS[type(node)](self, node)
        return pair

    def _all(self, nodes: Sequence[Node]) -> tuple[list[exp.Expr], exp.Expr | None]:
        """Return the values of some parts, and whether any of them is unknown."""
        pairs = [self.write(node) for node in nodes]
        return [pair.value for pair in pairs], any_of([pair.unknown for pair in pairs])

    # -- constants and names ----------------------------------------------------------------------

    def _literal(self, node: Literal) -> _Pair:
        return _Pair(typed_constant(node.value, node.type.kind))

    def _fact(self, node: FactRef) -> _Pair:
        return _Pair(column(node.name))

    def _field(self, node: FieldRef) -> _Pair:
        return _Pair(column(node.name, node.space))

    def _row_field(self, node: RowField) -> _Pair:
        return _Pair(column(node.name, ROW))

    # -- logic: what is not looked at does not make anything unknown ------------------------------

    def _chain(self, node: And | Or) -> _Pair:
        pairs = [self.write(operand) for operand in node.operands]
        settles = exp.Boolean(this=isinstance(node, Or))
        settled = [exp.Paren(this=exp.Is(this=pair.value, expression=settles)) for pair in pairs]
        value = joined(exp.And if isinstance(node, And) else exp.Or, [p.value for p in pairs])
        return _Pair(value, _reached(pairs, settled))

    def _not(self, node: Not) -> _Pair:
        pair = self.write(node.operand)
        return _Pair(negated(pair.value), pair.unknown)

    def _is_null(self, node: IsNull) -> _Pair:
        pair = self.write(node.operand)
        return _Pair(is_null(pair.value), pair.unknown)

    def _coalesce(self, node: Coalesce) -> _Pair:
        pairs = [self.write(operand) for operand in node.operands]
        unknown = _reached(pairs, [negated(is_null(pair.value)) for pair in pairs])
        return _Pair(function("COALESCE", *(pair.value for pair in pairs)), unknown)

    def _case(self, node: Case) -> _Pair:
        otherwise = self.write(node.otherwise)
        branches = [(self.write(branch.when), self.write(branch.then)) for branch in node.branches]
        value = exp.Case(
            ifs=[exp.If(this=when.value, true=then.value) for when, then in branches],
            default=otherwise.value,
        )
        if not node.unknowable:
            return _Pair(value)
        cases: list[exp.If] = []
        for when, then in branches:
            if when.unknown is not None:
                cases.append(exp.If(this=when.unknown, true=exp.true()))
            cases.append(exp.If(this=when.value, true=then.unknown or exp.false()))
        return _Pair(value, exp.Case(ifs=cases, default=otherwise.unknown or exp.false()))

    # -- comparisons ------------------------------------------------------------------------------

    def _compare(self, node: Compare) -> _Pair:
        left, right = node.children
        _, unknown = self._all(node.children)
        return _Pair(binary(_COMPARISONS[node.op], self._side(left), self._side(right)), unknown)

    def _between(self, node: Between) -> _Pair:
        (value, _, _), unknown = self._all(node.children)
        low, high = self._side(node.low), self._side(node.high)
        return _Pair(exp.Paren(this=exp.Between(this=value, low=low, high=high)), unknown)

    def _one_of(self, node: OneOf) -> _Pair:
        pair = self.write(node.operand)
        values = [bare_constant(value) for value in node.values]
        return _Pair(exp.Paren(this=exp.In(this=pair.value, expressions=values)), pair.unknown)

    def _side(self, node: Node) -> exp.Expr:
        """Return a side of a comparison; a constant needs no width there."""
        if isinstance(node, Literal):
            return bare_constant(node.value)
        return self.write(node).value

    # -- numbers ----------------------------------------------------------------------------------

    def _sum(self, node: Sum) -> _Pair:
        values, unknown = self._all(node.terms)
        farthest = sum(max(map(abs, term.bounds or (INT_MIN, 0))) for term in node.terms)
        if farthest <= INT_MAX:
            # No part of the sum can leave 64 bits, so the numbers need not be made wide.
            return _Pair(total(values, node.signs), unknown)
        wide = [self.target.wide(value) for value in values]
        return self._narrowed(node, total(wide, node.signs), unknown)

    def _product(self, node: Product) -> _Pair:
        (left, right), unknown = self._all(node.children)
        if not node.checked and not node.scaled:
            return _Pair(binary(exp.Mul, left, right), unknown)
        value = binary(exp.Mul, self.target.wide(left), self.target.wide(right))
        if node.scaled:
            value = self.target.rounded(value, DECIMAL_ONE)
        return self._narrowed(node, value, unknown)

    def _narrowed(
        self, node: Sum | Product | Call, wide: exp.Expr, unknown: exp.Expr | None
    ) -> _Pair:
        """Return a wide number as one of its type; it is unknown where it does not fit."""
        if not node.checked:
            return _Pair(cast(wide, "BIGINT"), unknown)
        low, high = bounds_of(node.type) or (INT_MIN, INT_MAX)
        value = self.target.narrow(wide, low, high)
        return _Pair(value, any_of([unknown, self._failed(value, node.children)]))

    def _failed(self, value: exp.Expr, operands: Sequence[Node]) -> exp.Expr:
        """Return whether a value is NULL although no operand is."""
        return joined(exp.And, [is_null(value), *self._given(operands)])

    def _given(self, operands: Sequence[Node]) -> list[exp.Expr]:
        """Return tests that those operands which may be NULL are not."""
        nullable = [operand for operand in operands if operand.nullable]
        return [negated(is_null(self.write(operand).value)) for operand in nullable]

    # -- functions --------------------------------------------------------------------------------

    def _call(self, node: Call) -> _Pair:
        values, unknown = self._all(node.arguments)
        if needs_zone(node.function, node.arguments):
            missing = [is_null(column("zone_starts")), *self._given(node.arguments)]
            unknown = any_of([unknown, joined(exp.And, missing)])
        write = self._FUNCTIONS.get(node.function)
        if write is not None:
            return write(self, node, values, unknown)
        return _Pair(self._time(node, values), unknown)

    def _abs(self, node: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        return self._narrowed(node, function("ABS", self.target.wide(values[0])), unknown)

    def _decimal(self, node: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        product = binary(exp.Mul, self.target.wide(values[0]), number(DECIMAL_ONE))
        return self._narrowed(node, product, unknown)

    def _round(self, node: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        unit = rounding_unit(node.type, digits_of(node.arguments))
        if unit == 1:
            return _Pair(values[0], unknown)
        count = self.target.rounded(self.target.wide(values[0]), unit)
        return self._narrowed(node, binary(exp.Mul, count, number(unit)), unknown)

    def _ratio(self, node: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        value = self.target.narrow(self.target.ratio(values[0], values[1]), INT_MIN, INT_MAX)
        if not node.checked:
            return _Pair(value, unknown)
        failed = self._failed(value, node.arguments)
        divides = binary(exp.NEQ, values[1], number(0))
        return _Pair(value, any_of([unknown, binary(exp.And, divides, failed)]))

    def _extreme(self, node: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        return _Pair(function(node.function.upper(), *values), unknown)

    def _contains(self, _: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        return _Pair(self.target.contains(*values), unknown)

    def _starts_with(self, _: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        return _Pair(self.target.starts_with(*values), unknown)

    def _moved(self, node: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        """Return a date or an instant so many days, hours or minutes later."""
        unit = UNIT_OF[node.function] if node.type.kind == "timestamp" else 1
        length = binary(exp.Mul, self.target.wide(values[1]), number(unit))
        return self._narrowed(node, binary(exp.Add, self.target.wide(values[0]), length), unknown)

    def _local_date(self, node: Call, values: list[exp.Expr], unknown: exp.Expr | None) -> _Pair:
        day = self.target.wide(self._local(values[0], DAY))
        value = self.target.narrow(day, DATE_MIN, DATE_MAX)
        return _Pair(value, any_of([unknown, self._failed(value, node.arguments)]))

    def _time(self, node: Call, values: list[exp.Expr]) -> exp.Expr:
        """Return a function of time, of local time or of the calendar; its result always fits."""
        now = column("now")
        on_dates = bool(node.arguments) and node.arguments[0].type.kind == "date"
        unit = UNIT_OF.get(node.function, 1)
        match node.function, values:
            case "local_today", []:
                return self._local(now, DAY)
            case "local_hour", _:
                return self._modulo(self._local(values[0] if values else now, HOUR), 24)
            case "local_weekday", _:
                # 1970 began on a Thursday, the fourth day of the week.
                days = self._local(values[0] if values else now, DAY)
                return plus(self._modulo(plus(days, 3), 7), 1)
            case "years_since", [start]:
                today = self.target.date_number(self._local(now, DAY))
                digits = binary(exp.Sub, today, self.target.date_number(start))
                return self._quotient(digits, 10_000, shift=10_000)
            case "year", [day]:
                return self.target.quotient(self.target.date_number(day), 10_000)
            case "month", [day]:
                digits = function("MOD", self.target.date_number(day), number(10_000))
                return self.target.quotient(digits, 100)
            case "day", [day]:
                return function("MOD", self.target.date_number(day), number(100))
        ends = values
        if node.function != "days_between":
            today = self._local(now, DAY) if on_dates else now
            ends = [values[0], today] if node.function.endswith("_since") else [today, values[0]]
        length = binary(exp.Sub, ends[1], ends[0])
        return length if on_dates else self._quotient(length, unit, shift=_SHIFT * (DAY // unit))

    def _local(self, instant: exp.Expr, unit: int) -> exp.Expr:
        """Return how many days or hours an instant is after 1970 by the customer's own clock."""
        moved = self.target.local(instant, column("zone_starts"), column("zone_offsets"))
        return self._quotient(moved, unit, shift=_SHIFT * (DAY // unit))

    def _quotient(self, value: exp.Expr, unit: int, *, shift: int) -> exp.Expr:
        """Return a division rounded down: made positive first, and moved back afterwards."""
        whole = self.target.quotient(plus(value, shift * unit), unit)
        return plus(whole, -shift)

    def _modulo(self, value: exp.Expr, divisor: int) -> exp.Expr:
        """Return what remains, from 0; the value is made positive first."""
        return function("MOD", plus(value, _SHIFT * 24 * 7), number(divisor))

    # -- aggregates: every object is looked at ----------------------------------------------------

    def _aggregate(self, node: Aggregate) -> _Pair:
        rows = column(f"objects.{node.object}")
        predicate = None if node.predicate is None else self.write(node.predicate)
        condition = None if predicate is None else predicate.value
        value = None if node.value is None else self.write(node.value)
        unknown = self._unknown_in_rows(rows, predicate, value)
        if value is None:
            count = self.target.count(rows, condition)
            if node.function == "exists":
                count = binary(exp.GT, count, number(0))
            return _Pair(count, unknown)
        if node.function == "sum":
            total = self.target.wide(self.target.total(rows, value.value, condition))
            narrow = self.target.narrow(total, INT_MIN, INT_MAX)
            return _Pair(narrow, any_of([unknown, is_null(narrow)]))
        return _Pair(self.target.extreme(node.function, rows, value.value, condition), unknown)

    def _unknown_in_rows(
        self, rows: exp.Expr, predicate: _Pair | None, value: _Pair | None
    ) -> exp.Expr | None:
        """Return whether the predicate, or a value that it lets through, is unknown for any row."""
        of_value = None if value is None else value.unknown
        if predicate is not None and of_value is not None:
            of_value = binary(exp.And, predicate.value, of_value)
        unknown = any_of([None if predicate is None else predicate.unknown, of_value])
        if unknown is None:
            return None
        return binary(exp.GT, self.target.count(rows, unknown), number(0))

    _WRITERS: ClassVar[Mapping[type[Node], Callable[..., _Pair]]] = {
        Literal: _literal,
        FactRef: _fact,
        FieldRef: _field,
        RowField: _row_field,
        And: _chain,
        Or: _chain,
        Not: _not,
        IsNull: _is_null,
        Coalesce: _coalesce,
        Case: _case,
        Compare: _compare,
        Between: _between,
        OneOf: _one_of,
        Sum: _sum,
        Product: _product,
        Call: _call,
        Aggregate: _aggregate,
    }
    _FUNCTIONS: ClassVar[Mapping[str, Callable[..., _Pair]]] = {
        "abs": _abs,
        "decimal": _decimal,
        "round": _round,
        "ratio": _ratio,
        "least": _extreme,
        "greatest": _extreme,
        "contains": _contains,
        "starts_with": _starts_with,
        "add_days": _moved,
        "add_hours": _moved,
        "add_minutes": _moved,
        "local_date": _local_date,
    }


def _reached(pairs: Sequence[_Pair], settled: Sequence[exp.Expr]) -> exp.Expr | None:
    """Return whether an operand is unknown that is looked at: none before it settles the answer."""
    places = [place for place, pair in enumerate(pairs) if pair.unknown is not None]
    if not places or places[-1] == 0:
        return pairs[0].unknown
    cases: list[exp.If] = []
    for pair, settles in zip(pairs[: places[-1] + 1], settled, strict=False):
        if pair.unknown is not None:
            cases.append(exp.If(this=pair.unknown, true=exp.true()))
        cases.append(exp.If(this=settles, true=exp.false()))
    return exp.Case(ifs=cases[:-1], default=exp.false())
