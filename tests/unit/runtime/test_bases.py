"""A base that is let go holds up nobody, and one that cannot be proven is closed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kept.analytics.duckdb_base import DuckDbBase
from kept.base_port import Base
from kept.channels.files import FilesChannel
from kept.clock import SystemClock, VirtualClock
from kept.core.erasure import ErasureRecord
from kept.errors import ConflictError, StoreError
from kept.flows.engine import Engine
from kept.flows.pursue_erasures import OWN_FILES, Asking, Due
from kept.flows.stage import Stage
from kept.runtime import bases as module
from kept.runtime.bases import Bases
from kept.runtime.erasures import Erasures
from kept.settings import Settings
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, introduce

ENDLESS = (
    "SELECT COUNT(*) AS n FROM RANGE(10000000) a, RANGE(10000000) b WHERE a.range % 7 = b.range % 5"
)
WAIT_SECONDS = 30.0


class Watched(Bases):
    """Bases that tell when a base fills no more."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Note the state that is shown from now on."""
        super().__setattr__(name, value)
        if name == "_view" and value.state in ("ready", "failed"):
            self.is_settled.set()

    is_settled: threading.Event


@pytest.fixture
def bases() -> Iterator[Watched]:
    """Give the bases of a store with one customer."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    settings = Settings(brand=Path("b"), data=Path("d"))
    found = Watched(submit_to(stage.engine), settings, clock=VirtualClock(stage.now))
    found.is_settled = threading.Event()
    yield found
    found.stop()


def submit_to(engine: Engine) -> Callable[[Callable[[Engine, int], Any]], "Future[Any]"]:
    """Return a way to a writer that answers at once."""

    def submit(job: Callable[[Engine, int], Any]) -> "Future[Any]":
        answer: Future[Any] = Future()
        answer.set_result(job(engine, NOON))
        return answer

    return submit


def settled(bases: Watched) -> str:
    """Return the state of a base once it fills no more."""
    assert bases.is_settled.wait(WAIT_SECONDS)
    return bases.view().state


def test_a_question_that_goes_on_and_on_ends_with_its_base(bases: Watched) -> None:
    """An erasure waits for no question; whoever asked is told that the base went."""
    bases.prepare()
    assert settled(bases) == "ready"
    is_asked = threading.Event()

    def ask_on(base: Base, *_: Any) -> None:
        is_asked.set()
        base.ask(ENDLESS)

    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(bases.ask, ask_on)
        assert is_asked.wait(WAIT_SECONDS)
        assert pool.submit(bases.drop).result(WAIT_SECONDS).state == "none"
        with pytest.raises(ConflictError, match="let go while it was asked"):
            asked.result()
    with pytest.raises(ConflictError, match="there is no base"):
        bases.ask(lambda *_: None)


def test_a_base_that_cannot_be_proven_is_closed(
    bases: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof itself may fail, as where it needs too much memory: nothing of anybody stays."""
    closed: list[Base] = []
    close = DuckDbBase.close

    def note_closed(base: DuckDbBase) -> None:
        closed.append(base)
        close(base)

    def fail(*_: Any) -> list[int]:
        raise StoreError("the question needs more memory than a base may take")

    monkeypatch.setattr(DuckDbBase, "close", note_closed)
    monkeypatch.setattr(module, "find_differences", fail)
    bases.prepare()
    assert settled(bases) == "failed"
    assert len(closed) == 1


# -- erasures


def test_an_erasure_that_goes_on_lets_go_of_one_base_alone(tmp_path: Path) -> None:
    """While files of history are not clean yet, a base that was taken since stays."""
    record = ErasureRecord(
        request_id="er-1", erased_at=NOON, actor="ops", confirmed_by="letter", is_suppressed=False
    )
    asking = Asking(record=record, recipient=OWN_FILES)
    answers: list[Any] = []
    dropped: list[int] = []

    def submit(job: object) -> "Future[Any]":
        answer: Future[Any] = Future()
        answer.set_result(answers.pop(0))
        return answer

    clean: list[bool] = [False, False, True]
    files = FilesChannel(folder=tmp_path / "outbox", clock=SystemClock(), is_durable=False)
    erasures = Erasures(
        submit,
        files=files,
        posts=tmp_path / "posts.jsonl",
        waits=(),
        notifier_of=lambda recipient: None,
        drop_base=lambda: dropped.append(1),
        is_clean=lambda request_id: clean.pop(0),
    )
    due = Due(askings=(asking,), is_more=False)
    answers += [due, due, due, None]
    for _ in range(3):
        erasures.look()
    assert dropped == [1]
    assert answers == []
    clean.append(True)
    answers += [due, None]
    erasures.look()
    assert dropped == [1, 1]
