"""One running Kept: the only place that names concrete adapters and puts everything together."""

import asyncio
import gc
import os
import platform
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from kept import settings as limits
from kept.analytics import ParquetHistory
from kept.channels.files import FilesChannel
from kept.clock import Clock, SharedClock, SystemClock, random_token, read_uptime
from kept.core.bounce import return_path_secret
from kept.core.bundle import Bundle
from kept.core.keys import KeyRing, hash_key
from kept.core.message import Message, Outgoing
from kept.core.unsubscribe import make_link
from kept.core.values import HOUR, MINUTE
from kept.errors import KeptError, OutdatedError, Problem, SettingsError
from kept.flows import deliver
from kept.flows.engine import Engine
from kept.flows.keys import migrate_keys
from kept.flows.recover import recover
from kept.flows.sign_log import open_log
from kept.flows.staff import ADMIN_SETTING
from kept.flows.take_brand import hold_fresh
from kept.flows.together import WantsOf, do_together
from kept.ports import Store
from kept.runtime.bases import Bases
from kept.runtime.brands import Brands
from kept.runtime.breaches import work_on_breaches_of
from kept.runtime.channels import OUTBOX
from kept.runtime.collector import spare_collector
from kept.runtime.directory import Directory
from kept.runtime.erasures import Erasures, find_notifier
from kept.runtime.histories import Histories
from kept.runtime.keeping import Keeping
from kept.runtime.key_upkeep import KeyUpkeep
from kept.runtime.outside import Outside
from kept.runtime.results import Results
from kept.runtime.shared_writer import SharedWriter
from kept.runtime.stores import open_store
from kept.runtime.tools import is_live
from kept.runtime.writer import Writer
from kept.settings import Settings, read_secret

T = TypeVar("T")
_SECRET_SETTING: Final = "link_secret"
ADMIN_TOKEN_FILE: Final = "admin-token"
ADDRESS_FILE: Final = "server-address"
PUBLIC_URL_FILE: Final = "public-url"


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
        self.clock: Clock = clock or SystemClock()
        if clock is None:
            self.clock = SharedClock() if settings.database else SystemClock()
        self.brands = Brands(settings, self.submit)
        self.is_ready = False
        self._is_stopping = False
        """Whether nothing more is to be handed over."""
        self._was_open = False
        self._begun: list[tuple[Message, Outgoing]] = []
        self._began_at = 0
        settings.data.mkdir(parents=True, exist_ok=True)
        staff = settings.staff
        self.directory = Directory(
            idle=staff.session_idle_minutes * MINUTE, whole=staff.session_hours * HOUR
        )
        self._has_access_changed = False
        """Whether the directory is behind what the last transactions made durable."""
        self.also_takes_up: list[Callable[[Store], None]] = []
        """What else is told, within a transaction, when what all nodes must know changed."""
        self.writer = self._make_writer()
        self._files = FilesChannel(folder=settings.data / OUTBOX, clock=self.clock)
        self.results = Results(self.submit)
        self._outside = self._open_outside()
        self.senders, self.tools = self._outside.senders, self._outside.tools
        self._prepare_secrets()
        self.keeping = Keeping(self.submit, lambda: self.bundle.brand, files=self._files)
        self.histories = Histories(
            self.submit,
            lambda: self.writer.engine.store,
            ParquetHistory(settings.history_folder),
            limits_of=self.keeping.limits,
        )
        self.bases = Bases(self.submit, settings, clock=self.clock)
        self.erasures = Erasures(
            self.submit,
            files=self._files,
            posts=settings.data / OUTBOX,
            waits=(self.senders.wait, self.tools.wait),
            notifier_of=lambda recipient: find_notifier(
                self.bundle, recipient, settings, clock=self.clock
            ),
            drop_base=self.bases.drop,
            is_clean=self.histories.is_clean,
        )
        self.breaches = work_on_breaches_of(self.submit)
        self.key_upkeep = KeyUpkeep(self.submit, lambda: self._keys, days=settings.backup_days)

    def announce(self, url: str) -> None:
        """Write down where this server is reached, for the command line on this machine."""
        public_url, file = self.settings.public_url, self.settings.data / PUBLIC_URL_FILE
        if public_url:
            file.write_text(public_url + "\n", encoding="utf-8")
        else:
            file.unlink(missing_ok=True)
        # Last: whoever waits for it finds the rest.
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
        self.brands.start()
        self.is_ready = True

    def stop(self) -> None:
        """Drain hand-overs that have begun, make everything durable, and end."""
        self.is_ready = False
        gc.unfreeze()
        self.brands.stop()
        self.key_upkeep.stop()
        self.erasures.stop()
        self.keeping.stop()
        self.histories.stop()
        self.breaches.stop()
        self.bases.stop()
        self._is_stopping = True
        # Once the writer has done one thing more, all that was begun is with its sender.
        with suppress(KeptError):
            self.submit(lambda engine, now: None).result()
        self.senders.drain(limits.DRAIN_SECONDS)
        self.tools.drain(limits.DRAIN_SECONDS)
        self.writer.stop()

    def ask(
        self, job: Callable[[Engine, int], T], wants: WantsOf | None = None
    ) -> "asyncio.Future[T]":
        """Run a job on the writer from an event loop; done when its changes are durable.

        Where other nodes share the store, `wants` says what it will touch.
        """
        return self.writer.ask(job, wants)

    def submit(self, job: Callable[[Engine, int], T]) -> "Future[T]":
        """Run a job on the writer from any other thread."""
        return self.writer.submit(job)

    # -- opening

    def _make_writer(self) -> Writer:
        if not self.settings.database:
            return Writer(
                self._open_engine,
                clock=self.clock,
                before_commit=self._begin_due,
                after_commit=self._send_begun,
            )
        return SharedWriter(
            self._open_engine,
            clock=self.clock,
            before_commit=self._begin_due,
            after_commit=self._send_begun,
            renew=self.brands.renew,
        )

    def _open_engine(self) -> Engine:
        # An address that no link can begin with is found now, not with the first message.
        make_link(self.settings.own_url, "")
        store, self._keys, vault = open_store(self.settings)
        try:
            bundle, slots = self.brands.open(store)
            engine = Engine(
                store,
                bundle,
                secret=b"",
                public_url=self.settings.own_url,
                shadow=self.settings.shadow,
            )
            if not store.is_shared:
                # What is folded again now is folded once more where a new feature is filled.
                hold_fresh(engine, slots)
            engine.is_live = is_live(self.settings)
            engine.node_id = store.join(f"{platform.node()}:{os.getpid()}")

            def take_up(engine: Engine) -> None:
                # Another node may have destroyed keys that were used here.
                vault.let_go()
                self.directory.load(engine.store)
                for also in self.also_takes_up:
                    also(engine.store)

            engine.also_takes_up.append(take_up)
            engine.secret = self._commit(engine, _link_secret)
            self._bring_up(engine)
            self.brands.take_at_start(engine, slots, self._commit)
        except BaseException:
            store.close()
            raise
        self._was_open = True
        return engine

    def _bring_up(self, engine: Engine) -> None:
        """Let an engine take up what is durable."""

        def bring_up(engine: Engine, now: int) -> int:
            open_log(engine, now)
            # Opened anew: what was committed last may not have been taken up yet.
            self.directory.load(engine.store)
            recover(engine, now, is_start=not self._was_open)
            return now

        now = self._commit(engine, bring_up)
        for source in engine.bundle.stale_after:
            # A source that was never heard is given its time from now on.
            engine.heard_at.setdefault(source, now)
        engine.keep_noted()

    def _commit(self, engine: Engine, job: Callable[[Engine, int], T]) -> T:
        """Run a job before the writer does, or while it is opened again."""
        while True:
            try:
                return do_together(engine, job, self._tell_time)
            except OutdatedError:
                self.brands.renew(engine)

    def _tell_time(self, shared: int) -> int:
        clock = self.clock
        return clock.follow(shared) if isinstance(clock, SharedClock) else clock.now()

    @property
    def bundle(self) -> Bundle:
        """Return the brand in force."""
        return self.writer.engine.bundle

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return why the folder as it is now was not taken up; empty while it is in force."""
        return self.brands.problems

    def reload(self) -> tuple[Problem, ...]:
        """Take up the folder as it is now, or refuse it as a whole and say why."""
        return self.brands.reload()

    def _open_outside(self) -> Outside:
        return Outside(
            self.bundle.brand,
            self.settings,
            files=self._files,
            clock=self.clock,
            secret=return_path_secret(self.writer.engine.secret),
            submit=self.submit,
            report=self.results.report,
        )

    def _prepare_secrets(self) -> None:
        engine = self.writer.engine
        self.link_secret = engine.secret
        self.directory.declared = {
            hash_key(read_secret(source.key)): name
            for name, source in self.bundle.brand.sources.sources.items()
            if source.key
        }

        def prepare(engine: Engine, now: int) -> None:
            store = engine.store
            if not store.load_setting(ADMIN_SETTING):
                store.change_control()
                token = f"kept_{random_token()}"
                _write_token(self.settings.data / ADMIN_TOKEN_FILE, token)
                store.save_setting(ADMIN_SETTING, hash_key(token).encode())
            migrate_keys(store)
            self.directory.forget_over(store, now)
            self.directory.load(store)

        self._commit(engine, prepare)

    @property
    def keys(self) -> KeyRing:
        """Return the write keys of sources."""
        return self.directory.keys

    async def change_access(self, job: Callable[[Engine, int], T]) -> T:
        """Run a job that changes who may ask, and take it up once it is durable."""

        def change(engine: Engine, now: int) -> T:
            # The caller may go away, or be refused below; the writer takes it up in any case.
            self._has_access_changed = True
            engine.store.change_control()
            return job(engine, now)

        changed = await self.ask(change)
        # A job of its own: what is not durable is not in force.
        await self.ask(lambda engine, now: self._take_up_access(engine.store))
        return changed

    def _take_up_access(self, store: Store) -> None:
        self.directory.load(store)
        self._has_access_changed = False

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
        self.results.note(engine, now)
        # What was begun in a transaction that failed is not on its way.
        self._begun = []
        self._began_at = read_uptime()
        if not self._is_stopping and self._outside.keep_up(engine, now):
            if rooms := self.senders.rooms(now):
                self._begun = deliver.take_due(engine, rooms=rooms, now=now)
            self.tools.begin_due(engine, now)
        self.directory.write_used(engine.store)

    def _send_begun(self, engine: Engine, now: int) -> None:
        begun, self._begun = self._begun, []
        self.results.forget_noted()
        self.directory.forget_written()
        self._outside.note_told()
        # Where others take up what a node leaves behind, one that was stopped must not go on sending.
        until = self._began_at + deliver.CALLED_WITHIN if engine.store.is_shared else 0
        for message, outgoing in begun:
            self.senders.send(message, outgoing, now, until=until)
        self.tools.send_begun()
        if self._has_access_changed:
            self._take_up_access(engine.store)


def _link_secret(engine: Engine, now: int) -> bytes:
    """Return the secret that signs links, made at the first start; all nodes have the same."""
    store = engine.store
    secret = store.load_setting(_SECRET_SETTING)
    if secret is None:
        store.change_control()
        secret = random_token().encode()
        store.save_setting(_SECRET_SETTING, secret)
    return secret


def _write_token(path: Path, token: str) -> None:
    """Write a token down for its owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token + "\n")
