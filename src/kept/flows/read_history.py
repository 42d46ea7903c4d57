"""Read history for analysis: for a stated purpose, and only of those for whom its basis holds now.

A row of anybody else is absent, and not merely masked. What is merely claimed to be a customer's is
absent too, for nobody can say whose basis it needs.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.brand.model import Brand
from kept.core.consent import is_restricted
from kept.core.history_rows import HistoryRow, Lens
from kept.core.identity import Part
from kept.core.lawful_basis import Bases
from kept.core.reason import code_of
from kept.core.values import format_instant
from kept.errors import InputError, NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine, decode_trace
from kept.flows.note_in_log import note_operator

ROWS_MAX: Final = 2_000
"""At most this many events or decisions are looked at in one page, so that nobody else waits."""

What: TypeAlias = Literal["events", "decisions"]


class HistoryWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an analysis reads, and for what."""

    purpose: str
    """A purpose of consent.yaml; rows without a basis for it are absent."""
    entity: str = ""
    """The legal entity for which it is read; may be left out where there is only one."""
    what: What = "events"
    fields: tuple[str, ...] = ()
    """Fields of the data map that are needed; empty means all."""
    personal: bool = False
    """Whether personal values are wanted in the clear."""
    because: str = ""
    """Why they are; it is written into the audit."""
    after: int = 0
    """Go on after this place, as the page before said."""


class DecisionRead(msgspec.Struct, frozen=True, kw_only=True):
    """One decision as an analysis reads it: what was chosen and why not, and no fact of anybody."""

    decision_id: int
    customer: int
    decided_at: str
    placement: str
    brand_version: str
    chosen: tuple[str, ...]
    reasons: dict[str, str]
    """Action -> the code of the reason against it."""


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows, and where to go on."""

    events: tuple[HistoryRow, ...] = ()
    decisions: tuple[DecisionRead, ...] = ()
    after: int
    is_last: bool


def read_history(engine: Engine, wanted: HistoryWanted, *, actor: str, now: int) -> HistoryPage:
    """Return the next rows of a reading; every page that is read is audited with its count.

    Raises:
        NotFoundError: there is no such purpose or legal entity.
        InputError: a field is none, or values are wanted in the clear and nothing says why.
    """
    brand = engine.bundle.brand
    entity = entity_of(brand, purpose=wanted.purpose, entity=wanted.entity)
    if wanted.personal and not wanted.because.strip():
        raise InputError("say in `because` why personal values are needed in the clear")
    readable = _Readable(engine, entity, wanted.purpose)
    if wanted.what == "events":
        lens = Lens(
            brand,
            entity=entity,
            purpose=wanted.purpose,
            fields=wanted.fields,
            in_the_clear=wanted.personal,
        )
        page = _read_events(engine, readable, lens, after=wanted.after)
    elif wanted.fields:
        raise InputError("decisions hold no fields of customers; leave `fields` out")
    else:
        page = _read_decisions(engine, readable, after=wanted.after)
    count = len(page.events) + len(page.decisions)
    _note_reading(engine, wanted, entity, count, actor=actor, now=now)
    return page


class _Readable:
    """Finds the customer of a part, where the basis holds for them right now."""

    def __init__(self, engine: Engine, entity: str, purpose: str) -> None:
        self._engine = engine
        self._entity = entity
        self._purpose = purpose
        self._bases = Bases(engine.bundle.brand)
        self._known: dict[int, Customer | None] = {}

    def look_up(self, part_ids: Iterable[int]) -> None:
        """Find the customers of many parts at once."""
        wanted = sorted(set(part_ids))
        self._known = dict.fromkeys(wanted)
        for part in self._engine.store.load_parts(wanted):
            self._known[part.part_id] = self._look(part)

    def find(self, part_id: int) -> Customer | None:
        """Return the customer of a part that was looked up, None where nothing of it may be read."""
        return self._known[part_id]

    def _look(self, part: Part) -> Customer | None:
        customer = self._engine.customers.home_of(part)
        own = customer.parts.get(part.part_id)
        is_proven = any(not part.claimed for part in customer.parts.values())
        if own is None or (own.claimed and is_proven):
            return None
        consents = customer.total(self._engine.plan).consents
        if is_restricted(consents):
            # Not even for what a law obliges: an analysis is no such thing.
            return None
        return customer if self._bases.hold(self._entity, self._purpose, consents) else None


def _read_events(engine: Engine, readable: _Readable, lens: Lens, *, after: int) -> HistoryPage:
    stored = engine.store.load_events(after=after, limit=ROWS_MAX)
    readable.look_up(one.part_id for one in stored)
    rows = []
    for one in stored:
        customer = readable.find(one.part_id)
        if customer is None:
            continue
        consents = customer.total(engine.plan).consents
        row = lens.read(one.sequence, customer.customer_id, one.event, consents)
        if row is not None:
            rows.append(row)
    return HistoryPage(
        events=tuple(rows),
        after=stored[-1].sequence if stored else after,
        is_last=len(stored) < ROWS_MAX,
    )


def _read_decisions(engine: Engine, readable: _Readable, *, after: int) -> HistoryPage:
    end = engine.store.next_decision_id()
    last = min(after + ROWS_MAX, end - 1)
    found = [engine.store.read_decision(number) for number in range(after + 1, last + 1)]
    stored = [row for row in found if row is not None]
    readable.look_up(row.part_id for row in stored)
    rows = []
    for row in stored:
        customer = readable.find(row.part_id)
        if customer is None:
            continue
        decision = decode_trace(row.trace)
        rows.append(
            DecisionRead(
                decision_id=row.decision_id,
                customer=customer.customer_id,
                decided_at=format_instant(row.decided_at),
                placement=row.placement,
                brand_version=decision.brand_version,
                chosen=tuple(one.action for one in decision.chosen),
                reasons={
                    one.action: code_of(one.reason) for one in decision.considered if one.reason
                },
            )
        )
    return HistoryPage(decisions=tuple(rows), after=max(last, after), is_last=last >= end - 1)


def entity_of(brand: Brand, *, purpose: str, entity: str) -> str:
    """Return the legal entity for which history is read: the named one, or the only one.

    Raises:
        NotFoundError: there is no such purpose or legal entity.
    """
    entities = brand.brand.legal_entities
    if purpose not in brand.consent.purposes:
        known = ", ".join(sorted(brand.consent.purposes))
        raise NotFoundError(f"there is no purpose {purpose!r}; consent.yaml has {known}")
    if not entity and len(entities) == 1:
        return next(iter(entities))
    if entity not in entities:
        message = (
            f"say for which legal entity it is read: {', '.join(sorted(entities))}"
            if not entity
            else f"there is no legal entity {entity!r}"
        )
        raise NotFoundError(message)
    return entity


def _note_reading(
    engine: Engine, wanted: HistoryWanted, entity: str, count: int, *, actor: str, now: int
) -> None:
    detail: dict[str, Any] = {
        "purpose": wanted.purpose,
        "entity": entity,
        "what": wanted.what,
        "fields": list(wanted.fields),
        "personal": wanted.personal,
        "after": wanted.after,
        "count": count,
    }
    if wanted.because:
        detail["because"] = wanted.because
    note_operator(
        engine.store, "staff_access", actor=actor, verb="read_history", detail=detail, now=now
    )
