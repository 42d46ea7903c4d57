"""Whoever is folded over several pieces, and what comes between these: undone, restricted, put right."""

from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest

from kept.core.data_map import map_data
from kept.core.fold.fold import decode_state, fold_event
from kept.core.retention import limits_of
from kept.core.state import State
from kept.core.values import DAY
from kept.errors import ContendedError
from kept.flows import retain as retain_flow
from kept.flows.correct import Correction, correct
from kept.flows.engine import Engine
from kept.flows.restrict import lift_restriction, restrict
from kept.flows.retain import Retaining, retain
from kept.flows.spare_restricted import RESTRICTED_SETTING
from kept.flows.stage import Stage
from kept.flows.together import together
from kept.retention_port import retained_number
from tests.unit.flows.test_nodes import Nodes, take_order
from tests.unit.flows.test_retain import (
    ANA,
    SHORTER,
    a_stage,
    folded_again,
    keep_house,
    limits,
    names,
    state_of,
    tell,
)


def orders_past_everything(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Give a stage with ten orders of Ana that books name, of whom nothing is within its time."""
    monkeypatch.setattr(retain_flow, "EVENTS_A_PIECE", 8)
    stage = a_stage(SHORTER.replace("history: 3650 days", "history: 400 days"))
    keep_house(stage)
    tell(stage, "Identified", traits={"email": "ana@example.com", "first_name": "Ana"})
    for total in range(10):
        tell(stage, "Order Completed", total=total)
    stage.now += 401 * DAY
    stage.engine.customers.flush(99)
    return stage


def held_totals(stage: Stage, part_id: int) -> list[int]:
    """Return the totals of the orders that are held apart, in the order in which they came."""
    records = stage.store.load_held_records(retained_number(part_id))
    bodies = [msgspec.json.decode(record.body)["event"] for record in records]
    return [body["properties"]["total"] for body in bodies if body["name"] == "Order Completed"]


def refuse_once(stage: Stage) -> Callable[[], None]:
    """Return what refuses the first to change what all nodes must know."""
    refused: list[int] = []

    def change_control() -> None:
        if not refused:
            refused.append(stage.now)
            raise ContendedError("begin again, alone", alone=True)

    return change_control


@pytest.mark.parametrize("undone_by", ["the erasure", "a neighbour"])
def test_a_piece_that_is_undone_leaves_nothing_behind_in_memory(
    undone_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the last piece held apart is held when it is done again, and nothing is skipped."""
    stage = orders_past_everything(monkeypatch)
    ana = stage.find(ANA)
    assert ana is not None
    retaining = Retaining(limits(stage))
    with stage.store.transaction():
        assert retain(stage.engine, retaining, stage.now)
    assert 0 < len(held_totals(stage, ana.own_part)) < 10
    if undone_by == "the erasure":
        monkeypatch.setattr(stage.store, "change_control", refuse_once(stage))
        with pytest.raises(ContendedError), stage.store.transaction():
            retain(stage.engine, retaining, stage.now)
    else:
        monkeypatch.setattr(retain_flow, "EVENTS_A_PIECE", 3)
        with suppress(ContendedError), stage.store.transaction():
            assert retain(stage.engine, retaining, stage.now)
            raise ContendedError("another job of the same group was contended")
    for _ in range(9):
        with stage.store.transaction():
            retain(stage.engine, retaining, stage.now)
    assert stage.store.find_parts([(ANA, False)]) == [None]
    assert held_totals(stage, ana.own_part) == list(range(10))


def test_whoever_is_let_go_over_several_pieces_is_let_go_although_each_end_is_done_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where nodes share a store, what all must know is never changed at the first try."""
    stage = orders_past_everything(monkeypatch)
    retaining = Retaining(limits(stage))
    for _ in range(9):
        monkeypatch.setattr(stage.store, "change_control", refuse_once(stage))
        for _ in range(2):
            with suppress(ContendedError), stage.store.transaction():
                retain(stage.engine, retaining, stage.now)
                break
    assert stage.store.find_parts([(ANA, False)]) == [None]


def test_a_look_that_is_undone_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing was removed yet: whoever is half folded is not left for another day."""
    stage = a_stage()
    monkeypatch.setattr(retain_flow, "EVENTS_A_PIECE", 4)
    keep_house(stage)
    tell(stage, "Identified", traits={"email": "ana@example.com", "first_name": "Ana"})
    for _ in range(9):
        tell(stage, "Case Opened", case_id="c1")
    tell(stage, "Page Viewed")
    stage.now += 31 * DAY
    with stage.store.transaction():
        assert retain(stage.engine, Retaining(limits(stage)), stage.now)
    keep_house(stage)
    assert "Page Viewed" not in names(stage)
    assert state_of(stage) == folded_again(stage)


def test_a_proof_that_a_law_keeps_is_held_when_its_customer_is_let_go() -> None:
    """It stayed as long as anything of them did, and so was never removed for its age."""
    law = SHORTER.replace("[Order Completed]", "[Consent Withdrawn]")
    stage = a_stage(law.replace("history: 3650 days", "history: 400 days"))
    keep_house(stage)
    tell(stage, "Identified", traits={"email": "ana@example.com", "first_name": "Ana"})
    tell(stage, "Consent Withdrawn", purpose="marketing")
    ana = stage.find(ANA)
    assert ana is not None
    stage.now += 401 * DAY
    keep_house(stage)
    assert stage.store.find_parts([(ANA, False)]) == [None]
    (record,) = stage.store.load_held_records(retained_number(ana.own_part))
    body = msgspec.json.decode(record.body)
    assert body["event"]["properties"] == {"purpose": "marketing"}
    assert body["traits"] == {"first_name": "Ana"}


def test_whoever_is_restricted_between_two_pieces_loses_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left stays, and counts as it stands: what was removed before is folded away."""
    stage = orders_past_everything(monkeypatch)
    retaining = Retaining(limits(stage))
    with stage.store.transaction():
        assert retain(stage.engine, retaining, stage.now)
    left = names(stage)
    assert left
    with stage.store.transaction():
        restrict(
            stage.engine, ANA, because="a claim", confirmed_by="x", actor="olga", now=stage.now
        )
    for _ in range(9):
        with stage.store.transaction():
            retain(stage.engine, retaining, stage.now)
    assert names(stage) == left
    assert state_of(stage) == folded_again(stage)


def test_what_is_put_right_between_two_pieces_stays_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that was folded already, and is another one now, does not come back as it was."""
    stage = a_stage()
    keep_house(stage)
    tell(stage, "Identified", traits={"email": "ana@example.com", "first_name": "Ana"})
    tell(stage, "Page Viewed")
    tell(stage, "Case Opened", case_id="c1", topic="price")
    for _ in range(9):
        tell(stage, "Case Opened", case_id="c2")
    monkeypatch.setattr(retain_flow, "EVENTS_A_PIECE", 5)
    stage.now += 31 * DAY
    retaining = Retaining(limits(stage))
    with stage.store.transaction():
        assert retain(stage.engine, retaining, stage.now)
    (wrong,) = [
        one.event
        for one in stage.store.load_events(after=0, limit=99)
        if one.event.properties.get("case_id") == "c1"
    ]
    wanted = Correction(
        identifier="user_id:ana", confirmed_by="x", because="y",
        event=wrong.message_id, property="case_id", value="c3",
    )  # fmt: skip
    with stage.store.transaction():
        data = map_data(stage.engine.bundle.brand)
        correct(stage.engine, data, wanted, actor="olga", now=stage.now)
    for _ in range(9):
        with stage.store.transaction():
            retain(stage.engine, retaining, stage.now)
    assert set(state_of(stage).objects["case"]) == {"c2", "c3"}
    assert state_of(stage) == folded_again(stage)


def test_what_was_decided_and_said_stays_while_its_customer_is_restricted() -> None:
    """A claim may need it: also of whoever they are merged with, and until it is lifted."""
    stage = a_stage(SHORTER)
    keep_house(stage)
    tell(stage, "Identified", traits={"email": "ana@example.com", "zone": "Europe/Lisbon"})
    tell(stage, "Order Completed", total=1)
    ana = stage.find(ANA)
    assert ana is not None
    part_ids = sorted(ana.parts)
    stage.advance(stage.now + DAY)
    with stage.store.transaction():
        restrict(
            stage.engine, ANA, because="a claim", confirmed_by="x", actor="olga", now=stage.now
        )
        # As if it had been restricted before there was a list: a round finds it.
        stage.store.save_setting(RESTRICTED_SETTING, b"")
    before = [row.decision_id for row in stage.store.read_decisions(part_ids, newest=99)]
    assert before
    stage.now += 4_000 * DAY
    keep_house(stage)
    assert [row.decision_id for row in stage.store.read_decisions(part_ids, newest=99)] == before
    with stage.store.transaction():
        lift_restriction(stage.engine, ANA, informed_by="by letter", actor="olga", now=stage.now)
    stage.now += 2 * DAY
    keep_house(stage)
    left = {row.decision_id for row in stage.store.read_decisions(part_ids, newest=99)}
    assert left.isdisjoint(before)


def test_an_event_whose_number_was_taken_before_a_piece_and_stored_after_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another node had the number, and waited for the customer while the piece went past it."""
    monkeypatch.setattr(retain_flow, "EVENTS_A_PIECE", 4)
    nodes = Nodes(2)
    one, other = nodes.all
    brand = one.bundle.brand
    retaining = Retaining(limits_of(brand, map_data(brand)))

    def piece(engine: Engine, now: int) -> bool:
        return retain(engine, retaining, now)

    while nodes.do(one, piece):
        pass
    for number in range(3):
        nodes.hear(one, 1, number)
    nodes.now += 9_000 * DAY
    with together(other, lambda _: nodes.now) as now:
        taken = other.store.next_sequence()
        for number in range(3, 20):
            nodes.hear(one, 1, number)
        for _ in range(4):
            assert nodes.do(one, piece)
        take_order(other, 1, 20, now)
    while nodes.do(one, piece):
        pass
    stored = one.store.load_events(after=0, limit=99)
    orders = [each for each in stored if each.event.source == "shop"]
    assert taken in [each.sequence for each in orders]
    assert len(orders) == 18
    afresh = State()
    for each in orders:
        fold_event(one.plan, afresh, each.event)
    (row,) = one.store.load_states([orders[0].part_id])
    assert decode_state(row.state).features == afresh.features
