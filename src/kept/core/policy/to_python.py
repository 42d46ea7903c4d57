"""Compiles a checked expression to the source of a Python expression.

The source is meant to stand in one large generated function, where facts are local variables, so
it is written for speed: what cannot be NULL is not tested for it, what cannot overflow is not
checked, and what is longer than a line of arithmetic is a call into `RUNTIME`.

NULL is `None`. A value that cannot be known raises `Overflow` from the place where it is found:
operators and functions look at all of their operands, so one unknown operand makes them unknown;
AND, OR, CASE and coalesce stop at the operand that settles them, and what they did not look at
does not count.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

import msgspec

from kept.core.policy.build import UNIT_OF, digits_of, rounding_unit
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
)
from kept.core.policy.types import DECIMAL_ONE, INT_MAX, INT_MIN, Scalar, bounds_of

ROW: Final = "k_row"
"""The variable of the object that an aggregate is looking at."""

_OPERATORS: Final = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITES: Final = {"=": "!=", "<>": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """How generated source reaches what an expression reads.

    `values` maps facts (`orders_90d`), fields of the object in play (`about.ends_at`) and of other
    namespaces (`offer.price`) to sources such as `f12` or `a[3]`, which must be cheap to repeat.
    `rows` maps a kind of object to the source of its list, and `fields` maps kind and field to the
    subscript within one object: `{"case": {"status": "2"}}` for objects that are tuples.
    """

    values: Mapping[str, str]
    rows: Mapping[str, str] = {}
    fields: Mapping[str, Mapping[str, str]] = {}


def emit(expression: Expression, names: Names, *, now: str = "now", zone: str = "zone") -> str:
    """Return the source of an expression's value, in which NULL is `None`."""
    return PythonWriter(names, now=now, zone=zone).value(expression.root)


def emit_test(expression: Expression, names: Names, *, now: str = "now", zone: str = "zone") -> str:
    """Return a source that is truthy exactly where a condition is true; shorter than its value."""
    return PythonWriter(names, now=now, zone=zone).test(expression.root)


class NullTest(msgspec.Struct, frozen=True):
    """A source that is true where an operand is NULL, and one that is true where it is not."""

    null: str
    given: str


class PythonWriter:
    """Writes the parts of one expression; every source it returns can be an operand as it is."""

    def __init__(self, names: Names, *, now: str, zone: str) -> None:
        self.names = names
        self.now = now
        self.zone = zone
        self._temporaries = 0

    # -- whole values -------------------------------------------------------------------------

    def value(self, node: Node) -> str:
        """Return the source of a node's value."""
        writer = self._VALUES.get(type(node))
        if writer is not None and not _is_strict(node):
            return writer(self, node)
        tests: list[NullTest] = []
        source = self.given(node, tests)
        if not tests:
            return source
        return f"(None if {' or '.join(test.null for test in tests)} else {source})"

    def test(self, node: Node, *, wanted: bool = True) -> str:
        """Return a source that is truthy exactly where a condition is true, or false, as wanted."""
        if isinstance(node, Not):
            return self.test(node.operand, wanted=not wanted)
        if isinstance(node, And | Or):
            return self._test_chain(node, wanted=wanted)
        if isinstance(node, Case):
            return self._case(node, lambda then: self.test(then, wanted=wanted))
        if isinstance(node, IsNull):
            return f"({self.value(node.operand)} is {'' if wanted else 'not '}None)"
        if isinstance(node, Aggregate):
            return self._exists(node) if wanted else f"(not {self._exists(node)})"
        if isinstance(node, Compare | OneOf | Between | Call) and _is_strict(node):
            return self._test_strict(node, wanted=wanted)
        source = self.value(node)
        if wanted:
            return source
        return f"({source} is False)" if node.nullable else f"(not {source})"

    # -- operators that are NULL where an operand is -------------------------------------------

    def given(self, node: Node, tests: list[NullTest]) -> str:
        """Return the source of a value for the case that it is not NULL, and add what tests that.

        Operators within operators share one row of tests, and compute only once all have passed.
        """
        if _is_strict(node):
            return self._combine(node, self._operands(node, tests))
        source = self.value(node)
        if not node.nullable:
            return source
        if isinstance(node, FactRef | FieldRef | RowField | Literal):
            test = NullTest(f"{source} is None", f"{source} is not None")
            if test not in tests:
                tests.append(test)
            return source
        return self._bound(source, tests)

    def _operands(self, node: Node, tests: list[NullTest]) -> list[str]:
        """Return the sources of an operator's operands.

        Where one is NULL the result is NULL, but an unknown one has to be found even then. So
        the operand that may be unknown is computed first, and several are all computed.
        """
        parts = node.children
        risky = [part for part in parts if part.unknowable]
        if not risky or not any(part.nullable for part in parts):
            return [self.given(part, tests) for part in parts]
        if len(risky) > 1:
            bound = [(self.temporary(), self.value(part)) for part in parts]
            null = " | ".join(f"(({name} := {source}) is None)" for name, source in bound)
            tests.append(NullTest(f"({null})", f"not ({null})"))
            return [name for name, _ in bound]
        first = self.given(risky[0], tests)
        if any(part.nullable for part in parts if part is not risky[0]):
            first = self._bound(first, tests)
        return [first if part is risky[0] else self.given(part, tests) for part in parts]

    def _bound(self, source: str, tests: list[NullTest]) -> str:
        name = self.temporary()
        tests.append(NullTest(f"({name} := {source}) is None", f"({name} := {source}) is not None"))
        return name

    def _test_strict(self, node: Node, *, wanted: bool) -> str:
        if wanted and _is_same_as_constant(node):
            # `None == 'x'` and `None in {...}` are False already.
            return self._combine(node, [self.value(child) for child in node.children])
        tests: list[NullTest] = []
        operands = self._operands(node, tests)
        if isinstance(node, Compare) and not wanted:
            source = f"({operands[0]} {_OPPOSITES[node.op]} {operands[1]})"
        else:
            source = self._combine(node, operands)
            source = source if wanted else f"(not {source})"
        if not tests:
            return source
        return f"({' and '.join(test.given for test in tests)} and {source})"

    def _combine(self, node: Node, operands: list[str]) -> str:
        """Return an operator or function applied to operands of which none is NULL."""
        match node:
            case Compare():
                return f"({operands[0]} {_OPERATORS[node.op]} {operands[1]})"
            case OneOf():
                return f"({operands[0]} in {_set_of(node.values)})"
            case Between():
                return self._between(node, operands)
            case Not():
                return f"(not {operands[0]})"
            case Sum():
                return self._sum(node, operands)
            case Product():
                return self._product(node, operands)
            case Call():
                return self._call(node, operands)
        raise TypeError(f"{type(node).__name__} is not an operator")

    def _between(self, node: Between, operands: list[str]) -> str:
        value, low, high = operands
        if not node.high.unknowable:
            return f"({low} <= {value} <= {high})"
        # Python would not look at the upper limit of what is below the lower one.
        name = self.temporary()
        return f"(({low} <= ({name} := {value})) & ({name} <= {high}))"

    def _sum(self, node: Sum, operands: list[str]) -> str:
        signed = zip(node.signs, operands, strict=True)
        source = "".join(f" {'+' if sign > 0 else '-'} {operand}" for sign, operand in signed)
        source = f"({source.removeprefix(' + ').removeprefix(' ')})"
        return self._checked(source, node) if node.checked else source

    def _product(self, node: Product, operands: list[str]) -> str:
        source = f"({operands[0]} * {operands[1]})"
        if node.scaled:
            name, half = self.temporary(), DECIMAL_ONE // 2
            source = (
                f"(({name} + {half}) // {DECIMAL_ONE} if ({name} := {source}) >= 0 "
                f"else -(({half} - {name}) // {DECIMAL_ONE}))"
            )
        return self._checked(source, node) if node.checked else source

    def _checked(self, source: str, node: Node) -> str:
        low, high = bounds_of(node.type) or (INT_MIN, INT_MAX)
        name = self.temporary()
        return f"({name} if {low} <= ({name} := {source}) <= {high} else k_overflow())"

    # -- functions ------------------------------------------------------------------------------

    def _call(self, node: Call, operands: list[str]) -> str:
        source = self._applied(node, operands)
        checks_itself = node.function in {"ratio", "round", "local_date"}
        return self._checked(source, node) if node.checked and not checks_itself else source

    def _applied(self, node: Call, operands: list[str]) -> str:
        """Return a function applied to arguments of which none is NULL."""
        on_dates = bool(node.arguments) and node.arguments[0].type.kind == "date"
        match node.function, operands:
            case "abs", [value]:
                return f"abs({value})"
            case "decimal", [value]:
                return f"({value} * {DECIMAL_ONE})"
            case "round", [value, *_]:
                return self._round(node, value)
            case ("least" | "greatest" | "ratio") as name, _:
                return f"{_RENAMED[name]}({', '.join(operands)})"
            case "contains", [value, part]:
                return f"({part} in {value})"
            case "starts_with", [value, part]:
                return f"{value}.startswith({part})"
            case ("year" | "month" | "day") as name, [value]:
                return f"({_PART_OF_DATE[name].format(value)})"
            case ("add_days" | "add_hours" | "add_minutes") as name, [value, count]:
                return (
                    f"({value} + {count})"
                    if on_dates
                    else (f"({value} + {count} * {UNIT_OF[name]})")
                )
        return self._timed(node, operands, on_dates=on_dates)

    def _timed(self, node: Call, operands: list[str], *, on_dates: bool) -> str:
        """Return a function of now or of the customer's zone."""
        now, today = self.now, f"k_local_date({self.zone}, {self.now})"
        unit = UNIT_OF.get(node.function, 1)
        match node.function, operands:
            case "local_today", []:
                return today
            case ("local_date" | "local_hour" | "local_weekday") as name, _:
                return f"k_{name}({self.zone}, {operands[0] if operands else now})"
            case "years_since", [value]:
                return f"k_years_between({value}, {today})"
            case "days_between", [start, end]:
                return f"({end} - {start})" if on_dates else f"(({end} - {start}) // {unit})"
            case ("days_since" | "days_until") as name, [value] if on_dates:
                return f"({today} - {value})" if name == "days_since" else f"({value} - {today})"
            case name, [value] if name.endswith("_since"):
                return f"(({now} - {value}) // {unit})"
            case name, [value] if name.endswith("_until"):
                return f"(({value} - {now}) // {unit})"
        raise TypeError(f"{node.function} is not a function")

    def _round(self, node: Call, value: str) -> str:
        unit = rounding_unit(node.type, digits_of(node.arguments))
        return f"k_round_to({value}, {unit})" if unit > 1 else value

    # -- the rest: what can give a value although an operand is NULL ------------------------------

    def _literal(self, node: Literal) -> str:
        return _constant(node.value)

    def _named(self, node: FactRef | FieldRef) -> str:
        name = node.name if isinstance(node, FactRef) else f"{node.space}.{node.name}"
        return self.names.values[name]

    def _row_field(self, node: RowField) -> str:
        return f"{ROW}[{self.names.fields[node.object][node.name]}]"

    def _chain(self, node: And | Or) -> str:
        """Return AND or OR in three-valued logic, stopping at the first operand that settles it."""
        word, settles = ("and", "False") if isinstance(node, And) else ("or", "True")
        if not node.nullable:
            return f"({f' {word} '.join(self.value(operand) for operand in node.operands)})"
        settled: list[str] = []
        unsure: list[str] = []
        for operand in node.operands:
            source = self.value(operand)
            if not operand.nullable:
                settled.append(f"not {source}" if word == "and" else source)
                continue
            name = source
            if not isinstance(operand, FactRef | FieldRef | RowField | Literal):
                name = self.temporary()
                source = f"({name} := {source})"
            settled.append(f"{source} is {settles}")
            unsure.append(f"{name} is None")
        otherwise = "True" if word == "and" else "False"
        return (
            f"({settles} if {' or '.join(settled)} "
            f"else None if {' or '.join(unsure)} else {otherwise})"
        )

    def _test_chain(self, node: And | Or, *, wanted: bool) -> str:
        """Return whether AND or OR is true (or false).

        AND is false, and OR is true, as soon as one operand is. To be true, or false, all must be;
        Python then stops at a NULL where the language would go on and may find an unknown.
        """
        parts = [self.test(operand, wanted=wanted) for operand in node.operands]
        if wanted is isinstance(node, Or):
            return f"({' or '.join(parts)})"
        first_null = next((i for i, part in enumerate(node.operands) if part.nullable), None)
        if first_null is None or not any(x.unknowable for x in node.operands[first_null + 1 :]):
            return f"({' and '.join(parts)})"
        return f"({self._chain(node)} is {wanted})"

    def _is_null(self, node: IsNull) -> str:
        return f"({self.value(node.operand)} is None)"

    def _coalesce(self, node: Coalesce) -> str:
        *first, last = node.operands
        source = ""
        for operand in first:
            value = self.value(operand)
            name = value
            if not isinstance(operand, FactRef | FieldRef | RowField | Literal):
                name = self.temporary()
                value = f"({name} := {value})"
            source += f"{name} if {value} is not None else "
        return f"({source}{self.value(last)})"

    def _case(self, node: Case, write: Callable[[Node], str] | None = None) -> str:
        write = write or self.value
        branches = "".join(
            f"{write(branch.then)} if {self.test(branch.when)} else " for branch in node.branches
        )
        return f"({branches}{write(node.otherwise)})"

    def _loose_between(self, node: Between) -> str:
        return f"k_between({', '.join(self.value(child) for child in node.children)})"

    def _loose_call(self, node: Call) -> str:
        """Return a function whose result is not simply NULL where an argument is."""
        if node.function == "ratio":
            tests: list[NullTest] = []
            source = self._call(node, self._operands(node, tests))
            if not tests:
                return source
            return f"(None if {' or '.join(test.null for test in tests)} else {source})"
        return f"k_{node.function}({', '.join(self.value(part) for part in node.arguments)})"

    # -- aggregates -------------------------------------------------------------------------------

    def _exists(self, node: Aggregate) -> str:
        """Return a source that is truthy where there is such an object."""
        rows = self.names.rows[node.object]
        if node.predicate is None:
            return rows
        return f"({rows} and [1 for {ROW} in {rows} if {self.test(node.predicate)}])"

    def _aggregate(self, node: Aggregate) -> str:
        rows = self.names.rows[node.object]
        if node.function == "exists":
            return f"(True if {self._exists(node)} else False)"
        condition = [] if node.predicate is None else [self.test(node.predicate)]
        if node.value is None:
            if not condition:
                return f"len({rows})"
            return f"(len([1 for {ROW} in {rows} if {condition[0]}]) if {rows} else 0)"
        tests: list[NullTest] = []
        value = self.given(node.value, tests)
        condition += [test.given for test in tests]
        where = f" if {' and '.join(condition)}" if condition else ""
        values = f"[{value} for {ROW} in {rows}{where}]"
        if node.function == "sum":
            return self._checked(f"sum({values})", node)
        return f"{node.function}({values}, default=None)"

    def temporary(self) -> str:
        """Return a fresh name for a value that is needed twice."""
        self._temporaries += 1
        return f"k_{self._temporaries}"

    _VALUES: ClassVar[Mapping[type[Node], Callable[..., str]]] = {
        Literal: _literal,
        FactRef: _named,
        FieldRef: _named,
        RowField: _row_field,
        And: _chain,
        Or: _chain,
        IsNull: _is_null,
        Coalesce: _coalesce,
        Case: _case,
        Between: _loose_between,
        Call: _loose_call,
        Aggregate: _aggregate,
    }


_RENAMED: Final = {"least": "min", "greatest": "max", "ratio": "k_ratio"}
_PART_OF_DATE: Final = {
    "year": "k_date_number({}) // 10000",
    "month": "k_date_number({}) // 100 % 100",
    "day": "k_date_number({}) % 100",
}


def _is_strict(node: Node) -> bool:
    """Return whether a node is NULL exactly where one of its operands is."""
    match node:
        case Compare() | OneOf() | Sum() | Product() | Not():
            return True
        case Between():
            return not node.low.nullable and not node.high.nullable
        case Call(function="least" | "greatest"):
            return not any(argument.nullable for argument in node.arguments)
        case Call(function="ratio"):
            return node.nullable == any(argument.nullable for argument in node.arguments) and (
                not node.nullable or _never_zero(node.arguments[1])
            )
        case Call():
            return True
    return False


def _never_zero(node: Node) -> bool:
    low, high = node.bounds or (0, 0)
    return low > 0 or high < 0


def _is_same_as_constant(node: Node) -> bool:
    """Return whether a node asks if a name is equal to, or one of, constants that are not NULL."""
    if isinstance(node, Compare):
        constant = isinstance(node.right, Literal) and not node.right.nullable
        return node.op == "=" and constant and isinstance(node.left, FactRef | FieldRef | RowField)
    return isinstance(node, OneOf) and isinstance(node.operand, FactRef | FieldRef | RowField)


def _constant(value: Scalar) -> str:
    """Return a constant; ASCII only, so that no invisible letter hides in generated source."""
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return f"({value})"
    return ascii(value)


def _set_of(values: tuple[Scalar, ...]) -> str:
    return "{" + ", ".join(_constant(value) for value in values) + "}"
