"""The brake over HTTP: pause, resume, and see what is paused."""

from typing import Final

import msgspec

from kept.clock import read_monotonic
from kept.core.decision import Brake
from kept.core.values import format_instant
from kept.flows.brake import pause, resume
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.metrics import seconds


class BrakeWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to pause, and why."""

    scope: str
    """`all`, or `action:NAME`, `channel:NAME`, `purpose:NAME`, `region:NAME`, `cohort:NAME`; all but `all` and
    channels may be joined by a plus, which stops what is within all of them."""
    because: str = ""


class BrakeView(msgspec.Struct, frozen=True, kw_only=True):
    """A brake that is on, or was until now."""

    scope: str
    since: str
    actor: str
    because: str


class Brakes(msgspec.Struct, frozen=True, kw_only=True):
    """Every brake that is on."""

    brakes: tuple[BrakeView, ...]


async def list_brakes(call: Call) -> Brakes:
    """Return every brake that is on."""
    # Another node may have put one on a moment ago: a transaction begins by taking that up.
    controls = await call.front.runtime.ask(lambda engine, now: engine.controls)
    return Brakes(brakes=tuple(view_brake(brake) for brake in controls.brakes))


async def put_brake(call: Call) -> BrakeView:
    """Pause something; nothing of it leaves once this is answered."""
    started = read_monotonic()
    wanted: BrakeWanted = call.body
    actor = call.caller.actor
    brake = await call.front.runtime.ask(
        lambda engine, now: pause(
            engine, wanted.scope, actor=actor, because=wanted.because, now=now
        )
    )
    call.front.meters.stopped_by_operator.observe(seconds(read_monotonic() - started))
    return view_brake(brake)


async def lift_brake(call: Call) -> BrakeView:
    """Lift a brake; those who waited are looked at again spread over time."""
    scope, actor = call.text("scope"), call.caller.actor
    brake = await call.front.runtime.ask(
        lambda engine, now: resume(engine, scope, actor=actor, now=now)
    )
    return view_brake(brake)


def view_brake(brake: Brake) -> BrakeView:
    """Return a brake as it is shown."""
    return BrakeView(
        scope=brake.brake,
        since=format_instant(brake.since),
        actor=brake.actor,
        because=brake.because,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/brakes",
        name="listBrakes",
        summary="List what is paused.",
        handler=list_brakes,
        tag="Operating",
        who="operator",
        needs="status",
        answer=Brakes,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/brakes",
        name="pause",
        summary="Pause an action, a channel, a purpose, a region, a cohort, or all.",
        handler=put_brake,
        tag="Operating",
        who="operator",
        needs="brake",
        body=BrakeWanted,
        answer=BrakeView,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/brakes/{scope}",
        name="resume",
        summary="Lift a brake.",
        handler=lift_brake,
        tag="Operating",
        who="operator",
        needs="brake",
        answer=BrakeView,
        statuses=(404, *BUSY),
    ),
)
