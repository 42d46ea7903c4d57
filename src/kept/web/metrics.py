"""What operators watch, in Prometheus' form: times, queues, counts; never a customer's data.

Labels come from the brand (sources, channels, actions) or from closed lists (reasons, states), so
that their number is bounded whatever arrives.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kept.core.values import SECOND
from kept.runtime import Runtime

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_TIMES: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5,
)  # fmt: skip

# Counter of the engine -> its metric, what it counts, and what its labels are.
_COUNTED: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "events": ("kept_events", "Events taken.", ("source",)),
    "duplicates": ("kept_duplicate_events", "Events that were known already.", ("source",)),
    "of_the_forgotten": (
        "kept_events_of_the_forgotten",
        "Events of people who were forgotten, which are not taken.",
        ("source",),
    ),
    "past_their_time": ("kept_past_their_time", "Events that were removed by their age.", ()),
    "let_go": ("kept_let_go", "Customers of whom nothing was left, and who were erased.", ()),
    "forgotten": ("kept_forgotten", "Customers who were forgotten.", ()),
    "unerased": ("kept_erasures_refused", "Calls that a recipient did not take.", ("recipient",)),
    "approvals": (
        "kept_approvals",
        "What became of what waits for a person.",
        ("outcome",),
    ),
    "quarantined": ("kept_quarantined_events", "Events that could not be taken.", ("source",)),
    "decisions": ("kept_decisions", "Decisions made.", ("outcome",)),
    "reasons": ("kept_reasons", "Why actions were not chosen.", ("reason",)),
    "outside_refused": (
        "kept_outside_refused",
        "Contacts of tools outside Kept that were refused.",
        ("source", "reason"),
    ),
    "queued": ("kept_messages_queued", "Messages decided.", ("action",)),
    "leaving": ("kept_messages_leaving", "Hand-overs begun.", ("channel",)),
    "settled": ("kept_messages_settled", "Messages that came to an end.", ("channel", "state")),
    "withdrawn": ("kept_messages_withdrawn", "Messages taken back before leaving.", ("reason",)),
    "feedback": ("kept_feedback", "What providers reported.", ("outcome",)),
    "unsubscribed": ("kept_unsubscribed", "Customers who left by a link.", ("channel",)),
    "sign_ins": ("kept_sign_ins", "Attempts of staff to sign in.", ("outcome",)),
    "alerts": ("kept_alerts", "What an operator had to hear of.", ("code",)),
    "told": ("kept_suppressions_told", "Suppressions that tools took.", ("source",)),
    "untold": ("kept_suppressions_refused", "Calls that a tool did not take.", ("source",)),
    "history_rows": ("kept_history_rows", "Rows written into files of history.", ("kind",)),
    "history_bytes": ("kept_history_bytes", "Bytes written into files of history.", ("kind",)),
    "history_hours": ("kept_history_hours", "Hours closed in files of history.", ("kind",)),
    "history_rewritten": (
        "kept_history_files_rewritten",
        "Files of history written anew without what had to go.",
        ("kind",),
    ),
    "resumed": (
        "kept_messages_resumed",
        "Messages taken up that another node was handing over.",
        ("channel",),
    ),
    "campaign": ("kept_campaign_wakes", "Customers looked at because of a campaign.", ("action",)),
    "unfollowed": (
        "kept_evidence_not_followed",
        "Times that evidence of who is who led to more identifiers than are followed.",
        (),
    ),
    "wakes": ("kept_wakes", "Customers looked at again because time passed.", ()),
}


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits, and for how long already; ages are in seconds."""

    due_ages: dict[str, float]
    """Channel -> how long its oldest due message has been due."""
    flight_age: float
    """How long the oldest hand-over has been without a known outcome."""
    told_ages: dict[str, float]
    """Tool -> how long the oldest change has waited that it was not told yet."""


class Meters:
    """What the web measures itself, and what it reads off the engine when asked."""

    def __init__(self, runtime: Runtime) -> None:
        """Begin at zero, in a registry of our own."""
        # A second series for each, which says when it began: nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.durable = Histogram(
            "kept_signal_to_durable_seconds",
            "From a request with events to its answer, when all that follows is durable.",
            buckets=_TIMES,
            registry=self.registry,
        )
        self.decision = Histogram(
            "kept_decision_seconds",
            "From a question to its answer.",
            buckets=_TIMES,
            registry=self.registry,
        )
        self._stop = Histogram(
            "kept_stop_seconds",
            "From a request that stops something to its answer, after which nothing of it leaves.",
            ["by"],
            buckets=_TIMES,
            registry=self.registry,
        )
        self._requests = Counter(
            "kept_http_requests",
            "Requests answered, by route (never by path) and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self._answered: dict[tuple[str, int], Counter] = {}
        self.stopped_by_event = self._stop.labels("event")
        self.stopped_by_customer = self._stop.labels("unsubscribe")
        self.stopped_by_operator = self._stop.labels("brake")
        self.depth: Callable[[], Depth | None] = lambda: None
        self.registry.register(_EngineCollector(runtime, self))

    def answered(self, route: str, status: int) -> None:
        """Count an answer."""
        child = self._answered.get((route, status))
        if child is None:
            child = self._answered[route, status] = self._requests.labels(route, str(status))
        child.inc()

    def render(self, depth: Depth | None) -> bytes:
        """Return everything as text; `depth` is None where the writer could not be asked."""
        self.depth = lambda: depth
        return generate_latest(self.registry)


class _EngineCollector(Collector):
    """Reads the engine's counters at the moment of a scrape."""

    def __init__(self, runtime: Runtime, meters: Meters) -> None:
        self._runtime = runtime
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._gauges()

    def _counters(self) -> Iterator[Metric]:
        families = {
            kind: CounterMetricFamily(name, text, labels=labels)
            for kind, (name, text, labels) in _COUNTED.items()
        }
        # A copy in one step: the writer goes on counting meanwhile.
        for (kind, *labels), count in dict.copy(self._runtime.writer.engine.noted.counts).items():
            if kind in families:
                wanted = len(_COUNTED[kind][2])
                families[kind].add_metric(labels[:wanted], count)
        yield from families.values()
        writer = self._runtime.writer
        yield CounterMetricFamily(
            "kept_contended_transactions",
            "Transactions done again because another node came in the way.",
            value=writer.contended_count,
        )
        yield CounterMetricFamily(
            "kept_lone_transactions",
            "Transactions during which no other node worked.",
            value=writer.alone_count,
        )
        yield CounterMetricFamily(
            "kept_customers_reloaded",
            "Customers in memory whom another node had changed.",
            value=writer.engine.customers.reloaded_count,
        )

    def _gauges(self) -> Iterator[Metric]:
        writer, engine = self._runtime.writer, self._runtime.writer.engine
        yield GaugeMetricFamily(
            "kept_ready", "Whether events are taken.", value=self._runtime.is_ready
        )
        yield GaugeMetricFamily(
            "kept_writer_well", "Whether the store can be written.", value=writer.is_well
        )
        yield from _history_gauges(self._runtime)
        yield GaugeMetricFamily(
            "kept_nodes",
            "Nodes that share the store and are there.",
            value=sum(not node.is_gone for node in engine.nodes) or 1,
        )
        yield GaugeMetricFamily(
            "kept_brakes", "Brakes that are on.", value=len(engine.controls.brakes)
        )
        yield GaugeMetricFamily(
            "kept_silent_sources",
            "Sources that fell silent.",
            value=len(engine.stale_sources),
        )
        commits = sorted(writer.commit_seconds.copy())
        times = GaugeMetricFamily(
            "kept_commit_seconds", "How long the last thousand commits took.", labels=["quantile"]
        )
        if commits:
            for quantile in (0.5, 0.99):
                times.add_metric([str(quantile)], commits[int(quantile * (len(commits) - 1))])
        yield times
        yield self._told_times()
        depth = self._meters.depth()
        if depth is not None:
            due = GaugeMetricFamily(
                "kept_oldest_due_seconds",
                "How long the oldest due message of a channel has waited.",
                labels=["channel"],
            )
            for channel, age in depth.due_ages.items():
                due.add_metric([channel], age)
            yield due
            yield GaugeMetricFamily(
                "kept_oldest_in_flight_seconds",
                "How long the oldest hand-over has been without an outcome.",
                value=depth.flight_age,
            )
            untold = GaugeMetricFamily(
                "kept_oldest_suppression_seconds",
                "How long the oldest change has waited that a tool was not told yet.",
                labels=["source"],
            )
            for source, age in depth.told_ages.items():
                untold.add_metric([source], age)
            yield untold

    def _told_times(self) -> Metric:
        times = GaugeMetricFamily(
            "kept_suppression_seconds",
            "From an event to the tool that was told what follows, over the last thousand calls.",
            labels=["source", "quantile"],
        )
        for source, taken in self._runtime.tools.seconds().items():
            ordered = sorted(taken)
            for quantile in (0.5, 0.99) if ordered else ():
                value = ordered[int(quantile * (len(ordered) - 1))]
                times.add_metric([source, str(quantile)], value)
        return times


def _history_gauges(runtime: Runtime) -> Iterator[Metric]:
    standing = runtime.histories.standing
    yield GaugeMetricFamily(
        "kept_history_behind_seconds",
        "Since when closed hours have waited to be written into files of history.",
        value=standing.behind_seconds,
    )
    yield GaugeMetricFamily("kept_history_files", "Files of history.", value=standing.files)
    yield GaugeMetricFamily(
        "kept_history_stored_bytes", "Length of all files of history.", value=standing.size
    )


def seconds(microseconds: int) -> float:
    """Return a duration as Prometheus counts."""
    return microseconds / SECOND
