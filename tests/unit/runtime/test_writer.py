"""The writer goes on whatever keeps the store from being opened again."""

import threading
from collections.abc import Iterator

import pytest

from kept.clock import VirtualClock
from kept.errors import SettingsError, StoreError
from kept.flows.engine import Engine
from kept.runtime import writer as module
from kept.runtime.writer import Writer
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead


@pytest.mark.parametrize("failure", [StoreError, SettingsError])
def test_a_store_that_cannot_be_opened_for_a_while_ends_nothing(
    failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or a key service that refuses just now: it is tried again."""
    monkeypatch.setattr(module, "_REOPEN_SECONDS", 0.0)
    failures: Iterator[Exception] = iter([failure("not now"), failure("not yet")])
    is_begun, is_open_again = threading.Event(), threading.Event()

    def open_engine() -> Engine:
        if is_begun.is_set():
            if error := next(failures, None):
                raise error
            is_open_again.set()
        return Engine(
            MemoryStore(), compile_larkmead(), secret=b"", public_url="https://kept.example"
        )

    writer = Writer(
        open_engine,
        clock=VirtualClock(1_767_225_600_000_000),
        before_commit=lambda engine, now: None,
        after_commit=lambda engine, now: None,
    )
    is_begun.set()
    first = writer.submit(_fail)
    second = writer.submit(lambda engine, now: now)
    writer.start()
    with pytest.raises(StoreError):
        first.result(timeout=10)
    with pytest.raises(StoreError):
        second.result(timeout=10)
    assert is_open_again.wait(timeout=10)
    writer.stop()
    assert writer.is_well


def _fail(engine: Engine, now: int) -> None:
    message = "the disk is full"
    raise StoreError(message)


def test_what_follows_a_commit_undoes_none_of_it() -> None:
    """A job is done once and answered so, also where what was begun cannot be passed on."""
    opened: list[Engine] = []

    def open_engine() -> Engine:
        opened.append(
            Engine(MemoryStore(), compile_larkmead(), secret=b"", public_url="https://kept.example")
        )
        return opened[-1]

    def pass_on(engine: Engine, now: int) -> None:
        message = "cannot schedule new futures after shutdown"
        raise RuntimeError(message)

    writer = Writer(
        open_engine,
        clock=VirtualClock(1_767_225_600_000_000),
        before_commit=lambda engine, now: None,
        after_commit=pass_on,
    )
    done: list[int] = []
    first = writer.submit(lambda engine, now: done.append(1))
    second = writer.submit(lambda engine, now: done.append(2))
    writer.start()
    first.result(timeout=10)
    second.result(timeout=10)
    writer.stop()
    assert done == [1, 2]
    assert len(opened) == 1


def test_housekeeping_whose_commit_failed_is_done_once_the_store_is_open_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of it is durable, so that it is still due."""
    kept: list[int] = []
    is_kept = threading.Event()

    def housekeep(engine: Engine, now: int) -> None:
        kept.append(now)

    def begin_due(engine: Engine, now: int) -> None:
        if len(kept) == 1:
            _fail(engine, now)
        is_kept.set()

    monkeypatch.setattr(module, "housekeep", housekeep)
    writer = Writer(
        lambda: Engine(
            MemoryStore(), compile_larkmead(), secret=b"", public_url="https://kept.example"
        ),
        clock=VirtualClock(1_767_225_600_000_000),
        before_commit=begin_due,
        after_commit=lambda engine, now: None,
    )
    writer.start()
    is_kept_again = is_kept.wait(timeout=10)
    writer.stop()
    assert is_kept_again
