"""Fold one event into a state, and add states: the only places where a profile changes.

Both are commutative, so late events, merging and unmerging are regrouping, not rewriting.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kept.core.approval import approval_key
from kept.core.brand.model import FactsFile
from kept.core.consent import CONSENT_EVENTS, Categories, combine_consents, read_consents
from kept.core.correction import leave_out_rejected, object_field, overruled_in
from kept.core.event import (
    APPROVAL_DECIDED,
    BREACH_FOUND,
    CHANNEL_CLOSED,
    CONTACT_REPORTED,
    CORRECTED,
    HISTORY_TAKEN,
    MESSAGE_CLICKED,
    MESSAGE_LEAVING,
    MESSAGE_OPENED,
    MESSAGE_REPLIED,
    MESSAGE_SETTLED,
    OFFER_DECLINED,
    SOURCE_SELF,
    Event,
)
from kept.core.fold.compile import (
    FeaturePlan,
    KindPlan,
    ObjectPlan,
    TraitPlan,
    compile_feature,
    compile_kinds,
    compile_objects,
    compile_traits,
    first_slots,
    matches,
)
from kept.core.fold.forgetting import (
    HEARD,
    add_contacts,
    add_forgotten_objects,
    is_forgotten_object,
    keep_answer,
    keep_contact,
    limit_objects,
    reported_id,
)
from kept.core.notices import DUE, TOLD, breach_of
from kept.core.readers import UNREADABLE, reader_for
from kept.core.state import Contact, Stamped, State


class FoldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A brand's facts, ready to fold: what each event name changes.

    While a changed brand is prepared, a kind or a trait has two slots: the one in force comes first.
    """

    features: dict[str, FeaturePlan]
    by_event: dict[str, tuple[FeaturePlan, ...]]
    objects: dict[str, tuple[ObjectPlan, ...]]
    kinds: dict[str, tuple[KindPlan, ...]]
    traits: dict[str, tuple[TraitPlan, ...]]
    by_fingerprint: dict[str, FeaturePlan]
    slots: dict[str, str]
    """The definition of each feature, kind and trait -> where it is kept."""
    categories: Categories
    imports: frozenset[str]
    """Sources of history: they say what was, and are no sign of life."""
    any_event: tuple[FeaturePlan, ...]
    """Features over every event (`*`)."""


def compile_fold(
    facts: FactsFile,
    categories: Categories,
    *,
    slots: Mapping[str, str],
    imports: frozenset[str] = frozenset(),
) -> FoldPlan:
    """Return the fold plan of a checked brand; `slots` says what is not kept in its first slot."""
    kept_in = {each: slots.get(each, first) for each, first in first_slots(facts).items()}
    features = {
        name: compile_feature(name, feature, slots=kept_in)
        for name, feature in facts.features.items()
    }
    by_event: dict[str, list[FeaturePlan]] = {}
    for plan in features.values():
        for event_name in plan.events:
            by_event.setdefault(event_name, []).append(plan)
    return FoldPlan(
        features=features,
        by_event={name: tuple(plans) for name, plans in by_event.items() if name != "*"},
        objects=compile_objects(facts.objects, slots=kept_in),
        kinds=compile_kinds(facts.objects, slots=kept_in),
        traits=compile_traits(facts.traits, slots=kept_in),
        by_fingerprint={plan.fingerprint: plan for plan in features.values()},
        slots=kept_in,
        categories=categories,
        imports=imports,
        any_event=tuple(by_event.get("*", ())),
    )


def fold_event(plan: FoldPlan, state: State, event: Event) -> None:
    """Add one event to a state."""
    name = event.name
    fold_features(plan, state, event)
    for step in plan.objects.get(name, ()):
        _fold_object(state, step, event)
    if event.traits:
        _fold_traits(plan, state.traits, event)
    if name in CONSENT_EVENTS or "gpc" in event.context:
        for key, said in read_consents(event, plan.categories):
            _keep_later(state.consents, key, said)
    source = event.source
    if source != SOURCE_SELF and event.received_at > state.heard_at and source not in plan.imports:
        state.heard_at = event.received_at
    if name in _OWN:
        _OWN[name](plan, state, event)


def fold_features(plan: FoldPlan, state: State, event: Event) -> None:
    """Add one event to the features of a state, and to nothing else."""
    slots = state.features
    features = plan.by_event.get(event.name, ())
    if plan.any_event:
        features += plan.any_event
    for feature in features:
        if feature.where and not matches(feature.where, event.properties):
            continue
        value: Any = None
        if feature.read_value is not None:
            value = feature.read_value(feature.get(event))
            if value is None or value is UNREADABLE:
                continue
        fingerprint = feature.fingerprint
        slots[fingerprint] = feature.aggregate.fold(
            slots.get(fingerprint), value, event.occurred_at, event.event_key
        )


def _fold_object(state: State, step: ObjectPlan, event: Event) -> None:
    key = event.properties.get(step.key_property)
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if (
        not isinstance(key, str)
        or not key
        or (step.where and not matches(step.where, event.properties))
    ):
        return
    at = event.occurred_at
    if state.forgotten_objects and is_forgotten_object(state, step.slot, at):
        return
    objects = state.objects.setdefault(step.slot, {})
    fields = objects.get(key)
    if fields is None:
        fields = objects[key] = {}
    is_told = False
    overruled = overruled_in(event)
    for assignment in step.fields:
        if overruled and object_field(step.kind, key, assignment.field) in overruled:
            continue
        value = assignment.read_value(assignment.get(event))
        if value is not UNREADABLE and value is not None:
            is_told = True
            _keep_later(fields, assignment.field, Stamped(value, at, event.event_key, event.source))
    if not is_told:
        _keep_later(fields, HEARD, Stamped(None, at, event.event_key, event.source))
    limit_objects(state, step.slot)


def _fold_traits(plan: FoldPlan, traits: dict[str, Stamped], event: Event) -> None:
    overruled = overruled_in(event)
    for name, raw in event.traits.items():
        if overruled and f"trait.{name}" in overruled:
            continue
        for trait in plan.traits.get(name, ()):
            value = trait.read_value(raw)
            # A trait told as null is known to be none; one that cannot be read was not told.
            if value is not UNREADABLE:
                stamped = Stamped(value, event.occurred_at, event.event_key, event.source)
                _keep_later(traits, trait.slot, stamped)


def _keep_later(into: dict[str, Stamped], key: str, said: Stamped) -> None:
    mine = into.get(key)
    if mine is None or said.is_later_than(mine):
        into[key] = said


def _fold_leaving(plan: FoldPlan, state: State, event: Event) -> None:
    if event.source != SOURCE_SELF:
        return
    keep_contact(state, _contact_of(event, settled_at=0, outcome=""))
    about = event.properties.get("about", "")
    sets = event.properties.get("sets") or {}
    kind, _, key = about.partition("/")
    for declared in plan.kinds.get(kind, ()) if sets and key else ():
        if is_forgotten_object(state, declared.slot, event.occurred_at):
            continue
        fields = state.objects.setdefault(declared.slot, {}).setdefault(key, {})
        for field, value in sets.items():
            stamped = Stamped(value, event.occurred_at, event.event_key, event.source)
            _keep_later(fields, field, stamped)
        limit_objects(state, declared.slot)


def _fold_settled(plan: FoldPlan, state: State, event: Event) -> None:
    if event.source != SOURCE_SELF:
        return
    outcome = str(event.properties.get("outcome", ""))
    contact = _contact_of(event, settled_at=event.occurred_at, outcome=outcome)
    keep_contact(state, contact)
    breach = breach_of(contact.about)
    if breach and outcome == "delivered":
        said = Stamped(TOLD, event.occurred_at, event.event_key, event.source)
        _keep_later(state.breaches, str(breach), said)


def _fold_reported(plan: FoldPlan, state: State, event: Event) -> None:
    contact = _contact_of(event, settled_at=event.occurred_at, outcome="delivered")
    kept_as = reported_id(event.source, contact.message_id)
    keep_contact(state, msgspec.structs.replace(contact, message_id=kept_as))


def _contact_of(event: Event, *, settled_at: int, outcome: str) -> Contact:
    told = event.properties
    attempt_at = told.get("attempt_at")
    return Contact(
        message_id=str(told.get("message_id") or event.message_id),
        attempt_at=attempt_at if isinstance(attempt_at, int) else event.occurred_at,
        settled_at=settled_at,
        outcome=outcome,
        action=str(told.get("action", "")),
        kind=str(told.get("kind", "")),
        purpose=str(told.get("purpose", "")),
        topic=str(told.get("topic", "")),
        channel=str(told.get("channel", "")),
        about=str(told.get("about", "")),
    )


def _fold_answered(plan: FoldPlan, state: State, event: Event) -> None:
    message_id = event.properties.get("message_id")
    if event.source != SOURCE_SELF or event.properties.get("machine") is True or not message_id:
        return
    keep_answer(state, str(message_id), event.occurred_at)


def _fold_declined(plan: FoldPlan, state: State, event: Event) -> None:
    action = event.properties.get("action")
    if isinstance(action, str):
        about = event.properties.get("about")
        key = f"{action}|{about}" if isinstance(about, str) and about else action
        said = Stamped(True, event.occurred_at, event.event_key, event.source)
        _keep_later(state.declines, key, said)


def _fold_closed(plan: FoldPlan, state: State, event: Event) -> None:
    if event.source == SOURCE_SELF:
        key = f"{event.properties.get('channel', '')}|{event.properties.get('address', '')}"
        reason = str(event.properties.get("reason", ""))
        said = Stamped(reason, event.occurred_at, event.event_key, event.source)
        _keep_later(state.closed_addresses, key, said)


def _fold_approval(plan: FoldPlan, state: State, event: Event) -> None:
    told = event.properties
    if event.source == SOURCE_SELF and "outcome" in told:
        key = approval_key(str(told.get("action", "")), str(told.get("about", "")))
        said = Stamped(told, event.occurred_at, event.event_key, event.source)
        _keep_later(state.approvals, key, said)


def _fold_breach(plan: FoldPlan, state: State, event: Event) -> None:
    if event.source == SOURCE_SELF:
        said = Stamped(DUE, event.occurred_at, event.event_key, event.source)
        _keep_later(state.breaches, str(event.properties.get("breach")), said)


def _fold_history(plan: FoldPlan, state: State, event: Event) -> None:
    if event.source == SOURCE_SELF:
        known = event.properties.get("known", [])
        said = Stamped(known, event.occurred_at, event.event_key, event.source)
        if state.history is None or said.is_later_than(state.history):
            state.history = said


def _fold_corrected(plan: FoldPlan, state: State, event: Event) -> None:
    if event.source != SOURCE_SELF:
        return
    told, at = event.properties, event.occurred_at
    kind, key = str(told.get("kind", "")), str(told.get("key", ""))
    for declared in plan.kinds.get(kind, ()) if key else ():
        slot, types = declared.slot, declared.types
        if is_forgotten_object(state, slot, at):
            continue
        for field, raw in (told.get("set") or {}).items():
            value = reader_for(types[field])(raw) if field in types else UNREADABLE
            if value is not UNREADABLE:
                fields = state.objects.setdefault(slot, {}).setdefault(key, {})
                _keep_later(fields, field, Stamped(value, at, event.event_key, event.source))
                limit_objects(state, slot)
    for field, digests in (told.get("rejected") or {}).items():
        said = Stamped(digests, at, event.event_key, event.source)
        _keep_later(state.rejected, field, said)


_OWN: Final = {
    CORRECTED: _fold_corrected,
    HISTORY_TAKEN: _fold_history,
    APPROVAL_DECIDED: _fold_approval,
    BREACH_FOUND: _fold_breach,
    MESSAGE_LEAVING: _fold_leaving,
    MESSAGE_SETTLED: _fold_settled,
    CONTACT_REPORTED: _fold_reported,
    OFFER_DECLINED: _fold_declined,
    CHANNEL_CLOSED: _fold_closed,
    MESSAGE_OPENED: _fold_answered,
    MESSAGE_CLICKED: _fold_answered,
    MESSAGE_REPLIED: _fold_answered,
}


OWN_EVENTS: Final = frozenset(_OWN)
"""Events about contacts, declines and addresses, which every brand folds alike."""


def keep_consents(state: State, known: State) -> None:
    """Let a state that was folded anew keep what was said of consent, as it was understood then.

    A category of a banner may mean another purpose by now, or none: a no stands all the same.
    """
    _add_stamped(state.consents, known.consents)


def add_states(plan: FoldPlan, state: State, other: State) -> State:
    """Return the sum of two states, using both up: neither may be used afterwards.

    Consents are added by the latest word here; what merging parts means for permission is
    `consent.combine_consents`, which sees the parts apart.
    """
    for fingerprint, slot in other.features.items():
        mine = state.features.get(fingerprint)
        feature = plan.by_fingerprint.get(fingerprint)
        if mine is None:
            state.features[fingerprint] = slot
        elif feature is not None:
            state.features[fingerprint] = feature.aggregate.add(mine, slot)
    _add_stamped(state.traits, other.traits)
    for kind, objects in other.objects.items():
        mine_of_kind = state.objects.setdefault(kind, {})
        for key, fields in objects.items():
            _add_stamped(mine_of_kind.setdefault(key, {}), fields)
    add_forgotten_objects(state, other)
    _add_stamped(state.consents, other.consents)
    _add_stamped(state.approvals, other.approvals)
    _add_restraints(state, other)
    said = other.history
    if said is not None and (state.history is None or said.is_later_than(state.history)):
        state.history = said
    state.heard_at = max(state.heard_at, other.heard_at)
    _add_stamped(state.rejected, other.rejected)
    return state


def _add_restraints(state: State, other: State) -> None:
    add_contacts(state, other)
    _add_stamped(state.declines, other.declines)
    _add_stamped(state.closed_addresses, other.closed_addresses)
    _add_stamped(state.breaches, other.breaches)


def _add_stamped(into: dict[str, Stamped], other: Mapping[str, Stamped]) -> None:
    for key, said in other.items():
        _keep_later(into, key, said)


def sum_states(
    plan: FoldPlan,
    parts: list[State],
    attached: list[State],
    *,
    twins: Sequence[State] = (),
    joined_at: int,
) -> tuple[State, State | None]:
    """Return a customer's state, and with attached parts the state that only restricts.

    All given states are used up. The second one also holds what attached parts add; holds are
    judged by it, and nothing is revealed or permitted by it. None where nothing is attached.

    Args:
        twins: copies of those attached states that claim to be this very customer (a page that
            says who is signed in). What they looked at counts as a feature; nothing else does.
        joined_at: when the parts had become one customer.
    """
    consents = combine_consents(
        [state.consents for state in parts],
        [state.consents for state in attached],
        joined_at=joined_at,
    )
    rejected: dict[str, Stamped] = {}
    for state in parts:
        _add_stamped(rejected, state.rejected)
    if rejected:
        for state in (*parts, *attached):
            leave_out_rejected(state, rejected)
    encoded = [_ENCODE(state) for state in parts] if attached else []
    total = State()
    for state in parts:
        total = add_states(plan, total, state)
    total.consents = consents
    if not attached:
        return total, None
    for state in attached:
        # Whatever reached or was declined by a visitor was so by the customer they turned out to be:
        # it only ever restricts, and so it counts for the whole.
        _add_restraints(total, state)
    for state in twins:
        total = add_states(plan, total, State(features=state.features))
    restricting = State()
    for state in [*(_DECODE(data) for data in encoded), *attached]:
        restricting = add_states(plan, restricting, state)
    restricting.consents = consents
    return total, restricting


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(State).decode
encode_state = _ENCODE
"""Encode a state as msgpack."""
decode_state = _DECODE
"""Decode a state from msgpack."""
