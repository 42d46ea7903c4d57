"""Which actions come into question for whom: a list of candidates a customer, one for each object.

A candidate is a struct: `a` the action's number, `k` what it is about, `is_unknown` whether its
condition cannot be told, `v`, `p`, `b`, `e` its value, chance, benefit and end, and `sets` what it
would set. Where a hold is about objects, `h` is the hold that hushes this one and `hu` its end, and
`hw`, `hwu` are the same for each channel of the action, or for that of the placement that is asked.
"""

from typing import Final

import msgspec

from kept.core.generate import ActionCode, needed_by
from kept.core.notices import BREACH_PREFIX
from kept.core.policy_sql.conditions import Conditions, Written
from kept.core.policy_sql.held import ABOUT, Hushes, rows_of
from kept.core.policy_sql.setting import Setting, kind_of_placement, ways_of
from kept.core.policy_sql.text import (
    FALSE,
    NULL,
    TRUE,
    Stages,
    any_of,
    array,
    case,
    constant,
    contains,
    filtered,
    flat,
    name,
    struct,
    transformed,
)
from kept.core.rules import ActionRule

FOUND: Final = name(":found")
_RELEASED: Final = name(":released")
_SET: Final = "STRUCT(n BIGINT, t VARCHAR, b BOOLEAN)"
_TYPES: Final = {
    "a": "SMALLINT", "k": "VARCHAR", "is_unknown": "BOOLEAN", "v": "BIGINT", "p": "BIGINT",
    "b": "BIGINT", "e": "BIGINT", "sets": f"{_SET}[]", "h": "INTEGER", "hu": "BIGINT",
    "hw": "INTEGER[]", "hwu": "BIGINT[]",
}  # fmt: skip
_NO_AMOUNT: Final = "CAST(NULL AS BIGINT)"


def carried(at: Setting, *fields: str) -> list[str]:
    """Return those of some fields that a candidate has: only what the policy needs is carried."""
    rules, actions = at.rules, at.code.actions
    on_objects = [hold for hold in at.policy.holds if hold.about in at.kinds_about]
    on_channels = any(hold.scope.channels for hold in on_objects)
    is_needed = {
        "b": at.with_details or any(rule.needs_benefit for rule in rules),
        "e": any(actions[rule.index].expires is not None for rule in rules),
        "s": at.with_details or kind_of_placement(at) == "inbound",
        "sets": at.with_details and any(rule.sets for rule in rules),
        "h": bool(on_objects),
        "hu": bool(on_objects) or at.has_claims,
        "hw": on_channels,
        "hwu": on_channels,
    }
    return [field for field in fields if is_needed.get(field, True)]


class Amounts(msgspec.Struct, frozen=True):
    """What an action is worth and until when, as text; `unknown` where a part cannot be told."""

    value: str
    p_accept: str
    benefit: str
    expires: str
    sets: str
    unknown: str


class Candidates:
    """Writes the candidates of every customer."""

    def __init__(self, at: Setting, conditions: Conditions, hushes: Hushes, stages: Stages) -> None:
        """Add whether conditions hold, and the column `:found` of what is about something."""
        self._at = at
        self._conditions = conditions
        self._hushes = hushes
        self.plain = [rule for rule in at.rules if not rule.about]
        """The actions that are about nothing; of notices only that they are unknown."""
        self.amounts = {rule.index: self._amounts(rule) for rule in at.rules}
        for rule in self.plain:
            stages.add(f":when.{rule.index}", self._when(rule, self.amounts[rule.index]))
        stages.close()
        if at.policy.notices:
            stages.add(":released", self._released())
            stages.close()
        lists = [
            self._of_objects(rule, self.amounts[rule.index]) for rule in at.rules if rule.about
        ]
        lists += [self._of_breaches(rule, self.amounts[rule.index]) for rule in self._notices()]
        self.has_found = bool(lists)
        if lists:
            stages.add(":found", lists[0] if len(lists) == 1 else flat(lists))
            stages.close()

    def _notices(self) -> list[ActionRule]:
        return [rule for rule in self._at.rules if rule.index in self._at.policy.notices]

    # -- conditions and amounts

    def _code(self, rule: ActionRule) -> ActionCode:
        return self._at.code.actions[rule.index]

    def _amounts(self, rule: ActionRule) -> Amounts:
        code, conditions = self._code(rule), self._conditions
        value, p_accept, benefit = (
            conditions.known(each, rule.about, code.offer)
            for each in (code.value, code.p_accept, code.benefit)
        )
        no_end = Written("CAST(0 AS BIGINT)", FALSE)
        expires = no_end if code.expires is None else conditions.write(code.expires, code.offer)
        sets = [conditions.write(each, code.offer) for each in code.sets]
        kinds = [each.type.kind for each in code.sets]
        fields = {"bool": "b", "text": "t"}
        listed = [
            struct(**{"n": NULL, "t": NULL, "b": NULL} | {fields.get(kind, "n"): each.value})
            for kind, each in zip(kinds, sets, strict=True)
        ]
        parts = (value, p_accept, benefit, expires, *sets)
        return Amounts(
            value.value,
            p_accept.value,
            benefit.value,
            expires.value if code.expires is None else f"COALESCE({expires.value}, 0)",
            f"CAST([{', '.join(listed)}] AS {_SET}[])",
            any_of(part.unknown for part in parts),
        )

    def _when(self, rule: ActionRule, amounts: Amounts) -> str:
        """Return 1 where an action's condition holds, -1 where that is unknown, and 0."""
        blind = self._conditions.is_blind(needed_by(self._code(rule)))
        return f"CAST({case([(blind, '-1')], self._state(rule, amounts))} AS TINYINT)"

    def _state(self, rule: ActionRule, amounts: Amounts) -> str:
        """Return 1 where a condition holds, -1 where that is unknown, as if all facts were known."""
        when = self._conditions.write(self._code(rule).when, self._code(rule).offer)
        holds = case([(amounts.unknown, "-1")], "1")
        return case([(when.unknown, "-1"), (when.value, holds)], "0")

    def _is_unknown(self, rule: ActionRule, amounts: Amounts) -> str:
        when = self._conditions.write(self._code(rule).when, self._code(rule).offer)
        unknown = any_of([when.unknown, amounts.unknown])
        return unknown if unknown == FALSE else f"({self._state(rule, amounts)}) < 0"

    # -- actions about objects, and about breaches

    def _of_objects(self, rule: ActionRule, amounts: Amounts) -> str:
        rows = rows_of(self._at, rule.about)
        number = str(self._at.number_of[rule.index])
        one = struct(state=self._state(rule, amounts), row=ABOUT)
        judged = filtered(transformed(rows, ABOUT, one), "k_judged", "k_judged.state <> 0")
        # The row is called `about` again, for the amounts read its fields.
        found = self._candidate(
            number=number,
            about=f"{constant(rule.about + '/')} || {ABOUT}.{name('key')}",
            is_unknown=self._is_unknown(rule, amounts),
            amounts=[amounts.value, amounts.p_accept, amounts.benefit, amounts.expires],
            sets=amounts.sets if rule.sets else NULL,
            holds=self._own_holds(rule),
        )
        rows = transformed(judged, "k_judged", "k_judged.row")
        each = f"COALESCE({transformed(rows, ABOUT, found)}, [])"
        blind = self._conditions.is_blind(needed_by(self._code(rule)), rule.about)
        unknown = self._candidate(number=number, about="''", is_unknown=TRUE, amounts=[])
        return case([(blind, f"[{unknown}]")], each)

    def _own_holds(self, rule: ActionRule) -> tuple[str, str, str, str]:
        """Return the hold of an object and its end, and both again for each channel."""
        hushes = self._hushes
        h, hu = hushes.about_object(rule) if hushes.has_own(rule) else (NULL, NULL)
        ways = ways_of(self._at, rule)
        if not any(hushes.has_own(rule, channel) for channel in ways):
            return h, hu, NULL, NULL
        pairs = [hushes.about_object(rule, channel) for channel in ways]
        by_channel = array((code for code, _ in pairs), "INTEGER")
        return h, hu, by_channel, array((end for _, end in pairs), "BIGINT")

    def _released(self) -> str:
        """Return the breaches that are released and that the customer was not told of, as texts."""
        released = [breach.number for breach in self._at.controls.breaches if breach.is_released]
        due = filtered(
            array(map(str, released), "BIGINT"),
            "k_breach",
            contains(name(":notices"), "k_breach"),
        )
        return transformed(due, "k_breach", f"{constant(BREACH_PREFIX)} || k_breach")

    def _of_breaches(self, rule: ActionRule, amounts: Amounts) -> str:
        """Return one notice for each breach that is released and due, where the condition holds."""
        when = name(f":when.{rule.index}")
        one = self._candidate(
            number=str(self._at.number_of[rule.index]),
            about="k_breach",
            is_unknown=FALSE,
            amounts=[amounts.value, amounts.p_accept, amounts.benefit, "0"],
        )
        return case([(f"{when} > 0", transformed(_RELEASED, "k_breach", one))], "[]")

    def _candidate(
        self,
        *,
        number: str,
        about: str,
        is_unknown: str,
        amounts: list[str],
        sets: str = NULL,
        holds: tuple[str, str, str, str] = (NULL, NULL, NULL, NULL),
    ) -> str:
        value, p_accept, benefit, expires = amounts or [NULL, NULL, NULL, "0"]
        h, hu, hw, hwu = holds
        fields = {
            "a": number, "k": about, "is_unknown": is_unknown, "v": value, "p": p_accept,
            "b": benefit, "e": expires, "sets": sets, "h": h, "hu": hu, "hw": hw, "hwu": hwu,
        }  # fmt: skip
        kept = {field: fields[field] for field in carried(self._at, *fields)}
        listed = ", ".join(f"{field} {_TYPES[field]}" for field in kept)
        return f"CAST({struct(**kept)} AS STRUCT({listed}))"
