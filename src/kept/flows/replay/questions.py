"""Ask again what touchpoints and tools asked: these questions do not depend on the policy."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from kept.core.consent import is_restricted
from kept.core.decision import Decision, Request
from kept.core.state import State
from kept.flows.ask import decide_here
from kept.flows.customers import Customer
from kept.flows.engine import Engine, open_messages_of
from kept.flows.replay.fates import Fates
from kept.flows.replay.occasions import Occasion
from kept.flows.replay.people import People

_decode: Final = msgspec.msgpack.Decoder(Decision).decode


@contextmanager
def numbers_of(store: Any, occasion: Occasion) -> Iterator[deque[int]]:
    """Let the decisions that are made inside have the ids that they have in the record."""
    ids = store.decision_ids = deque(trace.decision_id for trace in occasion.traces)
    try:
        yield ids
    finally:
        store.decision_ids = deque()


class Questions:
    """Asks for one component."""

    def __init__(self, engine: Engine, store: Any, fates: Fates, people: People) -> None:
        """Take what a replay works on, with a `stores.ReplayStore`."""
        self._engine = engine
        self._store = store
        self._fates = fates
        self._people = people
        self.traces: Mapping[int, bytes] = {}
        """Decision -> its whole trace."""
        self.unknown: Counter[tuple[int, str]] = Counter()
        """What cannot be known, by whom it is about and what it is."""
        self._may_report = False

    def ask(self, occasion: Occasion, now: int) -> None:
        """Ask at a placement."""
        engine, request = self._engine, occasion.trace.request
        placement = engine.bundle.policy.placements.get(request.placement)
        customer = self._asked(occasion, now)
        if placement is None or customer is None:
            self.unknown[occasion.part_id, "questions at placements that are gone"] += 1
            return
        with numbers_of(self._store, occasion):
            if placement.kind != "gate" and is_restricted(customer.total(engine.plan).consents):
                asked = Request(placement=request.placement, source=request.source)
                engine.decide(customer, asked, now)
                return
            asked = Request(
                placement=request.placement,
                is_proven=request.is_proven,
                actions=request.actions,
                about=request.about,
                source=request.source,
            )
            decide_here(engine, customer, asked, now)

    def ask_outside(self, occasion: Occasion, now: int) -> None:
        """Ask as a tool outside Kept, which contacts the customer only if it may."""
        request = occasion.trace.request
        customer = self._asked(occasion, now)
        if customer is None:
            return
        asked = Request(
            outside=request.outside,
            open_messages=open_messages_of(customer),
            message_id=request.message_id,
            source=request.source,
        )
        with numbers_of(self._store, occasion):
            decision = self._engine.decide(customer, asked, now)
        self._may_report = bool(decision.chosen)
        if self._may_report and not occasion.trace.chosen:
            self.unknown[occasion.part_id, "contacts of tools that would have been allowed"] += 1

    def may_report(self, part_id: int) -> bool:
        """Return whether the contact that a tool reports was allowed just now."""
        may, self._may_report = self._may_report, False
        if not may:
            self.unknown[part_id, "contacts of tools that would have been refused"] += 1
        return may

    def ask_otherwise(self, occasion: Occasion, now: int) -> None:
        """Decide what was decided for a person who approves."""
        customer = self._asked(occasion, now)
        if customer is None:
            return
        request = occasion.trace.request
        if request.placement not in self._engine.bundle.policy.placements:
            return
        asked = msgspec.structs.replace(request, open_messages=open_messages_of(customer))
        with numbers_of(self._store, occasion):
            self._engine.decide(customer, asked, now)

    def _asked(self, occasion: Occasion, now: int) -> Customer | None:
        """Return the customer whom a question is about; of nobody nothing is known."""
        if occasion.part_id:
            customer = self._people.home(occasion.part_id)
            if customer is not None:
                self._fates.heed(customer, occasion.trace.request.open_messages, now)
            return customer
        state = State()
        # Whom nobody knows may have been forgotten; then all that can be refused counts as refused.
        facts = _decode(self.traces[occasion.trace.decision_id]).facts
        state.consents.update(facts.consents)
        return Customer(0, {}, {0: state}, {}, {}, {})
