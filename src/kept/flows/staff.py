"""Staff: invited, changed, disabled; signed in and out. What ends an account's rights ends its sessions."""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from kept import settings
from kept.core.access import Role, read_roles
from kept.core.keys import hash_key
from kept.core.oidc import Person
from kept.core.plain_text import clean_line
from kept.core.staff import INVITATION_KEPT, Failures, Session, SignInWay, Staff
from kept.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.ports import Store

ADMIN_SETTING: Final = "admin_token"
"""Where the hash of the admin token of the first start stands."""
REVOKED: Final = "revoked"
"""What stands there once it is revoked; empty lets the next start make another."""
NAME_LENGTH_MAX: Final = 200
STAFF_MAX: Final = 10_000
BROWSER_LENGTH_MAX: Final = 160


def read_name(text: str) -> str:
    """Return what somebody signs in with, as it is compared.

    Raises:
        InputError: it is empty or too long.
    """
    name = clean_line(text).lower()
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise InputError(f"a name to sign in with has 1 to {NAME_LENGTH_MAX} characters")
    return name


def find_local(staff: Iterable[Staff], name: str) -> Staff | None:
    """Return the local account of a name."""
    return next((each for each in staff if each.is_local and each.name == name), None)


def add_staff(
    engine: Engine,
    name: str,
    roles: Collection[str],
    *,
    invitation: str,
    actor: str,
    now: int,
) -> Staff:
    """Make a local account; whoever has the invitation sets its first password.

    Raises:
        InputError: the name or a role cannot be used.
        ConflictError: the name is taken, or there are too many accounts.
    """
    name = read_name(name)
    known = engine.store.load_staff()
    held = read_roles(roles)
    if find_local(known, name) is not None:
        raise ConflictError(f"there is an account {name!r} already; change its roles, or reset it")
    made = Staff(
        staff_id=_next_id(known),
        name=name,
        roles=held,
        invitation=hash_key(invitation),
        invited_until=now + INVITATION_KEPT,
        made_at=now,
        made_by=actor,
    )
    engine.store.save_staff(made)
    detail = {"staff_id": made.staff_id, "roles": list(held)}
    note_operator(engine.store, "approval", actor=actor, verb="add_staff", detail=detail, now=now)
    return made


def change_roles(
    engine: Engine, staff_id: int, roles: Collection[str], *, actor: str, now: int
) -> Staff:
    """Give a local account other roles; it signs in anew.

    Raises:
        InputError: a role is none.
        NotFoundError: there is no such account.
        NotAllowedError: the identity provider says what it is.
        ConflictError: nobody could administer any more.
    """
    staff, held = find_staff(engine.store, staff_id), read_roles(roles)
    if not staff.is_local:
        raise NotAllowedError(
            f"{staff.name} signs in by the identity provider, which says what they are; change it "
            "there"
        )
    changed = _keep(engine, msgspec.structs.replace(staff, roles=held))
    detail = {"staff_id": staff_id, "before": list(staff.roles), "roles": list(held)}
    note_operator(
        engine.store, "approval", actor=actor, verb="change_roles", detail=detail, now=now
    )
    return changed


def set_enabled(engine: Engine, staff_id: int, *, is_enabled: bool, actor: str, now: int) -> Staff:
    """Shut an account out, at once, or let it in again.

    Raises:
        NotFoundError: there is no such account.
        ConflictError: nobody could administer any more.
    """
    staff = find_staff(engine.store, staff_id)
    changed = _keep(engine, msgspec.structs.replace(staff, is_enabled=is_enabled))
    verb = "enable_staff" if is_enabled else "disable_staff"
    note_operator(
        engine.store, "approval", actor=actor, verb=verb, detail={"staff_id": staff_id}, now=now
    )
    return changed


def reset_staff(
    engine: Engine, staff_id: int, *, invitation: str, names: Iterable[str], actor: str, now: int
) -> Staff:
    """Take a password away, lift a lock-out, and invite to set a new password.

    Args:
        engine: the engine.
        staff_id: whose account.
        invitation: the new invitation's text.
        names: under which failed sign-ins of the account are remembered.
        actor: who does it.
        now: the present instant.

    Raises:
        NotFoundError: there is no such account.
        NotAllowedError: its password is at the identity provider.
    """
    staff = find_staff(engine.store, staff_id)
    if not staff.is_local:
        raise NotAllowedError(f"{staff.name} has no password here, but at the identity provider")
    changed = msgspec.structs.replace(
        staff,
        password="",
        invitation=hash_key(invitation),
        invited_until=now + INVITATION_KEPT,
    )
    end_sessions(engine.store, staff_id)
    engine.store.save_staff(changed)
    engine.store.drop_failures(names)
    note_operator(
        engine.store,
        "approval",
        actor=actor,
        verb="reset_staff",
        detail={"staff_id": staff_id},
        now=now,
    )
    return changed


def accept_invitation(engine: Engine, invitation: str, *, password: str, now: int) -> Staff:
    """Set the first password (its hash) of whom an invitation is for; it is good once.

    Raises:
        NotFoundError: it is none, was used, or is too old.
    """
    staff = find_invited(engine.store.load_staff(), invitation, now=now)
    if staff is None:
        raise NotFoundError("this invitation is used or too old; ask for a new one")
    changed = msgspec.structs.replace(staff, password=password, invitation="", invited_until=0)
    end_sessions(engine.store, staff.staff_id)
    engine.store.save_staff(changed)
    detail = {"staff_id": staff.staff_id}
    note_operator(
        engine.store, "approval", actor=staff.actor, verb="set_password", detail=detail, now=now
    )
    return changed


def find_invited(staff: Iterable[Staff], invitation: str, *, now: int) -> Staff | None:
    """Return whom an invitation is for, if it is good."""
    digest = hash_key(invitation)
    for each in staff:
        if each.invitation and each.invitation == digest:
            return each if each.is_enabled and now < each.invited_until else None
    return None


def change_password(engine: Engine, staff_id: int, *, password: str, kept: str, now: int) -> None:
    """Put another password (its hash) in the place of the old one; other browsers are signed out.

    Args:
        engine: the engine.
        staff_id: whose.
        password: the hash of the new one.
        kept: the session that stays, by its hash; empty for none.
        now: the present instant.
    """
    staff = find_staff(engine.store, staff_id)
    engine.store.save_staff(msgspec.structs.replace(staff, password=password))
    end_sessions(engine.store, staff_id, kept=kept)
    detail = {"staff_id": staff_id}
    note_operator(
        engine.store, "approval", actor=staff.actor, verb="set_password", detail=detail, now=now
    )


def sign_in(
    engine: Engine,
    staff_id: int,
    *,
    cookie: str,
    way: SignInWay,
    browser: str,
    before: str,
    rehashed: str = "",
    now: int,
) -> Session:
    """Begin a session; the one that the browser had before ends.

    Args:
        engine: the engine.
        staff_id: who signed in.
        cookie: what the browser will show, long and random.
        way: how they proved who they are.
        browser: what the browser calls itself.
        before: the session that the browser had, by its hash.
        rehashed: the password's hash by newer parameters, if it must be kept anew.
        now: the present instant.

    Raises:
        NotAllowedError: the account was disabled meanwhile.
    """
    staff = find_staff(engine.store, staff_id)
    if not staff.can_sign_in:
        raise NotAllowedError("this account is disabled")
    changed = msgspec.structs.replace(staff, signed_in_at=now, password=rehashed or staff.password)
    engine.store.save_staff(changed)
    session = Session(
        digest=hash_key(cookie),
        staff_id=staff_id,
        begun_at=now,
        seen_at=now,
        way=way,
        browser=clean_line(browser)[:BROWSER_LENGTH_MAX],
    )
    own = [each for each in engine.store.load_sessions() if each.staff_id == staff_id]
    own.sort(key=lambda each: each.seen_at, reverse=True)
    surplus = [each.digest for each in own[settings.SESSIONS_MAX - 1 :]]
    engine.store.drop_sessions([*surplus, before])
    engine.store.save_session(session)
    engine.counts["sign_ins", "done"] += 1
    detail = {"staff_id": staff_id, "way": way}
    note_operator(
        engine.store, "approval", actor=staff.actor, verb="sign_in", detail=detail, now=now
    )
    return session


def take_person(
    engine: Engine, person: Person, roles: tuple[Role, ...], *, issuer: str, now: int
) -> Staff | None:
    """Return the account of somebody whom the identity provider vouches for, as it says they are.

    An account is found by issuer and subject alone: a name there may be given to somebody else.
    Whoever has no role there has no access: None, and what they had before is taken away.

    Raises:
        NotAllowedError: it was disabled here.
        ConflictError: there are too many accounts.
    """
    known = engine.store.load_staff()
    found = next(
        (each for each in known if (each.issuer, each.subject) == (issuer, person.subject)), None
    )
    if found is not None and not found.is_enabled:
        raise NotAllowedError("this account is disabled")
    if found is None and not roles:
        return None
    if found is None:
        found = Staff(
            staff_id=_next_id(known),
            name=person.name,
            roles=roles,
            issuer=issuer,
            subject=person.subject,
            made_at=now,
            made_by="oidc",
        )
        detail = {"staff_id": found.staff_id, "roles": list(roles)}
        note_operator(
            engine.store, "approval", actor="oidc", verb="add_staff", detail=detail, now=now
        )
    elif found.roles != roles:
        end_sessions(engine.store, found.staff_id)
        detail = {
            "staff_id": found.staff_id, "before": list(found.roles), "roles": list(roles),
        }  # fmt: skip
        note_operator(
            engine.store, "approval", actor="oidc", verb="change_roles", detail=detail, now=now
        )
    found = msgspec.structs.replace(found, name=person.name, roles=roles)
    engine.store.save_staff(found)
    return found if roles else None


def end_sessions(store: Store, staff_id: int, *, kept: str = "") -> int:
    """Sign somebody out everywhere, or everywhere but in one session; return in how many."""
    gone = [
        each.digest
        for each in store.load_sessions()
        if each.staff_id == staff_id and each.digest != kept
    ]
    store.drop_sessions(gone)
    return len(gone)


def forget_over(store: Store, now: int, *, idle: int, whole: int) -> int:
    """Drop sessions that ended by themselves; return how many."""
    gone = [
        each.digest for each in store.load_sessions() if each.is_over(now, idle=idle, whole=whole)
    ]
    store.drop_sessions(gone)
    return len(gone)


def note_try(engine: Engine, noted: dict[str, Failures]) -> None:
    """Write down a try to sign in, which counts as failed until it succeeds."""
    engine.counts["sign_ins", "tried"] += 1
    _keep_failures(engine.store, noted)


def forgive(engine: Engine, names: Iterable[str], left: dict[str, Failures]) -> None:
    """Forget the failed sign-ins of an account that signed in, and keep what is left of others."""
    engine.store.drop_failures(names)
    _keep_failures(engine.store, left)


def _keep_failures(store: Store, noted: dict[str, Failures]) -> None:
    """Keep them, so that a restart forgives nobody; the oldest of too many go."""
    for name, failures in noted.items():
        store.save_failures(name, failures)
    known = store.load_failures()
    store.drop_failures(list(known)[: max(0, len(known) - settings.FAILURES_MAX)])


def has_other_way_in(store: Store, *, without: int = 0) -> bool:
    """Return whether somebody (besides one) has the role admin and can sign in."""
    return any(
        "admin" in each.roles and each.can_sign_in and each.signed_in_at
        for each in store.load_staff()
        if each.staff_id != without
    )


def find_staff(store: Store, staff_id: int) -> Staff:
    """Return a member of staff.

    Raises:
        NotFoundError: there is none of this id.
    """
    for each in store.load_staff():
        if each.staff_id == staff_id:
            return each
    raise NotFoundError(f"there is no member of staff {staff_id}; `kept staff list` shows them")


def _next_id(known: list[Staff]) -> int:
    if len(known) >= STAFF_MAX:
        raise ConflictError(f"there are {STAFF_MAX} accounts already")
    # Nobody is ever removed, so that a number in the audit stays one person's.
    return max((each.staff_id for each in known), default=0) + 1


def has_admin_token(store: Store) -> bool:
    """Return whether the admin token of the first start is good."""
    return (store.load_setting(ADMIN_SETTING) or b"").decode() not in ("", REVOKED)


def _keep(engine: Engine, staff: Staff) -> Staff:
    """Keep what an account has become, and sign it out; somebody must stay who administers."""
    store = engine.store
    administers = "admin" in staff.roles and staff.is_enabled
    is_needed = not administers and not has_admin_token(store)
    if is_needed and not has_other_way_in(store, without=staff.staff_id):
        raise ConflictError(
            "nobody could administer any more: the admin token is revoked, and nobody else has the "
            "role admin and can sign in"
        )
    end_sessions(store, staff.staff_id)
    store.save_staff(staff)
    return staff
