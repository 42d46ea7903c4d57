"""A changed folder is taken up whole, whatever else happens while it is prepared."""

import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from itertools import count as count_from
from pathlib import Path
from typing import Any

import pytest

from kept.core.brand.load import load_brand
from kept.core.decision import Request
from kept.core.event import Event, Identifier
from kept.core.fold.fold import decode_state, fold_event
from kept.core.state import State
from kept.core.values import DAY
from kept.errors import StoreError
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.recover import recover
from kept.flows.resolve import find_customer
from kept.flows.take_brand import hold_fresh, load_known_slots
from kept.runtime import brands as module
from kept.runtime.brands import Brands
from kept.runtime.folder import stamp_of
from kept.settings import Settings
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD
from tests.slots import keep_only

NOW = 1_772_442_000_000_000
MORE = LARKMEAD | {
    "facts.yaml": LARKMEAD["facts.yaml"].replace(
        "features:\n", "features:\n  all_orders: {count: Order Completed}\n", 1
    )
}

CHANGED = LARKMEAD | {
    "facts.yaml": LARKMEAD["facts.yaml"]
    .replace("birthday: {type: date,", "birthday: {type: text,")
    .replace("{set: {status: resolved}}", "{set: {status: closed}}"),
    "contact.yaml": LARKMEAD["contact.yaml"].replace("status <> 'resolved'", "status <> 'closed'"),
}
"""Larkmead, where a trait has another type, and what happens to a case is called otherwise."""


class OneWriter:
    """Does jobs one after the other, as the writer's thread does, and hears something with each."""

    def __init__(self, folder: Path) -> None:
        """Open an engine by the brand in a folder."""
        self.store = MemoryStore()
        self.count = 0
        self.meanwhile: Callable[[int], None] = lambda count: None
        self.fails_next = 0
        self._lock = threading.RLock()
        write_folder(folder, LARKMEAD)
        self.brands = Brands(Settings(brand=folder, data=folder.parent), self.submit)
        self.engine = self.open()

    def open(self) -> Engine:
        """Open the store as a server does."""
        bundle, slots = self.brands.open(self.store)
        engine = Engine(self.store, bundle, secret=b"", public_url="https://kept.example")
        hold_fresh(engine, slots)

        def commit(engine: Engine, job: Callable[[Engine, int], Any]) -> Any:
            with self.store.transaction():
                return job(engine, NOW)

        commit(engine, lambda engine, now: recover(engine, now, is_start=False))
        self.brands.take_at_start(engine, slots, commit)
        return engine

    def submit(self, job: Callable[[Engine, int], Any]) -> "Future[Any]":
        """Do a job; then somebody orders, and whatever else happens meanwhile happens."""
        future: Future[Any] = Future()
        if self.fails_next:
            self.fails_next -= 1
            raise StoreError("the store cannot be written")
        with self._lock:
            with self.store.transaction():
                future.set_result(job(self.engine, NOW))
            self.hear()
            count = self.count
        self.meanwhile(count)
        return future

    def hear(self) -> None:
        """Hear of an order, a birthday and a case."""
        self.count += 1
        case = f"c{self.count // 6}"
        told = ("Case Opened", "Case Resolved")[self.count // 3 % 2]
        events = [
            self._event(1, "Order Completed", {"order_id": f"o{self.count}", "total": 30}),
            self._event(2, told, {"case_id": case}, birthday="1990-05-01"),
        ]
        with self.store.transaction():
            ingest(self.engine, events, [], source="shop", now=NOW)

    def _event(self, place: int, name: str, properties: dict[str, Any], **traits: str) -> Event:
        return Event(
            event_key=2 * self.count + place,
            message_id=f"m{self.count}-{place}",
            source="shop",
            name=name,
            type="track",
            occurred_at=NOW - 3 * DAY + self.count,
            received_at=NOW,
            identifiers=(Identifier("user_id", f"u{self.count % 3}"),),
            vouched_count=1,
            properties=properties,
            traits=traits,
        )

    def holds_of(self, user: str) -> tuple[str, ...]:
        """Return what holds are on for somebody by the brand in force."""
        with self.store.transaction():
            found = find_customer(self.engine.customers, [(Identifier("user_id", user), False)])
            assert found is not None
            return self.engine.look(found, Request(), NOW).holds

    def check(self, texts: Mapping[str, str]) -> None:
        """Check that a brand is in force, and that every state holds what a fold of all says."""
        assert self.engine.bundle.policy.version == load_brand(dict(texts)).version
        with self.store.transaction():
            while self.engine.customers.dirty_count:
                self.engine.customers.flush(100)
        slots = load_known_slots(self.store).values()
        found: dict[int, State] = {}
        for stored in self.store.load_events(after=0, limit=10_000):
            state = found.setdefault(stored.part_id, State())
            fold_event(self.engine.bundle.fold_plan, state, stored.event)
        assert found
        for part_id, state in found.items():
            (row,) = self.store.load_states([part_id])
            assert keep_only(decode_state(row.state), slots) == keep_only(state, slots)


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write a brand folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def writer(tmp_path: Path) -> OneWriter:
    """A writer that has heard of some orders, and whose folder has changed since."""
    writer = OneWriter(tmp_path / "brand")
    for _ in range(9):
        writer.hear()
    write_folder(tmp_path / "brand", MORE)
    return writer


def test_a_folder_is_taken_up_while_events_arrive(writer: OneWriter) -> None:
    """Those of before and those that arrive meanwhile are counted once each."""
    writer.brands.reload()
    writer.check(MORE)


def test_what_is_declared_otherwise_is_folded_anew(writer: OneWriter, tmp_path: Path) -> None:
    """What was known by the old declaration is not left standing in the new one's place."""
    assert writer.holds_of("u0") == ()
    write_folder(tmp_path / "brand", CHANGED)
    writer.brands.reload()
    writer.check(CHANGED)
    while writer.count % 6 != 5:
        writer.hear()
    # Cases that are closed hush nobody, whatever that was called before.
    assert {user: writer.holds_of(user) for user in ("u0", "u1", "u2")} == {
        "u0": (), "u1": (), "u2": (),
    }  # fmt: skip


def test_while_a_folder_is_prepared_the_old_one_knows_what_happens(
    writer: OneWriter, tmp_path: Path
) -> None:
    """It decides on, and may have to for good: what arrives is folded as it has it, too."""
    version, checks = load_brand(LARKMEAD).version, 0

    def check(count: int) -> None:
        nonlocal checks
        if writer.engine.bundle.policy.version == version:
            writer.check(LARKMEAD)
            checks += 1

    writer.meanwhile = check
    write_folder(tmp_path / "brand", CHANGED)
    writer.brands.reload()
    assert writer.brands.problems == ()
    assert checks > 2


@pytest.mark.parametrize("step", range(10, 14))
def test_two_who_take_up_one_folder_at_once_prepare_it_once(writer: OneWriter, step: int) -> None:
    """The watcher and whoever asks for it: a second one would leave the first one's slots short."""
    others: list[threading.Thread] = []

    def reload_too(count: int) -> None:
        if count == step and not others:
            others.append(threading.Thread(target=writer.brands.reload))
            others[0].start()
            # Time enough to go all the way, were it let.
            others[0].join(timeout=0.5)

    writer.meanwhile = reload_too
    writer.brands.reload()
    others[0].join()
    writer.check(MORE)


@pytest.mark.parametrize("step", range(10, 16))
def test_a_store_that_is_opened_anew_meanwhile_leaves_nothing_out(
    writer: OneWriter, step: int
) -> None:
    """Memory is dropped with what it folded for the brand that is on its way: that begins again."""

    def open_anew(count: int) -> None:
        if count == step:
            writer.engine = writer.open()

    writer.meanwhile = open_anew
    writer.brands.reload()
    writer.check(MORE)


@pytest.mark.parametrize("trouble", ["no folder", "no store", "a bug"])
def test_the_watcher_outlives_a_folder_that_is_replaced(
    writer: OneWriter, trouble: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A look that falls between the old folder and the new one, or a store that fails for a moment."""
    monkeypatch.setattr(module, "_WATCH_SECONDS", 0.001)
    is_troubled, is_taken = threading.Event(), threading.Event()
    folder = tmp_path / "brand"
    write_folder(folder, LARKMEAD)
    reload = writer.brands.reload

    def note(*args: Any) -> Any:
        try:
            return reload()
        except BaseException:
            is_troubled.set()
            raise
        finally:
            if writer.engine.bundle.policy.version == load_brand(MORE).version:
                is_taken.set()

    monkeypatch.setattr(writer.brands, "reload", note)
    writer.brands.start()
    if trouble == "no folder":
        shutil.rmtree(folder)
    elif trouble == "no store":
        writer.fails_next = 1
        write_folder(folder, MORE)
    else:
        monkeypatch.setattr(module, "read_settled", lambda folder: 1 // 0)
        write_folder(folder, MORE)
    assert is_troubled.wait(timeout=10)
    if trouble == "a bug":
        monkeypatch.undo()
        monkeypatch.setattr(writer.brands, "reload", note)
    write_folder(folder, MORE)
    assert is_taken.wait(timeout=10)
    writer.brands.stop()
    writer.check(MORE)


def test_a_folder_that_is_being_copied_is_taken_up_when_it_is_whole(
    writer: OneWriter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What has come of it so far may be valid: a `contact.yaml` without its end has no caps."""
    monkeypatch.setattr(module, "_WATCH_SECONDS", 0.001)
    taken: list[str] = []
    is_whole = threading.Event()
    reload = writer.brands.reload
    looks = count_from(1)

    def look(folder: Path) -> Any:
        if (count := next(looks)) < 20:
            (folder / "contact.yaml").write_text(MORE["contact.yaml"][:count])
        elif count == 20:
            write_folder(folder, MORE)
        return stamp_of(folder)

    def note() -> Any:
        problems = reload()
        taken.append("" if problems else writer.engine.bundle.policy.version)
        is_whole.set()
        return problems

    monkeypatch.setattr(module, "stamp_of", look)
    monkeypatch.setattr(writer.brands, "reload", note)
    writer.brands.start()
    assert is_whole.wait(timeout=10)
    writer.brands.stop()
    assert set(taken) == {load_brand(MORE).version}
