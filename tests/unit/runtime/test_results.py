"""What a provider said is not lost while the store cannot be written."""

from concurrent.futures import Future
from typing import Any

import pytest

from kept.core.message import Accepted
from kept.errors import KeptError, OutdatedError, OverloadedError, StoreError
from kept.flows.stage import Stage
from kept.runtime.results import Results
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, bill, introduce

REOPENED = StoreError("the store is opened anew")
BUSY = OverloadedError("other nodes are busy with the same", retry_after_seconds=1)
OTHER_BRAND = OutdatedError("this node cannot work by the brand that is in force")


@pytest.mark.parametrize("error", [REOPENED, BUSY, OTHER_BRAND], ids=lambda error: error.code)
@pytest.mark.parametrize("how", ["refused at once", "refused later"])
def test_a_result_that_could_not_be_noted_is_noted_once_the_store_is_well(
    how: str, error: KeptError
) -> None:
    """G4: also where the transaction that notes it fails in its turn."""

    def submit(job: Any) -> "Future[None]":
        if how == "refused at once":
            raise error
        future: Future[None] = Future()
        future.set_exception(error)
        return future

    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    stage.providers["email"] = "garbage"
    bill(stage)
    (queued,) = stage.store.load_messages_in(["queued"], limit=9)
    results = Results(submit)
    results.report(queued, Accepted())
    states = []
    for _ in range(2):
        with stage.store.transaction():
            results.note(stage.engine, stage.now)
            states.append(stage.store.load_message(queued.message_id).state)  # type: ignore[union-attr]
    assert states == ["delivered", "delivered"]
    results.forget_noted()
    assert len(results) == 0
