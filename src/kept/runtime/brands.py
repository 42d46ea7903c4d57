"""The brand in force: read from its folder, or, where several nodes share the store, from there.

A folder is taken up when it changes while a node works. At a start it is taken up unless it was in
force before and another one followed it: then this node's copy is an old one, and the store's counts.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from kept.clock import SystemClock
from kept.core.brand.model import Brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.errors import InvalidBrandError, KeptError, Problem
from kept.flows import prepare_brand, take_brand
from kept.flows.engine import Engine
from kept.flows.preparation import Preparation
from kept.flows.prepare_brand import (
    announce,
    give_up,
    is_superseded,
    load_announced,
    prepare_more,
    take_first,
)
from kept.flows.take_brand import load_known_slots
from kept.ports import Store
from kept.runtime.folder import load_checked, read_settled, stamp_of
from kept.runtime.outside import find_wrong
from kept.runtime.rounds import Rounds, Submit
from kept.settings import Settings

_log = logging.getLogger("kept.runtime")
_WATCH_SECONDS: Final = 0.3
"""A change is taken up when it was there at two looks, and so within a second."""
_LOOK_SECONDS: Final = 1.0
_WAIT_SECONDS: Final = 0.05
_FILL: Final = 2_000

Job: TypeAlias = Callable[[Engine, int], Any]


class Brands:
    """Knows the folder, what is in force, and how the one becomes the other."""

    def __init__(self, settings: Settings, submit: Submit) -> None:
        """Read the folder and check it.

        Raises:
            InvalidBrandError: it cannot be used; everything that is wrong with it.
        """
        self._settings = settings
        self._submit = submit
        self.problems: tuple[Problem, ...] = ()
        """Why the folder as it is now was not taken up; empty while it is in force."""
        self.is_behind = False
        """Whether this node's folder is an older one than what is in force."""
        self._texts, self._stamp = read_settled(settings.brand)
        self._brand = load_checked(self._texts, settings=settings)
        self._is_shared = False
        self._stopping = threading.Event()
        self._reloading = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="kept-brand", daemon=True)
        self._filling = Rounds(
            "brands", lambda: bool(submit(prepare_more).result()), every=_LOOK_SECONDS
        )

    def start(self) -> None:
        """Begin to watch the folder, and to help other nodes to prepare theirs."""
        if self._is_shared:
            self._filling.start()
        if self._settings.watch or self._is_shared:
            self._watcher.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self._filling.stop()

    # -- at a start

    def open(self, store: Store) -> tuple[Bundle, dict[str, str]]:
        """Return the brand to open an engine with, and where its features are kept.

        Raises:
            InvalidBrandError: the one in force cannot be used on this machine.
        """
        self._is_shared = store.is_shared
        row = store.load_brand() if store.is_shared else None
        brand = self._brand
        if row is not None and row.version != brand.version:
            brand = load_checked(row.texts, settings=self._settings)
        slots = take_brand.choose_slots(brand.facts, store)
        return compile_brand(brand, slots=slots), slots

    def take_at_start(
        self, engine: Engine, slots: dict[str, str], commit: Callable[[Engine, Job], Any]
    ) -> None:
        """Bring the folder into force that changed while nothing ran, before anything is decided."""
        in_force = engine.store.load_brand()
        if in_force is not None and in_force.version == engine.bundle.policy.version:
            return
        if engine.store.is_shared:
            bundle, texts = engine.bundle, self._texts
            commit(engine, lambda engine, now: take_first(engine, bundle, texts, slots, now))
            return
        preparation = take_brand.begin(engine, engine.bundle, self._texts, slots)
        while not preparation.is_filled:
            commit(engine, lambda engine, now: _fill(engine, preparation))

        def take(engine: Engine, now: int) -> None:
            while engine.customers.dirty_count:
                engine.customers.flush(_FILL)
            take_brand.take(engine, preparation, now)

        commit(engine, take)

    # -- where several nodes share the store

    def renew(self, engine: Engine) -> None:
        """Set an engine to work by what is in force, and to fold what is on its way.

        Raises:
            InvalidBrandError: it cannot be used on this machine.
        """
        before = engine.bundle.policy.version
        prepare_brand.renew(engine, self._compile)
        if (version := engine.bundle.policy.version) != before:
            self.is_behind = version != self._brand.version

    def _compile(self, texts: dict[str, str], slots: Mapping[str, str]) -> Bundle:
        return compile_brand(self._load_usable(texts), slots=slots)

    def _load_usable(self, texts: dict[str, str]) -> Brand:
        """Return the brand in a folder that is valid, and for which nothing is missing on this machine.

        Raises:
            InvalidBrandError: with everything that is wrong, as a start would refuse it.
        """
        brand = load_checked(texts, settings=self._settings)
        if wrong := find_wrong(brand, self._settings, clock=SystemClock()):
            raise InvalidBrandError(wrong)
        return brand

    # -- a changed folder

    def _watch(self) -> None:
        seen = stamp = self._stamp
        said = ""
        if self._is_shared:
            self._look_at_start()
        while not self._stopping.wait(_WATCH_SECONDS) and self._settings.watch:
            try:
                last, stamp = stamp, stamp_of(self._settings.brand)
                # A folder that is being copied is different at each look, and valid before it is whole.
                if stamp == last != seen:
                    self.reload()
                    seen, said = stamp, ""
            except (OSError, KeptError) as error:
                # The folder is being replaced, or the store is not well: the next look finds both whole.
                if str(error) != said:
                    said = str(error)
                    _log.warning("the changed brand folder is not taken up yet: %s", error)
            except Exception:  # noqa: BLE001 - the outer edge: or no folder would be taken up any more
                seen = stamp
                _log.exception("the changed brand folder could not be taken up")

    def _look_at_start(self) -> None:
        """Announce the folder that this node was started with, unless it is an old one."""
        version = self._brand.version

        def look(engine: Engine, now: int) -> bool:
            self.is_behind = is_superseded(engine.store, version)
            return self.is_behind or engine.bundle.policy.version == version

        try:
            if not self._submit(look).result():
                self.reload()
            elif self.is_behind:
                _log.warning(
                    "the brand folder %s was in force before, and another one followed it; "
                    "this node works by that",
                    self._settings.brand,
                )
        except KeptError as error:
            _log.warning("the brand folder is not taken up: %s", error)

    def reload(self) -> tuple[Problem, ...]:
        """Take up the folder as it is now, or refuse it as a whole and say why."""
        # Two at once would each choose slots for the same brand, and fill only their own.
        with self._reloading:
            return self._reload()

    def _reload(self) -> tuple[Problem, ...]:
        try:
            texts, _ = read_settled(self._settings.brand)
            brand = self._load_usable(texts)
        except InvalidBrandError as error:
            self.problems = error.problems
            _log.warning("the changed brand folder is refused: %d problem(s)", len(error.problems))
            self._submit(lambda engine, now: engine.alert("brand_refused", at=now)).result()
            return self.problems
        self.problems = ()
        in_force = self._submit(lambda engine, now: engine.bundle.policy.version).result()
        if brand.version != in_force:
            self._prepare(brand, texts)
        elif self._is_shared:
            # The folder was put back while the changed one was on its way.
            self._submit(lambda engine, now: give_up(engine)).result()
        self._brand, self._texts, self.is_behind = brand, texts, False
        return ()

    def _prepare(self, brand: Brand, texts: dict[str, str]) -> None:
        if self._is_shared:
            self._prepare_together(brand, texts)
            return
        while not self._prepare_alone(brand, texts):
            _log.info("the store was opened anew: the changed brand is prepared from the beginning")

    def _try_announce(self, brand: Brand, texts: dict[str, str]) -> bool:
        """Announce a brand; return whether the slots that it was compiled with are still free."""

        def choose(engine: Engine, now: int) -> tuple[dict[str, str], dict[str, str]]:
            return _choose_slots(engine, now, brand=brand), load_known_slots(engine.store)

        slots, known = self._submit(choose).result()
        bundle = compile_brand(brand, slots=slots)
        return bool(
            self._submit(
                lambda engine, now: announce(engine, bundle, texts, slots, known=known)
            ).result()
        )

    def _prepare_together(self, brand: Brand, texts: dict[str, str]) -> None:
        """Let all nodes prepare a brand, and return once it is in force, or given up for another."""
        while not self._try_announce(brand, texts):
            pass

        def is_on_its_way(engine: Engine, now: int) -> bool:
            announced = load_announced(engine.store)
            return announced is not None and announced.version == brand.version

        while not self._stopping.is_set() and self._submit(is_on_its_way).result():
            if not self._submit(prepare_more).result():
                # Another node does it.
                self._stopping.wait(_WAIT_SECONDS)

    def _prepare_alone(self, brand: Brand, texts: dict[str, str]) -> bool:
        """Prepare a brand and bring it into force; return False if the store was opened anew meanwhile."""
        slots = self._submit(partial(_choose_slots, brand=brand)).result()
        bundle = compile_brand(brand, slots=slots)

        def begin(engine: Engine, now: int) -> tuple[Engine, Preparation]:
            return engine, take_brand.begin(engine, bundle, texts, slots)

        begun, preparation = self._submit(begin).result()

        def go_on(engine: Engine, now: int) -> bool | None:
            if engine is not begun:
                # What was heard since is folded into the slots of before alone.
                return None
            if not preparation.is_filled:
                _fill(engine, preparation)
                return True
            if preparation.until:
                engine.customers.flush(_FILL)
                if engine.customers.dirty_count:
                    return True
            take_brand.take(engine, preparation, now)
            # Here: were the store opened anew right after this, it would be with this brand.
            self._brand, self._texts = brand, texts
            return False

        while is_more := self._submit(go_on).result():
            pass
        return is_more is False


def _fill(engine: Engine, preparation: Preparation) -> None:
    take_brand.fill(engine, preparation, limit=_FILL)
    engine.customers.flush(_FILL)


def _choose_slots(engine: Engine, now: int, *, brand: Brand) -> dict[str, str]:
    return take_brand.choose_slots(brand.facts, engine.store)
