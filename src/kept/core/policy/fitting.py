"""Which constants take the type of their place.

There are no casts. But `1` is as good a decimal as `1.0`, `0` is nothing in every currency, and
NULL has no type of its own; so these constants, and only constants, become what they stand beside.
"""

from collections.abc import Sequence

from kept.core.policy.functions import Function, Parameter, Signature, forms_of
from kept.core.policy.literals import Wrong, constant
from kept.core.policy.tree import Literal, Node
from kept.core.policy.types import (
    DECIMAL_DIGITS,
    DECIMAL_ONE,
    INT_MAX,
    NULL,
    Type,
    parse_type,
)

_OPEN: tuple[Parameter, ...] = ("any", "number", "money")
_NUMBERS = ("int", "decimal", "money")


def fit(node: Node, to: Type) -> Node | None:
    """Return a node as a value of a type, or `None` if it is not one."""
    if node.type == to:
        return node
    if not isinstance(node, Literal):
        return None
    if node.type == NULL:
        return constant(None, of=to)
    if node.type.kind != "int" or not isinstance(node.value, int):
        return None
    if to.kind == "decimal" and abs(node.value) <= INT_MAX // DECIMAL_ONE:
        return constant(node.value * DECIMAL_ONE, of=to)
    if to.kind == "money" and node.value == 0:
        return constant(0, of=to)
    return None


def fit_together(nodes: Sequence[Node]) -> list[Node] | None:
    """Return some nodes as values of one type, or `None` if they have no type in common."""
    settled = [node for node in nodes if not isinstance(node, Literal)]
    constants = [node for node in nodes if isinstance(node, Literal) and node.type != NULL]
    # A decimal or an amount decides over an int beside it, a variable over any constant.
    constants.sort(key=lambda node: node.type.kind == "int")
    first = next(iter([*settled, *constants]), None)
    if first is None:
        return None
    fitted = [fit(node, first.type) for node in nodes]
    return [node for node in fitted if node is not None] if None not in fitted else None


def fit_arguments(function: Function, arguments: Sequence[Node]) -> tuple[list[Node], Type] | Wrong:
    """Return the arguments of a function as it takes them, with the type of its result."""
    for signature in function.signatures:
        fitted = _fit_signature(signature, arguments)
        if fitted is not None:
            return fitted
    given = ", ".join("NULL" if node.type == NULL else str(node.type) for node in arguments)
    return Wrong(
        message=f"{function.name} does not take ({given})",
        suggestion=f"write {' or '.join(forms_of(function))}{_alike(function)}",
    )


def _fit_signature(
    signature: Signature, arguments: Sequence[Node]
) -> tuple[list[Node], Type] | None:
    """Return arguments and result by one signature, or `None` where they do not fit it."""
    parameters = list(signature.parameters)
    if signature.repeated:
        parameters += parameters[-1:] * (len(arguments) - len(parameters))
    if len(parameters) != len(arguments):
        return None
    together = [node for kind, node in zip(parameters, arguments, strict=True) if kind in _OPEN]
    common = fit_together(together) if together else []
    if common is None or not all(
        _is_open_to(kind, common[0].type) for kind in parameters if common
    ):
        return None
    waiting = iter(common)
    fitted: list[Node | None] = [
        next(waiting) if kind in _OPEN else _fit_fixed(node, kind)
        for kind, node in zip(parameters, arguments, strict=True)
    ]
    result = common[0].type if signature.result in _OPEN else parse_type(signature.result)
    kept = [node for node in fitted if node is not None]
    return (kept, result) if len(kept) == len(fitted) else None


def _is_open_to(kind: Parameter, found: Type) -> bool:
    match kind:
        case "number":
            return found.kind in _NUMBERS
        case "money":
            return found.kind == "money"
    return True


def _fit_fixed(node: Node, kind: Parameter) -> Node | None:
    if node.type == NULL:
        return None
    if kind != "digits":
        return fit(node, parse_type(kind))
    if isinstance(node, Literal) and isinstance(node.value, int) and node.type.kind == "int":
        return node if 0 <= node.value <= DECIMAL_DIGITS else None
    return None


def _alike(function: Function) -> str:
    """Return what is to be added where arguments of any type must be of the same."""
    several = any(
        sum(kind in {"any", "number"} for kind in signature.parameters) > 1
        for signature in function.signatures
    )
    return ", all of one type" if several else ""
