"""Take away what is compromised: a source's keys and secrets, an account, a recipient's channels."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from kept.core.breach import Revocation
from kept.errors import NotFoundError
from kept.flows.brake import pause
from kept.flows.engine import Engine
from kept.flows.keys import revoke_keys
from kept.flows.staff import end_sessions, set_enabled
from kept.flows.tokens import revoke_token
from kept.ports import Store

BARRED_SETTING: Final = "barred"
AUDIT_MAX: Final = 1_000_000


class Barred(msgspec.Struct, frozen=True, kw_only=True):
    """What a breach took away that the brand folder still names."""

    hashes: frozenset[str] = frozenset()
    """Of keys and secrets; another one in their place is good again."""
    passes_before: dict[str, int] = {}
    """Source -> passes that it gave before this instant are void."""


_decode: Final = msgspec.json.Decoder(Barred).decode


def load_barred(store: Store) -> Barred:
    """Return what was taken away of what the brand folder names."""
    stored = store.load_setting(BARRED_SETTING)
    return _decode(stored) if stored else Barred()


def revoke_source(
    engine: Engine, source: str, declared: Collection[str], *, actor: str, now: int
) -> tuple[Revocation, ...]:
    """Take a source's keys away: those that were made here, and those that the folder names."""
    count = revoke_keys(engine, source, actor=actor, now=now)
    barred = load_barred(engine.store)
    barred = Barred(
        hashes=barred.hashes | set(declared),
        passes_before=barred.passes_before | {source: now},
    )
    engine.store.save_setting(BARRED_SETTING, msgspec.json.encode(barred))
    found = [Revocation(what=f"write keys of {source}", count=count)] if count else []
    if declared:
        found.append(
            Revocation(what=f"keys and secrets that are named for {source}", count=len(declared))
        )
    return tuple(found)


def revoke_recipient(
    engine: Engine,
    recipient: str,
    declared_keys: Mapping[str, Collection[str]],
    *,
    actor: str,
    now: int,
) -> tuple[Revocation, ...]:
    """Stop the channels of a recipient, and take the keys of its sources away."""
    brand = engine.bundle.brand
    found = []
    for name, channel in sorted(brand.consent.channels.items()):
        if channel.recipient == recipient:
            because = f"{recipient} is compromised"
            brake = pause(engine, f"channel:{name}", actor=actor, because=because, now=now)
            found.append(Revocation(what=brake.brake))
    for name, source in sorted(brand.sources.sources.items()):
        if source.recipient == recipient:
            declared = declared_keys.get(name, ())
            found += revoke_source(engine, name, declared, actor=actor, now=now)
    return tuple(found)


def revoke_staff(engine: Engine, name: str, *, actor: str, now: int) -> tuple[Revocation, ...]:
    """Take a member of staff's account away, with all that lets them in.

    A name that only the audit knows (of whoever shares the admin token) has no account to take
    away: what they saw is found, and the token is changed by whoever runs the server.

    Raises:
        NotFoundError: there is no such account, and the audit names nobody so.
        ConflictError: nobody could administer any more.
    """
    found = []
    actors = actors_of(engine.store, name)
    for staff in engine.store.load_staff():
        if staff.name == name:
            set_enabled(engine, staff.staff_id, is_enabled=False, actor=actor, now=now)
            end_sessions(engine.store, staff.staff_id)
            found.append(Revocation(what=f"account and sessions of {name}"))
    for token in engine.store.load_tokens():
        if token.actor in actors:
            revoke_token(engine, token.name, actor=actor, now=now)
            found.append(Revocation(what=f"token {token.name}"))
    if found:
        return tuple(found)
    if not any(is_by(entry.actor, actors) for entry in engine.store.read_audit(newest=AUDIT_MAX)):
        raise NotFoundError(f"there is no member of staff {name!r}: the audit names nobody so")
    return ()


def staff_actor(staff_id: int) -> str:
    """Return how the audit calls a member of staff who signed in."""
    return f"staff:{staff_id}"


def actors_of(store: Store, name: str) -> tuple[str, ...]:
    """Return how the audit calls a member of staff: by account, by token, or by the name they gave."""
    accounts = [staff_actor(staff.staff_id) for staff in store.load_staff() if staff.name == name]
    tokens = [
        token.actor
        for token in store.load_tokens()
        if {token.name, token.made_by} & {name, *accounts}
    ]
    return (name, *accounts, *tokens)


def is_by(actor: str, names: Collection[str]) -> bool:
    """Return whether an actor of the audit is one of these, whatever name came with a token."""
    return actor in names or actor.partition(":")[2] in names or actor.rpartition(":")[0] in names
