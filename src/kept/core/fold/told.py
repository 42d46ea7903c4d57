"""Read traits and objects out of a state by name, as the brand in force declares them.

A state may hold more: what a changed brand is being prepared with, and what an earlier one left.
"""

from collections.abc import Mapping

from kept.core.fold.fold import FoldPlan
from kept.core.state import Stamped, State, name_of_slot

_NONE: Mapping[str, Mapping[str, Stamped]] = {}


def told_trait(plan: FoldPlan, state: State, name: str) -> Stamped | None:
    """Return what was told last of a trait."""
    return state.traits.get(_slot_of_trait(plan, name))


def told_text(plan: FoldPlan, state: State, name: str) -> str:
    """Return the text that was told last of a trait; empty where none was."""
    said = told_trait(plan, state, name)
    return said.value if said is not None and isinstance(said.value, str) else ""


def told_traits(plan: FoldPlan, state: State) -> dict[str, Stamped]:
    """Return what was told last of each trait, by name."""
    named = ((name_of_slot(slot), slot, said) for slot, said in state.traits.items())
    return {name: said for name, slot, said in named if slot == _slot_of_trait(plan, name)}


def told_objects(plan: FoldPlan, state: State) -> dict[str, Mapping[str, Mapping[str, Stamped]]]:
    """Return kind -> key -> field -> value."""
    named = ((name_of_slot(slot), slot, found) for slot, found in state.objects.items())
    return {kind: found for kind, slot, found in named if slot == _slot_of_kind(plan, kind)}


def told_objects_of(plan: FoldPlan, state: State, kind: str) -> Mapping[str, Mapping[str, Stamped]]:
    """Return key -> field -> value of one kind."""
    return state.objects.get(_slot_of_kind(plan, kind), _NONE)


def _slot_of_trait(plan: FoldPlan, name: str) -> str:
    declared = plan.traits.get(name)
    return declared[0].slot if declared else name


def _slot_of_kind(plan: FoldPlan, kind: str) -> str:
    declared = plan.kinds.get(kind)
    return declared[0].slot if declared else kind
