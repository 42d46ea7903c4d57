"""Checks an expression: every name known, every type right; all problems at once.

The result is a tree of our own (`tree`). Nothing of what the parser made goes any further.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlglot import exp

from kept.core.policy import build
from kept.core.policy.fitting import fit, fit_arguments, fit_together
from kept.core.policy.fold import fold
from kept.core.policy.functions import AGGREGATIONS, FUNCTIONS, INSTEAD
from kept.core.policy.literals import FALSE, NONE, TRUE, Wrong
from kept.core.policy.mismatch import advise_on_place, advise_on_types, name_type
from kept.core.policy.names import find_name
from kept.core.policy.parse import Parsed, operands_of, parse_expression, terms_of
from kept.core.policy.scope import Scope
from kept.core.policy.tree import Branch, Comparison, Expression, Literal, Node, depth_of
from kept.core.policy.types import BOOL, INT, NULL, Type
from kept.core.policy.where import Where, nearest, shown
from kept.errors import Problem

_COMPARISONS: Final[dict[type[exp.Expr], Comparison]] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
DEPTH_MAX: Final = 12
"""How deep a checked expression may be: every engine and its SQL writer can go that deep."""
_ORDERED: Final = frozenset({"int", "decimal", "money", "date", "timestamp"})
_NUMBERS: Final = frozenset({"int", "decimal", "money"})


def check_expression(
    text: str, *, scope: Scope, expects: Type | None, where: Where
) -> Expression | list[Problem]:
    """Return an expression ready to be compiled, or everything that is wrong with it.

    Args:
        text: what the brand wrote.
        scope: the names that it may use.
        expects: the type that its place needs, or `None` where any will do.
        where: the place of the text in its file.
    """
    parsed = parse_expression(text, where=where)
    if not isinstance(parsed, Parsed):
        return parsed
    checker = _Checker(parsed, scope)
    root = checker.check(parsed.root)
    if root is not None and expects is not None:
        root = checker.fit_place(root, expects)
    if root is None or checker.problems:
        return sorted(checker.problems, key=lambda problem: (problem.line, problem.column))
    if depth_of(root) > DEPTH_MAX:
        return [
            where.problem(
                f"more than {DEPTH_MAX} operators and functions within one another",
                suggestion="declare a part of it as a feature, a cohort or a segment",
            )
        ]
    return Expression(text=text, root=root)


class _Checker:
    """Turns the parser's tree into ours; a part with a problem becomes `None`."""

    def __init__(self, parsed: Parsed, scope: Scope) -> None:
        self.parsed = parsed
        self.scope = scope
        self.problems = list(parsed.problems)
        self.row: str | None = None
        """The kind of object whose aggregate is being read."""

    def check(self, node: exp.Expr) -> Node | None:
        """Return a part of the expression as ours, or `None` after noting its problems."""
        check = self._CHECKS.get(type(node))
        if check is None:
            self.refuse(node, "this is not part of the language")
            return None
        found = check(self, node)
        return None if found is None else self._folded(node, found)

    def fit_place(self, root: Node, expects: Type) -> Node | None:
        """Return the whole expression as a value of the type that its place needs."""
        fitted = fit(root, expects)
        if fitted is not None:
            return fitted
        message = f"this is {name_type(root.type)}, and {name_type(expects)} is needed here"
        self.refuse(self.parsed.root, message, advise_on_place(expects))
        return None

    def refuse(self, node: exp.Expr, message: str, suggestion: str = "") -> None:
        """Note a problem with a part of the expression."""
        self.problems.append(self.parsed.problem(node, message, suggestion))

    def _folded(self, node: exp.Expr, found: Node) -> Node | None:
        folded = fold(found)
        if isinstance(folded, Wrong):
            self.refuse(node, folded.message, folded.suggestion)
            return None
        return folded

    def _all(self, nodes: Sequence[exp.Expr]) -> list[Node] | None:
        """Return all of some parts, having looked at every one for its problems."""
        found = [self.check(node) for node in nodes]
        given = [node for node in found if node is not None]
        return given if len(given) == len(found) else None

    # -- logic ------------------------------------------------------------------------------------

    def _paren(self, node: exp.Paren) -> Node | None:
        return self.check(node.this)

    def _chain(self, node: exp.And | exp.Or) -> Node | None:
        parts = operands_of(node, type(node))
        operands = [self._condition(part) for part in parts]
        given = [operand for operand in operands if operand is not None]
        if len(given) < len(operands):
            return None
        return build.and_(given) if isinstance(node, exp.And) else build.or_(given)

    def _not(self, node: exp.Not) -> Node | None:
        operand = self._condition(node.this)
        return None if operand is None else build.not_(operand)

    def _condition(self, node: exp.Expr) -> Node | None:
        """Return a part that must be a condition."""
        found = self.check(node)
        if found is None:
            return None
        fitted = fit(found, BOOL)
        if fitted is None:
            self.refuse(
                node,
                f"this is {name_type(found.type)}, and a condition is needed here",
                "compare it with something, such as x > 0",
            )
        return fitted

    def _is(self, node: exp.Is) -> Node | None:
        if isinstance(node.expression, exp.Null):
            operand = self.check(node.this)
            return None if operand is None else build.is_null(operand)
        if not isinstance(node.expression, exp.Boolean):
            self.refuse(node, "after IS comes NULL, TRUE or FALSE")
            return None
        condition = self._condition(node.this)
        if condition is None:
            return None
        if node.expression.this:
            return build.coalesce([condition, FALSE], of=BOOL)
        return build.not_(build.coalesce([condition, TRUE], of=BOOL))

    # -- comparisons ------------------------------------------------------------------------------

    def _compare(self, node: exp.Binary) -> Node | None:
        op = _COMPARISONS[type(node)]
        if isinstance(node.left, exp.Null) or isinstance(node.right, exp.Null):
            wanted = "IS NOT NULL" if op == "<>" else "IS NULL"
            self.refuse(node, f"{op} NULL is never true", f"write {wanted}")
            return None
        fitted = self._alike(node, [node.left, node.right], ordered=op not in {"=", "<>"})
        return None if fitted is None else build.compare(op, fitted[0], fitted[1])

    def _between(self, node: exp.Between) -> Node | None:
        parts = [node.this, node.args["low"], node.args["high"]]
        fitted = self._alike(node, parts, ordered=True)
        return None if fitted is None else build.between(*fitted)

    def _in(self, node: exp.In) -> Node | None:
        items = node.expressions
        if not items:
            self.refuse(node, "IN without a list", "write x IN ('a', 'b')")
            return None
        fitted = self._alike(node, [node.this, *items], ordered=False)
        if fitted is None:
            return None
        values = []
        for item, written in zip(fitted[1:], items, strict=True):
            if not isinstance(item, Literal) or item.value is None:
                self.refuse(
                    written, "a list holds constants only", "write x = a OR x = b, or x IS NULL"
                )
                return None
            values.append(item.value)
        return build.one_of(fitted[0], values)

    def _alike(
        self, node: exp.Expr, parts: Sequence[exp.Expr], *, ordered: bool
    ) -> list[Node] | None:
        """Return parts that are compared, as values of one type; that may need to have an order."""
        found = self._all(parts)
        if found is None:
            return None
        fitted = fit_together(found)
        if fitted is None:
            self._refuse_types(node, found, "compared")
            return None
        kind = fitted[0].type.kind
        if ordered and kind not in _ORDERED:
            self.refuse(
                node,
                f"{name_type(fitted[0].type)} has no order here",
                "use = and <>" + (", IN, starts_with or contains" if kind == "text" else ""),
            )
            return None
        return fitted

    def _refuse_types(self, node: exp.Expr, found: Sequence[Node], verb: str) -> None:
        """Note that values of different types met."""
        types = list(dict.fromkeys(part.type for part in found))
        named = " and ".join(name_type(of) for of in types)
        self.refuse(node, f"{named} cannot be {verb}", advise_on_types(types))

    # -- arithmetic -------------------------------------------------------------------------------

    def _negate(self, node: exp.Neg) -> Node | None:
        operand = self.check(node.this)
        if operand is None:
            return None
        if operand.type.kind not in _NUMBERS:
            self.refuse(node, f"{name_type(operand.type)} has no sign")
            return None
        return build.negate(operand)

    def _add(self, node: exp.Add | exp.Sub) -> Node | None:
        parts, signs = terms_of(node)
        found = self._all(parts)
        if found is None:
            return None
        fitted = fit_together(found)
        if fitted is not None and fitted[0].type.kind in _NUMBERS and not _has_null(found):
            return build.add(fitted, signs, of=fitted[0].type)
        if {part.type.kind for part in found} & {"date", "timestamp"}:
            self.refuse(
                node,
                "dates and instants are not numbers",
                "use add_days, add_hours or add_minutes, or days_between for a difference",
            )
            return None
        self._refuse_types(node, found, "added")
        return None

    def _multiply(self, node: exp.Mul) -> Node | None:
        found = self._all([node.left, node.right])
        if found is None:
            return None
        types = [part.type for part in found]
        amounts = [of for of in types if of.kind == "money"]
        if not {of.kind for of in types} <= _NUMBERS or len(amounts) > 1:
            self._refuse_types(node, found, "multiplied")
            return None
        decimals = [of for of in types if of.kind == "decimal"]
        return build.multiply(found[0], found[1], of=(amounts or decimals or [INT])[0])

    def _other_operator(self, node: exp.Div) -> None:
        """Look for problems beside an operator that was refused already."""
        self._all([node.left, node.right])

    def _case(self, node: exp.Case) -> Node | None:
        if node.this is not None:
            self.refuse(node, "CASE with a value at its head", "write CASE WHEN x = 1 THEN")
            return None
        whens = [self._condition(branch.this) for branch in node.args["ifs"]]
        written = [branch.args["true"] for branch in node.args["ifs"]]
        default = node.args.get("default")
        values = [self.check(value) for value in (*written, *([default] if default else []))]
        if default is None:
            values.append(NONE)
        given = [value for value in values if value is not None]
        if None in whens or len(given) < len(values):
            return None
        fitted = fit_together(given)
        if fitted is None:
            self._refuse_types(node, given, "results of one CASE")
            return None
        branches = [
            Branch(when=when, then=then)
            for when, then in zip(whens, fitted[:-1], strict=True)
            if when is not None
        ]
        return build.case(branches, fitted[-1], of=fitted[0].type)

    # -- names, constants and calls ---------------------------------------------------------------

    def _column(self, node: exp.Column) -> Node | None:
        parts = [self.parsed.word_of(part).text for part in node.parts]
        found = find_name(parts, scope=self.scope, row=self.row)
        if isinstance(found, Wrong):
            self.refuse(node, found.message, found.suggestion)
            return None
        return found

    def _literal(self, node: exp.Literal) -> Node | None:
        return self.parsed.word_of(node).constant

    def _boolean(self, node: exp.Boolean) -> Node:
        return TRUE if node.this else FALSE

    def _null(self, _: exp.Null) -> Node:
        return NONE

    def _call(self, node: exp.Anonymous) -> Node | None:
        written = self.parsed.word_of(node).text
        name = written.lower()
        if name in AGGREGATIONS:
            return self._aggregate(node, name)
        arguments = self._all(node.expressions)
        function = FUNCTIONS.get(name)
        if function is None:
            self.refuse(node, f"there is no function {shown(written)}", _instead_of(name))
            return None
        if arguments is None:
            return None
        fitted = fit_arguments(function, arguments)
        if isinstance(fitted, Wrong):
            self.refuse(node, fitted.message, fitted.suggestion)
            return None
        nodes, of = fitted
        if name == "coalesce":
            return build.coalesce(nodes, of=of)
        return build.call(name, nodes, of=of)

    def _aggregate(self, node: exp.Anonymous, name: str) -> Node | None:
        """Return `exists(kind, condition)`, `sum(kind, value, condition)` and their like."""
        takes_value = name in {"sum", "min", "max"}
        form = f"write {AGGREGATIONS[name].form}"
        if self.row is not None:
            self.refuse(node, f"{name} within another aggregate", "declare a feature instead")
            return None
        kind = self._kind_of(node, form)
        if kind is None:
            return None
        parts = node.expressions[1:]
        if not takes_value <= len(parts) <= takes_value + 1:
            count = len(node.expressions)
            self.refuse(node, f"{name} with {count} argument{'' if count == 1 else 's'}", form)
            return None
        self.row = kind
        value = self.check(parts[0]) if takes_value else None
        condition = self._condition(parts[-1]) if len(parts) > takes_value else None
        self.row = None
        if (takes_value and value is None) or (len(parts) > takes_value and condition is None):
            return None
        of = BOOL if name == "exists" else INT
        if value is not None:
            of = value.type
            allowed = _NUMBERS if name == "sum" else _ORDERED
            if of.kind not in allowed:
                self.refuse(parts[0], f"{name} of {name_type(of)}", f"use {_listed(allowed)}")
                return None
        return build.aggregate(name, kind=kind, value=value, predicate=condition, of=of)

    def _kind_of(self, node: exp.Anonymous, form: str) -> str | None:
        """Return the kind of object that an aggregate's first argument names."""
        name = self.parsed.word_of(node).text
        first = node.expressions[0] if node.expressions else None
        if not isinstance(first, exp.Column) or len(first.parts) > 1:
            other = {"min": "; of two values, use least", "max": "; of two values, use greatest"}
            self.refuse(
                first or node,
                f"{name} begins with a kind of object",
                form + other.get(name.lower(), ""),
            )
            return None
        kind = self.parsed.word_of(first.this).text
        if kind in self.scope.objects:
            return kind
        near = nearest(kind, self.scope.objects)
        known = f"the kinds of objects are {_listed(self.scope.objects)}"
        self.refuse(
            first,
            f"{shown(kind)} is not a kind of object",
            f"did you mean {near}?" if near else known,
        )
        return None

    def _dot(self, node: exp.Dot) -> None:
        self.refuse(node, "a dot after a call", "names have dots only within them: about.ends_at")

    def _tuple(self, node: exp.Tuple) -> None:
        self.refuse(node, "a list, where one value must stand", "lists stand after IN only")

    _CHECKS: Final[Mapping[type[exp.Expr], Callable[[Any, Any], Node | None]]] = {
        exp.Paren: _paren,
        exp.And: _chain,
        exp.Or: _chain,
        exp.Not: _not,
        exp.Is: _is,
        **dict.fromkeys(_COMPARISONS, _compare),
        exp.Between: _between,
        exp.In: _in,
        exp.Neg: _negate,
        exp.Add: _add,
        exp.Sub: _add,
        exp.Mul: _multiply,
        exp.Div: _other_operator,
        exp.Case: _case,
        exp.Column: _column,
        exp.Literal: _literal,
        exp.Boolean: _boolean,
        exp.Null: _null,
        exp.Anonymous: _call,
        exp.Dot: _dot,
        exp.Tuple: _tuple,
    }


def _has_null(nodes: Sequence[Node]) -> bool:
    return any(node.type == NULL for node in nodes)


def _instead_of(name: str) -> str:
    instead = INSTEAD.get(name)
    if instead is not None:
        return instead
    near = nearest(name, [*FUNCTIONS, *AGGREGATIONS])
    return f"did you mean {near}?" if near else "docs/reference/conditions.md lists all functions"


def _listed(names: Mapping[str, object] | frozenset[str]) -> str:
    return ", ".join(sorted(names))
