"""Export what settled hours hold into files of history, each row exactly once.

Rows are read beside the writer and written under a temporary name; one transaction then notes the
file and how far it reaches, and only after it the file gets its name. So a crash leaves either a
temporary file that nothing names, or one that the list names and that is still to be placed. The
position is compared before it is moved, so that of several nodes one exports and no row is doubled.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from kept.core.history_columns import KINDS, HistoryKind
from kept.core.history_export import (
    Opener,
    OpenPlaces,
    Row,
    decision_row,
    event_row,
    open_places,
    outcome_row,
)
from kept.core.history_files import HistoryFile, first_open_hour, hour_of_row, name_of
from kept.core.values import HOUR, NEVER
from kept.errors import StoreError
from kept.flows.engine import Engine, decode_trace
from kept.flows.history_list import (
    DUTY,
    PROGRESS_SETTING,
    REMEMBERED_FOR,
    Position,
    Progress,
    find_file,
    last_gone,
    list_file,
    load_progress,
    save_progress,
    take_duty,
    touches,
    unlist_files,
)
from kept.history_port import Draft, Grouped, History, Written
from kept.ports import Store

T = TypeVar("T")
Do = Callable[[Callable[[Engine, int], T]], T]
ROWS_A_READ: Final = 500
ROWS_A_FILE: Final = 100_000
BYTES_A_FILE: Final = 128 << 20
"""Before it is packed; a file of long events has fewer rows."""
GROUPED_A_READ: Final = 5_000


class Reading(msgspec.Struct, frozen=True):
    """One record that is to be a row: its id, when it came about, its part; None where it is gone."""

    row_id: int
    arrived_at: int
    part_id: int
    row: Row | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What may be exported now, as one transaction saw it."""

    now: int
    end_hour: int
    """The first hour that is not exported yet."""
    positions: dict[HistoryKind, Position]
    until: dict[HistoryKind, int]
    """Ids up to which nothing is added any more."""
    places: OpenPlaces
    gone: int
    """What was noted last of what must go."""
    newest: str
    """A file that must be there."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was read and written, and is to be noted."""

    kind: HistoryKind
    end: Position
    file_hour: int
    written: Written | None
    parts: set[int]


class _Collected:
    """Rows for one file, as far as they were read."""

    def __init__(self, start: Position) -> None:
        self.after = start.after
        self.hour = start.hour
        self.file_hour = 0
        self.is_all = False
        """Whether nothing is left that may be exported now."""
        self.parts: set[int] = set()
        self.draft: Draft | None = None
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Return whether a file has as much as it may have."""
        size = self.draft.size if self.draft is not None else 0
        return self.count >= ROWS_A_FILE or size >= BYTES_A_FILE


class HistoryWriter:
    """Brings what is settled into files; one thread works with it."""

    def __init__(
        self,
        do: Callable[[Callable[[Engine, int], Any]], Any],
        store_of: Callable[[], Store],
        history: History,
        *,
        rest: Callable[[], None],
    ) -> None:
        """Take the way to the writer, the store to read from, and where files are kept.

        Args:
            do: runs a job on the writer and returns what it returned, once that is durable.
            store_of: the store as it is open now; only `read_*` is asked of it.
            history: where files are kept.
            rest: called between pieces of work, to let others work.
        """
        self.do = do
        self.store_of = store_of
        self.history = history
        self.rest = rest

    def export(self, *, is_all: bool = False) -> int:
        """Write one file of each kind that there is one for; return how many files or gaps were passed.

        Args:
            is_all: take the hours that are not over as well; they stay open for what follows.

        Raises:
            StoreError: the folder cannot be used, or is not the one that it was.
        """
        plan: Plan | None = self.do(lambda engine, now: plan_export(engine, now, is_all=is_all))
        if plan is None:
            return 0
        if plan.newest and not self.history.exists(plan.newest):
            raise StoreError(
                f"the folder of history lacks {plan.newest}, which was there; is it mounted?"
            )
        return sum(self._export(plan, kind) for kind in KINDS)

    def settle(self) -> None:
        """Bring files in line with the list: what a crash left between a commit and a renaming.

        Raises:
            StoreError: the folder is empty, and so not the one that it was.
        """
        waiting: list[HistoryFile] = self.do(_load_unsettled)
        lost = []
        for file in waiting:
            if file.is_dropping:
                self.history.remove([file.name])
            elif self.history.exists(file.placing):
                self.history.place(file.placing, file.name)
            elif not self.history.exists(file.name):
                lost.append(file.name)
        if lost and not self.history.list_names()[0]:
            raise StoreError(f"the folder of history is empty, and {lost[0]} is to be there")
        if waiting:
            self.do(lambda engine, now: _note_settled(engine, waiting, lost, now))

    def group(self) -> None:
        """Write which customer each part belongs to now, and not over what another node read later."""
        is_newest = False
        while not is_newest:
            before: int = self.do(lambda engine, now: load_progress(engine.store).groupings)
            self.history.write_grouping(self._read_grouping())
            is_newest = self.do(lambda engine, now: note_grouped(engine.store, before))  # noqa: B023

    def _read_grouping(self) -> Iterator[Grouped]:
        after = 0
        while rows := self.store_of().read_grouping(after=after, limit=GROUPED_A_READ):
            after = rows[-1].part_id
            yield from rows
            self.rest()

    def _export(self, plan: Plan, kind: HistoryKind) -> bool:
        start = plan.positions[kind]
        collected = _Collected(start)
        written: Written | None = None
        try:
            self._collect(plan, kind, collected)
            if collected.draft is not None:
                written = collected.draft.finish()
        finally:
            if collected.draft is not None:
                collected.draft.drop()
        hour = collected.hour
        if collected.is_all and plan.end_hour != NEVER:
            # Closed: it takes nothing any more, not even of a clock that is turned back.
            hour = max(hour, plan.end_hour)
        end = Position(collected.after, hour)
        if end == start:
            return False
        exported = Exported(
            kind=kind,
            end=end,
            file_hour=collected.file_hour,
            written=written,
            parts=collected.parts,
        )
        is_noted = self.do(
            lambda engine, now: note_exported(engine, plan, exported, self.history, now)
        )
        if not is_noted and written is not None:
            self.history.remove([written.temporary])
        self.settle()
        return bool(is_noted)

    def _collect(self, plan: Plan, kind: HistoryKind, collected: _Collected) -> None:
        """Read on as long as rows are of one closed hour."""
        until, limit, opener = plan.until[kind], 1, Opener(plan.places)
        while collected.after < until and not collected.is_full:
            rows: list[Row] = []
            found = list(_READERS[kind](self.store_of(), opener, collected.after, limit))
            is_end = _take(plan, collected, found, rows, until=until)
            if rows:
                if collected.draft is None:
                    collected.draft = self.history.draft(kind)
                collected.draft.add(rows)
            if is_end:
                return
            if len(found) < limit:
                # Whatever lay between was erased.
                collected.after = until
            limit = min(ROWS_A_READ, ROWS_A_FILE - collected.count)
            self.rest()
        collected.is_all = collected.after >= until


def _take(
    plan: Plan, collected: _Collected, found: Iterable[Reading], rows: list[Row], *, until: int
) -> bool:
    """Take what belongs into the file; return whether something comes next that does not."""
    for one in found:
        if one.row_id > until:
            collected.is_all = True
            return True
        if one.row is None:
            collected.after = one.row_id
            continue
        hour = hour_of_row(one.arrived_at, now=plan.now, floor=collected.hour)
        if hour >= plan.end_hour:
            collected.is_all = True
            return True
        if collected.count and hour != collected.file_hour:
            return True
        collected.after, collected.hour, collected.file_hour = one.row_id, hour, hour
        rows.append(one.row)
        collected.parts.add(one.part_id)
        collected.count += 1
    return False


# -- records as rows


def _read_events(store: Store, opener: Opener, after: int, limit: int) -> Iterator[Reading]:
    for one in store.read_sealed_events(after=after, limit=limit):
        if one.event is None:
            yield Reading(one.sequence, 0, one.part_id, None)
            continue
        row = event_row(opener, one.sequence, one.part_id, one.event) | {"sealed": one.sealed}
        yield Reading(one.sequence, one.event.received_at, one.part_id, row)


def _read_decisions(store: Store, opener: Opener, after: int, limit: int) -> Iterator[Reading]:
    for one in store.read_sealed_decisions(after=after, limit=limit):
        if one.trace is None:
            yield Reading(one.decision_id, 0, one.part_id, None)
            continue
        decision = decode_trace(one.trace)
        row = decision_row(one.part_id, decision) | {"sealed": one.sealed}
        yield Reading(one.decision_id, decision.decided_at, one.part_id, row)


def _read_outcomes(store: Store, opener: Opener, after: int, limit: int) -> Iterator[Reading]:
    for one in store.read_ended_messages(after=after, limit=limit):
        if one.message is None:
            yield Reading(one.ended_id, 0, 0, None)
            continue
        row = outcome_row(one.ended_id, one.message)
        yield Reading(one.ended_id, row["settled_at"], one.message.part_id, row)


_READERS: Final[dict[HistoryKind, Callable[[Store, Opener, int, int], Iterator[Reading]]]] = {
    "events": _read_events,
    "decisions": _read_decisions,
    "outcomes": _read_outcomes,
}


# -- on the writer


def plan_export(engine: Engine, now: int, *, is_all: bool) -> Plan | None:
    """Return what may be exported now; None where another node is at it."""
    store = engine.store
    if not store.try_duty(DUTY):
        return None
    progress = load_progress(store)
    if store.load_setting(PROGRESS_SETTING) is None:
        # From now on it is noted what must go: somebody may be read for a file already.
        save_progress(store, progress)
    settled = store.read_settled()
    # An hour that ended since these ids were looked at may have rows beyond them.
    seen_at = min(now, settled.at)
    return Plan(
        now=now,
        end_hour=NEVER if is_all else first_open_hour(seen_at),
        positions={kind: progress.position(kind) for kind in KINDS},
        until={
            "events": settled.sequence,
            "decisions": settled.decision_id,
            "outcomes": store.number_ended(),
        },
        places=open_places(engine.bundle.brand),
        gone=last_gone(store),
        newest="" if progress.newest in progress.unsettled else progress.newest,
    )


def note_exported(
    engine: Engine, plan: Plan, exported: Exported, history: History, now: int
) -> bool:
    """List a file and move the position in one; return False where it must be read anew."""
    store, kind, written = engine.store, exported.kind, exported.written
    if not store.try_duty(DUTY) or now - plan.now >= REMEMBERED_FOR:
        return False
    progress = load_progress(store)
    start = progress.position(kind)
    if start != plan.positions[kind] or open_places(engine.bundle.brand) != plan.places:
        return False
    if written is not None:
        # Swept away by another node, or somebody in it was forgotten meanwhile.
        first, last = (written.first, written.last) if kind == "events" else (0, -1)
        if not history.exists(written.temporary) or touches(
            store, since=plan.gone, parts=exported.parts, first=first, last=last
        ):
            return False
        progress = list_file(
            store, _open_by(progress, plan.places), _file_of(plan, exported, written)
        )
        engine.counts["history_rows", kind] += written.rows
        engine.counts["history_bytes", kind] += written.size
    if start.hour:
        engine.counts["history_hours", kind] += exported.end.hour - start.hour
    positions = progress.positions | {kind: exported.end}
    save_progress(store, msgspec.structs.replace(progress, positions=positions))
    if kind == "outcomes":
        store.drop_ended_messages(up_to=exported.end.after)
    return True


def note_grouped(store: Store, before: int) -> bool:
    """Note that a grouping was written; return False where another node wrote one since `before`.

    Either may have come over the other then, and whoever is second reads and writes once more.
    """
    take_duty(store)
    progress = load_progress(store)
    if progress.groupings != before:
        return False
    save_progress(store, msgspec.structs.replace(progress, groupings=before + 1))
    return True


def _file_of(plan: Plan, exported: Exported, written: Written) -> HistoryFile:
    kind = exported.kind
    return HistoryFile(
        kind=kind,
        name=name_of(
            kind,
            exported.file_hour,
            version=written.version,
            first=written.first,
            last=written.last,
        ),
        rows=written.rows,
        first=written.first,
        last=written.last,
        size=written.size,
        digest=written.digest,
        version=written.version,
        plain=plan.places.digest if kind == "events" else "",
        placing=written.temporary,
    )


def _open_by(progress: Progress, places: OpenPlaces) -> Progress:
    """Return the progress that remembers which fields stand open in a file."""
    digest = places.digest
    if digest in progress.places:
        return progress
    return msgspec.structs.replace(progress, places=progress.places | {digest: places.listed()})


def _load_unsettled(engine: Engine, now: int) -> list[HistoryFile]:
    store = engine.store
    found = (find_file(store, name) for name in load_progress(store).unsettled)
    return [file for file in found if file is not None]


def _note_settled(engine: Engine, files: Iterable[HistoryFile], lost: list[str], now: int) -> None:
    """Note that files are as the list says, unless the list says something else by now."""
    store = engine.store
    take_duty(store)
    progress = load_progress(store)
    gone = list(lost)
    for file in files:
        if find_file(store, file.name) != file:
            continue
        if file.is_dropping:
            gone.append(file.name)
        elif file.name not in lost:
            progress = list_file(store, progress, msgspec.structs.replace(file, placing=""))
    progress = unlist_files(store, progress, gone)
    save_progress(store, progress)
    if lost:
        engine.alert("history_lost", files=len(lost), at=now)


def how_far_behind(store: Store, now: int) -> int:
    """Return since when closed hours have waited to be exported (µs), 0 where none waits."""
    progress = load_progress(store)
    oldest = min(progress.position(kind).hour for kind in KINDS)
    end = first_open_hour(now)
    return (end - oldest) * HOUR if oldest and oldest < end else 0
