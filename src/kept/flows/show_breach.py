"""A breach shown to people: how far it is, whom it touched and with what, and the notices as drafts."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from kept.core.breach import HOW_IN_WORDS, NOTIFY_WITHIN, BreachRecord, Finding
from kept.core.decision import Chosen, Controls, OpenBreach, Request
from kept.core.dossier import Dossier
from kept.core.mask import HIDDEN, mask_text
from kept.core.message import Message
from kept.core.notices import BREACH_PREFIX, DUE
from kept.core.reason import code_of
from kept.core.template.render import Missing, Rendered
from kept.core.values import format_instant
from kept.errors import ConflictError, ContendedError, InputError
from kept.flows.breach_records import (
    BREACHES_MAX,
    load_breach,
    read_breach,
    read_finding,
    save_breach,
)
from kept.flows.compose import name_of, situation_of
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of
from kept.flows.note_in_log import note_operator
from kept.flows.react import reason_in

PAGE: Final = 200
WHAT_WE_DID_LENGTH_MAX: Final = 2_000


class RevocationView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was taken away."""

    what: str
    count: int


class TimelineView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the timeline."""

    at: str
    what: str
    by: str = ""
    because: str = ""


class BreachView(msgspec.Struct, frozen=True, kw_only=True):
    """A breach, as far as it has come."""

    breach: int
    state: str
    kind: str
    name: str
    since: str
    because: str
    declared_at: str
    authority_by: str
    """Until when the authority must have heard of it (GDPR, article 33)."""
    progress_percent: int
    customers: int
    """Records of customers whom it touched; who turn out to be one person are told once."""
    due: int
    """Of these, not told yet."""
    told: int
    has_notice: bool
    """Whether the brand has an action that tells customers."""
    revocations: tuple[RevocationView, ...]
    limits: tuple[str, ...]
    timeline: tuple[TimelineView, ...]


class TouchView(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a customer was touched."""

    how: str
    certainty: str
    fields: tuple[str, ...]
    count: int
    first_at: str
    last_at: str


class AffectedView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One customer whom a breach touched."""

    customer: int
    name: str = ""
    identifiers: tuple[str, ...]
    state: str
    touches: tuple[TouchView, ...]
    told_at: str = ""
    message_id: str = ""
    outcome: str = ""
    """What became of the notice so far."""


class AffectedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the customers, and where to go on."""

    customers: tuple[AffectedView, ...]
    after: int
    is_last: bool


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The notice in one language, as one of those whom it is for would get it, values hidden."""

    locale: str
    channel: str
    subject: str
    text: str


class DraftPage(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent to some of the customers."""

    drafts: tuple[Draft, ...]
    ways: dict[str, int]
    """Channel, or the code of the reason why no notice can go -> how many customers."""
    after: int
    is_last: bool


def list_breaches(engine: Engine) -> list[BreachView]:
    """Return all breaches, newest first."""
    rows = engine.store.load_dossiers("breach", limit=BREACHES_MAX)
    return [view_breach(engine, row, read_breach(row)) for row in reversed(rows)]


def view_breach(engine: Engine, dossier: Dossier, record: BreachRecord) -> BreachView:
    """Return a breach as it is shown."""
    counts = engine.store.count_dossiers("finding", dossier.number)
    total = record.total
    return BreachView(
        breach=dossier.number,
        state=dossier.state,
        kind=record.kind,
        name=record.name,
        since=format_instant(record.since),
        because=record.because,
        declared_at=format_instant(record.declared_at),
        authority_by=format_instant(record.declared_at + NOTIFY_WITHIN),
        progress_percent=100 if not record.spans or not total else record.read * 100 // total,
        customers=sum(counts.values()),
        due=counts.get(DUE, 0),
        told=sum(counts.values()) - counts.get(DUE, 0),
        has_notice=bool(engine.bundle.policy.notices),
        revocations=tuple(RevocationView(what=r.what, count=r.count) for r in record.revocations),
        limits=record.limits,
        timeline=tuple(
            TimelineView(at=format_instant(s.at), what=s.what, by=s.by, because=s.because)
            for s in record.steps
        ),
    )


def show_breach(engine: Engine, number: int) -> BreachView:
    """Return one breach.

    Raises:
        NotFoundError: there is none of this number.
    """
    return view_breach(engine, *load_breach(engine.store, number))


def read_affected(
    engine: Engine, number: int, *, after: int, personal: bool = False
) -> AffectedPage:
    """Return some of those whom a breach touched, by the parts that they are kept under."""
    load_breach(engine.store, number)
    rows = _findings(engine, number, after)
    return AffectedPage(
        customers=tuple(_affected(engine, number, row, personal=personal) for row in rows),
        after=rows[-1].part_id if rows else after,
        is_last=len(rows) < PAGE,
    )


def note_evidence(engine: Engine, number: int, because: str, *, actor: str, now: int) -> None:
    """Note that evidence was taken, and whether it names people in the clear."""
    load_breach(engine.store, number)
    detail = {"breach": number} | ({"because": because} if because else {})
    verb = "export_breach" if because else "export_breach_masked"
    note_operator(engine.store, "staff_access", actor=actor, verb=verb, detail=detail, now=now)


def say_what_we_did(engine: Engine, number: int, told: Mapping[str, str]) -> None:
    """Keep what the notices say that was done, by locale; before they are released.

    Raises:
        InputError: a text is missing or too long.
        ConflictError: the notices were released, or there is no action to give them.
        ContendedError: another node searches for whom a breach touched.
    """
    if not engine.store.try_duty("breaches"):
        # Whoever keeps the breach last would undo what the other found or said.
        raise ContendedError("another node is at work on a breach")
    dossier, record = load_breach(engine.store, number)
    if not engine.bundle.policy.notices:
        raise ConflictError(
            "the brand has no action with `notice_of: breach`, so that no notice can be drafted"
        )
    if dossier.state not in ("searching", "found"):
        raise ConflictError(f"breach {number} is {dossier.state}; its notices are settled")
    first = engine.bundle.brand.brand.locales[0]
    if not told.get(first, "").strip():
        raise InputError(f"say what was done at least in {first}, the brand's first locale")
    if any(len(text) > WHAT_WE_DID_LENGTH_MAX for text in told.values()):
        raise InputError(f"each text has at most {WHAT_WE_DID_LENGTH_MAX} characters")
    record = msgspec.structs.replace(record, what_we_did=dict(told))
    save_breach(engine, number, record, state=dossier.state)  # type: ignore[arg-type]


def draft_notices(engine: Engine, number: int, *, after: int, now: int) -> DraftPage:
    """Return what would be sent to some of those whom a breach touched, one draft a language."""
    rows = _findings(engine, number, after)
    ways: Counter[str] = Counter()
    drafts: dict[tuple[str, str], Draft] = {}
    for row in rows:
        if row.state != DUE or not engine.store.load_parts([row.part_id]):
            continue
        customer = _customer_of(engine, row)
        way = _find_way(engine, customer, number, now)
        ways[way.channel if isinstance(way, Chosen) else way] += 1
        if isinstance(way, Chosen):
            draft = _draft(engine, customer, number, way, now)
            drafts.setdefault((draft.locale, draft.channel), draft)
    return DraftPage(
        drafts=tuple(drafts.values()),
        ways=dict(sorted(ways.items())),
        after=rows[-1].part_id if rows else after,
        is_last=len(rows) < PAGE,
    )


def digest_of(drafts: tuple[Draft, ...], ways: Mapping[str, int]) -> str:
    """Return by what somebody says which drafts they looked at."""
    told = msgspec.json.encode((drafts, ways), order="sorted")
    return hashlib.sha256(told).hexdigest()[:16]


def _findings(engine: Engine, number: int, after: int) -> list[Dossier]:
    rows = engine.store.load_dossiers("finding", after=(number, after), limit=PAGE)
    return [row for row in rows if row.number == number]


def _customer_of(engine: Engine, row: Dossier) -> Customer:
    (part,) = engine.store.load_parts([row.part_id])
    return engine.customers.home_of(part)


def _affected(engine: Engine, number: int, row: Dossier, *, personal: bool) -> AffectedView:
    customer = _customer_of(engine, row)
    finding = read_finding(row)
    show = str if personal else mask_text
    name = name_of(engine, customer.total(engine.plan)) or ""
    notice = _notice_of(engine, customer, number)
    return AffectedView(
        customer=customer.customer_id,
        name=show(name) if name else "",
        identifiers=tuple(
            f"{part.identifier.namespace}:{show(part.identifier.value)}"
            for part in customer.parts.values()
            if not part.claimed
        ),
        state=row.state,
        touches=view_touches(finding),
        told_at=format_instant(finding.told_at) if finding.told_at else "",
        message_id=finding.message_id or (notice.message_id if notice is not None else ""),
        outcome=notice.state if notice is not None else "",
    )


def view_touches(finding: Finding) -> tuple[TouchView, ...]:
    """Return in words what was found of a customer."""
    return tuple(
        TouchView(
            how=HOW_IN_WORDS[touch.how],
            certainty="exactly" if touch.certainty == "exact" else "at most",
            fields=touch.fields,
            count=touch.count,
            first_at=format_instant(touch.first_at),
            last_at=format_instant(touch.last_at),
        )
        for touch in finding.touches
    )


def _notice_of(engine: Engine, customer: Customer, number: int) -> Message | None:
    """Return the newest notice of a breach to a customer."""
    about = f"{BREACH_PREFIX}{number}"
    sent = engine.store.load_part_messages(sorted(customer.parts))
    return next((one for one in reversed(sent) if one.about == about), None)


def _find_way(engine: Engine, customer: Customer, number: int, now: int) -> Chosen | str:
    """Return how a notice would go, were it released, or the code of the reason why it cannot."""
    policy = engine.bundle.policy
    (index,) = policy.notices
    action, about = policy.actions[index].action, f"{BREACH_PREFIX}{number}"
    kept = engine.controls
    released = OpenBreach(number=number, is_found=True, is_released=True)
    others = tuple(one for one in kept.breaches if one.number != number)
    asked = Request(actions=(action,), about=about, open_messages=open_messages_of(customer))
    # Only looked at: nothing is decided, kept or sent.
    engine.controls = _with_breaches(kept, (*others, released))
    try:
        decision = engine.look(customer, asked, now)
    finally:
        engine.controls = kept
    if decision.chosen:
        return decision.chosen[0]
    return code_of(reason_in(decision, action, about))


def _with_breaches(controls: Controls, breaches: tuple[OpenBreach, ...]) -> Controls:
    return msgspec.structs.replace(controls, breaches=breaches)


def _draft(engine: Engine, customer: Customer, number: int, way: Chosen, now: int) -> Draft:
    situation = situation_of(
        engine, customer, now, action=way.action, about=f"{BREACH_PREFIX}{number}"
    )
    values = dict(situation.values)
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = HIDDEN
    values["name"] = HIDDEN if values.get("name") else None
    values["trait"] = {
        name: HIDDEN if isinstance(value, str) else value for name, value in values["trait"].items()
    }
    values["unsubscribe_url"] = f"{engine.public_url}/u/{HIDDEN}"
    action = engine.bundle.brand.actions[way.action]
    rendered = engine.bundle.templates.render(
        action.template or action.action,
        way.channel,
        msgspec.structs.replace(situation, values=values),
    )
    if isinstance(rendered, Rendered):
        subject, text = rendered.subject or rendered.title, rendered.text
    elif isinstance(rendered, Missing):
        subject, text = "", f"cannot be written: {', '.join(rendered.names)}"
    else:
        subject, text = "", f"cannot be written: {rendered.detail}"
    return Draft(locale=situation.locale, channel=way.channel, subject=subject, text=text)
