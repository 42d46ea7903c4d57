"""One running Kept: the only place that names concrete adapters and puts everything together."""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from kept import settings as limits
from kept.analytics import ParquetHistory
from kept.channels.files import FilesChannel
from kept.clock import Clock, SystemClock, random_token
from kept.core.brand.model import Brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.keys import KeyRing, hash_key
from kept.core.message import Message, Outgoing, SendResult
from kept.core.unsubscribe import make_link
from kept.core.values import HOUR, MINUTE
from kept.errors import InvalidBrandError, KeptError, Problem, SettingsError
from kept.flows import deliver, take_brand
from kept.flows.engine import Engine
from kept.flows.keys import migrate_keys
from kept.flows.recover import recover
from kept.flows.sign_log import open_log
from kept.flows.staff import ADMIN_SETTING, forget_over
from kept.ports import Channel, Notifier
from kept.runtime.bases import Bases
from kept.runtime.breaches import Breaches
from kept.runtime.channels import OUTBOX, build_channels
from kept.runtime.collector import spare_collector
from kept.runtime.directory import Directory
from kept.runtime.erasures import Erasures, find_missing_secrets, find_notifier
from kept.runtime.folder import load_checked, read_folder, stamp_of
from kept.runtime.histories import Histories
from kept.runtime.keeping import Keeping
from kept.runtime.key_upkeep import KeyUpkeep
from kept.runtime.references import find_missing
from kept.runtime.senders import Senders
from kept.runtime.stores import open_store
from kept.runtime.tools import Tools, build_notifiers, is_live
from kept.runtime.writer import Writer
from kept.settings import Settings, read_secret

T = TypeVar("T")
_log = logging.getLogger("kept.runtime")
_WATCH_SECONDS: Final = 0.5
_FILL: Final = 2_000
_SECRET_SETTING: Final = "link_secret"
ADMIN_TOKEN_FILE: Final = "admin-token"
ADDRESS_FILE: Final = "server-address"


class Runtime:
    """One brand at work on this machine."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        """Check the brand, open the store and recover what was durable.

        Raises:
            InvalidBrandError: the folder cannot be used; everything that is wrong with it.
            SettingsError: a folder, a secret or the store's lock is not as it must be.
            StoreError: the store cannot be opened.
        """
        self.settings = settings
        self.clock = clock or SystemClock()
        self.problems: tuple[Problem, ...] = ()
        """Why the folder as it is now was not taken up; empty while it is in force."""
        self._texts = read_folder(settings.brand)
        self._brand = load_checked(self._texts, settings=settings)
        self.is_ready = False
        self._was_open = False
        self._begun: list[tuple[Message, Outgoing]] = []
        settings.data.mkdir(parents=True, exist_ok=True)
        self.writer = Writer(
            self._open_engine,
            clock=self.clock,
            before_commit=self._begin_due,
            after_commit=self._send_begun,
        )
        self._files = FilesChannel(folder=settings.data / OUTBOX, clock=self.clock)
        channels, notifiers = self._open_outside()
        self._prepare_secrets()
        self.senders = Senders(
            channels,
            threads=limits.SENDERS,
            report=self._report,
        )
        self.tools = Tools(
            notifiers,
            submit=self.submit,
            is_live=is_live(settings),
        )
        self.keeping = Keeping(self.submit, lambda: self.bundle.brand)
        self.histories = Histories(
            self.submit,
            lambda: self.writer.engine.store,
            ParquetHistory(settings.history_folder),
            limits_of=self.keeping.limits,
        )
        self.erasures = Erasures(
            self.submit,
            files=self._files,
            posts=settings.data / OUTBOX,
            waits=(self.senders.wait, self.tools.wait),
            notifier_of=lambda recipient: find_notifier(
                self.bundle, recipient, settings, clock=self.clock
            ),
            is_clean=self.histories.is_clean,
        )
        self.breaches = Breaches(self.submit)
        self.bases = Bases(self.submit, settings, clock=self.clock)
        self.key_upkeep = KeyUpkeep(self.submit, lambda: self._keys, days=settings.backup_days)
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="kept-brand", daemon=True)

    def announce(self, url: str) -> None:
        """Write down where this server is reached, for the command line on this machine."""
        (self.settings.data / ADDRESS_FILE).write_text(url + "\n", encoding="utf-8")

    def start(self) -> None:
        """Begin to work."""
        spare_collector()
        self.writer.start()
        self.key_upkeep.start()
        self.erasures.start()
        self.keeping.start()
        self.histories.start()
        self.breaches.start()
        if self.settings.watch:
            self._watcher.start()
        self.is_ready = True

    def stop(self) -> None:
        """Drain hand-overs that have begun, make everything durable, and end."""
        self.is_ready = False
        gc.unfreeze()
        self._stopping.set()
        self.key_upkeep.stop()
        self.erasures.stop()
        self.keeping.stop()
        self.histories.stop()
        self.breaches.stop()
        self.bases.stop()
        self.senders.drain(limits.DRAIN_SECONDS)
        self.tools.drain(limits.DRAIN_SECONDS)
        self.writer.stop()
        if self._watcher.is_alive():
            self._watcher.join()

    def ask(self, job: Callable[[Engine, int], T]) -> "asyncio.Future[T]":
        """Run a job on the writer from an event loop; done when its changes are durable."""
        return self.writer.ask(job)

    def submit(self, job: Callable[[Engine, int], T]) -> "Future[T]":
        """Run a job on the writer from any other thread."""
        return self.writer.submit(job)

    # -- opening

    def _open_engine(self) -> Engine:
        # An address that no link can begin with is found now, not with the first message.
        make_link(self.settings.own_url, "")
        store, self._keys = open_store(self.settings)
        try:
            slots = take_brand.choose_slots(self._brand.facts, store)
            self.bundle = compile_brand(self._brand, slots=slots)
            secret = store.load_setting(_SECRET_SETTING)
            if secret is None:
                secret = random_token().encode()
                with store.transaction():
                    store.save_setting(_SECRET_SETTING, secret)
            engine = Engine(
                store,
                self.bundle,
                secret=secret,
                public_url=self.settings.own_url,
                shadow=self.settings.shadow,
            )
            engine.is_live = is_live(self.settings)
            now = self.clock.now()
            with store.transaction():
                open_log(engine, now)
                recover(engine, now, is_start=not self._was_open)
            for source in self.bundle.stale_after:
                # A source that was never heard is given its time from now on.
                engine.heard_at.setdefault(source, now)
            in_force = store.load_brand()
            if in_force is None or in_force.version != self.bundle.policy.version:
                self._take_at_start(engine, slots)
        except BaseException:
            store.close()
            raise
        self._was_open = True
        return engine

    def _take_at_start(self, engine: Engine, slots: dict[str, str]) -> None:
        """Bring a folder that changed while nothing ran into force before anything is decided."""
        store = engine.store
        preparation = take_brand.begin(engine, self.bundle, self._texts, slots)
        while not preparation.is_filled:
            with store.transaction():
                take_brand.fill(engine, preparation, limit=_FILL)
                engine.customers.flush(_FILL)
        with store.transaction():
            while engine.customers.dirty_count:
                engine.customers.flush(_FILL)
            take_brand.take(engine, preparation, self.clock.now())

    def _open_outside(self) -> tuple[dict[str, Channel], dict[str, Notifier]]:
        """Return what sends and what tells tools; raises with all that is missing for any of it."""
        live = is_live(self.settings)
        wrong = find_missing(self.bundle.brand.sources, is_live=live)
        if live:
            wrong += find_missing_secrets(self.bundle)
        channels: dict[str, Channel] = {}
        notifiers: dict[str, Notifier] = {}
        try:
            channels = build_channels(
                self.bundle, self.settings, files=self._files, clock=self.clock
            )
        except SettingsError as error:
            wrong.append(str(error))
        if not wrong:
            # Whatever a tool lacks is named above, so that only a wrong address is left to find.
            notifiers = build_notifiers(self.bundle, self.settings, clock=self.clock)
        if wrong:
            raise SettingsError("some settings are not as they must be\n" + "\n".join(wrong))
        return channels, notifiers

    def _prepare_secrets(self) -> None:
        engine = self.writer.engine
        store = engine.store
        self.link_secret = engine.secret
        stored = store.load_setting(ADMIN_SETTING)
        if not stored:
            token = f"kept_{random_token()}"
            path = self.settings.data / ADMIN_TOKEN_FILE
            with os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as file:
                file.write(token + "\n")
            stored = hash_key(token).encode()
            with store.transaction():
                store.save_setting(ADMIN_SETTING, stored)
        declared = {
            hash_key(read_secret(source.key)): name
            for name, source in self.bundle.brand.sources.sources.items()
            if source.key
        }
        staff = self.settings.staff
        idle, whole = staff.session_idle_minutes * MINUTE, staff.session_hours * HOUR
        with store.transaction():
            migrate_keys(store)
            forget_over(store, self.clock.now(), idle=idle, whole=whole)
        self.directory = Directory(declared=declared, idle=idle, whole=whole)
        self.directory.load(store)

    @property
    def keys(self) -> KeyRing:
        """Return the write keys of sources."""
        return self.directory.keys

    async def change_access(self, job: Callable[[Engine, int], T]) -> T:
        """Run a job that changes who may ask, and take it up once it is durable."""
        changed = await self.ask(job)
        # A job of its own: what is not durable is not in force.
        await self.ask(lambda engine, now: self.directory.load(engine.store))
        return changed

    def named_secrets(self) -> dict[str, list[str]]:
        """Return source -> hashes of the keys and secrets that the brand folder names for it."""
        found: dict[str, list[str]] = {}
        for key, name in self.directory.declared.items():
            found.setdefault(name, []).append(key)
        for name, source in self.bundle.brand.sources.sources.items():
            if source.signature is not None:
                try:
                    secret = read_secret(source.signature.secret)
                except SettingsError:
                    # It is not there, so that nobody can sign with it.
                    continue
                found.setdefault(name, []).append(hash_key(secret))
        return found

    def is_barred(self, source: str) -> bool:
        """Return whether a breach took the secret away with which a webhook is signed just now."""
        barred = self.directory.barred.hashes
        return bool(barred) and not barred.isdisjoint(self.named_secrets().get(source, ()))

    # -- hand-over

    def _begin_due(self, engine: Engine, now: int) -> None:
        room = self.senders.room()
        channels = self.senders.ready_channels(now)
        if room and channels:
            self._begun = deliver.take_due(engine, channels=channels, limit=room, now=now)
        self.tools.begin_due(engine, now)
        self.directory.write_used(engine.store)

    def _send_begun(self, engine: Engine, now: int) -> None:
        begun, self._begun = self._begun, []
        for message, outgoing in begun:
            self.senders.send(message, outgoing, now)
        self.tools.send_begun()

    def _report(self, message_id: str, result: SendResult) -> None:
        def settle(engine: Engine, now: int) -> None:
            deliver.settle(engine, message_id, result, now)

        try:
            self.writer.submit(settle)
        except KeptError as error:
            # The message stays `leaving`; after a restart it is taken up as interrupted.
            _log.warning("a result could not be recorded: %s", error)

    # -- a changed brand folder

    def _watch(self) -> None:
        seen = stamp_of(self.settings.brand)
        while not self._stopping.wait(_WATCH_SECONDS):
            try:
                stamp = stamp_of(self.settings.brand)
                if stamp != seen:
                    seen = stamp
                    self.reload()
            except OSError as error:
                # A file vanished while it was looked at: the next look finds the folder whole.
                _log.info("the brand folder changes: %s", error)

    def reload(self) -> tuple[Problem, ...]:
        """Take up the folder as it is now, or refuse it as a whole and say why."""
        try:
            texts = read_folder(self.settings.brand)
            brand = load_checked(texts, settings=self.settings)
        except InvalidBrandError as error:
            self.problems = error.problems
            _log.warning("the changed brand folder is refused: %d problem(s)", len(error.problems))
            self.submit(lambda engine, now: engine.alert("brand_refused", at=now)).result()
            return self.problems
        self.problems = ()
        if brand.version != self.bundle.policy.version:
            self._prepare(brand, texts)
        return ()

    def _prepare(self, brand: Brand, texts: dict[str, str]) -> None:
        slots = self.submit(
            lambda engine, now: take_brand.choose_slots(brand.facts, engine.store)
        ).result()
        bundle: Bundle = compile_brand(brand, slots=slots)
        preparation = self.submit(
            lambda engine, now: take_brand.begin(engine, bundle, texts, slots)
        ).result()

        def fill(engine: Engine, now: int) -> None:
            take_brand.fill(engine, preparation, limit=_FILL)
            engine.customers.flush(_FILL)

        def write(engine: Engine, now: int) -> int:
            engine.customers.flush(_FILL)
            return engine.customers.dirty_count

        while not preparation.is_filled:
            self.submit(fill).result()
        if preparation.until:
            while self.submit(write).result():
                pass

        def take(engine: Engine, now: int) -> None:
            take_brand.take(engine, preparation, now)

        self.submit(take).result()
        self.bundle, self._brand, self._texts = bundle, brand, texts
