"""The epochs of the master key over HTTP: which there are, and a new one at once."""

import asyncio
from typing import Final

import msgspec

from kept.core.values import format_instant
from kept.errors import ConflictError, SettingsError
from kept.flows.note_in_log import note_operator
from kept.stores.vault.epochs import EpochStatus
from kept.web.endpoints import BUSY, Call, Endpoint


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of the master key, under which keys of customers' parts are wrapped."""

    epoch: int
    begun_at: str
    retired_at: str
    """Since when no key is wrapped under it any more; empty while some are."""
    key_count: int


class Epochs(msgspec.Struct, frozen=True, kw_only=True):
    """The epochs in use, oldest first."""

    epochs: tuple[Epoch, ...]


async def show_epochs(call: Call) -> Epochs:
    """Return the epochs of the master key."""
    upkeep = call.front.runtime.key_upkeep
    found = await asyncio.to_thread(upkeep.list_epochs)
    counts = await asyncio.to_thread(upkeep.count_keys)
    return Epochs(epochs=tuple(_show(one, counts.get(one.epoch, 0)) for one in found))


async def rotate(call: Call) -> Epochs:
    """Begin a new epoch and wrap every key under it."""
    runtime, actor = call.front.runtime, call.caller.actor
    try:
        epoch = await asyncio.to_thread(runtime.key_upkeep.rotate)
    except SettingsError as error:
        raise ConflictError(str(error)) from error
    detail = {"epoch": epoch}
    await runtime.ask(
        lambda engine, now: note_operator(
            engine.store, "approval", actor=actor, verb="rotate_master_key", detail=detail, now=now
        )
    )
    return await show_epochs(call)


def _show(one: EpochStatus, key_count: int) -> Epoch:
    return Epoch(
        epoch=one.epoch,
        begun_at=format_instant(one.begun_at) if one.begun_at else "",
        retired_at=format_instant(one.retired_at) if one.retired_at else "",
        key_count=key_count,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/vault",
        name="showEpochs",
        summary="List the epochs of the master key, and how many keys each wraps.",
        handler=show_epochs,
        tag="Operating",
        who="operator",
        needs="vault",
        answer=Epochs,
        statuses=(503,),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/vault/rotate",
        name="rotateMasterKey",
        summary="Begin a new epoch of the master key and wrap every key under it.",
        handler=rotate,
        tag="Operating",
        who="operator",
        needs="vault",
        answer=Epochs,
        statuses=(409, *BUSY),
    ),
)
