"""Opt-outs of after a backup hold in what is restored from it, of people whom it does not know too."""

from pathlib import Path
from typing import Any

import pytest

from kept.core.data_map import map_data
from kept.core.event import Identifier
from kept.core.values import DAY, HOUR
from kept.flows.brake import resume
from kept.flows.correct import Correction, correct
from kept.flows.describe_customer import describe_customer
from kept.flows.recover import recover
from kept.flows.stage import Stage
from kept.stores.guard_log import read_guard_file
from tests.contract.test_forgotten_on_disk import Shop
from tests.memory_shared import Shared, SharedMemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, introduce, sent, tell

CAROL = Identifier("user_id", "carol")
MARKETING = {"entity": "shop", "purpose": "marketing"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a shop that was restored from before Carol came and opted out, and may promote again."""
    shop = Shop(tmp_path / "data")
    introduce(shop.stage)
    shop.settle()
    path = shop.back_up()
    introduce(shop.stage, "carol")
    shop.now = shop.stage.now = NOON + HOUR
    tell(shop.stage, "Unsubscribed", user_id="carol", properties=MARKETING)
    shop.restore(path)
    resume_promotions(shop.stage)
    # What it hears from now on is nothing that it heard before.
    shop.stage._message_count = 100
    return shop


def resume_promotions(stage: Stage) -> None:
    """Lift the brake that a restore sets."""
    with stage.store.transaction():
        resume(stage.engine, "purpose:marketing", actor="ada", now=stage.now)


def introduce_again(stage: Stage, source: str = "shop", **who: Any) -> None:
    """Let a source say again what it said before the opt-out."""
    traits = {"email": "carol@example.com", "zone": "Europe/Lisbon"}
    tell(stage, "Identified", source=source, at=NOON, traits=traits, **who)
    tell(stage, "Consent Given", source=source, at=NOON, properties=MARKETING, **who)


def consents_of(shop: Shop, who: Identifier = CAROL) -> dict[str, Any]:
    """Return what is known of somebody's consents."""
    with shop.store.transaction():
        return describe_customer(shop.stage.engine, who, shop.stage.now).consents


@pytest.mark.parametrize("source", ["shop", "history"])
def test_an_opt_out_of_somebody_unknown_holds_once_they_are_known(shop: Shop, source: str) -> None:
    """G2: whoever tells of them again, the opt-in of before does not outlive the opt-out."""
    introduce_again(shop.stage, source, user_id="carol")
    assert consents_of(shop)["p|shop|marketing|"] is False
    tell(shop.stage, "Page Viewed", user_id="carol")
    tell(shop.stage, "Page Viewed", user_id="ana")
    shop.stage.advance(shop.now + DAY)
    assert sent(shop.stage, "carol") == []
    assert sent(shop.stage, "ana") == ["lamp_offer"]
    shop.store.close()


def test_it_is_applied_once_and_waits_over_a_restart(shop: Shop) -> None:
    """Until they are known it waits in the guard, and afterwards the store contains it."""
    shop.store.close()
    shop.open()
    shop.stage._message_count = 100
    assert len(shop.store.load_guard()) == 1
    introduce_again(shop.stage, user_id="carol")
    assert shop.store.load_guard() == []
    tell(shop.stage, "Consent Given", user_id="carol", properties=MARKETING)
    shop.settle()
    shop.store.close()
    shop.open()
    assert consents_of(shop)["p|shop|marketing|"] is True
    shop.store.close()


def test_it_holds_for_whom_a_correction_makes_known(shop: Shop) -> None:
    """Who is Carol after all, is whom she said it for."""
    tell(shop.stage, "Identified", user_id="karol", traits={"email": "carol@example.com"})
    wrong = Correction(
        identifier="email:carol@example.com",
        confirmed_by="passport",
        because="misspelt",
        wrong_identifier="user_id:karol",
        right_identifier="user_id:carol",
    )
    with shop.store.transaction():
        engine = shop.stage.engine
        correct(engine, map_data(engine.bundle.brand), wrong, actor="ada", now=shop.now)
    assert consents_of(shop)["p|shop|marketing|"] is False
    shop.store.close()


def test_what_was_refused_before_being_forgotten_is_forgotten(tmp_path: Path) -> None:
    """Who begins anew refused all that can be refused, and no topic of their former life."""
    shop = Shop(tmp_path / "data")
    path = shop.back_up()
    introduce(shop.stage, "carol")
    tell(shop.stage, "Unsubscribed", user_id="carol", properties={"topic": "lamps"})
    shop.now = shop.stage.now = NOON + HOUR
    shop.forget(CAROL)
    shop.restore(path)
    shop.now = shop.stage.now = NOON + 2 * DAY
    tell(shop.stage, "Page Viewed", user_id="carol")
    assert consents_of(shop) == {"p|*|marketing|": False}
    shop.store.close()


def test_a_signal_that_comes_with_every_page_is_kept_once(tmp_path: Path) -> None:
    """The log of stops does not grow with the pages that are viewed; what is said in words is kept."""
    shop = Shop(tmp_path / "data")
    introduce(shop.stage, "carol")
    shop.settle()
    path = shop.back_up()
    signal = {"gpc": True}
    for _ in range(3):
        tell(shop.stage, "Page Viewed", user_id="carol", context=signal)
    records, _ = read_guard_file(shop.folder / "optouts.log")
    assert len(records) == 1
    tell(
        shop.stage, "Unsubscribed", user_id="carol", context=signal, properties={"topic": "lamps"}
    )  # fmt: skip
    records, _ = read_guard_file(shop.folder / "optouts.log")
    assert len(records) == 2
    shop.restore(path)
    assert consents_of(shop) == {"p|shop|marketing|": True, "gpc": True, "t|lamps": False}
    shop.store.close()


class Restored(SharedMemoryStore):
    """A node's connection to a store that lacks what its guard has."""

    guard: tuple[bytes, ...] = ()

    def load_guard(self) -> list[bytes]:
        """Return what is in the guard only."""
        return [record for record in self.guard if record not in self._guards]


def begin_and_fail(stage: Stage) -> None:
    """Let Carol become known, in a transaction that comes to nothing."""
    with stage.transaction():
        stage.engine.customers.add_part(CAROL, claimed=False)
        assert stage.engine.customers.arrived
        raise RuntimeError


def test_it_holds_at_whichever_node_they_become_known() -> None:
    """Also where the first try to take them up comes to nothing."""
    before = Shared().connect()
    told = Stage(compile_larkmead(), before, now=NOON, shadow=False)
    introduce(told, "carol")
    told.now += HOUR
    tell(told, "Unsubscribed", user_id="carol", properties=MARKETING)
    guard = tuple(before._guards)
    assert guard

    shared = Shared()
    nodes = [Restored(shared), Restored(shared)]
    stage = Stage(compile_larkmead(), *nodes, now=told.now, shadow=False)
    for node, engine in zip(nodes, stage._nodes, strict=True):
        node.guard = guard
        with stage.transaction():
            recover(engine, stage.now)
    with pytest.raises(RuntimeError):
        begin_and_fail(stage)
    for _ in nodes:
        introduce_again(stage, user_id="carol")
        tell(stage, "Page Viewed", user_id="carol")
    stage.advance(stage.now + DAY)
    assert sent(stage, "carol") == []
    assert all(node.load_guard() == [] for node in nodes)
