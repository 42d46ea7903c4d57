"""Signing in by an identity provider: there, and back."""

from typing import Final

import msgspec
from starlette.responses import RedirectResponse, Response

from kept.clock import random_token
from kept.core.staff import Staff
from kept.errors import KeptError, NotAllowedError, NotFoundError, OutsideError
from kept.flows.staff import take_person
from kept.web.asgi import header_of
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.staff.pages import BEFORE_SECONDS, NO_COOKIES, begin_session

BACK: Final = "/sign-in/provider/back"
_LENGTH_MAX: Final = 4_000


class Back(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back from the provider (RFC 6749, 4.1.2; RFC 9207)."""

    state: str = ""
    code: str = ""
    error: str = ""
    iss: str = ""


async def go(call: Call) -> Response:
    """Send a browser to the identity provider."""
    front = call.front
    _check_set(call)
    if header_of(call.request.scope, b"sec-fetch-site") in (b"cross-site", b"same-site"):
        # A provider that knows somebody still asks nothing: no other page may sign them in.
        return RedirectResponse("/sign-in", status_code=303, headers={"cache-control": "no-store"})
    front.guard.admit_sign_in(call.request.scope)
    before = front.cookies.read(call.request.scope, "before") or random_token()
    try:
        url = await front.provider.begin(browser=before, redirect_uri=_redirect_uri(call))
    except OutsideError as error:
        return _refused(call, error)
    response = RedirectResponse(url, status_code=303, headers={"cache-control": "no-store"})
    front.cookies.put(response, "before", before, seconds=BEFORE_SECONDS)
    return response


async def come_back(call: Call) -> Response:
    """Let somebody in whom the identity provider vouches for, as what it says they are."""
    front, back = call.front, call.query
    _check_set(call)
    try:
        return await begin_session(call, await _find_person(call, back), way="oidc")
    except (NotAllowedError, OutsideError) as error:
        front.guard.note_stranger(call.request.scope)
        return _refused(call, error)


async def _find_person(call: Call, back: Back) -> Staff:
    """Return the account of whoever came back; raises where they have no access."""
    front = call.front
    if max(map(len, (back.state, back.code, back.iss))) > _LENGTH_MAX:
        raise NotAllowedError("this answer is too long to be one")
    signed_in = await front.provider.finish(
        browser=front.cookies.read(call.request.scope, "before"),
        state=back.state,
        code=back.code,
        error=back.error,
        issuer=back.iss,
    )
    issuer = front.provider.issuer
    staff = await front.runtime.change_access(
        lambda engine, now: take_person(
            engine, signed_in.person, signed_in.roles, issuer=issuer, now=now
        )
    )
    if staff is None:
        raise NotAllowedError(
            f"{front.provider.name} knows you as {signed_in.person.name}, but gives you no role "
            "here; ask whoever runs this server"
        )
    return staff


def _check_set(call: Call) -> None:
    if not call.front.provider.is_set:
        raise NotFoundError("no identity provider is set up; docs/how-to says how")
    if not call.front.cookies.are_possible:
        raise NotAllowedError(NO_COOKIES)


def _redirect_uri(call: Call) -> str:
    return call.front.runtime.settings.own_url + BACK


def _refused(call: Call, error: KeptError) -> Response:
    """Return the page for somebody who was not let in."""
    text = str(error)
    values = {
        "brand": call.front.runtime.bundle.brand.brand.brand,
        "wrong": f"{text[0].upper()}{text[1:]}.",
    }
    status = 403 if isinstance(error, NotAllowedError) else 503
    return call.front.pages.render("not_signed_in", values, status=status)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/sign-in/provider",
        name="goToProvider",
        summary="Send a browser to the identity provider.",
        handler=go,
        tag="Signing in",
        who="anyone",
        media_type="text/html",
        success=303,
        statuses=(403, 404, *BUSY),
    ),
    Endpoint(
        method="GET",
        path=BACK,
        name="comeBackFromProvider",
        summary="Take what the identity provider sends a browser back with.",
        handler=come_back,
        tag="Signing in",
        who="anyone",
        query=Back,
        media_type="text/html",
        success=303,
        statuses=(400, 403, 404, *BUSY),
    ),
)
