"""A checked expression: our own small tree, in which every node knows its type and its limits.

Three questions are answered once, when a node is built, because both compilers need the answers:
may it be NULL, may it be *unknown* (a number too large for 64 bits, or local time without a time
zone), and does it change as time passes. `bounds` are the smallest and largest value it can have;
they show which additions need no check.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias
from typing import Literal as OneLiteral

import msgspec

from kept.core.policy.types import Scalar, Type

Comparison: TypeAlias = OneLiteral["=", "<>", "<", "<=", ">", ">="]


_MIRRORED: Final[dict[Comparison, Comparison]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def mirrored(op: Comparison) -> Comparison:
    """Return the comparison that holds with its sides exchanged."""
    return _MIRRORED.get(op, op)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """What every part of an expression has in common."""

    type: Type
    nullable: bool = False
    unknowable: bool = False
    """Whether evaluating it may find that its value cannot be known."""
    timed: bool = False
    """Whether its value changes as time passes."""
    bounds: tuple[int, int] | None = None

    @property
    def children(self) -> tuple["Node", ...]:
        """The parts that it is made of, from the left."""
        return ()


class Literal(Node, frozen=True, kw_only=True):
    """A constant."""

    value: Scalar


class FactRef(Node, frozen=True, kw_only=True):
    """A fact of the customer: a feature, a trait, the cohort."""

    name: str


class FieldRef(Node, frozen=True, kw_only=True):
    """A field of the object in play (`about.x`) or of another namespace (`offer.x`)."""

    space: str
    name: str


class RowField(Node, frozen=True, kw_only=True):
    """A field of the object that an aggregate is looking at."""

    object: str
    name: str


class Not(Node, frozen=True, kw_only=True):
    """NOT in three-valued logic."""

    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


class And(Node, frozen=True, kw_only=True):
    """AND in three-valued logic; it looks from the left and stops at the first false."""

    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


class Or(Node, frozen=True, kw_only=True):
    """OR in three-valued logic; it looks from the left and stops at the first true."""

    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


class Compare(Node, frozen=True, kw_only=True):
    """A comparison of two values of one type; NULL where either is NULL."""

    op: Comparison
    left: Node
    right: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """Both sides."""
        return (self.left, self.right)


class Between(Node, frozen=True, kw_only=True):
    """`operand >= low AND operand <= high`; unlike AND, it always looks at all three."""

    operand: Node
    low: Node
    high: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """The value and its limits."""
        return (self.operand, self.low, self.high)


class OneOf(Node, frozen=True, kw_only=True):
    """Whether a value is one of some constants, none of which is NULL."""

    operand: Node
    values: tuple[Scalar, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


class IsNull(Node, frozen=True, kw_only=True):
    """Whether a value is NULL; never NULL itself."""

    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


class Sum(Node, frozen=True, kw_only=True):
    """A sum of numbers, each with its sign; it is exact, and only its total must fit 64 bits."""

    terms: tuple[Node, ...]
    signs: tuple[OneLiteral[1, -1], ...]
    checked: bool
    """Whether the total may not fit."""

    @property
    def children(self) -> tuple[Node, ...]:
        """The terms."""
        return self.terms


class Product(Node, frozen=True, kw_only=True):
    """A product of two numbers; `scaled` where it must be rounded back to millionths."""

    left: Node
    right: Node
    checked: bool
    """Whether the product may not fit 64 bits."""
    scaled: bool

    @property
    def children(self) -> tuple[Node, ...]:
        """Both factors."""
        return (self.left, self.right)


class Call(Node, frozen=True, kw_only=True):
    """A function of the language, whose arguments fit one of its signatures."""

    function: str
    arguments: tuple[Node, ...]
    checked: bool = False
    """Whether the result may leave the bounds of its type."""

    @property
    def children(self) -> tuple[Node, ...]:
        """The arguments."""
        return self.arguments


class Coalesce(Node, frozen=True, kw_only=True):
    """The first operand that is not NULL; it looks no further than that one."""

    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One WHEN ... THEN ... of a CASE."""

    when: Node
    then: Node


class Case(Node, frozen=True, kw_only=True):
    """The value of the first branch whose condition is true; it looks no further."""

    branches: tuple[Branch, ...]
    otherwise: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """Conditions and values in order, then the ELSE."""
        parts: list[Node] = []
        for branch in self.branches:
            parts += (branch.when, branch.then)
        return (*parts, self.otherwise)


class Aggregate(Node, frozen=True, kw_only=True):
    """An aggregate over the customer's objects of one kind; it looks at every one of them."""

    function: OneLiteral["exists", "count", "sum", "min", "max"]
    object: str
    value: Node | None
    predicate: Node | None

    @property
    def children(self) -> tuple[Node, ...]:
        """The predicate and the value, as far as given."""
        return tuple(part for part in (self.predicate, self.value) if part is not None)


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    """A checked expression: the text that the brand wrote and the tree that it means."""

    text: str
    root: Node

    @property
    def type(self) -> Type:
        """The type of its value."""
        return self.root.type

    @property
    def nullable(self) -> bool:
        """Whether its value may be NULL."""
        return self.root.nullable

    @property
    def unknowable(self) -> bool:
        """Whether evaluating it may find that its value cannot be known."""
        return self.root.unknowable


def depth_of(node: Node) -> int:
    """Return how many levels a node has."""
    return 1 + max(map(depth_of, node.children), default=0)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it, from the left."""
    yield node
    for child in node.children:
        yield from walk(child)


def facts_read(expression: Expression) -> frozenset[str]:
    """Return the names of the customer's facts that an expression may read."""
    return frozenset(node.name for node in walk(expression.root) if isinstance(node, FactRef))


def fields_read(expression: Expression) -> frozenset[str]:
    """Return the fields, such as `about.ends_at`, that it may read from its namespaces."""
    return frozenset(
        f"{node.space}.{node.name}" for node in walk(expression.root) if isinstance(node, FieldRef)
    )


def objects_read(expression: Expression) -> frozenset[str]:
    """Return the kinds of objects that its aggregates look at."""
    return frozenset(node.object for node in walk(expression.root) if isinstance(node, Aggregate))


def reads_zone(expression: Expression) -> bool:
    """Return whether it needs the customer's time zone."""
    return any(
        isinstance(node, Call) and needs_zone(node.function, node.arguments)
        for node in walk(expression.root)
    )


def meets_now(function: str, arguments: Sequence[Node]) -> bool:
    """Return whether a function itself depends on now, whatever its arguments do."""
    if function in {"local_hour", "local_weekday"}:
        return not arguments
    return function in {"local_today", "years_since"} or function.endswith(("_since", "_until"))


def needs_zone(function: str, arguments: Sequence[Node]) -> bool:
    """Return whether a function needs the customer's time zone.

    That is true of every `local_` function, and where a date is measured against now.
    """
    if function.startswith("local_"):
        return True
    measures_now = function in {"days_since", "days_until", "years_since"}
    return measures_now and arguments[0].type.kind == "date"
