"""Story 39: of the contacts that old tools make, those are listed that Kept would have stopped, and why."""

import msgspec
import pytest

from kept.core.values import HOUR
from kept.flows.ask import ContactQuestion
from kept.flows.list_refused import RefusedPage, list_refused
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, introduce, tell

NEWS = ContactQuestion(
    identifiers={"user_id": "ana"},
    entity="shop",
    purpose="marketing",
    channel="email",
    action="old_newsletter",
    reported=True,
)
TEXT = msgspec.structs.replace(NEWS, purpose="service", channel="sms", action="old_text")


@pytest.fixture
def stage() -> Stage:
    """Give a stage in shadow, on which Ana is known and a page was shown."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=True)
    introduce(stage)
    tell(stage, "Page Viewed")
    return stage


def listed(stage: Stage, after: int = 0) -> RefusedPage:
    """Return a page of the list."""
    with stage.transaction():
        return list_refused(stage.engine, after=after, actor="ada", now=stage.now)


def test_in_shadow_what_would_have_been_stopped_is_listed_with_its_reason(stage: Stage) -> None:
    """A case is open, a text was sent already, and the bank never had a basis."""
    tell(stage, "Case Opened", properties={"case_id": "k1"})
    held = stage.ask_contact(NEWS, source="shop")
    assert stage.ask_contact(TEXT, source="shop").allowed
    stage.now += HOUR
    capped = stage.ask_contact(TEXT, source="shop")
    bank = stage.ask_contact(msgspec.structs.replace(NEWS, entity="bank"), source="billing")
    found = listed(stage).refused
    assert [(one.decision_id, one.source, one.action, one.code, one.because) for one in found] == [
        (held.decision_id, "shop", "old_newsletter", "held", "unhappy"),
        (capped.decision_id, "shop", "old_text", "cap_reached", "texts_a_day"),
        (bank.decision_id, "billing", "old_newsletter", "no_basis", ""),
    ]
    assert found[1].until > found[1].decided_at
    assert stage.engine.counts["outside_refused", "shop", "held"] == 1
    assert stage.engine.counts["outside_refused", "shop", "cap_reached"] == 1


def test_the_list_goes_on_where_it_ended(stage: Stage) -> None:
    """Decisions of Kept's own are passed over, and what was erased is absent."""
    bank = msgspec.structs.replace(NEWS, entity="bank")
    first = stage.ask_contact(bank, source="shop")
    page = listed(stage)
    assert [one.decision_id for one in page.refused] == [first.decision_id]
    assert page.is_last
    assert listed(stage, page.after).refused == ()
    second = stage.ask_contact(bank, source="shop")
    assert [one.decision_id for one in listed(stage, page.after).refused] == [second.decision_id]


def test_the_list_names_nobody_and_is_audited(stage: Stage) -> None:
    """Whose contact it was, `kept explain` says; that the list was read stands in the audit."""
    stage.ask_contact(msgspec.structs.replace(NEWS, entity="bank"), source="shop")
    told = msgspec.json.encode(listed(stage)).decode()
    assert "ana" not in told
    assert "customer" not in told
    (entry,) = stage.store.read_audit(newest=1)
    assert (entry.actor, entry.verb, entry.detail["count"]) == ("ada", "list_refused", 1)
