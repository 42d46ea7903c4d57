"""Everybody at once, over HTTP: a base is prepared, and asked in counts; nobody is named."""

import asyncio
from typing import Final

import msgspec

from kept.base_port import Base
from kept.core.bundle import Bundle
from kept.core.decision import Controls
from kept.flows.ask_base import (
    AudienceView,
    ReachView,
    ReachWanted,
    count_audience,
    count_reach,
)
from kept.flows.extract_base import Extracted
from kept.flows.note_in_log import note_operator
from kept.runtime.bases import BaseEngine, BaseView
from kept.web.endpoints import BUSY, Call, Endpoint


class PrepareWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which engine is to be asked."""

    engine: BaseEngine = "duckdb"


class AudienceWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to count: the members of a segment, or those for whom a condition holds."""

    segment: str = ""
    where: str = ""


async def prepare_base(call: Call) -> BaseView:
    """Begin to take a base of now."""
    await _note(call, "base prepared")
    wanted: PrepareWanted = call.body
    return await asyncio.to_thread(call.front.runtime.bases.prepare, wanted.engine)


async def show_base(call: Call) -> BaseView:
    """Return how far the base is."""
    return call.front.runtime.bases.view()


async def drop_base(call: Call) -> BaseView:
    """Let go of the base."""
    return await asyncio.to_thread(call.front.runtime.bases.drop)


async def show_audience(call: Call) -> AudienceView:
    """Count members."""
    wanted: AudienceWanted = call.body
    await _note(call, "audience counted")

    def count(base: Base, bundle: Bundle, extracted: Extracted, controls: Controls) -> AudienceView:
        return count_audience(
            base, bundle, extracted, controls, segment=wanted.segment, where=wanted.where
        )

    return await asyncio.to_thread(call.front.runtime.bases.ask, count)


async def show_reach(call: Call) -> ReachView:
    """Count what would be decided for everybody."""
    wanted: ReachWanted = call.body
    await _note(call, "reach counted")

    def count(base: Base, bundle: Bundle, extracted: Extracted, controls: Controls) -> ReachView:
        return count_reach(base, bundle, extracted, controls, wanted)

    return await asyncio.to_thread(call.front.runtime.bases.ask, count)


async def _note(call: Call, verb: str) -> None:
    """Note who asked, and not what: a condition may name a value of a person."""
    actor = call.caller.actor
    await call.front.runtime.ask(
        lambda engine, now: note_operator(
            engine.store, "staff_access", actor=actor, verb=verb, detail={}, now=now
        )
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/base",
        name="prepareBase",
        summary="Begin to take a base: everybody's facts as they are now, to be asked in counts.",
        handler=prepare_base,
        tag="Everybody",
        who="operator",
        needs="decisions",
        body=PrepareWanted,
        answer=BaseView,
        statuses=(409, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/base",
        name="showBase",
        summary="Show how far the base is.",
        handler=show_base,
        tag="Everybody",
        who="operator",
        needs="decisions",
        answer=BaseView,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/base",
        name="dropBase",
        summary="Let go of the base.",
        handler=drop_base,
        tag="Everybody",
        who="operator",
        needs="decisions",
        answer=BaseView,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/base/audience",
        name="showAudience",
        summary="Count the members of a segment, or those for whom a condition holds.",
        handler=show_audience,
        tag="Everybody",
        who="operator",
        needs="decisions",
        body=AudienceWanted,
        answer=AudienceView,
        statuses=(409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/base/reach",
        name="showReach",
        summary="Count what would be decided for everybody, and which layer says no to how many.",
        handler=show_reach,
        tag="Everybody",
        who="operator",
        needs="decisions",
        body=ReachWanted,
        answer=ReachView,
        statuses=(409, *BUSY),
    ),
)
