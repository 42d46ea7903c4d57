"""The choice: what leaves, what a placement shows, what a gate allows, as `decide` chooses each."""

from typing import Final

import msgspec

from kept.core.decision import OUTBOUND
from kept.core.policy_sql.candidates import carried
from kept.core.policy_sql.held import CLAIMED, Hushes
from kept.core.policy_sql.judged import JUDGED, NUMBER, OBJECTS, ONE, Layers
from kept.core.policy_sql.leaving import BEST, NO_WAY, Leaving
from kept.core.policy_sql.permitted import Permissions
from kept.core.policy_sql.plain import Plain
from kept.core.policy_sql.setting import Setting, kind_of_placement
from kept.core.policy_sql.text import (
    NULL,
    Stages,
    any_of,
    array,
    case,
    element,
    filtered,
    joined,
    least,
    length,
    name,
    negated,
    ordered,
    pick_constant,
    struct,
    transformed,
)
from kept.core.reason import ChoiceLimited, NotOfferedHere, NotProven
from kept.core.rules import PlacementRule

LEFT: Final = name(":left")
_FIELDS: Final = ("a", "k", "is_unknown", "b", "e", "sets", "s", "instant", "hu")
_RANKED: Final = "STRUCT(n HUGEINT, o INTEGER, k VARCHAR, a SMALLINT)"
_SHOWN: Final = name(":shown")


def add_best(at: Setting, layers: Layers, plain: Plain, *, has_found: bool, stages: Stages) -> None:
    """Add the customer's one answer, the same wherever it is asked; NULL where there is none."""
    best = [] if plain.is_empty else [plain.best()]
    if has_found:
        ranked = f"{ONE}.r IS NULL AND {layers.is_promotional}"
        best.append(least(transformed(filtered(OBJECTS, ONE, ranked), ONE, _rank(at, layers))))
    listed = filtered(array(best, _RANKED), "k_best", "k_best IS NOT NULL")
    stages.add(":best", least(listed) if best else f"CAST(NULL AS {_RANKED})")
    stages.close()


def add_judged(
    at: Setting, layers: Layers, plain: Plain, *, has_found: bool, stages: Stages
) -> None:
    """Add the column `:judged`, of the candidates that the choice looks at.

    Without details the others are left as codes, in `:rest`; they are most of all.
    """
    lists = [OBJECTS] if has_found else []
    if not plain.is_empty and at.with_details:
        lists.append(plain.all())
    elif not plain.is_empty:
        kept = "TRUE"
        if kind_of_placement(at) == OUTBOUND:
            promotional = pick_constant(
                [rule.promotional for rule in at.rules], plain.number, "BOOLEAN"
            )
            is_best = f"({plain.number} = {BEST}.a AND {BEST}.k = '')"
            kept = any_of([negated(promotional), is_best])
        lists.append(plain.passing(kept))
        stages.add(":rest", plain.rest(kept, layers.outranked))
    if not at.with_details and plain.is_empty:
        stages.add(":rest", "CAST([] AS BIGINT[])")
    stages.add(":judged", joined(lists))
    stages.close()


def add_choice(
    at: Setting,
    layers: Layers,
    permissions: Permissions,
    hushes: Hushes,
    leaving: Leaving,
    stages: Stages,
) -> None:
    """Add the column `:left`: every candidate with its last reason, NULL for what is chosen."""
    placement = at.policy.placements.get(at.request.placement)
    kind = kind_of_placement(at)
    if kind == "gate":
        _add_at_gate(at, layers, stages)
    elif kind == "inbound" and placement is not None:
        placed = _add_placed(at, placement, permissions, hushes, stages)
        _add_shown(at, placement, layers, placed, stages)
    else:
        leaving.add(stages)


def _rank(at: Setting, layers: Layers) -> str:
    """Return what promotional candidates are ranked by: ties by name, then by object."""
    rank = layers.of_rule(list(at.ranks), "INTEGER")
    return struct(n=f"-{ONE}.s", o=rank, k=f"{ONE}.k", a=NUMBER)


def _offered(at: Setting, layers: Layers) -> str:
    place = at.request.placement
    return layers.of_rule([place in rule.placements for rule in at.rules], "BOOLEAN")


def _add_at_gate(at: Setting, layers: Layers, stages: Stages) -> None:
    """What competes is neither allowed nor refused at a gate."""
    elsewhere = at.reasons.text(NotOfferedHere(placement=at.request.placement))
    reason = case([(f"{ONE}.r IS NULL AND NOT {_offered(at, layers)}", elsewhere)], f"{ONE}.r")
    told = filtered(JUDGED, ONE, f"{ONE}.r IS NOT NULL OR NOT {layers.is_promotional}")
    fields = {field: f"{ONE}.{field}" for field in carried(at, *_FIELDS)}
    fields |= {"r": f"CAST({reason} AS INTEGER)", "way": NO_WAY}
    stages.add(":left", transformed(told, ONE, struct(**fields)))
    stages.close()


class _Placed(msgspec.Struct, frozen=True):
    """What keeps the candidate in hand from a placement that offers it, as text."""

    code: str
    """The number of the reason, or NULL."""
    until: str
    """When a hold on the placement's channel ends that is about the object, or claimed, or NULL."""


def _add_placed(
    at: Setting,
    placement: PlacementRule,
    permissions: Permissions,
    hushes: Hushes,
    stages: Stages,
) -> _Placed:
    """Add what each action is kept back by, as `layers.check_shown` has it."""
    channel = placement.channel
    unproven = placement.reveals == "proven" and not at.request.is_proven
    codes = [
        NULL
        if placement.placement not in rule.placements
        else at.reasons.text(NotProven())
        if unproven
        else permissions.consent(rule, channel)
        for rule in at.rules
    ]
    stages.add(":placed", array(codes, "INTEGER"))
    chain, ends = [element(name(":placed"), NUMBER)], []
    if channel:
        if any(hushes.has_own(rule, channel) for rule in at.rules):
            chain.append(element(f"{ONE}.hw", "1"))
            ends.append(element(f"{ONE}.hwu", "1"))
        wide = [hushes.customer_wide(rule, channel) for rule in at.rules]
        stages.add(":hushed_here", array(wide, "INTEGER"))
        chain.append(element(name(":hushed_here"), NUMBER))
        if at.has_claims:
            state = hushes.claimed(NUMBER, f"{ONE}.k", channel)
            is_claimed = f"{length(CLAIMED)} > 0"
            chain.append(case([(is_claimed, hushes.claimed_reason(state))]))
            ends.append(case([(is_claimed, f"{state}.until")]))
        chain.append(hushes.brake_on_channel(channel))
    stages.close()
    return _Placed(
        f"COALESCE({', '.join(chain)}, NULL)", f"COALESCE({', '.join([*ends, NULL])}, NULL)"
    )


def _add_shown(
    at: Setting, placement: PlacementRule, layers: Layers, placed: _Placed, stages: Stages
) -> None:
    reasons, code = at.reasons, placed.code
    offered = _offered(at, layers)
    limit = min(placement.shows_max, at.policy.choice_limit)
    names = [rule.category or rule.action for rule in at.rules]
    alike = layers.of_rule([names.index(one) for one in names], "INTEGER")
    rank = {"n": f"-{ONE}.s", "o": layers.of_rule(list(at.ranks), "INTEGER"), "k": f"{ONE}.k"}
    may = f"{ONE}.r IS NULL AND {layers.is_promotional} AND {offered} AND {code} IS NULL"
    stages.add(
        ":showable",
        ordered(transformed(filtered(JUDGED, ONE, may), ONE, struct(**rank, alike=alike))),
    )
    stages.close()
    _add_those_shown(limit, stages)
    limited = [
        reasons.number(ChoiceLimited(limit=limit, category=rule.category)) for rule in at.rules
    ]
    elsewhere = reasons.text(NotOfferedHere(placement=placement.placement))
    own = f"CAST({struct(**rank, alike=alike)} AS {_SHOWABLE})"
    before = filtered(_SHOWN, "k_row", f"k_row < {own}")
    is_limited = f"LEN({before}) >= {limit} OR LEN({filtered(before, 'k_row', f'k_row.alike = {alike}')}) > 0"
    is_best = f"{ONE}.a = {BEST}.a AND {ONE}.k = {BEST}.k"
    competing = case(
        [
            (f"LEN({_SHOWN}) = 0 AND NOT ({is_best})", layers.outranked),
            (f"LIST_CONTAINS({_SHOWN}, {own})", NULL),
            (is_limited, layers.of_rule(list(limited), "INTEGER")),
        ],
        code,
    )
    reason = case(
        [
            (f"{ONE}.r IS NOT NULL", f"{ONE}.r"),
            (f"NOT {offered}", elsewhere),
            (f"NOT {layers.is_promotional}", code),
        ],
        competing,
    )
    fields = {field: f"{ONE}.{field}" for field in carried(at, *_FIELDS)}
    if "hu" in fields:
        fields["hu"] = (
            f"CAST({case([(f'{ONE}.r IS NOT NULL', f'{ONE}.hu')], placed.until)} AS BIGINT)"
        )
    fields |= {"r": f"CAST({reason} AS INTEGER)", "way": NO_WAY}
    stages.add(":left", transformed(JUDGED, ONE, struct(**fields)))
    stages.close()


def _add_those_shown(limit: int, stages: Stages) -> None:
    """Add those that are shown: of those that are alike the best one, up to the limit.

    The one answer is shown, or nothing is.
    """
    rows, better = name(":showable"), "k_other.alike = k_row.alike AND k_other < k_row"
    firsts = filtered(rows, "k_row", f"LEN({filtered(rows, 'k_other', better)}) = 0")
    answer = f"{element(rows, '1')}.n = {BEST}.n AND {element(rows, '1')}.o = {BEST}.o"
    is_answer = f"{answer} AND {element(rows, '1')}.k = {BEST}.k"
    stages.add(":shown", case([(is_answer, f"({firsts})[1:{limit}]")], f"({rows})[1:0]"))
    stages.close()


_SHOWABLE: Final = "STRUCT(n HUGEINT, o INTEGER, k VARCHAR, alike INTEGER)"
