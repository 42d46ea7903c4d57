"""Permission as columns: what `layers.find_permission` finds, once for all actions that need the same.

Each column is the number of the reason why not; NULL is yes.
"""

from typing import Final, TypeAlias

from kept.core.consent import ANY_ENTITY, GPC, RESTRICTION, channel_key, purpose_key, topic_key
from kept.core.policy_sql.schema import ADDRESS, SAID, SAID_AT
from kept.core.policy_sql.setting import Setting
from kept.core.policy_sql.text import NULL, Stages, any_of, case, is_among, name
from kept.core.reason import (
    AddressClosed,
    GlobalPrivacyControl,
    NoAddress,
    NoBasis,
    OptedOut,
    Restricted,
)
from kept.core.rules import ActionRule, ChannelRule

RESTRICTED_AT: Final = name(SAID_AT + RESTRICTION)
_SAID_RESTRICTED: Final = name(SAID + RESTRICTION)
_Need: TypeAlias = tuple[str, ...]


class Permissions:
    """Writes what is permitted, in three steps that read each other."""

    def __init__(self, at: Setting, stages: Stages) -> None:
        """Write the columns for every action that is asked for."""
        self._at = at
        self._stages = stages
        self._consents: dict[_Need, str] = {}
        self._ways: dict[_Need, str] = {}
        self._refusals: dict[_Need, str] = {}
        self._nowhere: dict[_Need, str] = {}
        placements = at.policy.placements
        for rule in at.rules:
            shown = [placements[one].channel for one in rule.shown_at]
            for channel in (*(one.channel for one in self.channels(rule)), *shown):
                need = (*_needs(rule), channel)
                if need not in self._consents:
                    self._consents[need] = self._add("consent", self._consent(rule, channel))
        stages.close()
        for rule in at.rules:
            for one in self.channels(rule):
                need = (*_needs(rule), one.channel)
                if need not in self._ways:
                    self._ways[need] = self._add("way", self._way(rule, one))
        stages.close()
        for rule in at.rules:
            need = self._signature(rule)
            if need not in self._nowhere:
                refusal = self._refusal(rule)
                self._refusals[need] = self._add("refusal", refusal)
                self._nowhere[need] = self._add("nowhere", self._whether_nowhere(rule, refusal))
        stages.close()

    def channels(self, rule: ActionRule) -> list[ChannelRule]:
        """Return the channels of an action that are asked for."""
        asked = self._at.request.channel
        return [one for one in rule.channels if not asked or one.channel == asked]

    def consent(self, rule: ActionRule, channel: str) -> str:
        """Return why consents do not let an action use a channel."""
        return self._consents[(*_needs(rule), channel)]

    def way(self, rule: ActionRule, channel: ChannelRule) -> str:
        """Return why an action may not leave on a channel; NULL too where it is not asked for."""
        return self._ways.get((*_needs(rule), channel.channel), NULL)

    def refusal(self, rule: ActionRule) -> str:
        """Return why an action may leave on no channel."""
        return self._refusals[self._signature(rule)]

    def nowhere(self, rule: ActionRule) -> str:
        """Return why neither a channel nor a placement is allowed to an action."""
        if rule.kind == "measure":
            # At a gate another system asks about itself: that needs no permission of ours.
            return case([(_is_restricted(rule), self._restriction)])
        return self._nowhere[self._signature(rule)]

    # -- what is written

    def _add(self, key: str, value: str) -> str:
        count = len(self._consents) + len(self._ways) + len(self._refusals) + len(self._nowhere)
        return self._stages.add(f":{key}.{count}", f"CAST({value} AS INTEGER)")

    def _signature(self, rule: ActionRule) -> _Need:
        channels = (one.channel for one in self.channels(rule))
        return (*_needs(rule), "", *channels, "", *rule.shown_at)

    @property
    def _restriction(self) -> str:
        return self._at.reasons.text(Restricted(at=0), "restricted")

    def _consent(self, rule: ActionRule, channel: str) -> str:
        """Return what `consent.check_permission` says."""
        entity, purpose, needs = rule.entity, rule.purpose, rule.purpose_rule
        reasons = self._at.reasons
        no_basis = reasons.text(NoBasis(entity=entity, purpose=purpose, channel=channel))
        if needs.channels and channel not in needs.channels:
            return no_basis
        narrow, wide = purpose_key(entity, purpose, channel), purpose_key(entity, purpose)
        topics = [topic_key(rule.topic)] if rule.topic else []
        branches = [(_is_restricted(rule), self._restriction)]
        if needs.sale_or_sharing:
            signalled = reasons.text(GlobalPrivacyControl(purpose=purpose))
            branches.append((name(SAID + GPC), signalled))
        branches += [
            (f"NOT {name(SAID + scope)}", reasons.text(OptedOut(scope=scope)))
            for scope in (narrow, channel_key(channel), *topics)
        ]
        allowing = dict.fromkeys((narrow, wide))
        given = (case([(name(SAID + each), name(SAID_AT + each))]) for each in allowing)
        opted_in_at = f"GREATEST(-1, {', '.join(given)})"
        everywhere = (purpose_key(ANY_ENTITY, purpose, each) for each in (channel, ""))
        branches += [
            (
                f"NOT {name(SAID + scope)} AND {name(SAID_AT + scope)} >= {opted_in_at}",
                reasons.text(OptedOut(scope=scope)),
            )
            for scope in dict.fromkeys((wide, *everywhere))
        ]
        if needs.basis == "consent":
            branches.append((f"{opted_in_at} < 0", no_basis))
        return case(branches)

    def _way(self, rule: ActionRule, channel: ChannelRule) -> str:
        reasons = self._at.reasons
        branches = [(_is_restricted(rule), self._restriction)]
        if channel.address:
            address = name(ADDRESS + channel.channel)
            branches += [
                (f"{address} IS NULL", reasons.text(NoAddress(channel=channel.channel))),
                (f"{address} = 'closed'", reasons.text(AddressClosed(channel=channel.channel))),
            ]
        return case(branches, self.consent(rule, channel.channel))

    def _refusal(self, rule: ActionRule) -> str:
        """Return the first reason but a missing address, which says less; else the last one."""
        channels = self.channels(rule)
        if not channels:
            return case([(_is_restricted(rule), self._restriction)])
        missing = [
            self._at.reasons.number(NoAddress(channel=one.channel))
            for one in channels
            if one.address
        ]
        ways = [self.way(rule, one) for one in channels]
        said = [(f"NOT {is_among(way, missing)}", way) for way in ways[:-1]]
        return case([(any_of(f"{way} IS NULL" for way in ways), NULL), *said], ways[-1])

    def _whether_nowhere(self, rule: ActionRule, refusal: str) -> str:
        branches = [(_is_restricted(rule), self._restriction)]
        branches += [(f"{self.way(rule, one)} IS NULL", NULL) for one in self.channels(rule)]
        found = [refusal]
        for placement in rule.shown_at:
            asked = self._at.policy.placements[placement]
            if asked.reveals == "proven" and not self._at.request.is_proven:
                # It may be shown to those who prove themselves.
                return case(branches)
            code = self.consent(rule, asked.channel)
            branches.append((f"{code} IS NULL", NULL))
            found.append(code)
        found.append(self._at.reasons.text(NoBasis(entity=rule.entity, purpose=rule.purpose)))
        return case(branches, f"COALESCE({', '.join(found)})")


def _needs(rule: ActionRule) -> _Need:
    return rule.entity, rule.purpose, rule.topic


def _is_restricted(rule: ActionRule) -> str:
    """Return whether the customer's data is not used for an action's purpose just now."""
    return "FALSE" if rule.purpose_rule.during_restriction else _SAID_RESTRICTED
