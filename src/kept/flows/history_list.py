"""What the store knows of the files of history: how far they reach, which there are, what must go.

The list is kept by day, so that an hour which closes writes little. What was erased since is noted
with the erasure itself, and struck off once no file holds it any more.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from kept.core.history_columns import HistoryKind
from kept.core.history_export import OpenPlaces, places_from
from kept.core.history_files import HistoryFile, day_in
from kept.core.history_rows import Place
from kept.core.values import HOUR
from kept.ports import Store

PROGRESS_SETTING: Final = "history"
GONE_SETTING: Final = "history.gone"
DUTY: Final = "history"
REMEMBERED_FOR: Final = HOUR
"""How long it is remembered what was struck off: whoever writes a file for longer begins anew."""


class Position(msgspec.Struct, frozen=True):
    """How far one kind of rows was exported: the last id, and the hour that it belongs to."""

    after: int = 0
    hour: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far history has come; durable with what it is about."""

    positions: dict[HistoryKind, Position] = {}
    first_day: int = 0
    last_day: int = -1
    """Between these days (since 1970) there are files."""
    files: int = 0
    size: int = 0
    """How many files are listed, and their length in bytes."""
    unsettled: tuple[str, ...] = ()
    """Files that are listed and not yet as the list says."""
    places: dict[str, tuple[list[Place], list[Place]]] = {}
    """Digest -> which fields stand open in files that name it."""
    closed_by: str = ""
    """The digest of the places that all files were brought in line with."""
    trimmed_at: int = 0
    """When what is past its time was last looked for (µs)."""

    def position(self, kind: HistoryKind) -> Position:
        """Return how far a kind was exported."""
        return self.positions.get(kind, Position())

    def open_places(self, digest: str) -> OpenPlaces:
        """Return which fields stand open in files that name a digest."""
        return places_from(self.places[digest])


class Gone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What files may not hold any more, or hold wrongly."""

    number: int
    parts: tuple[int, ...] = ()
    sequences: tuple[int, ...] = ()
    """Events that were put right."""
    request_id: str = ""
    """The erasure that waits for it."""
    done_at: int = 0
    """When no file held it any more (µs)."""


class _Journal(msgspec.Struct, frozen=True, kw_only=True):
    last: int = 0
    entries: tuple[Gone, ...] = ()


class _Day(msgspec.Struct, frozen=True, kw_only=True):
    files: tuple[HistoryFile, ...] = ()


_encode: Final = msgspec.json.Encoder().encode
_decode_progress: Final = msgspec.json.Decoder(Progress).decode
_decode_journal: Final = msgspec.json.Decoder(_Journal).decode
_decode_day: Final = msgspec.json.Decoder(_Day).decode


def load_progress(store: Store) -> Progress:
    """Return how far history has come."""
    stored = store.load_setting(PROGRESS_SETTING)
    return _decode_progress(stored) if stored else Progress()


def save_progress(store: Store, progress: Progress) -> None:
    """Keep how far history has come."""
    store.save_setting(PROGRESS_SETTING, _encode(progress))


# -- the list of files


def load_day(store: Store, day: int) -> tuple[HistoryFile, ...]:
    """Return the files of a day (since 1970)."""
    stored = store.load_setting(f"history.day.{day}")
    return _decode_day(stored).files if stored else ()


def find_file(store: Store, name: str) -> HistoryFile | None:
    """Return a file that is listed, None where it is not."""
    return next((one for one in load_day(store, day_in(name)) if one.name == name), None)


def list_file(store: Store, progress: Progress, file: HistoryFile) -> Progress:
    """List a file, in the place of one that has its name; return the progress that knows of it."""
    day = day_in(file.name)
    listed = load_day(store, day)
    others = [one for one in listed if one.name != file.name]
    _save_day(store, day, (*others, file))
    is_first = progress.last_day < progress.first_day
    is_settled = not file.placing and not file.is_dropping
    left = [name for name in progress.unsettled if name != file.name]
    return msgspec.structs.replace(
        progress,
        first_day=day if is_first else min(day, progress.first_day),
        last_day=max(day, progress.last_day),
        files=progress.files + 1 + len(others) - len(listed),
        size=progress.size + file.size + _size_of(others) - _size_of(listed),
        unsettled=tuple(left if is_settled else [*left, file.name]),
    )


def unlist_files(store: Store, progress: Progress, names: Collection[str]) -> Progress:
    """Strike files off the list; return the progress that does not know of them."""
    count, size = progress.files, progress.size
    for day in {day_in(name) for name in names}:
        listed = load_day(store, day)
        others = [one for one in listed if one.name not in names]
        _save_day(store, day, others)
        count += len(others) - len(listed)
        size += _size_of(others) - _size_of(listed)
    left = tuple(name for name in progress.unsettled if name not in names)
    return msgspec.structs.replace(progress, files=count, size=size, unsettled=left)


def _size_of(files: Iterable[HistoryFile]) -> int:
    return sum(file.size for file in files)


def _save_day(store: Store, day: int, files: Iterable[HistoryFile]) -> None:
    ordered = sorted(files, key=lambda one: one.name)
    store.save_setting(f"history.day.{day}", _encode(_Day(files=tuple(ordered))))


# -- what must go


def note_gone(
    store: Store,
    *,
    parts: Sequence[int] = (),
    sequences: Sequence[int] = (),
    request_id: str = "",
) -> None:
    """Note, with the erasure or the correction itself, what files of history may hold no more."""
    if not parts and not sequences:
        return
    if store.load_setting(PROGRESS_SETTING) is None:
        # Nothing was ever read for a file.
        return
    journal = _load_journal(store)
    entry = Gone(
        number=journal.last + 1,
        parts=tuple(parts),
        sequences=tuple(sequences),
        request_id=request_id,
    )
    _save_journal(store, _Journal(last=entry.number, entries=(*journal.entries, entry)))


def is_gone(store: Store, request_id: str) -> bool:
    """Return whether no file of history holds what an erasure is about."""
    return not any(
        one.request_id == request_id and not one.done_at for one in _load_journal(store).entries
    )


def load_gone(store: Store) -> tuple[Gone, ...]:
    """Return what files may still hold and must not."""
    return tuple(one for one in _load_journal(store).entries if not one.done_at)


def strike_off(store: Store, numbers: Collection[int], now: int) -> None:
    """Note that no file holds these any more."""
    journal = _load_journal(store)
    entries = (
        msgspec.structs.replace(one, done_at=now) if one.number in numbers else one
        for one in journal.entries
    )
    kept = (one for one in entries if not one.done_at or now - one.done_at < REMEMBERED_FOR)
    _save_journal(store, _Journal(last=journal.last, entries=tuple(kept)))


def last_gone(store: Store) -> int:
    """Return the number of what was noted last."""
    return _load_journal(store).last


def touches(store: Store, *, since: int, parts: Collection[int], first: int, last: int) -> bool:
    """Return whether anything noted since a number is about these parts or this range of events."""
    return any(
        not set(one.parts).isdisjoint(parts)
        or any(first <= sequence <= last for sequence in one.sequences)
        for one in _load_journal(store).entries
        if one.number > since
    )


def _load_journal(store: Store) -> _Journal:
    stored = store.load_setting(GONE_SETTING)
    return _decode_journal(stored) if stored else _Journal()


def _save_journal(store: Store, journal: _Journal) -> None:
    store.save_setting(GONE_SETTING, _encode(journal))
