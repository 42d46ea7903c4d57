"""The working set: customers in memory, each with its parts' states, loaded on demand, written behind.

Only the writer thread touches it. What it holds is ahead of the stored states by the events after
the mark; it is dropped whole when a commit fails, and loaded again from what is durable.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kept.core.consent import CONSENT_EVENTS
from kept.core.decision import Decision
from kept.core.event import Event, Identifier
from kept.core.facts import View
from kept.core.fold.fold import (
    OWN_EVENTS,
    FoldPlan,
    decode_state,
    encode_state,
    fold_event,
    fold_features,
    sum_states,
)
from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.core.rules import Findings, Policy
from kept.core.state import State
from kept.flows.guard import MissingStop
from kept.ports import StateRow, Store

NAMES_MAX: Final = 200_000
CACHED_MAX: Final = 60_000
"""How many customers stay in memory."""
_NOTHING: Final = State()
_EMPTY_STATE: Final = encode_state(_NOTHING)


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A customer's answer in force: the decision, what it rests on, and until when it may stand."""

    decision: Decision
    findings: Findings | None
    """None where the decision rests on what is merely claimed as well."""
    until: int
    """The first instant at which it must be decided anew, whatever the conditions say."""
    wakes_at: int
    """When somebody must look again, whatever the conditions say: the first of the reasons against
    something ends, or the answer does."""
    is_waiting: bool
    """Whether it waits for what announces itself to nobody: a brake that is lifted, a source."""


class Customer:
    """One customer in memory: parts, their states, and the sum that decisions read."""

    __slots__ = (
        "_attached", "_restricting", "_total", "_twins", "applied", "customer_id", "findings",
        "identifiers", "joined_at", "links", "messages", "own_part", "parts", "standing", "states",
        "turn", "view", "wake_at",
    )  # fmt: skip

    def __init__(
        self,
        customer_id: int,
        parts: dict[int, Part],
        states: dict[int, State],
        applied: dict[int, int],
        links: dict[tuple[int, int, str], int],
        messages: dict[str, Message],
    ) -> None:
        """Take what was loaded."""
        self.customer_id = customer_id
        self.parts = parts
        self.states = states
        self.applied = applied
        self.links = links
        self.messages = messages
        self.identifiers: dict[str, str] = {}
        for part in parts.values():
            if not part.claimed:
                self.identifiers.setdefault(part.identifier.namespace, part.identifier.value)
        proven = [part.part_id for part in parts.values() if not part.claimed]
        self._attached = [part_id for part_id in parts if part_id not in proven] if proven else []
        known = {part.identifier for part in parts.values() if not part.claimed}
        self._twins = [part_id for part_id in self._attached if parts[part_id].identifier in known]
        # What we do ourselves must count for the whole customer, which a claim never does.
        self.own_part = min(proven or parts, default=0)
        self.joined_at = _joined_at(parts, links)
        self._total: State | None = None
        self._restricting: State | None = None
        self.view = View()
        self.standing: Standing | None = None
        """The answer in force; None where something happened that only a decision can judge."""
        self.findings: tuple[int, Findings] | None = None
        """What all conditions came to, and when, until something happens that they may read."""
        self.turn: tuple[Policy, int] | None = None
        """When a condition of a policy next turns by the passing of time, or has turned already."""
        self.wake_at = 0

    def total(self, plan: FoldPlan) -> State:
        """Return the state of the whole customer, without what is merely claimed."""
        if self._total is None:
            full = self._only_full_part()
            if full is not None:
                self._total = self.states[full]
            else:
                # Summing uses states up, so that copies are summed.
                copies = {key: decode_state(encode_state(s)) for key, s in self.states.items()}
                self._total, self._restricting = sum_states(
                    plan,
                    [s for key, s in copies.items() if key not in self._attached],
                    [copies[key] for key in self._attached],
                    twins=[decode_state(encode_state(self.states[key])) for key in self._twins],
                    joined_at=self.joined_at,
                )
        return self._total

    def _only_full_part(self) -> int | None:
        """Return the one part to which anything happened: its state is that of the whole.

        Most customers have several identifiers, and all of their events fall to the strongest.
        """
        if self._attached and len(self.states) > 1:
            return None
        full = [part_id for part_id, state in self.states.items() if state != _NOTHING]
        if len(full) > 1:
            return None
        return full[0] if full else next(iter(self.states))

    def restricting(self, plan: FoldPlan) -> State | None:
        """Return the state that also holds what attached parts add; None without such parts."""
        self.total(plan)
        return self._restricting

    def fold(self, plan: FoldPlan, part_id: int, event: Event, sequence: int) -> None:
        """Fold an event into its part, and into the sum where that is not the same state."""
        state = self.states[part_id]
        fold_event(plan, state, event)
        self.applied[part_id] = sequence
        if self._total is None or self._total is state:
            return
        if any(self._total is each for each in self.states.values()):
            # It was the only part with anything in it, and is no longer.
            self.forget_sum()
            return
        is_attached = part_id in self._attached
        if (
            event.name in CONSENT_EVENTS
            or "gpc" in event.context
            or (is_attached and event.name in OWN_EVENTS)
        ):
            # What consents and claims mean for the whole depends on which part said it.
            self.forget_sum()
            return
        if not is_attached:
            fold_event(plan, self._total, event)
        elif part_id in self._twins:
            fold_features(plan, self._total, event)
        if self._restricting is not None:
            fold_event(plan, self._restricting, event)

    def forget_sum(self) -> None:
        """Compute the sum anew when it is next wanted."""
        self._total = self._restricting = self.standing = self.findings = None
        self.view = View()


class Customers:
    """All customers, as far as they are in memory, and which of them must still be written."""

    def __init__(self, store: Store, plan: FoldPlan) -> None:
        """Begin empty."""
        self._store = store
        self.plan = plan
        self._by_id: OrderedDict[int, Customer] = OrderedDict()
        self._homes: dict[int, Customer] = {}
        self._parts: dict[tuple[Identifier, bool], Part] = {}
        self.named: dict[tuple[tuple[Identifier, ...], int], tuple[Part, int]] = {}
        """Identifiers as an event names them, and how many are vouched for -> the part that it falls
        to, and the event time from which on it says nothing new about who is who."""
        self._dirty: OrderedDict[int, int] = OrderedDict()
        self.touched: dict[int, Customer] = {}
        """Customers whose wake must be computed anew, by id."""
        self.imported: dict[int, Customer] = {}
        """Customers whose history came in and is not settled yet, by id."""
        self.looked_at = 0
        """Whom timed work looks at; that stands where looking fails."""
        self.set_aside: dict[int, int] = {}
        """Who could not be looked at -> until when that is not tried again (see `tick`)."""
        self.returned_at = 0
        """Until when somebody was forgotten who begins anew; whoever takes it up sets it back to 0."""
        self.awaited: Mapping[bytes, Sequence[MissingStop]] = {}
        """Lookup key of somebody whom the store did not know when it was opened -> what they withdrew
        after the backup that it comes from."""
        self.arrived: list[tuple[Part, MissingStop]] = []
        """What those withdrew who became known; whoever takes it up clears the list."""
        self.reloaded_count = 0
        """How often a customer in memory had been changed by another node."""
        self.regrouped_count = 0
        """How often customers were made anew, so that one that was looked up may be gone."""
        self.unfollowed_count = 0
        """How often evidence led to more parts than are followed, so that who is who stayed as it was."""
        self.regrouped: list[Customer] = []
        """Customers as they were before they were regrouped, where one of them ever spoke of consent
        or has a closed address; whoever takes them up clears the list."""

    @property
    def dirty_count(self) -> int:
        """Return how many parts' states are ahead of what is stored."""
        return len(self._dirty)

    def find_part(self, identifier: Identifier, *, claimed: bool) -> Part | None:
        """Return an identifier's part, None if it was never seen."""
        part = self._parts.get((identifier, claimed))
        if part is None:
            part = self._store.find_parts([(identifier, claimed)])[0]
            if part is not None:
                self._parts[identifier, claimed] = part
        return part

    def add_part(self, identifier: Identifier, *, claimed: bool) -> Part:
        """Begin a part, which begins a customer."""
        part = self._store.add_part(identifier, claimed=claimed, customer_id=None)
        self._parts[identifier, claimed] = part
        customer = Customer(
            part.part_id, {part.part_id: part}, {part.part_id: State()}, {part.part_id: 0}, {}, {}
        )
        self._keep(customer)
        stone = self._store.find_tombstone(identifier, claimed=claimed)
        if stone is not None:
            self.returned_at = max(self.returned_at, stone.until)
        if self.awaited:
            # What was withdrawn before they were forgotten is forgotten too.
            since = 0 if stone is None else stone.until
            waiting = self.awaited.get(self._store.lookup_key(identifier, claimed=claimed), ())
            self.arrived += [(part, one) for one in waiting if one.stop.occurred_at >= since]
        return part

    def is_set_aside(self, customer_id: int, now: int) -> bool:
        """Return whether timed work passes over a customer just now."""
        return self.set_aside.get(customer_id, 0) > now

    def get(self, customer_id: int) -> Customer:
        """Return a customer, loaded if need be."""
        customer = self._by_id.get(customer_id)
        if customer is not None:
            self._by_id.move_to_end(customer_id)
            return customer
        parts = {part.part_id: part for part in self._store.load_customer(customer_id)}
        customer = self._load(customer_id, parts)
        self._keep(customer)
        return customer

    def look_at(self, customer_id: int) -> Customer:
        """Return a customer to be read only: whoever is not in memory is not kept there either."""
        customer = self._by_id.get(customer_id)
        if customer is not None:
            return customer
        parts = {part.part_id: part for part in self._store.load_customer(customer_id)}
        return self._load(customer_id, parts)

    def home_of(self, part: Part) -> Customer:
        """Return the customer that a part belongs to now."""
        home = self._homes.get(part.part_id)
        if home is not None:
            # Reading it keeps it: what is least recently used goes first.
            self._by_id.move_to_end(home.customer_id)
            return home
        return self.get(part.customer_id)

    def _load(self, customer_id: int, parts: dict[int, Part]) -> Customer:
        part_ids = list(parts)
        rows = self._store.load_states(part_ids)
        links = self._store.load_links(part_ids) if len(part_ids) > 1 else []
        return make_customer(
            customer_id, parts, rows, links, self._store.load_open_messages(part_ids)
        )

    def _keep(self, customer: Customer) -> None:
        self._by_id[customer.customer_id] = customer
        for part in customer.parts.values():
            self._homes[part.part_id] = customer
            self._parts[part.identifier, part.claimed] = part

    def remember_name(
        self, named: tuple[tuple[Identifier, ...], int], part: Part, newest_at: int
    ) -> None:
        """Remember that a later event which names somebody in this way is no new evidence."""
        if len(self.named) >= NAMES_MAX:
            self.named.clear()
        self.named[named] = (part, newest_at)

    def mark_dirty(self, part_id: int, sequence: int) -> None:
        """Note that a part's state holds an event that the stored state does not."""
        self._dirty.setdefault(part_id, sequence)

    def note_changed(self, customer: Customer) -> None:
        """Note that something of a customer changed that others may hold in memory: here, nobody does."""

    def own_parts(self, part_ids: Collection[int]) -> bool:
        """Lock everybody whom parts belong to; return whether anybody was not locked before."""
        return False

    def hold(self, customer_ids: Iterable[int]) -> set[int]:
        """Return which of these customers are nobody else's just now: all of them, where nobody else is."""
        return set(customer_ids)

    def regroup(self, groups: Iterable[frozenset[int]], links: Iterable[Link]) -> list[Customer]:
        """Take up a new grouping of parts; return the customers that changed."""
        linked = _first_seen(links)
        changed = []
        for members in groups:
            current = {self._homes[m].customer_id if m in self._homes else 0 for m in members}
            home = self._homes.get(min(members))
            if (
                len(current) == 1
                and home is not None
                and set(home.parts) == members
                and home.customer_id == min(members)
            ):
                # The same people as before; only the evidence grew.
                home.links |= _links_of(members, linked)
                joined_at = _joined_at(home.parts, home.links)
                if joined_at != home.joined_at:
                    # Evidence that came late shows that they were one earlier than was known.
                    home.joined_at = joined_at
                    home.forget_sum()
                continue
            changed.append(members)
        return self._rebuild(changed, linked)

    def _rebuild(
        self, groups: list[frozenset[int]], linked: dict[tuple[int, int, str], int]
    ) -> list[Customer]:
        states: dict[int, State] = {}
        applied: dict[int, int] = {}
        parts: dict[int, Part] = {}
        messages: list[Message] = []
        before: list[Customer] = []
        was_imported = False
        concerned = {self._homes[part_id].customer_id for members in groups for part_id in members}
        for customer_id in concerned:
            old = self._by_id.pop(customer_id)
            self.touched.pop(customer_id, None)
            was_imported |= self.imported.pop(customer_id, None) is not None
            states |= old.states
            applied |= old.applied
            parts |= old.parts
            messages += old.messages.values()
            before.append(old)
        if any(state.consents or state.closed_addresses for state in states.values()):
            self.regrouped += before
        rebuilt = []
        self.regrouped_count += 1
        self.named.clear()
        for members in groups:
            customer_id = min(members)
            moved = [m for m in sorted(members) if parts[m].customer_id != customer_id]
            if moved:
                self._store.move_parts(moved, customer_id=customer_id)
            own = {
                m: Part(
                    part_id=m,
                    customer_id=customer_id,
                    identifier=parts[m].identifier,
                    claimed=parts[m].claimed,
                )
                for m in sorted(members)
            }
            customer = Customer(
                customer_id,
                own,
                {m: states[m] for m in own},
                {m: applied[m] for m in own},
                _links_of(members, linked),
                {m.message_id: m for m in messages if m.part_id in members},
            )
            self._keep(customer)
            (self.imported if was_imported else self.touched)[customer_id] = customer
            rebuilt.append(customer)
        return rebuilt

    def flush(self, limit: int) -> int:
        """Write the states that waited longest, at most `limit`; return how many were written."""
        if not self._dirty:
            return 0
        rows: list[StateRow] = []
        while self._dirty and len(rows) < limit:
            part_id, _ = self._dirty.popitem(last=False)
            customer = self._homes[part_id]
            rows.append(
                StateRow(
                    part_id=part_id,
                    applied_sequence=customer.applied[part_id],
                    state=encode_state(customer.states[part_id]),
                )
            )
        mark = min(self._dirty.values()) - 1 if self._dirty else self._store.last_sequence()
        self._store.save_states(rows, mark=mark)
        return len(rows)

    def forget(self, customer: Customer) -> None:
        """Let go of a customer without storing anything: the parts are being erased, or moved."""
        self.touched.pop(customer.customer_id, None)
        self.imported.pop(customer.customer_id, None)
        self.named.clear()
        for part_id in customer.parts:
            self._dirty.pop(part_id, None)
        self._drop(customer)

    def _drop(self, customer: Customer) -> None:
        self._by_id.pop(customer.customer_id, None)
        for part in customer.parts.values():
            if self._homes.get(part.part_id) is customer:
                del self._homes[part.part_id]
            self._parts.pop((part.identifier, part.claimed), None)

    def evict(self) -> None:
        """Let go of the least recently used customers that are stored in full."""
        surplus = len(self._by_id) - CACHED_MAX
        if surplus <= 0:
            return
        for customer in list(self._by_id.values())[: surplus + CACHED_MAX // 50]:
            if (
                customer.customer_id in self.touched
                or customer.customer_id in self.imported
                or any(part_id in self._dirty for part_id in customer.parts)
            ):
                continue
            self._drop(customer)

    def take_plan(self, plan: FoldPlan) -> None:
        """Fold by another plan from now on; sums are computed anew."""
        self.plan = plan
        for customer in self._by_id.values():
            customer.forget_sum()

    def forget_standing(self) -> None:
        """Forget every standing answer, because the brand or a control changed."""
        for customer in self._by_id.values():
            customer.standing = customer.findings = None


def make_customer(
    customer_id: int,
    parts: dict[int, Part],
    rows: Iterable[StateRow],
    links: Iterable[Link],
    messages: Iterable[Message],
) -> Customer:
    """Return a customer made of what was loaded of them."""
    states = {part_id: decode_state(_EMPTY_STATE) for part_id in parts}
    applied = dict.fromkeys(parts, 0)
    for row in rows:
        states[row.part_id] = decode_state(row.state)
        applied[row.part_id] = row.applied_sequence
    waiting = {message.message_id: message for message in messages}
    return Customer(customer_id, parts, states, applied, _first_seen(links), waiting)


def _joined_at(parts: Collection[int], links: Mapping[tuple[int, int, str], int]) -> int:
    """Return since when evidence has held these parts together; more of it later changes nothing."""
    root = {part_id: part_id for part_id in parts}
    joined_at = 0
    for (part_a, part_b, evidence), first_at in sorted(links.items(), key=lambda link: link[1]):
        if evidence not in ("alias", "vouched") or part_a not in root or part_b not in root:
            continue
        low, high = sorted((root[part_a], root[part_b]))
        if low != high:
            joined_at = first_at
            root = {part_id: low if each == high else each for part_id, each in root.items()}
    return joined_at


def _first_seen(links: Iterable[Link]) -> dict[tuple[int, int, str], int]:
    return {(link.part_a, link.part_b, link.evidence): link.first_at for link in links}


def _links_of(
    members: frozenset[int], linked: dict[tuple[int, int, str], int]
) -> dict[tuple[int, int, str], int]:
    return {
        key: first_at for key, first_at in linked.items() if key[0] in members or key[1] in members
    }
