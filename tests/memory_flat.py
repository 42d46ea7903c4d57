"""Tables of the store in memory as flat dictionaries, so that what a transaction changed can be told.

A table is a dictionary of values, of sets or of lists, a list, or a number that only grows.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from kept.errors import ContendedError

Flat = dict[Any, Any]
GONE: Final = object()
"""Stands for what is not there."""
_NUMBERS: Final = (
    "_last_sequence", "_last_part", "_last_decision_id", "_last_notice", "_last_ended", "_mark",
    "_control",
)  # fmt: skip
_UNDER_LOCK: Final = frozenset({"_states", "_messages", "_parts", "_by_identifier", "_versions"})
"""What only the holder of a customer's lock may change."""
_SAME_IS_ONE: Final = frozenset({"_linked", "_members", "_guards", "_accesses"})
"""Where two who add the same do not contradict each other."""
_INNER: Final[dict[str, type]] = {
    "_claims": set, "_members": set, "_linked": set, "_hashes": list,
}  # fmt: skip


def flatten(table: Any) -> Flat:
    """Return a table as one dictionary of values that are never changed in place."""
    if isinstance(table, int):
        return {(): table}
    if isinstance(table, list):
        # The audit's entries know their own places, whoever wrote them first.
        return {getattr(one, "entry_id", place): one for place, one in enumerate(table)}
    first = next(iter(table.values()), None)
    if isinstance(first, set):
        return {(key, one): None for key, ones in table.items() for one in ones}
    if isinstance(first, list):
        return {(key, place): one for key, many in table.items() for place, one in enumerate(many)}
    return dict(table)


def fill(table: Any, flat: Flat, inner: type | None) -> None:
    """Make a table what a flat one says; `inner` is what its values are, where they are containers."""
    table.clear()
    if isinstance(table, list):
        table.extend(one for _, one in sorted(flat.items()))
    elif inner is set:
        for key, one in flat:
            table.setdefault(key, set()).add(one)
    elif inner is list:
        for (key, _), one in sorted(flat.items()):
            table.setdefault(key, []).append(one)
    else:
        table.update(flat)


def changes(before: Flat, after: Flat) -> Flat:
    """Return what became of a table: key -> new value, or `GONE`."""
    changed = {key: value for key, value in after.items() if before.get(key, GONE) is not value}
    changed |= {key: GONE for key in before if key not in after}
    return changed


def apply_changes(flat: Mapping[Any, Any], changed: Flat) -> Flat:
    """Return a table as it is after changes."""
    merged = dict(flat)
    for key, value in changed.items():
        if value is GONE:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


class Tables:
    """The tables of one connection: what was committed when it last looked, and its own changes."""

    def __init__(self, *owners: Any, without: Collection[str]) -> None:
        """Take every dictionary and list of these objects for a table."""
        self._places = {
            name: (owner, name)
            for owner in owners
            for name, value in vars(owner).items()
            if isinstance(value, dict | list) and name not in without
        }
        self._owner = owners[0]
        self._names = (*self._places, *_NUMBERS)
        self._base: dict[str, Flat] = {}
        self._seen: Mapping[str, Flat] | None = None
        self.forget()

    def forget(self) -> None:
        """Forget one's own changes, and what was committed."""
        self._base = {name: {} for name in self._names}
        self._seen = None

    def catch_up(self, committed: Mapping[str, Flat], *, keeps: bool) -> None:
        """See what others committed, beneath one's own changes if they are kept.

        Raises:
            ContendedError: another one was first with the same.
            AssertionError: two changed what only the holder of a lock may change.
        """
        if self._seen is committed:
            return
        own = self._own_changes() if keeps else {}
        merged = {}
        for name in self._names:
            before, mine = committed.get(name, {}), own.get(name, {})
            self._check_apart(name, before, mine)
            merged[name] = apply_changes(before, mine)
            if name in _NUMBERS:
                merged[name] = {(): max(before.get((), 0), merged[name].get((), 0))}
        self._base = {name: committed.get(name, {}) for name in self._names}
        self._write(merged)
        self._seen = committed

    def merge_into(self, committed: Mapping[str, Flat]) -> dict[str, Flat]:
        """Return what is committed together with one's own changes."""
        self.catch_up(committed, keeps=True)
        now = self._read()
        changed = {name: now[name] for name in self._names if changes(self._base[name], now[name])}
        return {**committed, **changed}

    def _own_changes(self) -> dict[str, Flat]:
        now = self._read()
        return {name: changes(self._base[name], now[name]) for name in self._names}

    def _check_apart(self, name: str, committed: Flat, mine: Flat) -> None:
        if name in _NUMBERS or name in _SAME_IS_ONE:
            return
        for key in mine:
            was = self._base[name].get(key, GONE)
            if committed.get(key, GONE) is was:
                continue
            if was is GONE:
                raise ContendedError(f"another node was first with {name} {key}")
            if name in _UNDER_LOCK:
                raise AssertionError(f"two nodes changed {name} {key} at once")

    def _read(self) -> dict[str, Flat]:
        found = {name: flatten(getattr(*place)) for name, place in self._places.items()}
        return found | {name: flatten(getattr(self._owner, name)) for name in _NUMBERS}

    def _write(self, tables: Mapping[str, Flat]) -> None:
        for name, place in self._places.items():
            fill(getattr(*place), tables[name], _INNER.get(name))
        for name in _NUMBERS:
            setattr(self._owner, name, tables[name].get((), 0))
