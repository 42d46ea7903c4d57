"""Facts of a special category, read only where the customer gave the explicit consent for them.

Without that consent such a fact reads as if it had never been told: not *unknown*, which would hush
a customer for having refused, but absent, so that nobody is treated otherwise on account of it.
Consent counts as explicit (GDPR, article 9(2)(a)) where it was given to this legal entity for this
purpose in a wording that the brand keeps, and was not withdrawn.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from kept.core.brand.model import Brand
from kept.core.consent import PurposeRule, check_permission, purpose_key
from kept.core.scopes import TRAIT_PREFIX
from kept.core.state import Stamped

_NOTHING: Final[frozenset[str]] = frozenset()


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """One explicit consent, and the facts that are read under it."""

    entity: str
    rule: PurposeRule
    wordings: frozenset[str]
    """The wordings in which it may have been given."""
    facts: frozenset[str]
    """Facts as conditions write them (`trait.x`, a feature), fields as `kind.field`."""


def guards_of(brand: Brand) -> tuple[Guard, ...]:
    """Return the guards of a brand's sensitive facts, one for each consent that is asked for."""
    under: dict[tuple[str, str], set[str]] = {}
    for name, consent in sensitive_fields(brand).items():
        under.setdefault(consent, set()).add(name)
    return tuple(
        Guard(
            entity=entity,
            rule=PurposeRule(purpose=purpose, basis="consent"),
            wordings=frozenset(
                name
                for name, wording in brand.consent.wordings.items()
                if wording.purpose == purpose
            ),
            facts=frozenset(facts),
        )
        for (entity, purpose), facts in under.items()
    )


def sensitive_fields(brand: Brand) -> dict[str, tuple[str, str]]:
    """Return each field of a special category, with (legal entity, purpose) of its consent."""
    facts = brand.facts
    found = {
        f"{TRAIT_PREFIX}{name}": trait.processed_for
        for name, trait in facts.traits.items()
        if trait.sensitive
    }
    found |= {
        name: feature.processed_for for name, feature in facts.features.items() if feature.sensitive
    }
    for kind, declared in facts.objects.items():
        found |= {f"{kind}.{field}": declared.processed_for for field in declared.sensitive}
    return found


def is_given(guard: Guard, consents: Mapping[str, Stamped]) -> bool:
    """Return whether the explicit consent of a guard is in force: unknown means no."""
    said = consents.get(purpose_key(guard.entity, guard.rule.purpose))
    if said is None or said.value is not True:
        return False
    _, _, wording = said.source.partition("#")
    return wording in guard.wordings and (
        check_permission(consents, entity=guard.entity, rule=guard.rule, channel="", topic="")
        is None
    )


def hidden_facts(guards: Iterable[Guard], consents: Mapping[str, Stamped]) -> frozenset[str]:
    """Return the facts that read as never told, by the names that guards give them."""
    return _NOTHING.union(*(guard.facts for guard in guards if not is_given(guard, consents)))
