"""Timed work: everything that happens because time passed and not because somebody did something.

`tick` is called by the runtime a few times a second, and by stories and tests in virtual time; it
is the same function. Nobody is scanned: the wake table says who is next. Whom looking at fails, because of
a fault of ours, is set aside for a while, for all others wait behind them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from kept.core.decide import next_change_of_facts
from kept.core.decision import Request
from kept.core.facts import next_slide
from kept.core.identity import Part
from kept.core.standing import distinct_reasons
from kept.core.values import NEVER
from kept.flows.campaign import advance_campaign
from kept.flows.claims import forget_claims
from kept.flows.customers import Customer
from kept.flows.deliver import settle_unclear
from kept.flows.engine import Engine, open_messages_of, standing_of
from kept.flows.import_events import settle_import
from kept.flows.nodes import attend
from kept.flows.react import react
from kept.flows.sign_log import sign_if_due
from kept.flows.sources import save_heard, watch_sources

WAKES_A_TICK: Final = 500
SHARED_WAKES_A_TICK: Final = 100
"""The same where several nodes share the store, and others wait for what a tick has locked."""
FLUSHED_A_TICK: Final = 100
IMPORTED_A_TICK: Final = 1_000
HELD_DROPPED: Final = 100
"""Of how many erasures one round of housekeeping drops what no law obliges to keep any longer."""


def tick(engine: Engine, now: int) -> int:
    """Do what has fallen due; return how many customers were woken."""
    attend(engine, now)
    watch_sources(engine, now)
    settle_import(engine, now, limit=IMPORTED_A_TICK)
    _tell_unfollowed(engine, now)
    schedule(engine, now)
    advance_campaign(engine, now)
    woken = _wake(engine, now)
    settle_unclear(engine, now)
    schedule(engine, now)
    if not engine.store.is_shared:
        engine.customers.flush(FLUSHED_A_TICK)
        engine.customers.evict()
    return woken


def _tell_unfollowed(engine: Engine, now: int) -> None:
    """Count what evidence was not followed, and alert the operator of the first since the start."""
    count, known = engine.customers.unfollowed_count, engine.counts["unfollowed", ""]
    if count > known:
        engine.counts["unfollowed", ""] = count
        if not known:
            engine.alert("evidence_not_followed", at=now)


def schedule(engine: Engine, now: int) -> None:
    """Put those whom something happened to into the wake table, each at its next instant."""
    touched = engine.customers.touched
    if not touched:
        return
    wakes = []
    for customer in touched.values():
        if 0 < customer.wake_at <= now:
            # Who is due already is woken first; what comes next is known then.
            continue
        wake_at = engine.customers.set_aside.get(customer.customer_id, 0)
        if wake_at <= now:
            engine.customers.looked_at = customer.customer_id
            wake_at = next_wake(engine, customer, now)
        # Who is woken too early only looks; who is known to be woken in time need not be noted anew.
        if not now < customer.wake_at <= wake_at:
            customer.wake_at = wake_at
            wakes.append((customer.customer_id, 0 if wake_at >= NEVER else wake_at))
    engine.customers.looked_at = 0
    touched.clear()
    if wakes:
        engine.store.save_wakes(wakes)


def next_wake(engine: Engine, customer: Customer, now: int) -> int:
    """Return the first instant at which anything about a customer could change by itself."""
    standing = customer.standing
    is_answered = standing is not None
    if standing is None or standing.decision.decided_at > now:
        request = Request(open_messages=open_messages_of(customer))
        decision = engine.look(customer, request, now)
        if decision.chosen and not engine.shadow:
            # What held it back ended before anybody looked when it would: it may be said now.
            return now + 1
        reasons = distinct_reasons(decision)
        standing = standing_of(customer, decision, reasons, engine.bundle.policy)
    wake_at = standing.wakes_at
    restricting = customer.restricting(engine.customers.plan)
    if restricting is None:
        has_slid = 0 < customer.view.valid_until <= now
        turn_at = engine.next_turn(customer, now)
        if is_answered and (has_slid or turn_at <= now):
            # Something turned since the answer was given, and nobody has looked.
            return now
        wake_at = min(wake_at, turn_at, customer.view.valid_until)
    else:
        turn_at = next_change_of_facts(standing.decision, engine.bundle.policy)
        # Not as of now: what is claimed may have ended since, and nobody has looked.
        slides_at = next_slide(engine.bundle.fact_plan, restricting, standing.decision.decided_at)
        wake_at = min(wake_at, turn_at, slides_at, customer.view.valid_until)
    return max(min(wake_at, engine.waits_until(standing, now)), now + 1)


def _wake(engine: Engine, now: int) -> int:
    store, customers = engine.store, engine.customers
    limit = SHARED_WAKES_A_TICK if store.is_shared else WAKES_A_TICK
    due = [customer_id for customer_id, _ in store.load_due_wakes(now=now, limit=limit)]
    if not due:
        return 0
    parts = {part.part_id: part for part in store.load_parts(due)}
    # Whom another node works on just now stays due, and whoever is gone is not woken any more.
    held = customers.hold({part.customer_id for part in parts.values()})
    due = [each for each in due if each not in parts or parts[each].customer_id in held]
    return wake(engine, due, parts, now)


def wake(engine: Engine, due: Sequence[int], parts: Mapping[int, Part], now: int) -> int:
    """Look again at customers whose time has come, by their first parts; return how many there were."""
    store, customers = engine.store, engine.customers
    store.save_wakes([(customer_id, 0) for customer_id in due])
    done: set[int] = set()
    for customer_id in due:
        if customer_id not in parts:
            continue
        # It may have been merged into another customer since.
        customers.looked_at = parts[customer_id].customer_id
        customer = customers.home_of(parts[customer_id])
        if customer.customer_id in done:
            continue
        done.add(customer.customer_id)
        customer.wake_at = 0
        customers.note_changed(customer)
        if not customers.is_set_aside(customer.customer_id, now):
            customers.looked_at = customer.customer_id
            react(engine, customer, now)
        customers.touched[customer.customer_id] = customer
    customers.looked_at = 0
    engine.counts["wakes", ""] += len(done)
    return len(done)


def housekeep(engine: Engine, now: int) -> None:
    """Do what need not be done often: note who was heard when, drop old keys, sign the log."""
    save_heard(engine)
    if not engine.store.try_duty("housekeeping"):
        return
    forget_claims(engine, now)
    engine.store.drop_held_records(now=now, limit=HELD_DROPPED)
    engine.store.drop_emptied_events()
    sign_if_due(engine, now)
