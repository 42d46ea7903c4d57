"""Restriction, correction and retention on a real file: the log stays whole, and starts find it so."""

from pathlib import Path
from typing import Any

import pytest

from kept.core.data_map import map_data
from kept.core.event import Identifier
from kept.core.fold.fold import fold_event
from kept.core.retention import Limits, limits_of
from kept.core.state import State
from kept.core.values import DAY, HOUR
from kept.flows import retain as retain_flow
from kept.flows.correct import Correction, correct
from kept.flows.resolve import find_customer
from kept.flows.restrict import lift_restriction, restrict
from kept.flows.retain import Retaining, approve_retention, load_progress, retain
from tests.scenario.log_world import LogWorld
from tests.vaults import make_vault

ANA = Identifier("user_id", "ana")


@pytest.fixture
def world(tmp_path: Path) -> LogWorld:
    """Give a sealed store."""
    return LogWorld(tmp_path, make_vault(tmp_path))


def limits(world: LogWorld) -> Limits:
    """Return the limits of the brand in force."""
    brand = world.engine.bundle.brand
    return limits_of(brand, map_data(brand))


def keep_house(world: LogWorld, *, pieces: int = 500) -> bool:
    """Do pieces of a round until nothing is left to do; return whether anything is."""
    retaining = Retaining(limits(world))
    return all(world.do(lambda engine, now: retain(engine, retaining, now)) for _ in range(pieces))


def start_again(world: LogWorld) -> None:
    """Let the process die, and start it anew."""
    world.store.close()
    world.vault = make_vault(world.folder)
    world.open()


def state_of(world: LogWorld) -> State:
    """Return what is known of Ana."""
    customer = find_customer(world.engine.customers, [(ANA, False)])
    assert customer is not None
    return customer.total(world.engine.plan)


def folded_again(world: LogWorld) -> State:
    """Return what Ana's events come to."""
    state = State()
    (part,) = world.store.find_parts([(ANA, False)])
    assert part is not None
    for stored in world.store.load_part_events([part.part_id]):
        fold_event(world.engine.plan, state, stored.event)
    return state


def put_right(world: LogWorld, **wanted: Any) -> None:
    """Put one thing of Ana right."""
    told = {"identifier": "user_id:ana", "confirmed_by": "x", "because": "y"} | wanted
    data = map_data(world.engine.bundle.brand)
    world.do(lambda engine, now: correct(engine, data, Correction(**told), actor="olga", now=now))


def test_the_log_records_a_restriction_and_its_end_and_is_whole(world: LogWorld) -> None:
    """Both stand there as what was said, and what staff did beside them; a start changes nothing."""
    world.say("Consent Given", entity="shop", purpose="marketing")
    world.do(
        lambda engine, now: restrict(
            engine, ANA, because="a claim", confirmed_by="x", actor="olga", now=now
        )
    )
    start_again(world)
    assert state_of(world).consents["restricted"].value is True
    world.do(
        lambda engine, now: lift_restriction(engine, ANA, informed_by="x", actor="olga", now=now)
    )
    assert world.audit().findings == ()
    told = str(world.records())
    assert "kept:restricted" in told
    assert "kept:restriction_lifted" in told
    assert "lift_restriction" in told


def test_what_is_put_right_is_whole_and_stays_after_a_start(world: LogWorld) -> None:
    """Also a property that was replaced in its event, of which the old value is gone."""
    world.say("Order Completed", total=7777)
    put_right(world, trait="first_name", value="Ana")
    put_right(world, event="m1", property="total", value=5)
    start_again(world)
    assert state_of(world) == folded_again(world)
    assert state_of(world).traits["first_name"].value == "Ana"
    assert "7777" not in str(world.store.load_events(after=0, limit=99))
    assert world.audit().findings == ()


def test_whoever_is_let_go_leaves_a_log_that_is_whole(world: LogWorld) -> None:
    """Ten years later nothing is left of them but hashes, and a start finds the stream as it must be."""
    keep_house(world)
    world.say("Consent Withdrawn", purpose="marketing")
    world.say("Order Completed", total=5)
    world.say("Page Viewed", user="ben")
    world.now += 3651 * DAY
    world.say("Page Viewed", user="ben")
    keep_house(world)
    assert world.store.find_parts([(ANA, False)]) == [None]
    start_again(world)
    names = [one.event.name for one in world.store.load_events(after=0, limit=99)]
    assert names == ["Page Viewed"]
    assert world.audit().findings == ()
    world.now += DAY
    world.say("Page Viewed")
    assert state_of(world).consents["p|*|marketing|"].value is False


def test_a_process_that_dies_between_two_pieces_ends_what_it_began(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state that a start finds is that of the events that are left, once the round is done."""
    monkeypatch.setattr(retain_flow, "EVENTS_A_PIECE", 5)
    keep_house(world)
    for _ in range(23):
        world.say("Order Completed", total=5)
    world.now += 3651 * DAY
    for _ in range(3):
        world.say("Order Completed", total=5)
    assert keep_house(world, pieces=2)
    assert load_progress(world.store).again
    start_again(world)
    world.say("Order Completed", total=5)
    keep_house(world)
    assert len(world.store.load_events(after=0, limit=99)) == 4
    assert state_of(world) == folded_again(world)
    start_again(world)
    assert state_of(world) == folded_again(world)


def test_a_store_of_before_is_not_emptied_by_its_first_start(world: LogWorld) -> None:
    """What is past its time when retention is applied for the first time waits for somebody to look."""
    world.say("Order Completed", total=5)
    world.now += 3651 * DAY
    keep_house(world)
    assert len(world.store.load_events(after=0, limit=99)) == 1
    world.do(lambda engine, now: approve_retention(engine, actor="olga", because="looked", now=now))
    world.now += HOUR
    keep_house(world)
    assert world.store.load_events(after=0, limit=99) == []
    assert world.audit().findings == ()
