"""A small world whose history is exported: the real flows and files, and faults where they are wanted."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb

from kept.analytics import ParquetHistory
from kept.core.bundle import Bundle
from kept.core.data_map import map_data
from kept.core.history_columns import ID_COLUMNS, KINDS, HistoryKind
from kept.core.retention import Limits, limits_of
from kept.core.touchpoint_item import WireItem
from kept.core.values import HOUR, MINUTE, SECOND
from kept.flows.engine import Engine
from kept.flows.export_history import HistoryWriter
from kept.flows.stage import Stage
from kept.flows.trim_history import HistoryTrimmer
from kept.stores.memory import MemoryStore

NOON = 1_772_452_800_000_000


class KilledError(BaseException):
    """The process dies here: nothing of ours may catch it."""


class Fuse:
    """Counts steps, and kills the process at one of them; 0 never does."""

    def __init__(self) -> None:
        """Begin without a fault."""
        self.left = 0

    def burn(self) -> None:
        """Take a step."""
        self.left -= 1
        if self.left == 0:
            raise KilledError


class FallibleHistory(ParquetHistory):
    """Files that are written as ever, by a process that may die before and after each step."""

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        """Take the folder and the fuse."""
        super().__init__(folder)
        self._fuse = fuse

    def place(self, temporary: str, name: str) -> None:
        """Rename, and perhaps die around it."""
        self._fuse.burn()
        super().place(temporary, name)
        self._fuse.burn()

    def remove(self, names: Iterable[str]) -> None:
        """Remove one after the other, and perhaps die between them."""
        for name in names:
            self._fuse.burn()
            super().remove([name])
        self._fuse.burn()

    def write(
        self,
        connection: duckdb.DuckDBPyConnection,
        kind: HistoryKind,
        select: str,
        *,
        version: int,
        row_bytes: int,
    ) -> Any:
        """Write a file, and perhaps die around it."""
        self._fuse.burn()
        written = super().write(connection, kind, select, version=version, row_bytes=row_bytes)
        self._fuse.burn()
        return written


class World:
    """A stage, and history of it in a folder."""

    def __init__(self, bundle: Bundle, folder: Path, store: Any = None) -> None:
        """Begin at noon, with nothing exported."""
        self.stage = Stage(bundle, store or MemoryStore(), now=NOON, shadow=False)
        self.folder = folder
        self.fuse = Fuse()
        self.begin()

    def begin(self) -> None:
        """Begin to work as a start does, on whatever is there."""
        self.history = FallibleHistory(self.folder, self.fuse)
        self.writer = HistoryWriter(
            self.do, lambda: self.stage.store, self.history, rest=self.fuse.burn
        )
        self.trimmer = HistoryTrimmer(self.writer)

    def do(self, job: Callable[[Engine, int], Any]) -> Any:
        """Run a job as the writer does, and perhaps die before or after its commit."""
        self.fuse.burn()
        with self.stage.store.transaction():
            done = job(self.stage.engine, self.stage.now)
            self.fuse.burn()
        self.fuse.burn()
        return done

    def limits(self) -> Limits:
        """Return the limits of the brand in force."""
        brand = self.stage.engine.bundle.brand
        return limits_of(brand, map_data(brand))

    def look(self, *, is_all: bool = False) -> None:
        """Do what is due, as the thread of the server does."""
        self.writer.settle()
        self.trimmer.forget()
        self.trimmer.close_places()
        while self.writer.export(is_all=is_all):
            self.trimmer.forget()
        self.trimmer.expire(self.limits())
        self.writer.group()

    def look_and_die(self, step: int, *, is_all: bool = False) -> bool:
        """Do what is due until the process dies at a step, and start it again; return whether it died."""
        self.fuse.left = step
        try:
            self.look(is_all=is_all)
        except KilledError:
            self.fuse.left = 0
            self.begin()
            self.trimmer.sweep()
            return True
        self.fuse.left = 0
        return False

    def close_hour(self) -> None:
        """Let time pass until the hour that is under way is closed."""
        over = (self.stage.now // HOUR + 1) * HOUR + MINUTE
        self.stage.advance(over)

    def tell(
        self,
        event: str,
        user: str,
        /,
        *,
        traits: dict[str, Any] | None = None,
        source: str = "shop",
        at: int = 0,
        **told: Any,
    ) -> None:
        """Let a touchpoint say one thing, now or of an earlier instant."""
        self.stage.now += SECOND
        item = WireItem(
            type="identify" if traits else "track",
            event=event,
            user_id=user,
            timestamp=(at or self.stage.now) / SECOND,
            properties=told,
            traits=traits or {},
        )
        self.stage.signal(item, source=source, body={})

    # -- what whoever lists the folder sees

    def rows(self, kind: HistoryKind) -> list[dict[str, Any]]:
        """Return all rows of a kind in order of their ids, as any reader finds them."""
        names = [name for name in self.history.list_names()[0] if name.startswith(kind)]
        if not names:
            return []
        paths = [str(self.folder / name) for name in names]
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            cursor = connection.execute(
                "SELECT * FROM read_parquet(?, hive_partitioning = true, union_by_name = true) "
                f"ORDER BY {ID_COLUMNS[kind]}",
                [paths],
            )
            columns = [column[0] for column in cursor.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def ids(self, kind: HistoryKind) -> list[int]:
        """Return the ids of all rows of a kind, each as often as it is there."""
        return [row[ID_COLUMNS[kind]] for row in self.rows(kind)]

    def stored_ids(self, kind: HistoryKind) -> list[int]:
        """Return the ids of what the store holds of a kind; of outcomes, of what is not dropped yet."""
        store = self.stage.store
        if kind == "events":
            return [one.sequence for one in store.load_events(after=0, limit=99_999)]
        if kind == "decisions":
            return [one.decision_id for one in store.read_sealed_decisions(after=0, limit=99_999)]
        return [
            one.ended_id
            for one in store.read_ended_messages(after=0, limit=99_999)
            if one.message is not None
        ]

    def content(self) -> bytes:
        """Return everything that files hold, unpacked: their own bytes are compressed."""
        return repr([row for kind in KINDS for row in self.rows(kind)]).encode()
