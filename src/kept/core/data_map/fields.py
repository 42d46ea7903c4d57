"""Every field that may be held of a customer: what it is, and whence it is known."""

from collections.abc import Iterable, Iterator, Mapping

from kept.core.brand.model import Brand, Feature, ObjectKind, Source
from kept.core.consent import CONSENT_EVENTS
from kept.core.data_map.readers import CONSENTS, CONTACTS, IDENTIFIER_PREFIX
from kept.core.data_map.record import DataField, Origin
from kept.core.event import (
    CONTACT_REPORTED,
    MESSAGE_LEAVING,
    MESSAGE_SETTLED,
    RESTRICTED,
    RESTRICTION_LIFTED,
    SOURCE_SELF,
)
from kept.core.explicit_consent import sensitive_fields
from kept.core.fold.compile import events_of, feature_type, is_path
from kept.core.scopes import TRAIT_PREFIX

EVENT_PREFIX = "event."
_OURS = {RESTRICTED, RESTRICTION_LIFTED}
"""Words of consent that no source can say."""


def fields_of(brand: Brand) -> Iterator[DataField]:
    """Yield all fields of a brand in the order of its files, without their uses."""
    explicit = sensitive_fields(brand)
    sources = brand.sources.sources
    for name, trait in brand.facts.traits.items():
        yield DataField(
            field=f"{TRAIT_PREFIX}{name}",
            kind="trait",
            type=trait.type,
            personal=trait.personal,
            sensitive=trait.sensitive,
            explicit=explicit.get(f"{TRAIT_PREFIX}{name}", ()),
            origins=tuple(sorted(_told_by(sources, name))),
        )
    for kind, declared in brand.facts.objects.items():
        yield from _object_fields(brand, kind, declared, explicit)
    for name, feature in brand.facts.features.items():
        yield DataField(
            field=name,
            kind="feature",
            type=feature_type(feature),
            personal=feature.personal,
            sensitive=feature.sensitive,
            explicit=explicit.get(name, ()),
            derived_from=tuple(f"{event}.{place}" for event, place in places_of(feature)),
            origins=tuple(sorted(set(_heard(sources, events_of(feature)[1], "")))),
        )
    for namespace in brand.sources.namespaces:
        yield DataField(
            field=f"{IDENTIFIER_PREFIX}{namespace}",
            kind="identifier",
            type="text",
            personal=True,
            sensitive=False,
            origins=tuple(sorted(_named_by(sources, namespace))),
        )
    for event in events_heard(brand):
        yield DataField(
            field=f"{EVENT_PREFIX}{event}",
            kind="event",
            type="everything it carries",
            # What nobody declared may say anything of anybody.
            personal=True,
            sensitive=False,
            origins=tuple(sorted(set(_heard(sources, [event], "")))),
        )
    yield from _own_record(sources)


def _own_record(sources: Mapping[str, Source]) -> Iterator[DataField]:
    """Yield what is kept of the customer beside facts: what they allowed, and what was said."""
    yield DataField(
        field=CONSENTS,
        kind="consents",
        type="what was allowed and refused",
        personal=True,
        sensitive=False,
        origins=tuple(sorted(set(_heard(sources, sorted(CONSENT_EVENTS - _OURS), "properties")))),
    )
    yield DataField(
        field=CONTACTS,
        kind="contacts",
        type="what was said, when and by which channel",
        personal=True,
        sensitive=False,
        derived_from=(MESSAGE_LEAVING, MESSAGE_SETTLED, CONTACT_REPORTED),
        origins=(Origin(source=SOURCE_SELF, event=MESSAGE_LEAVING, place="properties"),),
    )


def places_of(feature: Feature) -> list[tuple[str, str]]:
    """Return the places that a feature is computed from, as (event, property or path)."""
    _, events = events_of(feature)
    read = [feature.of or "occurred_at", *feature.where]
    return list(dict.fromkeys((event, place) for event in events for place in read))


def events_heard(brand: Brand) -> list[str]:
    """Return the names of the events that are kept: what sources list, patterns as they are.

    An import may bring anything, so that of its own only what a fact names is listed.
    """
    sources = brand.sources.sources.values()
    listed = {
        event
        for source in sources
        for event in (*source.events, *(mapping.event for mapping in source.mappings))
        if not (event.endswith("*") and source.kind == "import")
    }
    facts = brand.facts
    named = {event for kind in facts.objects.values() for event in kind.events}
    named |= {event for feature in facts.features.values() for event in events_of(feature)[1]}
    heard = {event for event in named if any(may_send(source, event) for source in sources)}
    return sorted(listed | (heard - {"*"}))


def set_from(declared: ObjectKind, field: str) -> Iterator[tuple[str, str]]:
    """Yield (event, place) of everything that sets a field; `key` is named by each event."""
    for event, effect in declared.events.items():
        if field == "key":
            yield event, f"properties.{declared.key}"
        elif field in effect.set:
            value = effect.set[field]
            is_place = isinstance(value, str) and is_path(value)
            yield event, str(value) if is_place else f"constant {str(value).lower()}"


def may_send(source: Source, event: str) -> bool:
    """Return whether a source may send an event."""
    listed = (*source.events, *(mapping.event for mapping in source.mappings))
    return any(
        each == event or (each.endswith("*") and event.startswith(each[:-1])) for each in listed
    )


def _object_fields(
    brand: Brand, kind: str, declared: ObjectKind, explicit: Mapping[str, tuple[str, str]]
) -> Iterator[DataField]:
    for field, type_text in {"key": "text", **declared.fields}.items():
        origins = [
            origin
            for event, place in set_from(declared, field)
            for origin in _heard(brand.sources.sources, [event], place)
        ] + [
            Origin(source=SOURCE_SELF, event=MESSAGE_LEAVING, place=f"set by action {name}")
            for name, action in brand.actions.items()
            if action.about == kind and field in action.sets
        ]
        yield DataField(
            field=f"{kind}.{field}",
            kind="object",
            type=type_text,
            personal=field not in declared.not_personal,
            sensitive=field in declared.sensitive,
            explicit=explicit.get(f"{kind}.{field}", ()),
            derived_from=tuple(f"{e}.{p}" for e, p in set_from(declared, field)),
            origins=tuple(sorted(set(origins))),
        )


def _told_by(sources: Mapping[str, Source], trait: str) -> Iterator[Origin]:
    for name, source in sources.items():
        # A browser tells only what is listed, and a mapping makes properties of a payload.
        tells_any = not source.traits and source.kind not in ("browser", "webhook")
        if source.events and (trait in source.traits or tells_any):
            yield Origin(source=name, event="", place=f"traits.{trait}")


def _named_by(sources: Mapping[str, Source], namespace: str) -> Iterator[Origin]:
    for name, source in sources.items():
        if source.events and (not source.identifiers or namespace in source.identifiers):
            place = "vouched for" if namespace in source.vouches else "claimed"
            yield Origin(source=name, event="", place=place)


def _heard(sources: Mapping[str, Source], events: Iterable[str], place: str) -> Iterator[Origin]:
    for event in events:
        for name, source in sources.items():
            if event == "*" or may_send(source, event):
                yield Origin(source=name, event=event, place=place)
        if event.startswith("Message ") or event == CONTACT_REPORTED:
            yield Origin(source=SOURCE_SELF, event=event, place=place)
