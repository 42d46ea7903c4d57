"""Write keys over HTTP: made once and shown once, counted, revoked."""

from collections import Counter
from typing import Final

import msgspec

from kept.clock import random_token
from kept.flows.keys import add_key, load_keys, revoke_keys
from kept.runtime import Runtime
from kept.web.endpoints import BUSY, Call, Endpoint

PREFIX: Final = "kept_"


class KeyWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which source needs a key."""

    source: str


class KeyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new key. It is shown here and never again: only its hash is kept."""

    source: str
    key: str


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


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The sources and their keys."""

    sources: tuple[KeyCount, ...]


async def list_keys(call: Call) -> Keys:
    """Return how many keys each source has."""
    runtime = call.front.runtime
    stored = await runtime.ask(lambda engine, now: load_keys(engine.store))
    counts = Counter(stored.values())
    return Keys(
        sources=tuple(
            KeyCount(
                source=name,
                kind=source.kind,
                count=counts[name],
                is_declared=bool(source.key),
            )
            for name, source in sorted(runtime.bundle.brand.sources.sources.items())
        )
    )


async def make_key(call: Call) -> KeyMade:
    """Make a source one more key, in force at once."""
    source, actor = call.body.source, call.caller.actor
    key = PREFIX + random_token()
    runtime = call.front.runtime
    await runtime.ask(lambda engine, now: add_key(engine, source, key, actor=actor, now=now))
    await _take_up(runtime)
    return KeyMade(source=source, key=key)


async def revoke(call: Call) -> KeysRevoked:
    """Take every key that was made here for a source away, at once."""
    source, actor = call.text("source"), call.caller.actor
    runtime = call.front.runtime
    count = await runtime.ask(lambda engine, now: revoke_keys(engine, source, actor=actor, now=now))
    await _take_up(runtime)
    return KeysRevoked(source=source, count=count)


async def _take_up(runtime: Runtime) -> None:
    # A job of its own: what is not durable is not in force.
    await runtime.ask(lambda engine, now: runtime.reload_keys(engine.store))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/keys",
        name="listKeys",
        summary="Count the write keys of each source.",
        handler=list_keys,
        tag="Operating",
        who="operator",
        answer=Keys,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/keys",
        name="makeKey",
        summary="Make a write key; it is shown once.",
        handler=make_key,
        tag="Operating",
        who="operator",
        body=KeyWanted,
        answer=KeyMade,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/keys/{source}",
        name="revokeKeys",
        summary="Revoke the write keys that were made for a source.",
        handler=revoke,
        tag="Operating",
        who="operator",
        answer=KeysRevoked,
        statuses=BUSY,
    ),
)
