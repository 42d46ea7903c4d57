"""A breach: revoke, find out whom it touched, tell them first, and only then go on.

Declaring it is one transaction: what is compromised is taken away, and nothing promotional leaves
to anybody until it is known whom the breach touched; from then on, to nobody of these before their
notice was handed over.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from kept.core.breach import (
    WORKING,
    BreachKind,
    BreachRecord,
    BreachState,
    BreachStep,
    Revocation,
    add_step,
)
from kept.core.plain_text import clean_line
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.breach_records import BREACHES_MAX, load_breach, read_breach, save_breach
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.react import react
from kept.flows.revoke_compromised import (
    actors_of,
    revoke_recipient,
    revoke_source,
    revoke_staff,
)
from kept.flows.search_breach import plan_search, search_piece

BECAUSE_LENGTH_MAX: Final = 1_000
WOKEN: Final = 200
"""How many customers are looked at again in one piece, after a release or a close."""


class Compromised(msgspec.Struct, frozen=True, kw_only=True):
    """What is no longer trusted, and since when."""

    kind: BreachKind
    name: str
    since: int
    because: str


def declare_breach(
    engine: Engine,
    wanted: Compromised,
    *,
    declared_keys: Mapping[str, Collection[str]],
    actor: str,
    now: int,
) -> int:
    """Declare a breach, revoke what is compromised, and begin to find out whom it touched.

    Args:
        engine: the engine.
        wanted: what is compromised, and since when.
        declared_keys: source -> hashes of keys and secrets that the brand folder names for it.
        actor: who declares it.
        now: the present instant.

    Returns:
        The number of the breach.

    Raises:
        InputError: nothing says why, or it would begin in the future.
        NotFoundError: the brand has no such source or recipient, or nobody has such an account.
    """
    because = clean_line(wanted.because)
    if not because or len(because) > BECAUSE_LENGTH_MAX:
        raise InputError(f"say in `because` why, in at most {BECAUSE_LENGTH_MAX} characters")
    if wanted.since > now:
        raise InputError("`since` lies in the future; say from when on it may have been misused")
    # Who they are is known before what lets them in is taken away.
    actors = actors_of(engine.store, wanted.name) if wanted.kind == "staff" else ()
    revocations = _revoke(engine, wanted, declared_keys, actor=actor, now=now)
    record = BreachRecord(
        kind=wanted.kind,
        name=wanted.name,
        since=wanted.since,
        because=because,
        declared_at=now,
        actors=actors,
        revocations=revocations,
    )
    record = _begin_record(engine, record, actor=actor, now=now)
    number = engine.store.next_dossier_number("breach")
    save_breach(engine, number, record, state="searching")
    detail = {
        "breach": number,
        "kind": wanted.kind,
        "name": wanted.name,
        "since": wanted.since,
        "because": because,
    }
    note_operator(
        engine.store, "approval", actor=actor, verb="declare_breach", detail=detail, now=now
    )
    engine.alert("breach", breach=number, what=wanted.kind, name=wanted.name, at=now)
    return number


def _begin_record(engine: Engine, record: BreachRecord, *, actor: str, now: int) -> BreachRecord:
    """Return a breach with what must be read, and the first lines of its timeline."""
    spans, limits = plan_search(engine, record)
    taken = ", ".join(one.what for one in record.revocations) or "nothing was left to revoke"
    return msgspec.structs.replace(
        record,
        spans=spans,
        limits=limits,
        total=sum(span.end - span.after for span in spans),
        steps=(
            BreachStep(at=record.since, what="compromised"),
            BreachStep(at=now, what="declared", by=actor, because=record.because),
            BreachStep(at=now, what=f"revoked: {taken}", by=actor),
        ),
    )


def _revoke(
    engine: Engine,
    wanted: Compromised,
    declared_keys: Mapping[str, Collection[str]],
    *,
    actor: str,
    now: int,
) -> tuple[Revocation, ...]:
    brand = engine.bundle.brand
    match wanted.kind:
        case "source":
            if wanted.name not in brand.sources.sources:
                known = ", ".join(sorted(brand.sources.sources))
                raise NotFoundError(f"there is no source {wanted.name!r}; sources.yaml has {known}")
            declared = declared_keys.get(wanted.name, ())
            return revoke_source(engine, wanted.name, declared, actor=actor, now=now)
        case "recipient":
            if wanted.name not in brand.consent.recipients:
                known = ", ".join(sorted(brand.consent.recipients)) or "none"
                raise NotFoundError(
                    f"there is no recipient {wanted.name!r}; consent.yaml has {known}"
                )
            return revoke_recipient(engine, wanted.name, declared_keys, actor=actor, now=now)
        case "staff":
            return revoke_staff(engine, wanted.name, actor=actor, now=now)


def release_notices(engine: Engine, number: int, *, actor: str, now: int) -> None:
    """Let the notices of a breach go, each by an ordinary decision and hand-over.

    Raises:
        NotFoundError: there is no such breach.
        ConflictError: it is not known yet whom it touched, nothing was drafted, or they went already.
    """
    dossier, record = load_breach(engine.store, number)
    if dossier.state != "found":
        raise ConflictError(
            f"breach {number} is {dossier.state}; notices are released once, when all are found"
        )
    if not engine.bundle.policy.notices:
        raise ConflictError(
            "the brand has no action with `notice_of: breach`, so that there is no notice to give"
        )
    if not record.what_we_did:
        raise ConflictError("look at the drafts first: they say what was done")
    step = BreachStep(at=now, what="notices released", by=actor)
    save_breach(engine, number, add_step(record, step, cursor=0), state="releasing")
    detail = {"breach": number}
    note_operator(
        engine.store, "approval", actor=actor, verb="notify_breach", detail=detail, now=now
    )


def close_breach(engine: Engine, number: int, *, because: str, actor: str, now: int) -> None:
    """Close a breach: whoever was not told is not told any more, and promotions go on.

    Raises:
        NotFoundError: there is no such breach.
        InputError: nothing says why.
        ConflictError: it is closed, or it is still being found out whom it touched.
    """
    dossier, record = load_breach(engine.store, number)
    reason = clean_line(because)
    if not reason or len(reason) > BECAUSE_LENGTH_MAX:
        raise InputError(f"say in `because` why, in at most {BECAUSE_LENGTH_MAX} characters")
    if dossier.state not in ("found", "releasing", "released"):
        raise ConflictError(f"breach {number} is {dossier.state} and cannot be closed")
    step = BreachStep(at=now, what="closed", by=actor, because=reason)
    save_breach(engine, number, add_step(record, step, cursor=0), state="closing")
    detail = {"breach": number, "because": reason}
    note_operator(
        engine.store, "approval", actor=actor, verb="close_breach", detail=detail, now=now
    )


def work_on_breaches(engine: Engine, now: int) -> bool:
    """Do the next piece of what is to be done for breaches; return whether there was anything."""
    if not engine.store.try_duty("breaches"):
        return False
    found = engine.store.load_dossiers("breach", states=WORKING, limit=BREACHES_MAX)
    for dossier in found:
        if dossier.state == "searching":
            search_piece(engine, dossier.number, now)
        else:
            _look_again(engine, dossier.number, read_breach(dossier), dossier.state, now)
        return True
    return False


def _look_again(engine: Engine, number: int, record: BreachRecord, state: str, now: int) -> None:
    """Decide anew for some of those whom a breach touched: what is due to them may go now."""
    rows = engine.store.load_dossiers("finding", after=(number, record.cursor), limit=WOKEN)
    rows = [row for row in rows if row.number == number]
    for row in rows:
        parts = engine.store.load_parts([row.part_id])
        if parts:
            react(engine, engine.customers.home_of(parts[0]), now)
    after: BreachState = "released" if state == "releasing" else "closed"
    if rows:
        going_on = msgspec.structs.replace(record, cursor=rows[-1].part_id)
        save_breach(
            engine, number, going_on, state="releasing" if after == "released" else "closing"
        )
    else:
        save_breach(engine, number, record, state=after)
