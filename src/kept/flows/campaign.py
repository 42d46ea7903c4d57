"""A campaign: those for whom a base says that an action is chosen are looked at now, at a set pace.

It proposes, and decides nothing. Whoever's turn it is is put into the wake table, from where any node
takes them: everything about them is decided anew, and what comes out is queued and decided once more
at its hand-over, as always. So a campaign can be stopped, braked and interrupted at any moment, and
says nothing that would not be said to that customer anyhow.
"""

import zlib
from typing import Any, Final

import msgspec

from kept.core.decision import parts_of
from kept.core.values import MINUTE, format_instant
from kept.errors import ConflictError, ContendedError, InputError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator

SETTING: Final = "campaign"
DUTY: Final = "campaign"
"""One node at a time moves a campaign, and whichever it is."""

_MEMBERS_SETTING: Final = "campaign_members"
PACE_MAX: Final = 60_000
MEMBERS_MAX: Final = 5_000_000
WOKEN_A_TICK: Final = 200
_BURST: Final = MINUTE // 6
"""What was not done in time is not made up for: after a stall a campaign goes on at its pace. Of a slow
pace it is one customer's share that counts."""


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign, as far as it has come; durable."""

    action: str
    pace: int
    """How many customers are woken a minute."""
    members: int
    woken: int = 0
    state: str = "running"
    """`running`, `done` or `stopped`."""
    begun_at: int
    moved_at: int
    """When somebody was last woken, or could have been."""
    actor: str


class Members(msgspec.Struct, frozen=True):
    """Whom a campaign wakes, in this order, and the same as the store keeps them."""

    ids: list[int]
    packed: bytes


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a campaign is, for people."""

    action: str
    state: str
    pace: int
    members: int
    woken: int
    is_braked: bool
    begun_at: str


_decode = msgspec.json.Decoder(Campaign).decode
_decode_members = msgspec.json.Decoder(list[int]).decode


def pack_members(ids: list[int]) -> Members:
    """Make ready whom to wake; with millions it takes seconds, and so belongs into no transaction.

    Raises:
        InputError: there are too many.
    """
    if len(ids) > MEMBERS_MAX:
        raise InputError(f"{len(ids)} customers are too many; at most {MEMBERS_MAX}")
    return Members(ids, zlib.compress(msgspec.json.encode(ids), 6))


def begin_campaign(
    engine: Engine, action: str, members: Members, *, pace: int, actor: str, now: int
) -> CampaignView:
    """Begin to wake customers, in this order.

    Raises:
        ConflictError: another campaign runs.
        ContendedError: another node is at it.
        InputError: the pace is none.
        NotFoundError: the brand has no such action that leaves by itself.
    """
    _take_duty(engine)
    running = load_campaign(engine)
    if running is not None and running.state == "running":
        raise ConflictError(f"the campaign {running.action} runs; stop it, or wait for its end")
    rule = engine.bundle.policy.by_name.get(action)
    if rule is None or not rule.channels:
        raise NotFoundError(f"the brand has no action {action!r} that leaves on a channel")
    if not 0 < pace <= PACE_MAX:
        raise InputError(f"the pace is {pace}; it must be from 1 to {PACE_MAX} customers a minute")
    campaign = Campaign(
        action=action,
        pace=pace,
        members=len(members.ids),
        state="running" if members.ids else "done",
        begun_at=now,
        moved_at=now,
        actor=actor,
    )
    engine.store.save_setting(_MEMBERS_SETTING, members.packed)
    _keep(engine, campaign, members.ids)
    detail = {"action": action, "members": len(members.ids), "pace": pace}
    _note(engine, "campaign begun", detail, actor=actor, now=now)
    return view_campaign(engine, campaign)


def stop_campaign(engine: Engine, *, actor: str, now: int) -> CampaignView:
    """Wake nobody more; what is queued already stays, as it is everybody's own.

    Raises:
        ContendedError: another node is at it.
        NotFoundError: none runs.
    """
    _take_duty(engine)
    campaign = load_campaign(engine)
    if campaign is None or campaign.state != "running":
        raise NotFoundError("no campaign runs")
    stopped = msgspec.structs.replace(campaign, state="stopped")
    _keep(engine, stopped, [])
    detail = {"action": campaign.action, "woken": campaign.woken}
    _note(engine, "campaign stopped", detail, actor=actor, now=now)
    return view_campaign(engine, stopped)


def show_campaign(engine: Engine) -> CampaignView | None:
    """Return the newest campaign, None if there never was one."""
    campaign = load_campaign(engine)
    return None if campaign is None else view_campaign(engine, campaign)


def view_campaign(engine: Engine, campaign: Campaign) -> CampaignView:
    """Return a campaign for people."""
    return CampaignView(
        action=campaign.action,
        state=campaign.state,
        pace=campaign.pace,
        members=campaign.members,
        woken=campaign.woken,
        is_braked=_is_braked(engine, campaign),
        begun_at=format_instant(campaign.begun_at),
    )


def load_campaign(engine: Engine) -> Campaign | None:
    """Return the newest campaign."""
    if engine.campaign is None or engine.store.is_shared:
        stored = engine.store.load_setting(SETTING)
        campaign = _decode(stored) if stored else None
        known = engine.campaign
        if campaign is None:
            engine.campaign = None
        elif known is not None and known[0].begun_at == campaign.begun_at:
            # Another node may have moved it; whom it is about stays.
            engine.campaign = (campaign, known[1])
        else:
            members = engine.store.load_setting(_MEMBERS_SETTING) or b""
            listed = _decode_members(zlib.decompress(members)) if members else []
            engine.campaign = (campaign, listed)
    return None if engine.campaign is None else engine.campaign[0]


def advance_campaign(engine: Engine, now: int) -> int:
    """Let those be woken whose turn it is; return how many."""
    if engine.store.is_shared and not _is_ours(engine):
        return 0
    if engine.campaign is None or engine.campaign[0].state != "running":
        return 0
    campaign, members = engine.campaign
    if _is_braked(engine, campaign):
        # It waits, and its time does not run.
        waiting = msgspec.structs.replace(campaign, moved_at=now)
        engine.campaign = (waiting, members)
        if engine.store.is_shared:
            _keep(engine, waiting, members)
        return 0
    since = _counts_since(campaign, now)
    count = min((now - since) * campaign.pace // MINUTE, WOKEN_A_TICK)
    if count <= 0:
        return 0
    turn = members[campaign.woken : campaign.woken + count]
    # Whom it was merged into, or whether it was forgotten since, is found out as they are woken.
    engine.store.save_wakes([(customer_id, now) for customer_id in turn])
    woken = campaign.woken + len(turn)
    # The rest of a minute's share is kept, so that slow paces are kept too.
    moved_at = min(since + count * MINUTE // campaign.pace, now)
    state = "running" if woken < campaign.members else "done"
    moved = msgspec.structs.replace(campaign, woken=woken, moved_at=moved_at, state=state)
    _keep(engine, moved, members)
    engine.counts["campaign", campaign.action] += len(turn)
    if state == "done":
        engine.tell("campaign_done", action=campaign.action)
    return len(turn)


def _counts_since(campaign: Campaign, now: int) -> int:
    """Return since when time counts: all of it, unless the campaign stalled."""
    share = MINUTE // campaign.pace
    burst = max(_BURST, share)
    # Whoever looks a little late must not lose the rest of a share each time.
    is_stalled = now - campaign.moved_at >= burst + share
    return now - burst if is_stalled else campaign.moved_at


def _is_braked(engine: Engine, campaign: Campaign) -> bool:
    rule = engine.bundle.policy.by_name.get(campaign.action)
    return rule is None or any(
        {("all", ""), ("action", rule.action), ("purpose", rule.purpose)}.issuperset(
            parts_of(brake)
        )
        for brake in engine.controls.brakes
    )


def _is_ours(engine: Engine) -> bool:
    """Return whether a campaign runs that no other node moves now, as it is by now."""
    running = load_campaign(engine)
    if running is None or running.state != "running" or not engine.store.try_duty(DUTY):
        return False
    # Until the duty was ours another node may have moved it, or ended it.
    load_campaign(engine)
    return True


def _take_duty(engine: Engine) -> None:
    if not engine.store.try_duty(DUTY):
        raise ContendedError("another node is at work on the campaign")


def _keep(engine: Engine, campaign: Campaign, members: list[int]) -> None:
    engine.campaign = (campaign, members)
    engine.store.save_setting(SETTING, msgspec.json.encode(campaign))
    if campaign.state != "running":
        engine.store.save_setting(_MEMBERS_SETTING, b"")


def _note(engine: Engine, verb: str, detail: dict[str, Any], *, actor: str, now: int) -> None:
    note_operator(engine.store, "approval", actor=actor, verb=verb, detail=detail, now=now)
    engine.tell(verb.replace(" ", "_"), action=detail["action"])
