"""Campaigns over HTTP: those for whom an action is chosen are looked at now, at a set pace."""

import asyncio
from typing import Final

import msgspec

from kept.base_port import Base
from kept.core.bundle import Bundle
from kept.core.decision import Controls
from kept.flows.ask_base import ReachWanted, find_chosen
from kept.flows.campaign import (
    CampaignView,
    begin_campaign,
    pack_members,
    show_campaign,
    stop_campaign,
)
from kept.flows.extract_base import Extracted
from kept.web.endpoints import BUSY, Call, Endpoint


class CampaignWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which action, for whom, and how fast."""

    action: str
    pace: int
    """Customers a minute."""
    segment: str = ""
    where: str = ""
    limit: int = 0
    """At most so many customers; 0 means all."""
    dry_run: bool = False
    """Say how many it would be, and begin nothing."""


class CampaignTold(msgspec.Struct, frozen=True, kw_only=True):
    """The newest campaign, and for a dry run how many it would wake."""

    campaign: CampaignView | None
    would_wake: int = 0


async def begin(call: Call) -> CampaignTold:
    """Find for whom the action is chosen, and begin to wake them."""
    wanted: CampaignWanted = call.body
    actor, runtime = call.caller.actor, call.front.runtime
    asked = ReachWanted(actions=(wanted.action,), segment=wanted.segment, where=wanted.where)

    def find(base: Base, bundle: Bundle, extracted: Extracted, controls: Controls) -> list[int]:
        return find_chosen(base, bundle, extracted, controls, asked)

    ids = await asyncio.to_thread(runtime.bases.ask, find)
    ids = ids[: wanted.limit] if wanted.limit else ids
    if wanted.dry_run:
        shown = await runtime.ask(lambda engine, now: show_campaign(engine))
        return CampaignTold(campaign=shown, would_wake=len(ids))
    members = await asyncio.to_thread(pack_members, ids)
    begun = await runtime.ask(
        lambda engine, now: begin_campaign(
            engine, wanted.action, members, pace=wanted.pace, actor=actor, now=now
        )
    )
    return CampaignTold(campaign=begun, would_wake=len(ids))


async def show(call: Call) -> CampaignTold:
    """Return how far the newest campaign is."""
    shown = await call.front.runtime.ask(lambda engine, now: show_campaign(engine))
    return CampaignTold(campaign=shown)


async def stop(call: Call) -> CampaignTold:
    """Wake nobody more."""
    actor = call.caller.actor
    stopped = await call.front.runtime.ask(
        lambda engine, now: stop_campaign(engine, actor=actor, now=now)
    )
    return CampaignTold(campaign=stopped)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/campaign",
        name="beginCampaign",
        summary="Look at those for whom an action is chosen now, at a set pace; each is decided as always.",
        handler=begin,
        tag="Everybody",
        who="operator",
        needs="brand",
        body=CampaignWanted,
        answer=CampaignTold,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/campaign",
        name="showCampaign",
        summary="Show how far the newest campaign is.",
        handler=show,
        tag="Everybody",
        who="operator",
        needs="decisions",
        answer=CampaignTold,
        statuses=BUSY,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/campaign",
        name="stopCampaign",
        summary="Stop the campaign: it wakes nobody more.",
        handler=stop,
        tag="Everybody",
        who="operator",
        needs="brand",
        answer=CampaignTold,
        statuses=(404, *BUSY),
    ),
)
