"""What the store knows of the files of history: how far they reach, which there are, what must go.

The list is kept by day, so that an hour which closes writes little. What was erased since is noted
with the erasure itself, and struck off once no file holds it any more.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kept.core.history_columns import HistoryKind
from kept.core.history_export import OpenPlaces, places_from
from kept.core.history_files import HistoryFile, day_in
from kept.core.history_rows import Place
from kept.core.values import HOUR
from kept.errors import ContendedError
from kept.ports import Store

PROGRESS_SETTING: Final = "history"
GONE_SETTING: Final = "history.gone"
DUTY: Final = "history"
PARTS_A_PAGE: Final = 2_000
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
    newest: str = ""
    """The file that was listed last; where it is not there, the folder is not the one that it was."""
    unsettled: tuple[str, ...] = ()
    """Files that are listed and not yet as the list says."""
    places: dict[str, tuple[list[Place], list[Place]]] = {}
    """Digest -> which fields stand open in files that name it."""
    closed_by: str = ""
    """The digest of the places that all files were brought in line with."""
    trimmed_at: int = 0
    """When what is past its time was last looked for (µs)."""
    groupings: int = 0
    """How often it was written which customer each part belongs to."""

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

    @property
    def is_urgent(self) -> bool:
        """Return whether somebody waits for it; what was let go by its age waits for company."""
        return not self.done_at and bool(self.request_id or self.sequences)


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where the pages of what must go begin and end, so that a note reads and writes one of them."""

    last: int = 0
    """The number given last."""
    first_page: int = 0
    last_page: int = 0
    urgent: int = 0
    """How many entries somebody waits for."""


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    entries: tuple[Gone, ...] = ()


class _Day(msgspec.Struct, frozen=True, kw_only=True):
    files: tuple[HistoryFile, ...] = ()


_encode: Final = msgspec.json.Encoder().encode
_decode_progress: Final = msgspec.json.Decoder(Progress).decode
_decode_head: Final = msgspec.json.Decoder(_Head).decode
_decode_page: Final = msgspec.json.Decoder(_Page).decode
_decode_day: Final = msgspec.json.Decoder(_Day).decode


def take_duty(store: Store) -> None:
    """Have the lists of history for oneself until the transaction ends.

    Raises:
        ContendedError: another node has them.
    """
    if not store.try_duty(DUTY):
        raise ContendedError("another node is at work on history")


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
        newest=file.name,
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
    newest = "" if progress.newest in names else progress.newest
    return msgspec.structs.replace(progress, files=count, size=size, newest=newest, unsettled=left)


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
    _take_notes(store)
    head = _load_head(store)
    entries = list(_load_page(store, head.last_page))
    if sum(len(one.parts) for one in entries) >= PARTS_A_PAGE:
        head = msgspec.structs.replace(head, last_page=head.last_page + 1)
        entries = []
    entry = Gone(
        number=head.last + 1,
        parts=tuple(parts),
        sequences=tuple(sequences),
        request_id=request_id,
    )
    before = entries[-1] if entries else entry
    if entries and not (entry.is_urgent or before.is_urgent or before.done_at):
        # Those whom nobody waits for go together.
        entry = msgspec.structs.replace(entry, parts=(*before.parts, *entry.parts))
        entries.pop()
    _save_page(store, head.last_page, (*entries, entry))
    urgent = head.urgent + entry.is_urgent
    _save_head(store, msgspec.structs.replace(head, last=entry.number, urgent=urgent))


def is_gone(store: Store, request_id: str) -> bool:
    """Return whether no file of history holds what an erasure is about."""
    if not _load_head(store).urgent:
        return True
    return not any(one.request_id == request_id and one.is_urgent for one in _entries(store))


def load_gone(store: Store, *, is_all: bool = True) -> tuple[Gone, ...]:
    """Return what files may still hold and must not; without `is_all` nothing while nobody waits for it."""
    if not is_all and not _load_head(store).urgent:
        return ()
    return tuple(one for one in _entries(store) if not one.done_at)


def strike_off(store: Store, numbers: Collection[int], now: int) -> None:
    """Note that no file holds these any more."""
    _take_notes(store)
    head = _load_head(store)
    first, urgent = head.first_page, 0
    for number in range(head.first_page, head.last_page + 1):
        before = _load_page(store, number)
        entries = (
            msgspec.structs.replace(one, done_at=now) if one.number in numbers else one
            for one in before
        )
        kept = tuple(
            one for one in entries if not one.done_at or now - one.done_at < REMEMBERED_FOR
        )
        urgent += sum(one.is_urgent for one in kept)
        if kept != before:
            _save_page(store, number, kept)
        if not kept and number == first < head.last_page:
            first += 1
    _save_head(store, msgspec.structs.replace(head, first_page=first, urgent=urgent))


def last_gone(store: Store) -> int:
    """Return the number of what was noted last."""
    return _load_head(store).last


def touches(store: Store, *, since: int, parts: Collection[int], first: int, last: int) -> bool:
    """Return whether anything noted since a number is about these parts or this range of events."""
    head = _load_head(store)
    for number in range(head.last_page, head.first_page - 1, -1):
        newer = [one for one in _load_page(store, number) if one.number > since]
        if not newer:
            return False
        for one in newer:
            if not set(one.parts).isdisjoint(parts):
                return True
            if any(first <= sequence <= last for sequence in one.sequences):
                return True
    return False


def _take_notes(store: Store) -> None:
    """Two erasures of two nodes must not write over each other's notes."""
    if not store.try_duty(GONE_SETTING):
        raise ContendedError("another node notes just now what must go from history")


def _entries(store: Store) -> Iterator[Gone]:
    head = _load_head(store)
    for number in range(head.first_page, head.last_page + 1):
        yield from _load_page(store, number)


def _load_head(store: Store) -> _Head:
    stored = store.load_setting(GONE_SETTING)
    return _decode_head(stored) if stored else _Head()


def _save_head(store: Store, head: _Head) -> None:
    store.save_setting(GONE_SETTING, _encode(head))


def _load_page(store: Store, number: int) -> tuple[Gone, ...]:
    stored = store.load_setting(f"{GONE_SETTING}.{number}")
    return _decode_page(stored).entries if stored else ()


def _save_page(store: Store, number: int, entries: tuple[Gone, ...]) -> None:
    store.save_setting(f"{GONE_SETTING}.{number}", _encode(_Page(entries=entries)))
