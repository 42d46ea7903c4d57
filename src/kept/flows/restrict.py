"""Restriction: a customer's data is kept, and nothing is decided, sent, shown or told from it.

GDPR, article 18. It is an event of our own, so that it holds for whoever the customer is merged
with, and it is kept outside of the backups like an opt-out. Events are still taken meanwhile.
"""

import msgspec

from kept.core.consent import RESTRICTION, is_restricted
from kept.core.event import RESTRICTED, RESTRICTION_LIFTED, Identifier
from kept.core.message import IN_FLIGHT_STATES
from kept.core.values import format_instant
from kept.errors import ConflictError, NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.react import react
from kept.flows.recipients import find_recipients
from kept.flows.resolve import find_customer
from kept.flows.spare_restricted import note_restricted
from kept.flows.staff_access import note_staff_change, require_words


class RestrictionView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a customer's data is restricted, and what followed at once."""

    customer_id: int
    is_restricted: bool
    since: str
    withdrawn: tuple[str, ...] = ()
    """Messages that were waiting and do not leave any more."""
    in_flight: tuple[str, ...] = ()
    """Channels on which something had begun to leave before."""
    recipients: tuple[str, ...] = ()
    """Who has data of this customer and must be told as well (GDPR, article 19)."""


def restrict(
    engine: Engine,
    wanted: Identifier,
    *,
    because: str,
    confirmed_by: str,
    actor: str,
    now: int,
) -> RestrictionView:
    """Keep a customer's data from being used until it is lifted.

    Raises:
        NotFoundError: nobody is known by this identifier.
        ConflictError: it is restricted already.
        InputError: nothing says why, or how it was made sure who asks.
    """
    require_words(because=because, confirmed_by=confirmed_by)
    customer = find_known(engine, wanted)
    if is_restricted(customer.total(engine.plan).consents):
        raise ConflictError("this customer's data is restricted already")
    # Alone: the list of who is restricted is everybody's.
    engine.store.change_control()
    note_restricted(engine.store, customer.parts)
    told = {"because": because}
    event = engine.append_own(customer, customer.own_part, RESTRICTED, told, now)
    withdrawn = react(engine, customer, now)
    note_staff_change(
        engine,
        customer,
        "restrict",
        actor=actor,
        now=now,
        because=because,
        confirmed_by=confirmed_by,
    )
    messages = engine.store.load_part_messages(sorted(customer.parts))
    leaving = {one.channel for one in messages if one.state in IN_FLIGHT_STATES}
    recipients = find_recipients(engine, customer, messages, now)
    return RestrictionView(
        customer_id=customer.customer_id,
        is_restricted=True,
        since=format_instant(event.occurred_at),
        withdrawn=tuple(one.message_id for one in withdrawn),
        in_flight=tuple(sorted(leaving)),
        recipients=tuple(one.recipient for one in recipients),
    )


def lift_restriction(
    engine: Engine, wanted: Identifier, *, informed_by: str, actor: str, now: int
) -> RestrictionView:
    """Use a customer's data again; whoever asked for the restriction must have been told before.

    Raises:
        NotFoundError: nobody is known by this identifier.
        ConflictError: it is not restricted.
        InputError: nothing says how the customer was informed (GDPR, article 18(3)).
    """
    require_words(informed_by=informed_by)
    customer = find_known(engine, wanted)
    consents = customer.total(engine.plan).consents
    if not is_restricted(consents):
        raise ConflictError("this customer's data is not restricted")
    # It is the newer word even where a clock was behind.
    at = max(now, consents[RESTRICTION].at + 1)
    for part_id in _restricting_parts(customer):
        engine.append_own(customer, part_id, RESTRICTION_LIFTED, {}, at)
    react(engine, customer, now)
    note_staff_change(
        engine, customer, "lift_restriction", actor=actor, now=now, informed_by=informed_by
    )
    return RestrictionView(
        customer_id=customer.customer_id, is_restricted=False, since=format_instant(at)
    )


def _restricting_parts(customer: Customer) -> list[int]:
    """Return the parts that say so: a word of another part would not outweigh theirs."""
    return [part_id for part_id, state in customer.states.items() if is_restricted(state.consents)]


def find_known(engine: Engine, wanted: Identifier) -> Customer:
    """Return the customer whom an identifier leads to, vouched for or merely claimed.

    Raises:
        NotFoundError: nobody is known by it.
    """
    customer = find_customer(engine.customers, [(wanted, False), (wanted, True)])
    if customer is None:
        raise NotFoundError(f"nobody is known by this {wanted.namespace}")
    return customer
