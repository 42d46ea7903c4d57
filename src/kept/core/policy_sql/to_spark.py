"""Writes a query of this package for Spark.

The package writes one small SQL, as DuckDB reads it. Here it is parsed and every construct that Spark
has under another name, or with another meaning, is replaced; conditions come already written for Spark
(`policy.sql_targets`), and pass as they are. Whatever this module does not know is refused, so that
nothing reaches Spark whose meaning nobody has compared.

| DuckDB | Spark | because |
|---|---|---|
| `LIST_EXTRACT(l, i)` | `GET(l, i - 1)` | `ELEMENT_AT` raises beyond the end |
| `LIST_POSITION(l, x)` | `NULLIF(ARRAY_POSITION(l, x), 0)` | Spark says 0 where there is none |
| `LIST_CONCAT`, `FLATTEN` | with `COALESCE(l, ARRAY())` | one NULL list would make all of it NULL |
| `a // b` | `a DIV b`, or exact division of decimals | `DIV` is of 64 bits |
| `HUGEINT` | `DECIMAL(38, 0)` | there is no wider integer |
| `{'a': x}`, `STRUCT_PACK` | `NAMED_STRUCT` | |
| `l[1:n]` | `SLICE(l, 1, n)` | |
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from kept.core.policy.sql_trees import binary, cast, function, number, plus
from kept.core.policy_sql.schema import Shape

AS_IS: Final = "k as is "
"""With what a quoted name begins that is no name, but an expression already written for Spark."""

_TYPES: Final[Mapping[str, str]] = {
    "BIGINT": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "SMALLINT": "SMALLINT",
    "VARCHAR": "STRING",
}
_WIDE: Final = "DECIMAL(38, 0)"
_PLAIN: Final = frozenset(
    {"ABS", "COALESCE", "COUNT", "GREATEST", "LEAST", "MAX", "MIN", "NULLIF", "SUM"}
)
"""Functions that mean the same in both engines; the extremes pass over NULL in both."""
_RENAMED: Final[Mapping[str, str]] = {
    "LEN": "ARRAY_SIZE",  # SIZE has a mode in which it is -1 of NULL
    "LIST_CONTAINS": "ARRAY_CONTAINS",
    "LIST_FILTER": "FILTER",
    "LIST_HAS_ANY": "ARRAYS_OVERLAP",
    "LIST_MAX": "ARRAY_MAX",
    "LIST_MIN": "ARRAY_MIN",
    "LIST_SORT": "SORT_ARRAY",
    "LIST_TRANSFORM": "TRANSFORM",
    "UNNEST": "EXPLODE",
}
_KEPT: Final = (
    exp.Select, exp.Star, exp.With, exp.CTE, exp.From, exp.Join, exp.Where, exp.Subquery, exp.Table,
    exp.TableAlias, exp.Alias, exp.Group, exp.Order, exp.Ordered, exp.Limit, exp.Column,
    exp.Identifier, exp.Dot, exp.Literal, exp.Boolean, exp.Null, exp.Case, exp.If, exp.Paren,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.In,
    exp.Between, exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Neg, exp.DPipe, exp.DataType, exp.ColumnDef,
    exp.DataTypeParam, exp.Filter, exp.PropertyEQ, exp.Lambda, exp.Slice, exp.Cast,
)  # fmt: skip


_ALIKE: Final = frozenset({"TRUE", "FALSE", "NULL"})
"""What is written the same for both engines."""


class _Small(DuckDB):
    """DuckDB's grammar, but a function is a name with arguments: nothing is rewritten on the way."""

    class Parser(DuckDB.Parser):  # type: ignore[valid-type, misc]
        FUNCTIONS: ClassVar[Mapping[str, Any]] = {}


def as_is(text: str) -> str:
    """Return an expression that is written for Spark so that `to_spark` lets it pass."""
    if text in _ALIKE:
        return text
    return '"' + AS_IS + text.replace('"', '""') + '"'


def spark_name(column: str) -> str:
    """Return a column's name, quoted so that any name will do."""
    return "`" + column.replace("`", "``") + "`"


def spark_type(shape: Shape) -> str:
    """Return a shape as a type of Spark."""
    if isinstance(shape, str):
        return _TYPES[shape]
    if isinstance(shape, list):
        return f"ARRAY<{spark_type(shape[0])}>"
    listed = ", ".join(f"{spark_name(field)}: {spark_type(of)}" for field, of in shape.items())
    return f"STRUCT<{listed}>"


def to_spark(text: str) -> tuple[list[tuple[str, str]], str]:
    """Return a query of this package as Spark reads it: its steps by name, and the last one.

    Each step is to be a view of its own, because Spark then resolves it by itself; in one text all
    of them would be gone through again and again until the last one is resolved.

    Raises:
        TypeError: the query has a construct that this module does not know.
    """
    root = sqlglot.parse_one(text, dialect=_Small)
    # What lies deepest comes first, so that every node is seen with what became of its parts.
    for node in reversed(list(root.bfs())):
        found = _rewritten(node)
        if found is not node:
            node.replace(found)
    steps: list[tuple[str, str]] = []
    for within in reversed(list(root.find_all(exp.With))):
        _lift(within, steps)
    return steps, root.sql("spark")


def _lift(within: exp.With, steps: list[tuple[str, str]]) -> None:
    """Take the steps out of a query, under names that no other query has."""
    names = {
        each.alias: f"k_step_{len(steps) + place}" for place, each in enumerate(within.expressions)
    }
    for table in (within.parent or within).find_all(exp.Table):
        if table.name in names:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("this", exp.to_identifier(names[table.name]))
    steps += [(names[each.alias], each.this.sql("spark")) for each in within.expressions]
    within.pop()


def _rewritten(node: exp.Expr) -> exp.Expr:
    write = _WRITERS.get(type(node))
    if write is not None:
        return write(node)
    if not isinstance(node, _KEPT):
        raise TypeError(f"not written for Spark yet: {type(node).__name__}, in {node.sql()[:120]}")
    return node


def _column(node: exp.Expr) -> exp.Expr:
    this = node.this
    if isinstance(this, exp.Identifier) and this.this.startswith(AS_IS):
        return exp.Paren(this=exp.Var(this=this.this.removeprefix(AS_IS)))
    return node


def _type(node: exp.Expr) -> exp.Expr:
    return exp.DataType.build(_WIDE) if node.this == exp.DataType.Type.INT128 else node


def _array(node: exp.Expr) -> exp.Expr:
    return function("ARRAY", *node.expressions)


def _struct(node: exp.Expr) -> exp.Expr:
    return _named(node.expressions)


def _named(fields: list[exp.Expr]) -> exp.Expr:
    parts: list[exp.Expr] = []
    for field in fields:
        parts += [exp.Literal.string(field.this.name), field.expression]
    return function("NAMED_STRUCT", *parts)


def _bracket(node: exp.Expr) -> exp.Expr:
    """Return the first elements of a list."""
    (part,) = node.expressions
    if part.this != exp.Literal.number(1):
        raise TypeError(f"not written for Spark yet: {node.sql()[:120]}")
    return function("SLICE", node.this, part.this, part.expression)


def _division(node: exp.Expr) -> exp.Expr:
    """Return a division towards zero; of wide numbers one that leaves no rest, which is exact.

    What is wide shows in the text: the number is cast where it is divided. Were it not, `DIV` would
    raise an error as soon as a quotient needs more than 64 bits, and give no wrong one.
    """
    left, right = node.this, node.expression
    if not any(one.this == exp.DataType.Type.DECIMAL for one in left.find_all(exp.DataType)):
        return exp.Paren(this=exp.IntDiv(this=left, expression=right))
    top = exp.column("k_top")
    rest = function("MOD", top, right)
    exact = binary(exp.Div, binary(exp.Sub, top.copy(), rest), right.copy())
    once = exp.Lambda(this=cast(exact, _WIDE), expressions=[exp.to_identifier("k_top")])
    found = function("TRANSFORM", function("ARRAY", cast(left, _WIDE)), once)
    return function("GET", found, number(0))


def _call(node: exp.Expr) -> exp.Expr:
    called, arguments = str(node.this).upper(), node.expressions
    if called in _PLAIN:
        return node
    if called in _RENAMED:
        return function(_RENAMED[called], *arguments)
    if called == "STRUCT_PACK":
        return _named(arguments)
    if called == "LIST_EXTRACT":
        rows, index = arguments
        return function("GET", rows, cast(plus(index, -1), "INT"))
    if called == "LIST_POSITION":
        return function("NULLIF", function("ARRAY_POSITION", *arguments), number(0))
    if called == "LIST_CONCAT":
        return function("CONCAT", *map(_or_empty, arguments))
    if called == "FLATTEN" and isinstance(arguments[0], exp.Anonymous):
        listed = function("ARRAY", *map(_or_empty, arguments[0].expressions))
        return function("FLATTEN", listed)
    raise TypeError(f"not written for Spark yet: the function {called}")


def _or_empty(rows: exp.Expr) -> exp.Expr:
    return function("COALESCE", rows, function("ARRAY"))


_WRITERS: Final[Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]]] = {
    exp.Column: _column,
    exp.DataType: _type,
    exp.Array: _array,
    exp.Struct: _struct,
    exp.Bracket: _bracket,
    exp.IntDiv: _division,
    exp.Anonymous: _call,
}
