"""Can a condition that is true become false again, by the passing of time or by some event?

A hold that cannot is a silence for ever. The answer is worked out from which way each value can
move: a count over all time only grows, `days_since` grows until the next event, a field takes only
the values that some event or action gives it. Where this does not tell, the answer is yes.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, cast

import msgspec

from kept.core.brand.model import Brand, Feature
from kept.core.fold.compile import AGGREGATES, is_path
from kept.core.policy.tree import (
    Aggregate,
    And,
    Between,
    Call,
    Compare,
    FactRef,
    FieldRef,
    IsNull,
    Literal,
    Node,
    Not,
    OneOf,
    Or,
    RowField,
    Sum,
)
from kept.core.scopes import TRAIT_PREFIX

Moves: TypeAlias = frozenset[str]

STILL: Final[Moves] = frozenset()
UP: Final[Moves] = frozenset({"up"})
DOWN: Final[Moves] = frozenset({"down"})
BOTH: Final = UP | DOWN

_ELAPSED: Final = frozenset({"days_since", "hours_since", "minutes_since", "years_since"})
_REMAINING: Final = frozenset({"days_until", "hours_until", "minutes_until"})
_RAISING: Final[Mapping[str, Moves]] = {
    "count": UP, "distinct": UP, "max": UP, "min": DOWN, "first": DOWN,
}  # fmt: skip
_ANYTHING: Final = object()


class Motion(msgspec.Struct, frozen=True, kw_only=True):
    """What moves the facts of a brand."""

    features: Mapping[str, Moves]
    traits: Mapping[str, Moves]
    fields: Mapping[tuple[str, str], frozenset[object]]
    """(kind, field) -> the constants that it is set to; `_ANYTHING` for what events carry."""
    about: str
    """The kind of the object in play."""


def motion_of(brand: Brand, *, about: str) -> Motion:
    """Return what moves the facts, where an object of this kind is in play."""
    fields: dict[tuple[str, str], set[object]] = {}
    for kind, declared in brand.facts.objects.items():
        for effect in declared.events.values():
            for field, value in effect.set.items():
                moving = isinstance(value, str) and is_path(value)
                fields.setdefault((kind, field), set()).add(_ANYTHING if moving else value)
    for action in brand.actions.values():
        for field in action.sets:
            fields.setdefault((action.about, field), set()).add(_ANYTHING)
    told = {
        trait
        for source in brand.sources.sources.values()
        for trait in source.traits or (brand.facts.traits if source.kind != "browser" else ())
    }
    return Motion(
        features={name: _moves_of(feature) for name, feature in brand.facts.features.items()},
        traits={name: BOTH if name in told else STILL for name in brand.facts.traits},
        fields={key: frozenset(values) for key, values in fields.items()},
        about=about,
    )


def _moves_of(feature: Feature) -> Moves:
    if feature.window:
        return BOTH
    kind = next((kind for kind in AGGREGATES if getattr(feature, kind)), "")
    if kind == "first" and feature.of not in {"", "occurred_at"}:
        return STILL
    return _RAISING.get(kind, BOTH)


def may_fall(node: Node, motion: Motion) -> bool:
    """Return whether a condition that holds can ever cease to hold."""
    match node:
        case And():
            return any(may_fall(operand, motion) for operand in node.operands)
        case Or():
            return all(may_fall(operand, motion) for operand in node.operands)
        case Not():
            return _may_rise(node.operand, motion)
        case Compare():
            return _comparison_falls(node, motion)
        case Aggregate():
            return node.predicate is not None and may_fall(node.predicate, motion)
    return _may_change(node, motion)


def _may_rise(node: Node, motion: Motion) -> bool:
    """Return whether a condition that does not hold can ever begin to hold."""
    match node:
        case And():
            return all(_may_rise(operand, motion) for operand in node.operands)
        case Or():
            return any(_may_rise(operand, motion) for operand in node.operands)
        case Not():
            return may_fall(node.operand, motion)
        case Compare(op="="):
            return _may_equal(node, motion)
        case Compare(op="<>"):
            return _may_differ(node, motion)
        case Compare():
            turned = msgspec.structs.replace(node, op=_OPPOSITE[node.op])
            return _comparison_falls(turned, motion)
        case Aggregate():
            return True
    return _may_change(node, motion)


_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _comparison_falls(node: Compare, motion: Motion) -> bool:
    if node.op == "=":
        return _may_differ(node, motion)
    if node.op == "<>":
        return _may_equal(node, motion)
    left, right = moves(node.left, motion), moves(node.right, motion)
    if node.op in {">", ">="}:
        return "down" in left or "up" in right
    return "up" in left or "down" in right


def _may_equal(node: Compare, motion: Motion) -> bool:
    """Return whether the sides of a comparison can become equal."""
    field, constant = _field_and_constant(node)
    if field is not None:
        values = _values_of(field, motion)
        return _ANYTHING in values or constant in values
    return _may_change(node.left, motion) or _may_change(node.right, motion)


def _may_differ(node: Compare, motion: Motion) -> bool:
    """Return whether the sides of a comparison can become different."""
    field, constant = _field_and_constant(node)
    if field is not None:
        values = _values_of(field, motion)
        return _ANYTHING in values or bool(values - {constant})
    return _may_change(node.left, motion) or _may_change(node.right, motion)


def _field_and_constant(node: Compare) -> tuple[FieldRef | RowField | None, object]:
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(other, Literal) and _is_field(side):
            return cast("FieldRef | RowField", side), other.value
    return None, None


def _is_field(node: Node) -> bool:
    return isinstance(node, RowField) or (isinstance(node, FieldRef) and node.space == "about")


def _values_of(field: FieldRef | RowField, motion: Motion) -> frozenset[object]:
    kind = field.object if isinstance(field, RowField) else motion.about
    return motion.fields.get((kind, field.name), frozenset())


def _may_change(node: Node, motion: Motion) -> bool:
    """Return whether a value can become another one at all."""
    match node:
        case OneOf() if _is_field(node.operand):
            values = _values_of(cast("FieldRef | RowField", node.operand), motion)
            return _ANYTHING in values or not values <= set(node.values)
        case IsNull() | OneOf():
            return _may_change(node.operand, motion)
        case Between():
            return any(_may_change(part, motion) for part in node.children)
    return bool(moves(node, motion))


def moves(node: Node, motion: Motion) -> Moves:
    """Return which way a value can move."""
    match node:
        case Literal():
            return STILL
        case FactRef():
            if node.name.startswith(TRAIT_PREFIX):
                return motion.traits.get(node.name.removeprefix(TRAIT_PREFIX), BOTH)
            return motion.features.get(node.name, BOTH)
        case RowField() | FieldRef():
            values = _values_of(node, motion) if _is_field(node) else frozenset()
            return BOTH if _ANYTHING in values or len(values) > 1 else STILL
        case Aggregate(function="count"):
            falls = node.predicate is not None and may_fall(node.predicate, motion)
            return BOTH if falls else UP
        case Aggregate():
            return BOTH
    return _moves_of_call(node, motion)


def _moves_of_call(node: Node, motion: Motion) -> Moves:
    """Return which way the value of a function or of arithmetic can move."""
    function = node.function if isinstance(node, Call) else ""
    inner = [moves(child, motion) for child in node.children]
    if function in _ELAPSED:
        return UP | _turned(inner[0])
    if function in _REMAINING:
        return DOWN | inner[0]
    if function in {"greatest", "least"}:
        return _together(inner)
    if isinstance(node, Sum):
        signed = zip(inner, node.signs, strict=True)
        return _together(found if sign > 0 else _turned(found) for found, sign in signed)
    return BOTH if node.timed or any(inner) else STILL


def _turned(found: Moves) -> Moves:
    return frozenset({"down" if move == "up" else "up" for move in found})


def _together(found: Iterable[Moves]) -> Moves:
    return frozenset().union(*found)
