"""Replaces what is constant by its value, so that nothing is computed twice."""

from kept.core.policy.evaluate import UNKNOWN, Row, compile_expression
from kept.core.policy.literals import Wrong, constant
from kept.core.policy.tree import (
    Between,
    Call,
    Compare,
    Expression,
    IsNull,
    Literal,
    Node,
    Not,
    OneOf,
    Product,
    Sum,
    needs_zone,
)

_FOLDED = (Between, Call, Compare, IsNull, Not, OneOf, Product, Sum)


def fold(node: Node) -> Node | Wrong:
    """Return a node, or its value where all its operands are constant."""
    if not isinstance(node, _FOLDED):
        return node
    if node.timed or not all(isinstance(child, Literal) for child in node.children):
        return node
    if isinstance(node, Call) and needs_zone(node.function, node.arguments):
        return node
    value = compile_expression(Expression(text="", root=node))(Row())
    if value is UNKNOWN:
        return Wrong(message=f"this constant does not fit the type {node.type}")
    return constant(value, of=node.type)
