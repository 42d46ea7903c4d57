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
    all_of,
    any_of,
    array,
    case,
    constant,
    contains,
    element,
    filtered,
    first_of,
    length,
    name,
    negated,
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
OBJECTS: Final = name(":judged_objects")
"""What is about objects and breaches, judged."""
ONE: Final = "k_one"
"""What lambdas call the candidate in hand."""
NUMBER: Final = f"{ONE}.a"
CONTACTED: Final = name(":contacted")
DECLINED: Final = name(":declined")
APPROVALS: Final = name(":approvals")
HELD_OUT: Final = name(":held_out")
HAS_PAST: Final = name(":has_past")
_CERTAIN: Final = "CAST(1000000 AS BIGINT)"
"""A chance of one, which is what a brand says of most of its actions."""
_FIELDS: Final = ("a", "k", "is_unknown", "v", "p", "b", "e", "sets", "h", "hu", "hw", "hwu")
_KEPT: Final = ("a", "k", "is_unknown", "b", "e", "sets", "s", "instant", "hu", "hw", "hwu")


def judged_fields(at: Setting) -> list[str]:
    """Return the fields of a judged candidate in their order, which Spark asks to be the same everywhere."""
    return [*dict.fromkeys((*carried(at, *_KEPT), "s", "r"))]


class Layers:
    """Writes the reasons of every candidate."""

    def __init__(self, at: Setting, permissions: Permissions, hushes: Hushes) -> None:
        """Take what is permitted and what hushes."""
        self._at = at
        self._permissions = permissions
        self._hushes = hushes

    number = NUMBER
    """The number of the action in hand."""

    def share(self, stages: Stages) -> None:
        """Add what a customer's row says of many actions alike."""
        self._nowhere = self._shared(stages, ":nowhere", self._permissions.nowhere)
        self._controlled = self._shared(stages, ":controlled", self._hushes.controls)
        self._hushed = self._shared(stages, ":hushed", self._hushes.customer_wide)

    def add(self, stages: Stages) -> None:
        """Add the column `:judged_objects`, of what was found of objects and breaches."""
        at = self._at
        scored = {field: self.field(field) for field in carried(at, *_FIELDS)}
        more = {"s": self.score(), "instant": self.contacted_at()}
        stages.add(":scored", transformed(FOUND, ONE, struct(**scored | more)))
        stages.close()
        # The score is what the best is found by, also where it is told to nobody.
        judged = {field: self.field(field) for field in judged_fields(at)} | {"r": self.reason()}
        if at.has_claims:
            judged["hu"] = first_of([f"{ONE}.hu", self.claimed_until()], "BIGINT")
        stages.add(":judged_objects", transformed(name(":scored"), ONE, struct(**judged)))
        stages.close()

    def field(self, field: str) -> str:
        """Return something of the candidate in hand."""
        return f"{ONE}.{field}"

    def claimed_until(self) -> str:
        """Return when the claimed hold ends that hushes the candidate in hand, or NULL."""
        claimed = f"{self._hushes.claimed(self.number, self.field('k'))}.until"
        return case([(f"{length(CLAIMED)} > 0", claimed)], "CAST(NULL AS BIGINT)")

    def of_rule(self, values: Sequence[Constant], of: str) -> str:
        """Return what the policy says of the action in hand: one constant for each action."""
        return pick_constant(values, self.number, of)

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

    def score(self) -> str:
        """Return a candidate's worth in minor units, 0 where part of it is unknown."""
        value, chance = f"CAST({self.field('v')} AS HUGEINT)", self.field("p")
        product = f"{value} * {chance}"
        # Integer division goes towards zero here, and downwards in Python.
        down = f"-((999999 - ({product})) // 1000000)"
        whole = case([(f"{product} >= 0", f"({product}) // 1000000")], down)
        if chance == _CERTAIN:
            whole = value
        costs = self.of_rule([rule.cost for rule in self._at.rules], "BIGINT")
        score = f"COALESCE({whole} - {name(':pressure')} - {costs}, 0)"
        promotional = all_of([self.is_promotional, negated(self.field("is_unknown"))])
        return f"CAST({case([(promotional, score)], '0')} AS HUGEINT)"

    def contacted_at(self) -> str:
        """Return when the customer was last reached by the action about this object, or NULL."""
        same = f"k_past.action = {self.action_name} AND k_past.about = {self.field('k')}"
        past = element(filtered(CONTACTED, "k_past", same), "1")
        return case([(f"{length(CONTACTED)} > 0", f"{past}.instant")], "CAST(NULL AS BIGINT)")

    @property
    def action_name(self) -> str:
        """Return the name of the action in hand."""
        return self.of_rule([rule.action for rule in self._at.rules], "VARCHAR")

    # -- the layers

    def reason(self) -> str:
        """Return the number of the first layer's no, NULL for yes."""
        codes = pick_constant(self.unknown_codes(), self.number, "INTEGER")
        known = first_of(
            [
                self.relevance(),
                self._eligibility(),
                self.nowhere(),
                *self._hushing(),
                self._approval(),
                self._honesty(),
                self._worth(),
            ]
        )
        return f"CAST({case([(self.field('is_unknown'), codes)], known)} AS INTEGER)"

    def unknown_codes(self) -> list[int]:
        """Return, for each action, the number of the reason that its condition cannot be told."""
        at = self._at
        return [
            at.reasons.number(FactUnknown(facts=()), "facts", len(at.policy.holds) + rule.index)
            for rule in at.rules
        ]

    def nowhere(self) -> str:
        """Return why neither a channel nor a placement is allowed to the action in hand."""
        return self._nowhere.at(self.number)

    def controlled(self) -> str:
        """Return the breach or brake that stops the action in hand."""
        return self._controlled.at(self.number)

    def hushed(self) -> str:
        """Return the customer's own hold that hushes the action in hand."""
        return self._hushed.at(self.number)

    def _hushing(self) -> list[str]:
        own = [self.field("h")] if "h" in carried(self._at, "h") else []
        claimed = []
        if self._at.has_claims:
            state = self._hushes.claimed(self.number, self.field("k"))
            reason = self._hushes.claimed_reason(state)
            claimed = [case([(f"{length(CLAIMED)} > 0", reason)])]
        return [self.controlled(), *own, self.hushed(), *claimed]

    def relevance(self) -> str:
        """Return that the action is beside the point for now: declined lately, or done already."""
        reasons = self._at.reasons
        is_declined = f"LEN({self.declines()}) > 0"
        declined = reasons.text(Declined(at=0), "declined")
        is_refused = f"{length(DECLINED)} > 0 AND {is_declined}"
        # Most customers have no past, and then nobody need look for each action.
        return case([(HAS_PAST, case([(is_refused, declined)], self.contacted()))])

    def declines(self) -> str:
        """Return the late declines of the action in hand, about its object or about none."""
        at = self._at
        offer = self.of_rule([at.offers[rule.index] for rule in at.rules], "INTEGER")
        is_about = f"(k_decline.about = '' OR k_decline.about = {self.field('k')})"
        return filtered(DECLINED, "k_decline", f"k_decline.offer = {offer} AND {is_about}")

    def contacted(self) -> str:
        """Return that the action reached the customer, and neither stays nor may come again."""
        # For a while after it was sent it stays the one answer.
        lately = f"{self.field('instant')} > {self._at.now - self._at.policy.answer_stable}"
        stays = all_of([self.is_promotional, f"COALESCE({lately}, FALSE)"])
        no_past = any_of([f"{self.field('instant')} IS NULL", stays])
        return case([(no_past, NULL)], self.repeat())

    def repeat(self) -> str:
        """Return that the action reached the customer already, and may not come again yet."""
        at = self._at
        contacted = at.reasons.text(AlreadyContacted(at=0), "contacted")
        until = [at.now - rule.repeat if rule.repeat else None for rule in at.rules]
        since = self.of_rule(until, "BIGINT")
        instant = self.field("instant")
        is_late = (
            f"{instant} > {since}"
            if all(until)
            else f"{instant} > COALESCE({since}, {instant} - 1)"
        )
        return case([(is_late, contacted)])

    def _eligibility(self) -> str:
        at, reasons = self._at, self._at.reasons
        has_end = "e" in carried(at, "e")
        end = self.field("e")
        expired = f"{end} <> 0 AND {end} <= {at.now}" if has_end else FALSE
        percent = at.policy.universal_control_percent
        universal = f'":draw" < {percent * (DRAWS // 100)}' if percent else FALSE
        tested = self.of_rule([bool(rule.holdout_percent) for rule in at.rules], "BOOLEAN")
        indexes = self.of_rule([rule.index for rule in at.rules], "SMALLINT")
        groups = [
            reasons.number(HeldOut(group=rule.action)) if rule.holdout_percent else None
            for rule in at.rules
        ]
        return case(
            [
                (expired, reasons.text(Expired(at=0), "expired")),
                (negated(self.is_promotional), NULL),
                (universal, reasons.text(HeldOut(group="universal"))),
                (
                    all_of([tested, f"COALESCE({contains(HELD_OUT, indexes)}, FALSE)"]),
                    self.of_rule(groups, "INTEGER"),
                ),
            ]
        )

    def _approval(self) -> str:
        at, reasons = self._at, self._at.reasons
        if not any(rule.needs_approval for rule in at.rules):
            return NULL
        named = f"k_said.name = {self.action_name} || '|' || {self.field('k')}"
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
        return case([(negated(needed), NULL), (missing, reasons.text(NeedsApproval()))], found)

    def _honesty(self) -> str:
        codes = [
            self._at.reasons.number(TermsMissing(detail=rule.dishonest)) if rule.dishonest else None
            for rule in self._at.rules
        ]
        return NULL if not any(codes) else self.of_rule(codes, "INTEGER")

    def _worth(self) -> str:
        reasons = self._at.reasons
        needs = self.of_rule([rule.needs_benefit for rule in self._at.rules], "BOOLEAN")
        worse = f"COALESCE({self.field('b')}, -1) < 0"
        negative = FALSE if needs == FALSE else all_of([needs, worse])
        return case(
            [
                (negated(self.is_promotional), NULL),
                (negative, reasons.text(NegativeBenefit(benefit=0), "benefit")),
                (f"{self.field('s')} <= 0", reasons.text(NotWorthIt(score=0), "score")),
            ]
        )


def add_past(at: Setting, stages: Stages) -> None:
    """Add what was declined lately, and whether anything was said or declined at all."""
    recent = f"k_decline.instant > {at.now - at.policy.decline_rest}"
    declines = name(":declines")
    names = array((constant(rule.action) for rule in at.policy.actions), "VARCHAR")
    place = f"LIST_POSITION({names}, k_decline.action)"
    told = {"about": "k_decline.about", "instant": "k_decline.instant"}
    # Not a pick: an action of another brand has no place, also where this brand has one offer only.
    offer = element(array(map(str, at.offers), "INTEGER"), place)
    lately = transformed(
        filtered(declines, "k_decline", recent), "k_decline", struct(offer=offer, **told)
    )
    stages.add(":declined", case([(f"{length(declines)} > 0", lately)]))
    stages.add(":has_past", f"{length(declines)} > 0 OR {length(CONTACTED)} > 0")
    stages.close()
