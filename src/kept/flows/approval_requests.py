"""Approvals as the store keeps them: put before a person, used once, contested."""

from collections.abc import Collection, Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.approval import Approval, ApprovalOutcome, approval_key, read_approval
from kept.core.contest import PATH, Contest, make_token
from kept.core.decision import OUTBOUND, Considered, Decision
from kept.core.dossier import Dossier
from kept.core.event import APPROVAL_DECIDED
from kept.core.reason import NeedsApproval
from kept.core.rules import ActionRule
from kept.core.unsubscribe import make_link
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.ports import Store

ApprovalState: TypeAlias = Literal[
    "open", "contested", "approved", "refused", "used", "lapsed", "withdrawn"
]
WAITING: Final[tuple[ApprovalState, ...]] = ("open", "contested")
"""States in which a person is to decide."""
_encode: Final = msgspec.msgpack.Encoder().encode


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an approval at one instant, and by whom."""

    at: int
    what: str
    by: str = ""
    because: str = ""


class ApprovalRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action about one object that waits, or waited, for a person."""

    action: str
    about: str = ""
    placement: str = OUTBOUND
    fingerprint: str
    """The action as it was when this was put before a person."""
    decision_id: int
    """The decision that would have gone ahead."""
    until: int = 0
    approver: str = ""
    """Who approved it last."""
    was_used: bool = False
    steps: tuple[Step, ...] = ()


_decode: Final = msgspec.msgpack.Decoder(ApprovalRecord).decode


def read_record(dossier: Dossier) -> ApprovalRecord:
    """Return an approval as it was kept."""
    return _decode(dossier.body)


def save_record(
    store: Store, dossier: Dossier, record: ApprovalRecord, *, state: ApprovalState
) -> Dossier:
    """Keep what became of an approval."""
    saved = msgspec.structs.replace(dossier, state=state, body=_encode(record))
    store.save_dossier(saved)
    return saved


def add_step(record: ApprovalRecord, step: Step, **changes: Any) -> ApprovalRecord:
    """Return a record with one more step."""
    return msgspec.structs.replace(record, steps=(*record.steps, step), **changes)


def request_approvals(engine: Engine, customer: Customer, decision: Decision, now: int) -> None:
    """Put before a person what a decision would have chosen but for their approval."""
    if not customer.parts:
        return
    wanted = [
        (one, rule)
        for one, rule in _waiting(decision, engine)
        if _is_for_here(one, rule, decision.request.placement)
    ]
    if not wanted:
        return
    known = _known(engine, customer, {(one.action, one.about) for one, _ in wanted}, now)
    for one, rule in wanted:
        if (one.action, one.about) not in known:
            _open(engine, customer, decision, one, rule, now)


def _waiting(decision: Decision, engine: Engine) -> Iterable[tuple[Considered, ActionRule]]:
    for one in decision.considered:
        if isinstance(one.reason, NeedsApproval):
            yield one, engine.bundle.policy.by_name[one.action]


def _is_for_here(one: Considered, rule: ActionRule, placement: str) -> bool:
    """Return whether the action would be chosen here, and nothing but the approval is missing."""
    # Whatever else would say no for good: layers that come after the approval.
    if rule.dishonest or (rule.promotional and one.score <= 0):
        return False
    return bool(rule.channels) if placement == OUTBOUND else placement in rule.placements


def _known(
    engine: Engine, customer: Customer, wanted: Collection[tuple[str, str]], now: int
) -> set[tuple[str, str]]:
    """Return what waits for a person already; note which approvals of what is wanted have lapsed."""
    known = set()
    for dossier in engine.store.load_part_dossiers("approval", sorted(customer.parts)):
        record = read_record(dossier)
        if dossier.state in WAITING:
            known.add((record.action, record.about))
        elif dossier.state == "approved" and (record.action, record.about) in wanted:
            # It permits nothing any more, or it would not be asked for again.
            lapsed = add_step(record, Step(at=now, what="lapsed"))
            save_record(engine.store, dossier, lapsed, state="lapsed")
    return known


def _open(
    engine: Engine,
    customer: Customer,
    decision: Decision,
    one: Considered,
    rule: ActionRule,
    now: int,
) -> None:
    record = ApprovalRecord(
        action=one.action,
        about=one.about,
        placement=decision.request.placement,
        fingerprint=rule.fingerprint,
        decision_id=decision.decision_id,
        steps=(Step(at=now, what="requested"),),
    )
    dossier = Dossier(
        kind="approval",
        number=engine.store.next_dossier_number("approval"),
        part_id=customer.own_part,
        state="open",
        at=now,
        body=_encode(record),
    )
    engine.store.save_dossier(dossier)
    engine.counts["approvals", "requested"] += 1
    engine.tell("approval_needed", action=one.action, approval=dossier.number)


def find_approval(engine: Engine, customer: Customer, action: str, about: str) -> Approval | None:
    """Return the newest word about an action and object, None if there is none."""
    state = customer.total(engine.plan)
    said = state.approvals.get(approval_key(action, about))
    return read_approval(said) if said is not None else None


def say_outcome(
    engine: Engine,
    customer: Customer,
    dossier: Dossier,
    record: ApprovalRecord,
    outcome: ApprovalOutcome,
    now: int,
    *,
    message_id: str = "",
) -> None:
    """Let an approval count from now on: an event of our own, folded like everything else."""
    approval = Approval(
        outcome=outcome,
        number=dossier.number,
        action=record.action,
        about=record.about,
        until=record.until,
        fingerprint=record.fingerprint,
        message_id=message_id,
    )
    told = msgspec.to_builtins(approval)
    engine.append_own(customer, dossier.part_id, APPROVAL_DECIDED, told, now)


def use_approval(
    engine: Engine, customer: Customer, action: str, about: str, now: int, *, message_id: str = ""
) -> None:
    """Note that an approved action goes ahead: it permits that once."""
    approval = find_approval(engine, customer, action, about)
    if approval is None or approval.outcome != "approved":
        return
    dossier = engine.store.load_dossier("approval", approval.number)
    if dossier is None:
        return
    record = add_step(read_record(dossier), Step(at=now, what="used"), was_used=True)
    save_record(engine.store, dossier, record, state="used")
    say_outcome(engine, customer, dossier, record, "used", now, message_id=message_id)


def contest_link(engine: Engine, customer: Customer, action: str, about: str) -> str:
    """Return where a customer contests an approved decision, empty where none was approved."""
    approval = find_approval(engine, customer, action, about)
    if approval is None:
        return ""
    dossier = engine.store.load_dossier("approval", approval.number)
    if dossier is None:
        return ""
    contest = Contest(approval=dossier.number, part_id=dossier.part_id)
    return make_link(engine.public_url, make_token(contest, secret=engine.secret), path=PATH)
