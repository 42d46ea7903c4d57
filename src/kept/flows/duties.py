"""What only one node does at a time, where it takes longer than one transaction: calls, many pieces.

Within a transaction a duty is taken by `store.try_duty`. Beyond it a node keeps it by a note with
an end, which it renews. Whoever is gone loses it at once, and one that stalls when the note ends.
"""

from typing import Final

import msgspec

from kept.core.values import SECOND
from kept.flows.engine import Engine

KEPT_FOR: Final = 20 * SECOND
"""How long a duty is kept without being renewed."""


class Holder(msgspec.Struct, frozen=True):
    """Which node has a duty, and until when."""

    node: int
    until: int


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Holder).decode


def hold_duty(engine: Engine, name: str, now: int) -> bool:
    """Return whether this node has a duty from here on, taking it if nobody has it."""
    store = engine.store
    if not store.is_shared:
        return True
    if not store.try_duty(name):
        return False
    stored = store.load_setting(_setting_of(name))
    holder = _decode(stored) if stored else None
    is_ours = holder is not None and holder.node == engine.node_id
    if holder is not None and not is_ours and now < holder.until and _is_there(engine, holder):
        return False
    if holder is None or not is_ours or holder.until - now < KEPT_FOR // 2:
        store.save_setting(_setting_of(name), _encode(Holder(engine.node_id, now + KEPT_FOR)))
    return True


def drop_duty(engine: Engine, name: str) -> None:
    """Let another node have a duty."""
    if engine.store.is_shared:
        engine.store.save_setting(_setting_of(name), b"")


def _is_there(engine: Engine, holder: Holder) -> bool:
    """Return whether a node may still do what it has: one that was taken out is gone."""
    known = [node for node in engine.store.list_nodes() if node.node_id == holder.node]
    return any(not node.is_gone for node in known)


def _setting_of(name: str) -> str:
    return f"duty.{name}"
