"""What of an event an analysis may read: the fields that it asks for, masked unless it may see them.

Rows carry no identifiers: a customer is a number that means something here and nowhere else.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from kept.core.brand.model import Brand
from kept.core.data_map.fields import places_of, set_from
from kept.core.event import CORRECTED, MESSAGE_LEAVING, Event
from kept.core.explicit_consent import Guard, guards_of, is_given
from kept.core.mask import HIDDEN, mask_value
from kept.core.scopes import TRAIT_PREFIX
from kept.core.state import Stamped
from kept.core.values import format_instant
from kept.errors import InputError

_GROUPS: Final = ("properties", "traits", "context")

Place = tuple[str, str]
"""(event, path in it such as `properties.amount`); an empty event stands for every one."""
Guarded: TypeAlias = tuple[Guard, bool]
"""A guard, and whether it covers the purpose of the reading."""
_NOTHING: Final = object()


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event as an analysis reads it."""

    sequence: int
    customer: int
    event: str
    source: str
    occurred_at: str
    properties: dict[str, Any]
    traits: dict[str, Any]
    context: dict[str, Any]


class Lens:
    """What one reading may see of events, for one purpose of one legal entity."""

    def __init__(
        self,
        brand: Brand,
        *,
        entity: str,
        purpose: str,
        fields: Iterable[str],
        in_the_clear: bool,
    ) -> None:
        """Work out which places are read, which are plain, and which are of a special category.

        Raises:
            InputError: a field is none of the brand's.
        """
        self._wanted = _wanted_places(brand, fields)
        self._wanted_within = _by_outer(self._wanted or ())
        self._in_the_clear = in_the_clear
        self._plain = _plain_places(brand)
        self._guarded: dict[Place, list[Guarded]] = {}
        self._guarded_facts: dict[str, list[Guarded]] = {}
        for guard in guards_of(brand):
            covers = {guard.rule.purpose, *brand.consent.purposes[guard.rule.purpose].covers}
            guarded = guard, guard.entity == entity and purpose in covers
            for fact in guard.facts:
                self._guarded_facts.setdefault(fact, []).append(guarded)
                for place in places_behind(brand, fact):
                    self._guarded.setdefault(place, []).append(guarded)
        self._guarded_within = _by_outer(self._guarded)

    def read(
        self, sequence: int, customer: int, event: Event, consents: Mapping[str, Stamped]
    ) -> HistoryRow | None:
        """Return what may be read of an event, None where nothing of it was asked for."""
        told = {group: dict(getattr(event, group)) for group in _GROUPS}
        self._take_out(event, told, consents)
        groups = {
            group: {
                name: shown
                for name, value in values.items()
                if (shown := self._read(event.name, f"{group}.{name}", value, consents))
                is not _NOTHING
            }
            for group, values in told.items()
        }
        if self._wanted is not None and not any(groups.values()):
            asked = {(event.name, "occurred_at"), ("", "occurred_at"), ("*", "occurred_at")}
            if self._wanted.isdisjoint(asked):
                return None
        return HistoryRow(
            sequence=sequence,
            customer=customer,
            event=event.name,
            source=event.source,
            occurred_at=format_instant(event.occurred_at),
            **groups,
        )

    def _take_out(
        self, event: Event, told: dict[str, dict[str, Any]], consents: Mapping[str, Stamped]
    ) -> None:
        """Take out of events of our own what they say of fields that may not be read."""
        properties = told["properties"]
        if event.name == MESSAGE_LEAVING:
            kind = str(properties.get("about", "")).partition("/")[0]
            self._keep_readable(properties, "sets", kind, consents)
        elif event.name == CORRECTED:
            kind = str(properties.get("kind", ""))
            is_whole = self._keep_readable(properties, "set", kind, consents)
            facts = [f"{TRAIT_PREFIX}{name}" for name in told["traits"]]
            if not is_whole or not all(self._is_allowed(fact, consents) for fact in facts):
                # Digests of what was said before; of a few values it is soon found out which.
                properties.pop("rejected", None)

    def _keep_readable(
        self, properties: dict[str, Any], name: str, kind: str, consents: Mapping[str, Stamped]
    ) -> bool:
        """Keep of the values of an object those that may be read, and return whether all may."""
        values = properties.get(name)
        if not isinstance(values, dict):
            return True
        kept = {
            field: value
            for field, value in values.items()
            if self._is_allowed(f"{kind}.{field}", consents)
        }
        properties[name] = kept
        if not kept:
            del properties[name]
        return len(kept) == len(values)

    def _is_allowed(self, fact: str, consents: Mapping[str, Stamped]) -> bool:
        return _are_open(self._guarded_facts.get(fact, ()), consents)

    def _read(self, event: str, path: str, value: Any, consents: Mapping[str, Stamped]) -> Any:
        """Return what may be read at a name, `_NOTHING` where that is nothing at all."""
        if self._wanted is None or not self._wanted.isdisjoint(_wide(event, path)):
            is_readable = self._may_read(event, path, consents)
            return self._shown(event, path, value) if is_readable else _NOTHING
        wanted = {
            place[1] for outer in _wide(event, path) for place in self._wanted_within.get(outer, ())
        }
        found: dict[str, Any] = {}
        taken: list[str] = []
        for inner in sorted(wanted):
            steps = inner.removeprefix(f"{path}.").split(".")
            leaf = _walk(value, steps)
            if leaf is _NOTHING or any(inner.startswith(f"{one}.") for one in taken):
                continue
            if self._may_read(event, inner, consents):
                taken.append(inner)
                _put(found, steps, self._shown(event, inner, leaf))
        return found or _NOTHING

    def _may_read(self, event: str, path: str, consents: Mapping[str, Stamped]) -> bool:
        """Return whether a place holds nothing of a special category that may not be read."""
        steps = path.split(".")
        # A guard may stand at the place itself, at what it lies in, or at what lies in it.
        outer = [".".join(steps[:count]) for count in range(2, len(steps) + 1)]
        at = [place for one in outer for place in _wide(event, one)]
        at += [place for one in _wide(event, path) for place in self._guarded_within.get(one, ())]
        return all(_are_open(self._guarded.get(place, ()), consents) for place in at)

    def _shown(self, event: str, path: str, value: Any) -> Any:
        if self._in_the_clear or not self._plain.isdisjoint({(event, path), ("", path)}):
            return value
        return HIDDEN if isinstance(value, dict | list) else mask_value(value)


def _wide(event: str, path: str) -> tuple[Place, Place, Place]:
    """Return under which places a path of an event may have been declared."""
    return (event, path), ("", path), ("*", path)


def _are_open(guarded: Iterable[Guarded], consents: Mapping[str, Stamped]) -> bool:
    """Return whether a special category has its own explicit consent, for a purpose that this one covers."""
    return all(is_covered and is_given(guard, consents) for guard, is_covered in guarded)


def _by_outer(places: Iterable[Place]) -> dict[Place, list[Place]]:
    """Return places by each place that they lie in, such as `properties.a` of `properties.a.b`."""
    found: dict[Place, list[Place]] = {}
    for event, path in places:
        steps = path.split(".")
        for count in range(2, len(steps)):
            found.setdefault((event, ".".join(steps[:count])), []).append((event, path))
    return found


def _walk(value: Any, steps: Iterable[str]) -> Any:
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return _NOTHING
        value = value[step]
    return value


def _put(values: dict[str, Any], steps: Sequence[str], value: Any) -> None:
    for step in steps[:-1]:
        values = values.setdefault(step, {})
    values[steps[-1]] = value


def places_behind(brand: Brand, field: str) -> list[Place]:
    """Return where in events a field of the brand is told; empty for a name that is no field's."""
    facts = brand.facts
    if field.startswith(TRAIT_PREFIX) and field.removeprefix(TRAIT_PREFIX) in facts.traits:
        return [("", f"traits.{field.removeprefix(TRAIT_PREFIX)}")]
    if field in facts.features:
        return [(event, _path(place)) for event, place in places_of(facts.features[field])]
    kind, _, name = field.partition(".")
    declared = facts.objects.get(kind)
    if declared is None or name not in {"key", *declared.fields}:
        return []
    return [
        (event, _path(place))
        for event, place in set_from(declared, name)
        if not place.startswith("constant ")
    ]


def _wanted_places(brand: Brand, fields: Iterable[str]) -> frozenset[Place] | None:
    """Return the places that are asked for, None for all of them."""
    found: set[Place] = set()
    asked = list(fields)
    for field in asked:
        places = places_behind(brand, field)
        if not places:
            message = f"there is no field {field!r}; `kept data-map` lists them"
            raise InputError(message)
        found.update(places)
    return frozenset(found) if asked else None


def _plain_places(brand: Brand) -> frozenset[Place]:
    """Return the places that tell nothing personal: each field that they feed was declared so."""
    plain, personal = declared_places(brand)
    return plain - personal


def declared_places(brand: Brand) -> tuple[frozenset[Place], frozenset[Place]]:
    """Return the places that feed fields which are not personal, and those that feed others."""
    plain: set[Place] = set()
    personal: set[Place] = set()
    facts = brand.facts
    for name, trait in facts.traits.items():
        (personal if trait.personal else plain).update(places_behind(brand, f"trait.{name}"))
    for name, feature in facts.features.items():
        (personal if feature.personal else plain).update(places_behind(brand, name))
    for kind, declared in facts.objects.items():
        for field in ("key", *declared.fields):
            target = plain if field in declared.not_personal else personal
            target.update(places_behind(brand, f"{kind}.{field}"))
    return frozenset(plain), frozenset(personal)


def _path(place: str) -> str:
    """Return a place as a path: a bare word is a property."""
    is_path = place == "occurred_at" or place.partition(".")[0] in _GROUPS
    return place if is_path else f"properties.{place}"
