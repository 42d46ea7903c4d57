"""Ask a base about everybody: how many a condition holds for, and what would be done for how many."""

from collections import defaultdict
from typing import Final

import msgspec

from kept.base_port import Base
from kept.core.brand import model
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.decision import OUTBOUND, Controls, Request
from kept.core.policy.sql_targets import Dialect
from kept.core.policy_sql.codes import read_code
from kept.core.policy_sql.counts import (
    EVERYBODY,
    SILENT,
    find_condition,
    write_audience,
    write_chosen,
    write_condition,
    write_reach,
)
from kept.core.policy_sql.query import PolicyQuery, write_query
from kept.core.reason import code_of
from kept.core.values import format_instant
from kept.errors import InputError
from kept.flows.extract_base import Extracted

NEW_HOLD: Final = "new_hold"
"""What a hold is called that is only tried."""


class AudienceView(msgspec.Struct, frozen=True, kw_only=True):
    """How many a condition holds for."""

    instant: str
    """When the base was taken that was asked."""
    customers: int
    members: int
    unknown: int
    """For how many it cannot be told; they are no members."""
    cohorts: dict[str, int]
    """Members by cohort; those whose cohort is unknown are under an empty name."""


class WhyNot(msgspec.Struct, frozen=True, kw_only=True):
    """A reason that stands in the way of an action, and of how many."""

    layer: str
    code: str
    detail: str
    """The hold, cap, brake, scope … that it names, or empty."""
    count: int


class ActionReach(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one action; an action about objects counts each of them."""

    action: str
    chosen: int
    channels: dict[str, int]
    """Those chosen by the channel that they would leave on."""
    chosen_before: int
    """Chosen without what is tried; the same as `chosen` where nothing is."""
    refused: tuple[WhyNot, ...]
    """The commonest reason first."""


class ReachView(msgspec.Struct, frozen=True, kw_only=True):
    """What would be decided for everybody at one instant."""

    instant: str
    placement: str
    customers: int
    silent: int
    """For how many nothing would be chosen."""
    actions: tuple[ActionReach, ...]
    cohorts: dict[str, int]
    """How many customers of each cohort something is chosen for, where that was asked."""


class ReachWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked about everybody."""

    placement: str = OUTBOUND
    actions: tuple[str, ...] = ()
    """Only these actions, as if the brand had no others; empty means all."""
    segment: str = ""
    where: str = ""
    with_hold: str = ""
    """A condition tried as a hold on everything promotional."""
    without_hold: str = ""
    """A hold of the brand that is left out."""
    by_cohort: bool = False


def count_audience(
    base: Base,
    bundle: Bundle,
    extracted: Extracted,
    controls: Controls,
    *,
    segment: str,
    where: str,
) -> AudienceView:
    """Return how many a segment or a condition holds for.

    Raises:
        InputError: there is no such segment, or both are given.
        InvalidBrandError: with everything that is wrong with the condition.
    """
    condition = find_condition(bundle, where=where, segment=segment)
    query = write_audience(
        bundle,
        condition,
        now=extracted.instant,
        stale=controls.stale_facts,
        dialect=base.dialect,
    )
    rows = base.ask(query)
    return AudienceView(
        instant=format_instant(extracted.instant),
        customers=extracted.customers,
        members=sum(row["members"] for row in rows),
        unknown=sum(row["unknown"] for row in rows),
        cohorts={row["cohort"] or "": row["members"] for row in rows if row["members"]},
    )


def count_reach(
    base: Base, bundle: Bundle, extracted: Extracted, controls: Controls, wanted: ReachWanted
) -> ReachView:
    """Return what would be decided for everybody, counted.

    Raises:
        InputError: something is asked about that the brand does not have.
        InvalidBrandError: with everything that is wrong with a condition.
    """
    _check_names(bundle, wanted)
    tried = _with_holds(bundle, wanted)
    asked = _Asked(base, tried, extracted, controls, wanted)
    before = asked.chosen_of
    if tried is not bundle:
        before = _Asked(base, bundle, extracted, controls, wanted).chosen_of
    actions = tuple(
        ActionReach(
            action=action,
            chosen=asked.chosen_of.get(action, 0),
            channels=dict(asked.channels_of[action]),
            chosen_before=before.get(action, 0),
            refused=asked.refused(action),
        )
        for action in sorted(asked.query.actions)
    )
    return ReachView(
        instant=format_instant(extracted.instant),
        placement=wanted.placement,
        customers=asked.customers,
        silent=asked.silent,
        actions=actions,
        cohorts=dict(asked.cohorts),
    )


def write_reach_query(
    bundle: Bundle,
    extracted: Extracted,
    controls: Controls,
    wanted: ReachWanted,
    dialect: Dialect = "duckdb",
) -> PolicyQuery:
    """Return the query that decides for those who are asked about."""
    condition = find_condition(bundle, where=wanted.where, segment=wanted.segment)
    where = ""
    if condition is not None:
        where, _ = write_condition(bundle, condition, controls.stale_facts, dialect)
    return write_query(
        bundle,
        now=extracted.instant,
        request=Request(placement=wanted.placement, actions=wanted.actions),
        controls=controls,
        has_claims=bool(extracted.claimed),
        has_unknown=bool(extracted.unknown),
        with_details=False,
        where=where,
        dialect=dialect,
    )


def find_chosen(
    base: Base, bundle: Bundle, extracted: Extracted, controls: Controls, wanted: ReachWanted
) -> list[int]:
    """Return for whom the one action that is asked about is chosen, in the order of their ids.

    All actions compete, as they will when each is decided.

    Raises:
        InputError: it is not exactly one action, or the brand does not have it.
    """
    _check_names(bundle, wanted)
    if len(wanted.actions) != 1:
        raise InputError("a campaign is about one action")
    everything = msgspec.structs.replace(wanted, actions=())
    query = write_reach_query(bundle, extracted, controls, everything, base.dialect)
    return sorted(row["customer"] for row in base.walk(write_chosen(query, wanted.actions[0])))


class _Asked:
    """What a base says, sorted by actions."""

    def __init__(
        self,
        base: Base,
        bundle: Bundle,
        extracted: Extracted,
        controls: Controls,
        wanted: ReachWanted,
    ) -> None:
        self.query = write_reach_query(bundle, extracted, controls, wanted, base.dialect)
        self.customers = self.silent = 0
        self.chosen_of: dict[str, int] = {}
        self.channels_of: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.cohorts: dict[str, int] = defaultdict(int)
        self._refused: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for row in base.ask(write_reach(self.query, by_cohort=wanted.by_cohort)):
            self._take(row["code"], row["count"], row["cohort"] or "", wanted)

    def _take(self, code: int, count: int, cohort: str, wanted: ReachWanted) -> None:
        if code in (EVERYBODY, SILENT):
            is_silent = code == SILENT
            self.silent += count if is_silent else 0
            self.customers += 0 if is_silent else count
            if wanted.by_cohort:
                self.cohorts[cohort] += -count if is_silent else count
            return
        number, reason, way = read_code(code)
        action = self.query.actions[number - 1]
        if reason:
            self._refused[action][reason] += count
            return
        self.chosen_of[action] = self.chosen_of.get(action, 0) + count
        if way:
            self.channels_of[action][self.query.channels[way - 1]] += count

    def refused(self, action: str) -> tuple[WhyNot, ...]:
        """Return the reasons against an action, the commonest first."""
        found: dict[tuple[str, str, str], int] = defaultdict(int)
        for number, count in self._refused[action].items():
            reason = self.query.reasons[number - 1].reason
            told = msgspec.to_builtins(reason)
            names = ("hold", "cap", "brake", "scope", "group", "channel", "purpose", "placement")
            detail = next((str(told[one]) for one in names if told.get(one)), "")
            found[reason.layer, code_of(reason), detail] += count
        return tuple(
            WhyNot(layer=layer, code=code, detail=detail, count=count)
            for (layer, code, detail), count in sorted(
                found.items(), key=lambda one: (-one[1], one[0])
            )
        )


def _check_names(bundle: Bundle, wanted: ReachWanted) -> None:
    policy = bundle.policy
    wrong = [f"an action {one!r}" for one in wanted.actions if one not in policy.by_name]
    if wanted.placement not in policy.placements:
        wrong.append(f"a placement {wanted.placement!r}")
    if wanted.without_hold and wanted.without_hold not in bundle.brand.contact.holds:
        wrong.append(f"a hold {wanted.without_hold!r}")
    if wrong:
        raise InputError(f"the brand does not have {', nor '.join(wrong)}")


def _with_holds(bundle: Bundle, wanted: ReachWanted) -> Bundle:
    """Return the brand with the holds that are to be tried, the same brand where none are."""
    if not (wanted.with_hold or wanted.without_hold):
        return bundle
    holds = {
        name: hold
        for name, hold in bundle.brand.contact.holds.items()
        if name != wanted.without_hold
    }
    if wanted.with_hold:
        # What is wrong with it is said in terms of a condition, not of a file.
        find_condition(bundle, where=wanted.with_hold, segment="")
        holds[NEW_HOLD] = model.Hold(
            while_=wanted.with_hold,
            hushes=model.Scope(promotional=True),
            because="It is tried.",
        )
    contact = msgspec.structs.replace(bundle.brand.contact, holds=holds)
    return compile_brand(msgspec.structs.replace(bundle.brand, contact=contact))
