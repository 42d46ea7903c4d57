"""The nearest known name to one that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LISTED_MAX: Final = 8
_LIKENESS_MIN: Final = 0.6


def suggest_name(name: str, known: Iterable[str], *, empty: str = "") -> str:
    """Return what to write instead of `name`: the nearest known name, or which there are.

    Args:
        name: what was written.
        known: what might have been meant.
        empty: what to say when nothing is known at all.
    """
    names = sorted(set(known))
    if not names:
        return empty
    near = nearest_name(name, names)
    if near:
        return f"did you mean `{near}`?"
    if len(names) <= _LISTED_MAX:
        return "known are " + ", ".join(f"`{candidate}`" for candidate in names)
    return f"{len(names)} are known, among them " + ", ".join(
        f"`{candidate}`" for candidate in names[:_LISTED_MAX]
    )


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like another, or an empty text if none is like it."""
    lowered = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    near = get_close_matches(name.lower(), list(lowered), n=1, cutoff=_LIKENESS_MIN)
    return lowered[near[0]] if near else ""
