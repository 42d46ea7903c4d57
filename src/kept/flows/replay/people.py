"""Who is who in a replay: parts begin and join as they did in the record, and are folded."""

from typing import Any

import msgspec

from kept.core.event import Event
from kept.core.fold.fold import folding_again, keep_consents
from kept.core.identity import Part
from kept.core.state import State
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.replay.occasions import Occasion
from kept.flows.replay.played import Component
from kept.flows.resolve import resolve, take_evidence


class People:
    """The customers of one component."""

    def __init__(self, engine: Engine, store: Any, component: Component) -> None:
        """Take a `stores.ReplayStore` in which nobody is known yet."""
        self._engine = engine
        self._store = store
        self._parts = {part.part_id: part for part in component.parts}

    def home(self, part_id: int) -> Customer | None:
        """Return the customer that a part belongs to now, None where it was not seen yet."""
        part = self._store.find_part(part_id)
        return None if part is None else self._engine.customers.home_of(part)

    def list_all(self) -> list[Customer]:
        """Return every customer that there is."""
        homes = {id(home): home for part_id in self._parts if (home := self.home(part_id))}
        return list(homes.values())

    def resolve(self, part_id: int, event: Event) -> None:
        """Take up who an event names, as far as the record could."""
        engine = self._engine
        known = engine.customers.named.get((event.identifiers, event.vouched_count))
        if known is not None and event.occurred_at >= known[1]:
            return
        knows_of = self._store.knows_of
        kept = [
            (position < event.vouched_count, identifier)
            for position, identifier in enumerate(event.identifiers)
            if knows_of(identifier, claimed=position >= event.vouched_count)
        ]
        if len(kept) < len(event.identifiers):
            event = msgspec.structs.replace(
                event,
                identifiers=tuple(identifier for _, identifier in kept),
                vouched_count=sum(is_vouched for is_vouched, _ in kept),
            )
        if event.identifiers:
            resolve(engine.customers, engine.store, event, engine.bundle.namespaces)

    def fold(self, part_id: int, event: Event, *, silent: bool) -> Customer:
        """Fold an event into its part, and return whose it is."""
        part = self._know(part_id)
        if part is None:
            raise AssertionError(f"part {part_id} has events and is no part of the record")
        customer = self._engine.customers.home_of(part)
        self._engine.fold(customer, part_id, event, silent=silent)
        return customer

    def fold_again(self) -> None:
        """Fold everything anew: the facts of the brand in force are others."""
        plan = folding_again(self._engine.plan)
        for customer in self.list_all():
            for part_id, known in customer.states.items():
                customer.states[part_id] = State()
                keep_consents(customer.states[part_id], known)
            customer.forget_sum()
        for part_id, event, sequence in self._store.folded:
            home = self.home(part_id)
            if home is not None:
                home.fold(plan, part_id, event, sequence)

    def join(self, occasion: Occasion) -> list[Customer]:
        """Take up what an operator said of who is who; return the customers that changed."""
        link = occasion.link
        if link is None:
            return []
        for part_id in (link.part_a, link.part_b):
            self._know(part_id)
        engine = self._engine
        return take_evidence(engine.customers, engine.store, [link], engine.bundle.namespaces)

    def _know(self, part_id: int) -> Part | None:
        """Return a part, begun where no event named it before: an operator did."""
        known: Part | None = self._store.find_part(part_id)
        if known is None and part_id in self._parts:
            part = self._parts[part_id]
            known = self._engine.customers.add_part(part.identifier, claimed=part.claimed)
        return known
