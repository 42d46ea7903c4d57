"""A brand's actions and limits in the form that deciding needs: checked, typed and precomputed."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from kept.core.consent import PurposeRule
from kept.core.contact import CapRule, QuietRule, ScopeRule
from kept.core.values import Value

ANY_EVENT: Final = "*"
"""Stands among the events of a fact for every event."""
Values: TypeAlias = list[Value]
"""Facts in the order of `Policy.fact_names`."""
Rows: TypeAlias = list[list[tuple[Value, ...]]]
"""Objects in the order of `Policy.object_kinds`; each row begins with the object's key."""
Unknown: TypeAlias = int
"""A bit for each fact (`1 << index`) that is unknown just now."""


class Candidate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An action whose condition holds, for one object in play (`about`, `kind/key`) or none.

    Amounts are minor units; `p_accept` is in millionths; None means that the value is unknown or
    NULL. `expires_at` is 0 where the action says nothing about it.
    """

    action: int
    about: str
    value: int | None
    p_accept: int | None
    benefit: int | None
    expires_at: int
    sets: tuple[Value, ...] = ()


class HoldState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A hold that is on, for the whole customer or for some objects only."""

    hold: int
    is_unknown: bool
    about: frozenset[str] | None
    until: int


class ChannelRule(msgspec.Struct, frozen=True, kw_only=True):
    """What choosing a channel needs to know of it."""

    channel: str
    cost: int
    address: str
    pulls: bool


class ActionRule(msgspec.Struct, frozen=True, kw_only=True):
    """One action, ready to be decided."""

    index: int
    action: str
    kind: str
    entity: str
    purpose: str
    topic: str
    category: str
    offer: str
    """What is declined with it: the first action that takes its terms from the same product, or itself."""
    about: str
    promotional: bool
    purpose_rule: PurposeRule
    channels: tuple[ChannelRule, ...]
    placements: frozenset[str]
    shown_at: tuple[str, ...]
    """The placements but outbound, by name."""
    cost: int
    valid_for: int
    repeat: int
    """µs after a contact until the same action may come again; 0 means never."""
    rest: int
    urgent: bool
    permission: int
    """Actions with the same number need the same permission: it is looked up once for all."""
    permission_any_topic: int
    """The same for customers who said nothing of any topic, which is most of them."""
    holdout_percent: int
    needs_approval: bool
    fingerprint: str
    """Changes whenever the action or its texts do; empty where nobody approves it."""
    needs_benefit: bool
    dishonest: str
    """Why its terms cannot be compared; empty where they can."""
    sets: tuple[str, ...]
    facts: tuple[int, ...]
    """Indexes of the facts that must be known for it to be done."""


class HoldRule(msgspec.Struct, frozen=True, kw_only=True):
    """One hold, ready to hush."""

    hold: str
    scope: ScopeRule
    covers: frozenset[int]
    """Indexes of the actions within the scope."""
    about: str
    because: str
    facts: tuple[int, ...]


class PlacementRule(msgspec.Struct, frozen=True, kw_only=True):
    """A place where decisions are asked."""

    placement: str
    kind: str
    channel: str
    shows_max: int
    reveals: str
    asks: tuple[str, ...]


class Evaluation(msgspec.Struct, frozen=True, gc=False):
    """What the generated code says of all actions for one customer's facts."""

    candidates: list[Candidate]
    unknown_actions: list[int]
    """Actions whose condition reads an unknown fact (or overflowed)."""
    pressure: int | None
    """What one more contact costs, in minor units; None where that is unknown."""


class Findings(msgspec.Struct, frozen=True, gc=False):
    """What all conditions come to for one customer's facts: what the layers walk on.

    Two findings that are equal lead to the same decision, as long as nothing else that the layers
    look at differs; see `standing.are_alike`.
    """

    cohort: str | None
    holds: list[HoldState]
    evaluation: Evaluation


Derive: TypeAlias = Callable[[Values, Rows, Unknown, int, str | None], tuple[list[Any], Unknown]]
"""(facts, objects, unknown, now, zone) -> the cohort (None if unknown), then each segment."""
EvaluateHolds: TypeAlias = Callable[[Values, Rows, Unknown, int, str | None], list[HoldState]]
EvaluateActions: TypeAlias = Callable[[Values, Rows, Unknown, int, str | None], Evaluation]
NextChange: TypeAlias = Callable[[Values, Rows, int, int, str | None], int]
"""(facts, objects, mask of those that changed, now, zone) -> when what rests on them next turns."""


class RestsOn(msgspec.Struct, frozen=True):
    """What one piece of a policy rests on: nothing else can make it come out otherwise."""

    facts: int
    """The mask of facts and kinds of objects that it reads."""
    turns_with_facts: bool
    """Whether it may turn at an instant that facts say, such as a day after a bill is due."""
    turns_with_clock: bool
    """Whether it may turn at an instant that time alone says, such as an hour of the day."""


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """A policy in pieces, so that only those are evaluated again that may come out otherwise."""

    told_count: int
    """How many facts are not derived; the derived ones come after them."""
    everything: int
    """The mask of all facts and kinds of objects."""
    derived: RestsOn
    holds: RestsOn
    pressure: RestsOn
    evaluate_pressure: Callable[[Values, Rows, int, str | None], int | None]
    find_actions: Callable[[int, bool, bool], tuple[int, ...]]
    """(mask of changed facts, facts turned, clock turned) -> the actions that may come out otherwise,
    in order."""
    evaluate_action: tuple[
        Callable[[Values, Rows, list[Candidate], list[int], int, str | None], None], ...
    ]
    """For each action: adds its candidates, and its index for each that is unknown."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides, compiled from one version of a brand folder."""

    version: str
    semantics: int
    currency: str
    fact_names: tuple[str, ...]
    fact_types: tuple[str, ...]
    object_kinds: tuple[str, ...]
    object_fields: tuple[tuple[str, ...], ...]
    """For each kind its fields; the first one is `key`."""
    cohorts: tuple[str, ...]
    actions: tuple[ActionRule, ...]
    by_name: Mapping[str, ActionRule]
    holds: tuple[HoldRule, ...]
    caps: tuple[CapRule, ...]
    quiet_hours: tuple[QuietRule, ...]
    channels: Mapping[str, ChannelRule]
    purposes: Mapping[str, PurposeRule]
    promotional_purposes: frozenset[str]
    only_kinds: Mapping[str, str]
    """Purpose -> the kind of its actions, where all of them are of one."""
    entities: frozenset[str]
    placements: Mapping[str, PlacementRule]
    choice_limit: int
    decline_rest: int
    answer_stable: int
    approval_valid: int
    refusal_rest: int
    notices: frozenset[int]
    """Indexes of the actions that tell a customer of a breach."""
    universal_control_percent: int
    region_trait: str
    zone_trait: str
    derive: Derive
    evaluate_holds: EvaluateHolds
    evaluate_actions: EvaluateActions
    next_change: NextChange
    pieces: Pieces
    influences: frozenset[str]
    """Events that can change a fact which anything decides by, `*` among them if every event can."""
    source_text: Any = ""
    """The generated Python, for people who want to see it."""

    def offer_of(self, action: str) -> str:
        """Return what is declined with an action: itself, where this brand has none of that name."""
        rule = self.by_name.get(action)
        return action if rule is None else rule.offer

    def is_influenced_by(self, event_name: str) -> bool:
        """Return whether an event can change a decision; after others the answer stands."""
        return event_name in self.influences or ANY_EVENT in self.influences
