"""The tools outside Kept that are told of suppressions: who they are, and the threads that call them.

As with messages, what to tell is read on the writer and told on another thread, and how far a tool
was told is noted on the writer again. One call a tool is on its way at a time, so that a tool hears
everything in its order, and one that is down or slow keeps nobody else waiting.
"""

import logging
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

import msgspec

from kept import settings as limits
from kept.channels.posted import PostedFiles
from kept.channels.webhook import WebhookChannel
from kept.clock import Clock, read_uptime
from kept.core.brand.model import Brand
from kept.core.message import Accepted, Postponed, SendResult, Unclear
from kept.core.values import SECOND
from kept.errors import KeptError, SettingsError
from kept.flows.disclosures import note_suppressions_told
from kept.flows.duties import KEPT_FOR, hold_duty
from kept.flows.engine import Engine
from kept.flows.tell_tools import (
    Page,
    load_told,
    note_untaken,
    oldest_untold,
    read_page,
    save_told,
    write_post,
)
from kept.ports import Notifier
from kept.runtime.channels import OUTBOX, read_setting
from kept.settings import Settings

_log = logging.getLogger("kept.tools")
FOLDER: Final = "suppressions"
"""The folder of the outbox in which each tool has its own."""
_SECONDS_KEPT: Final = 1_000
NONE_KNOWN: Final[Mapping[str, Notifier]] = {}
Submit = Callable[[Callable[[Engine, int], Any]], "Future[Any]"]


def build_notifiers(
    brand: Brand, settings: Settings, *, clock: Clock, known: Mapping[str, Notifier] = NONE_KNOWN
) -> dict[str, Notifier]:
    """Return the tools that are called; until the operator says otherwise, they are files.

    Args:
        brand: declares them.
        settings: whether anything may leave this machine.
        clock: dates signatures.
        known: those that are open, and declared as before.

    Raises:
        SettingsError: with everything that is missing, not only the first.
    """
    notifiers: dict[str, Notifier] = {}
    missing: list[str] = []
    for name, source in brand.sources.sources.items():
        told = source.suppressions
        if told is None or not told.url:
            continue
        if name in known:
            notifiers[name] = known[name]
            continue
        if not is_live(settings):
            notifiers[name] = PostedFiles(folder=settings.data / OUTBOX / FOLDER / name)
            continue
        try:
            notifiers[name] = WebhookChannel(
                url=read_setting(told.url),
                secret=read_setting(told.secret),
                clock=clock,
                allow_private=settings.allow_private_webhooks,
                timeout_seconds=limits.SEND_TIMEOUT_SECONDS,
            )
        except SettingsError as error:
            missing.append(f"suppressions of {name}: {error}")
    if missing:
        raise SettingsError("\n".join(missing))
    return notifiers


def is_live(settings: Settings) -> bool:
    """Return whether anything may leave this machine."""
    return settings.deliver == "providers" and not settings.shadow


class _Health(msgspec.Struct, frozen=True):
    """How a tool answers just now."""

    failures: int = 0
    failing_since: int = 0
    rests_until: int = 0
    is_alerted: bool = False


class _Tool:
    """One tool, and how it answers; changed on the writer's thread alone, by what is durable."""

    def __init__(self, name: str, notifier: Notifier, *, told_as: str) -> None:
        self.name = name
        self.notifier = notifier
        self.next_notifier = notifier
        """What it is called by once the call under way has ended, so that it hears all in its order."""
        self.told_as = told_as
        self.pool = ThreadPoolExecutor(1, thread_name_prefix=f"kept-tool-{name}")
        self.is_busy = False
        self.health = _Health()
        self.seconds: deque[float] = deque(maxlen=_SECONDS_KEPT)

    def turn(self) -> None:
        """Call it by what is declared now, unless a call is under way; at once, since much may have changed."""
        if not self.is_busy and self.next_notifier is not self.notifier:
            self.notifier.close()
            self.notifier = self.next_notifier
            self.health = msgspec.structs.replace(self.health, rests_until=0)

    def end(self) -> None:
        """Give up its thread and its connection."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.notifier.close()
        if self.next_notifier is not self.notifier:
            self.next_notifier.close()


class Tools:
    """Tells each tool what it was not told yet, a page at a time."""

    def __init__(self, notifiers: Mapping[str, Notifier], *, submit: Submit, is_live: bool) -> None:
        """Take the tools, and the way to the writer.

        What was only written into files does not count as told once the tools are really called.
        """
        self._submit = submit
        self._is_live = is_live
        self._tools: dict[str, _Tool] = {}
        self._ending: list[_Tool] = []
        """Tools that are told nothing more, and whose last call is still on its way."""
        self.take(notifiers)
        self._begun: list[tuple[_Tool, Page]] = []
        self._until = 0
        """Until which uptime what was read may be told; 0 for as long as it takes."""
        self._running: set[Future[None]] = set()

    def take(self, notifiers: Mapping[str, Notifier]) -> None:
        """Tell these from now on, each of what it was not told yet."""
        before = self._tools
        # As a whole: what is measured of them is read on other threads.
        self._tools = {
            name: before[name] if name in before else self._make(name, notifier)
            for name, notifier in notifiers.items()
        }
        for name, notifier in notifiers.items():
            self._tools[name].next_notifier = notifier
        self._ending += [tool for name, tool in before.items() if name not in notifiers]

    def _make(self, name: str, notifier: Notifier) -> _Tool:
        return _Tool(name, notifier, told_as=name if self._is_live else f"{name}.files")

    def _turn(self) -> None:
        for tool in self._tools.values():
            tool.turn()
        for tool in self._ending:
            if not tool.is_busy:
                tool.end()
        self._ending = [tool for tool in self._ending if tool.is_busy]

    def begin_due(self, engine: Engine, now: int) -> None:
        """Read what is to be told next; within a transaction of the writer."""
        for tool, _ in self._begun:
            # The transaction in which it was read failed: it is read again.
            tool.is_busy = False
        self._begun = []
        self._turn()
        newest = engine.store.last_notice() if self._tools else 0
        sources = engine.bundle.brand.sources.sources
        for tool in self._tools.values():
            source = sources.get(tool.name)
            if (
                tool.is_busy
                or tool.health.rests_until > now
                or source is None
                or not source.suppressions
            ):
                continue
            after = load_told(engine.store, tool.told_as)
            if after >= newest:
                continue
            if not hold_duty(engine, f"tool.{tool.told_as}", now):
                # Another node tells this tool, one call after the other.
                continue
            page = read_page(engine, tool.name, after=after, limit=limits.NOTICES_A_POST)
            if page.suppressions:
                tool.is_busy = True
                self._begun.append((tool, page))
            else:
                save_told(engine, tool.name, page, told_as=tool.told_as)
        self._until = read_uptime() + KEPT_FOR // 4 if engine.store.is_shared else 0

    def send_begun(self) -> None:
        """Call the tools, each on a thread of its own; what was read is durable by now."""
        begun, self._begun = self._begun, []
        for tool, page in begun:
            future = tool.pool.submit(self._call, tool, page, self._until)
            self._running.add(future)
            future.add_done_callback(self._running.discard)

    def ages(self, engine: Engine, now: int) -> dict[str, float]:
        """Return for each tool the seconds that the oldest notice has waited for it."""
        noted = {name: oldest_untold(engine.store, t.told_as) for name, t in self._tools.items()}
        return {name: (now - at) / SECOND if at else 0.0 for name, at in noted.items()}

    def seconds(self) -> dict[str, list[float]]:
        """Return for each tool how long the last suppressions took from their event to the tool."""
        return {name: list(tool.seconds) for name, tool in self._tools.items()}

    def wait(self, seconds: float) -> bool:
        """Wait for the calls that have begun; return whether all of them have ended."""
        return not wait(set(self._running), timeout=seconds).not_done

    def drain(self, seconds: float) -> None:
        """Wait for the calls that have begun, and give up the connections."""
        self.wait(seconds)
        for tool in [*self._tools.values(), *self._ending]:
            tool.end()

    def _call(self, tool: _Tool, page: Page, until: int) -> None:
        if until and read_uptime() >= until:
            # This process was stopped for so long that another node may tell the tool by now.
            tool.is_busy = False
            return
        try:
            result = tool.notifier.post(*write_post(page))
        except Exception:  # noqa: BLE001 - the outer edge: an adapter's bug must not end the telling
            _log.exception("telling %s failed", tool.name)
            result = Unclear(detail="the adapter failed")

        def settle(engine: Engine, now: int) -> _Settled:
            return _settle(engine, tool, page, result, now)

        def free(future: "Future[_Settled]") -> None:
            if not future.cancelled() and future.exception() is None:
                settled = future.result()
                tool.health = settled.health
                if settled.seconds is not None:
                    tool.seconds.append(settled.seconds)
            tool.is_busy = False

        try:
            self._submit(settle).add_done_callback(free)
        except KeptError as error:
            # It is told again, under the same id.
            _log.warning("what %s was told could not be noted: %s", tool.name, error)
            tool.is_busy = False


class _Settled(msgspec.Struct, frozen=True):
    """What became of a call, to be remembered once it is durable."""

    health: _Health
    seconds: float | None = None
    """How long the oldest notice had waited; None where nothing new was told."""


def _settle(engine: Engine, tool: _Tool, page: Page, result: SendResult, now: int) -> _Settled:
    """Note what became of a call; whatever is no clear yes is told again, in the same order."""
    health = tool.health
    if load_told(engine.store, tool.told_as) != page.after:
        # Another node went on with it meanwhile.
        return _Settled(health)
    if not isinstance(result, Postponed):
        note_suppressions_told(engine, tool.name, after=page.after, upto=page.upto, now=now)
    if isinstance(result, Accepted):
        save_told(engine, tool.name, page, told_as=tool.told_as)
        if health.is_alerted:
            engine.alert("tool_back", source=tool.name, at=now)
        return _Settled(_Health(), (now - page.oldest_at) / SECOND)
    _log.warning("%s was not told: %s", tool.name, type(result).__name__.lower())
    note_untaken(engine, tool.name)
    failures = health.failures + 1
    failing_since = health.failing_since or now
    asked = result.retry_after_seconds if isinstance(result, Postponed) else 0
    is_late = now - failing_since >= limits.TOOL_ALERT_SECONDS * SECOND
    if is_late and not health.is_alerted:
        engine.alert("tool_unreachable", source=tool.name, at=now)
    return _Settled(
        _Health(
            failures=failures,
            failing_since=failing_since,
            rests_until=now + rest_of(tool.name, failures, asked_seconds=asked),
            is_alerted=is_late or health.is_alerted,
        )
    )


def rest_of(tool: str, failures: int, *, asked_seconds: int) -> int:
    """Return how long (µs) to leave a tool alone after so many failures in a row.

    It doubles up to a limit, and each time a part of it is left to chance (a hash, so that it can
    be repeated), lest tools that failed together be called together.
    """
    longest = limits.TOOL_REST_SECONDS_MAX
    seconds = min(limits.TOOL_REST_SECONDS * 2.0 ** min(failures - 1, 16), longest)
    draw = zlib.crc32(f"{tool}|{failures}".encode()) % 1_000
    asked = min(asked_seconds, limits.TOOL_ASKED_SECONDS_MAX)
    return int(max(seconds * (0.5 + draw / 2_000), asked) * SECOND)
