"""What a person decides: list it, approve or refuse one with a reason, and look again when contested."""

from typing import Final, Literal

import msgspec

from kept.core.access import permissions_of
from kept.core.contest import Contest
from kept.core.decision import OUTBOUND, Decision, Request
from kept.core.dossier import Dossier
from kept.core.event import DECISION_CONTESTED
from kept.core.explain import explain_reason
from kept.core.mask import mask_text
from kept.core.message import IN_FLIGHT_STATES
from kept.core.plain_text import clean_line
from kept.core.reason import Contested, NeedsApproval, Reason
from kept.core.values import format_instant
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.approval_requests import (
    WAITING,
    ApprovalRecord,
    ApprovalState,
    Step,
    add_step,
    read_record,
    save_record,
    say_outcome,
)
from kept.flows.compose import name_of
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of
from kept.flows.note_in_log import note_operator
from kept.flows.react import react, reason_in
from kept.flows.revoke_compromised import staff_actor

LISTED_MAX: Final = 100
BECAUSE_LENGTH_MIN: Final = 10
BECAUSE_LENGTH_MAX: Final = 500
UPHELD: Final = "upheld"
"""Stands for the message by which a decision was carried out before it was contested and upheld."""


class StepView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an approval at one instant."""

    at: str
    what: str
    by: str = ""
    because: str = ""


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action that waits, or waited, for a person, with the customer masked."""

    approval: int
    state: str
    action: str
    what: str
    """What it is, in the words of the brand."""
    happens: str
    """What approving it does."""
    about: str = ""
    """The kind of the object, and its key, masked."""
    customer: int
    name: str = ""
    identifiers: tuple[str, ...] = ()
    entity: str
    legal_weight: bool = False
    requested_at: str
    until: str = ""
    """When an approval lapses, or a refusal's rest ends."""
    decision_id: int
    """What explains it: the reasons and the facts."""
    not_by: str = ""
    """Who approved what is contested: another person decides."""
    steps: tuple[StepView, ...] = ()


def list_approvals(
    engine: Engine, *, states: tuple[ApprovalState, ...], after: int, now: int
) -> list[ApprovalView]:
    """Return approvals in the order of their numbers, at most a page of them.

    What nobody need decide any more (the bill was paid) is withdrawn on the way.
    """
    views = []
    found = engine.store.load_dossiers(
        "approval", after=(after, 1 << 62), states=states or WAITING, limit=LISTED_MAX
    )
    for listed in found:
        customer, dossier = _open(engine, listed)
        fresh = _look_again(engine, customer, dossier, now)
        if not states or fresh.state in states:
            views.append(_view(engine, customer, fresh))
    return [view for view in views if states or view.state in WAITING]


def show_approval(engine: Engine, number: int, now: int) -> ApprovalView:
    """Return one approval as it stands.

    Raises:
        NotFoundError: there is no such approval.
    """
    customer, dossier = _open(engine, _load(engine, number))
    return _view(engine, customer, _look_again(engine, customer, dossier, now))


def decide_approval(
    engine: Engine,
    number: int,
    outcome: Literal["approved", "refused"],
    *,
    actor: str,
    because: str,
    is_alone: bool = False,
    now: int,
) -> ApprovalView:
    """Approve or refuse one action about one object; in force before it is answered.

    Args:
        engine: the engine.
        number: the approval.
        outcome: what the person decided.
        actor: who it is.
        because: why, in their own words.
        is_alone: whether there is nobody else to decide what the same person approved before.
        now: the present instant.

    Raises:
        NotFoundError: there is no such approval.
        InputError: nothing says why.
        ConflictError: it does not wait for a person, or for somebody else.
    """
    reason = _read_because(because)
    customer, dossier = _open(engine, _load(engine, number))
    record = read_record(dossier)
    # An approval that was not used yet may be taken back.
    may = WAITING if outcome == "approved" else (*WAITING, "approved")
    if dossier.state not in may:
        raise ConflictError(f"approval {number} is {dossier.state}; nothing waits for a person")
    if outcome == "approved":
        _check_wanted(engine, customer, record, number, now)
    if dossier.state == "contested" and actor == record.approver:
        _check_alone(engine, actor, is_alone=is_alone)
    return _decide(engine, customer, dossier, outcome, actor=actor, because=reason, now=now)


def _decide(
    engine: Engine,
    customer: Customer,
    dossier: Dossier,
    outcome: Literal["approved", "refused"],
    *,
    actor: str,
    because: str,
    now: int,
) -> ApprovalView:
    policy, record = engine.bundle.policy, read_record(dossier)
    rest = policy.approval_valid if outcome == "approved" else policy.refusal_rest
    changes = {"until": now + rest}
    state: ApprovalState = outcome
    if outcome == "approved":
        changes |= {"approver": actor}  # type: ignore[dict-item]
    record = add_step(record, Step(at=now, what=outcome, by=actor, because=because), **changes)
    if outcome == "approved" and record.was_used:
        # It was carried out before it was contested, and that stands; it permits nothing anew.
        state = "used"
        saved = save_record(engine.store, dossier, record, state=state)
        say_outcome(engine, customer, saved, record, "used", now, message_id=UPHELD)
    else:
        saved = save_record(engine.store, dossier, record, state=state)
        say_outcome(engine, customer, saved, record, outcome, now)
    note_approval(
        engine, saved, record, verb=_VERBS[outcome], actor=actor, because=because, now=now
    )
    engine.counts["approvals", outcome] += 1
    react(engine, customer, now)
    return _view(engine, customer, engine.store.load_dossier("approval", saved.number) or saved)


_VERBS: Final = {"approved": "approve", "refused": "refuse"}


def note_approval(
    engine: Engine,
    dossier: Dossier,
    record: ApprovalRecord,
    *,
    verb: str,
    actor: str,
    because: str = "",
    now: int,
) -> None:
    """Keep in the audit, and in the consent log, what was decided about an approval."""
    detail = {"approval": dossier.number, "action": record.action}
    note_operator(
        engine.store,
        "approval",
        actor=actor,
        verb=verb,
        detail=detail | ({"because": because} if because else {}),
        now=now,
        part_id=dossier.part_id,
    )


class ContestTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What a contest did."""

    entity: str
    topic: str
    withdrawn: int
    in_flight: tuple[str, ...]
    """Channels on which a message about it was leaving already."""


def contest(engine: Engine, told: Contest, now: int) -> ContestTaken | None:
    """Stop an approved decision because its customer contests it; None if it is not known any more.

    The approval is withdrawn with everything that rests on it, a case is opened for whoever the
    brand says, and another person decides. Contesting twice changes nothing.
    """
    found = engine.store.load_dossier("approval", told.approval)
    if found is None or found.part_id != told.part_id:
        return None
    customer, dossier = _open(engine, found)
    record = read_record(dossier)
    rule = engine.bundle.policy.by_name.get(record.action)
    withdrawn = 0
    if dossier.state in ("approved", "used", "lapsed"):
        record = add_step(record, Step(at=now, what="contested", by="customer"))
        saved = save_record(engine.store, dossier, record, state="contested")
        _withdraw_others(engine, customer, saved, record, now)
        say_outcome(engine, customer, saved, record, "contested", now)
        _open_case(engine, customer, saved, record, now)
        withdrawn = len(react(engine, customer, now))
        note_approval(engine, saved, record, verb="contest", actor="customer", now=now)
        engine.counts["approvals", "contested"] += 1
        engine.alert("contested", approval=saved.number, action=record.action, at=now)
    leaving = [
        one.channel
        for one in customer.messages.values()
        if one.state in IN_FLIGHT_STATES
        and (one.action, one.about) == (record.action, record.about)
    ]
    return ContestTaken(
        entity=rule.entity if rule is not None else "",
        topic=rule.topic if rule is not None else "",
        withdrawn=withdrawn,
        in_flight=tuple(leaving),
    )


def _withdraw_others(
    engine: Engine, customer: Customer, contested: Dossier, record: ApprovalRecord, now: int
) -> None:
    """Leave nothing else open about what is contested, which somebody could approve beside it."""
    for row in engine.store.load_part_dossiers("approval", sorted(customer.parts)):
        other = read_record(row)
        is_same = (other.action, other.about) == (record.action, record.about)
        if is_same and row.number != contested.number and row.state in ("open", "approved"):
            because = f"approval {contested.number} is contested"
            gone = add_step(other, Step(at=now, what="withdrawn", because=because))
            save_record(engine.store, row, gone, state="withdrawn")


def describe_contest(engine: Engine, told: Contest) -> tuple[str, str] | None:
    """Return the legal entity and the topic of what a link would contest, None if it is gone."""
    dossier = engine.store.load_dossier("approval", told.approval)
    if dossier is None or dossier.part_id != told.part_id:
        return None
    rule = engine.bundle.policy.by_name.get(read_record(dossier).action)
    return (rule.entity, rule.topic) if rule is not None else ("", "")


def _open_case(
    engine: Engine, customer: Customer, dossier: Dossier, record: ApprovalRecord, now: int
) -> None:
    case = f"contest-{dossier.number}-{len(record.steps)}"
    properties = {
        "approval": dossier.number,
        "action": record.action,
        "about": record.about,
        "topic": "contested",
    }
    # Whatever kinds of objects the brand makes of it, each finds its key.
    kinds = engine.bundle.brand.facts.objects.values()
    properties |= {kind.key: case for kind in kinds if DECISION_CONTESTED in kind.events}
    engine.append_own(customer, dossier.part_id, DECISION_CONTESTED, properties, now)


def _load(engine: Engine, number: int) -> Dossier:
    dossier = engine.store.load_dossier("approval", number)
    if dossier is None:
        raise NotFoundError(f"there is no approval {number}; `kept approvals list` shows them")
    return dossier


def _open(engine: Engine, dossier: Dossier) -> tuple[Customer, Dossier]:
    """Return whom a dossier is about, and the dossier as it is once nobody else works on them."""
    (part,) = engine.store.load_parts([dossier.part_id])
    customer = engine.customers.home_of(part)
    return customer, _load(engine, dossier.number)


def _read_because(text: str) -> str:
    because = clean_line(text)
    if not BECAUSE_LENGTH_MIN <= len(because) <= BECAUSE_LENGTH_MAX:
        raise InputError(
            f"say why in {BECAUSE_LENGTH_MIN} to {BECAUSE_LENGTH_MAX} characters; the reason is "
            "kept with your name"
        )
    return because


def _asking(customer: Customer, record: ApprovalRecord) -> Request:
    return Request(
        placement=record.placement,
        actions=(record.action,),
        about=record.about,
        open_messages=open_messages_of(customer),
    )


def _find_no(decision: Decision, record: ApprovalRecord) -> Reason | None:
    """Return why nobody need decide it just now, None if a person is to."""
    reason = reason_in(decision, record.action, record.about)
    return None if isinstance(reason, NeedsApproval | Contested) else reason


def _look_again(engine: Engine, customer: Customer, dossier: Dossier, now: int) -> Dossier:
    """Return a dossier as it stands now: withdrawn if nobody need decide, asked anew if it changed."""
    record = read_record(dossier)
    if dossier.state == "approved" and record.until <= now:
        lapsed = add_step(record, Step(at=now, what="lapsed"))
        return save_record(engine.store, dossier, lapsed, state="lapsed")
    if dossier.state != "open":
        return dossier
    if record.placement not in engine.bundle.policy.placements and record.placement != OUTBOUND:
        gone = add_step(record, Step(at=now, what="withdrawn", because="the placement is gone"))
        return save_record(engine.store, dossier, gone, state="withdrawn")
    no = _find_no(engine.look(customer, _asking(customer, record), now), record)
    if no is not None:
        because = explain_reason(no, zone=None)
        gone = add_step(record, Step(at=now, what="withdrawn", because=because))
        return save_record(engine.store, dossier, gone, state="withdrawn")
    rule = engine.bundle.policy.by_name[record.action]
    if rule.fingerprint != record.fingerprint:
        decision = engine.decide(customer, _asking(customer, record), now)
        anew = add_step(
            record,
            Step(at=now, what="requested", because="the brand changed the action"),
            fingerprint=rule.fingerprint,
            decision_id=decision.decision_id,
        )
        return save_record(engine.store, dossier, anew, state="open")
    return dossier


def _check_wanted(
    engine: Engine, customer: Customer, record: ApprovalRecord, number: int, now: int
) -> None:
    rule = engine.bundle.policy.by_name.get(record.action)
    if rule is None:
        raise ConflictError(f"the brand has no action {record.action} any more")
    if rule.fingerprint != record.fingerprint:
        raise ConflictError(
            f"the brand changed {record.action} since approval {number} was asked for; look again"
        )
    no = _find_no(engine.look(customer, _asking(customer, record), now), record)
    if no is not None and not record.was_used:
        raise ConflictError(
            f"{record.action} is not wanted any more. {explain_reason(no, zone=None)}"
        )


def _check_alone(engine: Engine, actor: str, *, is_alone: bool) -> None:
    others = other_approvers(engine, actor)
    if others:
        raise ConflictError(
            f"{actor} approved what is contested; another person decides, such as {others[0]}"
        )
    if not is_alone:
        raise ConflictError(
            f"{actor} approved what is contested, and another person decides; if there is nobody "
            "else, say so with `alone`"
        )


def other_approvers(engine: Engine, actor: str) -> list[str]:
    """Return who else may approve, as far as people have accounts here."""
    return [
        staff.name
        for staff in engine.store.load_staff()
        if staff.is_enabled
        and staff_actor(staff.staff_id) != actor
        and "approve" in permissions_of(staff.roles)
    ]


def _view(engine: Engine, customer: Customer, dossier: Dossier) -> ApprovalView:
    record = read_record(dossier)
    action = engine.bundle.brand.actions.get(record.action)
    kind, _, key = record.about.partition("/")
    state = customer.total(engine.plan)
    parts = customer.parts.values()
    return ApprovalView(
        approval=dossier.number,
        state=dossier.state,
        action=record.action,
        what=action.description if action is not None else "",
        happens=_happens(engine, record),
        about=f"{kind} {mask_text(key)}" if key else "",
        customer=customer.customer_id,
        name=mask_text(name_of(engine, state) or ""),
        identifiers=tuple(
            f"{part.identifier.namespace}:{mask_text(part.identifier.value)}"
            for part in parts
            if not part.claimed
        )[:10],
        entity=action.entity if action is not None else "",
        legal_weight=action is not None and action.legal_weight,
        requested_at=format_instant(dossier.at),
        until=format_instant(record.until) if record.until else "",
        decision_id=record.decision_id,
        not_by=record.approver if dossier.state == "contested" else "",
        steps=tuple(
            StepView(at=format_instant(s.at), what=s.what, by=s.by, because=s.because)
            for s in record.steps
        ),
    )


def _happens(engine: Engine, record: ApprovalRecord) -> str:
    if record.placement != OUTBOUND:
        return f"{record.placement} is answered yes, once"
    rule = engine.bundle.policy.by_name.get(record.action)
    ways = ", ".join(channel.channel for channel in rule.channels) if rule is not None else ""
    return f"one message goes by {ways}, if everything else still permits it"
