"""What a query is written for: a brand, what is asked, the operator's controls, and an instant."""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from kept.core.bundle import Bundle
from kept.core.decision import OUTBOUND, Controls, Request
from kept.core.generate import PolicyCode
from kept.core.policy_sql.reasons import Reasons
from kept.core.rules import ActionRule, Policy


class Setting(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What all parts of a query are written from."""

    bundle: Bundle
    request: Request
    controls: Controls
    now: int
    has_claims: bool
    """Whether anything is merely claimed of anybody in the base."""
    with_details: bool
    """Whether reasons come with what differs from customer to customer."""
    reasons: Reasons

    @property
    def policy(self) -> Policy:
        """Return the policy."""
        return self.bundle.policy

    @property
    def code(self) -> PolicyCode:
        """Return the checked expressions of the policy."""
        return self.bundle.code

    @cached_property
    def rules(self) -> tuple[ActionRule, ...]:
        """Return the actions that are asked for; a query counts them from 1 on."""
        asked = self.request.actions
        return tuple(rule for rule in self.policy.actions if not asked or rule.action in asked)

    @cached_property
    def number_of(self) -> dict[int, int]:
        """Return the number in the query of each action, by its index in the policy."""
        return {rule.index: number for number, rule in enumerate(self.rules, start=1)}

    @cached_property
    def ranks(self) -> list[int]:
        """Return the place of each action among all in the order of their names."""
        names = sorted(rule.action for rule in self.rules)
        return [names.index(rule.action) for rule in self.rules]

    @cached_property
    def offers(self) -> list[int]:
        """Return for each action of the policy the place, from 1 on, of what is declined with it."""
        actions = self.policy.actions
        place_of = {rule.action: place for place, rule in enumerate(actions, start=1)}
        return [place_of[rule.offer] for rule in actions]

    @cached_property
    def kinds_about(self) -> Sequence[str]:
        """Return the kinds of objects that actions are about."""
        return tuple(dict.fromkeys(rule.about for rule in self.rules if rule.about))


def ways_of(at: Setting, rule: ActionRule) -> tuple[str, ...]:
    """Return the channels on which an action may be hushed: its own, or that of the placement that shows it."""
    placement = at.policy.placements.get(at.request.placement)
    if placement is not None and placement.kind == "inbound":
        return (placement.channel,) if placement.channel else ()
    return tuple(one.channel for one in rule.channels)


def kind_of_placement(at: Setting) -> str:
    """Return what kind the placement is that is asked at."""
    placement = at.policy.placements.get(at.request.placement)
    return placement.kind if placement is not None else OUTBOUND
