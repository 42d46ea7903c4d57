"""Everything that is held of one customer, for them: what, whence, for what, who got it, until when.

The head is read at once; events and decisions page by page, between other work of the writer.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kept.core.brand.model import Brand
from kept.core.bundle import Bundle
from kept.core.consent import RESTRICTION, is_restricted
from kept.core.customer_export import (
    EXPORT_TYPE,
    ExportedConsent,
    ExportedDecision,
    ExportedEvent,
    ExportedHeld,
    ExportedMessage,
    ExportedRecipient,
    ExportedUse,
    ExportedValue,
    ExportHead,
)
from kept.core.data_map import DataMap
from kept.core.decision import Decision
from kept.core.event import Event, Identifier
from kept.core.explain import explain_reason_to_customer, explain_to_customer
from kept.core.fold.told import told_objects, told_text, told_traits
from kept.core.message import Message
from kept.core.reason import Reason
from kept.core.retention import Limits, is_proof, keep_until
from kept.core.state import Stamped
from kept.core.values import format_instant
from kept.flows.customers import Customer
from kept.flows.describe_data_use import HeldField, data_use_of
from kept.flows.engine import Engine, decode_trace
from kept.flows.explain_decision import sentences_of
from kept.flows.restrict import find_known
from kept.flows.staff_access import note_staff_access, require_words
from kept.retention_port import retained_number

EVENTS_A_PAGE: Final = 500
DECISIONS_A_PAGE: Final = 100
_ALL: Final = 1 << 40
_KINDS: Final = {"identifier": "identifiers", "trait": "traits", "object": "objects"}


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export that was begun: its head, and where events and decisions are read on."""

    head: ExportHead
    part_ids: tuple[int, ...]
    claimed_ids: tuple[int, ...]


def begin_export(
    engine: Engine,
    data: DataMap,
    wanted: Identifier,
    *,
    confirmed_by: str,
    locale: str,
    actor: str,
    now: int,
) -> Export:
    """Return everything but events and decisions of whoever an identifier leads to; it is audited.

    Raises:
        NotFoundError: nobody is known by this identifier.
        InputError: nothing says how it was made sure who asks.
    """
    require_words(confirmed_by=confirmed_by)
    customer = find_known(engine, wanted)
    is_proven = any(not part.claimed for part in customer.parts.values())
    claimed = [key for key, part in customer.parts.items() if part.claimed and is_proven]
    note_staff_access(
        engine, customer, "export_customer", actor=actor, now=now, confirmed_by=confirmed_by
    )
    head = _head(engine, data, customer, claimed, locale=locale, now=now)
    return Export(
        head=msgspec.structs.replace(head, confirmed_by=confirmed_by),
        part_ids=tuple(sorted(customer.parts)),
        claimed_ids=tuple(claimed),
    )


def _head(
    engine: Engine,
    data: DataMap,
    customer: Customer,
    claimed: list[int],
    *,
    locale: str,
    now: int,
) -> ExportHead:
    brand = engine.bundle.brand
    state = customer.total(engine.plan)
    own = told_text(engine.plan, state, brand.brand.locale)
    locale = locale or own or brand.brand.locales[0]
    use = data_use_of(engine, data, customer, in_the_clear=True, now=now, values_max=_ALL)
    values: dict[str, list[ExportedValue]] = {}
    for field in use.fields:
        if field.kind != "consents":
            values.setdefault(_KINDS.get(field.kind, field.kind), []).extend(_values(field))
    restriction = state.consents.get(RESTRICTION)
    since = restriction.at if restriction is not None and is_restricted(state.consents) else 0
    messages = engine.store.load_part_messages(sorted(customer.parts))
    return ExportHead(
        type=EXPORT_TYPE,
        brand=brand.brand.brand,
        brand_version=brand.version,
        made_at=format_instant(now),
        locale=locale,
        confirmed_by="",
        restricted_since=format_instant(since) if since else "",
        identifiers=tuple(values.get("identifiers", ())),
        traits=tuple(values.get("traits", ())),
        objects=tuple(values.get("objects", ())),
        derived=(*values.get("feature", ()), *values.get("event", ())),
        contacts=tuple(values.get("contacts", ())),
        claimed=tuple(_claimed_values(engine, customer, claimed)),
        consents=tuple(_consents(brand, state.consents.items(), locale)),
        messages=tuple(_message(message, locale) for message in messages),
        uses=tuple(_uses(use.fields)),
        recipients=tuple(_recipients(use.fields)),
        held_by_law=tuple(_held_by_law(engine, customer, locale)),
    )


def _values(field: HeldField) -> Iterator[ExportedValue]:
    for value in field.values:
        yield ExportedValue(
            field=field.field,
            about=value.about,
            value=value.value,
            source=value.source,
            told_at=value.told_at,
            kept_until=value.until,
        )


def _claimed_values(
    engine: Engine, customer: Customer, claimed: Iterable[int]
) -> Iterator[ExportedValue]:
    """Yield what attached parts hold: whoever said it was never proven to be the customer."""
    for part_id in claimed:
        state = customer.states[part_id]
        for name, said in sorted(told_traits(engine.plan, state).items()):
            yield _claimed(f"trait.{name}", "", said)
        for kind, objects in sorted(told_objects(engine.plan, state).items()):
            for key, fields in sorted(objects.items()):
                for field, said in sorted(fields.items()):
                    yield _claimed(f"{kind}.{field or 'key'}", f"{kind}/{key}", said)
        for scope, said in sorted(state.consents.items()):
            yield _claimed("consents", scope, said)


def _claimed(field: str, about: str, said: Stamped) -> ExportedValue:
    return ExportedValue(
        field=field,
        about=about,
        value=said.value,
        source=said.source.partition("#")[0],
        told_at=format_instant(said.at),
        kept_until="",
    )


def _uses(fields: Iterable[HeldField]) -> Iterator[ExportedUse]:
    for field in fields:
        for use in field.uses:
            yield ExportedUse(
                field=field.field,
                entity=use.entity,
                purpose=use.purpose,
                description=use.description,
                basis=use.basis,
                holds=use.holds,
                readers=use.readers,
            )


def _recipients(fields: Iterable[HeldField]) -> Iterator[ExportedRecipient]:
    for field in fields:
        for share in field.shared:
            if share.recipient:
                yield ExportedRecipient(
                    field=field.field,
                    recipient=share.recipient,
                    country=share.country,
                    role=share.role,
                    through=share.through,
                    what=share.what,
                    last_at=share.last_at,
                )


def _consents(
    brand: Brand, consents: Iterable[tuple[str, Stamped]], locale: str
) -> Iterator[ExportedConsent]:
    for key, said in sorted(consents, key=lambda each: each[0]):
        kind, *names = key.split("|")
        source, _, wording = said.source.partition("#")
        texts = brand.consent.wordings[wording].text if wording in brand.consent.wordings else {}
        entity, purpose, channel = names if kind == "p" else ("", "", "")
        yield ExportedConsent(
            scope={"p": "purpose", "c": "channel", "t": "topic"}.get(kind, kind),
            entity=entity,
            purpose=purpose,
            channel=names[0] if kind == "c" else channel,
            topic=names[0] if kind == "t" else "",
            value=said.value,
            said_at=format_instant(said.at),
            source=source,
            wording=wording,
            text=in_language(texts, locale),
        )


def in_language(texts: dict[str, str], locale: str) -> str:
    """Return the text of a language, else the first there is."""
    for wanted in (locale, locale.partition("-")[0]):
        if wanted in texts:
            return texts[wanted]
    return next(iter(texts.values()), "")


def _message(message: Message, locale: str) -> ExportedMessage:
    because = ""
    if message.reason is not None:
        reason: Any = msgspec.convert(message.reason, Reason)
        because = explain_reason_to_customer(reason, locale)
    return ExportedMessage(
        message_id=message.message_id,
        action=message.action,
        kind=message.kind,
        entity=message.entity,
        purpose=message.purpose,
        topic=message.topic,
        channel=message.channel,
        about=message.about,
        state=message.state,
        queued_at=format_instant(message.queued_at),
        attempted_at=format_instant(message.attempted_at) if message.attempted_at else "",
        settled_at=format_instant(message.settled_at) if message.settled_at else "",
        because=because,
    )


def _held_by_law(engine: Engine, customer: Customer, locale: str) -> Iterator[ExportedHeld]:
    declared = engine.bundle.brand.brand.legal_holds
    for part_id in sorted(customer.parts):
        for record in engine.store.load_held_records(retained_number(part_id)):
            hold = declared.get(record.hold)
            yield ExportedHeld(
                hold=record.hold,
                law=hold.law if hold is not None else "",
                told=in_language(hold.told, locale) if hold is not None else "",
                kept_until=format_instant(record.until),
                record=msgspec.json.decode(record.body),
            )


# -- what is read page by page


def read_events(
    engine: Engine, export: Export, limits: Limits, *, after: int
) -> tuple[list[ExportedEvent], int]:
    """Return the next events in the order in which they were taken, and where to go on (0: nowhere)."""
    stored = engine.store.load_part_events(export.part_ids, after=after, limit=EVENTS_A_PAGE)
    found = [
        _event(one.event, limits, is_claimed=one.part_id in export.claimed_ids) for one in stored
    ]
    return found, stored[-1].sequence if len(stored) == EVENTS_A_PAGE else 0


def _event(event: Event, limits: Limits, *, is_claimed: bool) -> ExportedEvent:
    return ExportedEvent(
        message_id=event.message_id,
        event=event.name,
        source=event.source,
        occurred_at=format_instant(event.occurred_at),
        received_at=format_instant(event.received_at),
        is_claimed=is_claimed,
        identifiers=tuple(str(identifier) for identifier in event.identifiers),
        properties=event.properties,
        traits=event.traits,
        context=event.context,
        kept_until="" if is_proof(event) else format_instant(keep_until(limits, event)),
    )


def read_decisions(engine: Engine, export: Export, *, before: int) -> tuple[list[Decision], int]:
    """Return the next decisions, newest first, and where to go on (0: nowhere)."""
    rows = engine.store.read_decisions(export.part_ids, newest=DECISIONS_A_PAGE, before=before)
    found = [decode_trace(row.trace) for row in rows]
    return found, rows[-1].decision_id if len(rows) == DECISIONS_A_PAGE else 0


def export_decision(decision: Decision, bundle: Bundle | None, locale: str) -> ExportedDecision:
    """Return a decision in the customer's words; `bundle` is the brand that made it, if it is known."""
    sentences = (
        sentences_of(decision, bundle, for_customer=True, is_unmasked=True) if bundle else {}
    )
    names = bundle.policy.fact_names if bundle is not None else ()
    kinds = bundle.policy.object_kinds if bundle is not None else ()
    fields = bundle.policy.object_fields if bundle is not None else ()
    return ExportedDecision(
        decision_id=decision.decision_id,
        decided_at=format_instant(decision.decided_at),
        placement=decision.request.placement,
        chosen=tuple(
            f"{one.action} ({one.about})" if one.about else one.action for one in decision.chosen
        ),
        reasons=explain_to_customer(decision, sentences=sentences, locale=locale),
        facts=dict(zip(names, decision.facts.values, strict=False)),
        objects={
            kind: [dict(zip(own, row, strict=False)) for row in rows]
            for kind, own, rows in zip(kinds, fields, decision.facts.objects, strict=False)
            if rows
        },
        brand_version=decision.brand_version,
    )
