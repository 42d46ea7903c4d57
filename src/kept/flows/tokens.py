"""API tokens of tools, and the admin token of the first start."""

from collections.abc import Collection
from typing import Final

from kept.core.access import Permission, read_networks, read_scopes
from kept.core.keys import hash_key
from kept.core.plain_text import clean_line
from kept.core.staff import ApiToken
from kept.core.values import SECOND
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.staff import ADMIN_SETTING, REVOKED, has_admin_token, has_other_way_in

TOKENS_MAX: Final = 1_000
NAME_LENGTH_MAX: Final = 60
LIFE_SECONDS_MAX: Final = 10 * 366 * 86_400


def add_token(
    engine: Engine,
    token: str,
    *,
    name: str,
    scopes: Collection[str],
    held: frozenset[Permission],
    networks: Collection[str],
    life_seconds: int,
    actor: str,
    now: int,
) -> ApiToken:
    """Let a tool do some of what its maker may do; only the hash of the token is kept.

    Args:
        engine: the engine.
        token: its text, long and random.
        name: what the audit calls it.
        scopes: what it may do.
        held: what its maker may do.
        networks: where it may be used from; empty for anywhere.
        life_seconds: when it dies by itself; 0 for never.
        actor: its maker.
        now: the present instant.

    Raises:
        InputError: something of it cannot be used.
        ConflictError: there is a token of this name, or there are too many.
    """
    known = engine.store.load_tokens()
    name = clean_line(name)
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise InputError(f"a token needs a name of at most {NAME_LENGTH_MAX} characters")
    if not 0 <= life_seconds <= LIFE_SECONDS_MAX:
        raise InputError(f"a token lives for at most {LIFE_SECONDS_MAX} seconds, or 0 for ever")
    made = ApiToken(
        digest=hash_key(token),
        name=name,
        scopes=read_scopes(scopes, held=held),
        made_at=now,
        made_by=actor,
        ends_at=now + life_seconds * SECOND if life_seconds else 0,
        networks=read_networks(networks),
    )
    if any(each.name == name for each in known):
        raise ConflictError(f"there is a token {name!r} already; give another name, or revoke it")
    if len(known) >= TOKENS_MAX:
        raise ConflictError(
            f"there are {TOKENS_MAX} tokens already; revoke those not used any more"
        )
    engine.store.save_token(made)
    detail = {"token": name, "scopes": list(made.scopes), "networks": list(made.networks)}
    note_operator(engine.store, "approval", actor=actor, verb="add_token", detail=detail, now=now)
    return made


def revoke_token(engine: Engine, name: str, *, actor: str, now: int) -> None:
    """Take a token away.

    Raises:
        NotFoundError: there is no such token.
    """
    gone = [each.digest for each in engine.store.load_tokens() if each.name == name]
    if not gone:
        raise NotFoundError(f"there is no token {name[:NAME_LENGTH_MAX]!r}")
    engine.store.drop_tokens(gone)
    note_operator(
        engine.store, "approval", actor=actor, verb="revoke_token", detail={"token": name}, now=now
    )


def revoke_admin_token(engine: Engine, *, actor: str, now: int) -> None:
    """Take the admin token of the first start away.

    Raises:
        ConflictError: nobody else could administer any more.
        NotFoundError: it was revoked already.
    """
    if not has_admin_token(engine.store):
        raise NotFoundError("the admin token was revoked already")
    if not has_other_way_in(engine.store):
        raise ConflictError(
            "nobody else has the role admin and can sign in; invite somebody first, and let them "
            "sign in"
        )
    engine.store.save_setting(ADMIN_SETTING, REVOKED.encode())
    note_operator(
        engine.store, "approval", actor=actor, verb="revoke_admin_token", detail={}, now=now
    )
