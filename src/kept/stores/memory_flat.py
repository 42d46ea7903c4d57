"""Tables of the store in memory as flat dictionaries, so that what a transaction changed can be told.

A table is a dictionary of values, of sets or of lists, a list, or a number that only grows.
"""

from collections.abc import Mapping
from typing import Any, Final

Flat = dict[Any, Any]
GONE: Final = object()
"""Stands for what is not there."""


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
