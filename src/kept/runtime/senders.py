"""The senders: threads that call providers, a few for each channel, between two visits to the writer."""

import logging
import threading
from collections.abc import Callable, Mapping
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


class Senders:
    """Calls providers; a channel whose provider fails rests for a while."""

    def __init__(self, channels: Mapping[str, Channel], *, threads: int, report: Report) -> None:
        """Take the channels, how many threads each gets, and whom to tell of each result."""
        self._channels = channels
        self._threads = threads
        self._report = report
        self._pools = {
            name: ThreadPoolExecutor(threads, thread_name_prefix=f"kept-{name}")
            for name in channels
        }
        self._lock = threading.Lock()
        self._busy = dict.fromkeys(channels, 0)
        self._failures = dict.fromkeys(channels, 0)
        self._rests_until = dict.fromkeys(channels, 0)
        self._running: set[Future[None]] = set()

    def rooms(self, now: int) -> dict[str, int]:
        """Return how many messages each channel takes just now without their waiting for a thread."""
        with self._lock:
            return {
                name: self._threads - busy
                for name, busy in self._busy.items()
                if busy < self._threads and self._rests_until[name] <= now
            }

    def send(self, message: Message, outgoing: Outgoing, now: int, *, until: int = 0) -> None:
        """Call the provider on a thread of the channel's own, until an uptime if one is given."""
        with self._lock:
            self._busy[message.channel] += 1
        future = self._pools[message.channel].submit(self._call, message, outgoing, now, until)
        self._running.add(future)
        future.add_done_callback(partial(self._note_end, message))

    def _note_end(self, message: Message, future: "Future[None]") -> None:
        self._running.discard(future)
        if future.cancelled():
            self._report(message, Postponed(detail="the server stopped before it could send"))

    def _call(self, message: Message, outgoing: Outgoing, now: int, until: int) -> None:
        if until and read_uptime() >= until:
            # This process was stopped for so long that others may have taken the message up. It
            # surely did not leave from here.
            with self._lock:
                self._busy[message.channel] -= 1
            self._report(message, Postponed(detail="this node was stopped before it could send"))
            return
        try:
            result = self._channels[message.channel].send(outgoing)
        except Exception:  # noqa: BLE001 - the outer edge: an adapter's bug must not lose the message
            _log.exception("the channel %s failed", message.channel)
            result = Unclear(detail="the channel's adapter failed")
        with self._lock:
            self._busy[message.channel] -= 1
            if isinstance(result, Postponed | Unclear):
                self._failures[message.channel] += 1
                if self._failures[message.channel] >= FAILURES_TO_REST:
                    self._rests_until[message.channel] = now + REST
            elif isinstance(result, Accepted):
                self._failures[message.channel] = 0
        self._report(message, result)

    def wait(self, seconds: float) -> bool:
        """Wait for the calls that have begun; return whether all of them have ended."""
        return not wait(set(self._running), timeout=seconds).not_done

    def drain(self, seconds: float) -> None:
        """Wait for the calls that have begun, and give up the connections."""
        self.wait(seconds)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for channel in self._channels.values():
            channel.close()
