"""Whatever a record holds: the order of workers is irrelevant, and one order of what happened is found."""

from collections import Counter
from itertools import pairwise
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.memory_recorded import MemoryRecorded
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.event import Identifier
from kept.core.identity import Evidence, Link, Part
from kept.flows.replay.components import connect, find_joins, load_components
from kept.flows.replay.played import Difference
from kept.flows.replay.tally import Example, Tally, add_all
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD, compile_larkmead
from tests.scenario.replays import components_of, play_again
from tests.scenario.world import World

EXAMPLES = st.builds(
    Example,
    worse=st.sampled_from(["loses grace", "more contacts"]),
    customer=st.integers(1, 50),
    cohort=st.sampled_from(["loyal", "newcomer"]),
    what=st.just("x"),
)
DIFFERENCES = st.builds(
    Difference,
    kind=st.sampled_from(["extra", "missing"]),
    decision_id=st.integers(1, 60),
    at=st.integers(0, 5),
    what=st.just("outbound"),
)
TALLIES = st.builds(
    Tally,
    counts=st.dictionaries(
        st.tuples(st.sampled_from(["contacts", "looks"]), st.sampled_from(["a", "b"])),
        st.integers(0, 9),
    ).map(Counter),
    examples=st.lists(EXAMPLES, max_size=12),
    differences=st.lists(DIFFERENCES, max_size=30),
)


@given(st.lists(TALLIES, max_size=5), st.randoms(use_true_random=False))
def test_tallies_add_up_in_any_order(tallies: list[Tally], chance: object) -> None:
    """Shares may be counted by any number of workers, and come back in any order."""
    shuffled = list(tallies)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = add_all(tallies), add_all(shuffled)
    assert one.counts == other.counts
    assert one.examples == other.examples
    assert [(d.at, d.decision_id) for d in one.differences] == [
        (d.at, d.decision_id) for d in other.differences
    ]


PARTS = [
    Part(part_id=n, customer_id=n, identifier=Identifier("user_id", f"u{n % 9}"), claimed=n > 9)
    for n in range(1, 13)
]
LINKS = st.lists(
    st.tuples(
        st.integers(1, 12), st.integers(1, 12), st.sampled_from(["vouched", "claimed", "apart"])
    )
    .filter(lambda pair: pair[0] < pair[1])
    .map(lambda told: Link(told[0], told[1], cast("Evidence", told[2]), 0)),
    max_size=10,
)


@given(LINKS)
def test_no_evidence_crosses_two_components(links: list[Link]) -> None:
    """Each part is in one component, and so are both ends of every link, and both uses of a name."""
    components = connect(PARTS, links)
    homes = {part.part_id: i for i, one in enumerate(components) for part in one.parts}
    assert len(homes) == len(PARTS) == sum(len(one.parts) for one in components)
    for link in links:
        assert homes[link.part_a] == homes[link.part_b]
        assert link in components[homes[link.part_a]].links
    assert homes[1] == homes[10]


@given(st.integers(1_000, 100_000))
@settings(max_examples=6, deadline=None)
def test_the_same_policy_makes_the_same_decisions(seed: int) -> None:
    """Of any world, and the order in which things happened never goes backwards."""
    store = MemoryStore()
    world = World(seed, lambda: store)
    world.run(150)
    recorded = MemoryRecorded(store)
    for component in components_of(recorded):
        for one, other in pairwise(component.occasions):
            assert one.now <= other.now
        decided = [t.decision_id for one in component.occasions for t in one.traces]
        assert decided == sorted(decided)
        heard = [one.stored.sequence for one in component.occasions if one.stored is not None]
        assert heard == sorted(heard)
    assert play_again(recorded, compile_larkmead()).differences == []


@given(st.integers(1_000, 100_000), st.randoms(use_true_random=False))
@settings(max_examples=4, deadline=None)
def test_components_have_nothing_to_do_with_each_other(seed: int, chance: object) -> None:
    """Played in another order, by another policy, each comes out the same."""
    store = MemoryStore()
    World(seed, lambda: store).run(150)
    recorded = MemoryRecorded(store)
    texts = {**LARKMEAD}
    texts["contact.yaml"] = texts["contact.yaml"].replace(
        "decline_rest: 20 days", "decline_rest: 2 days"
    )
    tried = compile_brand(load_brand(texts))
    in_order = play_again(recorded, compile_larkmead(), instead=tried)
    connected = connect(recorded.read_parts(), recorded.read_links())
    chance.shuffle(connected)  # type: ignore[attr-defined]
    shuffled = list(load_components(recorded, connected, find_joins(recorded.read_acts())))
    again = play_again(recorded, compile_larkmead(), instead=tried, components=shuffled)
    assert _contacts(in_order.played) == _contacts(again.played)


def _contacts(played: list) -> list:  # type: ignore[type-arg]
    return sorted(
        (one.part_id, one.action, one.about, one.channel, one.attempted_at, one.state)
        for each in played
        for one in each.messages.values()
    )
