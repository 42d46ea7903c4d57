"""What tests of replays share: a record that is played again, and what came of it."""

from collections import Counter
from typing import Any

import msgspec

from kept.core.bundle import Bundle
from kept.flows.replay.components import (
    connect,
    find_joins,
    load_components,
    load_nobody,
)
from kept.flows.replay.played import Component, Difference, Period, Played
from kept.flows.replay.player import Player
from kept.flows.replay.policies import AsRecorded, Instead, RecordedBrands, Timeline
from kept.ports import BrandRow
from kept.recorded_port import Recorded
from kept.stores.replay import ReplayStore

ALWAYS = 1 << 62


class Outcome(msgspec.Struct, kw_only=True):
    """Everything that a replay did."""

    played: list[Played]
    counts: Counter[str]

    @property
    def differences(self) -> list[Difference]:
        """Return how it differed from the record."""
        return [one for each in self.played for one in each.differences]


def components_of(recorded: Recorded) -> list[Component]:
    """Return a whole record, ready to be played."""
    joins = find_joins(recorded.read_acts())
    connected = connect(recorded.read_parts(), recorded.read_links())
    return [*load_components(recorded, connected, joins), load_nobody(recorded)]


def play_again(
    recorded: Recorded,
    bundle: Bundle,
    *,
    instead: Bundle | None = None,
    since: int = 0,
    until: int = ALWAYS,
    brands: list[BrandRow] | None = None,
    components: list[Component] | None = None,
) -> Outcome:
    """Play a record again, by the policy that it had or by another one."""
    _, last = recorded.read_span()
    known = RecordedBrands(brands or (), known=bundle)
    timeline = Timeline(recorded.read_settings(), recorded.read_acts())
    period = Period(since=since, until=until, ends_at=last)
    policies: Any = AsRecorded(known, timeline, fallback=bundle)
    if instead is not None:
        policies = Instead(instead, known, timeline)
    player = Player(ReplayStore(), policies, period=period, follows=instead is None)
    if components is None:
        components = components_of(recorded)
    played = [player.play(component) for component in components]
    counts: Counter[str] = Counter()
    for one in played:
        counts.update(one.counts)
        counts["decisions"] += one.decided.total()
    return Outcome(played=played, counts=counts)
