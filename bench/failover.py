"""Rows on what dies: how soon the rest goes on, and that nothing is lost.

Two nodes share a PostgreSQL that has a standby. A node is killed amid its messages, and the other
hands them over. Then the primary is killed amid events and its standby promoted at once; the node
finds it by itself, and is told every event again that it had acknowledged.
"""

import time
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from bench.messages import (
    first_arrivals,
    make_event,
    make_events,
    running_provider,
    send,
    send_batches,
    wait_for_messages,
)
from bench.row import Figures
from bench.scale import Scale
from bench.service import Kept, running_kept
from bench.whole_path import introduce
from bench.workspace import fresh_directory
from tests.postgres import REPLICATED, Standby, running_server, running_standby

PROVIDER_MS = 20.0
"""Slow enough that messages are on their way when the node dies."""

GIVE_UP_SECONDS = 60.0


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Kill a node, and then the primary, in every round."""
    for _ in range(scale.rounds):
        with running_server(REPLICATED) as server:
            database = server.make().database
            with running_standby(server) as standby, fresh_directory(directory) as fresh:
                _measure_round(figures, scale, fresh, standby, database)


def _measure_round(
    figures: Figures, scale: Scale, directory: Path, standby: Standby, database: str
) -> None:
    key, count = directory / "master-key", scale.stopped_customers
    for name in ("one", "two"):
        (directory / name).mkdir()
    with running_provider(directory, PROVIDER_MS) as (url, log):
        address = standby.address(database).url
        start = partial(running_kept, provider_url=url, database=address, master_key=key)
        with start(directory / "two") as two:
            introduce(two, count=count)
            with start(directory / "one") as one:
                _kill_node(figures, count, one, log)
            _kill_primary(figures, two, standby, database)


def _kill_node(figures: Figures, count: int, node: Kept, log: Path) -> None:
    """Cause a message to each customer at a node, kill it, and wait for those that had not left."""
    send_batches(node, make_events(count, "Receipt Wanted", {"receipt_id": "r-{customer}"}))
    killed_ns = time.time_ns()
    node.program.kill()
    first = first_arrivals(wait_for_messages(log, count=count))
    if len(first) < count:
        raise RuntimeError(f"{count - len(first)} of {count} messages never reached the provider")
    later = [at_ns for at_ns in first.values() if at_ns > killed_ns]
    figures.add("a node's kill: messages that had not left", len(later), "messages")
    waited = (max(later, default=killed_ns) - killed_ns) / 1e9
    figures.add("a node's kill: the last of them handed over by the other after", waited, "s")


class _Teller(Thread):
    """Sends one event after the other until it is told to end; what was not answered is sent again."""

    def __init__(self, node: Kept) -> None:
        super().__init__(daemon=True)
        self._node = node
        self.ends = False
        self.taken: list[tuple[dict[str, Any], int]] = []
        """What was acknowledged, and when (ns)."""

    def run(self) -> None:
        while not self.ends:
            customer = len(self.taken)
            event = make_event(0, "Page Viewed", {"page": str(customer)})
            while not self.ends:
                try:
                    self.taken.append((event, send(self._node, event).answered_ns))
                    break
                except (RuntimeError, OSError):
                    time.sleep(0.01)


def _kill_primary(figures: Figures, node: Kept, standby: Standby, database: str) -> None:
    """Kill the primary amid events, and tell every event that was acknowledged before again."""
    teller = _Teller(node)
    teller.start()
    time.sleep(2)
    killed_ns = time.time_ns()
    standby.fail_over()
    before = list(teller.taken)
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while len(teller.taken) < len(before) + 20 and time.monotonic() < give_up_at:
        time.sleep(0.01)
    teller.ends = True
    teller.join()
    after = [at_ns for _, at_ns in teller.taken[len(before) :]]
    if not after:
        raise RuntimeError(f"no event was acknowledged for {GIVE_UP_SECONDS:.0f} s")
    figures.add(
        "the primary's kill: an event acknowledged again after", (after[0] - killed_ns) / 1e9, "s"
    )
    stored = _count_events(standby, database)
    send_batches(node, [event for event, _ in before])
    # What was there is known by its message id, so that only what was lost is stored now.
    lost = _count_events(standby, database) - stored
    figures.add("the primary's kill: acknowledged events told again", len(before), "events")
    figures.add("the primary's kill: of these, lost", lost, "events")
    if lost:
        raise RuntimeError(f"{lost} events were acknowledged and lost")


def _count_events(standby: Standby, database: str) -> int:
    ((count,),) = standby.second.fetch("SELECT count(*) FROM kept.events", database)
    return int(count)
