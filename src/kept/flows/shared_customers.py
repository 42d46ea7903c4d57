"""The working set of a node that is one of several: what is in memory counts only under the lock.

The first touch of a customer in a transaction takes their lock and compares the version with that
of what is in memory; what another node changed is loaded anew. Which customer a part belongs to is
only a hint until then. With the commit every state that changed is stored, and whoever changed has
a new version; after a rollback everything that was touched is dropped.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final, Literal

from kept.core.event import Identifier
from kept.core.fold.fold import FoldPlan, encode_state
from kept.core.identity import Link, Part
from kept.errors import ContendedError
from kept.flows.customers import Customer, Customers, make_customer
from kept.ports import StateRow, Store

HINTS_MAX: Final = 5
"""How often a part may turn out to have moved on while its customer's lock is taken."""


class SharedCustomers(Customers):
    """All customers as far as they are in memory here, each verified once a transaction."""

    def __init__(self, store: Store, plan: FoldPlan) -> None:
        """Begin empty."""
        super().__init__(store, plan)
        self._versions: dict[int, int] = {}
        """Customer in memory -> the version that they have here."""
        self._locked: dict[int, int] = {}
        """Customer that is locked by this transaction -> their version before it."""
        self._changed: set[int] = set()
        self._names_of: defaultdict[int, list[tuple[tuple[Identifier, ...], int]]]
        self._names_of = defaultdict(list)

    # -- locks

    def prepare(
        self, wanted: Iterable[tuple[Identifier, bool]], first: Collection[int] = ()
    ) -> None:
        """Lock everybody whom identifiers lead to, all at once and in ascending order."""
        wanted = list(dict.fromkeys(wanted))
        unknown = [one for one in wanted if one not in self._parts]
        if unknown:
            found = zip(unknown, self._store.find_parts(unknown), strict=True)
            self._parts |= {one: part for one, part in found if part is not None}
        parts = [part for one in wanted if (part := self._parts.get(one)) is not None]
        self.lock({*first, *(self._hint(part) for part in parts)})

    def _hint(self, part: Part) -> int:
        home = self._homes.get(part.part_id)
        return part.customer_id if home is None else home.customer_id

    def lock(
        self, customer_ids: Collection[int], *, if_taken: Literal["wait", "skip"] = "wait"
    ) -> None:
        """Take the locks of customers, and load anew whom another node changed.

        Raises:
            ContendedError: another node holds one of them.
        """
        wanted = [each for each in customer_ids if each not in self._locked]
        if not wanted:
            return
        versions = self._store.lock_customers(wanted, if_taken=if_taken)
        self._locked |= versions
        stale = [each for each in wanted if self._versions.get(each) != versions.get(each)]
        self._load_anew(sorted(stale), versions)

    def hold(self, customer_ids: Iterable[int]) -> set[int]:
        """Lock whom no other node holds just now; return who of these is held."""
        wanted = set(customer_ids)
        self.lock(wanted, if_taken="skip")
        return {each for each in wanted if each in self._locked}

    def own_parts(self, part_ids: Collection[int]) -> bool:
        """Lock everybody whom parts belong to; return whether anybody was not locked before."""
        before = len(self._locked)
        parts = self._store.load_parts(sorted(part_ids))
        if len(parts) < len(part_ids):
            raise ContendedError("another node forgot somebody whom this is about")
        self.lock({part.customer_id for part in parts})
        for part in parts:
            self.home_of(part)
        return len(self._locked) > before

    def _load_anew(self, customer_ids: list[int], versions: dict[int, int]) -> None:
        for customer_id in customer_ids:
            old = self._by_id.get(customer_id)
            if old is not None:
                self.reloaded_count += 1
                self._drop(old)
        there = [each for each in customer_ids if each in versions]
        if not there:
            return
        members = {
            customer_id: {part.part_id: part for part in parts}
            for customer_id, parts in self._store.load_customers(there).items()
            if parts
        }
        home = {part_id: each for each, parts in members.items() for part_id in parts}
        part_ids = sorted(home)
        rows: dict[int, list[StateRow]] = {each: [] for each in members}
        for row in self._store.load_states(part_ids):
            rows[home[row.part_id]].append(row)
        messages = {each: [] for each in members}  # type: ignore[var-annotated]
        for message in self._store.load_open_messages(part_ids):
            messages[home[message.part_id]].append(message)
        many = sorted(part_id for part_id, each in home.items() if len(members[each]) > 1)
        links: dict[int, list[Link]] = {each: [] for each in members}
        for link in self._store.load_links(many) if many else ():
            for each in {home[end] for end in (link.part_a, link.part_b) if end in home}:
                links[each].append(link)
        for each, parts in members.items():
            self._keep(make_customer(each, parts, rows[each], links[each], messages[each]))
            self._versions[each] = versions[each]

    # -- what the flows ask

    def get(self, customer_id: int) -> Customer:
        """Return a customer under their lock; of whom nothing is left has no parts."""
        self.lock([customer_id])
        customer = self._by_id.get(customer_id)
        if customer is None:
            return Customer(customer_id, {}, {}, {}, {}, {})
        self._by_id.move_to_end(customer_id)
        return customer

    def look_at(self, customer_id: int) -> Customer:
        """Return a customer to be read only, under their lock as well."""
        return self.get(customer_id)

    def home_of(self, part: Part) -> Customer:
        """Return the customer that a part belongs to now, under their lock.

        Raises:
            ContendedError: another node forgot the part, or moves it again and again.
        """
        part_id = part.part_id
        for _ in range(HINTS_MAX):
            customer = self.get(self._hint(part))
            if part_id in customer.parts:
                return customer
            self._homes.pop(part_id, None)
            found = self._store.load_parts([part_id])
            if not found:
                self._forget_hint(part)
                raise ContendedError("another node forgot whom this is about")
            part = found[0]
        raise ContendedError("other nodes regroup these people", customers=[part.customer_id])

    def _forget_hint(self, part: Part) -> None:
        self._parts.pop((part.identifier, part.claimed), None)
        for name in self._names_of.pop(part.part_id, ()):
            self.named.pop(name, None)

    def add_part(self, identifier: Identifier, *, claimed: bool) -> Part:
        """Begin a part, which begins a customer; nobody else sees them before the commit."""
        self._parts.pop((identifier, claimed), None)
        part = super().add_part(identifier, claimed=claimed)
        self._locked[part.customer_id] = self._versions[part.customer_id] = 0
        self._changed.add(part.customer_id)
        return part

    def remember_name(
        self, named: tuple[tuple[Identifier, ...], int], part: Part, newest_at: int
    ) -> None:
        """Remember that a later event which names somebody in this way is no new evidence."""
        super().remember_name(named, part, newest_at)
        if len(self.named) == 1:
            self._names_of.clear()
        self._names_of[part.part_id].append(named)

    def mark_dirty(self, part_id: int, sequence: int) -> None:
        """Note that a part's state holds an event that the stored state does not."""
        super().mark_dirty(part_id, sequence)
        self._changed.add(self._homes[part_id].customer_id)

    def note_changed(self, customer: Customer) -> None:
        """Note that something of a customer changed that others may hold in memory."""
        self._changed.add(customer.customer_id)

    def regroup(self, groups: Iterable[frozenset[int]], links: Iterable[Link]) -> list[Customer]:
        """Take up a new grouping of parts; return the customers that changed."""
        groups = list(groups)
        # Whoever is made of them must be ours before they are made.
        self.lock({min(members) for members in groups})
        before = {self._homes[each].customer_id for members in groups for each in members}
        changed = super().regroup(groups, links)
        after = {min(members) for members in groups}
        for customer_id in after - set(self._locked):
            # No row of theirs was there to be locked: it is written with this transaction.
            self._locked[customer_id] = 0
        self._changed |= before | after
        return changed

    def forget(self, customer: Customer) -> None:
        """Let go of a customer without storing anything: the parts are being erased, or moved."""
        super().forget(customer)
        self._changed.add(customer.customer_id)

    def _drop(self, customer: Customer) -> None:
        super()._drop(customer)
        self._versions.pop(customer.customer_id, None)
        for part_id in customer.parts:
            for name in self._names_of.pop(part_id, ()):
                self.named.pop(name, None)

    # -- the end of a transaction

    def save_all(self) -> None:
        """Store every state that changed, and give whoever changed a new version."""
        rows = []
        for part_id in self._dirty:
            home = self._homes[part_id]
            state = encode_state(home.states[part_id])
            applied = home.applied[part_id]
            rows.append(StateRow(part_id=part_id, applied_sequence=applied, state=state))
        self._dirty.clear()
        if rows:
            # Nothing is left to be folded again, so that no mark says from where on.
            self._store.save_states(rows, mark=0)
        if not self._changed <= self._locked.keys():
            raise AssertionError(f"changed without a lock: {self._changed - self._locked.keys()}")
        if self._changed:
            self._store.raise_versions(sorted(self._changed))

    def note_committed(self) -> None:
        """Count what is in memory on: it is what was just made durable."""
        for customer_id in self._changed:
            if customer_id in self._by_id:
                self._versions[customer_id] = self._locked[customer_id] + 1
            else:
                self._versions.pop(customer_id, None)
        self._end()
        self.evict()

    def note_rolled_back(self) -> None:
        """Drop whoever was touched: they are ahead of what is durable."""
        for customer_id in self._locked:
            customer = self._by_id.get(customer_id)
            if customer is not None:
                self._drop(customer)
            # Whoever was merged into another is in memory no more, and is there as before.
            self._versions.pop(customer_id, None)
        self.touched.clear()
        self.imported.clear()
        self._dirty.clear()
        self.regrouped = []
        self.arrived = []
        self.returned_at = 0
        self._end()

    def _end(self) -> None:
        self._locked.clear()
        self._changed.clear()
