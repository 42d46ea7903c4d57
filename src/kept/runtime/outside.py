"""What is spoken with outside: opened for the brand in force, and anew where a new brand declares it otherwise.

A start refuses a brand for which something is missing on this machine, and so does whoever takes up a
changed folder. What is missing all the same once the brand is in force keeps everything waiting: sent
as before, it would go where it no longer should.
"""

import logging
from typing import Final

from kept import settings as limits
from kept.channels.silent import SilentChannel
from kept.clock import Clock
from kept.core.brand.model import Brand
from kept.core.values import SECOND
from kept.errors import Problem, SettingsError
from kept.flows.engine import Engine
from kept.ports import Channel, Notifier
from kept.runtime.channels import build_channels
from kept.runtime.erasures import find_missing_secrets
from kept.runtime.references import find_missing
from kept.runtime.senders import Report, Senders
from kept.runtime.tools import Submit, Tools, build_notifiers, is_live
from kept.settings import Settings

_log = logging.getLogger("kept.runtime")
RETRY: Final = 2 * SECOND
"""How often what is missing is looked for again."""


def find_wrong(brand: Brand, settings: Settings, *, clock: Clock) -> list[Problem]:
    """Return everything that is missing on this machine, or wrong, for what a brand declares."""
    live = is_live(settings)
    sources = find_missing(brand.sources, is_live=live)
    consent = find_missing_secrets(brand) if live else []
    try:
        opened = build_channels(brand, settings, files=SilentChannel(), clock=clock, secret=b"")
        for channel in opened.values():
            channel.close()
    except SettingsError as error:
        consent += str(error).splitlines()
    if live and not sources:
        # Whatever a tool lacks is named above, so that only a wrong address is left to find.
        try:
            for notifier in build_notifiers(brand, settings, clock=clock).values():
                notifier.close()
        except SettingsError as error:
            sources += str(error).splitlines()
    return [Problem(file="sources.yaml", message=line) for line in sources] + [
        Problem(file="consent.yaml", message=line) for line in consent
    ]


class Outside:
    """The adapters of channels and tools, and what calls them."""

    def __init__(
        self,
        brand: Brand,
        settings: Settings,
        *,
        files: Channel,
        clock: Clock,
        secret: bytes,
        submit: Submit,
        report: Report,
    ) -> None:
        """Open what a brand declares.

        Args:
            brand: the brand in force.
            settings: whether anything may leave this machine.
            files: where messages are written as files.
            clock: dates mail and signatures.
            secret: signs return paths.
            submit: the way to the writer.
            report: is told what became of each message.

        Raises:
            SettingsError: with all that is missing for any of it.
        """
        if wrong := find_wrong(brand, settings, clock=clock):
            lines = "\n".join(problem.message for problem in wrong)
            raise SettingsError(f"some settings are not as they must be\n{lines}")
        self._settings = settings
        self._files = files
        self._clock = clock
        self._secret = secret
        self._brand: Brand | None = None
        self._channels: dict[str, Channel] = {}
        self._notifiers: dict[str, Notifier] = {}
        self._retries_at = 0
        self._is_behind = False
        self._is_told = False
        """Whether the operator heard that something is missing."""
        self._open(brand)
        self.senders = Senders(self._channels, threads=limits.SENDERS, report=report, lent=(files,))
        self.tools = Tools(self._notifiers, submit=submit, is_live=is_live(settings))

    def keep_up(self, engine: Engine, now: int) -> bool:
        """Open what the brand in force declares otherwise; return False while that cannot be.

        Within a transaction of the writer, before anything is handed over by that brand.
        """
        if engine.bundle.brand is self._brand:
            return True
        if now < self._retries_at:
            return False
        try:
            self._open(engine.bundle.brand)
        except SettingsError as error:
            self._is_behind = True
            self._retries_at = now + RETRY
            if not self._is_told:
                _log.warning("nothing is handed over until this is there: %s", error)
                engine.alert("channel_not_opened", at=now)
            return False
        self._is_behind = False
        self.senders.take(self._channels)
        self.tools.take(self._notifiers)
        return True

    def note_told(self) -> None:
        """Note that the transaction in which the operator was told is durable."""
        self._is_told = self._is_behind

    def _open(self, brand: Brand) -> None:
        """Open what is not open already; raises `SettingsError`, and then nothing is changed."""
        before = self._brand
        known_channels, known_notifiers = {}, {}
        if before is not None:
            old, new = before.consent.channels, brand.consent.channels
            known_channels = {
                name: channel
                for name, channel in self._channels.items()
                if old.get(name) == new.get(name)
            }
            was, will = before.sources.sources, brand.sources.sources
            known_notifiers = {
                name: notifier
                for name, notifier in self._notifiers.items()
                if name in will and was[name].suppressions == will[name].suppressions
            }
        settings, clock = self._settings, self._clock
        channels = build_channels(
            brand,
            settings,
            files=self._files,
            clock=clock,
            secret=self._secret,
            known=known_channels,
        )
        self._notifiers = build_notifiers(brand, settings, clock=clock, known=known_notifiers)
        self._channels, self._brand = channels, brand
