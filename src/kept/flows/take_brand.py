"""Bring a changed brand into force: at once, or after its new facts have been back-filled.

While a folder is prepared, the old one decides. What `facts.yaml` declares anew or otherwise than
before (features, traits, kinds of objects) gets slots of its own, into which events that arrive
meanwhile are folded live and those before are folded from the stream; folding is commutative, so the
two meet. Everything else goes on as the brand in force has it, so that it can stay in force. A
preparation that is cut short leaves slots that nobody reads.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from kept.clock import random_bytes
from kept.core.brand.load import read_brand
from kept.core.brand.model import FactsFile
from kept.core.bundle import Bundle
from kept.core.fold.compile import first_slots
from kept.core.fold.fold import FoldPlan, fold_event, folding_again
from kept.core.state import SLOT_MARK
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.preparation import Preparation
from kept.ports import BrandRow, Store

_Plan = TypeVar("_Plan")
SLOTS_SETTING: Final = "slots"
_MARK_BYTES: Final = 6
_decode_slots = msgspec.json.Decoder(dict[str, str]).decode


def load_known_slots(store: Store) -> dict[str, str]:
    """Return which slot each definition of the brand in force is folded into."""
    slots, row = load_noted_slots(store), store.load_brand()
    if row is not None and not any(map(_is_told, slots)):
        # Earlier releases noted those of features only, and kept the rest in its first slot.
        slots = first_slots(read_brand(row.texts).brand.facts) | slots
    return slots


def load_noted_slots(store: Store) -> dict[str, str]:
    """Return what was noted when the brand in force was taken."""
    stored = store.load_setting(SLOTS_SETTING)
    return _decode_slots(stored) if stored else {}


def _is_told(definition: str) -> bool:
    return definition.startswith(("object:", "trait:"))


def choose_slots(facts: FactsFile, store: Store) -> dict[str, str]:
    """Return where everything is kept; what is new gets a slot that no one ever wrote to."""
    known = load_known_slots(store)
    sequence = store.last_sequence()
    mark = ""
    if sequence or store.is_shared:
        # The same may have been prepared at this sequence before, and given up or cut short.
        mark = f"{SLOT_MARK}{sequence}.{random_bytes(_MARK_BYTES).hex()}"
    return {each: known.get(each) or first + mark for each, first in first_slots(facts).items()}


def begin(
    engine: Engine, bundle: Bundle, texts: dict[str, str], slots: Mapping[str, str]
) -> Preparation:
    """Begin to fold what arrives into the new slots as well; return what is left to do."""
    known = load_known_slots(engine.store)
    fresh = fresh_slots(slots, known)
    # Of numbers that were taken ahead none is used yet: what gets them is folded live.
    until = engine.store.next_sequence() - 1 if fresh else 0
    if until:
        engine.customers.plan = fold_both(engine.customers.plan, bundle.fold_plan)
    return Preparation(
        bundle=bundle,
        texts=texts,
        slots=dict(slots),
        plan=folding_again(only_slots(bundle.fold_plan, fresh)),
        until=until,
    )


def fresh_slots(slots: Mapping[str, str], known: Mapping[str, str]) -> set[str]:
    """Return the slots that the brand in force does not fold into."""
    return {slot for definition, slot in slots.items() if definition not in known}


def hold_fresh(engine: Engine, slots: Mapping[str, str]) -> None:
    """Fold nothing yet into slots that are about to be filled from the stream: it would count twice."""
    fresh = fresh_slots(slots, load_known_slots(engine.store))
    plan = engine.bundle.fold_plan
    engine.customers.plan = only_slots(plan, set(plan.slots.values()) - fresh)


def fold_both(old: FoldPlan, new: FoldPlan) -> FoldPlan:
    """Return the plan that folds what either of two folds, and reads as the old one does."""
    more = only_slots(new, set(new.slots.values()) - set(old.slots.values()))
    return msgspec.structs.replace(
        old,
        by_event=_add(old.by_event, more.by_event),
        any_event=old.any_event + more.any_event,
        objects=_add(old.objects, more.objects),
        kinds=_add(old.kinds, more.kinds),
        traits=_add(old.traits, more.traits),
        by_fingerprint=old.by_fingerprint | new.by_fingerprint,
        # What a category means to the brand in force is what the customer was asked.
        categories={**new.categories, **old.categories},
        imports=old.imports | new.imports,
    )


def _add(
    plans: Mapping[str, tuple[_Plan, ...]], more: Mapping[str, tuple[_Plan, ...]]
) -> dict[str, tuple[_Plan, ...]]:
    return dict(plans) | {name: plans.get(name, ()) + added for name, added in more.items()}


def only_slots(plan: FoldPlan, slots: set[str]) -> FoldPlan:
    """Return the plan that folds what is kept in these slots, and whatever has none."""

    def only(
        plans: Mapping[str, tuple[_Plan, ...]], slot_of: Callable[[_Plan], str]
    ) -> dict[str, tuple[_Plan, ...]]:
        kept = {name: tuple(p for p in few if slot_of(p) in slots) for name, few in plans.items()}
        return {name: few for name, few in kept.items() if few}

    return msgspec.structs.replace(
        plan,
        by_event=only(plan.by_event, lambda one: one.fingerprint),
        any_event=tuple(one for one in plan.any_event if one.fingerprint in slots),
        objects=only(plan.objects, lambda one: one.slot),
        kinds=only(plan.kinds, lambda one: one.slot),
        traits=only(plan.traits, lambda one: one.slot),
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
