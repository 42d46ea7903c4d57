"""The writer of a node that is one of several: what is contended is done again, and leaves no trace."""

from collections.abc import Iterator

import pytest

from kept import settings
from kept.clock import VirtualClock
from kept.core.event import Event, Identifier
from kept.errors import ContendedError, NotFoundError, OutdatedError, OverloadedError, StoreError
from kept.flows import brake
from kept.flows.engine import Engine
from kept.flows.ingest import ingest, wants_of
from kept.runtime import shared_writer
from kept.runtime.shared_writer import SharedWriter
from tests.memory_shared import Shared
from tests.scenario.larkmead import compile_larkmead

NOW = 1_767_225_600_000_000


class Node:
    """One node's writer on a shared store."""

    def __init__(self, shared: Shared) -> None:
        """Begin to work."""
        self.shared = shared
        self.renewed = 0
        self.refusal: Exception | None = None
        self.writer = SharedWriter(
            self._open,
            clock=VirtualClock(NOW),
            before_commit=lambda engine, now: None,
            after_commit=lambda engine, now: None,
            renew=self._renew,
        )
        self.writer.start()

    def _open(self) -> Engine:
        store = self.shared.connect()
        engine = Engine(store, compile_larkmead(), secret=b"", public_url="https://kept.example")
        engine.node_id = store.join("test")
        return engine

    def _renew(self, engine: Engine) -> None:
        self.renewed += 1
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CONTENDED_PAUSE_SECONDS", 0.0)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node that works."""
    made = Node(Shared())
    yield made
    made.writer.stop()


def make_event(number: int) -> Event:
    """Return an event about somebody."""
    return Event(
        event_key=number,
        message_id=f"m{number}",
        source="shop",
        name="Order Completed",
        type="track",
        occurred_at=NOW,
        received_at=NOW,
        claim_hour=NOW // 3_600_000_000,
        identifiers=(Identifier("user_id", f"u{number}"),),
        vouched_count=1,
        properties={"total": 10},
    )


def test_contended_work_is_done_again_and_counted_once(node: Node) -> None:
    """Whoever asked hears nothing of it, and neither do the figures."""
    tries = []

    def job(engine: Engine, now: int) -> int:
        tries.append(now)
        done = ingest(engine, [make_event(1)], [], source="shop", now=now)
        engine.alert("refused", at=now)
        if len(tries) < 4:
            raise ContendedError("another node was first")
        return done.accepted

    assert node.writer.submit(job, lambda _: wants_of([make_event(1)])).result(10) == 1
    engine = node.writer.engine
    assert len(tries) == 4
    assert engine.noted.counts["events", "shop"] == 1
    assert [alert["code"] for alert in engine.noted.alerts] == ["refused"]
    assert len(engine.store.load_events(after=0, limit=9)) == 1
    assert node.writer.contended_count >= 3


def test_neighbours_of_contended_work_are_answered_each_with_its_own(node: Node) -> None:
    """One that is never possible is refused with when to come back; the others are done."""

    def never(engine: Engine, now: int) -> None:
        raise ContendedError("another node is always first")

    futures = [
        node.writer.submit(
            lambda engine, now, number=number: ingest(  # type: ignore[misc]
                engine, [make_event(number)], [], source="shop", now=now
            )
        )
        for number in range(1, 6)
    ]
    hopeless = node.writer.submit(never)
    more = node.writer.submit(lambda engine, now: "done")
    assert [future.result(10).accepted for future in futures] == [1] * 5
    with pytest.raises(OverloadedError) as refused:
        hopeless.result(10)
    assert refused.value.retry_after_seconds >= 1
    assert more.result(10) == "done"
    assert len(node.writer.engine.store.load_events(after=0, limit=99)) == 5


def test_what_all_must_know_is_changed_alone_and_known_to_the_others_at_once() -> None:
    """A brake that one node was asked for holds the next transaction of every other."""
    shared = Shared()
    one, other = Node(shared), Node(shared)
    one.writer.submit(
        lambda engine, now: brake.pause(engine, "all", actor="ana", because="x", now=now)
    ).result(10)
    brakes = other.writer.submit(lambda engine, now: engine.controls.brakes).result(10)
    assert [each.brake for each in brakes] == ["all"]
    other.writer.submit(
        lambda engine, now: brake.resume(engine, "all", actor="ana", now=now)
    ).result(10)
    assert one.writer.submit(lambda engine, now: engine.controls.brakes).result(10) == ()
    one.writer.stop()
    other.writer.stop()


def test_housekeeping_that_is_undone_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next try, and not only when it would be due once more."""
    kept: list[Engine] = []

    def refuse() -> None:
        raise ContendedError("another node was first", alone=True)

    def housekeep(engine: Engine, now: int) -> None:
        kept.append(engine)
        if len(kept) == 1:
            monkeypatch.setattr(engine.customers, "save_all", refuse)
        else:
            monkeypatch.undo()

    monkeypatch.setattr(shared_writer, "housekeep", housekeep)
    node = Node(Shared())
    node.writer.submit(lambda engine, now: None).result(10)
    node.writer.stop()
    assert len(kept) == 2


def test_a_bug_in_one_job_takes_no_neighbour_with_it(node: Node) -> None:
    """And a change of what all must know that came with it is taken back in memory too."""

    def bug(engine: Engine, now: int) -> None:
        brake.pause(engine, "all", actor="ana", because="x", now=now)
        raise ZeroDivisionError

    before = node.writer.submit(lambda engine, now: now)
    broken = node.writer.submit(bug)
    after = node.writer.submit(lambda engine, now: engine.controls.brakes)
    assert before.result(10) == NOW
    with pytest.raises(ZeroDivisionError):
        broken.result(10)
    assert after.result(10) == ()
    assert node.writer.submit(lambda engine, now: engine.controls.brakes).result(10) == ()


def test_a_node_that_cannot_work_by_the_brand_in_force_decides_nothing(node: Node) -> None:
    """G12: it refuses and says why, until it can."""
    node.refusal = NotFoundError("the secret of a channel is not there")

    def outdated(engine: Engine, now: int) -> None:
        raise OutdatedError("another brand is in force")

    with pytest.raises(OutdatedError, match="the secret of a channel"):
        node.writer.submit(outdated).result(10)
    assert node.writer.refusal is not None
    assert node.writer.engine.noted.alerts[-1]["code"] == "brand_not_taken"
    with pytest.raises(OutdatedError):
        node.writer.submit(lambda engine, now: None)


def test_a_store_that_fails_is_opened_again_as_another_node(node: Node) -> None:
    """Whoever was answered before stays answered."""

    def fail(engine: Engine, now: int) -> None:
        raise StoreError("the connection is gone")

    was = node.writer.engine.node_id
    with pytest.raises(StoreError):
        node.writer.submit(fail).result(10)
    for _ in range(1_000):
        try:
            assert node.writer.submit(lambda engine, now: engine.node_id).result(10) != was
        except StoreError:
            continue
        break
    nodes = {each.node_id: each.is_gone for each in node.writer.engine.store.list_nodes()}
    assert nodes[was]
