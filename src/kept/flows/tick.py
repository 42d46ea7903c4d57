"""Timed work: everything that happens because time passed and not because somebody did something.

`tick` is called by the runtime a few times a second, and by stories and tests in virtual time; it
is the same function. Nobody is scanned: the wake table says who is next.
"""

from typing import Final

import msgspec

from kept.core.decide import find_next_change, next_change_of_facts
from kept.core.decision import Request
from kept.core.facts import next_slide, stale_fact_indexes
from kept.core.layers import DRAWS
from kept.core.values import DAY, HOUR, NEVER
from kept.flows.customers import Customer, Standing
from kept.flows.deliver import settle_unclear
from kept.flows.engine import Engine, open_messages_of, standing_of
from kept.flows.import_events import settle_import
from kept.flows.react import react
from kept.flows.sign_log import sign_if_due

WAKES_A_TICK: Final = 500
FLUSHED_A_TICK: Final = 500
IMPORTED_A_TICK: Final = 1_000
CLAIMS_KEPT: Final = 8 * DAY
HEARD_SETTING: Final = "heard_at"
CLAIMS_DROPPED: Final = 50_000
"""How many old de-duplication keys one round of housekeeping drops."""

HELD_DROPPED: Final = 100
"""Of how many erasures one round of housekeeping drops what no law obliges to keep any longer."""


def tick(engine: Engine, now: int) -> int:
    """Do what has fallen due; return how many customers were woken."""
    _watch_sources(engine, now)
    settle_import(engine, now, limit=IMPORTED_A_TICK)
    schedule(engine, now)
    woken = _wake(engine, now)
    settle_unclear(engine, now)
    schedule(engine, now)
    engine.customers.flush(FLUSHED_A_TICK)
    engine.customers.evict()
    return woken


def schedule(engine: Engine, now: int) -> None:
    """Put those whom something happened to into the wake table, each at its next instant."""
    touched = engine.customers.touched
    if not touched:
        return
    wakes = []
    for customer in touched.values():
        wake_at = next_wake(engine, customer, now)
        # Who is woken too early only looks; who is known to be woken in time need not be noted anew.
        if not now < customer.wake_at <= wake_at:
            customer.wake_at = wake_at
            wakes.append((customer.customer_id, 0 if wake_at >= NEVER else wake_at))
    touched.clear()
    if wakes:
        engine.store.save_wakes(wakes)


def next_wake(engine: Engine, customer: Customer, now: int) -> int:
    """Return the first instant at which anything about a customer could change by itself."""
    standing = customer.standing
    if standing is None or standing.decision.decided_at > now:
        request = Request(open_messages=open_messages_of(customer))
        standing = standing_of(customer, engine.look(customer, request, now), engine.bundle.policy)
    wake_at = min(_next_turn(engine, customer, standing, now), standing.reasons_until)
    restricting = customer.restricting(engine.plan)
    if restricting is not None:
        wake_at = min(wake_at, next_slide(engine.bundle.fact_plan, restricting, now))
    if standing.is_waiting:
        # Nobody is told when a brake is lifted or a source is back. Those who wait look again, each
        # at a moment of its own, so that nothing bursts out when it is.
        spread = engine.bundle.resume_over
        draw = standing.decision.facts.draw
        wake_at = min(wake_at, now + spread // 10 + spread * 9 // 10 * draw // DRAWS)
    return max(wake_at, now + 1)


def _next_turn(engine: Engine, customer: Customer, standing: Standing, now: int) -> int:
    """Return when a condition next turns, or a window slides.

    Of what did not change since, it is known already; only what did is looked at again.
    """
    policy, view, plan = engine.bundle.policy, customer.view, engine.bundle.fact_plan
    if customer.restricting(engine.plan) is not None:
        return min(next_change_of_facts(standing.decision, policy), view.valid_until)
    state = customer.total(engine.plan)
    values, objects = view.read(plan, state, now)
    changed = view.take_turned()
    turn = customer.turn
    if turn is None or turn[0] is not policy or turn[1] <= now:
        turn, changed = (policy, NEVER), -1
    if changed:
        zone = view.person(plan, state, customer.identifiers).zone
        turn_at = find_next_change(policy, values, objects, now, zone, changed=changed)
        turn = (policy, turn_at if changed < 0 else min(turn[1], turn_at))
        customer.turn = turn
    return min(turn[1], view.valid_until)


def _wake(engine: Engine, now: int) -> int:
    due = engine.store.load_due_wakes(now=now, limit=WAKES_A_TICK)
    if not due:
        return 0
    engine.store.save_wakes([(customer_id, 0) for customer_id, _ in due])
    done: set[int] = set()
    for customer_id, _ in due:
        parts = engine.store.load_parts([customer_id])
        if not parts:
            continue
        # It may have been merged into another customer since.
        customer = engine.customers.home_of(parts[0])
        if customer.customer_id in done:
            continue
        done.add(customer.customer_id)
        customer.wake_at = 0
        react(engine, customer, now)
        engine.customers.touched[customer.customer_id] = customer
    engine.counts["wakes", ""] += len(done)
    return len(done)


def _watch_sources(engine: Engine, now: int) -> None:
    """Notice which sources fell silent; what rests on them is unknown until they are heard again."""
    stale = sorted(
        source
        for source, after in engine.bundle.stale_after.items()
        if source in engine.heard_at and now - engine.heard_at[source] > after
    )
    if stale == engine.stale_sources:
        return
    for source in set(stale) - set(engine.stale_sources):
        engine.alert("source_silent", source=source, at=now)
    for source in set(engine.stale_sources) - set(stale):
        engine.alert("source_back", source=source, at=now)
    engine.stale_sources = stale
    events = [name for source in stale for name in engine.bundle.events_of_source[source]]
    engine.controls = msgspec.structs.replace(
        engine.controls, stale_facts=stale_fact_indexes(engine.bundle.fact_plan, events)
    )
    engine.customers.forget_standing()


def housekeep(engine: Engine, now: int) -> None:
    """Do what need not be done often: note who was heard when, drop old keys, sign the log."""
    engine.store.save_setting(HEARD_SETTING, msgspec.json.encode(engine.heard_at))
    engine.store.forget_claims(before_hour=(now - CLAIMS_KEPT) // HOUR, limit=CLAIMS_DROPPED)
    engine.store.drop_held_records(now=now, limit=HELD_DROPPED)
    engine.store.drop_emptied_events()
    sign_if_due(engine, now)
