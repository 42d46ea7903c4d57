"""Read what a decision may know of a customer out of a state, at an instant.

This is where time meets the state: windows are cut, and a slot that outgrew its limit becomes an
unknown fact. Nothing else of the state reaches a decision.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

import msgspec

from kept.core.decision import Facts
from kept.core.event import MESSAGE_LEAVING, Event
from kept.core.fold.aggregate import OVERFLOWING
from kept.core.fold.compile import FeaturePlan
from kept.core.fold.fold import FoldPlan
from kept.core.layers import DRAWS
from kept.core.policy.zones import find_zone
from kept.core.rules import Rows, Values
from kept.core.state import Contact, State
from kept.core.values import NEVER, Value

TRAIT_PREFIX: Final = "trait."


class FactPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which facts are read, in which order; the order is the policy's."""

    features: tuple[FeaturePlan, ...]
    traits: tuple[str, ...]
    object_kinds: tuple[str, ...]
    object_fields: tuple[tuple[str, ...], ...]
    """For each kind its fields; the first one is `key`."""
    object_events: tuple[tuple[str, ...], ...]
    """For each kind the events that change its objects."""
    first_kind: int
    """The index of the first kind of object, after all facts."""
    addresses: tuple[tuple[str, str], ...]
    """(channel, name of the trait or namespace that holds its address)."""
    zone_trait: str
    region_trait: str
    index_of: dict[str, int]
    """A feature's slot -> its index."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the facts' names as conditions write them."""
        traits = (f"{TRAIT_PREFIX}{name}" for name in self.traits)
        return (*(feature.name for feature in self.features), *traits)


class View:
    """A customer's facts as they were last read, so that only what changed is read again.

    Reading a window costs more than deciding by it. Between two events a value changes only when its
    window slides, which is known beforehand, and an event names the facts that it changes.
    """

    __slots__ = ("_changed", "_objects", "_valid_from", "_values", "unknown", "valid_until")

    def __init__(self) -> None:
        """Know nothing yet."""
        self._values: Values = []
        self._objects: Rows | None = None
        self._changed: set[int] = set()
        self._valid_from = 0
        self.valid_until = 0
        """When a window next slides over something."""
        self.unknown: tuple[int, ...] = ()

    def note(self, plan: FactPlan, fold_plan: FoldPlan, event: Event) -> None:
        """Note which facts an event changes; call it for every event that is folded."""
        if not self.valid_until:
            return
        index = plan.index_of
        for feature in fold_plan.by_event.get(event.name, ()):
            # A feature that is only being prepared is not read yet.
            if feature.fingerprint in index:
                self._changed.add(index[feature.fingerprint])
        self._changed.update(
            index[f.fingerprint] for f in fold_plan.any_event if f.fingerprint in index
        )
        if event.traits or event.name in fold_plan.objects or event.name == MESSAGE_LEAVING:
            self.valid_until = 0

    def read(self, plan: FactPlan, state: State, now: int) -> tuple[Values, Rows]:
        """Return the values and objects at `now`; they are the caller's to keep."""
        if now >= self.valid_until or now < self._valid_from or self._objects is None:
            unknown: list[int] = []
            self._values = _read_values(plan, state, now, unknown)
            self.unknown = tuple(unknown)
            self._objects = _read_objects(plan, state)
            self._valid_from, self.valid_until = now, next_slide(plan, state, now)
        elif self._changed:
            self._read_again(plan, state, now)
        self._changed.clear()
        return list(self._values), self._objects

    def _read_again(self, plan: FactPlan, state: State, now: int) -> None:
        unknown = set(self.unknown)
        for index in self._changed:
            feature = plan.features[index]
            slot = state.features.get(feature.fingerprint)
            unknown.discard(index)
            read = feature.aggregate.read(slot, now)
            if read is OVERFLOWING:
                unknown.add(index)
                read = None
            self._values[index] = cast("Value", read)
            self.valid_until = min(self.valid_until, feature.aggregate.next_change(slot, now))
        self.unknown = tuple(sorted(unknown))


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
        claimed_values = _read_values(plan, restricting, now, more_unknown)
        claimed_objects = _read_objects(plan, restricting)
        unknown = tuple(sorted({*unknown, *more_unknown}))
    zone = _text_trait(state, plan.zone_trait)
    contacts = list(state.contacts.values())
    if len(contacts) > 1:
        contacts.sort(key=_contact_order)
    return Facts(
        values=values,
        objects=objects,
        restricting_values=claimed_values,
        restricting_objects=claimed_objects,
        unknown=unknown,
        zone=zone if zone is not None and find_zone(zone) is not None else None,
        region=_text_trait(state, plan.region_trait),
        consents=dict(state.consents),
        contacts=contacts,
        declines=dict(state.declines),
        addresses=_read_addresses(plan, state, identifiers),
        draw=draw_of(customer_id),
        known_since_import=_read_history(state),
    )


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


def _read_values(plan: FactPlan, state: State, now: int, unknown: list[int]) -> Values:
    slots = state.features
    values: Values = []
    for index, feature in enumerate(plan.features):
        value = feature.aggregate.read(slots.get(feature.fingerprint), now)
        if value is OVERFLOWING:
            unknown.append(index)
            value = None
        values.append(value)  # type: ignore[arg-type]
    traits = state.traits
    for name in plan.traits:
        told = traits.get(name)
        values.append(None if told is None else told.value)
    return values


def _read_objects(plan: FactPlan, state: State) -> Rows:
    rows: Rows = []
    for kind, fields in zip(plan.object_kinds, plan.object_fields, strict=True):
        objects = state.objects.get(kind)
        if not objects:
            rows.append([])
            continue
        rest = fields[1:]
        of_kind: list[tuple[Value, ...]] = []
        for key in sorted(objects):
            known = objects[key]
            of_kind.append(
                (key, *(known[field].value if field in known else None for field in rest))
            )
        rows.append(of_kind)
    return rows


def _text_trait(state: State, name: str) -> str | None:
    told = state.traits.get(name) if name else None
    return told.value if told is not None and isinstance(told.value, str) else None


def find_address(name: str, state: State, identifiers: Mapping[str, str]) -> str | None:
    """Return a channel's address: what the customer told last, else what a source vouched for."""
    told = _text_trait(state, name)
    return told or identifiers.get(name)


def _read_addresses(plan: FactPlan, state: State, identifiers: Mapping[str, str]) -> dict[str, str]:
    addresses: dict[str, str] = {}
    for channel, name in plan.addresses:
        address = find_address(name, state, identifiers)
        if address:
            is_closed = f"{channel}|{address}" in state.closed_addresses
            addresses[channel] = "closed" if is_closed else "ok"
    return addresses


def next_slide(plan: FactPlan, state: State, now: int) -> int:
    """Return the first instant after `now` at which a window slides over something."""
    slots = state.features
    changes = [
        feature.aggregate.next_change(slots.get(feature.fingerprint), now)
        for feature in plan.features
        if feature.fingerprint in slots
    ]
    return min(changes, default=NEVER)


def stale_fact_indexes(plan: FactPlan, stale_events: Sequence[str]) -> tuple[int, ...]:
    """Return the facts and kinds of objects that rest on events whose sources have fallen silent."""
    silent = set(stale_events)
    features = (
        index for index, feature in enumerate(plan.features) if silent.intersection(feature.events)
    )
    kinds = (
        index
        for index, events in enumerate(plan.object_events, start=plan.first_kind)
        if silent.intersection(events)
    )
    return (*features, *kinds)
