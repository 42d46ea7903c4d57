"""Holds, brakes and breaches as columns: once for all actions that the same ones cover.

A hold that is judged for each object in play is judged where the objects are looked at
(`candidates`); what is merely claimed comes in beside it, as a list.
"""

from typing import Final

from kept.core.decision import Brake, parts_of
from kept.core.policy_sql.conditions import Conditions
from kept.core.policy_sql.schema import OBJECTS
from kept.core.policy_sql.setting import Setting, ways_of
from kept.core.policy_sql.text import (
    FALSE,
    NULL,
    TRUE,
    Stages,
    all_of,
    case,
    constant,
    contains,
    element,
    filtered,
    flat,
    name,
    pick,
    pick_constant,
    struct,
    transformed,
)
from kept.core.reason import Braked, BreachNoticeDue, Held, HoldUnknown, Reason
from kept.core.rules import ActionRule, HoldRule

ABOUT: Final = name("about")
CLAIMED: Final = name(":claimed")
"""The holds that are on only by what is claimed, in the order in which they are judged."""
_UNKNOWN_HOLD: Final = 2


def state_of(index: int) -> str:
    """Return the column of a hold's state; of one about objects it says only that it is unknown."""
    return name(f":hold.{index}")


def until_of(index: int) -> str:
    """Return the column of when a hold ends."""
    return name(f":until.{index}")


def add_states(at: Setting, conditions: Conditions, stages: Stages) -> None:
    """Add the state of every hold, and for holds about objects a field of each object."""
    enriched: dict[str, dict[str, str]] = {}
    for index, hold in enumerate(at.code.holds):
        blind = conditions.is_blind([hold.while_], hold.about)
        state, until = conditions.hold(hold)
        if hold.about:
            stages.add(f":hold.{index}", f"CAST({case([(blind, '2')], '0')} AS TINYINT)")
            fields = enriched.setdefault(hold.about, {})
            fields[f"hold.{index}"] = case([(blind, "CAST(0 AS TINYINT)")], state)
            fields[f"until.{index}"] = until
        else:
            stages.add(f":hold.{index}", f"CAST({case([(blind, '2')], state)} AS TINYINT)")
            if hold.until is not None:
                stages.add(f":until.{index}", until)
    order = at.code.order
    for kind, more in enriched.items():
        fields_of = order.fields[order.kinds.index(kind)]
        fields = {field: f"{ABOUT}.{name(field)}" for field in fields_of} | more
        listed = ", ".join(f"{name(field)} := {value}" for field, value in fields.items())
        rows = transformed(name(OBJECTS + kind), ABOUT, f"STRUCT_PACK({listed})")
        stages.add(f":objects.{kind}", rows)
    stages.close()


def rows_of(at: Setting, kind: str) -> str:
    """Return the objects of a kind, with the states of the holds about them."""
    is_held = any(hold.about == kind for hold in at.code.holds)
    return name(f":objects.{kind}" if is_held else OBJECTS + kind)


def states_list(at: Setting) -> str:
    """Return every hold that is on or unknown, as structs, in the order in which they are judged."""
    lists: list[str] = []
    for index, hold in enumerate(at.code.holds):
        state = state_of(index)
        until = until_of(index) if hold.until is not None and not hold.about else "0"
        whole = _state(index, "''", f"{state} = 2", f"CASE {state} WHEN 1 THEN {until} ELSE 0 END")
        lists.append(f"CASE WHEN {state} > 0 THEN [{whole}] ELSE [] END")
        if hold.about:
            mine = f"{ABOUT}.{name(f'hold.{index}')}"
            end = f"CASE {mine} WHEN 1 THEN {ABOUT}.{name(f'until.{index}')} ELSE 0 END"
            one = _state(index, _about(hold.about), f"{mine} = 2", end)
            on = filtered(rows_of(at, hold.about), ABOUT, f"{mine} > 0")
            lists.append(f"COALESCE({transformed(on, ABOUT, one)}, [])")
    return flat(lists) if lists else f"CAST([] AS {STATE}[])"


STATE: Final = "STRUCT(hold SMALLINT, about VARCHAR, is_unknown BOOLEAN, until BIGINT)"


def _state(index: int, about: str, is_unknown: str, until: str) -> str:
    fields = struct(hold=str(index), about=about, is_unknown=is_unknown, until=until)
    return f"CAST({fields} AS {STATE})"


def _about(kind: str) -> str:
    return f"{constant(kind + '/')} || {ABOUT}.{name('key')}"


class Hushes:
    """Writes why an action is hushed: by a hold, by a brake, by a breach."""

    def __init__(self, at: Setting, stages: Stages) -> None:
        """Add the columns that all actions with the same holds share."""
        self._at = at
        self._columns: dict[str, str] = {}
        texts = {
            text
            for rule in at.rules
            for text in (
                self._controls(rule),
                self._customer_wide(rule, ""),
                *(self._customer_wide(rule, channel) for channel in ways_of(at, rule)),
            )
            if text != NULL
        }
        for text in sorted(texts):
            column = f":hush.{len(self._columns)}"
            self._columns[text] = stages.add(column, f"CAST({text} AS INTEGER)")
        if at.with_details or at.has_claims:
            stages.add(":states", states_list(at))
        stages.close()

    def controls(self, rule: ActionRule) -> str:
        """Return the breach or the brake that stops an action, or NULL."""
        return self._written(self._controls(rule))

    def customer_wide(self, rule: ActionRule, channel: str = "") -> str:
        """Return the hold that hushes an action, on any channel or on one, whatever its object."""
        return self._written(self._customer_wide(rule, channel))

    def has_own(self, rule: ActionRule, channel: str = "") -> bool:
        """Return whether a hold about an action's own objects covers it, on any channel or on one."""
        return any(
            self._at.policy.holds[index].about == rule.about
            for index in self._covering(rule, channel)
            if rule.about
        )

    def about_object(self, rule: ActionRule, channel: str = "") -> tuple[str, str]:
        """Return the hold that hushes an action about the object that is looked at, and its end."""
        branches: list[tuple[str, str]] = []
        ends: list[tuple[str, str]] = []
        for index in self._covering(rule, channel):
            hold = self._at.policy.holds[index]
            branches += self._branches(index, state_of(index))
            if hold.about and hold.about == rule.about:
                mine = f"{ABOUT}.{name(f'hold.{index}')}"
                branches += self._branches(index, mine)
                ends.append((f"{mine} = 1", f"{ABOUT}.{name(f'until.{index}')}"))
        return case(branches), case(ends)

    def claimed(self, action: str, about: str, channel: str = "") -> str:
        """Return the first of the claimed holds that covers an action, as a struct, or NULL."""
        number_of = self._at.number_of
        covering = [
            "["
            + ", ".join(str(number_of[one]) for one in sorted(hold.covers) if one in number_of)
            + "]"
            if self._fits(hold, channel)
            else "[]"
            for hold in self._at.policy.holds
        ]
        covers = contains(pick(covering, "k_state.hold + 1", "INTEGER[]"), action)
        fits = f"(k_state.about = '' OR k_state.about = {about})"
        return element(filtered(CLAIMED, "k_state", f"{covers} AND {fits}"), "1")

    def claimed_reason(self, state: str) -> str:
        """Return the number of the reason that a claimed hold is."""
        rules = self._at.policy.holds
        held = [self._held(index) for index in range(len(rules))]
        unknown = [self._unknown(index) for index in range(len(rules))]
        place = f"{state}.hold + 1"
        return case(
            [
                (f"{state} IS NULL", NULL),
                (f"{state}.is_unknown", pick_constant(unknown, place, "INTEGER")),
            ],
            pick_constant(held, place, "INTEGER"),
        )

    # -- what is written

    def _written(self, text: str) -> str:
        return self._columns.get(text, text)

    def _held(self, index: int) -> int:
        reason = Held(hold=self._at.policy.holds[index].hold)
        return self._at.reasons.number(reason, "held", index)

    def _unknown(self, index: int) -> int:
        reason = HoldUnknown(hold=self._at.policy.holds[index].hold, facts=())
        return self._at.reasons.number(reason, "facts", index)

    def _fits(self, hold: HoldRule, channel: str) -> bool:
        # A hold on channels says nothing of the action itself; it is judged where a message leaves,
        # and where a placement shows something on its channel.
        channels = hold.scope.channels
        return channel in channels if channel else not channels

    def _covering(self, rule: ActionRule, channel: str) -> list[int]:
        return [
            index
            for index, hold in enumerate(self._at.policy.holds)
            if rule.index in hold.covers and self._fits(hold, channel)
        ]

    def _branches(self, index: int, state: str) -> list[tuple[str, str]]:
        return [
            (f"{state} = {_UNKNOWN_HOLD}", str(self._unknown(index))),
            (f"{state} = 1", str(self._held(index))),
        ]

    def _customer_wide(self, rule: ActionRule, channel: str) -> str:
        holds = self._covering(rule, channel)
        branches = [one for index in holds for one in self._branches(index, state_of(index))]
        return case(branches)

    def _controls(self, rule: ActionRule) -> str:
        at = self._at
        branches: list[tuple[str, str]] = []
        if rule.promotional or rule.purpose in at.policy.promotional_purposes:
            for breach in at.controls.breaches:
                due: Reason = BreachNoticeDue(breach=breach.number)
                is_due = contains(name(":notices"), str(breach.number))
                branches.append((is_due, at.reasons.text(due)))
                if not breach.is_found:
                    searching = BreachNoticeDue(breach=breach.number, is_searching=True)
                    branches.append((TRUE, at.reasons.text(searching)))
        branches += [
            (_covers(brake, rule), at.reasons.text(Braked(brake=brake.brake)))
            for brake in at.controls.brakes
        ]
        return case(branches)

    def brake_on_channel(self, channel: str) -> str:
        """Return the brake on a channel, or NULL."""
        for brake in self._at.controls.brakes:
            if brake.scope == "channel" and brake.name == channel:
                return self._at.reasons.text(Braked(brake=brake.brake))
        return NULL


def _covers(brake: Brake, rule: ActionRule) -> str:
    """Return whether a brake stops an action, as `layers.brake_covers` has it."""
    return all_of(_is_within(scope, brake_name, rule) for scope, brake_name in parts_of(brake))


def _is_within(scope: str, brake_name: str, rule: ActionRule) -> str:
    named = constant(brake_name)
    match scope:
        case "all":
            return TRUE
        case "action":
            return TRUE if brake_name == rule.action else FALSE
        case "purpose":
            return TRUE if brake_name == rule.purpose else FALSE
        case "region":
            return f'(":region" IS NULL OR ":region" = {named})'
        case "cohort":
            return f'("cohort" IS NULL OR "cohort" = {named})'
    return FALSE
