"""At start: fold again what the stored states do not hold yet, and take up where the process died."""

from typing import Final

from kept.flows.brake import load_brakes, pause
from kept.flows.breach_records import load_open_breaches
from kept.flows.campaign import load_campaign
from kept.flows.deliver import resume_interrupted
from kept.flows.disclosures import begin_disclosures
from kept.flows.engine import Engine
from kept.flows.forget import forget_again
from kept.flows.guard import find_missing_erasures
from kept.flows.missing_stops import apply_missing
from kept.flows.sources import load_heard, load_silent
from kept.ports import RESTORED_SETTING

CHUNK: Final = 5_000
FLUSHED: Final = 2_000


def recover(engine: Engine, now: int, *, is_start: bool = True) -> int:
    """Bring the working set up to the stream's end; return how many events were folded again.

    A part's state holds every event up to its own `applied_sequence`, so that what was stored after
    the mark is not folded twice. Whoever an event was about is decided again soon, for it is not
    known whether the process died before or after they were put into the wake table.
    """
    load_brakes(engine)
    load_campaign(engine)
    load_open_breaches(engine)
    begin_disclosures(engine.store, now)
    engine.heard_at.update(load_heard(engine))
    store, customers = engine.store, engine.customers
    if store.is_shared:
        # Nothing was left for later, and what a node was about to send is another's to take up.
        load_silent(engine)
    folded = 0 if store.is_shared else _fold_missing(engine, now)
    erasures = list(find_missing_erasures(store))
    while erasures and customers.dirty_count:
        # What is forgotten leaves memory as a whole, and what stays must be stored before.
        customers.flush(FLUSHED)
    forget_again(engine, erasures, now)
    apply_missing(engine, now)
    _heed_restore(engine, now)
    if is_start and not store.is_shared:
        # Not where the store was only opened again: senders of this process may still be calling.
        resume_interrupted(engine, now)
    return folded


def _fold_missing(engine: Engine, now: int) -> int:
    """Fold again what stored states do not hold yet; return how many events it was."""
    store, customers = engine.store, engine.customers
    folded = 0
    after = store.load_mark()
    while events := store.load_events(after=after, limit=CHUNK):
        for stored in events:
            (part,) = store.load_parts([stored.part_id])
            customer = customers.home_of(part)
            if stored.sequence <= customer.applied[stored.part_id]:
                continue
            customer.fold(engine.plan, stored.part_id, stored.event, stored.sequence)
            customers.mark_dirty(stored.part_id, stored.sequence)
            # History that was not settled yet must be, before anything is decided by it.
            is_history = stored.event.source in engine.plan.imports
            noted = customers.imported if is_history else customers.touched
            noted[customer.customer_id] = customer
            folded += 1
        after = events[-1].sequence
        # Hearing goes on where it stopped: a source is as fresh as its newest event.
        for stored in events:
            heard = engine.heard_at.get(stored.event.source, 0)
            engine.heard_at[stored.event.source] = max(heard, stored.event.received_at)
        store.save_wakes([(customer_id, now) for customer_id in customers.touched])
        customers.touched.clear()
        while customers.dirty_count > FLUSHED:
            customers.flush(FLUSHED)
        customers.evict()
    return folded


def _heed_restore(engine: Engine, now: int) -> None:
    """After a restore nobody knows what left since the backup: promotions wait for the operator."""
    if not engine.store.load_setting(RESTORED_SETTING):
        return
    for purpose in sorted(engine.bundle.policy.promotional_purposes):
        because = "restored from a backup: what was sent since is not known"
        pause(engine, f"purpose:{purpose}", actor="kept", because=because, now=now)
    engine.alert("restored", at=now)
    engine.store.save_setting(RESTORED_SETTING, b"")
