"""A state as far as a brand in force reads it: what a brand before left stays where nobody looks."""

from collections.abc import Collection
from typing import Any

from kept.core.state import State


def keep_only(state: State, slots: Collection[str]) -> State:
    """Take out of a state what is kept in other slots than these, and return it."""
    kept: tuple[dict[str, Any], ...]
    kept = state.features, state.traits, state.objects, state.forgotten_objects
    for found in kept:
        for slot in found.keys() - set(slots):
            del found[slot]
    return state
