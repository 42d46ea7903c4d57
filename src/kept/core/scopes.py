"""What the conditions and values of a brand may name, and the order in which facts are kept.

The checker and the compiler share this, so that what was checked is what runs. Facts come in this
order: features, traits, then what is derived from them (the cohort, and each segment). The kinds of
objects follow, for they too can be unknown.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from kept.core.brand.model import CohortsFile, FactsFile
from kept.core.fold.compile import events_of, feature_type
from kept.core.policy.scope import Fact, Scope
from kept.core.policy.types import BOOL, TEXT, Type, parse_type

COHORT: Final = "cohort"
SEGMENT_PREFIX: Final = "segment."
TRAIT_PREFIX: Final = "trait."
NEVER_NULL: Final = frozenset({"count", "sum", "distinct"})
"""Aggregates that are 0, not NULL, where nothing was counted."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Where each fact stands, and each kind of object with its fields."""

    features: tuple[str, ...]
    traits: tuple[str, ...]
    segments: tuple[str, ...]
    kinds: tuple[str, ...]
    fields: tuple[tuple[str, ...], ...]
    """For each kind its fields, of which the first is `key`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the facts in order, as conditions write them."""
        return (
            *self.features,
            *(f"{TRAIT_PREFIX}{name}" for name in self.traits),
            COHORT,
            *(f"{SEGMENT_PREFIX}{name}" for name in self.segments),
        )

    @property
    def told_count(self) -> int:
        """Return how many facts are read from the state and not derived from others."""
        return len(self.features) + len(self.traits)


def order_of(facts: FactsFile, cohorts: CohortsFile) -> Order:
    """Return the order of a brand's facts."""
    return Order(
        features=tuple(facts.features),
        traits=tuple(facts.traits),
        segments=tuple(cohorts.segments),
        kinds=tuple(facts.objects),
        fields=tuple(("key", *declared.fields) for declared in facts.objects.values()),
    )


def told_facts(facts: FactsFile) -> dict[str, Fact]:
    """Return the facts that cohorts may read: features and traits."""
    found: dict[str, Fact] = {}
    for name, feature in facts.features.items():
        aggregate, _ = events_of(feature)
        never_null = aggregate in NEVER_NULL or (aggregate == "dwell" and bool(feature.by))
        found[name] = Fact(type=parse_type(feature_type(feature)), nullable=not never_null)
    for name, trait in facts.traits.items():
        found[f"{TRAIT_PREFIX}{name}"] = Fact(type=parse_type(trait.type))
    return found


def object_types(facts: FactsFile) -> dict[str, dict[str, Type | Fact]]:
    """Return the fields of each kind of object; only the key is always there."""
    return {
        kind: {
            "key": Fact(type=TEXT, nullable=False),
            **{field: parse_type(text) for field, text in declared.fields.items()},
        }
        for kind, declared in facts.objects.items()
    }


def cohort_scope(facts: FactsFile) -> Scope:
    """Return what the conditions of cohorts may name."""
    return Scope(facts=told_facts(facts), objects=object_types(facts))


def segment_scope(facts: FactsFile) -> Scope:
    """Return what the conditions of segments may name: the cohort too."""
    known = told_facts(facts) | {COHORT: Fact(type=TEXT, nullable=False)}
    return Scope(facts=known, objects=object_types(facts))


def policy_scope(
    facts: FactsFile,
    cohorts: CohortsFile,
    *,
    about: str = "",
    offer: Mapping[str, str] | None = None,
) -> Scope:
    """Return what holds and actions may name.

    Args:
        about: the kind of the object in play.
        offer: the types of the action's own terms (`offer.yearly_price`).
    """
    known = dict(segment_scope(facts).facts) | {
        f"{SEGMENT_PREFIX}{name}": Fact(type=BOOL, nullable=False) for name in cohorts.segments
    }
    offered = {
        name: Fact(type=parse_type(kind), nullable=False) for name, kind in (offer or {}).items()
    }
    return Scope(
        facts=known,
        objects=object_types(facts),
        about=about or None,
        more={"offer": offered} if offered else {},
    )
