"""Conditions and amounts as columns: what `generate` writes in Python, in SQL."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kept.core.generate import HoldCode, PolicyCode
from kept.core.policy.sql_targets import Dialect
from kept.core.policy.to_sql import to_sql
from kept.core.policy.tree import (
    Branch,
    Expression,
    FactRef,
    FieldRef,
    Literal,
    Node,
    facts_read,
    fields_read,
    objects_read,
)
from kept.core.policy_sql.schema import FACT
from kept.core.policy_sql.text import FALSE, NULL, TRUE, any_of, case, constant, is_among, name
from kept.core.policy_sql.to_spark import as_is
from kept.core.scopes import COHORT, SEGMENT_PREFIX
from kept.core.values import Value

BLIND: Final = name(":blind")
"""Whether anything at all is unknown of a customer."""
_NO_OFFER: Final[Mapping[str, Value]] = {}


class Written(msgspec.Struct, frozen=True):
    """An expression as text: its value, and whether that is unknown."""

    value: str
    unknown: str

    @property
    def value_if_known(self) -> str:
        """Return the value, NULL where it is unknown."""
        return case([(self.unknown, NULL)], self.value)


class Conditions:
    """Writes the expressions of a policy."""

    def __init__(
        self,
        code: PolicyCode,
        stale: Iterable[int],
        dialect: Dialect = "duckdb",
        *,
        has_unknown: bool = True,
    ) -> None:
        """Take the expressions, and the indexes of what is unknown of everybody.

        Args:
            dialect: the engine that conditions are written for.
            has_unknown: whether anything is unknown of anybody else in the base.
        """
        order = code.order
        names = [*order.names, *(f"{kind}()" for kind in order.kinds)]
        self._index = {fact: place for place, fact in enumerate(names)}
        self._told_count = order.told_count
        self._stale = frozenset(stale)
        self._dialect = dialect
        self._has_unknown = has_unknown

    def write(self, expression: Expression, offer: Mapping[str, Value] = _NO_OFFER) -> Written:
        """Return an expression on the columns of a base; terms of the action are constants."""
        root = _rewritten(expression.root, offer)
        sql = to_sql(Expression(text=expression.text, root=root), self._dialect)
        value, unknown = sql.value.sql(self._dialect), sql.unknown.sql(self._dialect)
        if self._dialect == "spark":
            # The rest of the query is translated once it is whole.
            value, unknown = as_is(value), as_is(unknown)
        return Written(value, unknown)

    def is_blind(self, expressions: Iterable[Expression], about: str = "") -> str:
        """Return whether something that some expressions read is unknown of the customer."""
        read: set[str] = set()
        for expression in expressions:
            read |= facts_read(expression) | {f"{kind}()" for kind in objects_read(expression)}
            if about and any(field.startswith("about.") for field in fields_read(expression)):
                read.add(f"{about}()")
        tests = [f"({name(one)} IS NULL)" for one in sorted(read) if _is_derived(one)]
        told = sorted(self._index[one] for one in read if not _is_derived(one))
        if self._stale.intersection(told):
            return TRUE
        if told and self._has_unknown:
            listed = ", ".join(map(str, told))
            has_any = f'LIST_HAS_ANY(":unknown", CAST([{listed}] AS SMALLINT[]))'
            tests.append(case([(BLIND, has_any)], FALSE))
        return any_of(tests)

    def cohort(self, code: PolicyCode) -> str:
        """Return the column of the cohort; NULL where it cannot be told."""
        branches: list[tuple[str, str]] = []
        for cohort, expression in code.cohorts:
            written = self.write(expression)
            branches += [
                (any_of([self.is_blind([expression]), written.unknown]), "NULL"),
                (written.value, constant(cohort)),
            ]
        return f"CAST({case(branches, constant(code.otherwise))} AS VARCHAR)"

    def segment(self, expression: Expression) -> str:
        """Return the column of a segment; NULL where it cannot be told."""
        written = self.write(expression)
        unknown = any_of([self.is_blind([expression]), written.unknown])
        return case([(unknown, "NULL"), (written.value, TRUE)], FALSE)

    def hold(self, hold: HoldCode) -> tuple[str, str]:
        """Return a hold's state (0 off, 1 on, 2 unknown), as if its facts were known, and its end."""
        while_ = self.write(hold.while_)
        until = Written("0", FALSE) if hold.until is None else self.write(hold.until)
        on = case([(until.unknown, "2")], "1")
        state = case([(while_.unknown, "2"), (while_.value, on)], "0")
        return f"CAST({state} AS TINYINT)", f"COALESCE({until.value}, 0)"

    def known(
        self, expression: Expression | None, about: str, offer: Mapping[str, Value]
    ) -> Written:
        """Return an amount that is NULL where something that it reads is unknown."""
        if expression is None:
            return Written("CAST(NULL AS BIGINT)", FALSE)
        blind = self.is_blind([expression], about)
        written = self.write(expression, offer)
        if blind == FALSE:
            return written
        value = case([(blind, "CAST(NULL AS BIGINT)")], written.value)
        return Written(value, case([(blind, FALSE)], written.unknown))


def segment_column(segment: str) -> str:
    """Return the name of a segment's column."""
    return SEGMENT_PREFIX + segment


def kind_among(kinds: Iterable[str]) -> str:
    """Return whether a contact is of one of some kinds."""
    return is_among("k_contact.kind", sorted(kinds))


def _is_derived(fact: str) -> bool:
    return fact == COHORT or fact.startswith(SEGMENT_PREFIX)


def _rewritten(node: Node, offer: Mapping[str, Value]) -> Node:
    """Return a tree that names the columns of a base, with the action's own terms in their places."""
    if isinstance(node, FactRef):
        return node if _is_derived(node.name) else _replace(node, name=FACT + node.name)
    if isinstance(node, FieldRef) and node.space == "offer":
        return Literal(type=node.type, value=offer[node.name])
    changed: dict[str, Any] = {}
    for field in node.__struct_fields__:
        before = getattr(node, field)
        after = _rewritten_part(before, offer)
        if after is not before:
            changed[field] = after
    return _replace(node, **changed) if changed else node


def _rewritten_part(part: Any, offer: Mapping[str, Value]) -> Any:
    if isinstance(part, Node):
        return _rewritten(part, offer)
    if isinstance(part, tuple) and any(isinstance(one, msgspec.Struct) for one in part):
        return tuple(_rewritten_part(one, offer) for one in part)
    if isinstance(part, Branch):
        when, then = _rewritten_part(part.when, offer), _rewritten_part(part.then, offer)
        return _replace(part, when=when, then=then)
    return part


def _replace(struct: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(struct, **changes)
