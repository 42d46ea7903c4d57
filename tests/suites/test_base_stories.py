"""A base says of everybody in the example's stories, in one query, what the engine says of each."""

from kept.analytics.duckdb_base import DuckDbBase
from kept.core.compile import compile_brand
from kept.flows.play import play
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import read_stories
from kept.stores.memory import MemoryStore
from tests.scenario.test_base import compare
from tests.tree import ROOT

EXAMPLE = ROOT / "examples" / "ferrowen"


def test_everybody_in_the_stories() -> None:
    """The example brand has conditions, holds, caps and approvals of every kind."""
    bundle = compile_brand(load_checked(read_folder(EXAMPLE)))
    base = DuckDbBase(threads=1, memory_limit="1GiB")
    count, placements = 0, sorted(bundle.policy.placements)
    for number, story in enumerate(read_stories(EXAMPLE).values()):
        store = MemoryStore()
        _, stage = play(story, bundle, store)
        also = placements[number % len(placements)]
        count += compare(base, stage.engine, store, stage.now, also=also)
    base.close()
    assert count > 30
