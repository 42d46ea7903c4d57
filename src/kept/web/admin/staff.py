"""Staff over HTTP: invited, given roles, shut out and let in again, and who one is oneself."""

from typing import Final

import msgspec

from kept.clock import random_token
from kept.core.access import PERMISSIONS, Permission, Role, permissions_of
from kept.core.staff import Staff
from kept.flows.staff import add_staff, change_roles, reset_staff, set_enabled
from kept.web.admin.keys import show_instant
from kept.web.cookies import form_token
from kept.web.endpoints import BUSY, Call, Endpoint


class StaffWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to invite."""

    name: str
    """What they sign in with, mostly an e-mail address."""
    roles: tuple[str, ...]


class RolesWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody shall be from now on."""

    roles: tuple[str, ...]


class StaffView(msgspec.Struct, frozen=True, kw_only=True):
    """One member of staff."""

    staff_id: int
    name: str
    roles: tuple[Role, ...]
    permissions: tuple[Permission, ...]
    """What the roles let them do."""
    way: str
    """`password`, or `oidc` for an account of the identity provider."""
    is_enabled: bool
    is_invited: bool
    """Whether an invitation waits to be used."""
    made_at: str
    made_by: str
    signed_in_at: str
    """When they last signed in; empty for never."""


class StaffList(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who may sign in, or might once."""

    staff: tuple[StaffView, ...]


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation. It is shown here and never again, and is good once."""

    staff: StaffView
    invitation_url: str
    """Where the password is set; hand it over by a way that nobody else reads."""
    good_until: str


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in, and what they may do."""

    name: str
    roles: tuple[Role, ...]
    permissions: tuple[Permission, ...]
    form_token: str
    """What a script of our own pages sends as `X-Kept-Form-Token` with whatever changes something."""


async def list_staff(call: Call) -> StaffList:
    """Return everybody, in order of their numbers."""
    staff = await call.front.runtime.ask(lambda engine, now: engine.store.load_staff())
    return StaffList(staff=tuple(_view(each, call.now) for each in staff))


async def invite(call: Call) -> Invited:
    """Make a local account, and an invitation to set its password."""
    wanted: StaffWanted = call.body
    actor, invitation = call.caller.actor, random_token()
    made = await call.front.runtime.change_access(
        lambda engine, now: add_staff(
            engine, wanted.name, wanted.roles, invitation=invitation, actor=actor, now=now
        )
    )
    return _invited(call, made, invitation)


async def put_roles(call: Call) -> StaffView:
    """Give a local account other roles; it signs in anew."""
    wanted: RolesWanted = call.body
    staff_id, actor = call.number("staff_id"), call.caller.actor
    changed = await call.front.runtime.change_access(
        lambda engine, now: change_roles(engine, staff_id, wanted.roles, actor=actor, now=now)
    )
    return _view(changed, call.now)


async def disable(call: Call) -> StaffView:
    """Shut an account out, at once."""
    return await _set_enabled(call, is_enabled=False)


async def enable(call: Call) -> StaffView:
    """Let an account in again."""
    return await _set_enabled(call, is_enabled=True)


async def _set_enabled(call: Call, *, is_enabled: bool) -> StaffView:
    staff_id, actor = call.number("staff_id"), call.caller.actor
    changed = await call.front.runtime.change_access(
        lambda engine, now: set_enabled(
            engine, staff_id, is_enabled=is_enabled, actor=actor, now=now
        )
    )
    return _view(changed, call.now)


async def reset(call: Call) -> Invited:
    """Take a password away and invite to set a new one; a lock-out is lifted."""
    staff_id, actor, invitation = call.number("staff_id"), call.caller.actor, random_token()
    runtime, lock_out = call.front.runtime, call.front.lock_out
    staff = runtime.directory.staff.get(staff_id)
    names = lock_out.forget_account(staff.name) if staff is not None else []
    changed = await runtime.change_access(
        lambda engine, now: reset_staff(
            engine, staff_id, invitation=invitation, names=names, actor=actor, now=now
        )
    )
    return _invited(call, changed, invitation)


async def show_me(call: Call) -> Me:
    """Return who signed in."""
    staff = call.caller.staff
    if staff is None:
        raise AssertionError("a route of a person was reached by nobody")
    held = permissions_of(staff.roles)
    return Me(
        name=staff.name,
        roles=staff.roles,
        permissions=tuple(each for each in PERMISSIONS if each in held),
        form_token=form_token(call.caller.cookie),
    )


def _invited(call: Call, staff: Staff, invitation: str) -> Invited:
    return Invited(
        staff=_view(staff, call.now),
        invitation_url=f"{call.front.runtime.settings.own_url}/invitations/{invitation}",
        good_until=show_instant(staff.invited_until),
    )


def _view(staff: Staff, now: int) -> StaffView:
    held = permissions_of(staff.roles)
    return StaffView(
        staff_id=staff.staff_id,
        name=staff.name,
        roles=staff.roles,
        permissions=tuple(each for each in PERMISSIONS if each in held),
        way="password" if staff.is_local else "oidc",
        is_enabled=staff.is_enabled,
        is_invited=bool(staff.invitation) and now < staff.invited_until,
        made_at=show_instant(staff.made_at),
        made_by=staff.made_by,
        signed_in_at=show_instant(staff.signed_in_at),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/staff",
        name="listStaff",
        summary="List staff, and what each may do.",
        handler=list_staff,
        tag="Access",
        who="operator",
        needs="staff",
        answer=StaffList,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/staff",
        name="inviteStaff",
        summary="Make a local account, and an invitation to set its password.",
        handler=invite,
        tag="Access",
        who="operator",
        needs="staff",
        body=StaffWanted,
        answer=Invited,
        statuses=(409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/staff/{staff_id}/roles",
        name="changeRoles",
        summary="Give a local account other roles; its sessions end.",
        handler=put_roles,
        tag="Access",
        who="operator",
        needs="staff",
        body=RolesWanted,
        answer=StaffView,
        statuses=(404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/staff/{staff_id}/disable",
        name="disableStaff",
        summary="Shut an account out; its sessions end.",
        handler=disable,
        tag="Access",
        who="operator",
        needs="staff",
        answer=StaffView,
        statuses=(400, 404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/staff/{staff_id}/enable",
        name="enableStaff",
        summary="Let an account in again.",
        handler=enable,
        tag="Access",
        who="operator",
        needs="staff",
        answer=StaffView,
        statuses=(400, 404, 409, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/staff/{staff_id}/reset",
        name="resetStaff",
        summary="Take a password away and invite to set a new one; sessions end.",
        handler=reset,
        tag="Access",
        who="operator",
        needs="staff",
        answer=Invited,
        statuses=(400, 404, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/v1/me",
        name="showMe",
        summary="Say who signed in, and what they may do.",
        handler=show_me,
        tag="Access",
        who="person",
        answer=Me,
    ),
)
