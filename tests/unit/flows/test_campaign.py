"""A campaign wakes people at its pace, and decides nothing that would not be decided anyhow."""

from collections.abc import Callable
from typing import Any

import pytest

from kept.analytics.duckdb_base import DuckDbBase
from kept.core.values import HOUR, MINUTE, SECOND
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.ask_base import ReachWanted, find_chosen
from kept.flows.brake import pause, resume
from kept.flows.campaign import (
    CampaignView,
    advance_campaign,
    begin_campaign,
    load_campaign,
    pack_members,
    show_campaign,
    stop_campaign,
)
from kept.flows.engine import Engine
from kept.flows.extract_base import extract_base
from kept.flows.stage import Stage
from kept.flows.together import do_together
from kept.stores.memory import MemoryStore
from tests.memory_shared import Shared
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, introduce, reopened, sent, tell

NOBODY = list(range(1_000, 1_120))
"""Customers who were forgotten since: each takes its turn, and nothing happens."""


@pytest.fixture
def stage() -> Stage:
    """Give an empty stage at noon."""
    return Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)


def begin(stage: Stage, members: list[int], *, pace: int = 60) -> None:
    """Begin a campaign of the lamp offer."""
    with stage.store.transaction():
        begin_campaign(
            stage.engine,
            "lamp_offer",
            pack_members(members),
            pace=pace,
            actor="olga",
            now=stage.now,
        )


def advance(stage: Stage, until: int) -> int:
    """Let one tick see the campaign at an instant."""
    with stage.store.transaction():
        return advance_campaign(stage.engine, until)


def test_it_keeps_its_pace_and_does_not_make_up_for_a_stall(stage: Stage) -> None:
    """Sixty a minute are one a second, and after an hour of nothing no hour's worth bursts out."""
    begin(stage, NOBODY)
    assert [advance(stage, NOON + tenth * SECOND // 10) for tenth in (1, 10, 15, 20)] == [
        0, 1, 0, 1,
    ]  # fmt: skip
    assert advance(stage, NOON + HOUR) == 10
    campaign = load_campaign(stage.engine)
    assert campaign is not None
    assert campaign.woken == 12


@pytest.mark.parametrize("pace", [1, 5, 7])
def test_a_slow_pace_is_kept_by_a_clock_that_ticks_late(stage: Stage, pace: int) -> None:
    """Fewer than one in ten seconds; after a stall one is woken and the next a whole share later."""
    begin(stage, NOBODY, pace=pace)
    ticks = range(0, 10 * MINUTE + SECOND, 1_300_000)
    woken = [advance(stage, NOON + tick) for tick in ticks]
    assert sum(woken) == 10 * pace
    assert max(woken) == 1
    late = NOON + HOUR
    share = MINUTE // pace
    stalled = [advance(stage, late + tick) for tick in (0, share // 4, share // 2, share)]
    assert stalled == [1, 0, 0, 1]


def test_nothing_is_packed_while_a_transaction_is_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With millions that takes longer than a transaction may idle; it was done before."""
    members = pack_members(NOBODY)

    def refuse(*_: Any) -> bytes:
        raise AssertionError("packed on the writer")

    monkeypatch.setattr("kept.flows.campaign.zlib.compress", refuse)
    with stage.store.transaction():
        begin_campaign(stage.engine, "lamp_offer", members, pace=60, actor="olga", now=stage.now)
    engine = reopened(stage)
    with stage.store.transaction():
        assert advance_campaign(engine, NOON + SECOND) == 1
    assert [wake[0] for wake in stage.store.load_due_wakes(now=NOON + MINUTE, limit=9)] == NOBODY[
        :1
    ]


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is packed."""
    monkeypatch.setattr("kept.flows.campaign.MEMBERS_MAX", 3)
    assert pack_members([1, 2, 3]).ids == [1, 2, 3]
    with pytest.raises(InputError, match="4 customers are too many"):
        pack_members([1, 2, 3, 4])


@pytest.mark.parametrize("paused", ["action:lamp_offer", "action:lamp_offer+purpose:marketing"])
def test_a_brake_stops_it_and_its_time_too(stage: Stage, paused: str) -> None:
    """Nobody is woken while the action is braked, and nothing piles up meanwhile."""
    begin(stage, NOBODY)
    stage.pause(paused)
    assert advance(stage, NOON + MINUTE) == 0
    shown = show_campaign(stage.engine)
    assert shown is not None
    assert shown.is_braked
    stage.engine.controls = type(stage.engine.controls)()
    assert advance(stage, NOON + MINUTE + SECOND) == 1


@pytest.mark.parametrize("other", ["region:north", "cohort:buyer", "purpose:service"])
def test_a_brake_on_some_of_it_stops_no_campaign(stage: Stage, other: str) -> None:
    """Whom the brake is not about is woken; the others are looked at, and hear nothing."""
    begin(stage, NOBODY)
    stage.pause(f"action:lamp_offer+{other}")
    shown = show_campaign(stage.engine)
    assert shown is not None
    assert not shown.is_braked


def test_it_goes_on_after_a_start_and_can_be_stopped(stage: Stage) -> None:
    """Where it was is on the disk; two do not run at once; stopped it wakes nobody more."""
    begin(stage, NOBODY)
    advance(stage, NOON + 5 * SECOND)
    engine = reopened(stage)
    with stage.store.transaction():
        assert advance_campaign(engine, NOON + 7 * SECOND) == 2
        with pytest.raises(ConflictError):
            begin_campaign(engine, "lamp_offer", pack_members([1]), pace=1, actor="olga", now=NOON)
        assert stop_campaign(engine, actor="olga", now=NOON).woken == 7
        assert advance_campaign(engine, NOON + MINUTE) == 0
        with pytest.raises(NotFoundError):
            stop_campaign(engine, actor="olga", now=NOON)
    verbs = [entry.verb for entry in stage.store.read_audit(newest=9)]
    assert verbs == ["campaign stopped", "campaign begun"]


def test_what_cannot_be_a_campaign_is_refused(stage: Stage) -> None:
    """An action that the brand does not have, one that never leaves by itself, no pace."""
    with stage.store.transaction():
        for action in ("unheard_of", "late_fee"):
            with pytest.raises(NotFoundError):
                begin_campaign(
                    stage.engine, action, pack_members([1]), pace=1, actor="olga", now=NOON
                )
        with pytest.raises(InputError):
            begin_campaign(
                stage.engine, "lamp_offer", pack_members([1]), pace=0, actor="olga", now=NOON
            )


def test_whoever_it_wakes_is_decided_as_always(stage: Stage) -> None:
    """G1, G2: who opted out since the base was taken is woken, and hears nothing."""
    for user in ("ana", "ben"):
        introduce(stage, user)
    stage.pause("action:lamp_offer")
    for user in ("ana", "ben"):
        tell(stage, "Page Viewed", user_id=user)
    base = DuckDbBase(threads=1, memory_limit="1GiB")
    engine, store = stage.engine, stage.store
    assert isinstance(store, MemoryStore)
    with store.snapshot() as snapshot:
        extracted = extract_base(base, snapshot, engine.bundle, engine.plan, now=stage.now)
    assert extracted is not None
    free = type(engine.controls)()
    wanted = ReachWanted(actions=("lamp_offer",))
    members = find_chosen(base, engine.bundle, extracted, free, wanted)
    base.close()
    assert len(members) == 2
    tell(
        stage, "Unsubscribed", user_id="ben", properties={"entity": "shop", "purpose": "marketing"}
    )
    stage.resume("action:lamp_offer")
    begin(stage, members, pace=600)
    stage.advance(stage.now + 2 * SECOND)
    assert (sent(stage, "ana"), sent(stage, "ben")) == (["lamp_offer"], [])


def test_several_nodes_move_it_at_one_pace() -> None:
    """Whichever moves it, and whichever stops it; the other knows at its next tick."""
    shared = Shared()
    one, two = (
        Engine(shared.connect(), compile_larkmead(), secret=b"", public_url="https://kept.example")
        for _ in range(2)
    )
    for engine in (one, two):
        engine.node_id = engine.store.join("test")

    def do(engine: Engine, job: Callable[[Engine, int], Any], now: int) -> Any:
        return do_together(engine, job, lambda _: now)

    def begin(engine: Engine, now: int) -> CampaignView:
        return begin_campaign(
            engine, "lamp_offer", pack_members(NOBODY), pace=60, actor="olga", now=now
        )

    do(one, begin, NOON)
    with pytest.raises(ConflictError):
        do(two, begin, NOON)
    ticks = [NOON + tenth * SECOND // 10 for tenth in range(61)]
    assert sum(do(engine, advance_campaign, now) for now in ticks for engine in (one, two)) == 6
    assert [wake[0] for wake in two.store.load_due_wakes(now=ticks[-1], limit=9)] == NOBODY[:6]
    stopped = do(two, lambda engine, now: stop_campaign(engine, actor="olga", now=now), ticks[-1])
    assert stopped.woken == 6
    assert do(one, advance_campaign, NOON + MINUTE) == 0


def test_while_it_is_braked_no_node_lets_time_run_up() -> None:
    """Lifted after an hour, it goes on at its pace and not with what would have been."""
    shared = Shared()
    engine = Engine(
        shared.connect(), compile_larkmead(), secret=b"", public_url="https://kept.example"
    )
    engine.node_id = engine.store.join("test")

    def do(job: Callable[[Engine, int], Any], now: int) -> Any:
        return do_together(engine, job, lambda _: now)

    do(
        lambda engine, now: begin_campaign(
            engine, "lamp_offer", pack_members(NOBODY), pace=60, actor="olga", now=now
        ),
        NOON,
    )
    do(
        lambda engine, now: pause(engine, "action:lamp_offer", actor="olga", because="x", now=now),
        NOON,
    )
    assert do(advance_campaign, NOON + HOUR) == 0
    do(lambda engine, now: resume(engine, "action:lamp_offer", actor="olga", now=now), NOON + HOUR)
    assert do(advance_campaign, NOON + HOUR + SECOND) == 1
