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

from kept.core.policy.literals import FALSE, TRUE
from kept.core.policy.python_operators import (
    OperatorWriter,
    is_strict,
    parts_of,
    write_constant,
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
    RowField,
)

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
        self.operators = OperatorWriter(now=now, zone=zone, temporary=self.temporary)
        self._temporaries = 0

    # -- whole values -------------------------------------------------------------------------

    def value(self, node: Node) -> str:
        """Return the source of a node's value."""
        writer = self._VALUES.get(type(node))
        if writer is not None and not is_strict(node):
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
        if isinstance(node, Coalesce) and node.operands[1:] in {(TRUE,), (FALSE,)}:
            # This is what IS TRUE and IS FALSE are made of.
            null_is_true = node.operands[1] == TRUE
            source = self.test(node.operands[0], wanted=not null_is_true)
            return source if wanted is not null_is_true else f"(not {source})"
        if isinstance(node, IsNull):
            return f"({self.value(node.operand)} is {'' if wanted else 'not '}None)"
        if isinstance(node, Aggregate):
            return self._exists(node) if wanted else f"(not {self._exists(node)})"
        if isinstance(node, Compare | OneOf | Between | Call) and is_strict(node):
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
        if is_strict(node):
            return self.operators.apply(node, self._operands(node, tests))
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
        parts = parts_of(node)
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
            return self.operators.apply(node, [self.value(child) for child in parts_of(node)])
        tests: list[NullTest] = []
        operands = self._operands(node, tests)
        source = self.operators.apply(node, operands, negated=not wanted)
        if not tests:
            return source
        return f"({' and '.join(test.given for test in tests)} and {source})"

    # -- the rest: what can give a value although an operand is NULL ------------------------------

    def _literal(self, node: Literal) -> str:
        return write_constant(node.value)

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
            source = self.operators.apply(node, self._operands(node, tests))
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
            return self.operators.check(f"sum({values})", node)
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


def _is_same_as_constant(node: Node) -> bool:
    """Return whether a node asks if a name is equal to, or one of, constants that are not NULL."""
    if isinstance(node, Compare):
        constant = isinstance(node.right, Literal) and not node.right.nullable
        return node.op == "=" and constant and isinstance(node.left, FactRef | FieldRef | RowField)
    return isinstance(node, OneOf) and isinstance(node.operand, FactRef | FieldRef | RowField)
