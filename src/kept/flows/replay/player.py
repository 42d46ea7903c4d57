"""Play what happened to connected customers again, through the flows that a server runs.

What does not depend on the policy is taken from the record: what was heard and when, who asked,
what operators did, how providers answered, and at which instants the record looked at somebody.
Everything else is made anew: facts, decisions, messages, and the instants at which time alone
changes something.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from kept.core.decision import Decision, Request
from kept.core.event import (
    APPROVAL_DECIDED,
    CHANNEL_CLOSED,
    CONTACT_REPORTED,
    HISTORY_TAKEN,
    MESSAGE_LEAVING,
    MESSAGE_SETTLED,
    Event,
)
from kept.core.message import WITHDRAWABLE_STATES, Accepted, Message
from kept.core.notices import breach_of
from kept.core.standing import distinct_reasons
from kept.core.values import MINUTE, NEVER
from kept.flows.customers import Customer
from kept.flows.deliver import begin, settle
from kept.flows.engine import Engine, standing_of
from kept.flows.import_events import settle_history
from kept.flows.react import react
from kept.flows.replay.approvals import is_use, note_approval
from kept.flows.replay.compare import Comparison
from kept.flows.replay.control import Control
from kept.flows.replay.fates import ANSWERS, Fates
from kept.flows.replay.occasions import Occasion, kind_of
from kept.flows.replay.people import People
from kept.flows.replay.played import (
    Answered,
    Component,
    Period,
    Played,
)
from kept.flows.replay.policies import Policies
from kept.flows.replay.questions import Questions, numbers_of
from kept.flows.replay.recount import recount
from kept.flows.tick import schedule, wake
from kept.ports import Store

LATE_MAX: Final = 10 * MINUTE
"""A look of the record within this of the instant at which it was due takes its place."""
_SECRET: Final = b"a replay is played by nobody outside"
_decode: Final = msgspec.msgpack.Decoder(Decision).decode


class Player:
    """Plays one component after the other on one engine."""

    def __init__(self, store: Any, policies: Policies, *, period: Period, follows: bool) -> None:
        """Take a `stores.ReplayStore`, what decides, and when.

        Args:
            follows: the policy is the recorded one: each decision is compared with the record.
        """
        self._store = store
        self._period = period
        self._follows = follows
        bundle = policies.brand_at(period.since)
        self._engine = Engine(
            cast("Store", store), bundle, secret=_SECRET, public_url="https://kept.example"
        )
        self._engine.keeps_records = False
        self._engine.keep_decision = self._keep
        self._played = Played()
        self._component = Component(
            parts=(), occasions=(), messages={}, dossiers=(), own_events=(), traces={}
        )
        self._fates = Fates(self._engine, store, {})
        self._index = 0
        self._now = 0
        self._comparison: Comparison | None = None
        self._people = People(self._engine, store, self._component)
        self._questions = Questions(self._engine, store, self._fates, self._people)
        self._heard: set[int] = set()
        """Parts that events of a request are about, of which more may follow."""
        self._control = Control(self._engine, policies, follows=follows)
        self._is_looked = False
        self._is_looking = False

    def play(self, component: Component) -> Played:
        """Play a component; nothing of another one is left."""
        self._begin(component)
        occasions = component.occasions
        since, until = self._period.since, self._period.until
        count = len(occasions)
        index = 0
        while index < count and occasions[index].now < since:
            self._index = index
            self._warm_up(occasions[index])
            index += 1
        self._open_doors()
        while index < count and occasions[index].now < until:
            occasion = occasions[index]
            self._index = index
            self._let_pass(occasion.now)
            self._now = occasion.now
            self._take(occasion)
            index += 1
            if index == count or occasions[index].now > self._now:
                schedule(self._engine, self._now)
        self._index = index
        self._let_pass(min(until, self._period.ends_at + 1))
        if self._comparison is not None:
            self._played.differences = self._comparison.end()
        for occasion in occasions[index:]:
            # Whether somebody may be read of is asked by what they said last.
            self._fold_quietly(occasion)
        return self._end()

    # -- beginning and end

    def _begin(self, component: Component) -> None:
        engine, store = self._engine, self._store
        self._component = component
        store.clear(component.parts, component.own_events, component.dossiers)
        self._played = Played()
        self._fates = Fates(engine, store, component.messages, since=self._period.since)
        store.on_message = self._fates.note_new
        self._comparison = Comparison(component, self._period) if self._follows else None
        self._now = self._period.since
        engine.shadow = False
        self._control.begin(self._now)
        self._people = People(engine, store, component)
        self._questions = Questions(engine, store, self._fates, self._people)
        self._questions.traces = component.traces

    def _end(self) -> Played:
        played = self._played
        played.messages = self._store.messages
        played.kept_alike = self._fates.kept_alike
        played.unknown = self._fates.unknown + self._questions.unknown
        self._engine.news.clear()
        self._engine.alerts.clear()
        return played

    @property
    def people(self) -> People:
        """Return who was played last, as they are at the end."""
        return self._people

    @property
    def engine(self) -> Engine:
        """Return the engine, for whoever looks at states."""
        return self._engine

    # -- before the period

    def _warm_up(self, occasion: Occasion) -> None:
        """Fold what happened before the period, and let the last answers before it stand."""
        if occasion.kind == "look" and self._is_last_before(occasion):
            customer = self._people.home(occasion.part_id)
            if customer is not None:
                self._now = occasion.now
                self._control.take(occasion, self._now, self._people, self._fates)
                self._stand(customer, occasion)
            return
        self._fold_quietly(occasion)

    def _is_last_before(self, occasion: Occasion) -> bool:
        occasions = self._component.occasions
        for index in range(self._index + 1, len(occasions)):
            later = occasions[index]
            if later.now >= self._period.since:
                break
            if later.kind == "look" and later.part_id == occasion.part_id:
                return False
        return True

    def _stand(self, customer: Customer, occasion: Occasion) -> None:
        engine, trace = self._engine, occasion.trace
        request = Request(open_messages=trace.request.open_messages)
        decision = engine.look(customer, request, occasion.now, decision_id=trace.decision_id)
        reasons = distinct_reasons(decision)
        customer.standing = standing_of(customer, decision, reasons, engine.bundle.policy)
        engine.note_evaluated(customer, occasion.now)

    def _fold_quietly(self, occasion: Occasion) -> None:
        if occasion.kind == "joined":
            self._join(occasion)
        elif occasion.stored is not None:
            stored = occasion.stored
            if occasion.kind == "heard":
                self._people.resolve(stored.part_id, stored.event)
            silent = stored.event.source in self._engine.plan.imports
            self._people.fold(stored.part_id, stored.event, silent=silent)
            if occasion.kind == "own":
                self._fates.note_before(stored.event)
            if stored.event.name == HISTORY_TAKEN:
                customer = self._people.home(stored.part_id)
                if customer is not None:
                    self._engine.customers.imported.pop(customer.customer_id, None)

    def _open_doors(self) -> None:
        """Let the period begin: messages that were open then are open, and everybody is scheduled."""
        since = self._period.since
        self._now = since
        self._control.pass_to(self._now, self._people, self._fates)
        for message in self._fates.open_at(since):
            customer = self._people.home(message.part_id)
            if customer is not None:
                self._engine.save_message(customer, message)
        schedule(self._engine, since)

    # -- the passing of time

    def _let_pass(self, until: int) -> None:
        """Do what falls due by itself before an instant."""
        store, engine, fates = self._store, self._engine, self._fates
        while True:
            wake_at, customer_id = store.next_wake()
            leaves_at, message = fates.next_departure() if fates.waiting else (NEVER, None)
            at = min(wake_at, leaves_at)
            if at >= until:
                return
            self._now = max(self._now, at)
            if message is not None and leaves_at <= wake_at:
                self._control.pass_to(self._now, self._people, self._fates)
                self._depart(message)
            else:
                self._wake(customer_id)
            schedule(engine, self._now)

    def _wake(self, customer_id: int) -> None:
        engine, store = self._engine, self._store
        (part,) = store.load_parts([customer_id])
        customer = engine.customers.home_of(part)
        self._control.pass_to(self._now, self._people, self._fates)
        self._played.counts["wakes"] += 1
        if not self._follows:
            if self._is_covered(customer):
                self._rest(customer, customer_id)
            else:
                wake(engine, [customer_id], {customer_id: part}, self._now)
            return
        # When the record looked is known. That it had to is seen by what stood before.
        self._rest(customer, customer_id)
        if engine.still_stands(customer, self._now):
            engine.customers.touched[customer.customer_id] = customer
        elif not self._is_covered(customer):
            self._played.counts["looks that the record did not make"] += 1

    def _rest(self, customer: Customer, customer_id: int) -> None:
        self._store.wakes.pop(customer_id, None)
        customer.wake_at = 0

    def _is_covered(self, customer: Customer) -> bool:
        """Return whether the record looks at a customer soon by itself, or did so too late."""
        occasions = self._component.occasions
        for index in range(self._index, len(occasions)):
            occasion = occasions[index]
            is_late = occasion.now > self._now + LATE_MAX
            if is_late and not self._follows:
                return False
            if occasion.kind != "look":
                continue
            # By then they may be one with another customer of the component.
            if self._follows or (occasion.part_id in customer.parts and not occasion.is_answer):
                return True
        # The record ends before it would have looked.
        return self._follows and self._now + LATE_MAX > self._period.ends_at

    def _depart(self, message: Message) -> None:
        """Hand over what the record says nothing of; that its provider takes it is assumed."""
        begun = begin(self._engine, message, self._now)
        if begun is not None:
            self._note_left(message)
            self._played.counts["assumed delivered"] += 1
            settle(self._engine, message.message_id, Accepted(), self._now)

    def _note_left(self, message: Message) -> None:
        home = self._people.home(message.part_id)
        if home is not None:
            self._played.violations += [
                (broken, message.action, message.part_id)
                for broken in recount(self._engine, home, message, self._now)
            ]

    # -- what happened

    def _take(self, occasion: Occasion) -> None:
        self._control.take(occasion, self._now, self._people, self._fates)
        match occasion.kind:
            case "heard":
                self._hear(occasion)
            case "own":
                self._take_own(occasion)
            case "joined":
                self._join(occasion)
            case "look":
                self._look(occasion)
            case "hand_over":
                self._hand_over(occasion)
            case "asked":
                self._questions.ask(occasion, self._now)
            case "outside":
                self._questions.ask_outside(occasion, self._now)
            case "other":
                self._questions.ask_otherwise(occasion, self._now)

    def _hear(self, occasion: Occasion) -> None:
        stored = occasion.stored
        if stored is None:
            return
        engine, event = self._engine, stored.event
        self._played.heard[stored.part_id] += 1
        is_told = event.name == CONTACT_REPORTED and event.event_key == stored.sequence
        # A tool asked, and its contact counts only if it was told yes.
        if is_told and not self._questions.may_report(stored.part_id):
            return
        silent = event.source in engine.plan.imports
        self._people.resolve(stored.part_id, event)
        customer = self._people.fold(stored.part_id, event, silent=silent)
        if silent or is_told:
            return
        standing = customer.standing
        if (
            standing is None
            or engine.bundle.policy.is_influenced_by(event.name)
            or self._now >= standing.until
        ):
            self._heard.add(stored.part_id)
        if self._heard and not self._goes_on(event):
            heard, self._heard = self._heard, set()
            for part_id in sorted(heard):
                home = self._people.home(part_id)
                if home is not None:
                    self._react(home)

    def _goes_on(self, event: Event) -> bool:
        """Return whether another event of the same request follows: whoever they are about is looked at once."""
        later = self._next()
        return (
            later is not None
            and later.kind == "heard"
            and later.event.received_at == event.received_at
            and later.event.source == event.source
        )

    def _next(self) -> Occasion | None:
        """Return what happens next at this instant, None where nothing does."""
        occasions, index = self._component.occasions, self._index + 1
        if index == len(occasions) or occasions[index].now > self._now:
            return None
        return occasions[index]

    def _following(self) -> Iterator[Occasion]:
        """Yield what else happens at this instant, in order."""
        occasions, now = self._component.occasions, self._now
        for index in range(self._index + 1, len(occasions)):
            if occasions[index].now > now:
                return
            yield occasions[index]

    def _react(self, customer: Customer) -> None:
        """React to what happened, unless the record's own look follows at once."""
        parts = customer.parts
        if self._next() is not None and any(
            later.kind == "look" and later.part_id in parts for later in self._following()
        ):
            return
        react(self._engine, customer, self._now)

    def _take_own(self, occasion: Occasion) -> None:
        stored = occasion.stored
        if stored is None:
            return
        event = stored.event
        if event.name == MESSAGE_SETTLED:
            self._settle(event.properties)
        elif event.name == HISTORY_TAKEN:
            self._settle_history(stored.part_id, event)
        elif event.name in ANSWERS:
            answer = self._fates.take_answer(event, stored.part_id)
            if answer is not None:
                self._react(self._people.fold(stored.part_id, answer, silent=False))
        elif event.name != MESSAGE_LEAVING and not is_use(event):
            self._take_word(stored.part_id, event)
        own = self._store.own_events
        while own and own[0][0] <= stored.sequence:
            own.popleft()

    def _settle_history(self, part_id: int, event: Event) -> None:
        customer = self._people.home(part_id)
        if customer is not None and customer.customer_id in self._engine.customers.imported:
            settle_history(self._engine, customer, event.received_at)

    def _take_word(self, part_id: int, event: Event) -> None:
        """Take what a customer, a person of the house or a provider said through Kept itself."""
        self._fates.note_refusal(event, part_id)
        if event.name == APPROVAL_DECIDED:
            note_approval(self._engine.store, event.properties)
        customer = self._people.fold(part_id, event, silent=False)
        # That an address takes no more shows when it is next needed.
        if event.name != CHANNEL_CLOSED:
            self._react(customer)

    def _settle(self, told: Mapping[str, Any]) -> None:
        """Let an attempt end; where a notice of a breach arrived, the customer is looked at again."""
        look = self._next()
        if look is None or look.kind != "look" or not breach_of(str(told.get("about", ""))):
            self._fates.settle(told, self._now)
            return
        with numbers_of(self._store, look) as ids:
            self._fates.settle(told, self._now)
            self._is_looked = not ids

    def _join(self, occasion: Occasion) -> None:
        for customer in self._people.join(occasion):
            if self._period.since <= occasion.now < self._period.until:
                self._react(customer)
        self._engine.note_regrouped(occasion.now)

    def _look(self, occasion: Occasion) -> None:
        customer = self._people.home(occasion.part_id)
        if self._is_looked or customer is None:
            self._is_looked = False
            return
        self._fates.heed(customer, occasion.traces[0].request.open_messages, self._now)
        if 0 < customer.wake_at <= self._now:
            self._rest(customer, customer.customer_id)
        with numbers_of(self._store, occasion) as ids:
            self._is_looking = True
            if occasion.takes_back:
                self._begin_hand_over(occasion)
            # Taking a message back looks at everything again by itself.
            if ids or not self._follows:
                self._look_at(customer)
            self._is_looking = False
        self._engine.customers.touched[customer.customer_id] = customer

    def _look_at(self, customer: Customer) -> None:
        if self._follows:
            # Whatever the record had forgotten by then, it decided anew.
            customer.standing = None
        react(self._engine, customer, self._now)

    def _hand_over(self, occasion: Occasion) -> None:
        with numbers_of(self._store, occasion):
            self._begin_hand_over(occasion)

    def _begin_hand_over(self, occasion: Occasion) -> None:
        request = occasion.traces[0].request
        message = self._fates.find(request.message_id)
        if message is None:
            return
        home = self._people.home(message.part_id)
        if home is not None:
            self._fates.heed(home, request.open_messages, self._now)
        message = self._store.load_message(message.message_id)
        if message.state in WITHDRAWABLE_STATES:
            begun = begin(self._engine, message, self._now)
            if begun is not None:
                self._note_left(message)

    # -- decisions

    def _keep(self, customer: Customer, decision: Decision) -> None:
        played = self._played
        decision_id = decision.decision_id
        played.decided[customer.customer_id] += 1
        cohort = decision.cohort or ""
        for one in decision.chosen:
            played.scores[decision_id, one.action, one.about] = one.score
        trace = cast("Any", decision)
        kind = kind_of(trace)
        if kind == "look" and not self._is_looking:
            # Silence is compared at the same moments on both sides.
            kind = "wake"
        if kind != "hand_over":
            played.answers.append(
                Answered(
                    at=decision.decided_at,
                    customer_id=customer.customer_id,
                    cohort=cohort,
                    kind=decision.request.placement if kind == "asked" else kind,
                    chosen=tuple((one.action, one.about) for one in decision.chosen),
                )
            )
        if self._comparison is not None:
            self._comparison.compare(decision, customer.customer_id)
