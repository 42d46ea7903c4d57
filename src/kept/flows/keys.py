"""Write keys of sources: made, rotated, revoked; only their hashes are kept."""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from kept.core.access import read_networks
from kept.core.keys import WriteKey, hash_key, is_origin
from kept.core.touchpoint import NAMES, Touchpoint
from kept.core.values import DAY, SECOND
from kept.errors import InputError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.ports import Store

KEYS_SETTING: Final = "keys"
"""Where versions before schema 5 kept hashes and sources of all keys."""
GRACE_SECONDS_MAX: Final = 90 * 86_400
DEAD_KEPT: Final = 30 * DAY
"""How long a key that has died is still listed."""
_RESTRICTIONS_MAX: Final = 50
_decode_keys = msgspec.json.Decoder(dict[str, str]).decode


class Restrictions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key may be used for, on top of what sources.yaml allows its source."""

    origins: tuple[str, ...] = ()
    """Pages that may use it, such as `https://www.harbour.example`; empty for all of the source's."""
    events: tuple[str, ...] = ()
    """Names or types of the events that it may send; empty for all of the source's."""
    networks: tuple[str, ...] = ()
    """Where it may be used from, such as `10.0.0.0/8`; empty for anywhere."""
    asks: bool = True
    """Whether it may do anything besides sending events."""


def migrate_keys(store: Store) -> None:
    """Take over the keys that an older version kept as one setting."""
    stored = store.load_setting(KEYS_SETTING)
    if not stored:
        return
    for digest, source in _decode_keys(stored).items():
        store.save_key(WriteKey(digest=digest, source=source))
    store.save_setting(KEYS_SETTING, b"")


def add_key(
    engine: Engine,
    source: str,
    key: str,
    *,
    restrictions: Restrictions,
    actor: str,
    now: int,
) -> WriteKey:
    """Let a source write with one more key; only its hash is kept.

    Raises:
        InputError: a restriction cannot be used.
        NotFoundError: the brand has no such source.
    """
    touchpoint = engine.bundle.touchpoints.get(source)
    if touchpoint is None:
        known = ", ".join(sorted(engine.bundle.touchpoints))
        raise NotFoundError(f"there is no source {source!r}; sources.yaml has {known}")
    made = WriteKey(
        digest=hash_key(key),
        source=source,
        made_at=now,
        made_by=actor,
        origins=_read_origins(restrictions.origins),
        events=_read_events(restrictions.events, touchpoint),
        networks=read_networks(restrictions.networks),
        asks=restrictions.asks,
    )
    _forget_dead(engine.store, now)
    engine.store.save_key(made)
    detail = {"source": source, "key": made.key_id, **_told(made)}
    note_operator(engine.store, "approval", actor=actor, verb="add_key", detail=detail, now=now)
    return made


def rotate_key(
    engine: Engine, key_id: str, key: str, *, grace_seconds: int, actor: str, now: int
) -> WriteKey:
    """Put a new key in the place of one that stays good for a while, and then dies by itself.

    Raises:
        InputError: the grace is too long.
        NotFoundError: there is no such key, or it is dead.
    """
    if not 0 <= grace_seconds <= GRACE_SECONDS_MAX:
        raise InputError(f"the old key stays good for 0 to {GRACE_SECONDS_MAX} seconds")
    _forget_dead(engine.store, now)
    old = _find(engine.store, key_id)
    if old.ends_at and old.ends_at <= now:
        raise NotFoundError(f"the key {key_id} is dead already; make a new one")
    ends_at = now + grace_seconds * SECOND
    made = msgspec.structs.replace(
        old, digest=hash_key(key), made_at=now, made_by=actor, ends_at=0, used_at=0
    )
    # A key that was to die sooner does not live longer by being rotated again.
    ends_at = min(ends_at, old.ends_at or ends_at)
    engine.store.save_key(msgspec.structs.replace(old, ends_at=ends_at))
    engine.store.save_key(made)
    detail = {"source": old.source, "old": old.key_id, "key": made.key_id, "grace": grace_seconds}
    note_operator(engine.store, "approval", actor=actor, verb="rotate_key", detail=detail, now=now)
    return made


def revoke_keys(engine: Engine, source: str, *, actor: str, now: int) -> int:
    """Take all keys of a source away; return how many there were."""
    gone = [key.digest for key in engine.store.load_keys() if key.source == source]
    engine.store.drop_keys(gone)
    detail = {"source": source, "count": len(gone)}
    note_operator(engine.store, "approval", actor=actor, verb="revoke_keys", detail=detail, now=now)
    return len(gone)


def revoke_key(engine: Engine, key_id: str, *, actor: str, now: int) -> WriteKey:
    """Take one key away.

    Raises:
        NotFoundError: there is no such key.
    """
    key = _find(engine.store, key_id)
    engine.store.drop_keys([key.digest])
    detail = {"source": key.source, "key": key.key_id}
    note_operator(engine.store, "approval", actor=actor, verb="revoke_key", detail=detail, now=now)
    return key


def note_used(store: Store, used: Iterable[tuple[str, int]]) -> None:
    """Write down in which hour keys were last used; one that was revoked since is passed over."""
    hours = dict(used)
    for key in store.load_keys():
        if key.digest in hours:
            store.save_key(msgspec.structs.replace(key, used_at=hours[key.digest]))


def _find(store: Store, key_id: str) -> WriteKey:
    for key in store.load_keys():
        if key.key_id == key_id:
            return key
    raise NotFoundError(f"there is no key {key_id[:40]!r}; `kept key list` shows the keys")


def _forget_dead(store: Store, now: int) -> None:
    dead = [k.digest for k in store.load_keys() if k.ends_at and k.ends_at + DEAD_KEPT < now]
    store.drop_keys(dead)


def _told(key: WriteKey) -> dict[str, object]:
    """Return the restrictions of a key as the audit shows them: those that it has."""
    told = {"origins": key.origins, "events": key.events, "networks": key.networks}
    restricted: dict[str, object] = {name: list(each) for name, each in told.items() if each}
    return restricted if key.asks else restricted | {"asks": False}


def _read_origins(texts: Collection[str]) -> tuple[str, ...]:
    _check_count("origins", texts)
    for text in texts:
        if not is_origin(text.lower()):
            raise InputError(
                f"{text[:100]!r} is not an origin; write one such as https://www.example.com"
            )
    return tuple(dict.fromkeys(text.lower() for text in texts))


def _read_events(names: Collection[str], touchpoint: Touchpoint) -> tuple[str, ...]:
    _check_count("events", names)
    types = ("track", *NAMES)
    wrong = [name for name in names if name not in types and not touchpoint.may_send(name)]
    if wrong:
        raise InputError(
            f"{touchpoint.name} sends no {', '.join(repr(name[:100]) for name in wrong)}; "
            f"write names that sources.yaml gives it, or types: {', '.join(types)}"
        )
    return tuple(dict.fromkeys(names))


def _check_count(what: str, texts: Collection[str]) -> None:
    if len(texts) > _RESTRICTIONS_MAX:
        raise InputError(f"{len(texts)} {what} are too many; at most {_RESTRICTIONS_MAX} are kept")
