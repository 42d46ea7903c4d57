"""Bring a changed brand into force where several nodes share the store.

Whoever sees the new folder announces it, while nobody else is at work: from their next transaction on
all nodes fold what arrives into the new slots as well. What was stored before is folded piece by
piece by whichever node comes first; how far it is stands in the store, so that another goes on if
one dies. Then one of them takes the brand, again alone, and it is in force for all.
"""

from typing import Final

import msgspec

from kept.core.bundle import Bundle
from kept.flows.engine import Engine
from kept.flows.preparation import Preparation
from kept.flows.take_brand import begin, fill, take
from kept.ports import BrandRow, Store

ANNOUNCED_SETTING: Final = "brand_announced"
TEXTS_SETTING: Final = "brand_announced.texts"
PIECE: Final = 200
"""Events that one piece folds again; whom they are about is locked meanwhile."""


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """A brand on its way into force at all nodes."""

    version: str
    slots: dict[str, str]
    until: int
    """Events after this one are folded live by every node."""
    done: int = 0

    @property
    def is_filled(self) -> bool:
        """Return whether every stored event has been folded again."""
        return self.done >= self.until


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Announced).decode
_decode_texts: Final = msgspec.msgpack.Decoder(dict[str, str]).decode


def load_announced(store: Store) -> Announced | None:
    """Return the brand that is on its way into force, if there is one."""
    stored = store.load_setting(ANNOUNCED_SETTING)
    return _decode(stored) if stored else None


def load_announced_texts(store: Store) -> dict[str, str]:
    """Return the texts of the brand that is on its way into force."""
    stored = store.load_setting(TEXTS_SETTING)
    return _decode_texts(stored) if stored else {}


def announce(engine: Engine, bundle: Bundle, texts: dict[str, str], slots: dict[str, str]) -> None:
    """Let all nodes prepare a brand; one that was announced before is given up."""
    engine.store.change_control()
    preparation = begin(engine, bundle, texts, slots)
    engine.preparation = preparation
    announced = Announced(version=bundle.policy.version, slots=slots, until=preparation.until)
    engine.store.save_setting(TEXTS_SETTING, msgspec.msgpack.encode(texts))
    _save(engine.store, announced)


def _save(store: Store, announced: Announced | None) -> None:
    store.save_setting(ANNOUNCED_SETTING, _encode(announced) if announced is not None else b"")


def prepare_more(engine: Engine, now: int) -> bool:
    """Do the next piece for the brand that is on its way; return whether there is more for us."""
    store = engine.store
    announced = load_announced(store)
    preparation = engine.preparation
    if announced is None or preparation is None or not store.try_duty("brand"):
        return False
    if announced.is_filled:
        take(engine, preparation, now)
        _save(store, None)
        store.save_setting(TEXTS_SETTING, b"")
        engine.preparation = None
        return True
    preparation.done = announced.done
    fill(engine, preparation, limit=PIECE)
    _save(store, msgspec.structs.replace(announced, done=preparation.done))
    return True


def take_first(
    engine: Engine, bundle: Bundle, texts: dict[str, str], slots: dict[str, str], now: int
) -> None:
    """Bring the first brand of a store into force, unless another node was first."""
    engine.store.change_control()
    if engine.store.load_brand() is None:
        preparation = Preparation(
            bundle=bundle, texts=texts, slots=slots, plan=bundle.fold_plan, until=0
        )
        take(engine, preparation, now)


def is_superseded(store: Store, version: str) -> bool:
    """Return whether a brand was in force once, and another one followed it."""
    newest: BrandRow | None = store.load_brand()
    return (
        newest is not None and newest.version != version and store.load_brand(version) is not None
    )
