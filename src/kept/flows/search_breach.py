"""Find out whom a breach touched, in bounded pieces: what was planted, shown, handed over, looked at.

Each piece is one transaction and notes how far it came, so that a search goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from kept.core.brand.load import read_brand
from kept.core.brand.model import Brand
from kept.core.breach import (
    BreachRecord,
    BreachStep,
    Certainty,
    Finding,
    How,
    Span,
    Stage,
    add_step,
    add_touch,
)
from kept.core.consent import CONSENT_EVENTS
from kept.core.data_map.given import Given
from kept.core.data_map.readers import CONSENTS, IDENTIFIER_PREFIX, address_fields
from kept.core.data_map.sharing import PULLED
from kept.core.decision import OUTBOUND, Decision
from kept.core.event import MESSAGE_LEAVING, SOURCE_SELF, Event
from kept.core.fold.compile import matches
from kept.core.fold.fold import FoldPlan
from kept.core.scopes import TRAIT_PREFIX
from kept.core.values import HOUR
from kept.flows.breach_records import find_findings, load_breach, note_finding, save_breach
from kept.flows.disclosures import kept_since, read_disclosure
from kept.flows.engine import Engine, decode_trace
from kept.flows.react import react
from kept.flows.revoke_compromised import AUDIT_MAX, is_by
from kept.ports import StoredEvent
from kept.ports_access import AuditEntry

PIECE: Final = 500
"""How many records one piece reads, so that nobody else waits for long."""
_SLACK: Final = HOUR
"""How far before the instant the search begins: clocks may have been set back a little."""
_DECIDED: Final = "decision"
"""Stands for what was decided of a customer, where an answer said no more than that."""
_EVERYTHING: Final = "everything that was held"
_MASKED: Final = frozenset({"find_customer"})
"""What shows a customer masked, as far as the audit's verbs tell."""


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """What the search looks for."""

    sources: frozenset[str]
    """Sources whose answers and pulls count."""
    planted_by: str
    """The source whose events count, empty for none."""
    channels: frozenset[str]
    """Channels whose messages count."""
    actors: tuple[str, ...] = ()
    """How the audit calls the member of staff whose looks count."""


def suspect_of(brand: Brand, record: BreachRecord) -> Suspect:
    """Return what a search for a breach looks for."""
    sources = brand.sources.sources
    channels = brand.consent.channels
    if record.kind == "source":
        pulled = sources[record.name].pulls if record.name in sources else ()
        return Suspect(
            sources=frozenset({record.name}),
            planted_by=record.name,
            channels=frozenset(pulled),
        )
    if record.kind == "recipient":
        own = frozenset(n for n, source in sources.items() if source.recipient == record.name)
        ways = {n for n, channel in channels.items() if channel.recipient == record.name}
        ways |= {name for source in own for name in sources[source].pulls}
        return Suspect(sources=own, planted_by="", channels=frozenset(ways))
    return Suspect(sources=frozenset(), planted_by="", channels=frozenset(), actors=record.actors)


def plan_search(engine: Engine, record: BreachRecord) -> tuple[tuple[Span, ...], tuple[str, ...]]:
    """Return what must be read to find out whom a breach touched, and what cannot be known exactly."""
    store, since = engine.store, record.since - _SLACK
    suspect = suspect_of(engine.bundle.brand, record)
    if suspect.actors:
        return (Span(stage="audit", after=0, end=1),), _staff_limits(engine, record)
    last_event, last_decision = store.last_sequence(), store.next_decision_id() - 1
    last_disclosure = store.last_dossier_number("disclosure")
    decided = _bisect(last_decision, lambda n: _decision_at(engine, n), since)
    spans = []
    if suspect.planted_by or suspect.channels:
        after = _heard_by(engine, decided)
        spans.append(Span(stage="events", after=after, end=last_event))
    if suspect.sources:
        spans.append(Span(stage="decisions", after=decided, end=last_decision))
        after = _bisect(last_disclosure, lambda n: _disclosure_at(engine, n), since)
        spans.append(Span(stage="disclosures", after=after, end=last_disclosure))
    limits = []
    began = kept_since(store)
    if suspect.sources and record.since < began:
        limits.append(
            "Before this version of Kept, who asked and who fetched was not recorded: whoever was "
            "answered or fetched then is counted, at most."
        )
        if any(engine.bundle.brand.sources.sources[s].suppressions for s in suspect.sources):
            limits.append(
                "Which suppressions were told before then is not recorded, and nobody is counted."
            )
    return tuple(span for span in spans if span.after < span.end), tuple(limits)


def _staff_limits(engine: Engine, record: BreachRecord) -> tuple[str, ...]:
    """Return what the audit does not say of what a member of staff saw."""
    read = [
        entry.detail
        for entry in engine.store.read_audit(newest=AUDIT_MAX)
        if entry.at >= record.since
        and entry.verb == "read_history"
        and is_by(entry.actor, record.actors)
    ]
    limits = ["What was looked at before looks were recorded one by one is not known."]
    if read:
        count = sum(int(detail.get("count", 0)) for detail in read)
        purposes = ", ".join(sorted({str(detail.get("purpose", "")) for detail in read}))
        limits.append(
            f"{count} rows of history were read for {purposes}; the audit says which, and not whose."
        )
    return tuple(limits)


def search_piece(engine: Engine, number: int, now: int) -> bool:
    """Read one more piece; return whether there is more to read."""
    _, record = load_breach(engine.store, number)
    if not record.spans:
        found = add_step(record, BreachStep(at=now, what="found"))
        save_breach(engine, number, found, state="found")
        engine.tell("breach_found", breach=number)
        engine.given.clear()
        return False
    span, *rest = record.spans
    search = _Search(engine, number, record, now)
    reached = search.read(span)
    search.save()
    left = (msgspec.structs.replace(span, after=reached), *rest) if reached < span.end else rest
    read = record.read + reached - span.after
    going_on = msgspec.structs.replace(record, spans=tuple(left), read=read)
    save_breach(engine, number, going_on, state="searching")
    return True


class _Search:
    """One piece of a search: touches by customer, saved together."""

    def __init__(self, engine: Engine, number: int, record: BreachRecord, now: int) -> None:
        self._engine = engine
        self._number = number
        self._record = record
        self._now = now
        self._suspect = suspect_of(engine.bundle.brand, record)
        self._touched: dict[int, Finding] = {}
        self._began = kept_since(engine.store)

    def read(self, span: Span) -> int:
        """Read a piece of a span; return up to where."""
        stages: dict[Stage, Callable[[Span], int]] = {
            "events": self._read_events,
            "decisions": self._read_decisions,
            "disclosures": self._read_disclosures,
            "audit": self._read_audit,
        }
        return stages[span.stage](span)

    def save(self) -> None:
        """Keep what was found of each customer, and take back what may not be said to them now."""
        engine = self._engine
        for part_id, finding in self._touched.items():
            parts = engine.store.load_parts([part_id])
            if not parts:
                continue
            customer = engine.customers.home_of(parts[0])
            note_finding(engine, customer, self._number, finding, self._now)
            react(engine, customer, self._now)

    def _touch(
        self, part_id: int, how: How, fields: Iterable[str], at: int, certainty: Certainty = "exact"
    ) -> None:
        engine, named = self._engine, sorted(set(fields))
        parts = engine.store.load_parts([part_id])
        if not named or not parts:
            return
        customer = engine.customers.home_of(parts[0])
        key = customer.own_part
        finding = self._touched.get(key)
        if finding is None:
            known = [one for _, one in find_findings(engine, customer, self._number)]
            finding = known[0] if known else Finding()
        self._touched[key] = add_touch(finding, how, named, at, certainty=certainty)

    # -- what came, and what went

    def _read_events(self, span: Span) -> int:
        limit = min(PIECE, span.end - span.after)
        stored = self._engine.store.load_events(after=span.after, limit=limit)
        for one in stored:
            if one.sequence <= span.end:
                self._read_event(one)
        return min(stored[-1].sequence, span.end) if len(stored) == limit else span.end

    def _read_event(self, stored: StoredEvent) -> None:
        event, record = stored.event, self._record
        if event.received_at < record.since:
            return
        if event.source == self._suspect.planted_by:
            fields = fields_told(self._engine.plan, event)
            self._touch(stored.part_id, "planted", fields, event.received_at)
        elif event.name == MESSAGE_LEAVING and event.source == SOURCE_SELF:
            channel = str(event.properties.get("channel", ""))
            if channel in self._suspect.channels:
                self._read_leaving(stored, channel)

    def _read_leaving(self, stored: StoredEvent, channel: str) -> None:
        engine, told = self._engine, stored.event.properties
        at = stored.event.occurred_at
        declared = engine.bundle.brand.consent.channels.get(channel)
        is_pulled = declared is not None and declared.adapter in PULLED
        if is_pulled and at >= self._began:
            # Who fetched it is recorded.
            return
        message = engine.store.load_message(str(told.get("message_id", "")))
        fields = self._fields_of(str(told.get("action", "")), channel)
        certainty: Certainty = "at_most"
        if message is not None and message.state == "delivered" and not is_pulled:
            certainty = "exact"
        self._touch(stored.part_id, "message", fields, at, certainty)

    # -- what was answered

    def _read_decisions(self, span: Span) -> int:
        end = min(span.after + PIECE, span.end)
        for number in range(span.after + 1, end + 1):
            row = self._engine.store.read_decision(number)
            if row is None or row.decided_at < self._record.since or not row.part_id:
                continue
            self._read_decision(row.part_id, decode_trace(row.trace))
        return end

    def _read_decision(self, part_id: int, decision: Decision) -> None:
        request = decision.request
        certainty: Certainty = "exact"
        if not request.source:
            is_asked = request.outside is not None or request.placement != OUTBOUND
            if not is_asked or decision.decided_at >= self._began:
                return
            certainty = "at_most"
        elif request.source not in self._suspect.sources:
            return
        fields = self._fields_answered(decision)
        self._touch(part_id, "answer", fields, decision.decided_at, certainty)

    def _fields_answered(self, decision: Decision) -> set[str]:
        request = decision.request
        if request.outside is not None:
            return {CONSENTS}
        given = self._given_by(decision.brand_version)
        fields = {
            f"{TRAIT_PREFIX}{given.called if name == 'name' else name}" for name in request.revealed
        }
        if not request.source and request.is_proven:
            placement = self._engine.bundle.brand.brand.placements.get(request.placement)
            fields |= {f"{TRAIT_PREFIX}{n}" for n in (placement.asks if placement else ())}
        for chosen in decision.chosen:
            fields |= given.by(chosen.action, "")
        return fields | ({_DECIDED} if decision.chosen or request.actions else set())

    # -- what was fetched

    def _read_disclosures(self, span: Span) -> int:
        limit = min(PIECE, span.end - span.after)
        rows = self._engine.store.load_dossiers(
            "disclosure", after=(span.after, 1 << 62), limit=limit
        )
        for row in rows:
            if row.number > span.end or row.at < self._record.since:
                continue
            told = read_disclosure(row)
            if told.source not in self._suspect.sources:
                continue
            if told.what == "suppressions":
                self._read_suppressions(told.source, told.after, told.upto, row.at)
                continue
            fields = {f for shown in told.shown for f in self._fields_of(*shown)}
            self._touch(row.part_id, told.what, fields, row.at)
        return min(rows[-1].number, span.end) if len(rows) == limit else span.end

    def _read_suppressions(self, source: str, after: int, upto: int, at: int) -> None:
        declared = self._engine.bundle.brand.sources.sources.get(source)
        spaces = declared.told_namespaces if declared is not None else ()
        fields = {CONSENTS, *(f"{IDENTIFIER_PREFIX}{space}" for space in spaces)}
        for notice in self._engine.store.load_notices(after=after, limit=upto - after):
            if notice.notice_id <= upto:
                self._touch(notice.part_id, "suppressions", fields, at)

    # -- what staff looked at

    def _read_audit(self, span: Span) -> int:
        for entry in self._engine.store.read_audit(newest=AUDIT_MAX):
            if entry.at >= self._record.since and is_by(entry.actor, self._suspect.actors):
                for part_id, fields in _seen_in(entry):
                    self._touch(part_id, "unmasked", fields, entry.at)
        return span.end

    # -- what is given

    def _fields_of(self, action: str, channel: str) -> frozenset[str]:
        """Return what a message gives away: its text, its address, and its object's key."""
        brand = self._engine.bundle.brand
        given = self._given_by(brand.version).by(action, channel)
        declared = brand.consent.channels.get(channel)
        address = address_fields(brand, declared.address) if declared is not None else frozenset()
        about = brand.actions[action].about if action in brand.actions else ""
        return given | address | ({f"{about}.key"} if about else frozenset())

    def _given_by(self, version: str) -> Given:
        known = self._engine.given
        given = known.get(version)
        if given is None:
            brand = self._engine.bundle.brand
            if version != brand.version:
                row = self._engine.store.load_brand(version)
                brand = read_brand(row.texts).brand if row is not None else brand
            given = known[version] = Given(brand)
        return given


def fields_told(plan: FoldPlan, event: Event) -> set[str]:
    """Return the fields that an event sets, or names."""
    fields = {f"{IDENTIFIER_PREFIX}{one.namespace}" for one in event.identifiers}
    fields |= {f"{TRAIT_PREFIX}{name}" for name in event.traits if name in plan.traits}
    for step in plan.objects.get(event.name, ()):
        if not step.where or matches(step.where, event.properties):
            fields |= {f"{step.kind}.{one.field}" for one in step.fields} | {f"{step.kind}.key"}
    for feature in (*plan.by_event.get(event.name, ()), *plan.any_event):
        if not feature.where or matches(feature.where, event.properties):
            fields.add(feature.name)
    if event.name in CONSENT_EVENTS or "gpc" in event.context:
        fields.add(CONSENTS)
    return fields


def _seen_in(entry: AuditEntry) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield whose values an entry of the audit says that somebody saw, and which."""
    detail = entry.detail
    everything = f"{_EVERYTHING}, masked" if entry.verb in _MASKED else _EVERYTHING
    fields = tuple(detail.get("fields") or (everything,))
    parts = detail.get("parts") or [detail.get("part") or detail.get("customer") or 0]
    for part_id in parts:
        if part_id:
            yield int(part_id), fields


def _bisect(last: int, at_of: Callable[[int], int], since: int) -> int:
    """Return the number after which all records of `since` and later lie."""
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        if at_of(middle + 1) < since:
            low = middle + 1
        else:
            high = middle
    return low


def _heard_by(engine: Engine, decision_id: int) -> int:
    """Return the newest event that was known to the last decision of before; 0 where there is none.

    Events are not in the order in which they were received: one that was quarantined stands where
    it was taken after all. Decisions are in the order in which they were made.
    """
    row = engine.store.read_decision(decision_id) if decision_id else None
    return decode_trace(row.trace).heard_through if row is not None else 0


def _decision_at(engine: Engine, number: int) -> int:
    """Return when the first decision from this number on was made of those that are still kept."""
    after = number - 1
    while rows := engine.store.read_sealed_decisions(after=after, limit=1):
        (row,) = rows
        if row.trace is not None:
            return decode_trace(row.trace).decided_at
        after = row.decision_id
    return 1 << 62


def _disclosure_at(engine: Engine, number: int) -> int:
    found = engine.store.load_dossiers("disclosure", after=(number - 1, 1 << 62), limit=1)
    return found[0].at if found else 1 << 62
