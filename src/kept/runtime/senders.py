"""The senders: threads that call providers, a few for each channel, between two visits to the writer."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Final

from kept.clock import read_uptime
from kept.core.message import Accepted, Message, Outgoing, Postponed, SendResult, Unclear
from kept.core.values import SECOND
from kept.ports import Channel

_log = logging.getLogger("kept.senders")
FAILURES_TO_REST: Final = 5
"""So many failures in a row make a channel rest."""
REST: Final = 10 * SECOND
Report = Callable[[Message, SendResult], None]


class _Line:
    """One channel's adapter, the threads that call it, and how it answers."""

    def __init__(self, name: str, channel: Channel, threads: int) -> None:
        self.channel = channel
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix=f"kept-{name}")
        self.busy = 0
        self.failures = 0
        self.rests_until = 0


class Senders:
    """Calls providers; a channel whose provider fails rests for a while."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        *,
        threads: int,
        report: Report,
        lent: Collection[Channel] = (),
    ) -> None:
        """Take the channels.

        Args:
            channels: the adapters, by the names of their channels.
            threads: how many each gets.
            report: is told of each result.
            lent: adapters that others use as well, which only the end closes.
        """
        self._threads = threads
        self._report = report
        self._lent = lent
        self._lock = threading.Lock()
        self._lines = {name: _Line(name, channel, threads) for name, channel in channels.items()}
        self._ending: list[_Line] = []
        """What nothing more is sent by, and whose last calls are still on their way."""
        self._running: set[Future[None]] = set()

    def take(self, channels: Mapping[str, Channel]) -> None:
        """Send by these from now on; a call that has begun ends with the adapter that it began with."""
        with self._lock:
            before = self._lines
            stay = {name for name, line in before.items() if channels.get(name) is line.channel}
            self._lines = {
                name: before[name] if name in stay else _Line(name, channel, self._threads)
                for name, channel in channels.items()
            }
            gone = [line for name, line in before.items() if name not in stay]
            self._ending += gone
        for line in gone:
            line.pool.shutdown(wait=False)
        self._close_ended()

    def _close_ended(self) -> None:
        with self._lock:
            ended = [line for line in self._ending if not line.busy]
            self._ending = [line for line in self._ending if line.busy]
        for line in ended:
            if line.channel not in self._lent:
                line.channel.close()

    def rooms(self, now: int) -> dict[str, int]:
        """Return how many messages each channel takes just now without their waiting for a thread."""
        with self._lock:
            return {
                name: self._threads - line.busy
                for name, line in self._lines.items()
                if line.busy < self._threads and line.rests_until <= now
            }

    def send(self, message: Message, outgoing: Outgoing, now: int, *, until: int = 0) -> None:
        """Call the provider on a thread of the channel's own, until an uptime if one is given."""
        with self._lock:
            line = self._lines[message.channel]
            line.busy += 1
        future = line.pool.submit(self._call, line, message, outgoing, now, until)
        self._running.add(future)
        future.add_done_callback(partial(self._note_end, message))

    def _note_end(self, message: Message, future: "Future[None]") -> None:
        self._running.discard(future)
        if future.cancelled():
            self._report(message, Postponed(detail="the server stopped before it could send"))

    def _call(
        self, line: _Line, message: Message, outgoing: Outgoing, now: int, until: int
    ) -> None:
        if until and read_uptime() >= until:
            # This process was stopped for so long that others may have taken the message up. It
            # surely did not leave from here.
            self._free(line)
            self._report(message, Postponed(detail="this node was stopped before it could send"))
            return
        try:
            result = line.channel.send(outgoing)
        except Exception:  # noqa: BLE001 - the outer edge: an adapter's bug must not lose the message
            _log.exception("the channel %s failed", message.channel)
            result = Unclear(detail="the channel's adapter failed")
        with self._lock:
            if isinstance(result, Postponed | Unclear):
                line.failures += 1
                if line.failures >= FAILURES_TO_REST:
                    line.rests_until = now + REST
            elif isinstance(result, Accepted):
                line.failures = 0
        self._free(line)
        self._report(message, result)

    def _free(self, line: _Line) -> None:
        with self._lock:
            line.busy -= 1
            is_last = line in self._ending and not line.busy
        if is_last:
            self._close_ended()

    def wait(self, seconds: float) -> bool:
        """Wait for the calls that have begun; return whether all of them have ended."""
        return not wait(set(self._running), timeout=seconds).not_done

    def drain(self, seconds: float) -> None:
        """Wait for the calls that have begun, and give up the connections."""
        self.wait(seconds)
        for line in [*self._lines.values(), *self._ending]:
            line.pool.shutdown(wait=False, cancel_futures=True)
            line.channel.close()
