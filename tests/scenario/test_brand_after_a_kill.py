"""A brand that changed while nothing ran, on a store that a kill left behind its stream."""

import shutil
from pathlib import Path

import pytest

from kept.core.event import Identifier
from kept.core.touchpoint_item import Rejected, WireItem
from kept.flows.ingest import ingest
from kept.runtime.server import Runtime
from kept.settings import Settings
from tests.attack.nodes import BRAND

ANA = Identifier("user_id", "ana")
BILLS = 3


def count_bills(runtime: Runtime) -> int:
    """Return how many bills of Ana's the feature counts that the folder has now."""
    engine = runtime.writer.engine
    (part,) = engine.store.find_parts([(ANA, False)])
    assert part is not None
    state = engine.customers.home_of(part).total(engine.plan)
    (slot,) = [name for name in engine.plan.by_fingerprint if name.startswith("bills#")]
    return int(state.features[slot])


def test_a_new_feature_counts_once_what_no_state_held_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G9: what is folded again at a start and what is back-filled for a new feature are the same events."""
    for name in ("QUAY_SHOP_KEY", "QUAY_SITE_KEY"):
        monkeypatch.setenv(name, name.lower())
    brand = tmp_path / "brand"
    shutil.copytree(BRAND, brand)
    settings = Settings(brand=brand, data=tmp_path / "data")
    before = Runtime(settings)
    engine, now = before.writer.engine, before.clock.now()
    for number in range(BILLS):
        told = {"bill_id": f"b{number}", "amount": 30}
        item = WireItem(type="track", event="Bill Issued", user_id="ana", properties=told)
        event = engine.bundle.touchpoints["shop"].read(item, received_at=now + number)
        assert not isinstance(event, Rejected)
        with engine.store.transaction():
            ingest(engine, [event], [], source="shop", now=now)
    # It dies here: the events are durable, and no state was written.
    engine.store.close()
    facts = brand / "facts.yaml"
    without = facts.read_text()
    facts.write_text(without + "  bills: {count: Bill Issued}\n")
    after = Runtime(settings)
    assert count_bills(after) == BILLS
    after.writer.engine.store.close()
    # It is taken out and comes again, and nobody is heard of meanwhile.
    for text in (without, facts.read_text()):
        facts.write_text(text)
        after = Runtime(settings)
        after.writer.engine.store.close()
    assert count_bills(Runtime(settings)) == BILLS
