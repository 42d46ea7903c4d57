"""The writer goes on whatever keeps the store from being opened again."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept.clock import VirtualClock
from kept.core.event import Event, Identifier
from kept.core.message import Message
from kept.core.values import DAY, HOUR, MINUTE
from kept.errors import SettingsError, StoreError
from kept.flows import tick as tick_module
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.recover import recover
from kept.flows.resolve import find_customer
from kept.runtime import writer as module
from kept.runtime.shared_writer import SharedWriter
from kept.runtime.writer import Writer
from kept.stores.memory import MemoryStore
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import PlainVault
from tests.memory_shared import Shared
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


@pytest.mark.parametrize("kind", [Writer, SharedWriter])
def test_one_customer_who_cannot_be_looked_at_keeps_nobody_else_waiting(
    kind: type[Writer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Timed work would fail at the same one again and again, and with it whatever is asked."""
    shared = Shared().connect()
    clock = VirtualClock(1_767_225_600_000_000)
    bundle = compile_larkmead()
    looked_at: list[int] = []
    is_passed = threading.Event()

    def react(engine: Engine, customer: Customer, now: int) -> list[Message]:
        looked_at.append(customer.customer_id)
        if customer.customer_id == min(people):
            message = "unsupported operand"
            raise TypeError(message)
        is_passed.set()
        return []

    def open_engine() -> Engine:
        store = SqliteStore(tmp_path, vault=PlainVault()) if kind is Writer else shared
        engine = Engine(store, bundle, secret=b"", public_url="https://kept.example")
        if store.is_shared:
            engine.node_id = store.join("test")
        else:
            with store.transaction():
                recover(engine, clock.now(), is_start=False)
        return engine

    options: dict[str, Any] = {} if kind is Writer else {"renew": lambda engine: None}
    writer = kind(
        open_engine,
        clock=clock,
        before_commit=lambda engine, now: None,
        after_commit=lambda engine, now: None,
        **options,
    )

    def add(engine: Engine, now: int) -> list[int]:
        return [add_somebody(engine, name, now) for name in ("ana", "bo")]

    writer.start()
    people = writer.submit(add).result(timeout=10)
    monkeypatch.setattr(tick_module, "react", react)
    # Their windows slide within these days.
    clock.advance(4 * DAY)
    for _ in range(400):
        clock.advance(MINUTE)
        if is_passed.wait(timeout=0.05):
            break
    assert is_passed.is_set()
    wakes = writer.submit(
        lambda engine, now: engine.store.load_due_wakes(now=now + HOUR, limit=9)
    ).result(timeout=10)
    writer.stop()
    assert looked_at.count(min(people)) == 1
    assert [alert["code"] for alert in writer.engine.alerts] == ["customer_set_aside"]
    # After an hour they are looked at again.
    assert [wake_at for one, wake_at in wakes if one == min(people)] > [clock.now()]


def add_somebody(engine: Engine, name: str, now: int) -> int:
    """Let somebody be known; return the customer's id."""
    who = (Identifier("user_id", name),)
    event = Event(
        event_key=hash(name),
        message_id=name,
        source="shop",
        name="Page Viewed",
        type="track",
        occurred_at=now,
        received_at=now,
        identifiers=who,
        vouched_count=1,
    )
    ingest(engine, [event], [], source="shop", now=now)
    found = find_customer(engine.customers, [(who[0], False)])
    assert found is not None
    return found.customer_id
