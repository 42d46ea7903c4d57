"""Say for what a record is played again, and keep who said so."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kept.core.brand.model import Brand
from kept.core.bundle import Bundle
from kept.core.consent import is_restricted
from kept.core.explicit_consent import guards_of, is_given
from kept.core.fold.told import told_trait
from kept.core.lawful_basis import Bases
from kept.core.scopes import TRAIT_PREFIX
from kept.errors import InputError
from kept.flows.customers import Customer
from kept.flows.note_in_log import note_operator
from kept.flows.read_history import entity_of
from kept.ports import Store


class ReplayReading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record that is read to be played again: for what, and by which policy it is tried."""

    purpose: str
    """A purpose of consent.yaml; customers without a basis for it are in no figure."""
    entity: str = ""
    """The legal entity for which it is read; may be left out where there is only one."""
    brand_version: str
    """The policy that is tried."""
    since: str = ""
    until: str = ""


def note_replay(store: Store, brand: Brand, reading: ReplayReading, *, actor: str, now: int) -> str:
    """Keep in the audit that a record is read for a replay, and return for which legal entity.

    Raises:
        NotFoundError: the brand in force has no such purpose or legal entity.
        InputError: the version is none.
    """
    entity = entity_of(brand, purpose=reading.purpose, entity=reading.entity)
    if not reading.brand_version or len(reading.brand_version) > 100:
        raise InputError(
            "`brand_version` names the policy that is tried, in at most 100 characters"
        )
    detail: dict[str, Any] = {
        "purpose": reading.purpose,
        "entity": entity,
        "brand_version": reading.brand_version,
        "since": reading.since,
        "until": reading.until,
    }
    note_operator(store, "staff_access", actor=actor, verb="replay", detail=detail, now=now)
    return entity


class Readable:
    """Whom a record may be read of for a purpose, by what they said last."""

    def __init__(self, bundle: Bundle, *, entity: str, purpose: str) -> None:
        """Take the brand in force, and for what it is read."""
        self._bases = Bases(bundle.brand)
        self._guards = guards_of(bundle.brand)
        self._entity = entity
        self._purpose = purpose

    def may_read(self, customer: Customer, bundle: Bundle) -> bool:
        """Return whether the basis of the purpose holds for a customer."""
        consents = customer.total(bundle.fold_plan).consents
        if is_restricted(consents):
            return False
        return self._bases.hold(self._entity, self._purpose, consents)

    def values_of(
        self, customer: Customer, bundle: Bundle, traits: Iterable[str]
    ) -> Mapping[str, str]:
        """Return the values of some traits, by which groups are compared; hidden ones are left out."""
        state = customer.total(bundle.fold_plan)
        hidden = {
            fact
            for guard in self._guards
            if not is_given(guard, state.consents)
            for fact in guard.facts
        }
        return {
            name: str(said.value)
            for name in traits
            if (said := told_trait(bundle.fold_plan, state, name)) is not None
            and said.value is not None
            and f"{TRAIT_PREFIX}{name}" not in hidden
        }
