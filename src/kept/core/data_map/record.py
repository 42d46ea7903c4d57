"""The map of a brand's data as values; everything in it is sorted, so that it compares."""

from typing import Literal, TypeAlias

import msgspec

FieldKind: TypeAlias = Literal[
    "trait", "object", "feature", "identifier", "event", "consents", "contacts"
]


class Origin(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Whence a field is known."""

    source: str
    """A source of sources.yaml; `kept` where Kept itself causes the event."""
    event: str
    """The event that tells it; empty where any event of the source may."""
    place: str
    """Where in the event it stands, such as `properties.amount`."""


class Use(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """For what a field is read: one purpose of one legal entity, with every policy that reads it."""

    entity: str
    """Empty where it is every company of the group."""
    purpose: str
    basis: str
    readers: tuple[str, ...]
    """Such as `action grace_offer: when, through cohort`."""


class Share(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Who else is given a field, and how."""

    recipient: str
    """A recipient of consent.yaml; empty where the brand runs what is given it itself."""
    through: str
    """`channel NAME`, `source NAME` or `placement NAME`."""
    what: str
    """How it is given: `address`, `text`, `object`, `suppressions`, `answers` or `pull`."""
    purposes: tuple[str, ...]
    """`entity/purpose` of what it is given for."""


class Keep(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """How long something is kept, and what says so."""

    duration: str
    """As the brand folder writes it, such as `1095 days`."""
    because: str
    hold: str = ""
    """The legal hold that says so, if one does."""


class DataField(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may be known of a customer."""

    field: str
    """Such as `trait.email`, `bill.amount`, `orders`, `identifier.phone` or `event.Bill Paid`."""
    kind: FieldKind
    type: str
    personal: bool
    sensitive: bool
    explicit: tuple[str, ...] = ()
    """[legal entity, purpose] of the explicit consent under which a sensitive field is read."""
    derived_from: tuple[str, ...] = ()
    """What it is computed from, such as `Bill Paid.amount`."""
    origins: tuple[Origin, ...] = ()
    uses: tuple[Use, ...] = ()
    shared: tuple[Share, ...] = ()
    kept: tuple[Keep, ...] = ()
    """How long: first the limit, then each legal hold that outlives it."""

    def purposes(self) -> tuple[str, ...]:
        """Return `entity/purpose` of all that it is used for."""
        return tuple(f"{use.entity or '*'}/{use.purpose}" for use in self.uses)


class DataMap(msgspec.Struct, frozen=True, kw_only=True):
    """The map of a whole brand."""

    brand: str
    version: str
    fields: tuple[DataField, ...]

    def find(self, field: str) -> DataField | None:
        """Return a field by its name."""
        return next((one for one in self.fields if one.field == field), None)
