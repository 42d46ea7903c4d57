"""Read what a decision may know of a customer out of a state, at an instant.

This is where time meets the state: windows are cut, and a slot that outgrew its limit becomes an
unknown fact. Nothing else of the state reaches a decision.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from kept.core.consent import CONSENT_EVENTS
from kept.core.decision import Facts, Request
from kept.core.event import CHANNEL_CLOSED, CORRECTED, MESSAGE_LEAVING, Event
from kept.core.explicit_consent import Guard, hidden_facts
from kept.core.fold.aggregate import OVERFLOWING, Dwell, Dwelt
from kept.core.fold.compile import FeaturePlan
from kept.core.layers import DRAWS, Permission
from kept.core.notices import notices_due
from kept.core.policy.zones import find_zone
from kept.core.reevaluate import Evaluated
from kept.core.rules import Policy, Rows, Values
from kept.core.state import OWN, REPORTED, SAID, Contact, Stamped, State
from kept.core.touchpoint import Touchpoint
from kept.core.values import NEVER, Value

TRAIT_PREFIX: Final = "trait."
_NOTHING: Final[frozenset[str]] = frozenset()
_NONE: Final[frozenset[int]] = frozenset()
_NO_FIELD: Final = "\0"
"""The name of a field that nothing can set."""
_TELLS_ANEW: Final = frozenset({CHANNEL_CLOSED, CORRECTED})
"""Events of our own after which everything is read again."""


class FactPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which facts are read, in which order; the order is the policy's."""

    features: tuple[FeaturePlan, ...]
    traits: tuple[str, ...]
    trait_slots: tuple[str, ...]
    """Where a state keeps each trait."""
    object_kinds: tuple[str, ...]
    kind_slots: tuple[str, ...]
    """Where a state keeps each kind of objects."""
    object_fields: tuple[tuple[str, ...], ...]
    """For each kind its fields; the first one is `key`."""
    object_events: tuple[tuple[str, ...], ...]
    """For each kind the events that change its objects."""
    first_kind: int
    """The index of the first kind of object, after all facts."""
    addresses: dict[str, tuple[str, str]]
    """Channel -> the trait or namespace that holds its address, and the slot of the trait."""
    zone_slot: str
    """Where a state keeps the trait that is the customer's time zone; empty where none is."""
    region_slot: str
    history: int
    """How far back anything is known (µs): what was forgotten and is older is no loss."""
    features_by_event: dict[str, tuple[int, ...]]
    """Event -> the indexes of the features that it changes."""
    trait_places: dict[str, int]
    """Trait -> its index."""
    features_of_any: tuple[int, ...]
    """The indexes of the features that every event changes, also one that is named nowhere."""
    kinds_by_event: dict[str, tuple[int, ...]]
    """Event -> which kinds of objects (by place, not by index) it changes."""
    guards: tuple[Guard, ...] = ()
    """The explicit consents without which facts of a special category read as never told."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the facts' names as conditions write them."""
        traits = (f"{TRAIT_PREFIX}{name}" for name in self.traits)
        return (*(feature.name for feature in self.features), *traits)


class Person(msgspec.Struct, frozen=True, gc=False):
    """What of a customer changes only when they are told of anew: not with what they do."""

    zone: str | None
    region: str | None
    addresses: dict[str, str]


class View:
    """A customer's facts as they were last read, so that only what changed is read again.

    Reading a window costs more than deciding by it. Between two events a value changes only when its
    window slides, which is known beforehand, and an event names the facts that it changes.
    """

    __slots__ = (
        "_changed", "_dwelt", "_hidden", "_is_reguarded", "_is_retold", "_kinds", "_objects",
        "_permissions", "_person", "_slides", "_turned", "_unevaluated", "_valid_from", "_values",
        "evaluated", "unknown", "valid_until",
    )  # fmt: skip

    def __init__(self) -> None:
        """Know nothing yet."""
        self._values: Values = []
        self._objects: Rows = []
        self._person: Person | None = None
        self._is_retold = False
        self._is_reguarded = False
        """Whether a consent was told since the facts were read, which may hide some or show them."""
        self._permissions: dict[tuple[str, str, bool], dict[int, Permission]] = {}
        self._changed: set[int] = set()
        self._slides: list[int] = []
        """For each feature when its value next changes by itself."""
        self._dwelt: dict[int, Dwelt | None] = {}
        self._kinds: set[int] = set()
        self._hidden: frozenset[str] = _NOTHING
        self._turned = self._unevaluated = -1
        self._valid_from = 0
        self.evaluated: Evaluated | None = None
        """What all conditions came to when they were evaluated last, if all facts were known."""
        self.valid_until = 0
        """When a window next slides over something; 0 while nothing was read."""
        self.unknown: tuple[int, ...] = ()

    def note(self, plan: FactPlan, event: Event) -> None:
        """Note which facts an event changes; call it for every event that is folded."""
        name = event.name
        is_consent = name in CONSENT_EVENTS or "gpc" in event.context
        if is_consent or event.traits or name in _TELLS_ANEW:
            self._permissions.clear()
        if name in _TELLS_ANEW:
            self.valid_until = 0
        if not self.valid_until:
            return
        # An explicit consent may show or hide facts of a special category.
        self._is_reguarded |= is_consent and bool(plan.guards)
        if event.traits:
            self._is_retold = True
            places = plan.trait_places
            self._changed.update([places[told] for told in event.traits if told in places])
        features = plan.features_by_event.get(name, plan.features_of_any)
        if features:
            self._changed.update(features)
        kinds = plan.kinds_by_event.get(name)
        if kinds:
            self._kinds.update(kinds)
        if name == MESSAGE_LEAVING and event.properties.get("sets"):
            # What a message sets is a field of the object that it is about.
            kind, _, _ = str(event.properties.get("about", "")).partition("/")
            self._kinds.update(
                [place for place, known in enumerate(plan.object_kinds) if known == kind]
            )

    def read(self, plan: FactPlan, state: State, now: int) -> tuple[Values, Rows]:
        """Return the values and objects at `now`; the values stay the view's own."""
        if self._is_reguarded:
            self._is_reguarded = False
            if hidden_facts(plan.guards, state.consents) != self._hidden:
                self.valid_until = 0
        if (
            not self.valid_until
            or now < self._valid_from
            # More of a kind may be forgotten now, which then is unknown; or again be known.
            or (state.forgotten_objects and (self._kinds or now >= self.valid_until))
        ):
            self._read_all(plan, state, now)
        else:
            has_slid = now >= self.valid_until
            if has_slid:
                self._changed.update([i for i, at in enumerate(self._slides) if at <= now])
                self._valid_from = now
            if self._changed:
                self._read_again(plan, state, now)
            if has_slid:
                self.valid_until = min(self._slides, default=NEVER)
            if self._kinds:
                self._read_objects_again(plan, state)
        self._changed.clear()
        self._kinds.clear()
        return self._values, self._objects

    def _read_all(self, plan: FactPlan, state: State, now: int) -> None:
        unknown: list[int] = []
        self._hidden = hidden_facts(plan.guards, state.consents) if plan.guards else _NOTHING
        values = _read_values(plan, state, now, unknown, self._hidden)
        unknown += _forgotten_kinds(plan, state, now)
        self.unknown = tuple(unknown)
        objects = _read_objects(plan, state, self._hidden)
        self._note_turned(self._differing(plan, values, objects))
        self._values, self._objects = values, objects
        self._is_retold = True
        self._slides = _find_slides(plan, state, now)
        self._valid_from = now
        self.valid_until = min((*self._slides, *_known_again(plan, state, now)), default=NEVER)

    def person(self, plan: FactPlan, state: State, identifiers: Mapping[str, str]) -> Person:
        """Return the rest, of the instant of the last `read`."""
        person = self._person
        if person is None or self._is_retold:
            before = person
            zone = _text_in(state, plan.zone_slot)
            person = self._person = Person(
                zone if zone is not None and find_zone(zone) is not None else None,
                _text_in(state, plan.region_slot),
                _read_addresses(plan, state, identifiers),
            )
            self._is_retold = False
            if before is not None and before.zone != person.zone:
                # Elsewhere it is another time of day.
                self._note_turned(-1)
        return person

    def permissions_for(self, policy: Policy, request: Request) -> dict[int, Permission] | None:
        """Return what is permitted to a request like this one, as far as it was asked for before."""
        if request.outside is not None:
            # Each tool asks about a purpose of its own.
            return None
        key = policy.version, request.channel, request.is_proven
        return self._permissions.setdefault(key, {})

    def take_turned(self) -> int:
        """Return the mask of facts and kinds of objects that changed since it was last asked."""
        turned, self._turned = self._turned, 0
        return turned

    @property
    def has_turned(self) -> bool:
        """Return whether `take_turned` would return anything, as far as everything was read."""
        return self._turned != 0

    def take_unevaluated(self) -> int:
        """Return the mask of facts and kinds of objects that changed since conditions were evaluated."""
        changed, self._unevaluated = self._unevaluated, 0
        return changed

    def _note_turned(self, mask: int) -> None:
        self._turned |= mask
        self._unevaluated |= mask

    def _differing(self, plan: FactPlan, values: Values, objects: Rows) -> int:
        """Return the mask of what is read now and came to something else before."""
        if not self._values:
            return -1
        mask = 0
        for index, value in enumerate(values):
            if value != self._values[index]:
                mask |= 1 << index
        for place, rows in enumerate(objects, start=plan.first_kind):
            if rows != self._objects[place - plan.first_kind]:
                mask |= 1 << place
        return mask

    def _read_again(self, plan: FactPlan, state: State, now: int) -> None:
        unknown = frozenset(self.unknown) if self.unknown else _NONE
        slots, values, feature_count = state.features, self._values, len(plan.features)
        for index in self._changed:
            read: Any
            if index >= feature_count:
                read, change = _read_trait(plan, index - feature_count, state, self._hidden), NEVER
            else:
                feature = plan.features[index]
                slot = None if feature.name in self._hidden else slots.get(feature.fingerprint)
                aggregate = feature.aggregate
                if isinstance(aggregate, Dwell):
                    before = self._dwelt.get(index)
                    read, change, self._dwelt[index] = aggregate.look_on(slot, now, before)
                else:
                    read, change = aggregate.look(slot, now)
            if read is OVERFLOWING:
                unknown = unknown | {index}
                read = None
            elif unknown:
                unknown = unknown - {index}
            if index < feature_count:
                self._slides[index] = change
                self.valid_until = min(self.valid_until, change)
            if read != values[index]:
                values[index] = read
                self._note_turned(1 << index)
        if unknown or self.unknown:
            self.unknown = tuple(sorted(unknown))

    def _read_objects_again(self, plan: FactPlan, state: State) -> None:
        # Who was given the rows before keeps them as they were.
        self._objects = list(self._objects)
        for place in self._kinds:
            kind, fields = plan.object_kinds[place], plan.object_fields[place]
            found = state.objects.get(plan.kind_slots[place])
            rows = _read_kind(kind, found, fields, self._hidden)
            if rows != self._objects[place]:
                self._objects[place] = rows
                self._note_turned(1 << (plan.first_kind + place))


def read_facts(
    plan: FactPlan,
    state: State,
    restricting: State | None,
    *,
    view: View,
    identifiers: Mapping[str, str],
    customer_id: int,
    now: int,
) -> Facts:
    """Return a customer's facts at `now`.

    Args:
        identifiers: namespace -> value, of what sources vouched for.
        restricting: the state that also holds what attached parts add; None without any.
        view: what was read of this state before.
    """
    values, objects = view.read(plan, state, now)
    unknown = view.unknown
    claimed_values: Values | None = None
    claimed_objects: Rows | None = None
    if restricting is not None:
        more_unknown: list[int] = []
        # What is claimed comes with no consent of its own.
        hidden = hidden_facts(plan.guards, state.consents)
        claimed_values = _read_values(plan, restricting, now, more_unknown, hidden)
        more_unknown += _forgotten_kinds(plan, restricting, now)
        claimed_objects = _read_objects(plan, restricting, hidden)
        unknown = tuple(sorted({*unknown, *more_unknown}))
    person = view.person(plan, state, identifiers)
    contacts = list(state.contacts.values())
    if len(contacts) > 1:
        contacts.sort(key=_contact_order)
    known_after, said = _read_memory(state) if state.forgotten_contacts else (0, {})
    return Facts(
        values=list(values),
        objects=objects,
        restricting_values=claimed_values,
        restricting_objects=claimed_objects,
        unknown=unknown,
        zone=person.zone,
        region=person.region,
        consents=dict(state.consents),
        contacts=contacts,
        declines=dict(state.declines),
        addresses=person.addresses,
        draw=draw_of(customer_id),
        known_since_import=_read_history(state),
        contacts_known_after=known_after,
        said=said,
        approvals=dict(state.approvals),
        notices_due=notices_due(state.breaches) if state.breaches else (),
    )


def _read_memory(state: State) -> tuple[int, dict[str, int] | None]:
    """Return from when on all contacts are known, and what was said by those before."""
    forgotten = state.forgotten_contacts
    known_after = max(forgotten.get(OWN, 0), forgotten.get(REPORTED, 0))
    if not known_after:
        return 0, {}
    if SAID in forgotten:
        return known_after, None
    return known_after, {key: at for key, at in state.said.items() if at <= known_after}


def _contact_order(contact: Contact) -> tuple[int, str]:
    return (contact.attempt_at, contact.message_id)


def _read_history(state: State) -> tuple[str, ...]:
    history = state.history
    return tuple(history.value) if history is not None and history.at >= state.heard_at else ()


@lru_cache(maxsize=100_000)
def draw_of(customer_id: int) -> int:
    """Return a customer's number from 0 to 9,999, by which control groups are drawn."""
    digest = hashlib.blake2b(customer_id.to_bytes(8), digest_size=8).digest()
    return int.from_bytes(digest) % DRAWS


def _read_values(
    plan: FactPlan, state: State, now: int, unknown: list[int], hidden: frozenset[str]
) -> Values:
    slots = state.features
    values: Values = []
    for index, feature in enumerate(plan.features):
        slot = None if feature.name in hidden else slots.get(feature.fingerprint)
        value = feature.aggregate.read(slot, now)
        if value is OVERFLOWING:
            unknown.append(index)
            value = None
        values.append(value)  # type: ignore[arg-type]
    values += [_read_trait(plan, place, state, hidden) for place in range(len(plan.traits))]
    return values


def _read_trait(plan: FactPlan, place: int, state: State, hidden: frozenset[str]) -> Value:
    if hidden and f"{TRAIT_PREFIX}{plan.traits[place]}" in hidden:
        return None
    told = state.traits.get(plan.trait_slots[place])
    return None if told is None else told.value


def _read_objects(plan: FactPlan, state: State, hidden: frozenset[str]) -> Rows:
    return [
        _read_kind(kind, state.objects.get(slot), fields, hidden)
        for kind, slot, fields in zip(
            plan.object_kinds, plan.kind_slots, plan.object_fields, strict=True
        )
    ]


def _read_kind(
    kind: str,
    objects: Mapping[str, Mapping[str, Stamped]] | None,
    fields: tuple[str, ...],
    hidden: frozenset[str],
) -> list[tuple[Value, ...]]:
    """Return the objects of one kind in the order of their keys."""
    if not objects:
        return []
    rest = fields[1:]
    if hidden:
        rest = tuple(_NO_FIELD if f"{kind}.{field}" in hidden else field for field in rest)
    return [
        (key, *[told.value if (told := known.get(field)) is not None else None for field in rest])
        for key, known in sorted(objects.items())
    ]


def _forgotten_kinds(plan: FactPlan, state: State, now: int) -> list[int]:
    """Return the kinds of objects of which something was forgotten that is not too old to count."""
    forgotten = state.forgotten_objects
    if not forgotten:
        return []
    return [
        index
        for index, slot in enumerate(plan.kind_slots, start=plan.first_kind)
        if slot in forgotten and now < forgotten[slot] + plan.history
    ]


def _text_in(state: State, slot: str) -> str | None:
    told = state.traits.get(slot) if slot else None
    return told.value if told is not None and isinstance(told.value, str) else None


def find_address(
    plan: FactPlan, channel: str, state: State, identifiers: Mapping[str, str]
) -> str | None:
    """Return a channel's address: what the customer told last, else what a source vouched for."""
    name, slot = plan.addresses.get(channel, ("", ""))
    return _text_in(state, slot) or identifiers.get(name)


def _read_addresses(plan: FactPlan, state: State, identifiers: Mapping[str, str]) -> dict[str, str]:
    addresses: dict[str, str] = {}
    for channel in plan.addresses:
        address = find_address(plan, channel, state, identifiers)
        if address:
            is_closed = f"{channel}|{address}" in state.closed_addresses
            addresses[channel] = "closed" if is_closed else "ok"
    return addresses


def next_slide(plan: FactPlan, state: State, now: int) -> int:
    """Return the first instant after `now` at which time alone changes a fact."""
    changes = (*_find_slides(plan, state, now), *_known_again(plan, state, now))
    return min(changes, default=NEVER)


def _find_slides(plan: FactPlan, state: State, now: int) -> list[int]:
    """Return for each feature when time alone next changes it."""
    slots = state.features
    return [
        feature.aggregate.next_change(slots.get(feature.fingerprint), now)
        if feature.fingerprint in slots
        else NEVER
        for feature in plan.features
    ]


def _known_again(plan: FactPlan, state: State, now: int) -> list[int]:
    """Return when what was forgotten of objects is too old to count, and the rest is known again."""
    forgotten = state.forgotten_objects
    known_at = (forgotten[slot] + plan.history for slot in plan.kind_slots if slot in forgotten)
    return [at for at in known_at if at > now]


def stale_fact_indexes(plan: FactPlan, silent: Sequence[Touchpoint]) -> tuple[int, ...]:
    """Return the facts and kinds of objects that rest on events of sources that have fallen silent."""

    def is_silent(event: str) -> bool:
        # What counts every event misses those of any source.
        return any(event == "*" or source.may_send(event) for source in silent)

    features = (
        index for index, feature in enumerate(plan.features) if any(map(is_silent, feature.events))
    )
    kinds = (
        index
        for index, events in enumerate(plan.object_events, start=plan.first_kind)
        if any(map(is_silent, events))
    )
    return (*features, *kinds)
