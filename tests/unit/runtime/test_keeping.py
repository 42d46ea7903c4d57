"""What is kept no longer in the store is kept no longer in files."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from kept.channels.files import INDEX, FilesChannel
from kept.clock import VirtualClock
from kept.core.values import DAY
from kept.flows.engine import Engine
from kept.runtime.keeping import Keeping
from kept.stores.memory import MemoryStore
from tests.contract.servers import outgoing
from tests.contract.values import make_message
from tests.scenario.larkmead import compile_larkmead

NOW = 1_772_442_000_000_000


def test_files_go_with_the_messages_that_are_past_their_time(tmp_path: Path) -> None:
    """Of old ones those that the store has let go of, and of newer ones none."""
    clock = VirtualClock(NOW - 4_000 * DAY)
    files = FilesChannel(folder=tmp_path, clock=clock)
    for name in ("kept", "gone"):
        files.send(outgoing(message_id=name, idempotency_key=name))
    clock.advance(3_999 * DAY)
    files.send(outgoing(message_id="new", idempotency_key="new"))
    store, bundle = MemoryStore(), compile_larkmead()
    engine = Engine(store, bundle, secret=b"", public_url="https://kept.example")
    with store.transaction():
        # Somebody is restricted: theirs is spared.
        store.save_messages([make_message("kept", state="queued")])

    def submit(job: Callable[[Engine, int], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        with store.transaction():
            future.set_result(job(engine, NOW))
        return future

    keeping = Keeping(submit, lambda: bundle.brand, files=files)
    while keeping.work():
        pass
    assert files.list_before(NOW + DAY) == ["kept", "new"]
    assert {path.stem for path in tmp_path.glob("*/*.txt")} == {"kept", "new"}
    assert b"gone" not in (tmp_path / INDEX).read_bytes()
