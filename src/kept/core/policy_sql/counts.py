"""Count instead of naming: how many a condition holds for, and what would be done for how many."""

from typing import Final

from kept.core.bundle import Bundle
from kept.core.policy.check import check_expression
from kept.core.policy.sql_targets import Dialect
from kept.core.policy.tree import Expression
from kept.core.policy.types import BOOL
from kept.core.policy.where import Where
from kept.core.policy_sql.codes import ACTION, REASON
from kept.core.policy_sql.conditions import Conditions
from kept.core.policy_sql.query import PolicyQuery, write_facts
from kept.core.policy_sql.text import NULL, all_of, any_of, name
from kept.core.scopes import COHORT, SEGMENT_PREFIX, policy_scope
from kept.errors import InputError, InvalidBrandError

SILENT: Final = -1
"""Stands for everybody for whom nothing is chosen."""
EVERYBODY: Final = -2


def find_condition(bundle: Bundle, *, where: str, segment: str) -> Expression | None:
    """Return the condition that a segment or a text is, None for everybody.

    Raises:
        InputError: there is no such segment, or both are given.
        InvalidBrandError: with everything that is wrong with the text.
    """
    if segment and where:
        raise InputError("a segment or a condition, not both")
    if segment:
        segments = bundle.code.order.segments
        if segment not in segments:
            known = ", ".join(segments) or "none"
            raise InputError(f"there is no segment {segment!r}; the brand has: {known}")
        where = SEGMENT_PREFIX + segment
    if not where:
        return None
    checked = check_expression(
        where,
        scope=policy_scope(bundle.brand.facts, bundle.brand.cohorts),
        expects=BOOL,
        where=Where(file="condition"),
    )
    if isinstance(checked, Expression):
        return checked
    raise InvalidBrandError(checked)


def write_condition(
    bundle: Bundle, condition: Expression | None, stale: tuple[int, ...], dialect: Dialect
) -> tuple[str, str]:
    """Return whether a condition holds, and whether that is unknown, on the columns of a base."""
    if condition is None:
        return "TRUE", "FALSE"
    conditions = Conditions(bundle.code, stale, dialect)
    written = conditions.write(condition)
    unknown = any_of([conditions.is_blind([condition]), written.unknown])
    holds = all_of([f"NOT ({unknown})" if unknown != "FALSE" else "TRUE", f"({written.value})"])
    return f"COALESCE({holds}, FALSE)", f"COALESCE({unknown}, FALSE)"


def write_audience(
    bundle: Bundle,
    condition: Expression | None,
    *,
    now: int,
    stale: tuple[int, ...],
    dialect: Dialect,
) -> str:
    """Return a query with columns `cohort`, `members` and `unknown`."""
    holds, unknown = write_condition(bundle, condition, stale, dialect)
    columns = (
        f"{name(COHORT)} AS cohort, COUNT(*) FILTER (WHERE {holds}) AS members, "
        f"COUNT(*) FILTER (WHERE {unknown}) AS unknown"
    )
    facts = write_facts(bundle, now=now, columns=columns, stale=stale, dialect=dialect)
    return f"{facts} GROUP BY 1"


def write_reach(query: PolicyQuery, *, by_cohort: bool) -> str:
    """Return a query of how often each action comes to each reason or way.

    Columns: `cohort`, `code` and `count`; `codes.read_code` says what a code stands for.
    """
    marks = (
        f"CASE WHEN LEN({_chosen('TRUE')}) > 0 THEN [{EVERYBODY}] ELSE [{EVERYBODY}, {SILENT}] END"
    )
    codes = f"UNNEST(LIST_CONCAT(codes, CAST({marks} AS BIGINT[])))"
    cohort = "cohort" if by_cohort else f"CAST({NULL} AS VARCHAR)"
    inner = f"SELECT {cohort} AS cohort, {codes} AS code FROM ({query.text})"  # noqa: S608
    return f"SELECT cohort, code, COUNT(*) AS count FROM ({inner}) GROUP BY ALL"  # noqa: S608


def write_chosen(query: PolicyQuery, action: str) -> str:
    """Return a query of whom an action is chosen for, in any order."""
    number = query.actions.index(action) + 1
    # Of an empty list no row is left. Spark would write a filter anew in each step of the policy.
    codes = f"UNNEST({_chosen(f'k_code // {ACTION} = {number}')})"
    inner = f"SELECT customer, {codes} AS code FROM ({query.text})"  # noqa: S608
    return f"SELECT customer FROM ({inner}) GROUP BY customer"  # noqa: S608


def _chosen(which: str) -> str:
    """Return the codes of what is chosen for a customer, of some kind."""
    return f"LIST_FILTER(codes, LAMBDA k_code : k_code % {ACTION} < {REASON} AND {which})"
