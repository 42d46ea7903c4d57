"""API tokens over HTTP: made once and shown once, listed, revoked."""

from typing import Final

import msgspec

from kept.clock import random_token
from kept.core.access import Permission
from kept.core.staff import ApiToken
from kept.flows.staff import has_admin_token
from kept.flows.tokens import add_token, revoke_admin_token, revoke_token
from kept.web.admin.keys import show_instant
from kept.web.endpoints import BUSY, Call, Endpoint

PREFIX: Final = "kept_api_"


class TokenWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tool shall be allowed."""

    name: str
    scopes: tuple[str, ...]
    """Permissions by their names; at most those of whoever makes it."""
    networks: tuple[str, ...] = ()
    """Where it may be used from, such as `10.0.0.0/8`; empty for anywhere."""
    life_seconds: int = 0
    """When it dies by itself; 0 for never."""


class TokenMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new token. It is shown here and never again: only its hash is kept."""

    name: str
    token: str
    scopes: tuple[Permission, ...]
    ends_at: str


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """One token, never its text."""

    name: str
    scopes: tuple[Permission, ...]
    networks: tuple[str, ...]
    made_at: str
    made_by: str
    used_at: str
    """The hour in which it was last used; empty for never."""
    ends_at: str
    """When it dies by itself; empty for never."""
    is_dead: bool


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of tools."""

    tokens: tuple[TokenView, ...]
    has_admin_token: bool
    """Whether the admin token of the first start is still good."""


class TokenRevoked(msgspec.Struct, frozen=True, kw_only=True):
    """Said once it opens nothing any more."""

    name: str


async def list_tokens(call: Call) -> Tokens:
    """Return the tokens, by their names."""
    tokens, has_admin = await call.front.runtime.ask(
        lambda engine, now: (engine.store.load_tokens(), has_admin_token(engine.store))
    )
    return Tokens(
        tokens=tuple(
            _view(token, now=call.now) for token in sorted(tokens, key=lambda each: each.name)
        ),
        has_admin_token=has_admin,
    )


def _view(token: ApiToken, *, now: int) -> TokenView:
    return TokenView(
        name=token.name,
        scopes=token.scopes,
        networks=token.networks,
        made_at=show_instant(token.made_at),
        made_by=token.made_by,
        used_at=show_instant(token.used_at),
        ends_at=show_instant(token.ends_at),
        is_dead=bool(token.ends_at) and token.ends_at <= now,
    )


async def make_token(call: Call) -> TokenMade:
    """Make a token, in force at once."""
    wanted: TokenWanted = call.body
    caller, token = call.caller, PREFIX + random_token()
    made = await call.front.runtime.change_access(
        lambda engine, now: add_token(
            engine,
            token,
            name=wanted.name,
            scopes=wanted.scopes,
            held=caller.permissions,
            networks=wanted.networks,
            life_seconds=wanted.life_seconds,
            actor=caller.actor,
            now=now,
        )
    )
    return TokenMade(
        name=made.name, token=token, scopes=made.scopes, ends_at=show_instant(made.ends_at)
    )


async def revoke(call: Call) -> TokenRevoked:
    """Take a token away, at once."""
    name, actor = call.text("name"), call.caller.actor
    await call.front.runtime.change_access(
        lambda engine, now: revoke_token(engine, name, actor=actor, now=now)
    )
    return TokenRevoked(name=name)


async def revoke_first(call: Call) -> TokenRevoked:
    """Take the admin token of the first start away, once somebody else can administer."""
    actor = call.caller.actor
    await call.front.runtime.change_access(
        lambda engine, now: revoke_admin_token(engine, actor=actor, now=now)
    )
    return TokenRevoked(name="admin")


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/tokens",
        name="listTokens",
        summary="List the API tokens, never the tokens themselves.",
        handler=list_tokens,
        tag="Access",
        who="operator",
        needs="tokens",
        answer=Tokens,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/tokens",
        name="makeToken",
        summary="Make an API token for a tool; it is shown once.",
        handler=make_token,
        tag="Access",
        who="operator",
        needs="tokens",
        body=TokenWanted,
        answer=TokenMade,
        statuses=(409, *BUSY),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/tokens/{name}",
        name="revokeToken",
        summary="Revoke an API token.",
        handler=revoke,
        tag="Access",
        who="operator",
        needs="tokens",
        answer=TokenRevoked,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/admin-token/revoke",
        name="revokeAdminToken",
        summary="Revoke the admin token of the first start, once somebody else can administer.",
        handler=revoke_first,
        tag="Access",
        who="operator",
        needs="tokens",
        answer=TokenRevoked,
        statuses=(404, 409, *BUSY),
    ),
)
