"""A stage for stories: the real flows in virtual time, with providers that behave as they are told.

It is set on any store, and for any number of nodes that share one.

Nothing here decides anything. Signals go through the same touchpoints, `tick` is the production's,
and what would go to a provider is kept in a list instead.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import msgspec

from kept.core.bundle import Bundle
from kept.core.event import Event, Identifier
from kept.core.feedback import Feedback
from kept.core.mapping import CompiledMapping
from kept.core.message import Accepted, Message, Outgoing, Postponed, SendResult, Unclear
from kept.core.touchpoint_item import Rejected, WireItem
from kept.core.unsubscribe import Unsubscribe
from kept.core.values import NEVER, format_instant
from kept.errors import InputError
from kept.flows import brake, deliver
from kept.flows.ask import Answer, ContactAnswer, ContactQuestion, Question, ask, ask_contact
from kept.flows.breach import work_on_breaches
from kept.flows.customers import Customer
from kept.flows.engine import Engine, Watched
from kept.flows.ingest import Ingested, ingest
from kept.flows.learn import learn, unsubscribe
from kept.flows.resolve import find_customer, separate
from kept.flows.sources import WRITTEN_EVERY
from kept.flows.tick import tick
from kept.flows.together import First, together
from kept.ports import Store

_SECRET: Final = b"a story is played by nobody outside"
STEPS_MAX: Final = 100_000
"""How often one passage of time may find something to do; more is a loop."""


class HandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its provider got it."""

    message: Message
    outgoing: Outgoing
    at: int
    customer_id: int


class Stage:
    """One brand, one clock, and everybody in the story."""

    def __init__(
        self,
        bundle: Bundle,
        store: Store,
        *others: Store,
        now: int,
        shadow: bool,
        watched: Collection[str] = (),
    ) -> None:
        """Set the stage; nobody is known yet.

        Args:
            bundle: the compiled brand.
            store: an empty store.
            others: what further nodes see the same store through; they hear and are asked in turn.
            now: the instant at which the story begins.
            shadow: decide and record, and send nothing.
            watched: sources whose silence is noticed; all others are taken to be alive.
        """
        stale_after = {name: bundle.stale_after[name] for name in watched}
        self._bundle = msgspec.structs.replace(bundle, stale_after=stale_after)
        self._shadow = shadow
        self.now = now
        self._nodes = [self._open(one) for one in (store, *others)]
        self.engine = self._nodes[0]
        """The node whose turn it is."""
        self.store = store
        self.handed_over: list[HandedOver] = []
        self.providers = dict.fromkeys(bundle.policy.channels, "up")
        # In a story the dialler and the app fetch at once whatever waits for them.
        self._channels = list(bundle.policy.channels)
        self._message_count = 0
        self._alerts_taken = [0 for _ in self._nodes]

    def _open(self, store: Store) -> Engine:
        engine = Engine(
            store,
            self._bundle,
            secret=_SECRET,
            public_url="https://kept.example",
            shadow=self._shadow,
        )
        engine.node_id = store.join("story")
        for source in self._bundle.stale_after:
            engine.heard_at[source] = self.now
        engine.keep_noted()
        return engine

    def transaction(self) -> AbstractContextManager[int]:
        """Open the one write transaction; whoever shares the store waits for their turn."""
        return together(self.engine, lambda _: self.now, first=First(alone=True))

    def _pass_on(self) -> None:
        """Let it be the next node's turn."""
        turn = self._nodes.index(self.engine) + 1
        self.engine = self._nodes[turn % len(self._nodes)]

    def take_alerts(self) -> list[str]:
        """Return the codes of what operators were told at any node since this was last asked."""
        codes: list[str] = []
        for place, node in enumerate(self._nodes):
            codes += [alert["code"] for alert in node.alerts[self._alerts_taken[place] :]]
            self._alerts_taken[place] = len(node.alerts)
        return codes

    # -- time

    def advance(self, until: int) -> None:
        """Let time pass, stopping wherever something falls due."""
        for _ in range(STEPS_MAX):
            next_at = min(self._next_due(), self._next_silence(), self._next_unclear())
            if next_at > until:
                break
            self.now = max(self.now, next_at)
            self.work()
        else:
            message = f"something keeps falling due at {format_instant(self.now)}"
            raise AssertionError(message)
        self.now = max(self.now, until)
        self.work()

    def _next_due(self) -> int:
        wakes = self.store.load_due_wakes(now=NEVER, limit=1)
        due = self.store.load_due_messages(now=NEVER, channels=self._channels, limit=1)
        return min((*(at for _, at in wakes), *(one.due_at for one in due)), default=NEVER)

    def _next_silence(self) -> int:
        engine = self.engine
        # Where several nodes could hear, one that heard has a moment to write it down.
        later = WRITTEN_EVERY if self.store.is_shared else 0
        silences = (
            max(node.heard_at[source] for node in self._nodes) + after + later + 1
            for source, after in engine.bundle.stale_after.items()
            if source not in engine.stale_sources
        )
        return min(silences, default=NEVER)

    def _next_unclear(self) -> int:
        leaving = self.store.load_messages_in(["leaving"], limit=1)
        return leaving[0].attempted_at + deliver.UNCLEAR_SETTLES_AFTER if leaving else NEVER

    def work(self) -> None:
        """Do what is due now, at one node after the other, until nothing is."""
        for _ in self._nodes:
            self._pass_on()
            self._work_here()

    def _work_here(self) -> None:
        # What is done once a second is done at each instant of a story.
        self.engine.watched = Watched()
        for _ in range(STEPS_MAX):
            with self.transaction():
                is_busy = work_on_breaches(self.engine, self.now)
                woken = tick(self.engine, self.now)
                begun = deliver.take_due(
                    self.engine, rooms=dict.fromkeys(self._channels, 100), now=self.now
                )
            for message, outgoing in begun:
                self._send(message, outgoing)
            # To look once more where nothing is due is many questions to a server.
            if not (begun or is_busy or (woken and self._next_due() <= self.now)):
                return

    def _send(self, message: Message, outgoing: Outgoing) -> None:
        result = self._answer_of(message.channel, message.message_id)
        if isinstance(result, Accepted):
            with self.transaction():
                customer = deliver.customer_of(self.engine, message)
            self.handed_over.append(
                HandedOver(
                    message=message,
                    outgoing=outgoing,
                    at=self.now,
                    customer_id=customer.customer_id,
                )
            )
        with self.transaction():
            deliver.settle(self.engine, message.message_id, result, self.now)

    def _answer_of(self, channel: str, message_id: str) -> SendResult:
        match self.providers[channel]:
            case "down":
                return Postponed(detail="the provider is down")
            case "garbage":
                return Unclear(detail="the provider answered garbage")
        return Accepted(provider_id=f"p-{message_id}")

    # -- what happens

    def signal(self, item: WireItem, *, source: str, body: Mapping[str, Any]) -> Ingested:
        """Hear one signal from a touchpoint; raises `InputError` where it would be quarantined."""
        event = self._read(item, source, body)
        if isinstance(event, Rejected):
            message = f"{source}: {event.detail}"
            raise InputError(message)
        self._pass_on()
        with self.transaction():
            done = ingest(self.engine, [event], [], source=source, now=self.now)
        if source not in self.engine.plan.imports:
            self.work()
        return done

    def _read(self, item: WireItem, source: str, body: Mapping[str, Any]) -> Event | Rejected:
        touchpoint = self.engine.bundle.touchpoints[self._known(source)]
        self._message_count += 1
        if body:
            document = {"body": dict(body), "headers": {}, "query": {}}
            for mapping in touchpoint.source.mappings:
                keys = touchpoint.keys_of.get(mapping.event, frozenset())
                compiled = CompiledMapping(mapping, object_keys=keys)
                if compiled.applies(document):
                    delivery_id = f"story-{self._message_count}"
                    mapped = compiled.read(document, delivery_id=delivery_id)
                    if isinstance(mapped, Rejected):
                        return mapped
                    return touchpoint.read(mapped, received_at=self.now)
            return Rejected(code="event.unmapped", detail="no mapping takes this payload")
        if item.message_id is None:
            item = msgspec.structs.replace(item, message_id=f"story-{self._message_count}")
        return touchpoint.read(item, received_at=self.now)

    def ask(self, question: Question, *, source: str) -> Answer:
        """Ask at a placement."""
        self._pass_on()
        with self.transaction():
            return ask(self.engine, question, source=self._known(source), now=self.now)

    def ask_contact(self, question: ContactQuestion, *, source: str) -> ContactAnswer:
        """Ask as a tool outside Kept."""
        self._pass_on()
        with self.transaction():
            return ask_contact(self.engine, question, source=self._known(source), now=self.now)

    def _known(self, source: str) -> str:
        known = self.engine.bundle.touchpoints
        if source not in known:
            message = (
                f"there is no source {source[:100]!r}; sources.yaml has {', '.join(sorted(known))}"
            )
            raise InputError(message)
        return source

    def pause(self, scope: str) -> None:
        """Put a brake on."""
        with self.transaction():
            brake.pause(self.engine, scope, actor="story", because="", now=self.now)

    def resume(self, scope: str) -> None:
        """Lift a brake."""
        with self.transaction():
            brake.resume(self.engine, scope, actor="story", now=self.now)
        self.work()

    def unmerge(self, one: Identifier, other: Identifier) -> None:
        """Say that two identifiers are different people."""
        customers = self.engine.customers
        with self.transaction():
            parts = [customers.find_part(each, claimed=False) for each in (one, other)]
            first, second = parts
            if first is None or second is None:
                message = f"{one} and {other} must both be known to be separated"
                raise InputError(message)
            separate(
                customers,
                self.engine.store,
                (first, second),
                self.engine.bundle.namespaces,
                now=self.now,
            )

    def feed_back(self, action: str, outcome: str, *, machine: bool, hard: bool) -> None:
        """Let a provider report on the newest message of an action."""
        found = [one for one in self.handed_over if one.message.action == action]
        if not found:
            message = f"there is no message of {action} to report on"
            raise InputError(message)
        message_of = found[-1].message
        with self.transaction():
            if outcome == "unsubscribed":
                told = Unsubscribe(
                    part_id=message_of.part_id,
                    entity=message_of.entity,
                    purpose=message_of.purpose,
                    channel=message_of.channel,
                    message_id=message_of.message_id,
                )
                unsubscribe(self.engine, told, self.now)
            else:
                self._message_count += 1
                feedback = msgspec.convert(
                    {
                        "outcome": outcome,
                        "message_id": message_of.message_id,
                        "machine": machine,
                        "hard": hard,
                        "occurrence": f"story-{self._message_count}",
                    },
                    Feedback,
                )
                learn(self.engine, feedback, channel=message_of.channel, now=self.now)
        self.work()

    def find(self, identifier: Identifier) -> Customer | None:
        """Return the customer that an identifier leads to."""
        with self.transaction():
            return find_customer(self.engine.customers, [(identifier, False), (identifier, True)])
