"""Whoever a replay may not read of is in none of its figures, alone or connected with others."""

import msgspec
import pytest

from bench.memory_recorded import MemoryRecorded
from kept.core.event import SOURCE_SELF, Identifier
from kept.core.values import HOUR
from kept.flows.regroup import merge, unmerge
from kept.flows.replay.played import Component, Difference, Period, Played
from kept.flows.replay.player import Player
from kept.flows.replay.policies import AsRecorded, RecordedBrands, Timeline
from kept.flows.replay.tally import Tally, measure_of, tally
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from kept.stores.replay import ReplayStore
from tests.scenario.larkmead import compile_larkmead
from tests.scenario.replays import ALWAYS, components_of
from tests.unit.flows.test_guarantees import NOON, introduce, tell

PERIOD = Period(since=0, until=ALWAYS, ends_at=NOON + 2 * HOUR)
ANA, BEN = Identifier("user_id", "ana"), Identifier("user_id", "ben")


@pytest.fixture
def stage() -> Stage:
    """Give a stage on which Ana and Ben did the same, and were told apart after a mistake."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    for user in ("ana", "ben"):
        introduce(stage, user)
        tell(stage, "Page Viewed", user_id=user)
    stage.advance(NOON + HOUR)
    with stage.store.transaction():
        merge(stage.engine, ANA, BEN, actor="ops", now=stage.now)
        unmerge(stage.engine, ANA, BEN, actor="ops", now=stage.now)
    return stage


def played(stage: Stage) -> tuple[Component, Played]:
    """Return the one component of both, and what the recorded policy did with it."""
    store = stage.store
    assert isinstance(store, MemoryStore)
    recorded = MemoryRecorded(store)
    bundle = compile_larkmead()
    policies = AsRecorded(
        RecordedBrands((), known=bundle),
        Timeline(recorded.read_settings(), recorded.read_acts()),
        fallback=bundle,
    )
    player = Player(ReplayStore(), policies, period=PERIOD, follows=True)
    (component,) = [one for one in components_of(recorded) if one.parts]
    return component, player.play(component)


def count(component: Component, did: Played, *excluded: int) -> Tally:
    """Return what is counted of a component, where of some customers nothing may be read."""
    measure = measure_of([compile_larkmead()], ())
    return tally(component, did, measure, PERIOD, excluded=excluded, values={})


def id_of(stage: Stage, who: Identifier) -> int:
    """Return the number of a customer."""
    customer = stage.find(who)
    assert customer is not None
    return customer.customer_id


def unlike(did: Played, part_id: int) -> Played:
    """Return a replay in which everything that can be found was found of one part too."""
    one = next(iter(did.messages.values()))
    waits = msgspec.structs.replace(
        one, message_id="m9-x", part_id=part_id, state="queued", attempted_at=0
    )
    return msgspec.structs.replace(
        did,
        differences=[
            Difference(kind="missing", decision_id=1, at=NOON, what="outbound", part_id=part_id)
        ],
        violations=[("caps", "lamp_offer", part_id)],
        unknown=did.unknown + type(did.unknown)({(part_id, "answers: Message Opened"): 2}),
        messages=did.messages | {waits.message_id: waits},
    )


FOUND = (
    ("violations", "caps"),
    ("not alike",),
    ("unknown", "answers: Message Opened"),
    ("unknown", "contacts that wait to be fetched"),
)


def test_who_is_left_out_of_connected_customers_is_in_no_figure(stage: Stage) -> None:
    """Signals, decisions and everything found are counted of the other one alone."""
    ana, ben = id_of(stage, ANA), id_of(stage, BEN)
    component, did = played(stage)
    both = count(component, did).counts
    shares = [count(component, did, left_out).counts for left_out in (ana, ben)]
    for key in (("run", "signals"), ("run", "decisions"), ("recorded decisions",)):
        assert sum(one[key] for one in shares) == both[key]
        assert all(one[key] > 0 for one in shares)
    heard = [
        one.stored
        for one in component.occasions
        if one.stored is not None and one.stored.event.source != SOURCE_SELF
    ]
    assert both["run", "signals"] == len(heard) == 6
    own_part = stage.engine.customers.get(ana).own_part
    found = unlike(did, own_part)
    with_ana, without_ana = count(component, found), count(component, found, ana)
    assert [with_ana.counts[key] for key in FOUND] == [1, 1, 2, 1]
    assert [without_ana.counts[key] for key in FOUND] == [0, 0, 0, 0]
    assert (len(with_ana.differences), without_ana.differences) == (1, [])


def test_of_customers_who_are_all_left_out_only_their_number_is_counted(stage: Stage) -> None:
    """Nothing else of them is in the figures."""
    ana, ben = id_of(stage, ANA), id_of(stage, BEN)
    component, did = played(stage)
    found = count(component, unlike(did, ana), ana, ben)
    assert found == Tally(counts=type(found.counts)({("left out",): 2}))
