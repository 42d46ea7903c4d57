"""Answer those who ask before they act: sites, tills, desks, billing, and tools outside Kept."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from kept.core.brand.model import Kind
from kept.core.consent import ANY_ENTITY, is_restricted, purpose_key
from kept.core.decide import next_change_of
from kept.core.decision import OUTSIDE, Chosen, Decision, OutsideContact, Request
from kept.core.event import CONTACT_REPORTED, SOURCE_SELF, Event, Identifier
from kept.core.explain import explain_reason
from kept.core.facts import next_slide
from kept.core.fold.forgetting import reported_id
from kept.core.fold.told import told_trait
from kept.core.reason import NotEligible, Reason, code_of
from kept.core.rules import PlacementRule, Policy
from kept.core.state import Stamped, State
from kept.core.template.render import Line
from kept.core.values import HOUR, format_instant
from kept.errors import InvalidEventError, NotFoundError
from kept.flows.approval_requests import contest_link, request_approvals, use_approval
from kept.flows.compose import name_of, situation_of
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of
from kept.flows.forget import refusals_of
from kept.flows.resolve import find_customer
from kept.flows.together import Wants


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a touchpoint asks at one placement."""

    placement: str
    identifiers: dict[str, str]
    """Namespace -> value; what the asking source vouches for is proof, the rest only a claim."""
    proven: bool = True
    """False where the source itself does not hold the customer for proven (a caller's number)."""
    actions: tuple[str, ...] = ()
    about: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action to show, with what may be said of it."""

    action: str
    about: str = ""
    headline: str = ""
    say: str = ""
    terms: dict[str, Any] = {}
    recommended: bool = False


class Refusal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an action that was asked for may not go ahead."""

    action: str
    code: str
    because: str = ""
    """The name of the hold, cap, brake or quiet time that said no."""
    sentence: str
    until: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a placement may show, ask and know."""

    decision_id: int
    placement: str
    silence: bool
    shown: tuple[Shown, ...] = ()
    allowed: tuple[str, ...] = ()
    """At a gate: the actions asked for that may go ahead."""
    contest: dict[str, str] = {}
    """Of what a person approved: action -> the link by which the customer contests it."""
    refused: tuple[Refusal, ...] = ()
    asks: tuple[str, ...] = ()
    """Facts that this placement may ask the customer for, because they are not known."""
    prefill: dict[str, Any] = {}
    """Facts that are known and may be shown here, so that nobody asks again."""
    name: str = ""
    is_proven: bool = False
    valid_until: str = ""


def ask(engine: Engine, question: Question, *, source: str, now: int) -> Answer:
    """Decide at a placement and return what it may show.

    Raises:
        NotFoundError: the brand has no such placement.
        InvalidEventError: the question names nobody.
    """
    placement = engine.bundle.policy.placements.get(question.placement)
    if placement is None:
        known = ", ".join(sorted(engine.bundle.policy.placements))
        message = f"there is no placement {question.placement!r}; brand.yaml has {known}"
        raise NotFoundError(message)
    customer, is_proven = recognise(engine, question.identifiers, source=source)
    is_proven = is_proven and question.proven
    if placement.kind != "gate" and is_restricted(customer.total(engine.plan).consents):
        # The trace says why; what is shown is what anybody would see of whom nothing is known.
        engine.decide(customer, Request(placement=question.placement, source=source), now)
        customer, is_proven = _begin_empty(engine, ()), False
    asks, prefill, name = may_reveal(engine, customer, placement, is_proven=is_proven)
    request = Request(
        placement=question.placement,
        is_proven=is_proven,
        actions=question.actions,
        about=question.about,
        source=source,
    )
    decision, contest = decide_here(engine, customer, request, now)
    valid_until = _valid_until(engine, customer, decision, now)
    return Answer(
        decision_id=decision.decision_id,
        placement=question.placement,
        silence=decision.is_silence,
        shown=() if placement.kind == "gate" else _show(engine, customer, decision, now),
        allowed=_allowed(decision) if placement.kind == "gate" else (),
        contest=contest,
        refused=_refusals(engine, customer, decision, question.actions, now),
        asks=asks,
        prefill=prefill,
        name=name or "",
        is_proven=is_proven,
        valid_until=format_instant(valid_until),
    )


def _valid_until(engine: Engine, customer: Customer, decision: Decision, now: int) -> int:
    """Return the first instant at which time alone could change an answer, or its end if that is sooner."""
    bundle = engine.bundle
    slides_at = customer.view.valid_until
    restricting = customer.restricting(engine.plan)
    if restricting is not None:
        slides_at = min(slides_at, next_slide(bundle.fact_plan, restricting, now))
    return min(decision.valid_until, next_change_of(decision, bundle.policy), slides_at)


def may_reveal(
    engine: Engine, customer: Customer, placement: PlacementRule, *, is_proven: bool
) -> tuple[tuple[str, ...], dict[str, Any], str | None]:
    """Return what a placement may ask for, what it may fill in, and the name that it may say."""
    reveals = is_proven and placement.reveals == "proven"
    state = customer.total(engine.plan)
    asks, prefill = _missing_and_known(engine, placement, state, reveals=reveals)
    return asks, prefill, name_of(engine, state) if reveals else None


def decide_here(
    engine: Engine, customer: Customer, request: Request, now: int
) -> tuple[Decision, dict[str, str]]:
    """Decide at a placement, and note what a person must approve, or did and goes ahead.

    Returns the decision, and by which links what was approved is contested.
    """
    placement = engine.bundle.policy.placements[request.placement]
    _, prefill, name = may_reveal(engine, customer, placement, is_proven=request.is_proven)
    request = msgspec.structs.replace(
        request,
        open_messages=open_messages_of(customer),
        revealed=(*sorted(prefill), *(("name",) if name else ())),
    )
    decision = engine.decide(customer, request, now)
    request_approvals(engine, customer, decision, now)
    # At `outbound` it only says what would be sent; there it is used by the message.
    goes_ahead = placement.kind != "outbound"
    return decision, _use_approvals(engine, customer, decision, now) if goes_ahead else {}


def recognise(
    engine: Engine, identifiers: Mapping[str, str], *, source: str
) -> tuple[Customer, bool]:
    """Return the customer that identifiers lead to, and whether the source's word proves it.

    Someone never seen is an empty customer, about whom nothing is known and nothing is kept.
    """
    touchpoint = engine.bundle.brand.sources.sources[source]
    namespaces = engine.bundle.brand.sources.namespaces
    named = engine.bundle.touchpoints[source].name_identifiers(identifiers)
    if not named:
        message = (
            "the question names nobody: `identifiers` needs a namespace that sources.yaml lets "
            f"{source!r} name, such as {', '.join(sorted(namespaces))}"
        )
        raise InvalidEventError(message)
    vouched = [one for one in named if one.namespace in touchpoint.vouches]
    proofs = [one for one in vouched if namespaces[one.namespace].reveals]
    for wanted in (proofs, vouched):
        customer = find_customer(engine.customers, [(one, False) for one in wanted])
        if customer is not None:
            return customer, wanted is proofs
    customer = find_customer(engine.customers, _claims(named))
    return customer or _begin_empty(engine, named), False


def wants_of(engine: Engine, asked: Iterable[Mapping[str, str]], *, source: str) -> Wants:
    """Return whom answering questions about people named in these ways will touch."""
    touchpoint = engine.bundle.touchpoints[source]
    named = [one for identifiers in asked for one in touchpoint.name_identifiers(identifiers)]
    return Wants(identifiers=_claims(named))


def _begin_empty(engine: Engine, named: Sequence[Identifier]) -> Customer:
    """Return a customer of whom nothing is known; who was forgotten has refused all that can be."""
    state = State()
    if any(
        engine.store.find_tombstone(one, claimed=claimed) is not None
        for one, claimed in _claims(named)
    ):
        for properties in refusals_of(engine):
            key = purpose_key(ANY_ENTITY, properties["purpose"])
            state.consents[key] = Stamped(value=False, at=0, event_key=0, source=SOURCE_SELF)
    return Customer(0, {}, {0: state}, {}, {}, {})


def _claims(named: Sequence[Identifier]) -> list[tuple[Identifier, bool]]:
    return [(one, claimed) for one in named for claimed in (True, False)]


def _show(engine: Engine, customer: Customer, decision: Decision, now: int) -> tuple[Shown, ...]:
    shown = []
    recommended = decision.answer
    for chosen in decision.chosen:
        situation = situation_of(engine, customer, now, action=chosen.action, about=chosen.about)
        texts = {}
        for name, lines in (("headline", engine.bundle.headlines), ("say", engine.bundle.says)):
            line = _line_for(lines, chosen, situation.locale, engine)
            text = line.render(situation) if line is not None else ""
            # A line with a gap is not shown; the action stands without it.
            texts[name] = text if isinstance(text, str) else ""
        terms = engine.bundle.action_values.get(chosen.action, {}).get("terms", {})
        shown.append(
            Shown(
                action=chosen.action,
                about=chosen.about,
                headline=texts["headline"],
                say=texts["say"],
                terms=dict(terms),
                recommended=chosen.action == recommended,
            )
        )
    return tuple(shown)


def _line_for(
    lines: Mapping[tuple[str, str], Line], chosen: Chosen, locale: str, engine: Engine
) -> Line | None:
    fallback = engine.bundle.brand.brand.locales[0]
    for wanted in (locale, locale.partition("-")[0], fallback):
        if (chosen.action, wanted) in lines:
            return lines[chosen.action, wanted]
    return None


def _use_approvals(
    engine: Engine, customer: Customer, decision: Decision, now: int
) -> dict[str, str]:
    """Note that what a person approved goes ahead; return by which links it is contested."""
    links = {}
    for chosen in decision.chosen:
        if engine.bundle.policy.by_name[chosen.action].needs_approval:
            use_approval(engine, customer, chosen.action, chosen.about, now)
            links[chosen.action] = contest_link(engine, customer, chosen.action, chosen.about)
    return links


def _allowed(decision: Decision) -> tuple[str, ...]:
    return tuple(chosen.action for chosen in decision.chosen)


def _refusals(
    engine: Engine,
    customer: Customer,
    decision: Decision,
    asked: tuple[str, ...],
    now: int,
) -> tuple[Refusal, ...]:
    allowed = {chosen.action for chosen in decision.chosen}
    refusals = []
    for action in asked:
        if action in allowed:
            continue
        found = [one.reason for one in decision.considered if one.action == action and one.reason]
        reason = max(found, key=lambda reason: reason.until) if found else NotEligible()
        refusals.append(refusal_of(engine, customer, decision, action, reason, now))
    return tuple(refusals)


def refusal_of(
    engine: Engine,
    customer: Customer,
    decision: Decision,
    action: str,
    reason: Reason,
    now: int,
) -> Refusal:
    """Return a reason as the one who asked may read it."""
    return Refusal(
        action=action,
        code=code_of(reason),
        because=because_of(reason),
        sentence=explain_reason(reason, zone=decision.facts.zone),
        until=format_instant(reason.until) if reason.until > now else "",
    )


def because_of(reason: Reason) -> str:
    """Return the name of the hold, cap, brake or quiet time that says no; empty where it is none."""
    names = ("hold", "cap", "brake", "quiet_hours")
    return next((str(getattr(reason, name)) for name in names if getattr(reason, name, "")), "")


def _missing_and_known(
    engine: Engine, placement: PlacementRule, state: State, *, reveals: bool
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return what a placement may ask for, and what it may fill in (guarantee G6).

    What is known is asked for nowhere again, not even where it may not be shown: to an unproven
    visitor the site neither asks nor reveals that it knows.
    """
    told = {name: told_trait(engine.plan, state, name) for name in placement.asks}
    known = {
        name: said.value
        for name, said in told.items()
        if said is not None and said.value is not None
    }
    return tuple(name for name in placement.asks if name not in known), known if reveals else {}


class ContactQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tool outside Kept asks: may I contact this customer?"""

    identifiers: dict[str, str]
    entity: str
    purpose: str
    channel: str
    topic: str = ""
    action: str = ""
    kind: Kind | Literal[""] = ""
    """What kind of action it is; where it is not said, that of the brand's action of this name, else the
    kind of the brand's actions for this purpose where all are of one, else none that a brand can name."""
    reported: bool = False
    """True where the tool contacts the customer if it may: the contact then counts in the caps."""
    contact_id: str = ""
    """The tool's own id of the contact, so that a retried question counts once."""


class ContactAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a tool may contact a customer, and if not, why and until when."""

    decision_id: int
    allowed: bool
    refused: Refusal | None = None


def ask_contact(
    engine: Engine, question: ContactQuestion, *, source: str, now: int
) -> ContactAnswer:
    """Decide a contact of a tool outside Kept, and count it if the tool makes it."""
    customer, _ = recognise(engine, question.identifiers, source=source)
    outside = OutsideContact(
        entity=question.entity,
        purpose=question.purpose,
        channel=question.channel,
        topic=question.topic,
        action=question.action,
        kind=_kind_of(engine.bundle.policy, question),
    )
    request = Request(
        outside=outside,
        open_messages=open_messages_of(customer),
        # Asked again after an answer was lost, a contact that was counted does not stand in its own way.
        message_id=reported_id(source, question.contact_id) if question.contact_id else "",
        source=source,
    )
    decision = engine.decide(customer, request, now)
    if decision.chosen:
        if question.reported and customer.parts:
            kind = outside.kind
            _count_contact(engine, customer, question, decision, kind=kind, source=source, now=now)
        return ContactAnswer(decision_id=decision.decision_id, allowed=True)
    reason = next((one.reason for one in decision.considered if one.reason), NotEligible())
    refused = refusal_of(engine, customer, decision, question.action, reason, now)
    engine.counts["outside_refused", source, refused.code] += 1
    return ContactAnswer(decision_id=decision.decision_id, allowed=False, refused=refused)


def _kind_of(policy: Policy, question: ContactQuestion) -> str:
    """Return the kind that caps, rests and holds see a contact as."""
    named = policy.by_name.get(question.action)
    own = named.kind if named is not None else policy.only_kinds.get(question.purpose, OUTSIDE)
    return question.kind or own


def _count_contact(
    engine: Engine,
    customer: Customer,
    question: ContactQuestion,
    decision: Decision,
    *,
    kind: str,
    source: str,
    now: int,
) -> None:
    sequence = engine.store.next_sequence()
    contact_id = question.contact_id or f"{source}-{decision.decision_id}"
    event = Event(
        event_key=sequence,
        message_id=contact_id,
        source=source,
        name=CONTACT_REPORTED,
        type="track",
        occurred_at=now,
        received_at=now,
        claim_hour=now // HOUR,
        properties={
            "message_id": contact_id,
            "action": question.action,
            "kind": kind,
            "purpose": question.purpose,
            "topic": question.topic,
            "channel": question.channel,
        },
    )
    engine.fold(customer, customer.own_part, event)
