"""Who was joined by evidence is separated by an operator, and is what they were alone."""

from kept.core.event import Identifier
from kept.core.state import State
from kept.core.values import HOUR
from kept.flows.regroup import unmerge
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, introduce, tell


def ana_and_bo(*, cookie_of_bo: str) -> Stage:
    """Play two people: Ana orders on a tablet; Bo opts out by phone, and orders with this cookie."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    bo = {"externalIds": [{"id": "bo@example.com", "type": "email"}]}
    refused = {"entity": "shop", "purpose": "marketing"}
    tell(stage, "Identified", anonymous_id="phone", context=bo, traits={"first_name": "Bo"})
    tell(stage, "Unsubscribed", anonymous_id="phone", context=bo, properties=refused)
    stage.now += HOUR
    tell(stage, "Order Completed", user_id="ana", anonymous_id="tablet", properties={"total": 7})
    tell(stage, "Order Completed", anonymous_id=cookie_of_bo, context=bo, properties={"total": 3})
    return stage


def test_unmerging_restores_what_was_before() -> None:
    """G10: two people whom one cookie made one are, once separated, each what they were alone."""
    pair = Identifier("user_id", "ana"), Identifier("email", "bo@example.com")
    shared, apart = ana_and_bo(cookie_of_bo="tablet"), ana_and_bo(cookie_of_bo="phone")
    one, same = (shared.find(each) for each in pair)
    assert one is same
    assert total_of(shared, pair[0]).consents["p|shop|marketing|"].value is False
    with shared.store.transaction():
        unmerge(shared.engine, *pair, actor="test", now=shared.now)
    for each in pair:
        assert total_of(shared, each) == total_of(apart, each)


def total_of(stage: Stage, who: Identifier) -> State:
    """Return everything that is known of whoever this is."""
    customer = stage.find(who)
    assert customer is not None
    return customer.total(stage.engine.plan)
