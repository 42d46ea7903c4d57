"""The source of operators and functions whose operands are known not to be NULL.

`to_python` sees to NULL and decides in which order operands are computed; here is what is then done
with them. Every source stands in parentheses, or is a call, so that it can be an operand as it is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kept.core.policy.build import UNIT_OF, digits_of, rounding_unit
from kept.core.policy.tree import (
    Between,
    Call,
    Compare,
    Comparison,
    Literal,
    Node,
    Not,
    OneOf,
    Product,
    Sum,
    mirrored,
)
from kept.core.policy.types import DECIMAL_ONE, INT_MAX, INT_MIN, Scalar, bounds_of

_OPERATORS: Final[Mapping[Comparison, str]] = {
    "=": "==",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_OPPOSITES: Final[Mapping[Comparison, Comparison]] = {
    "=": "<>",
    "<>": "=",
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
}
_CALLED: Final = {
    "abs": "abs",
    "greatest": "max",
    "least": "min",
    "local_date": "k_local_date",
    "local_hour": "k_local_hour",
    "local_weekday": "k_local_weekday",
    "ratio": "k_ratio",
}
_CHECK_THEMSELVES: Final = frozenset({"ratio", "round", "local_date"})
_FORMS: Final = {
    "contains": "({1} in {0})",
    "starts_with": "{0}.startswith({1})",
    "decimal": f"({{0}} * {DECIMAL_ONE})",
    "year": "(k_date_number({0}) // 10000)",
    "month": "(k_date_number({0}) // 100 % 100)",
    "day": "(k_date_number({0}) % 100)",
}


class OperatorWriter:
    """Writes operators; knows how now and the zone are called, and where to get fresh names."""

    def __init__(self, *, now: str, zone: str, temporary: Callable[[], str]) -> None:
        self.now = now
        self.today = f"k_local_date({zone}, {now})"
        self.zone = zone
        self.temporary = temporary

    def apply(self, node: Node, operands: Sequence[str], *, negated: bool = False) -> str:
        """Return a node applied to the sources of its `parts_of`; a condition may be negated."""
        if isinstance(node, Compare):
            op = _OPPOSITES[node.op] if negated else node.op
            return self._compare(node, op, operands)
        source = self._apply(node, operands)
        return f"(not {source})" if negated else source

    def _apply(self, node: Node, operands: Sequence[str]) -> str:
        match node:
            case OneOf(values=(value,)):
                return f"({operands[0]} == {write_constant(value)})"
            case OneOf():
                return f"({operands[0]} in {_set_of(node.values)})"
            case Between():
                return self._between(node, operands)
            case Sum():
                source = self._sum(node, operands)
            case Product():
                source = self._product(node, operands)
            case Call():
                source = self._call(node, operands)
                if node.function in _CHECK_THEMSELVES:
                    return source
            case _:
                return f"(not {operands[0]})"
        return self.check(source, node) if node.checked else source

    def check(self, source: str, node: Node) -> str:
        """Return a number, or the discovery that it does not fit the type of its node."""
        low, high = bounds_of(node.type) or (INT_MIN, INT_MAX)
        name = self.temporary()
        return f"({name} if {low} <= ({name} := {source}) <= {high} else k_overflow())"

    # -- comparisons ------------------------------------------------------------------------------

    def _compare(self, node: Compare, op: Comparison, operands: Sequence[str]) -> str:
        counted = _counted(node)
        if counted is None:
            return f"({operands[0]} {_OPERATORS[op]} {operands[1]})"
        clock, step = counted
        if isinstance(node.left, Literal):
            op = mirrored(op)
        length, unit = self._length(clock, operands), UNIT_OF[clock.function]
        # So many whole units have passed as soon as so many microseconds have: no division.
        match op:
            case ">=" | "<":
                return f"({length} {op} {step * unit})"
            case ">" | "<=":
                return f"({length} {'>=' if op == '>' else '<'} {(step + 1) * unit})"
        source = f"({step * unit} <= {length} < {(step + 1) * unit})"
        return source if op == "=" else f"(not {source})"

    def _between(self, node: Between, operands: Sequence[str]) -> str:
        clock = node.operand
        if parts_of(node) != node.children and isinstance(clock, Call):
            unit = UNIT_OF[clock.function]
            low, high = _constant(node.low), _constant(node.high)
            return f"({low * unit} <= {self._length(clock, operands)} < {(high + 1) * unit})"
        value, low_source, high_source = operands
        if not node.high.unknowable:
            return f"({low_source} <= {value} <= {high_source})"
        # Python would not look at the upper limit of what is below the lower one.
        name = self.temporary()
        return f"(({low_source} <= ({name} := {value})) & ({name} <= {high_source}))"

    # -- numbers ----------------------------------------------------------------------------------

    def _sum(self, node: Sum, operands: Sequence[str]) -> str:
        signed = zip(node.signs, operands, strict=True)
        source = "".join(f" {'+' if sign > 0 else '-'} {operand}" for sign, operand in signed)
        return f"({source.removeprefix(' + ').removeprefix(' ')})"

    def _product(self, node: Product, operands: Sequence[str]) -> str:
        source, unit = f"({operands[0]} * {operands[1]})", DECIMAL_ONE
        if not node.scaled:
            return source
        for factor, other in ((node.left, operands[1]), (node.right, operands[0])):
            if isinstance(factor, Literal) and factor.value and factor.type.kind == "decimal":
                # 0.8 is 4 fifths: smaller numbers are quicker, and give the same.
                shared = math.gcd(_constant(factor), DECIMAL_ONE)
                source = f"({_constant(factor) // shared} * {other})"
                unit = DECIMAL_ONE // shared
                break
        if unit == 1:
            return source
        name, half = self.temporary(), unit // 2
        return (
            f"(({name} + {half}) // {unit} if ({name} := {source}) >= 0 "
            f"else -(({half} - {name}) // {unit}))"
        )

    # -- functions --------------------------------------------------------------------------------

    def _call(self, node: Call, operands: Sequence[str]) -> str:
        form = _FORMS.get(node.function)
        if form is not None:
            return form.format(*operands)
        if node.function == "round":
            unit = rounding_unit(node.type, digits_of(node.arguments))
            return f"k_round_to({operands[0]}, {unit})" if unit > 1 else operands[0]
        called = _CALLED.get(node.function)
        if called is None:
            return self._time(node, operands)
        if node.function.startswith("local_"):
            operands = [self.zone, *(operands or [self.now])]
        return f"{called}({', '.join(operands)})"

    def _time(self, node: Call, operands: Sequence[str]) -> str:
        """Return a date or an instant that is moved, or a length of time."""
        on_dates = bool(node.arguments) and node.arguments[0].type.kind == "date"
        if node.function.startswith("add_"):
            unit = 1 if on_dates else UNIT_OF[node.function]
            return f"({operands[0]} + {operands[1]} * {unit})"
        match node.function:
            case "local_today":
                return self.today
            case "years_since":
                return f"k_years_between({operands[0]}, {self.today})"
        length = self._length(node, operands, now=self.today if on_dates else self.now)
        return length if on_dates else f"({length} // {UNIT_OF[node.function]})"

    def _length(self, clock: Call, operands: Sequence[str], *, now: str = "") -> str:
        now = now or self.now
        if clock.function == "days_between":
            return f"({operands[1]} - {operands[0]})"
        if clock.function.endswith("_since"):
            return f"({now} - {operands[0]})"
        return f"({operands[0]} - {now})"


def parts_of(node: Node) -> tuple[Node, ...]:
    """Return what `apply` needs the sources of: the operands, or what they are lengths between."""
    if isinstance(node, Compare):
        counted = _counted(node)
        return node.children if counted is None else counted[0].arguments
    if isinstance(node, Between) and _is_count(node.operand):
        limits = (node.low, node.high)
        if all(isinstance(limit, Literal) and limit.value is not None for limit in limits):
            return node.operand.children
    return node.children


def is_strict(node: Node) -> bool:
    """Return whether a node is NULL exactly where one of its operands is."""
    match node:
        case Compare() | OneOf() | Sum() | Product() | Not():
            return True
        case Between():
            return not node.low.nullable and not node.high.nullable
        case Call(function="least" | "greatest"):
            return not any(argument.nullable for argument in node.arguments)
        case Call(function="ratio"):
            low, high = node.arguments[1].bounds or (0, 0)
            return low > 0 or high < 0
        case Call():
            return True
    return False


def write_constant(value: Scalar) -> str:
    """Return a constant; ASCII only, so that no invisible letter hides in generated source."""
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return f"({value})"
    return ascii(value)


def _set_of(values: Sequence[Scalar]) -> str:
    return "{" + ", ".join(write_constant(value) for value in values) + "}"


def _constant(node: Node) -> int:
    return node.value if isinstance(node, Literal) and isinstance(node.value, int) else 0


def _is_count(node: Node) -> bool:
    """Return whether a node counts whole units of time between two instants."""
    if not isinstance(node, Call) or node.function not in UNIT_OF:
        return False
    return node.type.kind == "int" and node.arguments[0].type.kind == "timestamp"


def _counted(node: Compare) -> tuple[Call, int] | None:
    """Return the count of time that a comparison compares with a constant, and that constant."""
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(side, Call) and _is_count(side) and isinstance(other, Literal):
            return (side, _constant(other)) if other.value is not None else None
    return None
