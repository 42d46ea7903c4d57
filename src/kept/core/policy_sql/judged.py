"""The layers that do not look at the channel, for every candidate: a score, and the first no.

A judged candidate has all that a candidate has, and `s` its score, `r` the number of the reason why not
(NULL for yes), and `instant` when the customer was last reached by it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from kept.core.approval import GATE_ANSWER_STANDS
from kept.core.layers import DRAWS
from kept.core.policy_sql.candidates import FOUND, carried
from kept.core.policy_sql.held import CLAIMED, Hushes
from kept.core.policy_sql.permitted import Permissions
from kept.core.policy_sql.setting import Setting
from kept.core.policy_sql.text import (
    FALSE,
    NULL,
    Constant,
    Shared,
    Stages,
    case,
    contains,
    element,
    filtered,
    length,
    name,
    pick_constant,
    struct,
    transformed,
)
from kept.core.reason import (
    AlreadyContacted,
    ApprovalRefused,
    Contested,
    Declined,
    Expired,
    FactUnknown,
    HeldOut,
    NeedsApproval,
    NegativeBenefit,
    NotWorthIt,
    Outranked,
    TermsMissing,
)
from kept.core.rules import ActionRule

JUDGED: Final = name(":judged")
ONE: Final = "k_one"
"""What lambdas call the candidate in hand."""
NUMBER: Final = f"{ONE}.a"
CONTACTED: Final = name(":contacted")
DECLINED: Final = name(":declined")
APPROVALS: Final = name(":approvals")
HELD_OUT: Final = name(":held_out")
_FIELDS: Final = ("a", "k", "is_unknown", "v", "p", "b", "e", "sets", "h", "hu", "hw", "hwu")
_KEPT: Final = ("a", "k", "is_unknown", "b", "e", "sets", "s", "instant", "hu", "hw", "hwu")


class Layers:
    """Writes the reasons of every candidate."""

    def __init__(self, at: Setting, permissions: Permissions, hushes: Hushes) -> None:
        """Take what is permitted and what hushes."""
        self._at = at
        self._permissions = permissions
        self._hushes = hushes

    def add(self, stages: Stages) -> None:
        """Add the column `:judged`."""
        at = self._at
        recent = f"k_decline.instant > {at.now - at.policy.decline_rest}"
        lately = filtered(name(":declines"), "k_decline", recent)
        stages.add(":declined", case([(f"{length(name(':declines'))} > 0", lately)]))
        self._nowhere = self._shared(stages, ":nowhere", self._permissions.nowhere)
        self._controlled = self._shared(stages, ":controlled", self._hushes.controls)
        self._hushed = self._shared(stages, ":hushed", self._hushes.customer_wide)
        stages.close()
        scored = {field: f"{ONE}.{field}" for field in carried(at, *_FIELDS)}
        reached = transformed(
            FOUND, ONE, struct(**scored | {"s": self._score(), "instant": self._contacted_at()})
        )
        kept = {field: f"{ONE}.{field}" for field in carried(at, *_KEPT)}
        judged = kept | {"r": self._reason()}
        if at.has_claims:
            claimed = f"{self._hushes.claimed(NUMBER, f'{ONE}.k')}.until"
            end = case([(f"{length(CLAIMED)} > 0", claimed)], "CAST(NULL AS BIGINT)")
            own = f"{ONE}.hu" if "hu" in scored else NULL
            judged["hu"] = f"COALESCE({own}, {end})"
        stages.add(":scored", reached)
        stages.close()
        stages.add(":judged", transformed(name(":scored"), ONE, struct(**judged)))
        stages.close()

    def of_rule(self, values: Sequence[Constant], of: str) -> str:
        """Return what the policy says of the action in hand: one constant for each action."""
        return pick_constant(values, NUMBER, of)

    @property
    def is_promotional(self) -> str:
        """Return whether the action in hand competes for the one answer."""
        return self.of_rule([rule.promotional for rule in self._at.rules], "BOOLEAN")

    def _shared(self, stages: Stages, key: str, write: Callable[[ActionRule], str]) -> Shared:
        return Shared(stages, key, [write(rule) for rule in self._at.rules], "INTEGER")

    @property
    def outranked(self) -> str:
        """Return the number of the reason that another action is the better answer."""
        return self._at.reasons.text(Outranked(by="", score=0), "outranked")

    # -- what is found of a candidate

    def _score(self) -> str:
        """Return a candidate's worth in minor units, 0 where part of it is unknown."""
        product = f"CAST({ONE}.v AS HUGEINT) * {ONE}.p"
        # Integer division goes towards zero here, and downwards in Python.
        down = f"-((999999 - ({product})) // 1000000)"
        whole = case([(f"{product} >= 0", f"({product}) // 1000000")], down)
        costs = self.of_rule([rule.cost for rule in self._at.rules], "BIGINT")
        score = f"COALESCE({whole} - {name(':pressure')} - {costs}, 0)"
        promotional = f"{self.is_promotional} AND NOT {ONE}.is_unknown"
        return f"CAST({case([(promotional, score)], '0')} AS HUGEINT)"

    def _contacted_at(self) -> str:
        """Return when the customer was last reached by the action about this object, or NULL."""
        same = f"k_past.action = {self.action_name} AND k_past.about = {ONE}.k"
        past = element(filtered(CONTACTED, "k_past", same), "1")
        return case([(f"{length(CONTACTED)} > 0", f"{past}.instant")], "CAST(NULL AS BIGINT)")

    @property
    def action_name(self) -> str:
        """Return the name of the action in hand."""
        return self.of_rule([rule.action for rule in self._at.rules], "VARCHAR")

    # -- the layers

    def _reason(self) -> str:
        at = self._at
        own = [f"{ONE}.h"] if "h" in carried(at, "h") else []
        hushing = [self._controlled.at(NUMBER), *own, self._hushed.at(NUMBER)]
        if at.has_claims:
            state = self._hushes.claimed(NUMBER, f"{ONE}.k")
            claimed = case([(f"{length(CLAIMED)} > 0", self._hushes.claimed_reason(state))])
            hushing.append(claimed)
        chain = [
            self._relevance(),
            self._eligibility(),
            self._nowhere.at(NUMBER),
            *hushing,
            self._approval(),
            self._honesty(),
            self._worth(),
        ]
        known = f"COALESCE({', '.join(part for part in chain if part != NULL)}, NULL)"
        unknown = [
            at.reasons.number(FactUnknown(facts=()), "facts", len(at.policy.holds) + rule.index)
            for rule in at.rules
        ]
        codes = pick_constant(unknown, NUMBER, "INTEGER")
        return f"CAST({case([(f'{ONE}.is_unknown', codes)], known)} AS INTEGER)"

    def _relevance(self) -> str:
        at, reasons = self._at, self._at.reasons
        mine = declines_of(self.action_name)
        is_declined = f"{length(DECLINED)} > 0 AND LEN({filtered(DECLINED, 'k_decline', mine)}) > 0"
        # For a while after it was sent it stays the one answer.
        stays = f"{self.is_promotional} AND {ONE}.instant > {at.now - at.policy.answer_stable}"
        return case(
            [
                (
                    f"LEN({DECLINED}) > 0 AND {is_declined}",
                    reasons.text(Declined(at=0), "declined"),
                ),
                (f"{ONE}.instant IS NULL OR ({stays})", NULL),
            ],
            self.repeat(),
        )

    def repeat(self) -> str:
        """Return that the action reached the customer already, and may not come again yet."""
        at = self._at
        contacted = at.reasons.text(AlreadyContacted(at=0), "contacted")
        until = [at.now - rule.repeat if rule.repeat else None for rule in at.rules]
        since = self.of_rule(until, "BIGINT")
        return case([(f"{ONE}.instant > COALESCE({since}, {ONE}.instant - 1)", contacted)])

    def _eligibility(self) -> str:
        at, reasons = self._at, self._at.reasons
        has_end = "e" in carried(at, "e")
        expired = f"{ONE}.e <> 0 AND {ONE}.e <= {at.now}" if has_end else FALSE
        percent = at.policy.universal_control_percent
        universal = f'":draw" < {percent * (DRAWS // 100)}' if percent else FALSE
        own = any(rule.holdout_percent for rule in at.rules)
        indexes = self.of_rule([rule.index for rule in at.rules], "SMALLINT")
        groups = [
            reasons.number(HeldOut(group=rule.action)) if rule.holdout_percent else None
            for rule in at.rules
        ]
        return case(
            [
                (expired, reasons.text(Expired(at=0), "expired")),
                (f"NOT {self.is_promotional}", NULL),
                (universal, reasons.text(HeldOut(group="universal"))),
                (
                    f"COALESCE({contains(HELD_OUT, indexes)}, FALSE)" if own else FALSE,
                    pick_constant(groups, NUMBER, "INTEGER"),
                ),
            ]
        )

    def _approval(self) -> str:
        at, reasons = self._at, self._at.reasons
        if not any(rule.needs_approval for rule in at.rules):
            return NULL
        named = f"k_said.name = {self.action_name} || '|' || {ONE}.k"
        said = element(filtered(APPROVALS, "k_said", named), "1")
        prints = self.of_rule([rule.fingerprint for rule in at.rules], "VARCHAR")
        is_valid = f"k_said.until > {at.now}"
        used_at = f"k_said.message_id = '' AND k_said.instant > {at.now - GATE_ANSWER_STANDS}"
        refused = reasons.text(ApprovalRefused(at=0), "refused")
        contested = reasons.text(Contested(at=0), "contested")
        approved = f"k_said.outcome = 'approved' AND {is_valid} AND k_said.fingerprint = {prints}"
        verdict = case(
            [
                (approved, NULL),
                (f"k_said.outcome = 'refused' AND {is_valid}", refused),
                ("k_said.outcome = 'contested'", contested),
                (f"k_said.outcome = 'used' AND {used_at}", NULL),
            ],
            reasons.text(NeedsApproval()),
        )
        told = f"[{said}]"
        found = element(transformed(told, "k_said", verdict), "1")
        needed = self.of_rule([rule.needs_approval for rule in at.rules], "BOOLEAN")
        missing = f"{said} IS NULL"
        return case([(f"NOT {needed}", NULL), (missing, reasons.text(NeedsApproval()))], found)

    def _honesty(self) -> str:
        codes = [
            self._at.reasons.number(TermsMissing(detail=rule.dishonest)) if rule.dishonest else None
            for rule in self._at.rules
        ]
        return NULL if not any(codes) else pick_constant(codes, NUMBER, "INTEGER")

    def _worth(self) -> str:
        reasons = self._at.reasons
        needs = self.of_rule([rule.needs_benefit for rule in self._at.rules], "BOOLEAN")
        negative = f"{needs} AND ({ONE}.b IS NULL OR {ONE}.b < 0)" if needs != FALSE else FALSE
        return case(
            [
                (f"NOT {self.is_promotional}", NULL),
                (negative, reasons.text(NegativeBenefit(benefit=0), "benefit")),
                (f"{ONE}.s <= 0", reasons.text(NotWorthIt(score=0), "score")),
            ]
        )


def declines_of(action: str) -> str:
    """Return whether a decline is of the action in hand, or of it about this very object."""
    return f"(k_decline.name = {action} OR k_decline.name = {action} || '|' || {ONE}.k)"
