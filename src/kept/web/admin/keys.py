"""Write keys over HTTP: made once and shown once, listed, rotated, revoked."""

from collections import Counter
from typing import Final

import msgspec

from kept.clock import random_token
from kept.core.keys import WriteKey
from kept.core.values import HOUR, SECOND, format_instant
from kept.flows.keys import Restrictions, add_key, revoke_key, revoke_keys, rotate_key
from kept.web.endpoints import BUSY, Call, Endpoint

PREFIX: Final = "kept_"
GRACE_SECONDS: Final = 7 * 86_400
"""How long the old key of a rotation stays good if nothing else is said."""


class KeyWanted(Restrictions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which source needs a key, and what it shall be good for."""

    source: str


class RotationWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the old key stays good."""

    grace_seconds: int = GRACE_SECONDS


class KeyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new key. It is shown here and never again: only its hash is kept."""

    source: str
    key: str
    key_id: str


class KeysRevoked(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys a source has lost."""

    source: str
    count: int


class KeyCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys a source has, besides one that sources.yaml names."""

    source: str
    kind: str
    count: int
    is_declared: bool
    """Whether sources.yaml names a key for it, which is revoked there and not here."""


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """One key, by the beginning of its hash; never the key."""

    key_id: str
    source: str
    made_at: str
    """Empty for one of an older version."""
    made_by: str
    used_at: str
    """The hour in which it was last used; empty for never."""
    ends_at: str
    """When it dies by itself; empty for never."""
    is_dead: bool
    origins: tuple[str, ...]
    events: tuple[str, ...]
    networks: tuple[str, ...]
    asks: bool


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The sources and their keys."""

    sources: tuple[KeyCount, ...]
    keys: tuple[KeyView, ...]


async def list_keys(call: Call) -> Keys:
    """Return the keys of each source."""
    runtime = call.front.runtime
    keys = await runtime.ask(lambda engine, now: engine.store.load_keys())
    used = runtime.keys.used
    counts = Counter(key.source for key in keys)
    return Keys(
        sources=tuple(
            KeyCount(
                source=name,
                kind=source.kind,
                count=counts[name],
                is_declared=bool(source.key),
            )
            for name, source in sorted(runtime.bundle.brand.sources.sources.items())
        ),
        keys=tuple(
            _view(key, used_at=used.get(key.digest, key.used_at), now=call.now)
            for key in sorted(keys, key=lambda key: (key.source, key.made_at))
        ),
    )


def _view(key: WriteKey, *, used_at: int, now: int) -> KeyView:
    return KeyView(
        key_id=key.key_id,
        source=key.source,
        made_at=show_instant(key.made_at),
        made_by=key.made_by,
        used_at=show_instant(used_at // HOUR * HOUR),
        ends_at=show_instant(key.ends_at),
        is_dead=bool(key.ends_at) and key.ends_at <= now,
        origins=key.origins,
        events=key.events,
        networks=key.networks,
        asks=key.asks,
    )


def show_instant(instant: int) -> str:
    """Return an instant to the second, empty where there is none."""
    return format_instant(instant // SECOND * SECOND) if instant else ""


async def make_key(call: Call) -> KeyMade:
    """Make a source one more key, in force at once."""
    wanted: KeyWanted = call.body
    source, actor = wanted.source, call.caller.actor
    key = PREFIX + random_token()
    made = await call.front.runtime.change_access(
        lambda engine, now: add_key(engine, source, key, restrictions=wanted, actor=actor, now=now)
    )
    return KeyMade(source=source, key=key, key_id=made.key_id)


async def rotate(call: Call) -> KeyMade:
    """Put a new key in the place of an old one, which stays good for the grace that is given."""
    wanted: RotationWanted = call.body
    key_id, actor = call.text("key_id"), call.caller.actor
    key = PREFIX + random_token()
    made = await call.front.runtime.change_access(
        lambda engine, now: rotate_key(
            engine, key_id, key, grace_seconds=wanted.grace_seconds, actor=actor, now=now
        )
    )
    return KeyMade(source=made.source, key=key, key_id=made.key_id)


async def revoke(call: Call) -> KeysRevoked:
    """Take every key that was made here for a source away, at once."""
    source, actor = call.text("source"), call.caller.actor
    count = await call.front.runtime.change_access(
        lambda engine, now: revoke_keys(engine, source, actor=actor, now=now)
    )
    return KeysRevoked(source=source, count=count)


async def revoke_one(call: Call) -> KeysRevoked:
    """Take one key away, at once."""
    key_id, actor = call.text("key_id"), call.caller.actor
    key = await call.front.runtime.change_access(
        lambda engine, now: revoke_key(engine, key_id, actor=actor, now=now)
    )
    return KeysRevoked(source=key.source, count=1)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/keys",
        name="listKeys",
        summary="List the write keys of each source, never the keys themselves.",
        handler=list_keys,
        tag="Access",
        who="operator",
        needs="keys",
        answer=Keys,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/keys",
        name="makeKey",
        summary="Make a write key, restricted or not; it is shown once.",
        handler=make_key,
        tag="Access",
        who="operator",
        needs="keys",
        body=KeyWanted,
        answer=KeyMade,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/keys/{key_id}/rotate",
        name="rotateKey",
        summary="Make a key in the place of an old one, which stays good for a while.",
        handler=rotate,
        tag="Access",
        who="operator",
        needs="keys",
        body=RotationWanted,
        answer=KeyMade,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/keys/{key_id}/revoke",
        name="revokeKey",
        summary="Revoke one write key.",
        handler=revoke_one,
        tag="Access",
        who="operator",
        needs="keys",
        answer=KeysRevoked,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/keys/{source}",
        name="revokeKeys",
        summary="Revoke all write keys that were made for a source.",
        handler=revoke,
        tag="Access",
        who="operator",
        needs="keys",
        answer=KeysRevoked,
        statuses=BUSY,
    ),
)
