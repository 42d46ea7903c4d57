"""From `facts.yaml` to a fold plan: which event changes what.

A feature is found in a state under its fingerprint (its name and the hash of its definition), so
that a changed definition starts empty and is back-filled, and an unchanged one keeps its slot. So
are a trait and a kind of objects, but that the first slot of each bears just its name.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kept.core.brand.model import FactsFile, Feature, Match, ObjectKind, Trait
from kept.core.brand.model_facts import NOBODY
from kept.core.brand.units import parse_duration
from kept.core.event import Event
from kept.core.fold import aggregate as ag
from kept.core.readers import Reader, reader_for
from kept.core.values import DAY, HOUR, MINUTE, SECOND

AGGREGATES: Final = ("count", "sum", "min", "max", "first", "last", "distinct", "top", "dwell")

Getter = Callable[[Event], Any]


class FeaturePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One feature, ready to be folded and read."""

    name: str
    definition: str
    """The name and a hash of what `facts.yaml` says; a changed feature is another one."""
    fingerprint: str
    """The slot of a state that it is folded into; usually the definition itself."""
    type: str
    events: tuple[str, ...]
    aggregate: ag.Aggregate
    get: Getter
    read_value: Reader | None
    """None where the aggregate needs no value (a count)."""
    where: tuple[tuple[str, frozenset[Any]], ...]


class FieldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One field that an event sets on an object."""

    field: str
    get: Getter
    read_value: Reader


class ObjectPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one event does to one kind of object."""

    kind: str
    slot: str
    """Where a state keeps such objects."""
    key_property: str
    where: tuple[tuple[str, frozenset[Any]], ...]
    fields: tuple[FieldPlan, ...]


class KindPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of objects: where a state keeps it, and the types of its fields."""

    slot: str
    types: dict[str, str]


class TraitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One trait: where a state keeps it, and how it is read."""

    slot: str
    read_value: Reader


def events_of(feature: Feature) -> tuple[str, tuple[str, ...]]:
    """Return a feature's aggregate and its event names."""
    for name in AGGREGATES:
        events = getattr(feature, name)
        if events:
            return name, (events,) if isinstance(events, str) else tuple(events)
    raise AssertionError("a checked feature has an aggregate")


def feature_type(feature: Feature) -> str:
    """Return the type of a feature's value."""
    kind, _ = events_of(feature)
    if kind in ("count", "distinct") or (kind == "dwell" and feature.by):
        return "int"
    if feature.type:
        return feature.type
    return (
        "timestamp" if kind in ("first", "last") and feature.of in ("", "occurred_at") else "text"
    )


def definition_of(name: str, feature: Feature) -> str:
    """Return what identifies a feature's definition; how it is classified changes no value."""
    plain = msgspec.structs.replace(feature, personal=True, sensitive=False, processed_for=NOBODY)
    return f"{name}#{_short_hash(plain)}"


def definition_of_kind(name: str, kind: ObjectKind) -> str:
    """Return what identifies the declaration of a kind of objects, but for how it is classified."""
    plain = msgspec.structs.replace(kind, not_personal=(), sensitive=(), processed_for=NOBODY)
    return f"object:{name}#{_short_hash(plain)}"


def definition_of_trait(name: str, trait: Trait) -> str:
    """Return what identifies the declaration of a trait: nothing but its type changes its value."""
    return f"trait:{name}#{_short_hash(trait.type)}"


def _short_hash(declared: object) -> str:
    return hashlib.sha256(msgspec.json.encode(declared)).hexdigest()[:8]


def first_slots(facts: FactsFile) -> dict[str, str]:
    """Return for each definition of `facts.yaml` the slot that it has if none was in force before."""
    features = (definition_of(name, feature) for name, feature in facts.features.items())
    return {
        **{definition: definition for definition in features},
        **{definition_of_kind(name, kind): name for name, kind in facts.objects.items()},
        **{definition_of_trait(name, trait): name for name, trait in facts.traits.items()},
    }


def compile_feature(name: str, feature: Feature, *, slots: Mapping[str, str]) -> FeaturePlan:
    """Return the plan of one feature, which `slots` says where to keep."""
    kind, events = events_of(feature)
    value_type = feature_type(feature)
    needs_value = kind != "count"
    source = feature.of or "occurred_at"
    definition = definition_of(name, feature)
    return FeaturePlan(
        name=name,
        definition=definition,
        fingerprint=slots[definition],
        type=value_type,
        events=events,
        aggregate=_build_aggregate(kind, feature),
        get=getter(source, bare_is_property=True),
        read_value=(
            _reader_of(source, "text" if kind in ("distinct", "top", "dwell") else value_type)
            if needs_value
            else None
        ),
        where=compile_match(feature.where),
    )


def _reader_of(source: str, value_type: str) -> Reader:
    # The event's own time is an instant already.
    return (lambda raw: raw) if source == "occurred_at" else reader_for(value_type)


def _build_aggregate(kind: str, feature: Feature) -> ag.Aggregate:
    window = parse_duration(feature.window) if feature.window else 0
    grain = parse_duration(feature.grain) if feature.grain else grain_of(window)
    if kind == "dwell":
        return ag.Dwell(
            window=window or 3650 * DAY,
            grain=grain,
            gap=parse_duration(feature.gap),
            seconds=bool(feature.by),
        )
    fold, add, finish, empty = _ARITHMETIC[kind]
    if not window:
        return ag.Whole(fold, add, finish, empty)
    buckets = max(1, window // grain)
    if kind == "count":
        return ag.WindowedCount(grain=grain, buckets=buckets)
    return ag.Windowed(fold, add, finish, empty, grain=grain, buckets=buckets)


def grain_of(window: int) -> int:
    """Return the grain where none is declared: a day, or less for a short window."""
    for grain in (DAY, HOUR, MINUTE):
        if window >= 2 * grain:
            return grain
    return SECOND if window else DAY


_ARITHMETIC: Final[dict[str, tuple[ag.Fold, ag.Add, ag.Finish, Any]]] = {
    "count": (ag.count_fold, ag.plus, ag.as_is, 0),
    "sum": (ag.sum_fold, ag.sum_add, ag.sum_value, 0),
    "min": (ag.min_fold, min, ag.as_is, None),
    "max": (ag.max_fold, max, ag.as_is, None),
    "first": (ag.first_fold, ag.first_add, ag.stamped_value, None),
    "last": (ag.last_fold, ag.last_add, ag.stamped_value, None),
    "distinct": (ag.values_fold, ag.values_add, ag.distinct_count, 0),
    "top": (ag.values_fold, ag.values_add, ag.top_value, None),
}


def compile_match(match: Match) -> tuple[tuple[str, frozenset[Any]], ...]:
    """Return (property, allowed values) pairs; all must hold."""
    return tuple(
        (name, frozenset(wanted) if isinstance(wanted, tuple) else frozenset((wanted,)))
        for name, wanted in match.items()
    )


def matches(where: tuple[tuple[str, frozenset[Any]], ...], properties: Mapping[str, Any]) -> bool:
    """Return whether an event's properties are as a `where` wants them."""
    for name, allowed in where:
        value = properties.get(name)
        # An unhashable value (a list, an object) equals no plain one.
        if isinstance(value, (dict, list)) or value not in allowed:
            return False
    return True


def getter(path: str, *, bare_is_property: bool = False) -> Getter:
    """Return a function that takes a value out of an event by its path."""
    if path == "occurred_at":
        return lambda event: event.occurred_at
    head, _, rest = path.partition(".")
    if head in ("properties", "traits", "context") and rest:
        if "." not in rest:
            if head == "properties":
                return lambda event: event.properties.get(rest)
            return lambda event: getattr(event, head).get(rest)
        steps = rest.split(".")
        return lambda event: _walk(getattr(event, head), steps)
    if bare_is_property:
        return lambda event: event.properties.get(path)
    raise AssertionError(f"a checked path begins with properties, traits or context: {path}")


def _walk(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def compile_kinds(
    kinds: Mapping[str, ObjectKind], *, slots: Mapping[str, str]
) -> dict[str, tuple[KindPlan, ...]]:
    """Return each kind of objects, by name."""
    return {
        name: (KindPlan(slot=slots[definition_of_kind(name, kind)], types=dict(kind.fields)),)
        for name, kind in kinds.items()
    }


def compile_traits(
    traits: Mapping[str, Trait], *, slots: Mapping[str, str]
) -> dict[str, tuple[TraitPlan, ...]]:
    """Return each trait, by name."""
    return {
        name: (
            TraitPlan(
                slot=slots[definition_of_trait(name, trait)], read_value=reader_for(trait.type)
            ),
        )
        for name, trait in traits.items()
    }


def compile_objects(
    kinds: Mapping[str, ObjectKind], *, slots: Mapping[str, str]
) -> dict[str, tuple[ObjectPlan, ...]]:
    """Return, for each event name, what it does to which kinds of objects."""
    plans: dict[str, list[ObjectPlan]] = {}
    for kind, declared in kinds.items():
        readers = {field: reader_for(type_text) for field, type_text in declared.fields.items()}
        for event_name, effect in declared.events.items():
            plans.setdefault(event_name, []).append(
                ObjectPlan(
                    kind=kind,
                    slot=slots[definition_of_kind(kind, declared)],
                    key_property=declared.key,
                    where=compile_match(effect.where),
                    fields=tuple(_compile_fields(effect.set, declared.fields, readers)),
                )
            )
    return {name: tuple(steps) for name, steps in plans.items()}


def _compile_fields(
    assignments: Mapping[str, str | int | bool],
    types: Mapping[str, str],
    readers: Mapping[str, Reader],
) -> Iterable[FieldPlan]:
    for field, source in assignments.items():
        if isinstance(source, str) and is_path(source):
            read = _reader_of(source, types[field])
            yield FieldPlan(field=field, get=getter(source), read_value=read)
        else:
            yield FieldPlan(field=field, get=_constant(source), read_value=readers[field])


def is_path(text: str) -> bool:
    """Return whether a text names a place in an event rather than being a constant."""
    return text == "occurred_at" or text.partition(".")[0] in ("properties", "traits", "context")


def _constant(value: Any) -> Getter:
    return lambda event: value
