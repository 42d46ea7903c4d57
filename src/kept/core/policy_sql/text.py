"""Small pieces of SQL as text: names, constants, lists that the policy is looked up in, lambdas.

Whatever engines write differently stands here and in `policy.sql_targets`; the rest of the package
puts these pieces together. All of it is our own text: what a brand wrote reaches a query only as a
quoted name, a quoted literal or a checked expression.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

TRUE: Final = "TRUE"
FALSE: Final = "FALSE"
NULL: Final = "NULL"


def name(column: str) -> str:
    """Return a column's name, quoted so that any name will do."""
    return '"' + column.replace('"', '""') + '"'


Constant: TypeAlias = bool | int | str | None


def constant(value: Constant) -> str:
    """Return a constant."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, int):
        return str(value) if value >= 0 else f"({value})"
    return "'" + value.replace("'", "''") + "'"


def whole(value: int) -> str:
    """Return a constant of 64 bits."""
    return f"CAST({constant(value)} AS BIGINT)"


def case(branches: Iterable[tuple[str, str]], otherwise: str = NULL) -> str:
    """Return the value of the first branch whose condition holds; it looks no further."""
    kept: list[str] = []
    for when, then in branches:
        if when == FALSE:
            continue
        if when == TRUE:
            otherwise = then
            break
        kept.append(f"WHEN {when} THEN {then}")
    return f"CASE {' '.join(kept)} ELSE {otherwise} END" if kept else otherwise


def any_of(parts: Iterable[str]) -> str:
    """Return whether one of some conditions holds."""
    kept = [part for part in dict.fromkeys(parts) if part != FALSE]
    if TRUE in kept:
        return TRUE
    return f"({' OR '.join(kept)})" if kept else FALSE


def all_of(parts: Iterable[str]) -> str:
    """Return whether all of some conditions hold."""
    kept = [part for part in dict.fromkeys(parts) if part != TRUE]
    if FALSE in kept:
        return FALSE
    return f"({' AND '.join(kept)})" if kept else TRUE


def negated(condition: str) -> str:
    """Return NOT of a condition."""
    return {TRUE: FALSE, FALSE: TRUE}.get(condition, f"NOT {condition}")


def first_of(parts: Iterable[str], of: str = "INTEGER") -> str:
    """Return the first of some values that is not NULL."""
    kept = [part for part in parts if part not in (NULL, f"CAST(NULL AS {of})")]
    if not kept:
        return f"CAST(NULL AS {of})"
    return kept[0] if len(kept) == 1 else f"COALESCE({', '.join(kept)})"


def is_among(value: str, constants: Iterable[int | str]) -> str:
    """Return whether a value is one of some constants."""
    listed = ", ".join(constant(one) for one in constants)
    return f"({value} IN ({listed}))" if listed else FALSE


def array(parts: Iterable[str], of: str) -> str:
    """Return a list of values of a type."""
    return f"CAST([{', '.join(parts)}] AS {of}[])"


def element(rows: str, index: str) -> str:
    """Return an element of a list, counted from 1; NULL beyond its end."""
    return f"LIST_EXTRACT({rows}, {index})"


def pick(values: Sequence[str], index: str, of: str = "INTEGER") -> str:
    """Return the value at an index, counted from 1: what a policy says of each action."""
    if len(set(values)) == 1:
        return values[0] if values[0] != NULL else f"CAST(NULL AS {of})"
    return element(array(values, of), index)


def pick_constant(values: Sequence[Constant], index: str, of: str) -> str:
    """Return the constant at an index, counted from 1."""
    return pick([constant(value) for value in values], index, of)


def transformed(rows: str, row: str, value: str) -> str:
    """Return a value of each row of a list; `row` is what the value calls it."""
    return f"LIST_TRANSFORM({rows}, LAMBDA {row} : {value})"


def filtered(rows: str, row: str, condition: str) -> str:
    """Return the rows of a list that fulfil a condition."""
    return f"LIST_FILTER({rows}, LAMBDA {row} : {condition})"


def joined(lists: Sequence[str]) -> str:
    """Return some lists one after the other."""
    found = lists[0]
    for one in lists[1:]:
        found = f"LIST_CONCAT({found}, {one})"
    return found


def flat(lists: Sequence[str]) -> str:
    """Return the elements of a list of lists that is written out."""
    return f"FLATTEN([{', '.join(lists)}])"


def ordered(rows: str) -> str:
    """Return a list in ascending order; structs compare by their fields from the first on."""
    return f"LIST_SORT({rows})"


def least(rows: str) -> str:
    """Return the least element of a list, NULL of none."""
    return f"LIST_MIN({rows})"


def greatest_of(rows: str) -> str:
    """Return the greatest element of a list, NULL of none."""
    return f"LIST_MAX({rows})"


def length(rows: str) -> str:
    """Return how many elements a list has; 0 where there is none."""
    return f"COALESCE(LEN({rows}), 0)"


def contains(rows: str, value: str) -> str:
    """Return whether a list has an element."""
    return f"LIST_CONTAINS({rows}, {value})"


def struct(**fields: str) -> str:
    """Return a struct of named values."""
    return "{" + ", ".join(f"'{field}': {value}" for field, value in fields.items()) + "}"


class Shared:
    """What a customer's row says of each action or way, where many of them say the same.

    The different columns become one list, in which each action or way has its constant place.
    """

    def __init__(self, stages: "Stages", column: str, texts: Sequence[str], of: str) -> None:
        """Add the list to the step in hand, if there is anything to choose from."""
        self._of = of
        different = list(dict.fromkeys(texts))
        self._only = different[0] if len(different) == 1 else None
        self._places = [different.index(text) + 1 for text in texts]
        self._list = NULL
        if len(different) > 1:
            self._list = stages.add(column, array(different, of))

    def at(self, index: str) -> str:
        """Return what is said of the action or way at an index, counted from 1."""
        if self._only is not None:
            return self._only if self._only != NULL else f"CAST(NULL AS {self._of})"
        if not self._places:
            return f"CAST(NULL AS {self._of})"
        return element(self._list, pick_constant(self._places, index, "INTEGER"))


class Stages:
    """A query as named steps, each of which adds columns to those of the step before."""

    def __init__(self, source: str) -> None:
        """Begin with a query that has the first columns."""
        self._steps: list[str] = [source]
        self._columns: dict[str, str] = {}

    def add(self, column: str, value: str) -> str:
        """Add a column to the step in hand; return its name as later steps write it."""
        self._columns[column] = value
        return name(column)

    def close(self) -> None:
        """End the step in hand: what comes next may read its columns."""
        if self._columns:
            listed = ", ".join(f"{value} AS {name(key)}" for key, value in self._columns.items())
            self._steps.append(f"SELECT *, {listed} FROM s{len(self._steps) - 1}")  # noqa: S608
            self._columns = {}

    def keep(self, condition: str) -> None:
        """Go on with those rows only for which a condition holds."""
        self.close()
        self._steps.append(f"SELECT * FROM s{len(self._steps) - 1} WHERE {condition}")  # noqa: S608

    def join(self, query: str, *, key: str, columns: dict[str, str]) -> None:
        """Add columns (by their new names) of another query, where it has a row of the same key."""
        self.close()
        mine = f"s{len(self._steps) - 1}"
        listed = ", ".join(
            f"k_more.{name(theirs)} AS {name(own)}" for own, theirs in columns.items()
        )
        self._steps.append(
            f"SELECT {mine}.*, {listed} FROM {mine} "  # noqa: S608
            f"LEFT JOIN ({query}) k_more ON {mine}.{name(key)} = k_more.{name(key)}"
        )

    def write(self, columns: str, *, tail: str = "") -> str:
        """Return the whole query."""
        self.close()
        steps = ",\n".join(f"s{place} AS ({step})" for place, step in enumerate(self._steps))
        return f"WITH {steps}\nSELECT {columns} FROM s{len(self._steps) - 1}{tail}"
