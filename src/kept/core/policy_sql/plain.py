"""Actions about nothing, judged in columns of their own: most of a policy, and most of the work.

Of each action there is a column with the number of the reason why not, 0 for yes, and NULL where its
condition does not hold; and of each that competes one with its score. Whoever reads on takes them as
codes, or as candidates like those that are about something.
"""

from collections.abc import Sequence
from typing import Final

from kept.core.policy_sql.candidates import Amounts, Candidates, carried
from kept.core.policy_sql.codes import ACTION, REASON
from kept.core.policy_sql.held import Hushes
from kept.core.policy_sql.judged import CONTACTED, DECLINED, ONE, Layers, judged_fields
from kept.core.policy_sql.permitted import Permissions
from kept.core.policy_sql.setting import Setting
from kept.core.policy_sql.text import (
    FALSE,
    NULL,
    Constant,
    Stages,
    array,
    case,
    constant,
    contains,
    element,
    filtered,
    length,
    name,
    pick_constant,
    struct,
    transformed,
)
from kept.core.reason import AlreadyContacted, Declined
from kept.core.rules import ActionRule

CODES: Final = name(":codes")
_DECLINED: Final = name(":declined_plain")
_CONTACTED: Final = name(":contacted_plain")
_HAS_REFUSED: Final = name(":has_refused")
_CODE: Final = "k_code"
_RANKS: Final = 65_536
"""More than there are actions: a score and the rank of a name make one number."""
NO_WAY: Final = "CAST(NULL AS INTEGER)"


class Single(Layers):
    """The layers of one action about nothing."""

    def __init__(
        self,
        at: Setting,
        permissions: Permissions,
        hushes: Hushes,
        rule: ActionRule,
        amounts: Amounts,
    ) -> None:
        """Take the action and what it is worth."""
        super().__init__(at, permissions, hushes)
        self._rule = rule
        self.number = constant(at.number_of[rule.index])
        self._fields = {
            "k": "''",
            "is_unknown": FALSE,
            "v": amounts.value,
            "p": amounts.p_accept,
            "b": amounts.benefit,
            "e": amounts.expires,
            "s": name(f":score.{rule.index}"),
            "h": NULL,
        }

    def of_rule(self, values: Sequence[Constant], of: str) -> str:
        """Return what the policy says of the action."""
        value = values[self._at.number_of[self._rule.index] - 1]
        return f"CAST(NULL AS {of})" if value is None else constant(value)

    def field(self, field: str) -> str:
        """Return something of the action."""
        return self.contacted_at() if field == "instant" else self._fields[field]

    def relevance(self) -> str:
        """Return that it was declined lately, or reached the customer already."""
        offer = self._at.offers[self._rule.index]
        declined = contains(_DECLINED, constant(offer))
        contacted = contains(_CONTACTED, self.number)
        reasons = self._at.reasons
        said = case(
            [
                (declined, reasons.text(Declined(at=0), "declined")),
                (contacted, reasons.text(AlreadyContacted(at=0), "contacted")),
            ]
        )
        return case([(_HAS_REFUSED, said)])

    def nowhere(self) -> str:
        """Return why neither a channel nor a placement is allowed."""
        return self._permissions.nowhere(self._rule)

    def controlled(self) -> str:
        """Return the breach or brake that stops it."""
        return self._hushes.controls(self._rule)

    def hushed(self) -> str:
        """Return the customer's own hold that hushes it."""
        return self._hushes.customer_wide(self._rule)


class Plain:
    """Writes the columns of all actions about nothing."""

    def __init__(
        self,
        at: Setting,
        candidates: Candidates,
        permissions: Permissions,
        hushes: Hushes,
        layers: Layers,
        stages: Stages,
    ) -> None:
        """Add the columns, and `:codes`: (action, reason) of those that come into question."""
        self._at = at
        self._layers = layers
        self._rules = candidates.plain
        self._amounts = candidates.amounts
        self._is_beside = candidates.has_found
        self.is_empty = not self._rules
        if self.is_empty:
            return
        self._add_past(stages)
        singles = {
            rule.index: Single(at, permissions, hushes, rule, self._amounts[rule.index])
            for rule in self._rules
        }
        for rule in self._rules:
            if rule.promotional:
                score = case([(f"{self._when(rule)} > 0", singles[rule.index].score())])
                stages.add(f":score.{rule.index}", score)
        stages.close()
        unknown = layers.unknown_codes()
        for rule in self._rules:
            number = at.number_of[rule.index]
            reason = f"COALESCE({singles[rule.index].reason()}, 0)"
            # Notices are about breaches; here is only that one cannot be told.
            known = NULL if rule.index in at.policy.notices else reason
            found = case(
                [
                    (f"{self._when(rule)} > 0", known),
                    (f"{self._when(rule)} < 0", str(unknown[number - 1])),
                ]
            )
            stages.add(f":reason.{rule.index}", f"CAST({found} AS INTEGER)")
        stages.close()
        coded = [
            f"CAST({self._reason(rule)} AS BIGINT) * {REASON} + {at.number_of[rule.index] * ACTION}"
            for rule in self._rules
        ]
        stages.add(":codes", filtered(array(coded, "BIGINT"), _CODE, f"{_CODE} IS NOT NULL"))
        stages.add(":best_plain", self._best())
        self._add_lists(stages)
        stages.close()

    # -- what others read

    def best(self) -> str:
        """Return the best of those that compete, as a struct that is ranked; NULL for none."""
        ranks = self._at.ranks
        by_rank = sorted(range(len(ranks)), key=lambda place: ranks[place])
        packed = name(":best_plain")
        rank = f"CAST({_RANKS - 1} - {packed} % {_RANKS} AS INTEGER)"
        numbers = pick_constant([place + 1 for place in by_rank], f"{rank} + 1", "SMALLINT")
        best = struct(n=f"-(CAST({packed} AS HUGEINT) // {_RANKS})", o=rank, k="''", a=numbers)
        return case([(f"{packed} IS NOT NULL", best)])

    def passing(self, kept: str) -> str:
        """Return the candidates that passed every layer, of those that fulfil a condition."""
        passed = f"{_CODE} % {ACTION} = 0"
        return self._as_candidates(filtered(CODES, _CODE, f"{passed} AND ({kept})"))

    def rest(self, kept: str, outranked: str) -> str:
        """Return the codes of all others; those that passed came second."""
        passed = f"{_CODE} % {ACTION} = 0"
        others = filtered(CODES, _CODE, f"NOT ({passed} AND COALESCE({kept}, FALSE))")
        second = f"CASE WHEN {passed} THEN {_CODE} + {int(outranked) * REASON} ELSE {_CODE} END"
        return transformed(others, _CODE, second)

    def all(self) -> str:
        """Return all candidates."""
        return self._as_candidates(CODES)

    @property
    def number(self) -> str:
        """Return the number of the action of the code in hand."""
        return f"{_CODE} // {ACTION}"

    # -- what is written

    def _add_past(self, stages: Stages) -> None:
        """Add the offers that are declined, and the numbers of the actions that a contact refuses.

        A customer has few of either, so that they are looked at once, and not for each action.
        """
        at, layers = self._at, self._layers
        names = array((constant(rule.action) for rule in at.rules), "VARCHAR")
        declined = filtered(DECLINED, "k_decline", "k_decline.about = ''")
        stages.add(":declined_plain", transformed(declined, "k_decline", "k_decline.offer"))
        # As a candidate has it: `a` the action's number, `instant` when it was reached.
        position = f"LIST_POSITION({names}, k_past.action)"
        past = filtered(CONTACTED, "k_past", "k_past.about = ''")
        reached = transformed(past, "k_past", struct(a=position, instant="k_past.instant"))
        known = filtered(reached, ONE, f"{ONE}.a > 0")
        refused = filtered(known, ONE, f"{layers.contacted()} IS NOT NULL")
        listed = transformed(refused, ONE, f"{ONE}.a")
        stages.add(":contacted_plain", case([(f"{length(CONTACTED)} > 0", listed)]))
        stages.close()
        stages.add(":has_refused", f"{length(_DECLINED)} > 0 OR {length(_CONTACTED)} > 0")
        stages.close()

    def _when(self, rule: ActionRule) -> str:
        return name(f":when.{rule.index}")

    def _reason(self, rule: ActionRule) -> str:
        return name(f":reason.{rule.index}")

    def _best(self) -> str:
        """Return the highest score, with the rank of the action's name below it: ties by name."""
        packed = [
            f"CASE WHEN {self._reason(rule)} = 0 THEN {name(f':score.{rule.index}')} * {_RANKS} "
            f"+ {_RANKS - 1 - self._at.ranks[self._at.number_of[rule.index] - 1]} END"
            for rule in self._rules
            if rule.promotional
        ]
        if not packed:
            return "CAST(NULL AS HUGEINT)"
        return f"CAST(GREATEST({', '.join([*packed, packed[0]])}) AS HUGEINT)"

    def _texts(self, key: str) -> list[str]:
        return [getattr(self._amounts[rule.index], key) for rule in self._rules]

    def _add_lists(self, stages: Stages) -> None:
        """Add the amounts and scores that candidates are made with, one list of each."""
        self._lists: dict[str, str] = {}
        fields = carried(self._at, "e", *(["b"] if self._at.with_details else []))
        wanted = {"b": "benefit", "e": "expires"}
        for field in fields:
            lazily = [
                case([(f"{self._when(rule)} > 0", text)], "CAST(NULL AS BIGINT)")
                for rule, text in zip(self._rules, self._texts(wanted[field]), strict=True)
            ]
            self._lists[field] = stages.add(f":{wanted[field]}", array(lazily, "BIGINT"))
        if "s" not in carried(self._at, "s"):
            return
        scores = [
            name(f":score.{rule.index}") if rule.promotional else NULL for rule in self._rules
        ]
        self._lists["s"] = stages.add(":scores", array(scores, "HUGEINT"))

    def _as_candidates(self, codes: str) -> str:
        """Return codes as candidates like those that are about something."""
        at, layers = self._at, self._layers
        places = [0] * len(at.rules)
        for position, rule in enumerate(self._rules, start=1):
            places[at.number_of[rule.index] - 1] = position
        place = pick_constant(places, self.number, "SMALLINT")
        told = {
            "a": f"CAST({self.number} AS SMALLINT)",
            "k": "''",
            "is_unknown": FALSE,
            "r": f"CAST(NULLIF({_CODE} % {ACTION} // {REASON}, 0) AS INTEGER)",
        }
        for field, otherwise in (("b", NULL), ("e", "0"), ("s", "0")):
            if field in self._lists:
                told[field] = f"COALESCE({element(self._lists[field], place)}, {otherwise})"
        empty = {"b": "BIGINT", "sets": "STRUCT(n BIGINT, t VARCHAR, b BOOLEAN)[]", "hu": "BIGINT"}
        empty |= {"hw": "INTEGER[]", "hwu": "BIGINT[]"}
        fields = ("a", "k", "is_unknown", "b", "e", "sets", "s", "hu", "hw", "hwu", "r")
        first = {
            field: told.get(field) or f"CAST(NULL AS {empty[field]})"
            for field in carried(at, *fields)
        }
        rows = transformed(codes, _CODE, struct(**first))
        # What is looked up of a candidate by its action is found once it is one.
        kept = {
            field: f"{ONE}.{field}" if field in first else "CAST(0 AS HUGEINT)"
            for field in judged_fields(at)
            # Beside candidates about objects all must have the same fields.
            if field in first or field != "s" or self._is_beside
        }
        kept["instant"] = layers.contacted_at()
        if at.has_claims:
            kept["hu"] = layers.claimed_until()
        return transformed(rows, ONE, struct(**kept))
