"""History coming in: folded like anything else, and nothing is ever sent because of it.

What already holds of a customer when their history arrives (a bill long overdue) is noted and stays
unsaid until they are heard of live. What becomes due later is said in its time as always.
"""

from itertools import islice

from kept.core.decision import Request
from kept.core.event import HISTORY_TAKEN
from kept.core.reason import FactUnknown, NotOfferedHere
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of


def settle_import(engine: Engine, now: int, *, limit: int | None = None) -> int:
    """Note what already holds of those whose history came in; return how many they were."""
    customers = engine.customers
    found = (
        one
        for one in customers.imported.values()
        if not customers.is_set_aside(one.customer_id, now)
    )
    waiting = list(islice(found, limit))
    for customer in waiting:
        customers.looked_at = customer.customer_id
        settle_history(engine, customer, now)
    customers.looked_at = 0
    return len(waiting)


def settle_before(engine: Engine, customer: Customer, received_at: int) -> None:
    """Note what held before a live event of somebody whose history has only just come in.

    Otherwise what the event makes true would be taken for history, and stay unsaid.
    """
    if customer.customer_id in engine.customers.imported:
        settle_history(engine, customer, received_at - 1)


def settle_history(engine: Engine, customer: Customer, now: int) -> None:
    """Note what already holds of one whose history came in."""
    del engine.customers.imported[customer.customer_id]
    decision = engine.look(customer, Request(open_messages=open_messages_of(customer)), now)
    known = sorted(
        f"{one.action}|{one.about}"
        for one in decision.considered
        if not isinstance(one.reason, FactUnknown | NotOfferedHere)
    )
    engine.append_own(customer, customer.own_part, HISTORY_TAKEN, {"known": known}, now)
