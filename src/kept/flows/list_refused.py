"""List what tools outside Kept asked for and were refused: in shadow, what Kept would have stopped."""

from typing import Final

import msgspec

from kept.core.decision import Decision
from kept.core.reason import code_of
from kept.core.values import format_instant
from kept.flows.ask import because_of
from kept.flows.engine import Engine, decode_trace
from kept.flows.note_in_log import note_operator

ROWS_MAX: Final = 500
"""At most this many decisions are looked at in one page, so that nobody else waits."""


class RefusedContact(msgspec.Struct, frozen=True, kw_only=True):
    """One contact that a tool wanted to make; whose it was, `kept explain` says to whoever may know."""

    decision_id: int
    decided_at: str
    source: str
    action: str
    """As the tool calls it."""
    entity: str
    purpose: str
    channel: str
    code: str
    because: str
    """The name of the hold, cap, brake or quiet time that said no."""
    until: str


class RefusedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some refused contacts in the order of their decisions, and where to go on."""

    refused: tuple[RefusedContact, ...]
    after: int
    is_last: bool


def list_refused(engine: Engine, *, after: int, actor: str, now: int) -> RefusedPage:
    """Return the next contacts of tools outside that were refused; every page is audited."""
    end = engine.store.next_decision_id()
    last = min(after + ROWS_MAX, end - 1)
    found = (engine.store.read_decision(number) for number in range(after + 1, last + 1))
    told = (_tell(decode_trace(row.trace)) for row in found if row is not None)
    refused = tuple(one for one in told if one is not None)
    detail = {"after": after, "count": len(refused)}
    note_operator(
        engine.store, "staff_access", actor=actor, verb="list_refused", detail=detail, now=now
    )
    return RefusedPage(refused=refused, after=max(last, after), is_last=last >= end - 1)


def _tell(decision: Decision) -> RefusedContact | None:
    outside = decision.request.outside
    reason = next((one.reason for one in decision.considered if one.reason), None)
    if outside is None or reason is None or decision.chosen:
        return None
    return RefusedContact(
        decision_id=decision.decision_id,
        decided_at=format_instant(decision.decided_at),
        source=decision.request.source,
        action=outside.action,
        entity=outside.entity,
        purpose=outside.purpose,
        channel=outside.channel,
        code=code_of(reason),
        because=because_of(reason),
        until=format_instant(reason.until) if reason.until > decision.decided_at else "",
    )
