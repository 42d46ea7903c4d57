"""How the server is doing, for a page and for programs; it holds no customer's data."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from kept.core.values import SECOND, format_instant, moment_of
from kept.errors import Problem, StoreError
from kept.flows.engine import Engine
from kept.shared_port import Node
from kept.web.admin.brakes import BrakeView, view_brake
from kept.web.admin.nodes import SILENT_AFTER
from kept.web.endpoints import Call, Endpoint
from kept.web.front import Front

NEWS_SHOWN: Final = 18
ALERTS_SHOWN: Final = 8
PROBLEMS_SHOWN: Final = 20


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """A source: how much it said since the start, and when it was last heard."""

    source: str
    kind: str
    events: int
    heard_at: str
    """Empty if it was not heard yet."""
    heard_seconds_ago: int | None
    is_silent: bool


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an operator must hear of."""

    code: str
    at: str
    sentence: str


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something that just happened."""

    kind: str
    sentence: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is doing."""

    brand: str
    version: str
    state: str
    """`ready`, `stopping`, or `refusing` while the store cannot be written."""
    is_shadow: bool
    at: str
    heard: int
    quarantined: int
    decided: int
    silences: int
    queued: int
    said: int
    held_back: int
    sources: tuple[SourceView, ...]
    said_by_channel: dict[str, int]
    held_by_reason: dict[str, int]
    brakes: tuple[BrakeView, ...]
    alerts: tuple[Alert, ...]
    problems: tuple[Problem, ...]
    """Why the brand folder as it is now was not taken up."""
    news: tuple[News, ...]
    nodes: tuple[str, ...]
    """Who else shares the store, in words; none where it has only one writer."""
    stored: dict[str, int]
    """Events, customers, parts and messages by state, as they are stored."""
    commit_ms: float
    """How long a commit takes, the median of the last thousand."""


async def show_status(call: Call) -> Status:
    """Return how the server is doing."""
    return await read_status(call.front, call.now)


async def show_page(call: Call) -> Response:
    """Show how the server is doing."""
    status = await read_status(call.front, call.now)
    return call.front.pages.render("status", page_values(status, call.now))


async def show_static(call: Call) -> Response:
    """Return a file that our own pages need."""
    return call.front.pages.static(call.text("file"))


async def read_status(front: Front, now: int) -> Status:
    """Gather everything that people watch."""
    runtime = front.runtime
    engine = runtime.writer.engine
    counts = dict.copy(engine.noted.counts)
    stored = await _read_stored(engine)
    commits = sorted(runtime.writer.commit_seconds.copy())
    said = _by(counts, "leaving")
    return Status(
        brand=runtime.bundle.brand.brand.brand,
        version=runtime.bundle.policy.version,
        state=state_of(front),
        is_shadow=runtime.settings.shadow,
        at=format_instant(now // SECOND * SECOND),
        heard=sum(_by(counts, "events").values()),
        quarantined=sum(_by(counts, "quarantined").values()),
        decided=sum(_by(counts, "decisions").values()),
        silences=_by(counts, "decisions").get("silence", 0),
        queued=sum(_by(counts, "queued").values()),
        said=sum(said.values()),
        held_back=sum(_add(_by(counts, "reasons"), _by(counts, "withdrawn")).values()),
        sources=_sources(front, engine, counts, now),
        said_by_channel=_ranked(said),
        held_by_reason=_ranked(_add(_by(counts, "reasons"), _by(counts, "withdrawn"))),
        brakes=tuple(view_brake(brake) for brake in engine.controls.brakes),
        alerts=tuple(_alert(alert) for alert in reversed(engine.noted.alerts[-ALERTS_SHOWN:])),
        problems=runtime.problems[:PROBLEMS_SHOWN],
        news=tuple(
            News(kind=str(item["kind"]), sentence=tell(item))
            for item in reversed(engine.noted.news[-NEWS_SHOWN:])
        ),
        nodes=tuple(_node(node, now) for node in engine.nodes),
        stored=stored,
        commit_ms=round(commits[len(commits) // 2] * 1000, 2) if commits else 0.0,
    )


def state_of(front: Front) -> str:
    """Return in one word whether events are taken."""
    if front.is_draining or not front.runtime.is_ready:
        return "stopping"
    writer = front.runtime.writer
    return "ready" if writer.is_well and writer.refusal is None else "refusing"


async def _read_stored(engine: Engine) -> dict[str, int]:
    try:
        return await asyncio.to_thread(engine.store.read_counts)
    except StoreError:
        # The page must stand when the store does not.
        return {}


def _by(counts: Mapping[tuple[str, ...], int], kind: str) -> dict[str, int]:
    """Return the counts of one kind by their first label."""
    found: dict[str, int] = {}
    for (name, *labels), count in counts.items():
        if name == kind and count:
            label = labels[0] if labels else ""
            found[label] = found.get(label, 0) + count
    return found


def _add(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _ranked(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _node(node: Node, now: int) -> str:
    """Return a node in words."""
    if node.is_gone:
        return f"{node.name} is gone"
    if now - node.seen_at > SILENT_AFTER:
        return f"{node.name} has been silent since {format_instant(node.seen_at)}"
    return f"{node.name} works"


def _sources(
    front: Front, engine: Engine, counts: Mapping[tuple[str, ...], int], now: int
) -> tuple[SourceView, ...]:
    events = _by(counts, "events")
    heard_at = dict.copy(engine.noted.heard_at)
    return tuple(
        SourceView(
            source=name,
            kind=source.kind,
            events=events.get(name, 0),
            heard_at=format_instant(heard_at[name] // SECOND * SECOND) if name in heard_at else "",
            heard_seconds_ago=(
                max(0, now - heard_at[name]) // SECOND if name in heard_at else None
            ),
            is_silent=name in engine.stale_sources,
        )
        for name, source in sorted(front.runtime.bundle.brand.sources.sources.items())
    )


def _alert(alert: Mapping[str, Any]) -> Alert:
    at = alert.get("at")
    return Alert(
        code=str(alert["code"]),
        at=format_instant(at // SECOND * SECOND) if isinstance(at, int) else "",
        sentence=_ALERTS.get(str(alert["code"]), "{code}").format_map(_Told(alert)),
    )


def tell(item: Mapping[str, Any]) -> str:
    """Return a piece of news as a sentence."""
    kind = str(item["kind"])
    if kind == "alert":
        return _ALERTS.get(str(item.get("code")), "Alert: {code}.").format_map(_Told(item))
    return _NEWS.get(kind, "{kind}.").format_map(_Told(item))


class _Told(dict[str, Any]):
    """What a sentence may name; reasons in words, and a question mark for what was not said."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(told)
        if "reason" in told:
            self["reason"] = in_words(str(told["reason"]))
        if isinstance(told.get("names"), list):
            self["names"] = ", ".join(map(str, told["names"]))

    def __missing__(self, name: str) -> str:
        return "?"


def in_words(code: str) -> str:
    """Return a code as people read it."""
    return code.replace("_", " ")


_NEWS: Final = {
    "queued": "{action} was decided, for {channel}.",
    "said": "{action} left by {channel}.",
    "held": "{action} was not decided: {reason}.",
    "withdrawn": "{action} was held back from {channel}: {reason}.",
    "gap": "{action} was held back, since its text lacks {names}.",
    "refused": "{action} was refused by the provider of {channel}.",
    "unclear": "{action} may have left by {channel}; nobody knows yet.",
    "expired": "{action} for {channel} was too late, and dropped.",
    "approval_needed": "{action} waits for a person: approval {approval}.",
    "breach_found": "It is known whom breach {breach} touched.",
    "paused": "{scope} was paused.",
    "resumed": "{scope} goes on.",
    "brand": "The brand {version} is in force.",
    "campaign_done": "The campaign for {action} has looked at everybody.",
}

_ALERTS: Final = {
    "log_broken": "The consent log does not continue what was signed of it. Nothing more is signed; "
    "run `kept audit`.",
    "log_renewed": "The consent log was restored from an older state; it goes on under a new name "
    "and key, which customers need for new receipts.",
    "source_silent": "{source} has fallen silent; what rests on it counts as unknown.",
    "source_back": "{source} is heard again.",
    "refused": "{action} was refused by the provider of {channel}; it is tried on no channel again "
    "that refused it.",
    "outgrown": "A customer's {fact} outgrew what is kept of one customer; for them it counts as "
    "unknown.",
    "evidence_not_followed": "Evidence of who is who leads to more identifiers than are followed; those "
    "concerned stay grouped as they were. Look for an identifier that many people share.",
    "customer_set_aside": "Timed work failed at one customer, because of a fault in Kept; it passes over them for "
    "an hour. The log says what failed.",
    "breach": "Breach {breach} was declared: {what} {name}. Nothing promotional leaves until it is "
    "known whom it touched.",
    "contested": "A customer contests {action}; another person looks at approval {approval}.",
    "restored": "The store was restored; promotions are paused until you resume their purposes.",
    "tool_unreachable": "{source} cannot be told of suppressions; it is tried again until it can.",
    "tool_back": "{source} is told of suppressions again.",
    "brand_not_taken": "The brand that is in force cannot be taken up here; this node decides nothing until "
    "it can.",
    "node_gone": "Node {node} is gone; others do what it did.",
    "channel_not_opened": "Something that a channel or a tool of the brand in force needs is not there; "
    "nothing is handed over until it is. The log names it.",
    "brand_refused": "The changed brand folder was refused; the old one stays in force.",
}


def page_values(status: Status, now: int) -> dict[str, Any]:
    """Return what the page's template prints."""
    most_said = max(status.said_by_channel.values(), default=1)
    most_held = max(status.held_by_reason.values(), default=1)
    decided = max(status.decided, 1)
    return {
        "status": msgspec.to_builtins(status),
        "clock": f"{moment_of(now):%H:%M:%S} UTC",
        "tiles": [
            {"name": "Heard", "number": _count(status.heard), "note": _heard_note(status)},
            {
                "name": "Decided",
                "number": _count(status.decided),
                "note": f"{100 * status.silences // decided} % silence, which is an answer",
            },
            {"name": "Said", "number": _count(status.said), "note": _said_note(status)},
            {
                "name": "Held back",
                "number": _count(status.held_back),
                "note": "each with its reason on record",
            },
        ],
        "said": _bars(status.said_by_channel, most_said),
        "held": _bars(status.held_by_reason, most_held)[:12],
        "sources": [
            {
                "name": each.source,
                "kind": each.kind,
                "events": _count(each.events),
                "heard": "moved in" if each.kind == "import" else _ago(each.heard_seconds_ago),
                "is_silent": each.is_silent,
            }
            for each in status.sources
        ],
        "stored": [
            {"name": in_words(name.replace("messages.", "messages ")), "number": _count(count)}
            for name, count in sorted(status.stored.items())
            if "." not in name
        ],
    }


def _heard_note(status: Status) -> str:
    if status.quarantined:
        return f"{_count(status.quarantined)} could not be read, and wait to be mended"
    return "events, every one of them taken"


def _said_note(status: Status) -> str:
    waiting = status.stored.get("messages.queued", 0)
    return f"{_count(waiting)} waiting for their moment"


def _bars(counts: dict[str, int], most: int) -> list[dict[str, Any]]:
    return [
        {"name": in_words(name), "number": _count(count), "percent": max(1, 100 * count // most)}
        for name, count in counts.items()
    ]


def _count(number: int) -> str:
    """Return a number with narrow spaces between its thousands."""
    return f"{number:,}".replace(",", "\u202f")


def _ago(seconds: int | None) -> str:
    if seconds is None:
        return "not yet"
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name} ago"
    return f"{seconds} s ago"


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/",
        name="showStatusPage",
        summary="Show how the server is doing.",
        handler=show_page,
        tag="Watching",
        who="watcher",
        needs="status",
        media_type="text/html",
    ),
    Endpoint(
        method="GET",
        path="/status.json",
        name="showStatus",
        summary="Tell how the server is doing.",
        handler=show_status,
        tag="Watching",
        who="watcher",
        needs="status",
        answer=Status,
    ),
    Endpoint(
        method="GET",
        path="/static/{file}",
        name="showStatic",
        summary="Return a file that the pages need.",
        handler=show_static,
        tag="Watching",
        who="anyone",
        media_type="*/*",
        statuses=(404,),
    ),
)
