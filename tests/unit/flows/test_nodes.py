"""What nodes do for each other: a brand that is prepared, duties, and what a gone one leaves."""

import random  # noqa: TID251 - a failure is repeated by its seed

import pytest

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.fold.fold import decode_state, encode_state, fold_event
from kept.core.state import State
from kept.core.touchpoint_item import Rejected, WireItem
from kept.core.values import SECOND
from kept.errors import OutdatedError
from kept.flows import prepare_brand
from kept.flows.duties import KEPT_FOR, drop_duty, hold_duty
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.nodes import attend
from kept.flows.preparation import Preparation
from kept.flows.prepare_brand import (
    announce,
    is_superseded,
    load_announced,
    prepare_more,
    take_first,
)
from kept.flows.sources import load_heard, save_heard
from kept.flows.take_brand import (
    choose_slots,
    fold_both,
    fresh_slots,
    load_slots,
    only_slots,
    work_by,
)
from kept.flows.together import do_together
from tests.memory_shared import Shared
from tests.scenario.larkmead import LARKMEAD

NOW = 1_772_442_000_000_000
MORE = LARKMEAD | {
    "facts.yaml": LARKMEAD["facts.yaml"].replace(
        "features:\n", "features:\n  all_orders: {count: Order Completed}\n", 1
    )
}


def compile_texts(texts: dict[str, str], slots: dict[str, str]) -> Bundle:
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
        slots = choose_slots(load_brand(LARKMEAD).facts, store)
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
                self.renew(engine)

    def renew(self, engine: Engine) -> None:
        """Set an engine to work by what is in force, and to fold what is on its way."""
        store = engine.store
        known = load_slots(store.load_setting("slots"))
        row = store.load_brand()
        assert row is not None
        if row.version != engine.bundle.policy.version:
            work_by(engine, compile_texts(row.texts, known))
        announced = load_announced(store)
        if announced is not None:
            texts = prepare_brand.load_announced_texts(store)
            bundle = compile_texts(texts, announced.slots)
            plan = only_slots(bundle.fold_plan, fresh_slots(announced.slots, known))
            engine.preparation = Preparation(
                bundle=bundle, texts=texts, slots=announced.slots, plan=plan, until=announced.until
            )
            engine.customers.take_plan(fold_both(engine.bundle.fold_plan, bundle.fold_plan))

    def hear(self, engine: Engine, person: int, number: int) -> None:
        """Let a node hear of an order."""
        item = WireItem(
            type="track",
            event="Order Completed",
            user_id=f"u{person}",
            message_id=f"m{number}",
            timestamp=self.now / SECOND,
            properties={"order_id": f"o{number}", "total": 30},
        )

        def job(engine: Engine, now: int) -> None:
            event = engine.bundle.touchpoints["shop"].read(item, received_at=now)
            assert not isinstance(event, Rejected)
            ingest(engine, [event], [], source="shop", now=now)

        self.do(engine, job)
        self.now += SECOND


def announce_more(nodes: Nodes, engine: Engine) -> None:
    """Let a node announce the brand with one feature more."""
    slots = choose_slots(load_brand(MORE).facts, engine.store)
    bundle = compile_texts(MORE, slots)
    nodes.do(engine, lambda engine, now: announce(engine, bundle, MORE, slots))


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
    announce_more(nodes, nodes.all[0])
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
    version = load_brand(MORE).version
    for engine in nodes.all:
        nodes.do(engine, lambda engine, now: None)
        assert engine.bundle.policy.version == version
        assert engine.plan is engine.bundle.fold_plan
    engine = nodes.all[0]
    found: dict[int, State] = {}
    for stored in engine.store.load_events(after=0, limit=10_000):
        fold_event(engine.plan, found.setdefault(stored.part_id, State()), stored.event)
    slots = [each.fingerprint for each in engine.plan.by_event["Order Completed"]]
    assert len(slots) == 3
    for part_id, state in found.items():
        (row,) = engine.store.load_states([part_id])
        mine, afresh = decode_state(row.state), decode_state(encode_state(state))
        assert [mine.features[slot] for slot in slots] == [afresh.features[slot] for slot in slots]
    assert not is_superseded(engine.store, version)
    assert is_superseded(engine.store, load_brand(LARKMEAD).version)


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
