"""A process that takes events, exports them, and forgets some, until it is killed."""

import random  # noqa: TID251  a failure is repeated by its seed
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kept.analytics import ParquetHistory
from kept.core.event import Identifier
from kept.flows.engine import Engine
from kept.flows.export_history import HistoryWriter
from kept.flows.history_list import note_gone
from kept.flows.trim_history import HistoryTrimmer
from kept.stores.sqlite import SqliteStore
from tests.contract.values import NOW, make_event
from tests.scenario.larkmead import compile_larkmead
from tests.vaults import make_vault

EVENTS_A_TURN = 15


class Exporting:
    """A store in a folder, with its history beside."""

    def __init__(self, folder: Path) -> None:
        """Open both as a start does."""
        self.store = SqliteStore(folder / "data", vault=make_vault(folder / "data"))
        self.engine = Engine(self.store, compile_larkmead(), secret=b"-", public_url="http://x")
        self.history = ParquetHistory(folder / "history")
        self.writer = HistoryWriter(self.do, lambda: self.store, self.history, rest=lambda: None)
        self.trimmer = HistoryTrimmer(self.writer)

    def do(self, job: Callable[[Engine, int], Any]) -> Any:
        """Run a job as the writer does."""
        with self.store.transaction():
            return job(self.engine, NOW)

    def catch_up(self) -> None:
        """Do whatever is to be done."""
        self.trimmer.sweep()
        self.trimmer.forget()
        while self.writer.export(is_all=True):
            pass
        self.writer.group()

    def live(self, draw: random.Random) -> None:
        """Take some events, export, and sometimes forget somebody."""
        with self.store.transaction():
            key = self.store.last_sequence()
            name = Identifier("user_id", str(key))
            part = self.store.add_part(name, claimed=False, customer_id=None)
            for number in range(EVENTS_A_TURN):
                self.store.append_event(part.part_id, make_event(key + number + 1))
        self.writer.export(is_all=True)
        if draw.random() < 1 / 3:
            grouped = self.store.read_grouping(after=0, limit=999)
            gone = [draw.choice(grouped).part_id]
            with self.store.transaction():
                self.store.erase_parts(gone)
                note_gone(self.store, parts=gone, request_id=str(key))
            self.trimmer.forget()

    def close(self) -> None:
        """Let go of both."""
        self.history.close()
        self.store.close()


def main() -> None:
    """Live until killed; say after each turn that it is over."""
    exporting = Exporting(Path(sys.argv[1]))
    draw = random.Random(int(sys.argv[2]))
    exporting.catch_up()
    while True:
        exporting.live(draw)
        print("turn", flush=True)


if __name__ == "__main__":
    main()
