"""How a customer's data is used, over HTTP: for an operator, and a link to give to the customer."""

import asyncio
from typing import Final

import msgspec

from kept.core.data_map import DataMap, map_data
from kept.flows.describe_data_use import (
    DataUse,
    DataUseLinkMade,
    describe_data_use,
    make_data_use_link,
)
from kept.flows.regroup import parse_identifier
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.front import Front


class DataUseWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data; in a body, for addresses of pages are written down everywhere."""

    identifier: str
    """`NAMESPACE:VALUE`."""
    personal: bool = False
    """Whether values are wanted in the clear."""
    because: str = ""
    """Why they are; it is written into the audit."""


class DataUseLinkWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom a link is made that shows them how their data is used."""

    identifier: str
    """`NAMESPACE:VALUE`, of a namespace that a source vouched for."""
    because: str
    """Why it is made; it is written into the audit."""
    personal: bool = False
    """Whether it shows values in the clear; only for somebody who has proven who they are."""
    days: int = 7
    """How long it shows anything, 30 at the most."""


async def data_map_of(front: Front) -> DataMap:
    """Return the map of the brand in force; it is worked out beside the loop, once a version."""
    brand = front.runtime.bundle.brand
    known = front.data_map
    if known is None or known.version != brand.version:
        known = front.data_map = await asyncio.to_thread(map_data, brand)
    return known


async def show_data_use(call: Call) -> DataUse:
    """Return every field held of a customer, whence, for what, and who is given it."""
    body: DataUseWanted = call.body
    wanted = parse_identifier(body.identifier)
    data = await data_map_of(call.front)
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: describe_data_use(
            engine,
            data,
            wanted,
            in_the_clear=body.personal,
            because=body.because,
            actor=actor,
            now=now,
        )
    )


async def make_link(call: Call) -> DataUseLinkMade:
    """Return a link that shows a customer how their data is used."""
    body: DataUseLinkWanted = call.body
    wanted = parse_identifier(body.identifier)
    actor = call.caller.actor
    return await call.front.runtime.ask(
        lambda engine, now: make_data_use_link(
            engine,
            wanted,
            days=body.days,
            in_the_clear=body.personal,
            because=body.because,
            actor=actor,
            now=now,
        )
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/customers/data-use",
        name="showDataUse",
        summary="Show every field held of a customer: whence, for what, shared with whom, until when.",
        handler=show_data_use,
        tag="Operating",
        who="operator",
        needs="customers",
        body=DataUseWanted,
        answer=DataUse,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/customers/data-use-link",
        name="makeDataUseLink",
        summary="Make a link by which a customer sees how their data is used.",
        handler=make_link,
        tag="Operating",
        who="operator",
        needs="export",
        body=DataUseLinkWanted,
        answer=DataUseLinkMade,
        statuses=(404, *BUSY),
    ),
)
