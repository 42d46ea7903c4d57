"""How one customer's data is used: every field held of them, whence, for what, by whom, until when.

What could be used stands in the map of the brand; this says what is held of somebody, whether their
basis holds right now, and when something of it last went to whom.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kept.core.brand.units import format_money, parse_duration
from kept.core.data_map import DataField, DataMap, Keep, Share
from kept.core.data_map.fields import EVENT_PREFIX
from kept.core.data_map.readers import CONSENTS, CONTACTS, IDENTIFIER_PREFIX
from kept.core.data_use_link import DAYS_MAX, PATH, DataUseLink, make_token
from kept.core.event import Identifier
from kept.core.explicit_consent import hidden_facts
from kept.core.facts import TRAIT_PREFIX
from kept.core.fold.told import told_objects, told_text, told_traits
from kept.core.lawful_basis import Bases
from kept.core.mask import HIDDEN, mask_text, mask_value
from kept.core.policy.types import DECIMAL_ONE
from kept.core.state import Contact, Stamped, State
from kept.core.unsubscribe import make_link
from kept.core.values import DAY, format_instant, moment_of, parse_instant
from kept.errors import InputError, NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.resolve import find_customer

VALUES_SHOWN: Final = 50
"""At most this many values of one field are listed; the rest is counted."""
EVENTS_READ: Final = 5_000
"""Of a customer's events the newest are counted by name."""
_MASKED: Final = frozenset({"trait", "object", "feature", "identifier"})
"""Kinds of fields whose values are a person's own; the rest are names of the brand and counts."""


class HeldValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value that is held."""

    value: Any
    """Masked unless it was asked for in the clear."""
    about: str = ""
    """`kind/key` of the object that it belongs to; the key is masked like any value."""
    source: str = ""
    told_at: str = ""
    until: str = ""
    """When it is no longer kept, where that can be said of a single value."""


class HeldUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a field is used for, and whether the customer's basis holds."""

    entity: str
    purpose: str
    description: str
    basis: str
    holds: bool
    readers: tuple[str, ...]


class HeldShare(msgspec.Struct, frozen=True, kw_only=True):
    """Who may be given a field, and when they last were."""

    recipient: str
    """The company's name; empty where the brand runs it itself."""
    country: str
    role: str
    through: str
    what: str
    last_at: str
    """When something went this way, as far as contacts on record show; else empty."""


class HeldField(msgspec.Struct, frozen=True, kw_only=True):
    """One field that is held of a customer."""

    field: str
    kind: str
    personal: bool
    sensitive: bool
    is_read: bool
    """False for a special category without explicit consent: it is held, and nothing reads it."""
    count: int
    """How many values there are; not all need be listed."""
    values: tuple[HeldValue, ...]
    uses: tuple[HeldUse, ...]
    shared: tuple[HeldShare, ...]
    kept: tuple[Keep, ...]


class DataUse(msgspec.Struct, frozen=True, kw_only=True):
    """How one customer's data is used, at an instant."""

    brand: str
    brand_version: str
    customer_id: int
    as_of: str
    fields: tuple[HeldField, ...]


class DataUseLinkMade(msgspec.Struct, frozen=True, kw_only=True):
    """A link that can be given to the customer."""

    url: str
    until: str


def describe_data_use(
    engine: Engine,
    data: DataMap,
    identifier: Identifier,
    *,
    in_the_clear: bool,
    because: str,
    actor: str,
    now: int,
) -> DataUse:
    """Return how the data of whoever an identifier leads to is used, for an operator.

    Raises:
        NotFoundError: nobody has this identifier.
        InputError: values are wanted in the clear, and nothing says why.
    """
    customer = _find(engine, identifier)
    if in_the_clear:
        _note_disclosure(engine, customer, "show_data_use", because=because, actor=actor, now=now)
    return data_use_of(engine, data, customer, in_the_clear=in_the_clear, now=now)


def make_data_use_link(
    engine: Engine,
    identifier: Identifier,
    *,
    days: int,
    in_the_clear: bool,
    because: str,
    actor: str,
    now: int,
) -> DataUseLinkMade:
    """Return a link by which a customer sees how their data is used; making it is audited.

    Raises:
        NotFoundError: nobody is known by this identifier, or somebody merely claimed it.
        InputError: it would last too long, or show values, and nothing says why.
    """
    if not 1 <= days <= DAYS_MAX:
        raise InputError(f"a link lasts 1 to {DAYS_MAX} days, not {days}")
    part = engine.customers.find_part(identifier, claimed=False)
    if part is None:
        raise NotFoundError(f"no source vouched for this {identifier.namespace}")
    customer = engine.customers.home_of(part)
    _note_disclosure(engine, customer, "make_data_use_link", because=because, actor=actor, now=now)
    link = DataUseLink(part_id=part.part_id, until=now + days * DAY, shows_values=in_the_clear)
    token = make_token(link, secret=engine.secret)
    return DataUseLinkMade(
        url=make_link(engine.public_url, token, path=PATH), until=format_instant(link.until)
    )


def follow_data_use_link(
    engine: Engine, data: DataMap, link: DataUseLink, *, now: int
) -> tuple[DataUse, str]:
    """Return how the data of the customer of a link is used, and the customer's language.

    Raises:
        NotFoundError: nobody is known any more whom the link was made for.
    """
    parts = engine.store.load_parts([link.part_id])
    if not parts:
        raise NotFoundError("whom this link was written for is not known here any more")
    customer = engine.customers.home_of(parts[0])
    locale = told_text(engine.plan, customer.total(engine.plan), engine.bundle.brand.brand.locale)
    use = data_use_of(engine, data, customer, in_the_clear=link.shows_values, now=now)
    return use, locale


def data_use_of(
    engine: Engine,
    data: DataMap,
    customer: Customer,
    *,
    in_the_clear: bool,
    now: int,
    values_max: int = VALUES_SHOWN,
) -> DataUse:
    """Return how a customer's data is used; fields of which nothing is held are left out."""
    state = customer.total(engine.plan)
    hidden = hidden_facts(engine.bundle.fact_plan.guards, state.consents)
    teller = Teller(engine, state, now=now)
    known = {field.field: field for field in data.fields}
    fields = []
    for name, values in _held(engine, customer, state, now=now):
        field = known.get(name) or _undeclared(name, engine.bundle.brand.brand.history)
        shown = [_readable(field, value) for value in values[:values_max]]
        if not in_the_clear:
            shown = [_masked(field, value) for value in shown]
        fields.append(
            HeldField(
                field=name,
                kind=field.kind,
                personal=field.personal,
                sensitive=field.sensitive,
                is_read=name not in hidden,
                count=len(values),
                values=tuple(_until(field, value) for value in shown),
                uses=teller.uses(field) if name not in hidden else (),
                shared=teller.shares(field) if name not in hidden else (),
                kept=field.kept,
            )
        )
    order = {name: place for place, name in enumerate(known)}
    fields.sort(key=lambda held: (order.get(held.field, len(order)), held.field))
    return DataUse(
        brand=data.brand,
        brand_version=data.version,
        customer_id=customer.customer_id,
        as_of=format_instant(now),
        fields=tuple(fields),
    )


def _find(engine: Engine, identifier: Identifier) -> Customer:
    customer = find_customer(engine.customers, [(identifier, False), (identifier, True)])
    if customer is None:
        raise NotFoundError(f"nobody is known by this {identifier.namespace}")
    return customer


def _note_disclosure(
    engine: Engine, customer: Customer, verb: str, *, because: str, actor: str, now: int
) -> None:
    if not because.strip():
        raise InputError("say in `because` why; it is written into the audit")
    detail = {"customer": customer.customer_id, "because": because}
    note_operator(
        engine.store,
        "staff_access",
        actor=actor,
        verb=verb,
        detail=detail,
        now=now,
        part_id=customer.own_part,
    )


# -- what is held


def _held(
    engine: Engine, customer: Customer, state: State, *, now: int
) -> Iterator[tuple[str, list[HeldValue]]]:
    """Yield every field of which something is held, with its values in the clear."""
    for name, said in sorted(told_traits(engine.plan, state).items()):
        yield f"{TRAIT_PREFIX}{name}", [_value(said)]
    yield from _held_objects(told_objects(engine.plan, state)).items()
    for feature in engine.bundle.fact_plan.features:
        slot = state.features.get(feature.fingerprint)
        read = feature.aggregate.read(slot, now) if slot is not None else None
        if isinstance(read, bool | int | str):
            yield feature.name, [HeldValue(value=read)]
    yield from _held_identifiers(customer).items()
    yield from _held_events(engine, customer)
    if state.consents:
        said_of = sorted(state.consents.items(), key=lambda each: each[0])
        yield CONSENTS, [_value(said, about=scope) for scope, said in said_of]
    contacts = sorted(state.contacts.values(), key=lambda one: one.attempt_at, reverse=True)
    if contacts:
        yield CONTACTS, [_contact(one) for one in contacts]


def _held_objects(
    told: Mapping[str, Mapping[str, Mapping[str, Stamped]]],
) -> dict[str, list[HeldValue]]:
    objects: dict[str, list[HeldValue]] = {}
    for kind, found in sorted(told.items()):
        for key, fields in sorted(found.items()):
            about = f"{kind}/{key}"
            objects.setdefault(f"{kind}.key", []).append(HeldValue(value=key, about=about))
            for field, said in sorted(fields.items()):
                if field:
                    objects.setdefault(f"{kind}.{field}", []).append(_value(said, about=about))
    return objects


def _held_identifiers(customer: Customer) -> dict[str, list[HeldValue]]:
    identifiers: dict[str, list[HeldValue]] = {}
    for part in customer.parts.values():
        name = f"{IDENTIFIER_PREFIX}{part.identifier.namespace}"
        value = HeldValue(
            value=part.identifier.value, source="claimed" if part.claimed else "vouched for"
        )
        identifiers.setdefault(name, []).append(value)
    return identifiers


def _contact(one: Contact) -> HeldValue:
    return HeldValue(
        value=f"{one.action} by {one.channel}",
        about=one.about,
        told_at=format_instant(one.attempt_at),
    )


def _held_events(engine: Engine, customer: Customer) -> Iterator[tuple[str, list[HeldValue]]]:
    """Yield how many events of each name are held, of the newest."""
    stored = engine.store.load_part_events(sorted(customer.parts), newest=EVENTS_READ)
    counts: Counter[str] = Counter()
    newest: dict[str, int] = {}
    sources: dict[str, set[str]] = {}
    for one in stored:
        event = one.event
        counts[event.name] += 1
        newest[event.name] = max(newest.get(event.name, 0), event.occurred_at)
        sources.setdefault(event.name, set()).add(event.source)
    for name, count in sorted(counts.items()):
        value = HeldValue(
            value=count,
            source=", ".join(sorted(sources[name])),
            told_at=format_instant(newest[name]),
        )
        yield f"{EVENT_PREFIX}{name}", [value]


def _value(said: Stamped, *, about: str = "") -> HeldValue:
    source = said.source.partition("#")[0]
    return HeldValue(value=said.value, about=about, source=source, told_at=format_instant(said.at))


def _readable(field: DataField, value: HeldValue) -> HeldValue:
    """Return a value as people write it: an amount with its currency, an instant as ISO 8601."""
    raw = value.value
    if not isinstance(raw, int) or isinstance(raw, bool):
        return value
    kind, _, currency = field.type.partition("(")
    written: Any = raw
    if kind == "money":
        written = format_money(raw, currency.removesuffix(")"))
    elif kind == "timestamp":
        written = format_instant(raw)
    elif kind == "date":
        written = f"{moment_of(raw * DAY):%Y-%m-%d}"
    elif kind == "decimal":
        written = raw / DECIMAL_ONE
    return msgspec.structs.replace(value, value=written)


def _masked(field: DataField, value: HeldValue) -> HeldValue:
    """Return a value as whoever sees it may know: what is personal, by its ends alone."""
    shown = value.value
    if field.sensitive:
        shown = HIDDEN
    elif field.personal and field.kind in _MASKED:
        shown = mask_value(shown)
    kind, slash, key = value.about.partition("/")
    about = f"{kind}/{mask_text(key)}" if slash else value.about
    return msgspec.structs.replace(value, value=shown, about=about)


def _until(field: DataField, value: HeldValue) -> HeldValue:
    """Return the value with the end of its keeping, where it was told at an instant."""
    told = parse_instant(value.told_at) if value.told_at else None
    if told is None or not field.kept or field.kind in ("event", "contacts"):
        return value
    longest = max(parse_duration(keep.duration) for keep in field.kept)
    return msgspec.structs.replace(value, until=format_instant(told + longest))


def _undeclared(name: str, history: str) -> DataField:
    """Return a field that the brand does not declare: personal, and used for nothing."""
    return DataField(
        field=name,
        kind="event" if name.startswith(EVENT_PREFIX) else "trait",
        type="",
        personal=True,
        sensitive=False,
        kept=(Keep(duration=history, because="history"),),
    )


class Teller:
    """Says of one customer what a field is used for, and who was given it."""

    def __init__(self, engine: Engine, state: State, *, now: int) -> None:
        self._brand = engine.bundle.brand
        self._consents = state.consents
        self._bases = Bases(self._brand)
        self._last: dict[tuple[str, str], int] = {}
        """(channel, `entity/purpose`) -> when something last went this way."""
        for one in state.contacts.values():
            action = self._brand.actions.get(one.action)
            if action is not None and one.outcome != "shadow":
                way = (one.channel, f"{action.entity}/{action.purpose}")
                self._last[way] = max(self._last.get(way, 0), one.attempt_at)

    def uses(self, field: DataField) -> tuple[HeldUse, ...]:
        """Return what a field is used for, each with whether its basis holds."""
        purposes = self._brand.consent.purposes
        return tuple(
            HeldUse(
                entity=use.entity,
                purpose=use.purpose,
                description=(purposes[use.purpose].description if use.purpose in purposes else ""),
                basis=use.basis,
                # What nobody needs to allow (to prove a consent) has no purpose in the folder.
                holds=use.purpose not in purposes
                or self._bases.hold(use.entity, use.purpose, self._consents),
                readers=use.readers,
            )
            for use in field.uses
        )

    def shares(self, field: DataField) -> tuple[HeldShare, ...]:
        """Return who may be given a field, and when they last were."""
        recipients = self._brand.consent.recipients
        found = []
        for share in field.shared:
            company = recipients.get(share.recipient)
            last = max(self._last_of(share), default=0)
            found.append(
                HeldShare(
                    recipient=company.name if company else "",
                    country=company.country if company else "",
                    role=company.role if company else "",
                    through=share.through,
                    what=share.what,
                    last_at=format_instant(last) if last else "",
                )
            )
        return tuple(found)

    def _last_of(self, share: Share) -> Iterable[int]:
        kind, _, name = share.through.partition(" ")
        channels = {name} if kind == "channel" else self._pulled_by(name, share.what)
        return (
            at
            for (channel, purpose), at in self._last.items()
            if channel in channels and purpose in share.purposes
        )

    def _pulled_by(self, source: str, what: str) -> set[str]:
        declared: Mapping[str, Any] = self._brand.sources.sources
        return (
            set(declared[source].pulls)
            if what in ("pull", "object") and source in declared
            else set()
        )
