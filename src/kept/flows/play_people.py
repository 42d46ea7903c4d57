"""What people do in a story: approve, contest, declare a breach; and what must then be true."""

from collections.abc import Collection, Iterator

from kept.core import story as st
from kept.core.contest import Contest
from kept.core.event import Identifier
from kept.errors import InputError
from kept.flows.approval_requests import WAITING, read_record
from kept.flows.approvals import contest, decide_approval
from kept.flows.breach import Compromised, close_breach, declare_breach, release_notices
from kept.flows.breach_records import read_finding
from kept.flows.customers import Customer
from kept.flows.show_breach import say_what_we_did
from kept.flows.stage import Stage

_ACTOR = "a privacy officer"


def approve(stage: Stage, told: st.Approve, who: str) -> None:
    """Let a person decide what waits for them."""
    who = told.customer or who
    number, _ = _find(stage, told.action, told.about, who, states=(*WAITING, "approved"))
    with stage.transaction():
        decide_approval(
            stage.engine,
            number,
            "refused" if told.refuse else "approved",
            actor=told.by,
            because=told.because,
            is_alone=told.alone,
            now=stage.now,
        )
    stage.work()


def contest_decision(stage: Stage, told: st.ContestStep, who: str) -> None:
    """Let a customer follow the link by which they contest."""
    who = told.customer or who
    states = ("approved", "used", "lapsed")
    number, part_id = _find(stage, told.action, told.about, who, states=states)
    with stage.transaction():
        contest(stage.engine, Contest(approval=number, part_id=part_id), stage.now)
    stage.work()


def do_breach(stage: Stage, told: st.BreachStep, since: int) -> None:
    """Declare a breach, let the notices of the newest go, or close it."""
    engine = stage.engine
    if told.source or told.recipient:
        wanted = Compromised(
            kind="source" if told.source else "recipient",
            name=told.source or told.recipient,
            since=since,
            because="It was found in the open.",
        )
        with stage.transaction():
            declare_breach(engine, wanted, declared_keys={}, actor=_ACTOR, now=stage.now)
        stage.work()
    number = stage.store.last_dossier_number("breach")
    if told.notify:
        with stage.transaction():
            say_what_we_did(engine, number, told.notify)
            release_notices(engine, number, actor=_ACTOR, now=stage.now)
    if told.close:
        with stage.transaction():
            close_breach(engine, number, because=told.close, actor=_ACTOR, now=stage.now)
    stage.work()


def compare_people(stage: Stage, expect: st.Expect) -> Iterator[tuple[str, object, object]]:
    """Yield (what, expected, seen) of what is not as it must be."""
    if expect.waiting is not None:
        rows = stage.store.load_dossiers("approval", states=WAITING, limit=1_000)
        waiting = sorted(read_record(row).action for row in rows)
        if waiting != sorted(expect.waiting):
            yield "waiting for a person", sorted(expect.waiting), waiting
    if expect.touched is not None:
        number = stage.store.last_dossier_number("breach")
        rows = stage.store.load_dossiers("finding", after=(number, -1), limit=1_000)
        seen = {row.part_id: sorted(read_finding(row).fields) for row in rows}
        for who, fields in expect.touched.items():
            customer = _customer(stage, who)
            found = seen.pop(customer.own_part, None)
            if found != sorted(fields):
                yield f"touched of {who}", sorted(fields), found
        if seen:
            yield "touched", "nobody else", f"{len(seen)} more"


def _find(
    stage: Stage, action: str, about: str, who: str, *, states: Collection[str]
) -> tuple[int, int]:
    """Return the newest approval of an action for a customer in one of these states, and its part."""
    customer = _customer(stage, who)
    rows = stage.store.load_part_dossiers("approval", sorted(customer.parts))
    for row in reversed(rows):
        record = read_record(row)
        if record.action == action and about in ("", record.about) and row.state in states:
            return row.number, row.part_id
    message = f"no approval of {action} for {who} is {' or '.join(states)}"
    raise InputError(message)


def _customer(stage: Stage, who: str) -> Customer:
    namespace, _, value = who.partition(":")
    customer = stage.find(Identifier(namespace, value))
    if customer is None:
        message = f"nobody is known as {who}"
        raise InputError(message)
    return customer
