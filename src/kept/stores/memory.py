"""A store in memory, for stories and trials: the whole port, and nothing survives the process."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

import msgspec

from kept.core.event import Event, Identifier
from kept.core.identity import Link, Part
from kept.core.message import Message, MessageState
from kept.errors import StoreError
from kept.log_port import EventRow
from kept.ports import (
    BrandRow,
    DecisionRow,
    ErasedCounts,
    Quarantined,
    StateRow,
    StoredEvent,
)
from kept.ports_access import AuditEntry
from kept.stores.alone import Alone
from kept.stores.memory_access import MemoryAccess
from kept.stores.memory_dossiers import MemoryDossiers
from kept.stores.memory_history import MemoryHistory
from kept.stores.memory_log import MemoryLog
from kept.stores.memory_notices import MemoryNotices
from kept.stores.memory_requests import MemoryRequests, lookup_key


class MemoryStore(MemoryRequests, MemoryHistory, MemoryAccess, MemoryDossiers, MemoryNotices):
    """One brand's memory in plain dictionaries; implements `ports.Store`."""

    is_shared = False

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._claims: dict[int, set[int]] = {}
        self._last_sequence = 0
        self._last_part = 0
        self._by_identifier: dict[tuple[Identifier, bool], int] = {}
        self._members: dict[int, set[int]] = {}
        self._links: dict[tuple[int, int, str], Link] = {}
        self._linked: dict[int, set[tuple[int, int, str]]] = {}
        self._states: dict[int, StateRow] = {}
        self._wakes: dict[int, int] = {}
        self._last_decision_id = 0
        self._quarantine: dict[int, Quarantined] = {}
        self._brands: list[BrandRow] = []
        self._settings: dict[str, bytes] = {}
        self._guards: dict[bytes, None] = {}
        self._mark = 0
        self._take_log(MemoryLog(self._noted))
        self._take_alone(Alone(self))

    def _take_alone(self, alone: Alone) -> None:
        self.read_clock = alone.read_clock
        self.foresee_claims = alone.foresee_claims
        self.load_customers = alone.load_customers
        self.next_sequence = alone.next_sequence
        self.read_settled = alone.read_settled
        self.lock_customers = alone.lock_customers
        self.raise_versions = alone.raise_versions
        self.control_version = alone.control_version
        self.change_control = alone.change_control
        self.try_duty = alone.try_duty
        self.join = alone.join
        self.say_present = alone.say_present
        self.list_nodes = alone.list_nodes
        self.take_out = alone.take_out

    def _take_log(self, log: MemoryLog) -> None:
        self._forget_leaves = log.forget
        self.append_leaf = log.append_leaf
        self.log_size = log.log_size
        self.save_log_hash = log.save_log_hash
        self.save_checkpoint = log.save_checkpoint
        self.read_log_hashes = log.read_log_hashes
        self.read_leaves = log.read_leaves
        self.read_part_leaves = log.read_part_leaves
        self.read_checkpoints = log.read_checkpoints
        self.read_newest_checkpoint = log.read_newest_checkpoint
        self.load_witness = log.load_witness

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    # -- the stream

    def claim(self, event_key: int, *, hour: int) -> bool:
        """Return True and remember the key if this event was not seen yet within its hour."""
        keys = self._claims.setdefault(hour, set())
        if event_key in keys:
            return False
        self._noted(lambda: keys.discard(event_key))
        keys.add(event_key)
        return True

    def append_event(self, part_id: int, event: Event) -> int:
        """Add an event to the stream and return its sequence."""
        sequence = self._last_sequence + 1
        self._noted(lambda: setattr(self, "_last_sequence", sequence - 1))
        self._last_sequence = sequence
        stored = StoredEvent(sequence=sequence, part_id=part_id, event=event)
        self._put(self._events, sequence, stored)
        return sequence

    def last_sequence(self) -> int:
        """Return the sequence of the newest event, 0 if there is none."""
        return self._last_sequence

    def load_events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Return events in stream order from `after` (exclusive)."""
        if len(self._events) == self._last_sequence:
            places: Iterable[int] = range(after + 1, min(after + limit, self._last_sequence) + 1)
        else:
            places = sorted(sequence for sequence in self._events if sequence > after)[:limit]
        return [self._events[sequence] for sequence in places]

    def read_events(self, *, after: int, limit: int) -> list[EventRow]:
        """Return events in stream order from `after` (exclusive)."""
        return [
            EventRow(sequence=one.sequence, part_id=one.part_id, event=one.event)
            for one in self.load_events(after=after, limit=limit)
        ]

    def load_part_events(
        self, part_ids: Sequence[int], *, newest: int = 0, after: int = 0, limit: int = 0
    ) -> list[StoredEvent]:
        """Return events of these parts: all, the `newest`, or `limit` of them from `after` on."""
        wanted = set(part_ids)
        found = [one for _, one in sorted(self._events.items()) if one.part_id in wanted]
        if limit:
            return [one for one in found if one.sequence > after][:limit]
        return found[-newest:] if newest else found

    def forget_claims(self, *, from_hour: int = 0, before_hour: int, limit: int = 0) -> int:
        """Drop de-duplication keys of hours from one on and before another; return how many."""
        self._require_transaction()
        dropped = 0
        for hour in sorted(hour for hour in self._claims if from_hour <= hour < before_hour):
            keys = self._claims[hour]
            going = sorted(keys)[: limit - dropped if limit else None]
            for key in going:
                self._noted(lambda keys=keys, key=key: keys.add(key))  # type: ignore[misc]
                keys.discard(key)
            dropped += len(going)
        return dropped

    # -- identity

    def find_parts(self, wanted: Sequence[tuple[Identifier, bool]]) -> list[Part | None]:
        """Return the part of each (identifier, claimed), None where there is none yet."""
        found = (self._by_identifier.get(one) for one in wanted)
        return [None if part_id is None else self._parts[part_id] for part_id in found]

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found."""
        return lookup_key(identifier, claimed=claimed)

    def find_part_by_key(self, key: bytes) -> Part | None:
        """Return the part of a lookup key, None where there is none."""
        return self.find_parts([msgspec.msgpack.decode(key, type=tuple[Identifier, bool])])[0]

    def add_part(self, identifier: Identifier, *, claimed: bool, customer_id: int | None) -> Part:
        """Begin a part; without a customer it begins a customer whose id is the part's own."""
        part_id = self._last_part + 1
        self._noted(lambda: setattr(self, "_last_part", part_id - 1))
        self._last_part = part_id
        part = Part(
            part_id=part_id,
            customer_id=customer_id or part_id,
            identifier=identifier,
            claimed=claimed,
        )
        self._put(self._parts, part_id, part)
        self._put(self._by_identifier, (identifier, claimed), part_id)
        self._join(part_id, part.customer_id)
        return part

    def _join(self, part_id: int, customer_id: int) -> None:
        members = self._members.setdefault(customer_id, set())
        self._noted(lambda: members.discard(part_id))
        members.add(part_id)

    def load_customer(self, customer_id: int) -> list[Part]:
        """Return the parts of a customer in order of their ids."""
        return self.load_parts(sorted(self._members.get(customer_id, ())))

    def load_parts(self, part_ids: Sequence[int]) -> list[Part]:
        """Return these parts in order of their ids; unknown ids are left out."""
        known = sorted(part_id for part_id in set(part_ids) if part_id in self._parts)
        return [self._parts[part_id] for part_id in known]

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""
        keys = {key for part_id in part_ids for key in self._linked.get(part_id, ())}
        return sorted(self._links[key] for key in keys)

    def save_link(self, link: Link) -> None:
        """Remember evidence; of two with the same parts and kind, the earlier stays."""
        key = (link.part_a, link.part_b, link.evidence)
        known = self._links.get(key)
        if known is not None and known.first_at <= link.first_at:
            return
        self._put(self._links, key, link)
        for part_id in key[:2]:
            keys = self._linked.setdefault(part_id, set())
            if key not in keys:
                self._noted(lambda keys=keys: keys.discard(key))  # type: ignore[misc]
                keys.add(key)

    def move_parts(self, part_ids: Sequence[int], *, customer_id: int) -> None:
        """Regroup: these parts now belong to this customer."""
        self._require_transaction()
        for part in self.load_parts(part_ids):
            moved = msgspec.structs.replace(part, customer_id=customer_id)
            self._put(self._parts, part.part_id, moved)
            members = self._members.get(part.customer_id, set())
            self._noted(lambda m=members, p=part.part_id: m.add(p))  # type: ignore[misc]
            members.discard(part.part_id)
            self._join(part.part_id, customer_id)

    # -- derived state

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return the stored states of these parts; parts without one are left out."""
        return [
            self._states[part_id] for part_id in sorted(set(part_ids)) if part_id in self._states
        ]

    def save_states(self, rows: Sequence[StateRow], *, mark: int) -> None:
        """Write states, and the mark."""
        for row in rows:
            self._put(self._states, row.part_id, row)
        if mark > self._last_sequence:
            raise AssertionError(f"a mark of {mark} is beyond the stream")
        was = self._mark
        self._noted(lambda: setattr(self, "_mark", was))
        self._mark = max(mark, was)

    def load_mark(self) -> int:
        """Return the mark of the last `save_states`, 0 at first."""
        return self._mark

    def iterate_states(self, *, after: int, limit: int) -> list[StateRow]:
        """Return stored states in order of part ids, from `after` (exclusive)."""
        known = sorted(self._states)
        start = bisect.bisect_right(known, after)
        return [self._states[part_id] for part_id in known[start : start + limit]]

    # -- wake table

    def save_wakes(self, wakes: Iterable[tuple[int, int]]) -> None:
        """Set (customer_id, wake_at) pairs; a wake_at of 0 removes the customer's entry."""
        for customer_id, wake_at in wakes:
            if wake_at:
                self._put(self._wakes, customer_id, wake_at)
            else:
                self._drop(self._wakes, customer_id)

    def load_due_wakes(self, *, now: int, limit: int) -> list[tuple[int, int]]:
        """Return the earliest (customer_id, wake_at) pairs with wake_at <= now."""
        due = sorted((at, customer_id) for customer_id, at in self._wakes.items() if at <= now)
        return [(customer_id, at) for at, customer_id in due[:limit]]

    # -- messages

    def save_messages(self, messages: Sequence[Message]) -> None:
        """Insert or replace messages by their id."""
        for message in messages:
            self._note_ended(message)
            self._put(self._messages, message.message_id, message)

    def load_message(self, message_id: str) -> Message | None:
        """Return a message by its id."""
        return self._messages.get(message_id)

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""
        wanted = set(part_ids)
        found = [m for m in self._messages.values() if m.part_id in wanted and m.is_open]
        return sorted(found, key=_by_age)

    def load_due_messages(self, *, now: int, channels: Sequence[str], limit: int) -> list[Message]:
        """Return due queued messages and those whose lease has ended, earliest due first."""
        due = [
            message
            for message in self._messages.values()
            if message.channel in channels
            and (
                (message.state == "queued" and message.due_at <= now)
                or (message.state == "leased" and message.leased_until <= now)
            )
        ]
        return sorted(due, key=lambda m: (m.due_at, m.queued_at, m.message_id))[:limit]

    def load_messages_in(self, states: Sequence[str], *, limit: int) -> list[Message]:
        """Return messages in any of these states, oldest first."""
        found = [message for message in self._messages.values() if message.state in states]
        return sorted(found, key=_by_age)[:limit]

    def load_part_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return all messages of these parts, open or not, oldest first."""
        wanted = set(part_ids)
        return sorted((m for m in self._messages.values() if m.part_id in wanted), key=_by_age)

    def load_message_by_provider_id(self, channel: str, provider_id: str) -> Message | None:
        """Return the message that a provider's callback speaks of."""
        for message in self._messages.values():
            if provider_id and (message.channel, message.provider_id) == (channel, provider_id):
                return message
        return None

    # -- decisions, quarantine, audit, brands, settings

    def append_decision(
        self, *, part_id: int, decided_at: int, placement: str, trace: bytes, decision_id: int
    ) -> None:
        """Keep a decision."""
        if decision_id <= self._last_decision_id:
            raise AssertionError(f"decision {decision_id} comes after {self._last_decision_id}")
        was = self._last_decision_id
        self._noted(lambda: setattr(self, "_last_decision_id", was))
        self._last_decision_id = decision_id
        row = DecisionRow(
            decision_id=decision_id,
            part_id=part_id,
            decided_at=decided_at,
            placement=placement,
            trace=trace,
        )
        self._put(self._decisions, decision_id, row)

    def next_decision_id(self) -> int:
        """Return the id that the next decision shall have."""
        return self._last_decision_id + 1

    def quarantine(
        self, *, source: str, received_at: int, code: str, detail: str, payload: bytes
    ) -> int:
        """Keep an event that could not be taken; return its id."""
        quarantine_id = max(self._quarantine, default=0) + 1
        row = Quarantined(
            quarantine_id=quarantine_id,
            source=source,
            received_at=received_at,
            code=code,
            detail=detail,
            payload=payload,
        )
        self._put(self._quarantine, quarantine_id, row)
        return quarantine_id

    def set_quarantine_state(
        self, quarantine_id: int, state: Literal["held", "replayed", "dropped"]
    ) -> None:
        """Note what became of a quarantined event."""
        self._require_transaction()
        row = self._quarantine.get(quarantine_id)
        if row is not None:
            self._put(self._quarantine, quarantine_id, msgspec.structs.replace(row, state=state))

    def append_audit(self, *, at: int, actor: str, verb: str, detail: dict[str, Any]) -> int:
        """Keep what an operator did; return its id."""
        entry_id = len(self._audit) + 1
        entry = AuditEntry(entry_id=entry_id, at=at, actor=actor, verb=verb, detail=detail)
        self._add(self._audit, entry)
        return entry_id

    def save_brand(self, row: BrandRow) -> None:
        """Keep the texts of a brand folder that comes into force."""
        self._add(self._brands, row)

    def load_brand(self, version: str | None = None) -> BrandRow | None:
        """Return a brand by version, or the one last in force."""
        found = [row for row in self._brands if version in (None, row.version)]
        return max(reversed(found), key=lambda row: row.in_force_at, default=None)

    def list_brands(self) -> list[BrandRow]:
        """Return every brand that was in force, in the order in which they came into force."""
        return list(self._brands)

    def save_setting(self, name: str, value: bytes) -> None:
        """Keep a small named value."""
        self._put(self._settings, name, value)

    def load_setting(self, name: str) -> bytes | None:
        """Return a small named value."""
        return self._settings.get(name)

    def append_guard(self, record: bytes) -> None:
        """Keep a stop; twice is once."""
        if record not in self._guards:
            self._put(self._guards, record, None)

    def load_guard(self) -> list[bytes]:
        """Return no stop: nothing is ever restored, so none waits to be applied again."""
        return []

    # -- forgetting

    def erase_parts(self, part_ids: Sequence[int]) -> ErasedCounts:
        """Remove everything of these parts."""
        self._require_transaction()
        gone = set(part_ids)
        events = [key for key, stored in self._events.items() if stored.part_id in gone]
        decisions = [key for key, row in self._decisions.items() if row.part_id in gone]
        messages = [key for key, one in self._messages.items() if one.part_id in gone]
        for part in self.load_parts(part_ids):
            self._drop(self._wakes, part.customer_id)
            self._drop(self._by_identifier, (part.identifier, part.claimed))
            self._drop(self._parts, part.part_id)
            members = self._members[part.customer_id]
            self._noted(lambda m=members, p=part.part_id: m.add(p))  # type: ignore[misc]
            members.discard(part.part_id)
        for key in [key for key in self._links if gone & {key[0], key[1]}]:
            self._drop(self._links, key)
        for part_id in list(self._linked):
            linked = self._linked[part_id]
            self._put(self._linked, part_id, {key for key in linked if key in self._links})
        for sequence in events:
            self._drop(self._events, sequence)
        for decision_id in decisions:
            self._drop(self._decisions, decision_id)
        for message_id in messages:
            self._drop(self._messages, message_id)
        self._drop_notices(gone)
        for part_id in gone:
            self._drop(self._states, part_id)
        self._forget_leaves(gone)
        self._forget_accesses(gone)
        self._forget_dossiers(part_ids)
        return ErasedCounts(events=len(events), decisions=len(decisions), messages=len(messages))

    def erase_quarantined(self, quarantine_ids: Sequence[int]) -> None:
        """Remove quarantined events."""
        self._require_transaction()
        for quarantine_id in quarantine_ids:
            self._drop(self._quarantine, quarantine_id)

    # -- reads for people and pages

    def read_decision(self, decision_id: int) -> DecisionRow | None:
        """Return a stored decision."""
        return self._decisions.get(decision_id)

    def read_decisions(
        self, part_ids: Sequence[int], *, newest: int, before: int = 0
    ) -> list[DecisionRow]:
        """Return the newest decisions of these parts (with ids below `before`), newest first."""
        found = [
            row
            for row in self._decisions.values()
            if row.part_id in part_ids and (not before or row.decision_id < before)
        ]
        return sorted(found, key=lambda row: -row.decision_id)[:newest]

    def read_quarantine(self, *, after: int, limit: int) -> list[Quarantined]:
        """Return quarantined events in order of their ids."""
        return [row for key, row in sorted(self._quarantine.items()) if key > after][:limit]

    def read_audit(self, *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries, newest first."""
        return self._audit[::-1][:newest]

    def read_counts(self) -> dict[str, int]:
        """Return how many events, parts, customers, messages by state and quarantined there are."""
        counts = {
            "events": len(self._events),
            "parts": len(self._parts),
            "customers": sum(1 for members in self._members.values() if members),
            "decisions": len(self._decisions),
            "quarantined": sum(1 for row in self._quarantine.values() if row.state == "held"),
        }
        counts |= {f"messages.{state}": 0 for state in get_args(MessageState)}
        for message in self._messages.values():
            counts[f"messages.{message.state}"] += 1
        return counts

    def backup(self, path: str) -> Iterator[float]:
        """Refuse: there is nothing on a disk to copy."""
        message = f"a store in memory cannot be backed up to {path}"
        raise StoreError(message)


def _by_age(message: Message) -> tuple[int, str]:
    return (message.queued_at, message.message_id)
