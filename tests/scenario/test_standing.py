"""An answer that stands is the answer that a new decision would give."""

from pathlib import Path
from typing import Final

import pytest

from kept.core.compile import compile_brand
from kept.core.decision import Chosen, Request
from kept.core.message import WITHDRAWABLE_STATES
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of
from kept.flows.react import find_wait, look_again
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import play_stories, read_stories
from tests.scenario.test_simulation import play_in_memory

SEEDS: Final = 40
EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "ferrowen"


def find_difference(engine: Engine, customer: Customer, now: int) -> str:
    """Return what would be done about a customer if it were decided anew; empty for nothing."""
    decision = engine.look(customer, Request(open_messages=open_messages_of(customer)), now)
    for message in customer.messages.values():
        if message.state in WITHDRAWABLE_STATES:
            verdict = look_again(engine, customer, message, now)
            # What may have arrived waits for what only holds it back for a while.
            if not isinstance(verdict, Chosen) and not find_wait(message, verdict, now):
                return f"{message.action} would be withdrawn: {verdict}"
    # In shadow nothing is ever on its way, so that the same would be said again and again.
    if decision.chosen and not engine.shadow:
        return f"{[chosen.action for chosen in decision.chosen]} would be said"
    standing = customer.standing
    assert standing is not None
    if (decision.answer, decision.answer_about) != (
        standing.decision.answer,
        standing.decision.answer_about,
    ):
        return f"the answer would be {decision.answer}, not {standing.decision.answer}"
    return ""


@pytest.fixture
def stood(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Look both ways wherever an answer stands, and note what would be done otherwise."""
    looked = Engine.still_stands
    found: list[str] = []

    def look_both_ways(engine: Engine, customer: Customer, now: int) -> bool:
        stands = looked(engine, customer, now)
        if stands:
            found.append(find_difference(engine, customer, now))
        return stands

    monkeypatch.setattr(Engine, "still_stands", look_both_ways)
    return found


def test_what_stands_is_what_would_be_decided_anew(stood: list[str]) -> None:
    """Wherever nothing is decided, nothing would be withdrawn, said, or answered otherwise."""
    for seed in range(SEEDS):
        play_in_memory(seed)
    assert len(stood) > 200
    assert set(stood) == {""}


def test_what_stands_in_the_stories_would_be_decided_anew(stood: list[str]) -> None:
    """The example brand has conditions of every kind, and days, weeks and months pass."""
    bundle = compile_brand(load_checked(read_folder(EXAMPLE)))
    told = list(play_stories(bundle, read_stories(EXAMPLE)))
    assert len(told) > 20
    assert len(stood) > 50
    assert set(stood) == {""}
