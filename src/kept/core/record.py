"""What the consent log records, in the fields of ISO/IEC TS 27560, and how a leaf commits to it.

A leaf's data is a random salt and the record as canonical JSON. The leaf's hash stands in the clear
and says nothing without the salt; the data is sealed, and forgotten with the person's key. Names
that begin with `kept:` are ours, where the standard has no term.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.brand.model import Brand, LegalEntity
from kept.core.consent import (
    ANY_ENTITY,
    CONSENT_EVENTS,
    CONSENT_GIVEN,
    CONSENT_WITHDRAWN,
    GPC,
    MARKED_AS_SPAM,
    PREFERRED_CHANNEL,
    RESTRICTION,
    SUBSCRIBED,
    UNSUBSCRIBED,
    read_wording,
)
from kept.core.event import Event, Identifier
from kept.core.state import Stamped
from kept.core.values import format_instant

SCHEMA: Final = "ISO/IEC TS 27560:2023"
SALT_BYTES: Final = 32

Kind: TypeAlias = Literal[
    "log_begun",
    "log_key",
    "consent_given",
    "consent_withdrawn",
    "preference",
    "privacy_signal",
    "erasure",
    "approval",
    "staff_access",
]
CONSENT_KINDS: Final = frozenset(
    {"consent_given", "consent_withdrawn", "preference", "privacy_signal"}
)
_KINDS: Final[dict[str, Kind]] = {
    CONSENT_GIVEN: "consent_given",
    SUBSCRIBED: "consent_given",
    CONSENT_WITHDRAWN: "consent_withdrawn",
    UNSUBSCRIBED: "consent_withdrawn",
    MARKED_AS_SPAM: "consent_withdrawn",
}
_STATES: Final = {
    "consent_given": "given",
    "consent_withdrawn": "withdrawn",
    "kept:consent_refused": "refused",
    "kept:privacy_signal": "set",
    "kept:restricted": "set",
    "kept:restriction_lifted": "set",
    "kept:preference": "set",
    "kept:nothing": "nothing said",
}


class PrivacyNotice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the person was shown: where it can be read, and the wording that was agreed to."""

    party_id: str
    uri: str = ""
    version: str = ""
    """The name of the wording in consent.yaml."""
    hash: str = ""
    """`sha256:` and the hash of the wording's text in this language."""


class PurposeEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What personal data is processed for, as the person was told."""

    purpose: str
    description: str = ""
    lawful_basis: str = ""
    pii_information: tuple[str, ...] = ()
    pii_controllers: tuple[str, ...] = ()
    collection_method: str = ""
    """The source through which the person spoke."""
    retention_period: str = ""
    withdrawal_method: str = ""


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that the person said, in one scope; an empty name stands for every one."""

    event_time: str
    event_type: str
    event_state: str
    entity_id: str
    """The source that heard it."""
    purpose: str = ""
    pii_controllers: tuple[str, ...] = ()
    channel: str = ""
    topic: str = ""


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is responsible."""

    party_id: str
    party_role: str
    party_name: str
    party_address: str
    party_contact: str


class FromEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The event of the stream that a record follows from."""

    sequence: int
    digest: str
    """The SHA-256 of the event as canonical JSON: an event that is altered fits no more."""


class FromAudit(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of the audit that a record follows from."""

    entry_id: int
    actor: str
    verb: str
    detail: dict[str, Any]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the consent log."""

    schema_version: str
    record_id: str
    """The log's place for it, counted from 0."""
    kind: Kind
    recorded_at: str
    pii_principal_id: str = ""
    """Who spoke, as `NAMESPACE:VALUE`, or a part's number where nobody spoke."""
    language: str = ""
    privacy_notices: tuple[PrivacyNotice, ...] = ()
    purposes: tuple[PurposeEntry, ...] = ()
    events: tuple[RecordedEvent, ...] = ()
    parties: tuple[Party, ...] = ()
    from_event: FromEvent | None = None
    from_audit: FromAudit | None = None
    detail: dict[str, Any] = {}
    """What else a record of the log itself says."""


def is_recorded(event: Event, before: Mapping[str, Stamped]) -> bool:
    """Return whether an event makes a record, given what its part had said before.

    A Sec-GPC signal comes with every page, and only the first one says anything new: no later one
    needs to be kept outside of the backups either.
    """
    if event.name in CONSENT_EVENTS:
        return True
    if event.context.get("gpc") is not True:
        return False
    known = before.get(GPC)
    return known is None or known.value is not True


def record_consent(
    event: Event,
    said: Sequence[tuple[str, Stamped]],
    *,
    before: Mapping[str, Stamped],
    brand: Brand,
    who: Identifier,
    sequence: int,
    index: int,
) -> Record:
    """Return the record of what an event said about consent.

    Args:
        event: the event, which `is_recorded`.
        said: what it says, as `consent.read_consents` reads it.
        before: what its part had said before.
        brand: the brand in force, whose words the record repeats.
        who: the identifier of the part.
        sequence: the event's place in the stream.
        index: the record's place in the log.
    """
    language = _language(event, brand)
    events = [_event(event, key, word, before, brand) for key, word in said]
    if not events:
        events = [_write_event(event, "kept:nothing")]
    entities = sorted({name for one in events for name in one.pii_controllers})
    purposes = sorted({one.purpose for one in events if one.purpose})
    return Record(
        schema_version=SCHEMA,
        record_id=str(index),
        kind=kind_of(event),
        recorded_at=format_instant(event.received_at),
        pii_principal_id=str(who),
        language=language,
        privacy_notices=_notices(event, entities, brand, language),
        purposes=tuple(_purpose(name, events, event.source, brand) for name in purposes),
        events=tuple(events),
        parties=tuple(_party(name, brand.brand.legal_entities[name]) for name in entities),
        from_event=FromEvent(sequence=sequence, digest=digest_of(event)),
    )


def kind_of(event: Event) -> Kind:
    """Return the kind of the record that an event makes."""
    if event.name in _KINDS:
        return _KINDS[event.name]
    return "preference" if event.name in CONSENT_EVENTS else "privacy_signal"


def digest_of(event: Event) -> str:
    """Return the hash by which a record names the content of an event."""
    return sha256(msgspec.json.encode(event, order="sorted")).hexdigest()


def write_leaf(record: Record, salt: bytes) -> bytes:
    """Return a leaf's data: the salt, then the record as canonical JSON."""
    if len(salt) != SALT_BYTES:
        raise AssertionError(f"a salt has {SALT_BYTES} bytes")
    return salt + canonical(msgspec.to_builtins(record))


def read_leaf(data: bytes) -> tuple[bytes, Record]:
    """Return the salt and the record of a leaf's data.

    Raises:
        msgspec.MsgspecError: the data is no leaf's.
    """
    return data[:SALT_BYTES], _decode(data[SALT_BYTES:])


_decode: Final = msgspec.json.Decoder(Record).decode


def canonical(value: Any) -> bytes:
    """Return a value as JSON in the one form of RFC 8785; there must be no fractions in it."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _event(
    event: Event, key: str, word: Stamped, before: Mapping[str, Stamped], brand: Brand
) -> RecordedEvent:
    """Return what was said in one scope (see `consent`)."""
    everyone = tuple(sorted(brand.brand.legal_entities))
    if key == GPC:
        return _write_event(event, "kept:privacy_signal", entities=everyone)
    if key == RESTRICTION:
        what = "kept:restricted" if word.value is True else "kept:restriction_lifted"
        return _write_event(event, what, entities=everyone)
    if key == PREFERRED_CHANNEL:
        return _write_event(event, "kept:preference", channel=str(word.value))
    known = before.get(key)
    event_type = "consent_given"
    if word.value is not True:
        was_given = known is not None and known.value is True
        is_explicit = _KINDS.get(event.name) == "consent_withdrawn"
        event_type = "consent_withdrawn" if was_given or is_explicit else "kept:consent_refused"
    scope, *names = key.split("|")
    if scope == "c":
        return _write_event(event, event_type, entities=everyone, channel=names[0])
    if scope == "t":
        return _write_event(event, event_type, entities=everyone, topic="|".join(names))
    entity, purpose, channel = [*names, "", "", ""][:3]
    entities = everyone if entity == ANY_ENTITY else (entity,)
    known_entities = tuple(name for name in entities if name in brand.brand.legal_entities)
    return _write_event(
        event, event_type, entities=known_entities, purpose=purpose, channel=channel
    )


def _write_event(
    event: Event,
    event_type: str,
    *,
    entities: tuple[str, ...] = (),
    purpose: str = "",
    channel: str = "",
    topic: str = "",
) -> RecordedEvent:
    return RecordedEvent(
        event_time=format_instant(event.occurred_at),
        event_type=event_type,
        event_state=_STATES[event_type],
        entity_id=event.source,
        purpose=purpose,
        pii_controllers=entities,
        channel=channel,
        topic=topic,
    )


def _language(event: Event, brand: Brand) -> str:
    """Return the language of the brand that was shown, as far as the event says it."""
    told = event.context.get("locale")
    language = told.partition("-")[0].lower() if isinstance(told, str) else ""
    return language if language in brand.brand.locales else brand.brand.locales[0]


def _notices(
    event: Event, entities: Sequence[str], brand: Brand, language: str
) -> tuple[PrivacyNotice, ...]:
    version = read_wording(event)
    wording = brand.consent.wordings.get(version)
    text = wording.text.get(language, "") if wording is not None else ""
    shown = f"sha256:{sha256(text.encode()).hexdigest()}" if text else ""
    return tuple(
        PrivacyNotice(
            party_id=name,
            uri=brand.brand.legal_entities[name].lawful_basis_notice,
            version=version,
            hash=shown,
        )
        for name in entities
    )


def _purpose(name: str, events: Sequence[RecordedEvent], source: str, brand: Brand) -> PurposeEntry:
    controllers = {
        entity for one in events if one.purpose == name for entity in one.pii_controllers
    }
    declared = brand.consent.purposes.get(name)
    entry = PurposeEntry(
        purpose=name,
        pii_controllers=tuple(sorted(controllers)),
        collection_method=source,
        withdrawal_method=brand.consent.how_to_withdraw,
    )
    if declared is None:
        return entry
    return msgspec.structs.replace(
        entry,
        description=declared.description,
        lawful_basis=declared.basis,
        pii_information=declared.uses,
        retention_period=declared.keep,
    )


def _party(name: str, entity: LegalEntity) -> Party:
    return Party(
        party_id=name,
        party_role="pii_controller",
        party_name=entity.name,
        party_address=entity.address,
        party_contact=entity.privacy_contact or entity.contact,
    )
