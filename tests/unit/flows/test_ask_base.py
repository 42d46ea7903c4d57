"""What everybody would be told, and what a hold that is left out would change."""

from kept.analytics.duckdb_base import DuckDbBase
from kept.core.decision import Controls
from kept.flows.ask_base import ReachWanted, count_reach
from kept.flows.extract_base import extract_base
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, bill, introduce, tell


def test_where_a_hold_kept_everything_back_nothing_was_chosen_before() -> None:
    """Nobody is counted as reached before, who is reached only without the hold."""
    store = MemoryStore()
    stage = Stage(compile_larkmead(), store, now=NOON, shadow=False)
    introduce(stage)
    tell(
        stage,
        "Consent Given",
        properties={"entity": "bank", "purpose": "marketing"},
    )
    bill(stage)
    tell(stage, "Order Completed", properties={"total": 10})
    for _ in range(2):
        tell(stage, "Page Viewed")
    engine = stage.engine
    base = DuckDbBase(threads=1, memory_limit="1GiB")
    with store.snapshot() as snapshot:
        extracted = extract_base(base, snapshot, engine.bundle, engine.plan, now=stage.now)
    assert extracted is not None
    wanted = ReachWanted(actions=("chair_offer",), without_hold="owes_us")
    view = count_reach(base, engine.bundle, extracted, Controls(), wanted)
    base.close()
    (offer,) = view.actions
    assert (offer.chosen_before, offer.chosen) == (0, 1)
