"""The pages of sign-in: plain forms, whole without a script."""

import hmac
import logging
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from kept.clock import random_token
from kept.core.keys import hash_key
from kept.core.passwords import check_password, normalise_password
from kept.core.staff import SignInWay, Staff
from kept.core.values import MINUTE, SECOND, format_instant
from kept.errors import InputError, NotAllowedError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.staff import (
    accept_invitation,
    change_password,
    end_sessions,
    find_invited,
    find_local,
    forgive,
    note_try,
    sign_in,
)
from kept.web.cookies import form_token
from kept.web.endpoints import BUSY, Call, Endpoint, log_extra
from kept.web.guard import FORM_TOKEN, read_fields

_log = logging.getLogger("kept.web")
BEFORE_SECONDS: Final = 3_600
"""How long the form of the sign-in page is good for."""
WRONG: Final = "The name or the password is not right."


async def show_sign_in(call: Call) -> Response:
    """Show the form."""
    return _sign_in_page(call)


async def take_sign_in(call: Call) -> Response:
    """Let somebody in who knows the password of a local account."""
    front, scope = call.front, call.request.scope
    fields = _read_form(call, cookie=front.cookies.read(scope, "before"))
    name = fields.get("name", "").strip().lower()
    front.guard.admit_sign_in(scope, name=name)
    if not front.runtime.settings.staff.local_accounts:
        raise NotAllowedError("accounts with a password of their own may not sign in here")
    password = normalise_password(fields.get("password", ""))
    address = front.guard.own_address(scope)
    wait, noted = front.lock_out.begin(name, address, now=call.now)
    if wait:
        return _sign_in_page(call, wrong=_wait_sentence(wait), status=429, wait=wait, name=name)
    await front.runtime.ask(lambda engine, now: note_try(engine, noted))
    staff = find_local(front.runtime.directory.staff.values(), name)
    kept = staff.password if staff is not None and staff.can_sign_in else ""
    is_right, rehashed = await front.passwords.is_right(password, kept)
    if staff is None or not is_right:
        _note_wrong(call)
        return _sign_in_page(call, wrong=WRONG, status=401, name=name)
    names, left = front.lock_out.succeed(name, address)
    await front.runtime.ask(lambda engine, now: forgive(engine, names, left))
    return await begin_session(call, staff, way="password", rehashed=rehashed)


async def begin_session(
    call: Call, staff: Staff, *, way: SignInWay, rehashed: str = ""
) -> Response:
    """Sign somebody in with a new cookie, and show them the first page."""
    front, runtime = call.front, call.front.runtime
    cookie, agent = random_token(), call.request.headers.get("user-agent", "")
    before = hash_key(front.cookies.read(call.request.scope, "session"))

    def job(engine: Engine, now: int) -> None:
        sign_in(
            engine,
            staff.staff_id,
            cookie=cookie,
            way=way,
            browser=agent,
            before=before,
            rehashed=rehashed,
            now=now,
        )

    await runtime.change_access(job)
    response = _go("/")
    front.cookies.put(
        response, "session", cookie, seconds=runtime.settings.staff.session_hours * 3_600
    )
    front.cookies.drop(response, "before")
    return response


async def sign_out(call: Call) -> Response:
    """End the session of this browser."""
    front, session, staff = call.front, call.caller.session, call.caller.staff
    if session is None or staff is None:
        raise AssertionError("a route of a person was reached by nobody")

    def job(engine: Engine, now: int) -> None:
        engine.store.drop_sessions([session.digest])
        detail = {"staff_id": staff.staff_id}
        note_operator(
            engine.store, "approval", actor=staff.actor, verb="sign_out", detail=detail, now=now
        )

    await front.runtime.change_access(job)
    leave_url = await front.provider.leave_url() if session.way == "oidc" else ""
    response = front.pages.render(
        "signed_out",
        _common(call) | {"leave_url": leave_url, "provider": front.provider.name},
    )
    front.cookies.drop(response, "session")
    return response


async def show_account(call: Call) -> Response:
    """Show who one is, where one is signed in, and what one may do."""
    return _account_page(call)


async def end_other(call: Call) -> Response:
    """End one session of one's own, or all but this one."""
    front, session, staff = call.front, call.caller.session, call.caller.staff
    if session is None or staff is None:
        raise AssertionError("a route of a person was reached by nobody")
    wanted = read_fields(call.request, call.raw).get("session", "")

    def job(engine: Engine, now: int) -> None:
        if wanted == "others":
            end_sessions(engine.store, staff.staff_id, kept=session.digest)
            return
        engine.store.drop_sessions(
            each.digest
            for each in engine.store.load_sessions()
            if each.staff_id == staff.staff_id and wanted and each.digest.startswith(wanted)
        )

    await front.runtime.change_access(job)
    return _go("/account")


async def put_password(call: Call) -> Response:
    """Change one's own password; all other browsers are signed out."""
    front, session, staff = call.front, call.caller.session, call.caller.staff
    if session is None or staff is None:
        raise AssertionError("a route of a person was reached by nobody")
    if not staff.is_local:
        raise NotAllowedError("your password is at the identity provider")
    front.guard.admit_sign_in(call.request.scope, name=staff.name)
    fields = read_fields(call.request, call.raw)
    old = normalise_password(fields.get("old", ""))
    # Whoever took a session over guesses no faster here than at the door.
    address = front.guard.own_address(call.request.scope)
    wait, noted = front.lock_out.begin(staff.name, address, now=call.now)
    if wait:
        return _account_page(call, wrong=_wait_sentence(wait), status=429)
    await front.runtime.ask(lambda engine, now: note_try(engine, noted))
    is_right, _ = await front.passwords.is_right(old, staff.password)
    if not is_right:
        _note_wrong(call)
        return _account_page(call, wrong="The present password is not right.", status=401)
    names, left = front.lock_out.succeed(staff.name, address)
    await front.runtime.ask(lambda engine, now: forgive(engine, names, left))
    try:
        new = _read_new(call, fields, name=staff.name)
    except InputError as error:
        return _account_page(call, wrong=_sentence(error), status=400)
    hashed = await front.passwords.hash(new)
    await front.runtime.change_access(
        lambda engine, now: change_password(
            engine, staff.staff_id, password=hashed, kept=session.digest, now=now
        )
    )
    return _go("/account")


async def show_invitation(call: Call) -> Response:
    """Show the form for a first password; looking changes nothing."""
    return _invitation_page(call, _invited(call))


async def take_invitation(call: Call) -> Response:
    """Set the first password of whom the invitation is for."""
    front, scope = call.front, call.request.scope
    fields = _read_form(call, cookie=front.cookies.read(scope, "before"))
    staff = _invited(call)
    front.guard.admit_sign_in(scope, name=staff.name)
    try:
        new = _read_new(call, fields, name=staff.name)
    except InputError as error:
        return _invitation_page(call, staff, wrong=_sentence(error), status=400)
    hashed, invitation = await front.passwords.hash(new), call.text("invitation")
    changed = await front.runtime.change_access(
        lambda engine, now: accept_invitation(engine, invitation, password=hashed, now=now)
    )
    return await begin_session(call, changed, way="password")


def _note_wrong(call: Call) -> None:
    """Tell the log of a wrong name or password; neither is repeated."""
    _log.warning("refused: a wrong name or password", extra=log_extra(call.request))


def _invited(call: Call) -> Staff:
    front = call.front
    if not front.runtime.settings.staff.local_accounts:
        raise NotAllowedError("accounts with a password of their own may not sign in here")
    staff = find_invited(
        front.runtime.directory.staff.values(), call.text("invitation"), now=call.now
    )
    if staff is None:
        front.guard.note_stranger(call.request.scope)
        raise NotFoundError("this invitation is used or too old; ask for a new one")
    return staff


def _read_form(call: Call, *, cookie: str) -> dict[str, str]:
    """Return the fields of a form that we gave to a browser before anybody signed in."""
    if not call.front.cookies.are_possible:
        raise NotAllowedError(NO_COOKIES)
    fields = read_fields(call.request, call.raw)
    call.front.guard.check_form(
        call.request.scope, cookie=cookie, offered=fields.get(FORM_TOKEN, "")
    )
    return fields


def _read_new(call: Call, fields: dict[str, str], *, name: str) -> str:
    """Return a new password that was typed twice alike, and is good enough."""
    new = normalise_password(fields.get("new", ""))
    if new != normalise_password(fields.get("again", "")):
        raise InputError("the two new passwords are not the same")
    check_password(new, name=name, brand=call.front.runtime.bundle.brand.brand.brand)
    return new


NO_COOKIES: Final = (
    "nobody signs in here without https: start the server with --public-url https://..., behind a "
    "proxy that speaks it"
)


def _sign_in_page(
    call: Call, *, wrong: str = "", status: int = 200, wait: int = 0, name: str = ""
) -> Response:
    front = call.front
    if not front.cookies.are_possible:
        raise NotAllowedError(NO_COOKIES)
    values = {
        "wrong": wrong,
        "name": name,
        "is_local": front.runtime.settings.staff.local_accounts,
        "provider": front.provider.name if front.provider.is_set else "",
    }
    response = _form_page(call, "sign_in", values, status=status)
    if wait:
        response.headers["retry-after"] = str(-(-wait // SECOND))
    return response


def _invitation_page(call: Call, staff: Staff, *, wrong: str = "", status: int = 200) -> Response:
    if not call.front.cookies.are_possible:
        raise NotAllowedError(NO_COOKIES)
    return _form_page(call, "first_password", {"wrong": wrong, "name": staff.name}, status=status)


def _form_page(call: Call, template: str, values: dict[str, Any], *, status: int) -> Response:
    """Return a page whose form is bound to the browser that asks for it."""
    front = call.front
    before = front.cookies.read(call.request.scope, "before") or random_token()
    response = front.pages.render(
        template, _common(call) | values | {"form_token": form_token(before)}, status=status
    )
    front.cookies.put(response, "before", before, seconds=BEFORE_SECONDS)
    return response


def _account_page(call: Call, *, wrong: str = "", status: int = 200) -> Response:
    front, staff, own = call.front, call.caller.staff, call.caller.session
    if staff is None or own is None:
        raise AssertionError("a route of a person was reached by nobody")
    sessions = front.runtime.directory.sessions_of(staff.staff_id, now=call.now)
    values = {
        "wrong": wrong,
        "name": staff.name,
        "roles": [role.replace("_", " ") for role in staff.roles],
        "is_local": staff.is_local,
        "form_token": form_token(call.caller.cookie),
        "sessions": [
            {
                "key": each.digest[:16],
                "browser": each.browser or "an unnamed browser",
                "begun": _when(each.begun_at),
                "seen": _when(each.seen_at),
                "is_own": hmac.compare_digest(each.digest, own.digest),
            }
            for each in sessions
        ],
    }
    return front.pages.render("account", _common(call) | values, status=status)


def _common(call: Call) -> dict[str, Any]:
    return {"brand": call.front.runtime.bundle.brand.brand.brand}


def _when(instant: int) -> str:
    text = format_instant(instant // MINUTE * MINUTE)
    return f"{text[:10]} {text[11:16]} UTC"


def _wait_sentence(wait: int) -> str:
    minutes = -(-wait // MINUTE)
    return (
        "There were too many failed attempts. Try again in "
        f"{minutes} minute{'s' if minutes > 1 else ''}."
    )


def _sentence(error: InputError) -> str:
    text = str(error)
    return text[0].upper() + text[1:] + "."


def _go(path: str) -> Response:
    return RedirectResponse(path, status_code=303, headers={"cache-control": "no-store"})


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/sign-in",
        name="showSignIn",
        summary="Show the form to sign in.",
        handler=show_sign_in,
        tag="Signing in",
        who="anyone",
        media_type="text/html",
        statuses=(403,),
    ),
    Endpoint(
        method="POST",
        path="/sign-in",
        name="signIn",
        summary="Sign in with a name and a password, from the form.",
        handler=take_sign_in,
        tag="Signing in",
        who="anyone",
        body_text="The form: `name`, `password`, `form_token`.",
        media_type="text/html",
        success=303,
        statuses=(401, 403, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/invitations/{invitation}",
        name="showInvitation",
        summary="Show the form for a first password; looking changes nothing.",
        handler=show_invitation,
        tag="Signing in",
        who="link",
        media_type="text/html",
        statuses=(403, 404),
    ),
    Endpoint(
        method="POST",
        path="/invitations/{invitation}",
        name="acceptInvitation",
        summary="Set the first password, and sign in.",
        handler=take_invitation,
        tag="Signing in",
        who="link",
        body_text="The form: `new`, `again`, `form_token`.",
        media_type="text/html",
        success=303,
        statuses=(403, 404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/sign-out",
        name="signOut",
        summary="End the session of this browser.",
        handler=sign_out,
        tag="Signing in",
        who="person",
        body_text="The form: `form_token`.",
        media_type="text/html",
        statuses=BUSY,
    ),
    Endpoint(
        method="GET",
        path="/account",
        name="showAccount",
        summary="Show where one is signed in, and let one change the password.",
        handler=show_account,
        tag="Signing in",
        who="person",
        media_type="text/html",
    ),
    Endpoint(
        method="POST",
        path="/account/sessions/end",
        name="endSession",
        summary="End another session of one's own, or all others.",
        handler=end_other,
        tag="Signing in",
        who="person",
        body_text="The form: `session` (or `others`), `form_token`.",
        media_type="text/html",
        success=303,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/account/password",
        name="changePassword",
        summary="Change one's own password; other browsers are signed out.",
        handler=put_password,
        tag="Signing in",
        who="person",
        body_text="The form: `old`, `new`, `again`, `form_token`.",
        media_type="text/html",
        success=303,
        statuses=BUSY,
    ),
)
