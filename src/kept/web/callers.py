"""Who asks: a source by its write key, an operator by a session or a token."""

from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.types import Scope

from kept.core.access import PERMISSIONS, Network, Permission, permissions_of
from kept.core.bundle import Bundle
from kept.core.keys import check_asks
from kept.core.plain_text import clean_line
from kept.core.staff import Session, Staff
from kept.errors import NotAllowedError, UnknownCallerError
from kept.runtime import Runtime
from kept.web.address import address_of
from kept.web.asgi import header_of, query_of
from kept.web.cookies import LOOPBACK, Cookies
from kept.web.wire.keys import offered_keys
from kept.web.wire.segment import check_origin, find_touchpoint, read_query

ACTOR_HEADER: Final = b"x-kept-actor"
ACTOR_LENGTH_MAX: Final = 80


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a source with its kind, or an operator by the name that the audit shows."""

    source: str = ""
    kind: str = ""
    actor: str = ""
    permissions: frozenset[Permission] = frozenset()
    """What an operator may do."""
    bucket: str = ""
    """What their requests are counted under."""
    cookie: str = ""
    """What their browser showed; empty for whoever came with a token."""
    staff: Staff | None = None
    """The person, where it is one."""
    session: Session | None = None

    @property
    def is_public(self) -> bool:
        """Return whether the key that was offered is one that everybody can read in a page."""
        return self.kind == "browser"


NOBODY: Final = Caller()


def find_source(
    runtime: Runtime, scope: Scope, *, proxies: Sequence[Network], server_only: bool = False
) -> Caller:
    """Return the source whose key comes with a request.

    Raises:
        UnknownCallerError: no key that is offered belongs to a source.
        NotAllowedError: the key is of a source that may not ask, or of a page on a foreign origin.
    """
    headers = dict(scope["headers"])
    query = query_of(scope)
    key, touchpoint = find_touchpoint(
        offered_keys(headers, read_query(query) if query else {}),
        keys=runtime.keys,
        touchpoints=runtime.bundle.touchpoints,
        now=runtime.clock.now(),
        address=address_of(scope, proxies),
    )
    kind = touchpoint.source.kind
    if kind not in ("server", "browser"):
        raise NotAllowedError(
            f"{touchpoint.name} is a source of kind {kind}; only servers and browsers may ask"
        )
    if kind == "browser" and server_only:
        raise NotAllowedError(
            f"{touchpoint.name} is a browser, whose key everybody can read; "
            "this needs the key of a server"
        )
    check_origin(touchpoint, key, headers.get(b"origin"))
    check_asks(key)
    return Caller(source=touchpoint.name, kind=kind)


def find_pulled(bundle: Bundle, source: str, adapter: str) -> frozenset[str]:
    """Return the channels of a kind, such as `inbox`, whose messages a source may fetch.

    Raises:
        NotAllowedError: there is none.
    """
    touchpoint = bundle.touchpoints.get(source)
    may = touchpoint.source.pulls if touchpoint is not None else ()
    channels = bundle.brand.consent.channels
    found = frozenset(name for name in may if channels[name].adapter == adapter)
    if not found:
        raise NotAllowedError(
            f"{source} may fetch from no {adapter.replace('_', ' ')}: "
            "its `pulls` in sources.yaml name none"
        )
    return found


def find_operator(
    runtime: Runtime,
    scope: Scope,
    *,
    cookies: Cookies,
    proxies: Sequence[Network],
    only_watches: bool = False,
) -> Caller:
    """Return the operator whose token or session comes with a request.

    A token says what may be done; `X-Kept-Actor` says who does it, for the audit. By HTTP Basic
    one may only watch: a browser sends such a token along whoever makes it ask.

    Raises:
        UnknownCallerError: the token or the session is missing, wrong or over.
        NotAllowedError: the token may not be used from there.
    """
    authorization = header_of(scope, b"authorization")
    if authorization:
        is_basic = authorization[:6].lower() == b"basic "
        headers = {b"authorization": authorization}
        for token in () if is_basic and not only_watches else offered_keys(headers, {}):
            caller = _find_token(runtime, scope, token, address=address_of(scope, proxies))
            if caller is not None:
                return caller
    else:
        caller = find_person(runtime, scope, cookies=cookies)
        if caller is not None:
            return caller
    raise UnknownCallerError(
        "this needs somebody who signed in, or a token as `Authorization: Bearer ...`; the first "
        "token was written into the file admin-token of the data folder at the first start"
    )


def find_person(runtime: Runtime, scope: Scope, *, cookies: Cookies) -> Caller | None:
    """Return the member of staff whose session a request's cookie names."""
    cookie = cookies.read(scope, "session")
    found = runtime.directory.find_session(cookie, now=runtime.clock.now()) if cookie else None
    if found is None:
        return None
    session, staff = found
    return Caller(
        actor=staff.actor,
        permissions=permissions_of(staff.roles),
        bucket=staff.actor,
        cookie=cookie,
        staff=staff,
        session=session,
    )


def _find_token(runtime: Runtime, scope: Scope, token: str, *, address: str) -> Caller | None:
    name = clean_line(header_of(scope, ACTOR_HEADER).decode("utf-8", "replace"))
    suffix = f":{name[:ACTOR_LENGTH_MAX]}" if name else ""
    directory = runtime.directory
    if directory.is_admin(token):
        return Caller(actor=f"admin{suffix}", permissions=permissions_of(["admin"]), bucket="admin")
    found = directory.find_token(token, now=runtime.clock.now(), address=address)
    if found is None:
        return None
    return Caller(
        actor=found.actor + suffix, permissions=frozenset(found.scopes), bucket=found.actor
    )


def check_permission(caller: Caller, needed: Permission) -> None:
    """Raise `NotAllowedError` unless a caller may do this."""
    if needed not in caller.permissions:
        raise NotAllowedError(
            f"this needs the permission `{needed}` ({PERMISSIONS[needed]}), which you do not have"
        )


def is_own_machine(scope: Scope) -> bool:
    """Return whether a request calls this server by a name that only this machine has."""
    host = header_of(scope, b"host").decode("latin-1")
    name, colon, port = host.rpartition(":")
    # A page elsewhere can point a name of its own at this machine, but not change this header.
    return (name if colon and port.isdigit() else host) in LOOPBACK
