"""The brake: what its text may say, and what a brake of several scopes stops."""

import pytest

from kept.core.decision import Brake
from kept.core.values import HOUR, MINUTE
from kept.errors import InputError, NotFoundError
from kept.flows.brake import parse_scopes
from kept.flows.replay.policies import Timeline
from kept.flows.stage import Stage
from kept.ports_access import AuditEntry
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, bill, introduce, sent, tell

BOTH = "region:north+purpose:marketing"


@pytest.fixture
def stage() -> Stage:
    """Give a stage on which Ana is known; nobody told her region."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    return stage


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("all", (("all", ""),)),
        (BOTH, (("region", "north"), ("purpose", "marketing"))),
        ("cohort:buyer+action:a+region:b", (("cohort", "buyer"), ("action", "a"), ("region", "b"))),
        ("region:north+east", (("region", "north+east"),)),
        ("region:a+b+purpose:c", (("region", "a+b"), ("purpose", "c"))),
    ],
)
def test_scopes_are_joined_by_a_plus(text: str, scopes: tuple[tuple[str, str], ...]) -> None:
    """A plus within a name is part of it, unless a scope follows."""
    assert parse_scopes(text) == scopes


@pytest.mark.parametrize(
    "text",
    ["", "north", "region:", "all:x", "+all", "region:a+all", "region:a+region:b", "region:a+purpose:",
     "channel:sms+region:a", "region:a+channel:sms", "all+all"],
)  # fmt: skip
def test_what_is_no_scope_is_refused(text: str) -> None:
    """Of one scope there is one name; everything and channels stand alone."""
    with pytest.raises(InputError):
        parse_scopes(text)


def test_each_scope_must_be_known(stage: Stage) -> None:
    """A misspelt purpose would stop nothing."""
    with pytest.raises(NotFoundError, match="purpose 'marketings'"):
        stage.pause("region:north+purpose:marketings")


def test_a_brake_of_two_scopes_stops_what_is_within_both(stage: Stage) -> None:
    """There the offer is hushed, and the bill is told; elsewhere the offer goes on."""
    for name, region in (("bea", "north"), ("cyd", "south")):
        introduce(stage, name)
        tell(stage, "Identified", user_id=name, traits={"region": region})
    stage.pause(BOTH)
    for name in ("ana", "bea", "cyd"):
        tell(stage, "Page Viewed", user_id=name)
    # Whose region nobody told may live there (G12).
    assert [sent(stage, name) for name in ("ana", "bea", "cyd")] == [[], [], ["lamp_offer"]]
    bill(stage)
    assert sent(stage) == ["bill_due"]
    stage.resume(BOTH)
    stage.advance(stage.now + HOUR)
    assert sent(stage, "bea") == ["lamp_offer"]


def test_the_same_scopes_in_another_order_are_the_same_brake(stage: Stage) -> None:
    """Else one would stay on after the other is lifted."""
    stage.pause(BOTH)
    stage.pause("purpose:marketing+region:north")
    assert [brake.brake for brake in stage.engine.controls.brakes] == [BOTH]


def test_a_record_is_played_with_the_brake_that_was_on() -> None:
    """G7: by what the audit kept of the text."""
    acts = [
        AuditEntry(entry_id=number, at=at, actor="ops", verb=verb, detail={"scope": BOTH})
        for number, (at, verb) in enumerate(((NOON, "pause"), (NOON + MINUTE, "resume")))
    ]
    timeline = Timeline([], acts)
    also = (("purpose", "marketing"),)
    on = Brake(brake=BOTH, scope="region", name="north", also=also, since=NOON, actor="ops")
    assert timeline.brakes_at(NOON) == (on,)
    assert timeline.brakes_at(NOON + MINUTE) == ()
