"""What nodes do for each other: a brand that is prepared, duties, and what a gone one leaves."""

import random  # noqa: TID251 - a failure is repeated by its seed
from collections.abc import Mapping
from functools import partial
from typing import cast

import pytest

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.event import Identifier
from kept.core.fold.fold import decode_state, encode_state, fold_event
from kept.core.state import State
from kept.core.touchpoint_item import Rejected, WireItem
from kept.core.values import SECOND
from kept.errors import ConflictError, ContendedError, OutdatedError
from kept.flows import prepare_brand
from kept.flows.customers import Customer
from kept.flows.duties import KEPT_FOR, drop_duty, hold_duty
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.nodes import attend
from kept.flows.prepare_brand import (
    announce,
    is_superseded,
    load_announced,
    prepare_more,
    take_first,
)
from kept.flows.quarantine import drop, replay
from kept.flows.regroup import merge
from kept.flows.resolve import find_customer
from kept.flows.sources import load_heard, save_heard
from kept.flows.take_brand import choose_slots, load_known_slots
from kept.flows.together import do_together, together
from kept.ports import Store
from tests.memory_shared import Shared
from tests.scenario.larkmead import LARKMEAD
from tests.slots import keep_only

NOW = 1_772_442_000_000_000


def with_feature(feature: str) -> dict[str, str]:
    """Return the brand with one feature more."""
    facts = LARKMEAD["facts.yaml"].replace("features:\n", f"features:\n  {feature}\n", 1)
    return LARKMEAD | {"facts.yaml": facts}


MORE = with_feature("all_orders: {count: Order Completed}")
ANOTHER = with_feature("all_views: {count: Product Viewed}")


def compile_texts(texts: dict[str, str], slots: Mapping[str, str]) -> Bundle:
    """Compile a brand with its features where the store keeps them."""
    return compile_brand(load_brand(texts), slots=slots)


class Nodes:
    """Several engines on one store, which take up a brand as the runtime has them do."""

    def __init__(self, count: int) -> None:
        """Bring the first brand into force."""
        self.shared = Shared()
        self.now = NOW
        self.all = [self._open() for _ in range(count)]

    def _open(self) -> Engine:
        store = self.shared.connect()
        return self.open(store, choose_slots(load_brand(LARKMEAD).facts, store))

    def open(self, store: Store, slots: dict[str, str]) -> Engine:
        """Open an engine that chose these slots for the first brand."""
        bundle = compile_texts(LARKMEAD, slots)
        engine = Engine(store, bundle, secret=b"", public_url="https://kept.example")
        engine.node_id = store.join("test")
        self.do(engine, lambda engine, now: take_first(engine, bundle, LARKMEAD, slots, now))
        return engine

    def do(self, engine: Engine, job: object) -> object:
        """Do a job at a node, which is renewed where another brand is in force or on its way."""
        while True:
            try:
                return do_together(engine, job, lambda _: self.now)  # type: ignore[arg-type]
            except OutdatedError:
                prepare_brand.renew(engine, compile_texts)

    def hear(self, engine: Engine, person: int, number: int) -> None:
        """Let a node hear of an order."""
        self.do(engine, lambda engine, now: take_order(engine, person, number, now))
        self.now += SECOND


def take_order(engine: Engine, person: int, number: int, now: int) -> None:
    """Take an order within a node's transaction."""
    item = WireItem(
        type="track",
        event="Order Completed",
        user_id=f"u{person}",
        message_id=f"m{number}",
        timestamp=now / SECOND,
        properties={"order_id": f"o{number}", "total": 30},
    )
    event = engine.bundle.touchpoints["shop"].read(item, received_at=now)
    assert not isinstance(event, Rejected)
    ingest(engine, [event], [], source="shop", now=now)


class Announcement:
    """A brand as one node is about to announce it: slots are chosen, and it is compiled."""

    def __init__(self, engine: Engine, texts: dict[str, str]) -> None:
        """Choose the slots now."""
        self.texts = texts
        self.known = load_known_slots(engine.store)
        self.slots = choose_slots(load_brand(texts).facts, engine.store)
        self.bundle = compile_texts(texts, self.slots)

    def make(self, engine: Engine, now: int) -> bool:
        """Announce it."""
        return announce(engine, self.bundle, self.texts, self.slots, known=self.known)


def bring_into_force(nodes: Nodes, engine: Engine, texts: dict[str, str]) -> None:
    """Let a node announce a brand, and prepare it alone."""
    assert nodes.do(engine, Announcement(engine, texts).make)
    while nodes.do(engine, prepare_more):
        pass


def check_states(nodes: Nodes, texts: dict[str, str]) -> None:
    """Check that every node works by a brand, and that every state holds what a fold of all says."""
    version = load_brand(texts).version
    slots = load_known_slots(nodes.all[0].store)
    for engine in nodes.all:
        nodes.do(engine, lambda engine, now: None)
        assert engine.bundle.policy.version == version
        assert engine.plan is engine.bundle.fold_plan
        assert engine.plan.slots == slots
    found: dict[int, State] = {}
    for stored in engine.store.load_events(after=0, limit=10_000):
        fold_event(engine.plan, found.setdefault(stored.part_id, State()), stored.event)
    assert found
    for part_id, state in found.items():
        (row,) = engine.store.load_states([part_id])
        mine, afresh = decode_state(row.state), decode_state(encode_state(state))
        assert keep_only(mine, slots.values()) == keep_only(afresh, slots.values())


@pytest.mark.parametrize("seed", range(8))
def test_a_brand_is_prepared_by_whoever_is_there_while_all_hear_on(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event is folded once into the new feature, whoever heard it and whoever filled, or died."""
    monkeypatch.setattr(prepare_brand, "PIECE", 5)
    draw = random.Random(seed)
    nodes = Nodes(3)
    number = 0
    for _ in range(40):
        number += 1
        nodes.hear(draw.choice(nodes.all), draw.randrange(6), number)
    nodes.do(nodes.all[0], Announcement(nodes.all[0], MORE).make)
    while load_announced(nodes.all[-1].store) is not None:
        node = draw.choice(nodes.all)
        if draw.random() < 0.5:
            number += 1
            nodes.hear(node, draw.randrange(6), number)
        elif draw.random() < 0.15 and len(nodes.all) > 1:
            nodes.all.remove(node)
            node.store.close()
        else:
            nodes.do(node, prepare_more)
    number += 1
    nodes.hear(nodes.all[-1], 0, number)
    check_states(nodes, MORE)
    store = nodes.all[0].store
    assert not is_superseded(store, load_brand(MORE).version)
    assert is_superseded(store, load_brand(LARKMEAD).version)


def hear_some(nodes: Nodes, engine: Engine, numbers: range) -> None:
    """Let a node hear of some orders of six people."""
    for number in numbers:
        nodes.hear(engine, number % 6, number)


def test_nodes_that_open_an_empty_store_at_once_fold_into_the_same_slots() -> None:
    """Each chose slots of its own before either brought the brand into force."""
    nodes = Nodes(0)
    stores = [nodes.shared.connect() for _ in range(2)]
    chosen = [choose_slots(load_brand(LARKMEAD).facts, store) for store in stores]
    nodes.all = [nodes.open(*one) for one in zip(stores, chosen, strict=True)]
    for engine in nodes.all:
        hear_some(nodes, engine, range(engine.node_id * 10, engine.node_id * 10 + 6))
    check_states(nodes, LARKMEAD)


def test_nodes_that_announce_the_same_folder_prepare_it_once() -> None:
    """Whoever chose slots before another brought it into force does not empty what was filled."""
    nodes = Nodes(2)
    one, other = nodes.all
    hear_some(nodes, one, range(20))
    late, later = Announcement(other, MORE), Announcement(other, MORE)
    first = Announcement(one, MORE)
    assert nodes.do(one, first.make)
    assert nodes.do(other, late.make)
    underway = load_announced(other.store)
    assert underway is not None
    assert underway.slots == first.slots
    while nodes.do(one, prepare_more):
        pass
    assert nodes.do(other, later.make)
    assert load_announced(other.store) is None
    hear_some(nodes, other, range(20, 30))
    check_states(nodes, MORE)


def test_a_piece_that_another_node_did_meanwhile_is_not_folded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks for the duty may get it just after another has done a piece and let go of it."""
    monkeypatch.setattr(prepare_brand, "PIECE", 7)
    nodes = Nodes(2)
    one, other = nodes.all
    hear_some(nodes, one, range(20))
    assert nodes.do(one, Announcement(one, MORE).make)
    nodes.do(other, lambda engine, now: None)
    try_duty = one.store.try_duty

    def let_other_be_first(name: str) -> bool:
        underway = load_announced(other.store)
        if name == "brand" and underway is not None and not underway.is_filled:
            nodes.do(other, prepare_more)
        return try_duty(name)

    monkeypatch.setattr(one.store, "try_duty", let_other_be_first)
    while load_announced(one.store) is not None:
        nodes.do(one, prepare_more)
    check_states(nodes, MORE)


def test_slots_that_were_chosen_before_another_brand_are_chosen_again() -> None:
    """A feature that was kept somewhere when it was in force may not be filled there again."""
    nodes = Nodes(2)
    one, other = nodes.all
    hear_some(nodes, one, range(20))
    bring_into_force(nodes, one, MORE)
    held = Announcement(other, MORE)
    bring_into_force(nodes, one, LARKMEAD)
    assert not nodes.do(other, held.make)
    bring_into_force(nodes, other, MORE)
    check_states(nodes, MORE)


def test_a_node_that_slept_while_a_brand_went_and_came_folds_into_the_slots_of_now() -> None:
    """The version is the one it knew; where its features are kept is not."""
    nodes = Nodes(2)
    one, other = nodes.all
    bring_into_force(nodes, one, MORE)
    hear_some(nodes, other, range(20))
    for texts in (LARKMEAD, MORE):
        bring_into_force(nodes, one, texts)
    hear_some(nodes, other, range(20, 30))
    check_states(nodes, MORE)


def test_a_node_that_slept_while_an_announced_brand_was_given_up_uses_the_slots_of_now() -> None:
    """What it prepared was announced again, with other slots, and came into force so."""
    nodes = Nodes(2)
    one, other = nodes.all
    hear_some(nodes, one, range(10))
    assert nodes.do(one, Announcement(one, MORE).make)
    hear_some(nodes, other, range(10, 20))
    assert other.preparation is not None
    assert nodes.do(one, Announcement(one, ANOTHER).make)
    bring_into_force(nodes, one, MORE)
    hear_some(nodes, other, range(20, 30))
    check_states(nodes, MORE)


def test_a_brand_that_was_given_up_for_one_with_the_same_features_stays_away() -> None:
    """Nodes that prepared it tell it from the one that was announced after it."""
    given_up, wanted = (
        LARKMEAD | {"facts.yaml": LARKMEAD["facts.yaml"] + comment}
        for comment in ("# a\n", "# b\n")
    )
    nodes = Nodes(2)
    one, other = nodes.all
    hear_some(nodes, one, range(10))
    assert nodes.do(one, Announcement(one, given_up).make)
    hear_some(nodes, other, range(10, 20))
    assert nodes.do(other, Announcement(other, wanted).make)
    while nodes.do(one, prepare_more):
        pass
    check_states(nodes, wanted)


def test_a_brand_that_was_put_back_does_not_come_into_force() -> None:
    """Whoever sees the folder of before lets the announced one be given up by all."""
    nodes = Nodes(2)
    one, other = nodes.all
    hear_some(nodes, one, range(10))
    assert nodes.do(one, Announcement(one, MORE).make)
    hear_some(nodes, other, range(10, 20))
    nodes.do(other, lambda engine, now: prepare_brand.give_up(engine))
    assert not nodes.do(one, prepare_more)
    hear_some(nodes, one, range(20, 30))
    check_states(nodes, LARKMEAD)


def test_a_duty_is_one_nodes_until_it_is_gone_or_stalls() -> None:
    """Whoever has it goes on; the other passes."""
    nodes = Nodes(2)
    one, other = nodes.all

    def hold(engine: Engine, now: int) -> bool:
        return hold_duty(engine, "a duty", now)

    assert nodes.do(one, hold)
    assert not nodes.do(other, hold)
    nodes.now += KEPT_FOR - 1
    assert not nodes.do(other, hold)
    assert nodes.do(one, hold)
    nodes.now += KEPT_FOR - 1
    assert not nodes.do(other, hold)
    nodes.now += 1
    assert nodes.do(other, hold)
    assert not nodes.do(one, hold)
    nodes.do(other, lambda engine, now: drop_duty(engine, "a duty"))
    assert nodes.do(one, hold)
    one.store.close()
    assert nodes.do(other, hold)


def test_what_a_gone_node_had_heard_is_kept_and_it_is_taken_out() -> None:
    """A source that only it heard is not silent because of that."""
    nodes = Nodes(2)
    one, other = nodes.all
    nodes.hear(one, 1, 1)
    nodes.do(one, lambda engine, now: save_heard(engine))
    one.store.close()
    nodes.now += 2 * SECOND
    nodes.do(other, attend)
    assert [node.node_id for node in other.store.list_nodes()] == [other.node_id]
    assert nodes.do(other, lambda engine, now: load_heard(engine))["shop"] == NOW  # type: ignore[index]
    assert [alert["code"] for alert in other.noted.alerts] == ["node_gone"]


def test_what_is_quarantined_is_dropped_or_replayed_by_one_node_alone() -> None:
    """What one drops is not taken by another, which saw it held."""
    nodes = Nodes(2)
    one, other = nodes.all

    def set_apart(engine: Engine, now: int) -> int:
        return engine.store.quarantine(
            source="shop", received_at=now, code="a.code", detail="", payload=b"{}"
        )

    def take(engine: Engine, now: int) -> object:
        return replay(engine, quarantine_id, [], actor="olga", now=now)

    quarantine_id = cast("int", nodes.do(one, set_apart))
    with together(one, lambda _: nodes.now) as now:
        drop(one, quarantine_id, actor="otto", now=now)
        with (
            pytest.raises(ContendedError, match="at work on what was quarantined"),
            together(other, lambda _: nodes.now) as meanwhile,
        ):
            take(other, meanwhile)
    with pytest.raises(ConflictError, match="was dropped already"):
        nodes.do(other, take)


def test_a_merge_that_was_undone_leaves_both_as_they_were() -> None:
    """The one who was merged into the other is in memory no more, and on record as before."""
    nodes = Nodes(1)
    (engine,) = nodes.all
    hear_some(nodes, engine, range(2))
    one, other = Identifier("user_id", "u0"), Identifier("user_id", "u1")

    def merge_and_fail(engine: Engine, now: int) -> None:
        assert merge(engine, one, other, actor="test", now=now)
        message = "the job failed after that"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError):
        nodes.do(engine, merge_and_fail)
    for number, who in enumerate((one, other), start=2):
        nodes.hear(engine, number - 2, number)
        found = nodes.do(engine, partial(find, who=who))
        assert isinstance(found, Customer)
        assert len(found.parts) == 1


def find(engine: Engine, now: int, *, who: Identifier) -> Customer | None:
    """Return a customer."""
    return find_customer(engine.customers, [(who, False)])
