"""Put right what is wrong about a customer, with effect at once (GDPR, article 16).

A trait or an object's field is told anew by an event of our own, and the wrong value is not taken
up again (see `core.correction`). A property of an event is replaced in the event itself, and its
part folded again. A wrong identifier is separated from the customer.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kept.core.correction import object_field, reject
from kept.core.data_map import DataField, DataMap
from kept.core.data_map.readers import IDENTIFIER_PREFIX
from kept.core.event import CORRECTED, SOURCE_SELF, Event, Identifier
from kept.core.fold.fold import fold_event, folding_again
from kept.core.fold.told import told_objects_of, told_trait
from kept.core.identity import Link, Part
from kept.core.readers import UNREADABLE, reader_for
from kept.core.retention import is_proof
from kept.core.scopes import TRAIT_PREFIX
from kept.core.state import Stamped, State
from kept.core.values import HOUR
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.customers import Customer
from kept.flows.describe_data_use import HeldShare, Teller
from kept.flows.engine import Engine
from kept.flows.history_list import note_gone
from kept.flows.missing_stops import apply_awaited
from kept.flows.react import react
from kept.flows.regroup import parse_identifier
from kept.flows.resolve import take_evidence
from kept.flows.restrict import find_known
from kept.flows.retain import fold_anew, take_states
from kept.flows.staff_access import note_staff_change, require_words
from kept.ports import StoredEvent

EVENTS_A_PAGE: Final = 1_000


class Correction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be put right: one trait, one field of an object, one property, or one identifier."""

    identifier: str
    """Whose data it is: `NAMESPACE:VALUE`."""
    confirmed_by: str
    """How it was made sure who asks."""
    because: str
    """Why, for the audit; no value belongs here."""
    trait: str = ""
    object: str = ""
    """`KIND/KEY`, with `field`."""
    field: str = ""
    event: str = ""
    """The message id of an event, with `property`."""
    property: str = ""
    value: Any = None
    """The right value as a source would send it; null says that there is none."""
    wrong_identifier: str = ""
    """An identifier that is not the customer's: `NAMESPACE:VALUE`."""
    right_identifier: str = ""
    """What takes its place, if anything does."""


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What was put right, and who had it wrong."""

    customer_id: int
    what: str
    """The field; the values stand nowhere."""
    recipients: tuple[HeldShare, ...]
    """Who may have been given the wrong value, and must be told (GDPR, article 19)."""
    withdrawn: tuple[str, ...]
    """Messages that were waiting and are not right any more."""


def correct(
    engine: Engine, data: DataMap, wanted: Correction, *, actor: str, now: int
) -> Corrected:
    """Put one thing right.

    Raises:
        NotFoundError: the customer, or what is to be put right, is not there.
        InputError: it is not said what or why, or the value does not fit.
        ConflictError: an identifier belongs to somebody else, or there is nothing to part it from.
    """
    require_words(confirmed_by=wanted.confirmed_by, because=wanted.because)
    kinds = ("trait", "object", "event", "wrong_identifier")
    named = [kind for kind in kinds if getattr(wanted, kind)]
    if len(named) != 1:
        raise InputError(f"say one of {', '.join(kinds)}; here are {len(named)}")
    customer = find_known(engine, parse_identifier(wanted.identifier))
    match named[0]:
        case "trait":
            what = _correct_trait(engine, customer, wanted, now)
        case "object":
            what = _correct_object(engine, customer, wanted, now)
        case "event":
            what = _correct_event(engine, customer, wanted, now)
        case _:
            what = _correct_identifier(engine, customer, wanted, now)
    home = engine.customers.home_of(engine.store.load_parts([customer.own_part])[0])
    withdrawn = react(engine, home, now)
    note_staff_change(
        engine,
        home,
        "correct",
        actor=actor,
        now=now,
        what=what,
        because=wanted.because,
        confirmed_by=wanted.confirmed_by,
    )
    teller = Teller(engine, home.total(engine.plan), now=now)
    shares = {
        msgspec.json.encode(share): share
        for field in _fields_of(data, what)
        for share in teller.shares(field)
        if share.recipient
    }
    return Corrected(
        customer_id=home.customer_id,
        what=what,
        recipients=tuple(shares.values()),
        withdrawn=tuple(message.message_id for message in withdrawn),
    )


def _fields_of(data: DataMap, what: str) -> Iterator[DataField]:
    """Yield the fields that hold what was put right, or are computed from it."""
    event, _, name = what.removeprefix("event.").rpartition(".")
    places = {f"{event}.properties.{name}", f"{event}.{name}"} if what.startswith("event.") else ()
    for field in data.fields:
        if field.field == what or any(place in places for place in field.derived_from):
            yield field


# -- values


def _correct_trait(engine: Engine, customer: Customer, wanted: Correction, now: int) -> str:
    name = wanted.trait.removeprefix(TRAIT_PREFIX)
    plan = engine.bundle.fold_plan
    if name not in plan.traits:
        raise NotFoundError(f"there is no trait {name!r}; facts.yaml has {_listed(engine)}")
    right = plan.traits[name][0].read_value(wanted.value)
    if right is UNREADABLE:
        kind = engine.bundle.brand.facts.traits[name].type
        raise InputError(f"the value is no {kind}, which trait {name!r} is")
    field = f"{TRAIT_PREFIX}{name}"
    said = told_trait(plan, customer.total(engine.plan), name)
    told = {"rejected": _rejected(engine, customer, field, said, right)}
    part_id = _part_that_said(customer, said, lambda state: told_trait(plan, state, name))
    _tell(engine, customer, part_id, told, said, now, traits={name: wanted.value})
    return field


def _correct_object(engine: Engine, customer: Customer, wanted: Correction, now: int) -> str:
    kind, _, key = wanted.object.partition("/")
    plan = engine.bundle.fold_plan
    fields = told_objects_of(plan, customer.total(engine.plan), kind).get(key)
    if fields is None or kind not in plan.kinds:
        raise NotFoundError(f"the customer has no such {kind[:100]}; write KIND/KEY")
    declared = plan.kinds[kind][0].types
    if wanted.field not in declared:
        message = f"a {kind} has no field {wanted.field[:100]!r}; it has {', '.join(declared)}"
        raise NotFoundError(message)
    right = reader_for(declared[wanted.field])(wanted.value)
    if right is UNREADABLE:
        raise InputError(f"the value is no {declared[wanted.field]}, which {wanted.field} is")
    said = fields.get(wanted.field)
    field = object_field(kind, key, wanted.field)
    told = {
        "kind": kind,
        "key": key,
        "set": {wanted.field: wanted.value},
        "rejected": _rejected(engine, customer, field, said, right),
    }
    part_id = _part_that_said(
        customer,
        said,
        lambda state: told_objects_of(plan, state, kind).get(key, {}).get(wanted.field),
    )
    _tell(engine, customer, part_id, told, said, now)
    return f"{kind}.{wanted.field}"


def _listed(engine: Engine) -> str:
    return ", ".join(sorted(engine.bundle.fold_plan.traits))


def _rejected(
    engine: Engine, customer: Customer, field: str, said: Stamped | None, right: Any
) -> dict[str, list[str]]:
    known = customer.total(engine.plan).rejected.get(field)
    if said is None:
        return {}
    return {field: reject(known, said.value, right)}


def _part_that_said(customer: Customer, said: Stamped | None, find: Any) -> int:
    """Return the part whose word it was, so that the right one stays with it if they are parted."""
    for part_id, state in customer.states.items():
        if said is not None and find(state) == said and not customer.parts[part_id].claimed:
            return part_id
    return customer.own_part


def _tell(
    engine: Engine,
    customer: Customer,
    part_id: int,
    told: dict[str, Any],
    said: Stamped | None,
    now: int,
    *,
    traits: dict[str, Any] | None = None,
    named: tuple[Identifier, ...] = (),
) -> None:
    """Say it in an event of our own, which is later than what it puts right."""
    sequence = engine.store.next_sequence()
    event = Event(
        event_key=sequence,
        message_id=f"kept-{sequence}",
        source=SOURCE_SELF,
        name=CORRECTED,
        type="track",
        occurred_at=max(now, said.at + 1) if said is not None else now,
        received_at=now,
        identifiers=named,
        vouched_count=len(named),
        claim_hour=now // HOUR,
        properties=told,
        traits=traits or {},
    )
    engine.fold(customer, part_id, event)


# -- events


def _correct_event(engine: Engine, customer: Customer, wanted: Correction, now: int) -> str:
    stored = next(
        (one for one in _events_of(engine, customer) if one.event.message_id == wanted.event), None
    )
    if stored is None:
        raise NotFoundError("the customer has no such event; give its message id")
    if engine.plan is not engine.bundle.fold_plan:
        # Folded anew, the event would be in slots that are being filled from the stream: counted twice.
        raise ConflictError("a changed brand is on its way into force; put it right once it is")
    event = stored.event
    if event.source == SOURCE_SELF:
        raise InputError("what Kept itself did cannot be put right, it happened")
    if is_proof(event):
        raise InputError(
            "what was allowed or refused stays on record; let the customer say it anew"
        )
    if wanted.property not in event.properties:
        known = ", ".join(sorted(event.properties)) or "none"
        raise NotFoundError(f"the event has no property {wanted.property[:100]!r}; it has {known}")
    right = msgspec.structs.replace(
        event, properties=event.properties | {wanted.property: wanted.value}
    )
    engine.store.replace_event(stored.part_id, stored.sequence, right)
    note_gone(engine.store, sequences=[stored.sequence])
    fold_anew(engine, customer.parts)
    _fold_again(engine, customer, stored.part_id, now)
    told = {"event": event.message_id, "property": wanted.property}
    _tell(engine, customer, stored.part_id, told, None, now)
    return f"event.{event.name}.{wanted.property}"


def _events_of(engine: Engine, customer: Customer) -> Iterator[StoredEvent]:
    after, parts = 0, sorted(customer.parts)
    while page := engine.store.load_part_events(parts, after=after, limit=EVENTS_A_PAGE):
        after = page[-1].sequence
        yield from page


def _fold_again(engine: Engine, customer: Customer, part_id: int, now: int) -> None:
    state, plan = State(), folding_again(engine.plan)
    for stored in _events_of(engine, customer):
        if stored.part_id == part_id:
            fold_event(plan, state, stored.event)
    take_states(engine, [customer.parts[part_id]], {part_id: state}, now)


# -- identifiers


def _correct_identifier(engine: Engine, customer: Customer, wanted: Correction, now: int) -> str:
    wrong = parse_identifier(wanted.wrong_identifier)
    right = parse_identifier(wanted.right_identifier) if wanted.right_identifier else None
    going = [part for part in customer.parts.values() if part.identifier == wrong]
    staying = [part for part in customer.parts.values() if part.identifier != wrong]
    if not going:
        raise NotFoundError(f"this {wrong.namespace} is none of the customer's")
    if not any(not part.claimed for part in staying):
        raise ConflictError("it is all that the customer is known by; forget them instead")
    new = _part_for(engine, customer, right) if right is not None else None
    links = [_link(one, other, "apart", now) for one in going for other in staying]
    own = min((part for part in staying if not part.claimed), key=lambda part: part.part_id)
    if new is not None and new.part_id not in customer.parts:
        links.append(_link(own, new, "alias", now))
    changed = take_evidence(engine.customers, engine.store, links, engine.bundle.namespaces)
    engine.note_regrouped(now)
    apply_awaited(engine, now)
    for one in changed:
        react(engine, one, now)
    # The right one is named by this event, and so is known as long as the customer.
    home = engine.customers.home_of(own)
    told = {"identifier": wrong.namespace}
    _tell(engine, home, own.part_id, told, None, now, named=(right,) if right else ())
    customer.own_part = own.part_id
    return f"{IDENTIFIER_PREFIX}{wrong.namespace}"


def _part_for(engine: Engine, customer: Customer, right: Identifier) -> Part:
    if right.namespace not in engine.bundle.namespaces:
        known = ", ".join(sorted(engine.bundle.namespaces))
        raise NotFoundError(f"there is no namespace {right.namespace[:100]!r}; there are {known}")
    part = engine.customers.find_part(right, claimed=False)
    if part is None:
        return engine.customers.add_part(right, claimed=False)
    if engine.customers.home_of(part) is not customer:
        message = "the right identifier is somebody else's; if they are one person, merge them"
        raise ConflictError(message)
    return part


def _link(one: Part, other: Part, evidence: Any, now: int) -> Link:
    low, high = sorted((one.part_id, other.part_id))
    return Link(low, high, evidence, now)
