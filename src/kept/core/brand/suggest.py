"""The nearest known name to one that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LISTED_MAX: Final = 8


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
    lowered = {candidate.lower(): candidate for candidate in reversed(names)}
    near = get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    if near:
        return f"did you mean `{lowered[near[0]]}`?"
    if len(names) <= _LISTED_MAX:
        return "known are " + ", ".join(f"`{candidate}`" for candidate in names)
    return f"{len(names)} are known, among them " + ", ".join(
        f"`{candidate}`" for candidate in names[:_LISTED_MAX]
    )
