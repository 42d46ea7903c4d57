"""Pressure as columns: caps in every sliding window, quiet hours, and how channels were answered."""

from collections.abc import Iterable
from typing import Final

from kept.core.contact import IN_FLIGHT_MAX, NEVER_ARRIVED, UNCOUNTED, CapRule, ScopeRule
from kept.core.layers import RESPONSE_WINDOW
from kept.core.policy_sql.setting import Setting
from kept.core.policy_sql.text import (
    FALSE,
    NULL,
    Stages,
    all_of,
    case,
    constant,
    element,
    filtered,
    is_among,
    length,
    name,
    ordered,
    transformed,
)
from kept.core.reason import CapReached, ContactsUnknown, ZoneUnknown
from kept.core.rules import ActionRule, ChannelRule

CONTACTS: Final = name(":contacts")
KNOWN_AFTER: Final = name(":known_after")
HAS_ZONE: Final = name(":has_zone")


def arrived(row: str) -> str:
    """Return whether a contact may have reached the customer."""
    return f"NOT {is_among(f'{row}.outcome', sorted(NEVER_ARRIVED))}"


def quiet_column(index: int) -> str:
    """Return the column of when a quiet time that is now ends; NULL where it is not quiet."""
    return f":quiet_until.{index}"


class Pressure:
    """Writes what pressure says of leaving on each channel."""

    def __init__(self, at: Setting, brakes: dict[str, str], stages: Stages) -> None:
        """Add the columns; `brakes` are those on channels, by channel."""
        self._at = at
        self._pressed: dict[tuple[str, ...], str] = {}
        self._quiet: dict[tuple[int, ...], tuple[str, str]] = {}
        self._freed = [name(f":freed.{index}") for index in range(len(at.policy.caps))]
        self._add_contacts(stages)
        for index, cap in enumerate(at.policy.caps):
            stages.add(f":cap.{index}", f"CAST({self._cap(index, cap)} AS INTEGER)")
        stages.close()
        for rule in at.rules:
            for channel in rule.channels:
                codes = self._codes(rule, channel, brakes)
                if codes and codes not in self._pressed:
                    text = f"CAST(COALESCE({', '.join(codes)}, NULL) AS INTEGER)"
                    self._pressed[codes] = stages.add(f":pressed.{len(self._pressed)}", text)
                quiet = self._quiet_rules(rule, channel)
                if quiet and quiet not in self._quiet:
                    self._quiet[quiet] = self._add_quiet(quiet, stages)
        self._brakes = brakes
        stages.close()

    def pressed(self, rule: ActionRule, channel: ChannelRule) -> str:
        """Return the brake or cap that keeps an action from leaving on a channel, or NULL."""
        codes = self._codes(rule, channel, self._brakes)
        return self._pressed[codes] if codes else NULL

    def quiet(self, rule: ActionRule, channel: ChannelRule) -> tuple[str, str]:
        """Return why quiet time cannot be told (or NULL), and from when on a message may leave."""
        quiet = self._quiet_rules(rule, channel)
        return self._quiet[quiet] if quiet else (NULL, constant(self._at.now))

    def responses(self, channel: ChannelRule) -> str:
        """Return a channel's share of answered contacts (per mille); 0 of fewer than three."""
        return name(f":answered.{channel.channel}")

    def freed(self) -> list[str]:
        """Return, for each cap, the list of when the contacts within its window settled."""
        return self._freed

    # -- what is written

    def _add_contacts(self, stages: Stages) -> None:
        at = self._at
        for index, cap in enumerate(at.policy.caps):
            mine = all_of(
                [
                    "k_contact.named",
                    f"NOT {is_among('k_contact.outcome', sorted(UNCOUNTED))}",
                    f"(k_contact.settled_at = 0 OR k_contact.settled_at > {at.now - cap.window})",
                    _covers(cap.scope),
                ]
            )
            # In flight, nobody knows when it is free again: as if it were settled now.
            settled = (
                f"CASE k_contact.settled_at WHEN 0 THEN {at.now} ELSE k_contact.settled_at END"
            )
            found = transformed(filtered(CONTACTS, "k_contact", mine), "k_contact", settled)
            enough = f"{length(CONTACTS)} >= {cap.count_max}"
            stages.add(f":freed.{index}", case([(enough, ordered(found))]))
        for channel in _channels_of(at.rules):
            stages.add(f":answered.{channel}", self._answered(channel))
        stages.close()

    def _answered(self, channel: str) -> str:
        lately = f"k_contact.attempt_at > {self._at.now - RESPONSE_WINDOW}"
        here = f"k_contact.channel = {constant(channel)}"
        sent = filtered(CONTACTS, "k_contact", all_of([lately, here, arrived("k_contact")]))
        answered = length(filtered(sent, "k_contact", "k_contact.answered"))
        share = case([(f"{length(sent)} >= 3", f"{answered} * 1000 // {length(sent)}")], "0")
        return case([(f"{length(CONTACTS)} >= 3", share)], "0")

    def _cap(self, index: int, cap: CapRule) -> str:
        reasons = self._at.reasons
        reached = reasons.text(CapReached(cap=cap.name, count=0), "cap", index)
        unknown = reasons.text(ContactsUnknown(cap=cap.name), "memory_of_cap", index)
        memory = max(cap.window, IN_FLIGHT_MAX)
        may_be = f"{KNOWN_AFTER} <> 0 AND {KNOWN_AFTER} > {self._at.now - memory}"
        is_reached = f"{length(self._freed[index])} >= {cap.count_max}"
        return case([(is_reached, reached), (may_be, unknown)])

    def _codes(
        self, rule: ActionRule, channel: ChannelRule, brakes: dict[str, str]
    ) -> tuple[str, ...]:
        caps = (
            name(f":cap.{index}")
            for index, cap in enumerate(self._at.policy.caps)
            if cap.scope.covers(rule, channel.channel)
        )
        brake = brakes.get(channel.channel)
        return (*([brake] if brake else []), *caps)

    def _quiet_rules(self, rule: ActionRule, channel: ChannelRule) -> tuple[int, ...]:
        if rule.urgent:
            return ()
        return tuple(
            index
            for index, quiet in enumerate(self._at.policy.quiet_hours)
            if quiet.scope.covers(rule, channel.channel)
        )

    def _add_quiet(self, quiet: tuple[int, ...], stages: Stages) -> tuple[str, str]:
        first = ZoneUnknown(quiet_hours=self._at.policy.quiet_hours[quiet[0]].name)
        code = case([(f"NOT {HAS_ZONE}", self._at.reasons.text(first))])
        ends = ", ".join(name(quiet_column(index)) for index in quiet)
        count = len(self._quiet)
        return (
            stages.add(f":zoneless.{count}", f"CAST({code} AS INTEGER)"),
            stages.add(f":due.{count}", f"GREATEST({self._at.now}, {ends})"),
        )


def until_free(cap: CapRule, freed: str) -> str:
    """Return when a slot of a cap is free again."""
    return f"{element(freed, f'LEN({freed}) - {cap.count_max - 1}')} + {cap.window}"


def _channels_of(rules: Iterable[ActionRule]) -> list[str]:
    return sorted({one.channel for rule in rules for one in rule.channels})


def _covers(scope: ScopeRule) -> str:
    """Return whether a contact is within a scope, as `ScopeRule.covers` has it."""
    tests = [FALSE] if scope.purposes is not None and not scope.purposes else []
    if scope.purposes:
        tests.append(is_among("k_contact.purpose", sorted(scope.purposes)))
    tests += [
        is_among(f"k_contact.{field}", sorted(names))
        for field, names in (
            ("kind", scope.kinds),
            ("action", scope.actions),
            ("topic", scope.topics),
            ("channel", scope.channels),
        )
        if names
    ]
    return all_of(tests)
