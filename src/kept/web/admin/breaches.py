"""Breaches over HTTP: declare one, see whom it touched, look at the notices, let them go, close it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response

from kept.core.breach import BreachKind
from kept.core.breach_report import Evidence, bundle_evidence
from kept.core.values import format_instant, parse_instant
from kept.errors import ConflictError, InputError
from kept.flows.breach import Compromised, close_breach, declare_breach, release_notices
from kept.flows.breach_records import load_breach
from kept.flows.engine import Engine
from kept.flows.show_breach import (
    AffectedPage,
    AffectedView,
    BreachView,
    Draft,
    DraftPage,
    digest_of,
    draft_notices,
    list_breaches,
    note_evidence,
    read_affected,
    say_what_we_did,
    show_breach,
)
from kept.web.endpoints import BUSY, Call, Endpoint

AUDIT_MAX: Final = 100_000
_SUBJECTS: Final = frozenset({"declare_breach", "revoke_keys", "pause"})


class BreachWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is compromised: one of a source, a member of staff, a recipient."""

    source: str = ""
    staff: str = ""
    recipient: str = ""
    since: str
    """The instant from which on it may have been misused."""
    because: str
    """Why it is thought so."""


class Breaches(msgspec.Struct, frozen=True, kw_only=True):
    """All breaches, newest first."""

    breaches: tuple[BreachView, ...]


class AffectedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """From where on."""

    after: Annotated[int, msgspec.Meta(ge=-1, le=2**62)] = -1
    """The `after` of the page before."""


class DraftsWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the notices shall say that was done."""

    what_we_did: dict[str, str]
    """By locale; at least in the brand's first."""


class Drafts(msgspec.Struct, frozen=True, kw_only=True):
    """The notices as they would go, and to how many."""

    drafts: tuple[Draft, ...]
    ways: dict[str, int]
    """Channel, or the code of the reason why no notice can go -> how many customers."""
    digest: str
    """To be given to `notify`, as the word that somebody looked at exactly these."""


class Looked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which drafts somebody looked at."""

    digest: str


class ClosingWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a breach is closed."""

    because: str


class EvidenceWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the evidence names people."""

    personal: bool = False
    """Whether names and identifiers are in the clear."""
    because: str = ""
    """Why they are; it is written into the audit."""


async def declare(call: Call) -> BreachView:
    """Revoke what is compromised and begin to find out whom it touched; in force once answered."""
    compromised = _read_wanted(call.body)
    runtime, actor = call.front.runtime, call.caller.actor
    named = runtime.named_secrets()

    def job(engine: Engine, now: int) -> BreachView:
        number = declare_breach(engine, compromised, declared_keys=named, actor=actor, now=now)
        return show_breach(engine, number)

    view = await runtime.change_access(job)
    runtime.breaches.wake()
    return view


def _read_wanted(wanted: BreachWanted) -> Compromised:
    named: list[tuple[BreachKind, str]] = [
        ("source", wanted.source),
        ("staff", wanted.staff),
        ("recipient", wanted.recipient),
    ]
    given = [(kind, name) for kind, name in named if name]
    if len(given) != 1:
        raise InputError("name one of `source`, `staff` and `recipient`")
    since = parse_instant(wanted.since)
    if since is None:
        raise InputError(
            f"{wanted.since[:40]!r} is not an instant such as 2026-03-02T09:00:00Z (`since`)"
        )
    ((kind, name),) = given
    return Compromised(kind=kind, name=name, since=since, because=wanted.because)


async def list_all(call: Call) -> Breaches:
    """Return all breaches."""
    found = await call.front.runtime.ask(lambda engine, now: list_breaches(engine))
    return Breaches(breaches=tuple(found))


async def show(call: Call) -> BreachView:
    """Return one breach: how far the search is, how many it touched, how many were told."""
    number = call.number("breach")
    return await call.front.runtime.ask(lambda engine, now: show_breach(engine, number))


async def list_affected(call: Call) -> AffectedPage:
    """Return some of the customers whom a breach touched, masked, with the fields."""
    number, after = call.number("breach"), call.query.after
    return await call.front.runtime.ask(
        lambda engine, now: read_affected(engine, number, after=after)
    )


async def draft(call: Call) -> Drafts:
    """Keep what the notices say that was done, and return them as they would go."""
    wanted: DraftsWanted = call.body
    number = call.number("breach")
    await call.front.runtime.ask(
        lambda engine, now: say_what_we_did(engine, number, wanted.what_we_did)
    )
    return await _drafts(call, number)


async def _drafts(call: Call, number: int) -> Drafts:
    """Draft for everybody, a page at a time, so that nobody else waits for long."""
    ways: Counter[str] = Counter()
    drafts: dict[tuple[str, str], Draft] = {}
    page = DraftPage(drafts=(), ways={}, after=-1, is_last=False)
    while not page.is_last:
        page = await call.front.runtime.ask(_draft_after(number, page.after))
        ways.update(page.ways)
        for one in page.drafts:
            drafts.setdefault((one.locale, one.channel), one)
    shown = tuple(drafts[key] for key in sorted(drafts))
    return Drafts(drafts=shown, ways=dict(ways), digest=digest_of(shown, ways))


def _draft_after(number: int, after: int) -> Callable[[Engine, int], DraftPage]:
    return lambda engine, now: draft_notices(engine, number, after=after, now=now)


async def notify(call: Call) -> BreachView:
    """Let the notices go that somebody looked at."""
    wanted: Looked = call.body
    number, actor = call.number("breach"), call.caller.actor
    runtime = call.front.runtime
    if (await _drafts(call, number)).digest != wanted.digest:
        raise ConflictError("these are not the notices as they would go now; look at the drafts")

    def job(engine: Engine, now: int) -> BreachView:
        release_notices(engine, number, actor=actor, now=now)
        return show_breach(engine, number)

    view = await runtime.ask(job)
    runtime.breaches.wake()
    return view


async def close(call: Call) -> BreachView:
    """Close a breach; whoever was not told is not told any more, and promotions go on."""
    wanted: ClosingWanted = call.body
    number, actor = call.number("breach"), call.caller.actor
    runtime = call.front.runtime

    def job(engine: Engine, now: int) -> BreachView:
        close_breach(engine, number, because=wanted.because, actor=actor, now=now)
        return show_breach(engine, number)

    view = await runtime.ask(job)
    runtime.breaches.wake()
    return view


async def export(call: Call) -> Response:
    """Return the evidence as a zip: timeline, customers, fields, audit, notices, a report."""
    wanted: EvidenceWanted = call.body
    number, actor = call.number("breach"), call.caller.actor
    if wanted.personal and not wanted.because.strip():
        raise InputError("say in `because` why people are named in the clear")
    because = wanted.because if wanted.personal else ""
    runtime = call.front.runtime
    await runtime.ask(
        lambda engine, now: note_evidence(engine, number, because, actor=actor, now=now)
    )
    affected = await _all_affected(call, number, personal=wanted.personal)

    def job(engine: Engine, now: int) -> Evidence:
        _, record = load_breach(engine.store, number)
        entities = engine.bundle.brand.brand.legal_entities.values()
        return Evidence(
            breach=msgspec.to_builtins(show_breach(engine, number)),
            affected=msgspec.to_builtins(affected),
            audit=_audit_of(engine, number, record.name, record.since),
            what_we_did=record.what_we_did,
            contacts={entity.name: entity.contact for entity in entities},
            made_at=format_instant(now),
            is_masked=not wanted.personal,
        )

    evidence = await runtime.ask(job)
    content = await asyncio.to_thread(bundle_evidence, evidence)
    headers = {
        "content-disposition": f'attachment; filename="breach-{number}.zip"',
        "cache-control": "no-store",
    }
    return Response(content, media_type="application/zip", headers=headers)


async def _all_affected(call: Call, number: int, *, personal: bool) -> list[AffectedView]:
    found: list[AffectedView] = []
    after, is_last = -1, False
    while not is_last:
        page = await call.front.runtime.ask(_affected_after(number, after, personal=personal))
        found += page.customers
        after, is_last = page.after, page.is_last
    return found


def _affected_after(
    number: int, after: int, *, personal: bool
) -> Callable[[Engine, int], AffectedPage]:
    return lambda engine, now: read_affected(engine, number, after=after, personal=personal)


def _audit_of(engine: Engine, number: int, name: str, since: int) -> list[dict[str, Any]]:
    """Return the entries of the audit that are about a breach, or by whom it is about."""
    return [
        {
            "entry": entry.entry_id,
            "at": format_instant(entry.at),
            "actor": entry.actor,
            "verb": entry.verb,
            "detail": entry.detail,
        }
        for entry in reversed(engine.store.read_audit(newest=AUDIT_MAX))
        if entry.detail.get("breach") == number
        or (entry.at >= since and name in (entry.detail.get("source"), entry.actor))
        or (entry.verb in _SUBJECTS and name in str(entry.detail.get("because", "")))
        or (entry.at >= since and entry.actor.endswith(f":{name}"))
    ]


def _endpoint(
    method: str, path: str, name: str, summary: str, handler: Any, **rest: Any
) -> Endpoint:
    return Endpoint(
        method=method,  # type: ignore[arg-type]
        path=f"/v1/admin/breaches{path}",
        name=name,
        summary=summary,
        handler=handler,
        tag="Operating",
        who="operator",
        needs="breach",
        **rest,
    )


ENDPOINTS: Final = (
    _endpoint(
        "GET",
        "",
        "listBreaches",
        "List breaches, newest first.",
        list_all,
        answer=Breaches,
        statuses=BUSY,
    ),
    _endpoint(
        "POST",
        "",
        "declareBreach",
        "Declare a source, a member of staff or a recipient compromised: revoked before the answer.",
        declare,
        body=BreachWanted,
        answer=BreachView,
        statuses=(404, *BUSY),
    ),
    _endpoint(
        "GET",
        "/{breach}",
        "showBreach",
        "Show one breach: how far the search is, how many it touched, how many were told.",
        show,
        answer=BreachView,
        statuses=(400, 404, *BUSY),
    ),
    _endpoint(
        "GET",
        "/{breach}/affected",
        "listAffected",
        "List whom a breach touched, masked, with exactly which fields.",
        list_affected,
        query=AffectedQuery,
        answer=AffectedPage,
        statuses=(400, 404, *BUSY),
    ),
    _endpoint(
        "POST",
        "/{breach}/drafts",
        "draftNotices",
        "Say what was done, and see the notices as they would go, with how many each way.",
        draft,
        body=DraftsWanted,
        answer=Drafts,
        statuses=(404, 409, *BUSY),
    ),
    _endpoint(
        "POST",
        "/{breach}/notify",
        "notifyAffected",
        "Let the notices go that somebody looked at.",
        notify,
        body=Looked,
        answer=BreachView,
        statuses=(404, 409, *BUSY),
    ),
    _endpoint(
        "POST",
        "/{breach}/close",
        "closeBreach",
        "Close a breach with a reason; promotions go on.",
        close,
        body=ClosingWanted,
        answer=BreachView,
        statuses=(404, 409, *BUSY),
    ),
    _endpoint(
        "POST",
        "/{breach}/evidence",
        "exportEvidence",
        "Export the evidence as a zip; people are masked unless a reason is given.",
        export,
        body=EvidenceWanted,
        media_type="application/zip",
        statuses=(404, *BUSY),
    ),
)
