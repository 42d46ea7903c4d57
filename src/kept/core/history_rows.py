"""What of an event an analysis may read: the fields that it asks for, masked unless it may see them.

Rows carry no identifiers: a customer is a number that means something here and nowhere else.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kept.core.brand.model import Brand
from kept.core.data_map.fields import places_of, set_from
from kept.core.event import Event
from kept.core.explicit_consent import Guard, guards_of, is_given
from kept.core.mask import HIDDEN, mask_value
from kept.core.scopes import TRAIT_PREFIX
from kept.core.state import Stamped
from kept.core.values import format_instant
from kept.errors import InputError

_GROUPS: Final = ("properties", "traits", "context")

Place = tuple[str, str]
"""(event, path in it such as `properties.amount`); an empty event stands for every one."""


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
        self._in_the_clear = in_the_clear
        self._plain = _plain_places(brand)
        self._guarded: dict[Place, list[tuple[Guard, bool]]] = {}
        for guard in guards_of(brand):
            covers = {guard.rule.purpose, *brand.consent.purposes[guard.rule.purpose].covers}
            is_covered = guard.entity == entity and purpose in covers
            for fact in guard.facts:
                for place in places_behind(brand, fact):
                    self._guarded.setdefault(place, []).append((guard, is_covered))

    def read(
        self, sequence: int, customer: int, event: Event, consents: Mapping[str, Stamped]
    ) -> HistoryRow | None:
        """Return what may be read of an event, None where nothing of it was asked for."""
        groups = {
            group: {
                name: self._shown(event.name, f"{group}.{name}", value)
                for name, value in getattr(event, group).items()
                if self._may_read(event.name, f"{group}.{name}", consents)
            }
            for group in _GROUPS
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

    def _may_read(self, event: str, path: str, consents: Mapping[str, Stamped]) -> bool:
        places = {(event, path), ("", path), ("*", path)}
        if self._wanted is not None and self._wanted.isdisjoint(places):
            return False
        # A special category needs its own explicit consent, and a purpose that this one covers.
        return all(
            is_covered and is_given(guard, consents)
            for place in places
            for guard, is_covered in self._guarded.get(place, ())
        )

    def _shown(self, event: str, path: str, value: Any) -> Any:
        if self._in_the_clear or not self._plain.isdisjoint({(event, path), ("", path)}):
            return value
        return HIDDEN if isinstance(value, dict | list) else mask_value(value)


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
