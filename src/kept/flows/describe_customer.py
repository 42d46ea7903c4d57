"""What an operator may see of a customer: structure in full, values masked."""

from typing import Any, Final

import msgspec

from kept.core.decision import Request
from kept.core.event import Identifier
from kept.core.fold.told import told_objects, told_traits
from kept.core.identity import Link, Part
from kept.core.mask import HIDDEN, mask_text, mask_value
from kept.core.state import Contact
from kept.core.values import format_instant
from kept.errors import NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of
from kept.flows.note_in_log import note_operator
from kept.flows.resolve import find_customer

CONTACTS_SHOWN: Final = 20
DECISIONS_SHOWN: Final = 20
SUGGESTIONS_SHOWN: Final = 20


class PartView(msgspec.Struct, frozen=True, kw_only=True):
    """One identifier of a customer."""

    part_id: int
    namespace: str
    value: str
    """Masked."""
    is_claimed: bool


class ContactView(msgspec.Struct, frozen=True, kw_only=True):
    """One contact that was made."""

    message_id: str
    action: str
    channel: str
    at: str
    outcome: str


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """One message that is queued or on its way."""

    message_id: str
    action: str
    channel: str
    state: str
    due_at: str


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, to be explained by its id."""

    decision_id: int
    placement: str
    at: str


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """Another customer whom evidence points to that was not enough to join them."""

    customer_id: int
    evidence: str
    mine: PartView
    theirs: PartView
    since: str


class CustomerView(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as operators see one."""

    customer_id: int
    cohort: str
    parts: tuple[PartView, ...]
    traits: dict[str, Any]
    objects: dict[str, int]
    """Kind -> how many."""
    consents: dict[str, Any]
    closed: dict[str, str]
    """Channel -> why an address of theirs takes no more messages."""
    holds: tuple[str, ...]
    contacts: tuple[ContactView, ...]
    messages: tuple[MessageView, ...]
    decisions: tuple[DecisionView, ...]
    suggestions: tuple[Suggestion, ...]


def show_customer(engine: Engine, identifier: Identifier, *, actor: str, now: int) -> CustomerView:
    """Return the customer that an identifier leads to, and record who looked.

    Raises:
        NotFoundError: nobody has this identifier.
    """
    view = describe_customer(engine, identifier, now)
    own_part = engine.customers.get(view.customer_id).own_part
    note_operator(
        engine.store,
        "staff_access",
        actor=actor,
        verb="find_customer",
        detail={},
        now=now,
        part_id=own_part,
    )
    return view


def describe_customer(engine: Engine, identifier: Identifier, now: int) -> CustomerView:
    """Return the customer that an identifier leads to.

    Raises:
        NotFoundError: nobody has this identifier.
    """
    customer = find_customer(engine.customers, [(identifier, False), (identifier, True)])
    if customer is None:
        raise NotFoundError(f"nobody is known by this {identifier.namespace}")
    state = customer.total(engine.plan)
    look = engine.look(customer, Request(open_messages=open_messages_of(customer)), now)
    contacts = sorted(state.contacts.values(), key=lambda one: one.attempt_at, reverse=True)
    declared = engine.bundle.brand.facts.traits
    sensitive = {name for name, trait in declared.items() if trait.sensitive}
    decisions = engine.store.read_decisions(sorted(customer.parts), newest=DECISIONS_SHOWN)
    return CustomerView(
        customer_id=customer.customer_id,
        cohort=look.cohort or "",
        parts=tuple(_part(part) for part in customer.parts.values()),
        traits={
            name: HIDDEN if name in sensitive else mask_value(said.value)
            for name, said in sorted(told_traits(engine.plan, state).items())
        },
        objects={
            kind: len(found) for kind, found in sorted(told_objects(engine.plan, state).items())
        },
        consents={scope: said.value for scope, said in sorted(state.consents.items())},
        closed={
            key.partition("|")[0]: said.value
            for key, said in sorted(state.closed_addresses.items())
        },
        holds=look.holds,
        contacts=tuple(_contact(one) for one in contacts[:CONTACTS_SHOWN]),
        messages=tuple(
            MessageView(
                message_id=one.message_id,
                action=one.action,
                channel=one.channel,
                state=one.state,
                due_at=format_instant(one.due_at),
            )
            for one in customer.messages.values()
        ),
        decisions=tuple(
            DecisionView(
                decision_id=row.decision_id,
                placement=row.placement,
                at=format_instant(row.decided_at),
            )
            for row in decisions
        ),
        suggestions=_suggest(engine, customer),
    )


def _part(part: Part) -> PartView:
    return PartView(
        part_id=part.part_id,
        namespace=part.identifier.namespace,
        value=mask_text(part.identifier.value),
        is_claimed=part.claimed,
    )


def _contact(contact: Contact) -> ContactView:
    return ContactView(
        message_id=contact.message_id,
        action=contact.action,
        channel=contact.channel,
        at=format_instant(contact.attempt_at),
        outcome=contact.outcome or "in flight",
    )


def _suggest(engine: Engine, customer: Customer) -> tuple[Suggestion, ...]:
    """Return whom evidence points to without joining them: over a limit, shared, or a claim."""
    links = engine.store.load_links(sorted(customer.parts))
    apart = {(link.part_a, link.part_b) for link in links if link.evidence == "apart"}
    open_links = [
        link
        for link in links
        if link.evidence in ("vouched", "claimed")
        and (link.part_a, link.part_b) not in apart
        and (link.part_a in customer.parts) is not (link.part_b in customer.parts)
    ][:SUGGESTIONS_SHOWN]
    others = {
        part.part_id: part
        for part in engine.store.load_parts(
            sorted({_other_end(link, customer) for link in open_links})
        )
    }
    found = []
    for link in open_links:
        other = others.get(_other_end(link, customer))
        if other is not None:
            mine = customer.parts[link.part_a if link.part_a in customer.parts else link.part_b]
            found.append(
                Suggestion(
                    customer_id=engine.customers.home_of(other).customer_id,
                    evidence=link.evidence,
                    mine=_part(mine),
                    theirs=_part(other),
                    since=format_instant(link.first_at),
                )
            )
    return tuple(found)


def _other_end(link: Link, customer: Customer) -> int:
    return link.part_b if link.part_a in customer.parts else link.part_a
