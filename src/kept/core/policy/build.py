"""Makes the nodes of a checked expression, and works out what is known of their values.

The kinds of the operands are the checker's business; here they are right already. What is worked
out is whether a value may be NULL or unknown, whether it changes with time, and between which
bounds it lies, so that both compilers leave out the checks that cannot fail.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias
from typing import Literal as OneLiteral

from kept.core.policy.literals import FALSE, TRUE
from kept.core.policy.tree import (
    Aggregate,
    And,
    Between,
    Branch,
    Call,
    Case,
    Coalesce,
    Compare,
    Comparison,
    IsNull,
    Literal,
    Node,
    Not,
    OneOf,
    Or,
    Product,
    Sum,
    meets_now,
    needs_zone,
)
from kept.core.policy.types import (
    BOOL,
    DATE_MAX,
    DATE_MIN,
    DECIMAL_DIGITS,
    DECIMAL_ONE,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    Scalar,
    Type,
    bounds_of,
    currency_digits,
)
from kept.core.values import DAY, HOUR, MINUTE

Bounds: TypeAlias = tuple[int, int]
Sign: TypeAlias = OneLiteral[1, -1]

UNIT_OF: Final = {
    "days_since": DAY,
    "days_until": DAY,
    "days_between": DAY,
    "add_days": DAY,
    "hours_since": HOUR,
    "hours_until": HOUR,
    "add_hours": HOUR,
    "minutes_since": MINUTE,
    "minutes_until": MINUTE,
    "add_minutes": MINUTE,
}
"""The length that a function of time counts in."""

OBJECTS_MAX: Final = 2**31
"""More objects of one kind than any customer has."""

_ALWAYS_BOUNDED: Final[dict[str, Bounds]] = {
    "local_hour": (0, 23),
    "local_weekday": (1, 7),
    "local_today": (DATE_MIN, DATE_MAX),
    "local_date": (DATE_MIN, DATE_MAX),
    "years_since": (-10_000, 10_000),
    "year": (1, 9999),
    "month": (1, 12),
    "day": (1, 31),
}


def not_(operand: Node) -> Node:
    """Return NOT of a condition."""
    if isinstance(operand, Not):
        return operand.operand
    return Not(type=BOOL, operand=operand, **_merged([operand]))


def and_(operands: Sequence[Node]) -> Node:
    """Return AND of some conditions; those that are always true are left out."""
    needed = tuple(operand for operand in operands if operand != TRUE)
    if len(needed) < 2:
        return needed[0] if needed else TRUE
    return And(type=BOOL, operands=needed, **_merged(needed))


def or_(operands: Sequence[Node]) -> Node:
    """Return OR of some conditions; those that are always false are left out."""
    needed = tuple(operand for operand in operands if operand != FALSE)
    if len(needed) < 2:
        return needed[0] if needed else FALSE
    return Or(type=BOOL, operands=needed, **_merged(needed))


def compare(op: Comparison, left: Node, right: Node) -> Node:
    """Return a comparison of two values of one type."""
    return Compare(type=BOOL, op=op, left=left, right=right, **_merged([left, right]))


def between(operand: Node, low: Node, high: Node) -> Node:
    """Return whether a value lies between two others, both included."""
    parts = [operand, low, high]
    return Between(type=BOOL, operand=operand, low=low, high=high, **_merged(parts))


def one_of(operand: Node, values: Sequence[Scalar]) -> Node:
    """Return whether a value is one of some constants."""
    values = tuple(dict.fromkeys(values))
    return OneOf(type=BOOL, operand=operand, values=values, **_merged([operand]))


def is_null(operand: Node) -> Node:
    """Return whether a value is NULL."""
    if not operand.nullable and not operand.unknowable:
        return FALSE
    known = _merged([operand]) | {"nullable": False}
    return IsNull(type=BOOL, operand=operand, **known)


def coalesce(operands: Sequence[Node], *, of: Type) -> Node:
    """Return the first of some values of one type that is not NULL."""
    operands = [operand for operand in operands if not is_none(operand)] or operands[-1:]
    first = next((at for at, operand in enumerate(operands) if not operand.nullable), None)
    needed = tuple(operands if first is None else operands[: first + 1])
    if len(needed) == 1:
        return needed[0]
    known = _merged(needed) | {"nullable": first is None}
    return Coalesce(type=of, operands=needed, bounds=_hull(needed), **known)


def case(branches: Sequence[Branch], otherwise: Node, *, of: Type) -> Node:
    """Return CASE with branches whose values are of one type; constant conditions are settled."""
    kept: list[Branch] = []
    for branch in branches:
        if not isinstance(branch.when, Literal):
            kept.append(branch)
        elif branch.when.value:
            otherwise = branch.then
            break
    if not kept:
        return otherwise
    branches = kept
    values = [*(branch.then for branch in branches), otherwise]
    known = _merged([*values, *(branch.when for branch in branches)])
    known["nullable"] = any(value.nullable for value in values)
    return Case(
        type=of, branches=tuple(branches), otherwise=otherwise, bounds=_hull(values), **known
    )


def negate(operand: Node) -> Node:
    """Return a number with the other sign."""
    return add([operand], [-1], of=operand.type)


def add(terms: Sequence[Node], signs: Sequence[Sign], *, of: Type) -> Node:
    """Return a sum of numbers of one type; sums within it become a part of it."""
    flat: list[tuple[Node, Sign]] = []
    for term, sign in zip(terms, signs, strict=True):
        if isinstance(term, Sum):
            inner = zip(term.terms, term.signs, strict=True)
            flat += [(part, 1 if own == sign else -1) for part, own in inner]
        else:
            flat.append((term, sign))
    lows = [_range(term)[0] if sign > 0 else -_range(term)[1] for term, sign in flat]
    highs = [_range(term)[1] if sign > 0 else -_range(term)[0] for term, sign in flat]
    checked, bounds = _within((sum(lows), sum(highs)), of)
    known = _merged([term for term, _ in flat])
    known["unknowable"] |= checked
    return Sum(
        type=of,
        terms=tuple(term for term, _ in flat),
        signs=tuple(sign for _, sign in flat),
        checked=checked,
        bounds=bounds,
        **known,
    )


def multiply(left: Node, right: Node, *, of: Type) -> Node:
    """Return the product of two numbers, rounded back where both count in millionths."""
    scaled = right.type.kind == "decimal" and left.type.kind != "int"
    scaled |= left.type.kind == "decimal" and right.type.kind != "int"
    corners = [a * b for a in _range(left) for b in _range(right)]
    exact = (min(corners), max(corners))
    if scaled:
        exact = (_rounded(exact[0], DECIMAL_ONE), _rounded(exact[1], DECIMAL_ONE))
    checked, bounds = _within(exact, of)
    known = _merged([left, right])
    known["unknowable"] |= checked
    return Product(
        type=of,
        left=left,
        right=right,
        checked=checked,
        scaled=scaled,
        bounds=bounds,
        **known,
    )


def aggregate(
    function: str, *, kind: str, value: Node | None, predicate: Node | None, of: Type
) -> Node:
    """Return an aggregate over the customer's objects of one kind."""
    known = _merged([part for part in (value, predicate) if part is not None])
    known["nullable"] = function in {"min", "max"}
    # A sum of objects is bounded by nothing, so it is always checked.
    known["unknowable"] |= function == "sum"
    bounds = value.bounds if value is not None and function != "sum" else bounds_of(of)
    if function == "count":
        bounds = (0, OBJECTS_MAX)
    return Aggregate(
        type=of,
        function=function,  # type: ignore[arg-type]
        object=kind,
        value=value,
        predicate=predicate,
        bounds=bounds,
        **known,
    )


def call(function: str, arguments: Sequence[Node], *, of: Type) -> Node:
    """Return a call of a function whose arguments fit."""
    known = _merged(arguments)
    known["timed"] |= meets_now(function, arguments)
    exact = _exact_bounds(function, arguments, of)
    checked, bounds = (False, None) if exact is None else _within(exact, of)
    if function in {"least", "greatest"}:
        known["nullable"] = all(argument.nullable for argument in arguments)
    elif function == "ratio":
        low, high = _range(arguments[1])
        known["nullable"] |= low <= 0 <= high
    elif function == "local_date":
        checked = True
    known["unknowable"] |= checked or needs_zone(function, arguments)
    return Call(
        type=of,
        function=function,
        arguments=tuple(arguments),
        checked=checked,
        bounds=bounds,
        **known,
    )


def rounding_unit(of: Type, digits: int) -> int:
    """Return what one step of so many digits is in a type's own units, at least 1."""
    own = currency_digits(of.currency) if of.kind == "money" else DECIMAL_DIGITS
    return int(10 ** max(own - digits, 0))


def _merged(parts: Sequence[Node]) -> dict[str, Any]:
    """Return what a value inherits that is NULL, unknown or timed where one of its parts is."""
    return {
        "nullable": any(part.nullable for part in parts),
        "unknowable": any(part.unknowable for part in parts),
        "timed": any(part.timed for part in parts),
    }


def _range(node: Node) -> Bounds:
    return node.bounds or bounds_of(node.type) or (0, 0)


def _hull(parts: Sequence[Node]) -> Bounds | None:
    """Return bounds that hold for all of some values."""
    if bounds_of(parts[0].type) is None:
        return None
    ranges = [_range(part) for part in parts if not is_none(part)] or [(0, 0)]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def is_none(node: Node) -> bool:
    """Return whether a node is the constant NULL."""
    return isinstance(node, Literal) and node.value is None


def _within(exact: Bounds, of: Type) -> tuple[bool, Bounds]:
    """Return whether values between such bounds may not fit a type, and the bounds that remain."""
    low, high = bounds_of(of) or exact
    fits = low <= exact[0] and exact[1] <= high
    return not fits, (min(max(exact[0], low), high), max(min(exact[1], high), low))


def _rounded(value: int, unit: int) -> int:
    count = (2 * abs(value) + unit) // (2 * unit)
    return count if value >= 0 else -count


def _exact_bounds(function: str, arguments: Sequence[Node], of: Type) -> Bounds | None:
    """Return the bounds of a function's result before they are fitted to its type."""
    if function in _ALWAYS_BOUNDED:
        return _ALWAYS_BOUNDED[function]
    if function in {"least", "greatest"}:
        return _bounds_of_extreme(function, arguments)
    if bounds_of(of) is None:
        return None
    low, high = _range(arguments[0])
    if function == "abs":
        highest = max(abs(low), abs(high))
        return (0 if low <= 0 <= high else min(abs(low), abs(high))), highest
    if function == "decimal":
        return low * DECIMAL_ONE, high * DECIMAL_ONE
    if function == "ratio":
        # A divisor is at least 1 in its own units, so the quotient is never farther from 0.
        farthest = max(abs(low), abs(high)) * DECIMAL_ONE
        return -farthest, farthest
    if function == "round":
        unit = rounding_unit(of, digits_of(arguments))
        return _rounded(low, unit) * unit, _rounded(high, unit) * unit
    return _bounds_of_time(function, arguments)


def _bounds_of_time(function: str, arguments: Sequence[Node]) -> Bounds:
    """Return the bounds of a length of time, or of an instant that is moved by one."""
    low, high = _range(arguments[0])
    if function == "days_between":
        start, end = _range(arguments[0]), _range(arguments[1])
        unit = DAY if arguments[0].type.kind == "timestamp" else 1
        return (end[0] - start[1]) // unit, (end[1] - start[0]) // unit
    unit = UNIT_OF[function] if arguments[0].type.kind == "timestamp" else 1
    first, last = (TIMESTAMP_MIN, TIMESTAMP_MAX) if unit > 1 else (DATE_MIN, DATE_MAX)
    if function.endswith("_since"):
        return (first - high) // unit, (last - low) // unit
    if function.endswith("_until"):
        return (low - last) // unit, (high - first) // unit
    fewest, most = _range(arguments[1])
    return low + fewest * unit, high + most * unit


def digits_of(arguments: Sequence[Node]) -> int:
    """Return the constant number of digits that `round` was given."""
    digits = arguments[1] if len(arguments) > 1 else None
    return digits.value if isinstance(digits, Literal) and isinstance(digits.value, int) else 0


def _bounds_of_extreme(function: str, arguments: Sequence[Node]) -> Bounds:
    """Return the bounds of the least or greatest value; an argument that is NULL may drop out.

    So does an unknown one, in SQL, where the whole is unknown in any case.
    """
    ranges = [_range(argument) for argument in arguments]
    lows, highs = [low for low, _ in ranges], [high for _, high in ranges]
    certain = [_range(each) for each in arguments if not each.nullable and not each.unknowable]
    if function == "greatest":
        return max((low for low, _ in certain), default=min(lows)), max(highs)
    return min(lows), min((high for _, high in certain), default=max(highs))
