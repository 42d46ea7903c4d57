"""Keep files of history in line with the store: what was forgotten, put right or is past its time.

A file is never changed: it is written anew without what must go, listed, and put in the place of
the old one. Whoever reads meanwhile reads the one or the other, and never both.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import msgspec

from kept.core.history_columns import KINDS, HistoryKind
from kept.core.history_export import Opener, OpenPlaces, Row, event_row, open_places
from kept.core.history_files import HistoryFile
from kept.core.retention import DECISIONS, MESSAGES, Limits, limits_in_force
from kept.core.values import DAY
from kept.errors import StoreError
from kept.flows.engine import Engine
from kept.flows.export_history import HistoryWriter
from kept.flows.history_list import (
    DUTY,
    Gone,
    find_file,
    list_file,
    load_day,
    load_gone,
    load_progress,
    save_progress,
    strike_off,
    take_duty,
    unlist_files,
)
from kept.flows.retain import load_progress as load_retention
from kept.flows.spare_restricted import load_restricted
from kept.history_port import History, Trim, Written

ROUND: Final = DAY
"""What is past its time is looked for once in so long, as the store does."""
DAYS_A_READ: Final = 30
IDS_A_QUESTION: Final = 500


class HistoryTrimmer:
    """Takes out of files what they may not hold any more; one thread works with it."""

    def __init__(self, writer: HistoryWriter) -> None:
        """Work beside whoever writes files."""
        self._writer = writer
        self._do = writer.do
        self._history = writer.history

    def forget(self, *, is_all: bool = False) -> bool:
        """Take out what was erased or put right since; return whether anything could not wait.

        What was let go by its age waits for the daily look (`is_all`), or for company: it touches
        many files, each of which is written anew.
        """
        gone: tuple[Gone, ...] = self._do(
            lambda engine, now: load_gone(engine.store, is_all=is_all)
        )
        if not gone:
            return False
        self._take_out(gone)
        return True

    def _take_out(self, gone: Sequence[Gone]) -> bool:
        """Take out of files what must go; return False where another node was at one of them."""
        parts = frozenset(part_id for one in gone for part_id in one.parts)
        sequences = frozenset(sequence for one in gone for sequence in one.sequences)
        files = self.list_files()
        names = [one.name for one in files]
        affected = set(self._history.find_parts(names, parts) if parts else ())
        for file in files:
            wrong = _within(file, sequences)
            if wrong or file.name in affected:
                rows, missing = self._rows_now(file, wrong)
                trim = Trim(parts=parts, ids=frozenset(missing), rows=tuple(rows))
                if not self.rewrite(file, trim):
                    # What is noted stays noted.
                    return False
        if parts:
            self._writer.group()
        numbers = [one.number for one in gone]
        self._do(lambda engine, now: strike_off(engine.store, numbers, now))
        return True

    def expire(self, limits: Limits) -> bool:
        """Take out what is past its time and not in the store any more; return whether it was time to look.

        Where another node was at a file, the next look begins anew.
        """
        told = self._do(lambda engine, now: _limits_due(engine, limits, now))
        if told is None:
            return False
        due, now = told
        gone: tuple[Gone, ...] = self._do(lambda engine, now: load_gone(engine.store))
        is_done = not gone or self._take_out(gone)
        files = self.list_files()
        spared: set[int] = self._do(lambda engine, now: load_restricted(engine.store))
        for kind in KINDS:
            mine = {one.name: one for one in files if one.kind == kind}
            if not mine:
                continue
            before = self._limits_of(kind, list(mine), due, now)
            expired = self._history.find_expired(kind, list(mine), before, spared=sorted(spared))
            for name, ids in expired.items():
                # What somebody wants kept the store keeps too.
                lost = self._unknown(ids) if kind == "events" else ids
                if lost and not self.rewrite(mine[name], Trim(ids=frozenset(lost))):
                    is_done = False
        if is_done:
            self._do(_note_trimmed)
        return True

    def close_places(self) -> bool:
        """Take out of open columns what the brand in force declares as personal by now."""
        told = self._do(_load_places)
        if told is None:
            return False
        places, known = told
        lost = {digest: tuple(places.lost_since(before)) for digest, before in known.items()}
        for file in self.list_files():
            if lost.get(file.plain):
                left = known[file.plain].narrowed_to(places)
                if not self.rewrite(file, Trim(places=lost[file.plain]), left=left):
                    # Another node was at this file; the next look sees to it.
                    return True
        used = {one.plain for one in self.list_files()}
        self._do(lambda engine, now: _note_closed(engine, places, used))
        return True

    def sweep(self) -> None:
        """Remove files that nothing names, and strike off those that are not there any more.

        Raises:
            StoreError: the folder has none of the files that there are: it is another one.
        """
        self._writer.settle()
        found, temporary = self._history.list_names()
        listed = {one.name for one in self.list_files()}
        if listed and listed.isdisjoint(found):
            self._do(lambda engine, now: engine.alert("history_missing", at=now))
            raise StoreError(
                f"the folder of history has none of the {len(listed)} file(s) that were there; "
                "is it mounted? Where it was changed, move the files along"
            )
        unknown = [name for name in found if name not in listed]
        missing = sorted(listed - set(found))
        error: StoreError | None = self._do(
            lambda engine, now: _sweep(
                engine,
                self._history,
                unknown=unknown,
                temporary=temporary,
                missing=missing,
                now=now,
            )
        )
        if error is not None:
            raise error

    def list_files(self) -> list[HistoryFile]:
        """Return all files, read a few days at a time."""
        first, last = self._do(_load_span)
        found: list[HistoryFile] = []
        for start in range(first, last + 1, DAYS_A_READ):
            found += self._do(_files_of(range(start, min(start + DAYS_A_READ, last + 1))))
        return found

    def rewrite(self, file: HistoryFile, trim: Trim, *, left: OpenPlaces | None = None) -> bool:
        """Write one file anew; return False where another node did meanwhile."""
        written = self._history.rewrite(file.kind, file.name, trim)
        is_noted = self._do(
            lambda engine, now: _note_rewritten(engine, file, written, self._history, left=left)
        )
        if not is_noted and written is not None:
            self._history.remove([written.temporary])
        self._writer.settle()
        self._writer.rest()
        return bool(is_noted)

    def _rows_now(self, file: HistoryFile, sequences: Sequence[int]) -> tuple[list[Row], list[int]]:
        """Return events of a file as they are now, and those that are not any more."""
        rows: list[Row] = []
        missing: list[int] = []
        if not sequences:
            return rows, missing
        places: OpenPlaces = self._do(lambda engine, now: _places_in(engine, file))
        for sequence in sequences:
            found = self._writer.store_of().read_sealed_events(after=sequence - 1, limit=1)
            one = found[0] if found else None
            if one is None or one.sequence != sequence or one.event is None:
                missing.append(sequence)
                continue
            row = event_row(Opener(places), sequence, one.part_id, one.event)
            rows.append(row | {"sealed": one.sealed})
        return rows, missing

    def _unknown(self, ids: Sequence[int]) -> list[int]:
        gone: list[int] = []
        for start in range(0, len(ids), IDS_A_QUESTION):
            asked = ids[start : start + IDS_A_QUESTION]
            known = self._writer.store_of().read_known_events(asked)
            gone += [row_id for row_id in asked if row_id not in known]
            self._writer.rest()
        return gone

    def _limits_of(
        self, kind: HistoryKind, names: Sequence[str], limits: Limits, now: int
    ) -> dict[str, int]:
        if kind != "events":
            limit = limits.by_name[DECISIONS if kind == "decisions" else MESSAGES]
            return {"": now - limit.duration}
        return {
            event: now - limits.of_event(event).duration
            for event in self._history.list_events(names)
        }


def _within(file: HistoryFile, sequences: Collection[int]) -> list[int]:
    if file.kind != "events":
        return []
    return sorted(sequence for sequence in sequences if file.first <= sequence <= file.last)


# -- on the writer


def _load_span(engine: Engine, now: int) -> tuple[int, int]:
    progress = load_progress(engine.store)
    return progress.first_day, progress.last_day


def _files_of(days: range) -> Callable[[Engine, int], list[HistoryFile]]:
    return lambda engine, now: [
        file for day in days for file in load_day(engine.store, day) if not file.is_dropping
    ]


def _limits_due(engine: Engine, limits: Limits, now: int) -> tuple[Limits, int] | None:
    """Return the limits that are applied, and now; None where it is not time to look."""
    if now < load_progress(engine.store).trimmed_at + ROUND:
        return None
    return limits_in_force(load_retention(engine.store).agreement, limits), now


def _note_trimmed(engine: Engine, now: int) -> None:
    take_duty(engine.store)
    progress = load_progress(engine.store)
    save_progress(engine.store, msgspec.structs.replace(progress, trimmed_at=now))


def _load_places(engine: Engine, now: int) -> tuple[OpenPlaces, dict[str, OpenPlaces]] | None:
    """Return what may be open now, and what is in files; None where they are in line already."""
    progress = load_progress(engine.store)
    places = open_places(engine.bundle.brand)
    if not progress.places or progress.closed_by == places.digest:
        return None
    return places, {digest: progress.open_places(digest) for digest in progress.places}


def _places_in(engine: Engine, file: HistoryFile) -> OpenPlaces:
    """Return what may be open in a file: what it says of itself, unless it is personal by now."""
    before = load_progress(engine.store).open_places(file.plain)
    return before.narrowed_to(open_places(engine.bundle.brand))


def _note_closed(engine: Engine, places: OpenPlaces, used: Collection[str]) -> None:
    take_duty(engine.store)
    progress = load_progress(engine.store)
    needed = {*used, places.digest}
    kept = {digest: listed for digest, listed in progress.places.items() if digest in needed}
    progress = msgspec.structs.replace(progress, places=kept, closed_by=places.digest)
    save_progress(engine.store, progress)


def _note_rewritten(
    engine: Engine,
    file: HistoryFile,
    written: Written | None,
    history: History,
    *,
    left: OpenPlaces | None,
) -> bool:
    store = engine.store
    if not store.try_duty(DUTY) or find_file(store, file.name) != file:
        return False
    progress = load_progress(store)
    if left is not None and left.digest not in progress.places:
        places = progress.places | {left.digest: left.listed()}
        progress = msgspec.structs.replace(progress, places=places)
    if written is None:
        changed = msgspec.structs.replace(file, is_dropping=True)
    elif not history.exists(written.temporary):
        return False
    else:
        changed = msgspec.structs.replace(
            file,
            rows=written.rows,
            first=written.first,
            last=written.last,
            size=written.size,
            digest=written.digest,
            plain=left.digest if left is not None else file.plain,
            placing=written.temporary,
        )
    save_progress(store, list_file(store, progress, changed))
    engine.counts["history_rewritten", file.kind] += 1
    return True


def _sweep(
    engine: Engine,
    history: History,
    *,
    unknown: Sequence[str],
    temporary: Sequence[str],
    missing: Sequence[str],
    now: int,
) -> StoreError | None:
    store = engine.store
    if not store.try_duty(DUTY):
        return None
    progress = load_progress(store)
    waiting = {file.placing for file in _unsettled(engine, progress.unsettled)}
    try:
        # Within the transaction, so that another node cannot list them meanwhile.
        history.remove(name for name in temporary if name not in waiting)
        history.remove(name for name in unknown if find_file(store, name) is None)
    except StoreError as error:
        # The folder's trouble is not the store's: the writer would open that one again.
        return error
    lost = [
        name
        for name in missing
        if name not in progress.unsettled
        and find_file(store, name) is not None
        and not history.exists(name)
    ]
    if lost:
        save_progress(store, unlist_files(store, progress, lost))
        engine.alert("history_lost", files=len(lost), at=now)
    return None


def _unsettled(engine: Engine, names: Sequence[str]) -> Iterator[HistoryFile]:
    for name in names:
        file = find_file(engine.store, name)
        if file is not None:
            yield file
