"""Facts that are read on, where something changed, are those that would be read anew."""

from pathlib import Path
from typing import Final

import pytest

from kept.core.compile import compile_brand
from kept.core.facts import FactPlan, View
from kept.core.rules import Rows, Values
from kept.core.state import State
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import play_stories, read_stories
from tests.scenario.test_simulation import play_in_memory

SEEDS: Final = 20
EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "ferrowen"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Read everything anew wherever facts are read, and note whether it comes to the same."""
    read = View.read
    alike: list[bool] = []

    def read_both_ways(view: View, plan: FactPlan, state: State, now: int) -> tuple[Values, Rows]:
        values, objects = read(view, plan, state, now)
        anew = View()
        alike.append(
            (values, objects) == read(anew, plan, state, now)
            and view.unknown == anew.unknown
            # Whoever looks again too early finds nothing; too late would miss what changed.
            and now < view.valid_until <= anew.valid_until
        )
        return values, objects

    monkeypatch.setattr(View, "read", read_both_ways)
    return alike


def test_facts_of_simulated_customers_are_those_read_anew(reads: list[bool]) -> None:
    """They hear, say and do everything, in any order."""
    for seed in range(SEEDS):
        play_in_memory(seed)
    assert len(reads) > 1_000
    assert all(reads)


def test_facts_in_the_stories_are_those_read_anew(reads: list[bool]) -> None:
    """The example brand has facts of every kind, some of them only under an explicit consent."""
    bundle = compile_brand(load_checked(read_folder(EXAMPLE)))
    assert bundle.fact_plan.guards
    told = list(play_stories(bundle, read_stories(EXAMPLE)))
    assert len(told) > 20
    assert len(reads) > 1_000
    assert all(reads)
