"""Write keys of sources, and the operator's token."""

from typing import Final

import msgspec

from kept.core.keys import hash_key
from kept.errors import NotFoundError
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.ports import Store

KEYS_SETTING: Final = "keys"
ADMIN_SETTING: Final = "admin_token"
_decode_keys = msgspec.json.Decoder(dict[str, str]).decode


def load_keys(store: Store) -> dict[str, str]:
    """Return the stored hashes of write keys with their sources."""
    stored = store.load_setting(KEYS_SETTING)
    return _decode_keys(stored) if stored else {}


def add_key(engine: Engine, source: str, key: str, *, actor: str, now: int) -> None:
    """Let a source write with one more key; only its hash is kept.

    Raises:
        NotFoundError: the brand has no such source.
    """
    sources = engine.bundle.brand.sources.sources
    if source not in sources:
        message = f"there is no source {source!r}; sources.yaml has {', '.join(sorted(sources))}"
        raise NotFoundError(message)
    keys = load_keys(engine.store) | {hash_key(key): source}
    engine.store.save_setting(KEYS_SETTING, msgspec.json.encode(keys))
    detail = {"source": source, "key": hash_key(key)[:8]}
    note_operator(engine.store, "approval", actor=actor, verb="add_key", detail=detail, now=now)


def revoke_keys(engine: Engine, source: str, *, actor: str, now: int) -> int:
    """Take all keys of a source away; return how many there were."""
    keys = load_keys(engine.store)
    left = {key: owner for key, owner in keys.items() if owner != source}
    engine.store.save_setting(KEYS_SETTING, msgspec.json.encode(left))
    detail = {"source": source, "count": len(keys) - len(left)}
    note_operator(engine.store, "approval", actor=actor, verb="revoke_keys", detail=detail, now=now)
    return len(keys) - len(left)
