"""Conditions that are always false, always true, or never reached because another comes first."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from kept.core.check.lifting import may_fall, motion_of
from kept.core.check.report import Report
from kept.core.policy.tree import And, Between, Compare, Literal, Node, OneOf, Or
from kept.core.policy.types import Scalar

Range: TypeAlias = tuple[float, float]

_EVERYTHING: Final[Range] = (float("-inf"), float("inf"))
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


def check_reach(report: Report) -> None:
    """Report actions, cohorts and segments that nobody is ever in, and holds that never end."""
    for name in report.brand.actions:
        file = report.positions.file_of("action", name)
        expression = report.expressions.get((file, ("when",)))
        if expression is not None and is_never(expression.root):
            message = f"`{name}` is unreachable: its condition is always false"
            report.error(file, ("when",), message, "mend the condition, or remove the action")
    _check_cohorts(report)
    _check_holds(report)


def _check_cohorts(report: Report) -> None:
    earlier: list[tuple[str, Node]] = []
    for key in ("cohorts", "segments"):
        for name in getattr(report.brand.cohorts, key):
            place = ("cohorts.yaml", (key, name, "when"))
            expression = report.expressions.get(place)
            if expression is None:
                continue
            root = expression.root
            if is_never(root):
                message = f"nobody is ever in `{name}`: its condition is always false"
                report.error(*place, message, "mend the condition, or remove it")
            elif key == "cohorts":
                for other, condition in earlier:
                    if implies(root, condition):
                        message = f"nobody is ever in `{name}`: whoever could be is in `{other}`"
                        suggestion = f"put it before `{other}`, or ask for something else"
                        report.error(*place, message, suggestion)
                        break
                earlier.append((name, root))


def _check_holds(report: Report) -> None:
    brand = report.brand
    for name, hold in brand.contact.holds.items():
        place = ("contact.yaml", ("holds", name, "while"))
        expression = report.expressions.get(place)
        if expression is None:
            continue
        if is_never(expression.root):
            message = f"`{name}` never holds: its condition is always false"
            report.error(*place, message, "mend the condition, or remove the hold")
        elif not may_fall(expression.root, motion_of(brand, about=hold.about)):
            message = f"`{name}` can never be lifted: no event and no time makes it false again"
            suggestion = "add an event that ends it, or an end in time: days_since(...) < 7"
            report.error(*place, message, suggestion, rests_on=[("facts.yaml", ())])


def is_never(node: Node) -> bool:
    """Return whether a condition can never be true, as far as that is plain to see."""
    match node:
        case Literal():
            return node.value is not True
        case And():
            return any(map(is_never, node.operands)) or _is_contradiction(node)
        case Or():
            return all(map(is_never, node.operands))
        case Compare() | Between():
            return any(low > high for low, high in _overlaps(node))
    return False


def _overlaps(node: Compare | Between) -> list[Range]:
    """Return what is left of the range of a value once a comparison holds."""
    found = []
    for operand, wanted in _demands(node):
        low, high = operand.bounds or _EVERYTHING
        found.append((max(low, wanted[0]), min(high, wanted[1])))
    return found


def _demands(node: Node) -> list[tuple[Node, Range]]:
    """Return which values of which operand satisfy a comparison with numbers."""
    if isinstance(node, Between):
        low, high = _number(node.low), _number(node.high)
        if low is None and high is None:
            return []
        wanted = (_EVERYTHING[0] if low is None else low, _EVERYTHING[1] if high is None else high)
        return [(node.operand, wanted)]
    if not isinstance(node, Compare):
        return []
    found = []
    for operand, other, op in (
        (node.left, node.right, node.op),
        (node.right, node.left, _TURNED[node.op]),
    ):
        if other.bounds is not None and op != "<>" and not isinstance(operand, Literal):
            found.append((operand, _wanted(op, other.bounds)))
    return found


def _wanted(op: str, bounds: tuple[int, int]) -> Range:
    """Return the range of a value that compares so with another between these bounds."""
    low, high = bounds
    match op:
        case "<":
            return _EVERYTHING[0], high - 1
        case "<=":
            return _EVERYTHING[0], high
        case ">":
            return low + 1, _EVERYTHING[1]
        case ">=":
            return low, _EVERYTHING[1]
    return low, high


def _number(node: Node) -> int | None:
    is_number = isinstance(node, Literal) and node.bounds is not None
    return node.bounds[0] if is_number and node.bounds is not None else None


def _is_contradiction(node: And) -> bool:
    """Return whether two parts of an AND ask one value for what it cannot be at once."""
    ranges: dict[Node, Range] = {}
    constants: dict[Node, frozenset[Scalar]] = {}
    for operand in node.operands:
        for value, wanted in _demands(operand):
            low, high = ranges.get(value, _EVERYTHING)
            ranges[value] = (max(low, wanted[0]), min(high, wanted[1]))
        for value, allowed in _allowed(operand).items():
            constants[value] = constants.get(value, allowed) & allowed
    return any(low > high for low, high in ranges.values()) or not all(constants.values())


def _allowed(node: Node) -> Mapping[Node, frozenset[Scalar]]:
    """Return which constants a value must be one of for a condition to hold."""
    if isinstance(node, OneOf):
        return {node.operand: frozenset(node.values)}
    if isinstance(node, Compare) and node.op == "=":
        if isinstance(node.right, Literal):
            return {node.left: frozenset({node.right.value})}
        if isinstance(node.left, Literal):
            return {node.right: frozenset({node.left.value})}
    return {}


def implies(node: Node, other: Node) -> bool:
    """Return whether the other condition holds whenever this one does, as far as is plain."""
    if node == other or _is_always(other):
        return True
    if isinstance(other, And):
        return all(implies(node, operand) for operand in other.operands)
    if isinstance(node, Or):
        return all(implies(operand, other) for operand in node.operands)
    if isinstance(other, Or) and any(implies(node, operand) for operand in other.operands):
        return True
    if isinstance(node, And):
        return any(implies(operand, other) for operand in node.operands)
    return _is_within(node, other)


def _is_always(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is True


def _is_within(node: Node, other: Node) -> bool:
    """Return whether one comparison asks of a value for no more than another one does."""
    allowed, also = _allowed(node), _allowed(other)
    if allowed and also:
        return all(value in allowed and allowed[value] <= also[value] for value in also)
    asked = _literal_demands(node)
    return any(
        value in asked and wanted[0] <= asked[value][0] and asked[value][1] <= wanted[1]
        for value, wanted in _literal_demands(other).items()
    )


def _literal_demands(node: Node) -> dict[Node, Range]:
    """Return what a comparison with constants, and nothing else, asks of a value."""
    if isinstance(node, Compare) and not isinstance(node.left, Literal):
        return dict(_demands(node)[:1]) if isinstance(node.right, Literal) else {}
    if isinstance(node, Compare):
        return dict(_demands(node)[-1:])
    if isinstance(node, Between) and None not in {_number(node.low), _number(node.high)}:
        return dict(_demands(node))
    return {}
