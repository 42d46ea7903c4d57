"""What holds, cohorts and actions read that another version of a brand declares otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kept.core.brand.model import Brand, ObjectKind
from kept.core.data_map.readers import Reader, derived_facts, readers_of
from kept.core.diff.changes import show
from kept.core.scopes import COHORT, SEGMENT_PREFIX, TRAIT_PREFIX

_NO_MATTER: Final = frozenset({"personal", "ask"})
"""What is declared of a fact and changes no condition that reads it."""


class Redeclared(msgspec.Struct, frozen=True, kw_only=True):
    """One fact that is declared otherwise, and who reads it."""

    reader: Reader
    fact: str
    """As conditions write it."""
    before: str
    after: str


def find_redeclared(before: Brand, after: Brand) -> Iterator[Redeclared]:
    """Yield what every reader of a brand reads that is not what it was, itself or beneath."""
    readers = tuple(readers_of(before, ()))
    derived = derived_facts(before, readers)
    for reader in readers:
        for fact in sorted(_all_read(reader, derived)):
            one, other = _declared(before, fact), _declared(after, fact)
            if one != other:
                yield Redeclared(reader=reader, fact=fact, before=_words(one), after=_words(other))


def _all_read(reader: Reader, derived: Mapping[str, frozenset[str]]) -> set[str]:
    """Return what is read, with everything of which cohorts and segments are made."""
    found: set[str] = set()
    left = list(reader.names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += derived.get(name, ())
    return found


def _declared(brand: Brand, fact: str) -> Any:
    """Return all that a fact's value follows from, None for one that is gone."""
    facts, cohorts = brand.facts, brand.cohorts
    if fact == COHORT:
        known = [(name, cohort.when) for name, cohort in cohorts.cohorts.items()]
        return [*known, ("otherwise", cohorts.otherwise)]
    if fact.startswith(SEGMENT_PREFIX):
        segment = cohorts.segments.get(fact.removeprefix(SEGMENT_PREFIX))
        return segment and segment.when
    declared = facts.features.get(fact) or facts.traits.get(fact.removeprefix(TRAIT_PREFIX))
    if declared is not None:
        told = msgspec.to_builtins(declared)
        return {name: value for name, value in told.items() if value and name not in _NO_MATTER}
    kind, _, field = fact.partition(".")
    return _declared_field(facts.objects[kind], field) if kind in facts.objects else None


def _declared_field(declared: ObjectKind, field: str) -> Any:
    if field == "key":
        # An object is there as soon as one of these events names it.
        told: dict[str, Any] = {name: event.where for name, event in declared.events.items()}
        return {"key": declared.key, **told}
    return {
        "type": declared.fields.get(field),
        "processed_for": declared.processed_for if field in declared.sensitive else None,
        **{
            name: {"set": event.set[field], **event.where}
            for name, event in declared.events.items()
            if field in event.set
        },
    }


def _words(declared: Any) -> str:
    return "gone" if declared is None else show(declared)
