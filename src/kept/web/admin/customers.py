"""One customer over HTTP, by an identifier: what is known, masked; and who is who."""

from typing import Final

import msgspec

from kept.flows.describe_customer import CustomerView, show_customer
from kept.flows.regroup import merge, parse_identifier, unmerge
from kept.web.endpoints import BUSY, Call, Endpoint


class CustomerWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to show; in a body, for addresses of pages are written down everywhere."""

    identifier: str
    """`NAMESPACE:VALUE`."""


class Pair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two identifiers that a source vouched for, each as `NAMESPACE:VALUE`."""

    one: str
    other: str


class Regrouped(msgspec.Struct, frozen=True, kw_only=True):
    """The customers that changed, by their ids."""

    customers: tuple[int, ...]


async def find_customer(call: Call) -> CustomerView:
    """Return a customer, masked, with whom evidence points to besides."""
    wanted, actor = parse_identifier(call.body.identifier), call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: show_customer(engine, wanted, actor=actor, now=now)
    )


async def merge_customers(call: Call) -> Regrouped:
    """Say that two identifiers are one person."""
    one, other = parse_identifier(call.body.one), parse_identifier(call.body.other)
    actor = call.caller.actor
    changed = await call.front.runtime.ask(
        lambda engine, now: merge(engine, one, other, actor=actor, now=now)
    )
    return Regrouped(customers=tuple(customer.customer_id for customer in changed))


async def unmerge_customers(call: Call) -> Regrouped:
    """Say that two identifiers are two people; everything re-splits by itself."""
    one, other = parse_identifier(call.body.one), parse_identifier(call.body.other)
    actor = call.caller.actor
    changed = await call.front.runtime.ask(
        lambda engine, now: unmerge(engine, one, other, actor=actor, now=now)
    )
    return Regrouped(customers=tuple(customer.customer_id for customer in changed))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/customers/find",
        name="findCustomer",
        summary="Show a customer by an identifier, values masked, and whom evidence points to besides.",
        handler=find_customer,
        tag="Operating",
        who="operator",
        needs="customers",
        body=CustomerWanted,
        answer=CustomerView,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/customers/merge",
        name="mergeCustomers",
        summary="Say that two identifiers are one person.",
        handler=merge_customers,
        tag="Operating",
        who="operator",
        needs="regroup",
        body=Pair,
        answer=Regrouped,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/customers/unmerge",
        name="unmergeCustomers",
        summary="Say that two identifiers are two people.",
        handler=unmerge_customers,
        tag="Operating",
        who="operator",
        needs="regroup",
        body=Pair,
        answer=Regrouped,
        statuses=(404, *BUSY),
    ),
)
