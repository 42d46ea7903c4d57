"""`sources.yaml`: who may say and vouch for what, and what a public key must not."""

from typing import Final

from kept.core.brand.model import Namespace, Rhythm, Source
from kept.core.brand.positions import KeyPath
from kept.core.brand.units import parse_duration
from kept.core.check.events import ANY_EVENT
from kept.core.check.mappings import check_webhook
from kept.core.check.patterns import check_pattern
from kept.core.check.report import Report
from kept.core.check.secrecy import check_reference
from kept.core.check.tools import check_tool
from kept.core.compile_policy import PULLED
from kept.core.consent import CONSENT_GIVEN, SUBSCRIBED
from kept.core.identity import LIMIT_MAX
from kept.core.keys import is_origin

FILE: Final = "sources.yaml"


def check_sources(report: Report) -> None:
    """Report what is wrong with `sources.yaml` beyond its form."""
    brand = report.brand
    for name, namespace in brand.sources.namespaces.items():
        _check_namespace(report, name, namespace)
    if not brand.sources.sources:
        report.error(FILE, ("sources",), "there is no source", "name one that sends events")
    for name, source in brand.sources.sources.items():
        _check_source(report, name, source)
    _check_pulled(report)


def _check_namespace(report: Report, name: str, namespace: Namespace) -> None:
    path: KeyPath = ("namespaces", name)
    if namespace.limit < 1:
        message = f"a customer may have {namespace.limit} values of `{name}`"
        report.error(FILE, (*path, "limit"), message, "write 1 or more")
    elif namespace.limit > LIMIT_MAX:
        message = f"a customer may have {namespace.limit:,} values of `{name}`; at most {LIMIT_MAX:,} are kept"
        report.error(FILE, (*path, "limit"), message, f"write {LIMIT_MAX} or less")
    if namespace.reveals and namespace.strength == "weak":
        message = f"`{name}` is weak, so that knowing a value proves nothing"
        suggestion = "remove `reveals`, or say that it is medium or strong"
        report.error(FILE, (*path, "reveals"), message, suggestion)
    facts = report.written_facts
    if namespace.trait:
        report.refer(FILE, (*path, "trait"), namespace.trait, what="trait", known=facts.traits)
    if namespace.object:
        known = facts.objects
        report.refer(FILE, (*path, "object"), namespace.object, what="kind of object", known=known)
    for index, pattern in enumerate(namespace.blocked):
        check_pattern(report, (*path, "blocked", index), pattern, searched=False)


def _check_source(report: Report, name: str, source: Source) -> None:
    path: KeyPath = ("sources", name)
    namespaces = report.brand.sources.namespaces
    _check_events(report, path, source)
    for key in ("vouches", "identifiers"):
        names = getattr(source, key)
        report.refer_all(FILE, (*path, key), names, what="namespace", known=namespaces)
    for index, namespace in enumerate(source.vouches):
        if source.identifiers and namespace in namespaces and namespace not in source.identifiers:
            message = f"`{name}` vouches for `{namespace}`, which it may not name"
            suggestion = f"add `{namespace}` to its `identifiers`"
            report.error(FILE, (*path, "vouches", index), message, suggestion)
    known = report.written_facts.traits
    report.refer_all(FILE, (*path, "traits"), source.traits, what="trait", known=known)
    if source.key:
        check_reference(report, FILE, (*path, "key"), source.key)
    _check_pulls(report, path, name, source)
    if source.rhythm is not None:
        _check_rhythm(report, (*path, "rhythm"), source.rhythm)
    if source.kind == "browser":
        _check_browser(report, path, name, source)
    elif source.origins:
        message = f"`{name}` is no browser: nothing tells its origin"
        report.error(FILE, (*path, "origins"), message, "remove `origins`")
    check_webhook(report, path, name, source)
    check_tool(report, path, name, source)


def _check_pulls(report: Report, path: KeyPath, name: str, source: Source) -> None:
    """Check that a server fetches what is there to be fetched."""
    channels = report.brand.consent.channels
    report.refer_all(FILE, (*path, "pulls"), source.pulls, what="channel", known=channels)
    if source.pulls and source.kind != "server":
        message = f"`{name}` is a {source.kind}, and only a server may fetch messages"
        report.error(FILE, (*path, "pulls"), message, "remove `pulls`")
    for index, channel in enumerate(source.pulls):
        if channel in channels and channels[channel].adapter not in PULLED:
            message = f"`{channel}` is sent, so that there is nothing to fetch"
            suggestion = "name channels with `adapter: inbox` or `adapter: call_list`"
            rests_on = [("consent.yaml", ("channels", channel, "adapter"))]
            report.error(FILE, (*path, "pulls", index), message, suggestion, rests_on=rests_on)


def _check_pulled(report: Report) -> None:
    """Note what nobody may fetch: whatever goes there is never said."""
    fetched = {name for source in report.brand.sources.sources.values() for name in source.pulls}
    for name, channel in report.brand.consent.channels.items():
        if channel.adapter in PULLED and name not in fetched:
            message = f"no source may fetch from `{name}`, so that nobody ever reads what it holds"
            suggestion = f"add `pulls: [{name}]` to a server in sources.yaml"
            report.note("consent.yaml", ("channels", name, "adapter"), message, suggestion)


def _check_events(report: Report, path: KeyPath, source: Source) -> None:
    if not source.events and not source.mappings and source.suppressions is None:
        report.error(FILE, path, f"`{path[-1]}` may send no event", "list them under `events`")
    for index, event in enumerate(source.events):
        if not event.strip() or ANY_EVENT in event[:-1]:
            message = f"`{event}` is not the name of an event"
            suggestion = "write a name, or its beginning with one `*` at the end"
            report.error(FILE, (*path, "events", index), message, suggestion)


def _check_rhythm(report: Report, path: KeyPath, rhythm: Rhythm) -> None:
    every, stale_after = parse_duration(rhythm.every), parse_duration(rhythm.stale_after)
    if stale_after < every or every == 0:
        message = "it counts as silent before it is next expected"
        suggestion = "write a `stale_after` that is longer than `every`"
        report.error(FILE, (*path, "stale_after"), message, suggestion)


def _check_browser(report: Report, path: KeyPath, name: str, source: Source) -> None:
    """Check a public key: whatever comes with it may be forged by anybody."""
    if source.vouches:
        message = f"`{name}` is a browser: its key is public, so it can vouch for nobody"
        suggestion = "let the server behind it vouch, and remove `vouches` here"
        report.error(FILE, (*path, "vouches"), message, suggestion)
    for index, origin in enumerate(source.origins):
        if not is_origin(origin.lower()):
            message = f"`{origin}` is not an origin"
            suggestion = "write each in full, such as `https://www.example.com`"
            report.error(FILE, (*path, "origins", index), message, suggestion)
    changed = {
        event: kind
        for kind, declared in report.brand.facts.objects.items()
        for event in declared.events
    }
    for index, event in enumerate(source.events):
        place = (*path, "events", index)
        if event == ANY_EVENT:
            message = f"`{name}` is a browser, and anybody may send what it may"
            report.error(FILE, place, message, "list the events that it really sends")
        elif event in {CONSENT_GIVEN, SUBSCRIBED}:
            message = f"anybody who reads the page could send `{event}` in another's name"
            suggestion = "it counts only for the browser's own part, until a server vouches"
            report.note(FILE, place, message, suggestion)
        elif event in changed:
            message = f"anybody who reads the page could send `{event}`, which changes a"
            suggestion = "let a server send it, unless nothing is lost by a forged one"
            report.note(FILE, place, f"{message} `{changed[event]}`", suggestion)
