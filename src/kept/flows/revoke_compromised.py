"""Take away what is compromised: a source's keys and secrets, an account, a recipient's channels."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from kept.core.breach import Revocation
from kept.errors import NotFoundError
from kept.flows.brake import pause
from kept.flows.engine import Engine
from kept.flows.keys import revoke_keys
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

    The one seam for accounts: as long as all operators share one token, there is none to take away,
    and the token is changed by whoever runs the server.
    """
    del actor, now
    if not any(is_by(entry.actor, name) for entry in engine.store.read_audit(newest=AUDIT_MAX)):
        raise NotFoundError(f"there is no member of staff {name!r}: the audit names nobody so")
    return ()


def is_by(actor: str, name: str) -> bool:
    """Return whether an actor of the audit is a member of staff, by name or `token:name`."""
    token, _, person = actor.partition(":")
    return name in (actor, person or token)
