"""Values of people shortened: who knows them recognises them, and nobody else learns them."""

from collections.abc import Collection
from typing import Any, Final

HIDDEN: Final = "•••"
"""Stands for what is not shown."""
_SHOWN_MIN: Final = 4
"""A shorter text is hidden whole: any part of it would be most of it."""


def mask_text(text: str) -> str:
    """Return a text with all but its ends hidden; of an e-mail address each part by itself."""
    local, at, domain = text.rpartition("@")
    if at and local:
        host, dot, ending = domain.rpartition(".")
        return f"{_ends(local)}@{_ends(host)}{dot}{ending}" if dot else f"{_ends(local)}@{HIDDEN}"
    return _ends(text)


def mask_value(value: Any) -> Any:
    """Return a trait's value as it may be shown: yes and no as they are, the rest masked."""
    if value is None or isinstance(value, bool):
        return value
    return mask_text(str(value))


def _ends(text: str) -> str:
    if len(text) <= _SHOWN_MIN:
        return HIDDEN
    return f"{text[0]}{HIDDEN}{text[-1]}"


def mask_json(value: Any, *, kept: Collection[str] = ()) -> Any:
    """Return a JSON value with its structure in full and every text and number in it masked.

    Args:
        value: what was decoded.
        kept: names of members whose texts stay, for they say what it is and not of whom.
    """
    if isinstance(value, dict):
        return {
            name: each if name in kept and isinstance(each, str) else mask_json(each, kept=kept)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [mask_json(each, kept=kept) for each in value]
    return mask_value(value)


def is_masked(text: str) -> bool:
    """Return whether something in a text was hidden by this module."""
    return HIDDEN in text
