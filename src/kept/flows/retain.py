"""Remove what is past its time, in small pieces: events, and with them what was known by them alone.

A state is a sum, and nothing can be taken out of it. So whoever has an event that is past its time
is folded again from those that are left, in the same transaction in which it is removed; those with
more events than fit one piece are folded over several, and whose turn it is is noted, so that a
crash in between, or a piece that is undone, only means to fold them once more.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from kept.clock import random_bytes
from kept.core.consent import is_restricted, restricts
from kept.core.erasure import end_of_day
from kept.core.event import Event, Identifier
from kept.core.fold.fold import FoldPlan, decode_state, encode_state, fold_event, keep_consents
from kept.core.fold.told import told_traits
from kept.core.identity import Part, group
from kept.core.retention import (
    DECISIONS,
    MESSAGES,
    QUARANTINE,
    Agreement,
    Limits,
    agree,
    is_proof,
    keep_until,
    limits_in_force,
    shortened,
)
from kept.core.state import Stamped, State
from kept.core.values import DAY, format_instant
from kept.errors import ContendedError
from kept.flows.customers import Customer
from kept.flows.duties import hold_duty
from kept.flows.engine import Engine
from kept.flows.forget import bury
from kept.flows.history_list import note_gone
from kept.flows.legal_holds import hold_past_its_time
from kept.flows.note_in_log import note_in_log, note_operator
from kept.flows.spare_restricted import find_restricted, note_restricted
from kept.ports import StateRow, Store, StoredEvent

ROUND: Final = DAY
"""Everybody is looked at once in so long: something may be kept so much longer than its limit."""
EVENTS_A_PIECE: Final = 60
"""Pieces are small, for whoever asks meanwhile waits for one: a day sees some ten million customers."""
FINISHING_COSTS: Final = 25
"""Exchanging or erasing a state takes about as long as reading so many events."""
CUSTOMERS_A_PIECE: Final = 15
ROWS_A_PIECE: Final = 150
PROOFS_A_PAGE: Final = 500
RETENTION_SETTING: Final = "retention"
_PIECE_BYTES: Final = 6


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far keeping no longer than needed has come; durable."""

    agreement: Agreement = Agreement()
    begun_at: int = 0
    """When this round began (µs)."""
    after: int = 0
    """The last customer that was looked at."""
    is_everybody_seen: bool = False
    """Whether every customer was looked at, so that it is known who is restricted."""
    is_done: bool = False
    again: tuple[int, ...] = ()
    """Parts that are folded over several pieces and not done yet; something of them may be removed."""
    piece: int = 0
    """The last piece that left somebody half folded, by a number of chance: no other has the same,
    not even one that was undone, so that what memory knows of another does not count."""

    def from_the_start(self) -> "Progress":
        """Return the progress of a round in which nobody was looked at yet."""
        return msgspec.structs.replace(self, after=0, is_everybody_seen=False, is_done=False)


class Folding(msgspec.Struct, kw_only=True):
    """A customer who is looked at, event by event; in memory only."""

    engine: Engine
    plan: FoldPlan
    part_ids: tuple[int, ...]
    states: dict[int, State]
    named: set[tuple[Identifier, bool]] = msgspec.field(default_factory=set)
    """Who is named by an event that stays."""
    busy: set[int] = msgspec.field(default_factory=set)
    """Parts of which an event stays."""
    after: int = 0
    piece: int = 0
    """After which piece this is how far it has come (see `Progress.piece`)."""
    removed: bool = False
    is_needed: bool = False
    """Whether an event stays that is within its time."""
    is_kept: bool = False
    """Whether nothing more is removed: they were restricted meanwhile."""

    def copy(self) -> "Folding":
        """Return one that goes on while this one stays as it is."""
        return msgspec.structs.replace(
            self,
            states={part: decode_state(encode_state(state)) for part, state in self.states.items()},
            named=set(self.named),
            busy=set(self.busy),
        )


class Retaining:
    """What is applied, and the customer who is looked at just now."""

    def __init__(self, limits: Limits) -> None:
        """Take the limits of the brand in force."""
        self.limits = limits
        self.foldings: tuple[Folding, ...] = ()
        """Somebody who is half folded: before the last piece that came to its end, and after it."""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Progress).decode


def load_progress(store: Store) -> Progress:
    """Return how far it has come."""
    stored = store.load_setting(RETENTION_SETTING)
    return _decode(stored) if stored else Progress()


def retain(engine: Engine, retaining: Retaining, now: int) -> bool:
    """Do one piece; return whether more is to be done right away."""
    limits = retaining.limits
    if limits.version != engine.bundle.policy.version or engine.plan is not engine.bundle.fold_plan:
        # A brand is on its way into force: its limits are not known yet, or slots are being filled.
        return False
    if not hold_duty(engine, "retention", now):
        # Another node goes on where the store says that it is.
        retaining.foldings = ()
        return False
    before = load_progress(engine.store)
    progress = _agree(engine, before, limits, now)
    limits = limits_in_force(progress.agreement, limits)
    if progress.is_done and now >= progress.begun_at + ROUND:
        progress = msgspec.structs.replace(progress.from_the_start(), begun_at=now)
    is_more = False
    if not progress.is_done:
        if not progress.begun_at:
            progress = msgspec.structs.replace(progress, begun_at=now)
        if not progress.is_everybody_seen:
            known = _find(engine, retaining.foldings, progress)
            # If this piece is undone, it is done again from what is known now.
            folding = known.copy() if known is not None else _begin_again(engine, progress)
            progress, folding = _look_at_some(engine, folding, limits, progress, now)
            retaining.foldings = tuple(each for each in (known, folding) if each is not None)
        if progress.is_everybody_seen:
            is_done = not _remove_records(engine, limits, now)
            progress = msgspec.structs.replace(progress, is_done=is_done)
        is_more = not progress.is_done
    if progress != before:
        engine.store.save_setting(RETENTION_SETTING, _encode(progress))
    return is_more


def _agree(engine: Engine, progress: Progress, limits: Limits, now: int) -> Progress:
    is_empty = engine.store.last_sequence() == 0
    known = progress.agreement
    agreed = agree(known, limits, now, is_empty=is_empty)
    if agreed.waiting and agreed.waiting != known.waiting:
        engine.alert("retention_shortened", until=format_instant(agreed.applies_at), at=now)
    if agreed == known:
        return progress
    # What is applied now may be past its time with those who were looked at already.
    return msgspec.structs.replace(progress.from_the_start(), agreement=agreed)


def approve_retention(engine: Engine, *, actor: str, because: str, now: int) -> bool:
    """Apply shorter limits without waiting any longer; return whether any waited."""
    if engine.store.is_shared and not engine.store.try_duty("retention"):
        raise ContendedError("another node is keeping to the limits just now")
    progress = load_progress(engine.store)
    agreement = progress.agreement
    if not agreement.waiting:
        return False
    detail = {
        "shortened": list(shortened(agreement.applied, agreement.waiting)),
        "because": because,
    }
    note_operator(
        engine.store, "approval", actor=actor, verb="approve_retention", detail=detail, now=now
    )
    approved = msgspec.structs.replace(agreement, is_approved=True)
    progress = msgspec.structs.replace(progress, agreement=approved)
    engine.store.save_setting(RETENTION_SETTING, _encode(progress))
    return True


def _remove_records(engine: Engine, limits: Limits, now: int) -> bool:
    """Remove a piece of what is not of the stream; return whether there may be more."""
    store, by_name, limit = engine.store, limits.by_name, ROWS_A_PIECE
    spared = find_restricted(engine)
    before = now - by_name[DECISIONS].duration
    counts = [store.erase_old_decisions(before=before, limit=limit, spared=spared)]
    before = now - by_name[MESSAGES].duration
    counts.append(store.erase_old_messages(before=before, limit=limit, spared=spared))
    before = now - by_name[QUARANTINE].duration
    rows = store.read_quarantine(after=0, limit=CUSTOMERS_A_PIECE)
    old = [row.quarantine_id for row in rows if row.received_at < before]
    if old:
        store.erase_quarantined(old)
    store.drop_held_records(now=now, limit=limit)
    store.drop_emptied_events()
    return any(count >= limit for count in counts) or len(old) >= CUSTOMERS_A_PIECE


# -- customer by customer


def fold_anew(engine: Engine, part_ids: Iterable[int]) -> None:
    """Have parts that are half folded folded from their first event again: one of them changed.

    Raises:
        ContendedError: another node folds them just now.
    """
    store = engine.store
    if set(load_progress(store).again).isdisjoint(part_ids):
        return
    if store.is_shared and not store.try_duty("retention"):
        raise ContendedError("another node is keeping to the limits just now")
    progress = load_progress(store)
    progress = msgspec.structs.replace(progress, piece=_new_piece())
    store.save_setting(RETENTION_SETTING, _encode(progress))


def _new_piece() -> int:
    return int.from_bytes(random_bytes(_PIECE_BYTES))


def _find(engine: Engine, foldings: Iterable[Folding], progress: Progress) -> Folding | None:
    """Return whoever is half folded, as memory has them, as far as that is durable."""
    for folding in foldings:
        if (
            folding.engine is engine
            and folding.plan is engine.plan
            and folding.part_ids == progress.again
            # What came after it, in the same transaction, may have been undone with it.
            and folding.piece == progress.piece
        ):
            return folding
    return None


def _begin_again(engine: Engine, progress: Progress) -> Folding | None:
    """Return whoever is half folded from their first event on; None where nobody is."""
    if not progress.again:
        return None
    folding = _begin(engine, progress.again)
    folding.removed = True
    return folding


def _look_at_some(
    engine: Engine, folding: Folding | None, limits: Limits, progress: Progress, now: int
) -> tuple[Progress, Folding | None]:
    """Look at the next ones; return how far it came, and who is half folded."""
    room = EVENTS_A_PIECE
    ids = engine.store.list_customers(after=progress.after, limit=CUSTOMERS_A_PIECE)
    engine.customers.hold(ids)
    if folding is not None:
        folding.is_kept = _is_any_restricted(engine, folding)
    for customer_id in ids if folding is None else (0, *ids):
        if room <= 0:
            break
        if customer_id:
            progress = msgspec.structs.replace(progress, after=customer_id)
            # A round passes everybody, and must not push those out of memory who are busy.
            customer = engine.customers.look_at(customer_id)
            # The restriction may be for a claim that needs just what would be removed.
            if is_restricted(customer.total(engine.plan).consents):
                note_restricted(engine.store, customer.parts)
                room -= 1
                continue
            folding = _begin(engine, tuple(sorted(customer.parts)))
        if folding is None:
            raise AssertionError("nobody is looked at")
        read, is_end = _read_piece(engine, folding, limits, room, now)
        room -= read + 1
        if not is_end:
            # The rest of this one is for the next piece.
            folding.piece = _new_piece()
            changes = {"again": folding.part_ids, "piece": folding.piece}
            return msgspec.structs.replace(progress, **changes), folding
        if folding.removed or not folding.busy:
            _finish(engine, folding, now)
            room -= FINISHING_COSTS
        folding = None
        progress = msgspec.structs.replace(progress, again=())
    else:
        is_all = len(ids) < CUSTOMERS_A_PIECE
        progress = msgspec.structs.replace(progress, is_everybody_seen=is_all)
    return progress, None


def _is_any_restricted(engine: Engine, folding: Folding) -> bool:
    """Return whether somebody who is half folded has been restricted since."""
    homes = [engine.customers.home_of(p) for p in engine.store.load_parts(folding.part_ids)]
    return any(is_restricted(home.total(engine.plan).consents) for home in homes)


def _begin(engine: Engine, part_ids: tuple[int, ...]) -> Folding:
    states = {part_id: State() for part_id in part_ids}
    return Folding(engine=engine, plan=engine.plan, part_ids=part_ids, states=states)


def _read_piece(
    engine: Engine, folding: Folding, limits: Limits, room: int, now: int
) -> tuple[int, bool]:
    """Fold and remove the next events; return how many were read, and whether that is all."""
    store, limit = engine.store, max(room, 1)
    events = store.load_part_events(folding.part_ids, after=folding.after, limit=limit)
    is_end = len(events) < limit
    if not is_end:
        # Where several nodes take numbers, one that waits for this customer may have a lower one: it
        # comes with a later piece, which must not begin behind it.
        settled = store.read_settled().sequence
        events = [stored for stored in events if stored.sequence <= settled]
    gone: dict[int, list[StoredEvent]] = {}
    for stored in events:
        event = stored.event
        folding.after = stored.sequence
        is_past = keep_until(limits, event) <= now
        if is_past and not is_proof(event) and not folding.is_kept:
            gone.setdefault(stored.part_id, []).append(stored)
            continue
        folding.is_needed |= not is_past
        fold_event(folding.plan, folding.states[stored.part_id], event)
        folding.busy.add(stored.part_id)
        folding.named.update(_named_by(event))
    for part_id, found in gone.items():
        home = engine.customers.home_of(store.load_parts([part_id])[0])
        traits = told_traits(engine.plan, home.total(engine.plan))
        hold_past_its_time(engine, part_id, [one.event for one in found], traits, now=now)
        store.erase_events(part_id, [one.sequence for one in found])
        engine.counts["past_their_time", ""] += len(found)
        folding.removed = True
    return len(events), is_end


def _named_by(event: Event) -> Iterable[tuple[Identifier, bool]]:
    return (
        (identifier, position >= event.vouched_count)
        for position, identifier in enumerate(event.identifiers)
    )


def _finish(engine: Engine, folding: Folding, now: int) -> None:
    """Let what is left count from now on, and let go of whoever nothing is left of."""
    parts = engine.store.load_parts(folding.part_ids)
    if not parts:
        # They were forgotten meanwhile.
        return
    homes = [engine.customers.home_of(part) for part in parts]
    # As they were before: a legal hold wants them beside what is held of whoever goes.
    traits = {home.customer_id: told_traits(engine.plan, home.total(engine.plan)) for home in homes}
    if folding.removed:
        for part in parts:
            known = engine.customers.home_of(part).states[part.part_id]
            keep_consents(folding.states[part.part_id], known)
        take_states(engine, parts, folding.states, now)
    if folding.is_kept:
        return
    for customer_id, told in sorted(traits.items()):
        customer = engine.customers.get(customer_id)
        if set(customer.parts) <= set(folding.part_ids):
            _let_go(engine, customer, folding, told, now=now)


def take_states(engine: Engine, parts: list[Part], states: dict[int, State], now: int) -> None:
    """Let states that were folded anew count from now on, in memory and in the store."""
    customers = engine.customers
    rows = []
    for part in parts:
        home = customers.home_of(part)
        home.states[part.part_id] = states[part.part_id]
        home.forget_sum()
        rows.append(
            StateRow(
                part_id=part.part_id,
                applied_sequence=home.applied[part.part_id],
                state=encode_state(states[part.part_id]),
            )
        )
        # What was decided by what is gone is decided anew, at the next tick.
        home.wake_at = now + 1
        customers.note_changed(home)
        engine.store.save_wakes([(home.customer_id, now + 1)])
    engine.store.save_states(rows, mark=engine.store.load_mark())


def _let_go(
    engine: Engine, customer: Customer, folding: Folding, traits: Mapping[str, Stamped], *, now: int
) -> None:
    """Erase the parts that nothing names any more, all of them where nothing is needed."""
    store = engine.store
    links = store.load_links(sorted(customer.parts))
    outside = {
        part_id
        for link in links
        for part_id in (link.part_a, link.part_b)
        if not {link.part_a, link.part_b} <= set(customer.parts)
    }
    if not folding.is_needed and not customer.messages and not outside & set(customer.parts):
        _hold_the_rest(engine, customer, traits, now)
        _erase_all(engine, customer, now)
        return
    inside = [link for link in links if {link.part_a, link.part_b} <= set(customer.parts)]
    left = dict(customer.parts)
    going = []
    for part_id, part in sorted(customer.parts.items()):
        if (
            # What was decided for the customer stands under the part that names them.
            part_id == customer.customer_id
            or part_id in folding.busy
            or part_id in outside
            or (part.identifier, part.claimed) in folding.named
            or any(message.part_id == part_id for message in customer.messages.values())
        ):
            continue
        rest = {key: one for key, one in left.items() if key != part_id}
        kept = [link for link in inside if link.part_a in rest and link.part_b in rest]
        # A customer is not torn apart: what was refused under one identifier holds for all.
        if len(group(rest, kept, engine.bundle.namespaces).groups) == 1:
            left = rest
            going.append(part_id)
    if going:
        _drop_parts(engine, customer, going, now)


def _drop_parts(engine: Engine, customer: Customer, part_ids: list[int], now: int) -> None:
    mark = engine.store.load_mark()
    rows = [
        StateRow(
            part_id=part_id,
            applied_sequence=customer.applied[part_id],
            state=encode_state(state),
        )
        for part_id, state in customer.states.items()
        if part_id not in part_ids
    ]
    # The customer leaves memory as a whole, and what stays must be stored before.
    engine.store.save_states(rows, mark=mark)
    engine.customers.forget(customer)
    engine.store.change_control()
    engine.store.erase_parts(part_ids)
    note_gone(engine.store, parts=part_ids)
    note_in_log(engine.store, "erasure", now=now, detail={"parts": part_ids})


def _hold_the_rest(
    engine: Engine, customer: Customer, traits: Mapping[str, Stamped], now: int
) -> None:
    """Hold apart what a law keeps of the proofs, which stayed for as long as anything else did."""
    named = {
        event for hold in engine.bundle.brand.brand.legal_holds.values() for event in hold.events
    }
    after, part_ids = 0, sorted(customer.parts)
    while named and (
        page := engine.store.load_part_events(part_ids, after=after, limit=PROOFS_A_PAGE)
    ):
        after = page[-1].sequence
        for part_id in {one.part_id for one in page if one.event.name in named}:
            events = [one.event for one in page if one.part_id == part_id]
            hold_past_its_time(engine, part_id, events, traits, now=now)


def _erase_all(engine: Engine, customer: Customer, now: int) -> None:
    """Erase a customer of whom nothing is needed; a no outlives them as it does an erasure."""
    refusing = [
        customer.parts[part_id].identifier
        for part_id, state in customer.states.items()
        if any(restricts(key, said) for key, said in state.consents.items())
    ]
    if refusing:
        # As of last midnight: what happens today is of somebody who has come back.
        # Nobody outside is told, neither now nor after a restore.
        until = end_of_day(now) - DAY
        bury(engine, refusing, until=until, is_suppressed=False, is_forwarded=False)
    engine.customers.forget(customer)
    part_ids = sorted(customer.parts)
    engine.store.change_control()
    engine.store.erase_parts(part_ids)
    note_gone(engine.store, parts=part_ids)
    note_in_log(engine.store, "erasure", now=now, detail={"parts": part_ids})
    engine.counts["let_go", ""] += 1
