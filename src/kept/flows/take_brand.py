"""Bring a changed brand into force: at once, or after its new facts have been back-filled.

While a folder is prepared, the old one decides. New features get slots of their own, into which
events that arrive meanwhile are folded live and those before are folded from the stream; folding is
commutative, so the two meet. Objects and traits are folded again in place: the latest word counts,
and hearing it twice changes nothing. A preparation that is cut short leaves slots that nobody reads.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from kept.clock import random_bytes
from kept.core.brand.model import FactsFile
from kept.core.bundle import Bundle
from kept.core.fold.compile import definition_of
from kept.core.fold.fold import FoldPlan, fold_event
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.preparation import Preparation
from kept.ports import BrandRow, Store

SLOTS_SETTING: Final = "slots"
_FACTS: Final = "facts.yaml"
_MARK_BYTES: Final = 6
_decode_slots = msgspec.json.Decoder(dict[str, str]).decode


def load_known_slots(store: Store) -> dict[str, str]:
    """Return which slot each definition of the brand in force is folded into."""
    stored = store.load_setting(SLOTS_SETTING)
    return _decode_slots(stored) if stored else {}


def choose_slots(facts: FactsFile, store: Store) -> dict[str, str]:
    """Return where each feature is kept; a new one gets a slot that no one ever wrote to."""
    known = load_known_slots(store)
    sequence = store.last_sequence()
    mark = ""
    if sequence or store.is_shared:
        # The same may have been prepared at this sequence before, and given up or cut short.
        mark = f"@{sequence}.{random_bytes(_MARK_BYTES).hex()}"
    definitions = (definition_of(name, feature) for name, feature in facts.features.items())
    return {each: known.get(each) or each + mark for each in definitions}


def begin(
    engine: Engine, bundle: Bundle, texts: dict[str, str], slots: Mapping[str, str]
) -> Preparation:
    """Begin to fold what arrives into the new slots as well; return what is left to do."""
    known = load_known_slots(engine.store)
    fresh = fresh_slots(slots, known)
    was = engine.store.load_brand()
    facts_changed = was is None or was.texts.get(_FACTS) != texts.get(_FACTS)
    # Of numbers that were taken ahead none is used yet: what gets them is folded live.
    until = engine.store.next_sequence() - 1 if fresh or facts_changed else 0
    if until:
        engine.customers.plan = fold_both(engine.customers.plan, bundle.fold_plan)
    return Preparation(
        bundle=bundle,
        texts=texts,
        slots=dict(slots),
        plan=only_slots(bundle.fold_plan, fresh),
        until=until,
    )


def fresh_slots(slots: Mapping[str, str], known: Mapping[str, str]) -> set[str]:
    """Return the slots that the brand in force does not fold into."""
    return {slot for definition, slot in slots.items() if definition not in known}


def hold_fresh(engine: Engine, slots: Mapping[str, str]) -> None:
    """Fold nothing yet into slots that are about to be filled from the stream: it would count twice."""
    fresh = fresh_slots(slots, load_known_slots(engine.store))
    plan = engine.bundle.fold_plan
    engine.customers.plan = only_slots(plan, plan.by_fingerprint.keys() - fresh)


def fold_both(old: FoldPlan, new: FoldPlan) -> FoldPlan:
    """Return the plan that folds what either of two folds."""
    by_event = dict(old.by_event)
    for name, plans in new.by_event.items():
        mine = by_event.get(name, ())
        keys = {plan.fingerprint for plan in mine}
        by_event[name] = (*mine, *(plan for plan in plans if plan.fingerprint not in keys))
    keys = {plan.fingerprint for plan in old.any_event}
    return msgspec.structs.replace(
        new,
        by_event=by_event,
        any_event=(*old.any_event, *(p for p in new.any_event if p.fingerprint not in keys)),
        by_fingerprint=old.by_fingerprint | new.by_fingerprint,
    )


def only_slots(plan: FoldPlan, keys: set[str]) -> FoldPlan:
    """Return the plan that folds these features, and all objects and traits."""
    return msgspec.structs.replace(
        plan,
        by_event={
            name: tuple(one for one in plans if one.fingerprint in keys)
            for name, plans in plan.by_event.items()
        },
        any_event=tuple(one for one in plan.any_event if one.fingerprint in keys),
    )


def fill(engine: Engine, preparation: Preparation, *, limit: int) -> None:
    """Fold some more stored events into the new slots."""
    events = engine.store.load_events(after=preparation.done, limit=limit)
    wanted = [stored for stored in events if stored.sequence <= preparation.until]
    parts = engine.store.load_parts(sorted({stored.part_id for stored in wanted}))
    engine.customers.own_parts([part.part_id for part in parts])
    known = {part.part_id: part for part in parts}
    for stored in wanted:
        customer = engine.customers.home_of(known[stored.part_id])
        fold_event(preparation.plan, customer.states[stored.part_id], stored.event)
        customer.forget_sum()
        engine.customers.mark_dirty(stored.part_id, engine.store.next_sequence())
    preparation.done = min(events[-1].sequence, preparation.until) if events else preparation.until


def work_by(engine: Engine, bundle: Bundle) -> None:
    """Decide and fold by a brand from now on."""
    engine.bundle = bundle
    engine.customers.take_plan(bundle.fold_plan)
    engine.customers.forget_standing()
    stale_facts = bundle.stale_facts(engine.stale_sources)
    engine.controls = msgspec.structs.replace(engine.controls, stale_facts=stale_facts)


def take(engine: Engine, preparation: Preparation, now: int) -> None:
    """Let the new brand decide from now on; every filled state must have been written before."""
    bundle = preparation.bundle
    engine.store.change_control()
    work_by(engine, bundle)
    engine.store.save_setting(SLOTS_SETTING, msgspec.json.encode(preparation.slots))
    row = BrandRow(version=bundle.policy.version, in_force_at=now, texts=preparation.texts)
    engine.store.save_brand(row)
    detail = {"version": bundle.policy.version}
    note_operator(engine.store, "approval", actor="kept", verb="take_brand", detail=detail, now=now)
    engine.tell("brand", version=bundle.policy.version)
