"""Who asks: a source by its write key, or an operator by the token."""

from typing import Final

import msgspec
from starlette.types import Scope

from kept.core.bundle import Bundle
from kept.core.plain_text import clean_line
from kept.core.touchpoint import Touchpoint
from kept.errors import NotAllowedError, UnknownCallerError
from kept.runtime import Runtime
from kept.web.asgi import query_of
from kept.web.wire.keys import offered_keys
from kept.web.wire.segment import check_origin, read_query

ACTOR_HEADER: Final = b"x-kept-actor"
ACTOR_LENGTH_MAX: Final = 80


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a source with its kind, or an operator by the name that the audit shows."""

    source: str = ""
    kind: str = ""
    actor: str = ""

    @property
    def is_public(self) -> bool:
        """Return whether the key that was offered is one that everybody can read in a page."""
        return self.kind == "browser"


NOBODY: Final = Caller()
LOOPBACK: Final = frozenset({"127.0.0.1", "[::1]", "::1", "localhost"})


def find_source(runtime: Runtime, scope: Scope, *, server_only: bool = False) -> Caller:
    """Return the source whose key comes with a request.

    Raises:
        UnknownCallerError: no key that is offered belongs to a source.
        NotAllowedError: the key is of a source that may not ask, or of a page on a foreign origin.
    """
    headers = dict(scope["headers"])
    query = query_of(scope)
    touchpoint = _touchpoint_of(runtime, headers, read_query(query) if query else {})
    kind = touchpoint.source.kind
    if kind not in ("server", "browser"):
        raise NotAllowedError(
            f"{touchpoint.name} is a source of kind {kind}; only servers and browsers may ask"
        )
    if kind == "browser":
        if server_only:
            raise NotAllowedError(
                f"{touchpoint.name} is a browser, whose key everybody can read; "
                "this needs the key of a server"
            )
        check_origin(touchpoint, headers.get(b"origin"))
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


def _touchpoint_of(
    runtime: Runtime, headers: dict[bytes, bytes], query: dict[str, str]
) -> Touchpoint:
    touchpoints = runtime.bundle.touchpoints
    for key in offered_keys(headers, query):
        source = runtime.keys.find(key)
        if source is not None and source in touchpoints:
            return touchpoints[source]
    raise UnknownCallerError(
        "no known write key came with the request; send it as a Bearer token, or as the user of "
        "HTTP Basic authentication"
    )


def find_operator(runtime: Runtime, scope: Scope, *, only_watches: bool = False) -> Caller:
    """Return the operator whose token comes with a request.

    The token says that it is an operator; `X-Kept-Actor` says which, for the audit. By HTTP Basic
    one may only watch: a browser sends such a token along whoever makes it ask.

    Raises:
        UnknownCallerError: the token is missing or wrong.
    """
    headers = dict(scope["headers"])
    is_basic = headers.get(b"authorization", b"")[:6].lower() == b"basic "
    for token in () if is_basic and not only_watches else offered_keys(headers, {}):
        owner = runtime.admin.find(token)
        if owner is not None:
            name = clean_line(headers.get(ACTOR_HEADER, b"").decode("utf-8", "replace"))
            return Caller(actor=f"{owner}:{name[:ACTOR_LENGTH_MAX]}" if name else owner)
    raise UnknownCallerError(
        "this needs the operator's token, as `Authorization: Bearer ...`; it was written into the "
        "file admin-token of the data folder at the first start"
    )


def find_watcher(runtime: Runtime, scope: Scope, *, is_private: bool) -> Caller:
    """Return who watches: on a machine of one's own anybody, elsewhere an operator."""
    if is_private:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        name, colon, port = host.rpartition(":")
        # A page elsewhere can point a name of its own at this machine, but not change this header.
        if (name if colon and port.isdigit() else host) in LOOPBACK:
            return NOBODY
    return find_operator(runtime, scope, only_watches=True)
