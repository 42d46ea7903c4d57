"""Write the query that decides for everybody in a base."""

from typing import Final

import msgspec

from kept.core.bundle import Bundle
from kept.core.decision import Controls, Request
from kept.core.generate import expressions_of
from kept.core.policy.sql_targets import Dialect
from kept.core.policy.tree import reads_zone
from kept.core.policy_sql.candidates import Candidates
from kept.core.policy_sql.chosen import add_best, add_choice, add_judged
from kept.core.policy_sql.conditions import BLIND, Conditions, segment_column
from kept.core.policy_sql.details import Details, holds_column
from kept.core.policy_sql.held import Hushes, add_states, states_list
from kept.core.policy_sql.judged import Layers, add_past
from kept.core.policy_sql.leaving import BEST, Leaving
from kept.core.policy_sql.lookups import DRAWN, ZONES
from kept.core.policy_sql.permitted import Permissions
from kept.core.policy_sql.plain import Plain
from kept.core.policy_sql.pressure import HAS_ZONE, Pressure, quiet_column
from kept.core.policy_sql.reasons import NumberedReason, Reasons
from kept.core.policy_sql.setting import Setting
from kept.core.policy_sql.text import NULL, Stages, case, name, struct
from kept.core.scopes import COHORT

CUSTOMERS: Final = "customers"
CLAIMED_TABLE: Final = "claimed"
EVERYBODY: Final = Request()


class PolicyQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query that decides for everybody, and what its numbers stand for."""

    text: str
    """Columns: `customer`, `cohort`, `answer`, `answer_about`; with details `told` (the candidates)
    and `holds`, without them `codes`."""
    actions: tuple[str, ...]
    """By number, from 1 on."""
    channels: tuple[str, ...]
    """By place of the way, from 1 on."""
    reasons: tuple[NumberedReason, ...]
    """By number, from 1 on."""
    request: Request
    now: int


def write_query(
    bundle: Bundle,
    *,
    now: int,
    request: Request = EVERYBODY,
    controls: Controls | None = None,
    has_claims: bool = True,
    has_unknown: bool = True,
    with_details: bool = True,
    where: str = "",
    dialect: Dialect = "duckdb",
) -> PolicyQuery:
    """Return the query that decides for everybody in a base of this brand and instant.

    Args:
        request: what is asked; what differs from customer to customer (open messages) is in the base.
        has_claims: whether anything is merely claimed of anybody in the base.
        has_unknown: whether anything is unknown of anybody in the base.
        with_details: whether reasons come with what differs from customer to customer.
        where: a condition, as SQL on the columns of facts, of whom is decided for.
        dialect: the engine that is to run it: for Spark, `to_spark` translates what is not a condition.
    """
    at = Setting(
        bundle=bundle,
        request=request,
        controls=controls or Controls(),
        now=now,
        has_claims=has_claims,
        with_details=with_details,
        reasons=Reasons(),
    )
    stale = at.controls.stale_facts
    conditions = Conditions(at.code, stale, dialect, has_unknown=has_unknown)
    stages = Stages(_source(at, CUSTOMERS, needs_zones=bool(where)))
    _add_derived(at, conditions, stages)
    if where:
        stages.keep(where)
    add_states(at, conditions, stages)
    stages.add(":pressure", conditions.known(at.code.pressure, "", {}).value_if_known)
    permissions = Permissions(at, stages)
    hushes = Hushes(at, stages)
    if has_claims:
        _add_claimed(at, conditions, stages)
    columns = [f"{name(':customer')} AS customer", f"{name(COHORT)} AS cohort"]
    columns += _decided(at, conditions, permissions, hushes, stages) if at.rules else _UNDECIDED
    if with_details:
        columns.append(f"{holds_column(at)} AS holds")
    return PolicyQuery(
        text=stages.write(", ".join(columns)),
        actions=tuple(rule.action for rule in at.rules),
        channels=tuple(one.channel for rule in at.rules for one in rule.channels),
        reasons=at.reasons.numbered,
        request=request,
        now=now,
    )


_UNDECIDED: Final = (
    "CAST(NULL AS SMALLINT) AS answer",
    "CAST(NULL AS VARCHAR) AS answer_about",
    "CAST([] AS INTEGER[]) AS told",
    "CAST([] AS BIGINT[]) AS codes",
)
"""Of no action at all there is nothing to decide."""


def _decided(
    at: Setting, conditions: Conditions, permissions: Permissions, hushes: Hushes, stages: Stages
) -> list[str]:
    """Add everything that is decided, and return its columns."""
    brakes = {
        one: code for one in at.policy.channels if (code := hushes.brake_on_channel(one)) != NULL
    }
    pressure = Pressure(at, brakes, stages)
    add_past(at, stages)
    candidates = Candidates(at, conditions, hushes, stages)
    has_found = candidates.has_found
    layers = Layers(at, permissions, hushes)
    if has_found:
        layers.share(stages)
        stages.close()
        layers.add(stages)
    plain = Plain(at, candidates, permissions, hushes, layers, stages)
    add_best(at, layers, plain, has_found=has_found, stages=stages)
    add_judged(at, layers, plain, has_found=has_found, stages=stages)
    leaving = Leaving(at, layers, permissions, hushes, pressure)
    add_choice(at, layers, permissions, hushes, leaving, stages)
    details = Details(at, layers, leaving, hushes, pressure)
    is_full = at.with_details
    told = f"{details.write()} AS told" if is_full else f"{details.write_codes()} AS codes"
    return [f"{BEST}.a AS answer", f"{BEST}.k AS answer_about", told]


def write_facts(
    bundle: Bundle,
    *,
    now: int,
    columns: str,
    stale: tuple[int, ...] = (),
    dialect: Dialect = "duckdb",
) -> str:
    """Return a query of columns that rest on facts, cohorts and segments, and on nothing else."""
    at = Setting(
        bundle=bundle,
        request=EVERYBODY,
        controls=Controls(stale_facts=stale),
        now=now,
        has_claims=False,
        with_details=False,
        reasons=Reasons(),
    )
    stages = Stages(_source(at, CUSTOMERS, needs_zones=True))
    _add_derived(at, Conditions(at.code, stale, dialect), stages)
    return stages.write(columns)


def _source(at: Setting, table: str, *, needs_zones: bool = False) -> str:
    """Return the first step: the base, with what belongs to each zone and draw, and now."""
    needs_zones = needs_zones or any(
        reads_zone(expression) for expression, _ in expressions_of(at.code)
    )
    quiet = range(len(at.policy.quiet_hours))
    columns = ["b.*", f'CAST({at.now} AS BIGINT) AS "now"', 'LEN(b.":unknown") > 0 AS ' + BLIND]
    columns += [f"z.{name(quiet_column(index))}" for index in quiet]
    if needs_zones:
        columns += ['z.zone_starts AS "zone_starts"', 'z.zone_offsets AS "zone_offsets"']
    text = f"FROM {table} b"
    if needs_zones or quiet:
        columns.append(f"z.zone IS NOT NULL AS {HAS_ZONE}")
        text += f' LEFT JOIN {ZONES} z ON b.":zone" = z.zone'
    if table == CUSTOMERS and any(rule.holdout_percent for rule in at.rules):
        columns.append('d.held_out AS ":held_out"')
        text += f' LEFT JOIN {DRAWN} d ON b.":draw" = d.draw'
    return f"SELECT {', '.join(columns)} {text}"


def _add_derived(at: Setting, conditions: Conditions, stages: Stages) -> None:
    stages.add(COHORT, conditions.cohort(at.code))
    stages.close()
    segments = zip(at.code.order.segments, at.code.segments, strict=True)
    for segment, expression in segments:
        stages.add(segment_column(segment), conditions.segment(expression))
    stages.close()


def _add_claimed(at: Setting, conditions: Conditions, stages: Stages) -> None:
    """Add the holds that are on only by what is merely claimed: it may hush, and do no more."""
    claims = Stages(_source(at, CLAIMED_TABLE))
    _add_derived(at, conditions, claims)
    add_states(at, conditions, claims)
    states = claims.write(f'":customer", {states_list(at)} AS ":states"')
    stages.join(states, key=":customer", columns={":claimed_states": ":states"})
    own = "LIST_TRANSFORM(\":states\", LAMBDA k_own : {'hold': k_own.hold, 'about': k_own.about})"
    known = f"LIST_CONTAINS({own}, {struct(hold='k_state.hold', about='k_state.about')})"
    new = f'LIST_FILTER(":claimed_states", LAMBDA k_state : NOT {known})'
    stages.add(":claimed", case([('":claimed_states" IS NOT NULL', new)]))
    stages.close()
