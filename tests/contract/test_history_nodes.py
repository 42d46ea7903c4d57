"""Several nodes on one PostgreSQL write one history: each row once, and nobody's erasure is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kept.analytics import ParquetHistory
from kept.core.event import Identifier
from kept.core.history_columns import SCHEMA_VERSION
from kept.core.history_files import PARTS_FILE, name_of
from kept.core.values import HOUR, MINUTE
from kept.errors import ContendedError, StoreError
from kept.flows.engine import Engine
from kept.flows.export_history import HistoryWriter
from kept.flows.history_list import load_gone, load_progress, note_gone
from kept.flows.trim_history import HistoryTrimmer
from kept.stores.postgres import PostgresStore
from tests.contract.values import NOW, make_event
from tests.scenario.larkmead import compile_larkmead

pytestmark = [pytest.mark.store, pytest.mark.postgres]
TURNS = 12


class Node:
    """One node's engine, and its way to the history that all share."""

    def __init__(self, store: PostgresStore, folder: Path) -> None:
        """Take a store that is open."""
        self.store = store
        self.now = NOW
        self.engine = Engine(store, compile_larkmead(), secret=b"-", public_url="http://x")
        self.history = ParquetHistory(folder)
        self.writer = HistoryWriter(self.do, lambda: store, self.history, rest=lambda: None)
        self.trimmer = HistoryTrimmer(self.writer)

    def do(self, job: Callable[[Engine, int], Any]) -> Any:
        """Run a job as the writer does: again where another node was first."""
        while True:
            try:
                with self.store.transaction():
                    return job(self.engine, self.now)
            except ContendedError:
                continue

    def take(self, count: int) -> int:
        """Take events of somebody new, and return their part."""

        def job(engine: Engine, now: int) -> int:
            key = engine.store.next_sequence()
            name = Identifier("user_id", f"{id(self)}-{key}")
            part = engine.store.add_part(name, claimed=False, customer_id=None)
            for number in range(count):
                engine.store.append_event(part.part_id, make_event(key * 100 + number))
            return part.part_id

        taken: int = self.do(job)
        return taken

    def forget(self, part_id: int) -> None:
        """Forget somebody."""

        def job(engine: Engine, now: int) -> None:
            engine.store.erase_parts([part_id])
            note_gone(engine.store, parts=[part_id], request_id=f"r-{part_id}")

        self.do(job)

    def live(self) -> None:
        """Take, export and forget, without waiting for anybody."""
        for turn in range(TURNS):
            part_id = self.take(5)
            try:
                self.writer.export(is_all=True)
                if turn % 3 == 0:
                    self.forget(part_id)
                    self.trimmer.forget()
                if turn % 5 == 0:
                    self.trimmer.sweep()
            except StoreError:
                # Another node swept a draft away, or put another file in the place of one.
                continue


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder that all nodes write to."""
    return tmp_path / "history"


def test_two_nodes_export_each_row_once(
    one: PostgresStore, other: PostgresStore, folder: Path
) -> None:
    """Both at it all the time; what either forgot is in no file."""
    nodes = [Node(one, folder), Node(other, folder)]
    with ThreadPoolExecutor(2) as pool:
        for living in [pool.submit(node.live) for node in nodes]:
            living.result()
    last = nodes[0]
    last.trimmer.sweep()
    while last.writer.export(is_all=True):
        pass
    last.trimmer.forget()
    last.trimmer.sweep()
    names, temporary = last.history.list_names()
    with last.history.engine.open() as connection:
        paths = [str(folder / name) for name in names if name.startswith("events")]
        query = "SELECT sequence FROM read_parquet(?, hive_partitioning = false) ORDER BY 1"
        found = [row[0] for row in connection.execute(query, [paths]).fetchall()]
    assert found == [each.sequence for each in one.load_events(after=0, limit=9_999)]
    assert len(found) > TURNS * 5
    assert temporary == []
    assert load_gone(one) == ()
    assert load_progress(one).unsettled == ()


def test_an_hour_stays_open_until_its_rows_are_settled(
    one: PostgresStore, other: PostgresStore, folder: Path
) -> None:
    """Whose clock says that it is over, and whose look at the stream is older, closes nothing over it."""
    node = Node(other, folder)
    with one.transaction():
        at = one.read_clock()
        node.now = (at // HOUR + 1) * HOUR + MINUTE
        sequence = one.append_event(1, make_event(1, received_at=at))
        assert node.writer.export() == 0
    node.writer.export()
    while node.writer.export(is_all=True):
        pass
    names = [name for name in node.history.list_names()[0] if name.startswith("events")]
    assert names == [
        name_of("events", at // HOUR, version=SCHEMA_VERSION, first=sequence, last=sequence)
    ]


def test_two_erasures_do_not_write_over_each_others_notes(
    one: PostgresStore, other: PostgresStore, folder: Path
) -> None:
    """Whoever is second does its work again."""
    first, second = Node(one, folder), Node(other, folder)
    first.writer.export(is_all=True)
    a, b = first.take(1), second.take(1)
    with one.transaction():
        note_gone(one, parts=[a], request_id="a")
        with pytest.raises(ContendedError), other.transaction():
            note_gone(other, parts=[b], request_id="b")
    with other.transaction():
        note_gone(other, parts=[b], request_id="b")
    assert [entry.request_id for entry in load_gone(one)] == ["a", "b"]


def test_a_grouping_of_before_does_not_stay_over_a_later_one(
    one: PostgresStore, other: PostgresStore, folder: Path
) -> None:
    """One node has read who is who when two become one, and another node writes that first."""
    slow, fast = Node(one, folder), Node(other, folder)
    a, b = slow.take(1), slow.take(1)

    def let_other_be_first() -> None:
        slow.writer.rest = lambda: None
        with other.transaction():
            other.lock_customers([a, b])
            other.move_parts([b], customer_id=a)
        fast.writer.group()

    slow.writer.rest = let_other_be_first
    slow.writer.group()
    with slow.history.engine.open() as connection:
        query = "SELECT part, customer FROM read_parquet(?) ORDER BY 1"
        found = connection.execute(query, [str(folder / PARTS_FILE)]).fetchall()
    assert found == [(a, a), (b, a)]
