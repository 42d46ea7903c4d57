"""Put the map together: fields, their uses, who is given them, and until when."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from kept.core.brand.model import Brand
from kept.core.data_map.fields import EVENT_PREFIX, fields_of
from kept.core.data_map.keeping import events_behind, kept_for
from kept.core.data_map.readers import CONSENTS, Reader, Reading, reading_of, spread
from kept.core.data_map.record import DataField, DataMap, Use
from kept.core.data_map.sharing import shares_of

PROOF: Final = "proof of consent"
"""The purpose of keeping what was allowed: GDPR, article 7(1), obliges to show it."""

_Uses = dict[str, dict[tuple[str, str], set[str]]]


def map_data(brand: Brand, reading: Reading | None = None) -> DataMap:
    """Return the map of a checked brand; `reading` is what its policies read, where it is known."""
    reading = reading or reading_of(brand)
    uses = _uses_of(brand, reading.readers, reading.derived)
    shares = shares_of(brand, reading.texts, reading.derived)
    named = [
        msgspec.structs.replace(
            field,
            uses=_written(brand, uses.get(field.field, {})),
            shared=shares.get(field.field, ()),
        )
        for field in fields_of(brand)
    ]
    through_events = _uses_of_events(named)
    fields = []
    for field in named:
        if field.kind == "event":
            own = through_events.get(field.field.removeprefix(EVENT_PREFIX), {})
            field = msgspec.structs.replace(field, uses=_written(brand, own))  # noqa: PLW2901
        fields.append(msgspec.structs.replace(field, kept=kept_for(brand, field)))
    return DataMap(brand=brand.brand.brand, version=brand.version, fields=tuple(fields))


def _uses_of(
    brand: Brand, readers: Iterable[Reader], derived: Mapping[str, frozenset[str]]
) -> _Uses:
    found: _Uses = {CONSENTS: {("", PROOF): {"whoever must show it"}}}
    for reader in readers:
        for action in reader.actions:
            declared = brand.actions[action]
            key = (declared.entity, declared.purpose)
            for field, through in spread(reader, derived):
                found.setdefault(field, {}).setdefault(key, set()).add(reader.named(through))
    return found


def _uses_of_events(fields: Iterable[DataField]) -> _Uses:
    """Return what events are used for: all that the fields are that they tell."""
    found: _Uses = {}
    for field in fields:
        if field.kind in ("trait", "identifier", "event"):
            continue
        for event in events_behind(field):
            for use in field.uses:
                key = (use.entity, use.purpose)
                found.setdefault(event, {}).setdefault(key, set()).add(f"as {field.field}")
    return found


def _written(brand: Brand, uses: Mapping[tuple[str, str], set[str]]) -> tuple[Use, ...]:
    purposes = brand.consent.purposes
    return tuple(
        Use(
            entity=entity,
            purpose=purpose,
            basis=purposes[purpose].basis if purpose in purposes else "legal_obligation",
            readers=tuple(sorted(readers)),
        )
        for (entity, purpose), readers in sorted(uses.items())
    )
