"""What an expression may name, and the types of these names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from kept.core.policy.types import Type

_NONE: Final[Mapping[str, Mapping[str, "Type | Fact"]]] = MappingProxyType({})


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A name's type, and whether it may be NULL (known to be none)."""

    type: Type
    nullable: bool = True


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The names that an expression may use.

    `facts` are plain or dotted names such as `orders_90d` and `trait.first_name`. `objects` are
    the kinds of objects with their fields, for `exists(case, ...)`; `about` is the kind of the one
    object in play, whose fields are `about.x`. `more` holds further dotted namespaces, such as
    `offer`. A field given as a bare `Type` may be NULL.
    """

    facts: Mapping[str, Fact]
    objects: Mapping[str, Mapping[str, Type | Fact]] = _NONE
    about: str | None = None
    more: Mapping[str, Mapping[str, Type | Fact]] = _NONE

    def find_field(self, space: str, name: str) -> Fact | None:
        """Return the field of a namespace: `about` or one of `more`."""
        return as_fact(self.fields_of(space).get(name))

    def find_row_field(self, kind: str, name: str) -> Fact | None:
        """Return the field of a kind of object."""
        return as_fact(self.objects.get(kind, {}).get(name))

    def fields_of(self, space: str) -> Mapping[str, Type | Fact]:
        """Return all fields of a namespace; none where there is no such namespace."""
        if space == "about":
            return self.objects.get(self.about, {}) if self.about is not None else {}
        return self.more.get(space, {})

    def all_names(self) -> list[str]:
        """Return every name that can be written outside an object's predicate."""
        names = list(self.facts)
        for space in ("about", *self.more):
            names.extend(f"{space}.{field}" for field in self.fields_of(space))
        return names


def as_fact(field: Type | Fact | None) -> Fact | None:
    """Return a field as a fact; a bare type may be NULL."""
    return Fact(type=field) if isinstance(field, Type) else field
