"""Bring a changed brand into force where several nodes share the store.

Whoever sees the new folder announces it, while nobody else is at work: from their next transaction on
all nodes fold what arrives into the new slots as well. What was stored before is folded piece by
piece by whichever node comes first; how far it is stands in the store, so that another goes on if
one dies. Then one of them takes the brand, again alone, and it is in force for all.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from kept.core.bundle import Bundle
from kept.core.fold.fold import folding_again
from kept.errors import OutdatedError
from kept.flows.engine import Engine
from kept.flows.preparation import Preparation
from kept.flows.take_brand import (
    begin,
    fill,
    fold_both,
    fresh_slots,
    load_known_slots,
    load_noted_slots,
    only_slots,
    take,
    work_by,
)
from kept.ports import BrandRow, Store

ANNOUNCED_SETTING: Final = "brand_announced"
TEXTS_SETTING: Final = "brand_announced.texts"
PIECE: Final = 200
"""Events that one piece folds again; whom they are about is locked meanwhile."""


Compile: TypeAlias = Callable[[dict[str, str], Mapping[str, str]], Bundle]
"""Compiles the texts of a brand with its features kept in these slots."""


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """A brand on its way into force at all nodes."""

    version: str
    slots: dict[str, str]
    fresh: set[str]
    """Those of the slots that nothing was folded into before: they are filled from the stream."""
    until: int
    """Events after this one are folded live by every node."""
    done: int = 0

    @property
    def is_filled(self) -> bool:
        """Return whether every stored event has been folded again."""
        return self.done >= self.until

    def is_prepared_by(self, preparation: Preparation | None) -> bool:
        """Return whether a preparation is that of this brand, and from the same event on."""
        return preparation is not None and (
            (preparation.bundle.policy.version, preparation.slots, preparation.until)
            == (self.version, self.slots, self.until)
        )


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


def announce(
    engine: Engine,
    bundle: Bundle,
    texts: dict[str, str],
    slots: dict[str, str],
    *,
    known: Mapping[str, str],
) -> bool:
    """Let all nodes prepare a brand, unless they do, or work by it already.

    One that was announced before is given up.

    Args:
        engine: the engine of the node whose folder it is.
        bundle: the brand, compiled with `slots`.
        texts: the files of its folder.
        slots: where its features are to be kept.
        known: the slots in use when these were chosen.

    Returns:
        Whether it is on its way or in force; if not, another brand came into force since the slots
        were chosen, and they must be chosen again.
    """
    store, version = engine.store, bundle.policy.version
    store.change_control()
    underway, in_force = load_announced(store), store.load_brand()
    if underway is not None and underway.version == version:
        return True
    if in_force is not None and in_force.version == version:
        return True
    if load_known_slots(store) != known:
        return False
    engine.preparation = preparation = begin(engine, bundle, texts, slots)
    announced = Announced(
        version=version, slots=slots, fresh=fresh_slots(slots, known), until=preparation.until
    )
    store.save_setting(TEXTS_SETTING, msgspec.msgpack.encode(texts))
    _save(store, announced)
    return True


def give_up(engine: Engine) -> None:
    """Let the brand in force stay: whatever is on its way comes no more."""
    if load_announced(engine.store) is None:
        return
    engine.store.change_control()
    _end(engine)
    engine.customers.take_plan(engine.bundle.fold_plan)


def _end(engine: Engine) -> None:
    _save(engine.store, None)
    engine.store.save_setting(TEXTS_SETTING, b"")
    engine.preparation = None


def _save(store: Store, announced: Announced | None) -> None:
    store.save_setting(ANNOUNCED_SETTING, _encode(announced) if announced is not None else b"")


def prepare_more(engine: Engine, now: int) -> bool:
    """Do the next piece for the brand that is on its way; return whether there is more for us."""
    store, preparation = engine.store, engine.preparation
    if preparation is None or not store.try_duty("brand"):
        return False
    # Until the duty was ours another node may have done a piece: what it folded must not count twice.
    announced = load_announced(store)
    if announced is None or not announced.is_prepared_by(preparation):
        return False
    if announced.is_filled:
        take(engine, preparation, now)
        _end(engine)
        return True
    preparation.done = announced.done
    fill(engine, preparation, limit=PIECE)
    _save(store, msgspec.structs.replace(announced, done=preparation.done))
    return True


def check_current(engine: Engine) -> None:
    """Check that an engine works by the brand in force, and folds what is on its way.

    Raises:
        OutdatedError: another brand, or the same with its features kept elsewhere.
    """
    store = engine.store
    brand, announced = store.load_brand(), load_announced(store)
    if brand is not None and not _is_in_use(engine.bundle, brand.version, load_noted_slots(store)):
        raise OutdatedError(f"another brand is in force: version {brand.version}")
    if announced is not None and not announced.is_prepared_by(engine.preparation):
        raise OutdatedError(f"another brand is on its way into force: version {announced.version}")
    if announced is None and engine.preparation is not None:
        engine.preparation = None
        engine.customers.take_plan(engine.bundle.fold_plan)


def renew(engine: Engine, compile_texts: Compile) -> None:
    """Set an engine to work by the brand in force, and to fold what is on its way.

    What changes while this is read is found by `check_current`, before anything is done by it.

    Raises:
        InvalidBrandError: it cannot be used on this machine.
    """
    store, known = engine.store, load_known_slots(engine.store)
    row, prepared = store.load_brand(), engine.preparation
    if row is not None and not _is_in_use(engine.bundle, row.version, known):
        if prepared is not None and _is_in_use(prepared.bundle, row.version, known):
            work_by(engine, prepared.bundle)
        else:
            work_by(engine, compile_texts(row.texts, known))
    announced = load_announced(store)
    if announced is None:
        return
    if prepared is None or not announced.is_prepared_by(prepared):
        texts = load_announced_texts(store)
        bundle = compile_texts(texts, announced.slots)
        if bundle.policy.version != announced.version:
            # Another one was announced between two looks: the next look finds it.
            return
        engine.preparation = prepared = Preparation(
            bundle=bundle,
            texts=texts,
            slots=announced.slots,
            plan=folding_again(only_slots(bundle.fold_plan, announced.fresh)),
            until=announced.until,
        )
    engine.customers.take_plan(fold_both(engine.bundle.fold_plan, prepared.bundle.fold_plan))


def _is_in_use(bundle: Bundle, version: str, slots: Mapping[str, str]) -> bool:
    """Return whether a bundle is of this version, and keeps what it declares in these slots.

    The same brand may have been given up and taken again since, with others.
    """
    return bundle.policy.version == version and slots.items() <= bundle.fold_plan.slots.items()


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
