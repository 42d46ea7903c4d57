"""A whole brand at work in virtual time: people, touchpoints, providers and crashes, all out of one seed.

The world only acts and takes notes. What the notes must show is in `judge.py`, which does not ask
the engine what it thinks. A process dies by `WorldEndedError` in the middle of a transaction, or by
its engine being dropped between two steps of a hand-over.
"""

import random  # noqa: TID251 - every world is made of a given seed
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from kept.core.event import Identifier
from kept.core.feedback import Feedback
from kept.core.message import (
    Accepted,
    Message,
    Outgoing,
    Postponed,
    Refused,
    SendResult,
    Unclear,
)
from kept.core.touchpoint_item import Rejected, WireItem
from kept.core.values import DAY, HOUR, MINUTE, SECOND, format_instant
from kept.errors import ConflictError
from kept.flows import brake, deliver
from kept.flows.ask import Answer, ContactQuestion, Question, ask, ask_contact
from kept.flows.engine import Engine
from kept.flows.ingest import Ingested, ingest
from kept.flows.learn import learn
from kept.flows.recover import recover
from kept.flows.regroup import merge, unmerge
from kept.flows.tick import housekeep, tick
from kept.ports import Store, StoredEvent
from tests.scenario.larkmead import compile_larkmead
from tests.scenario.sayings import CHANNELS, SAYINGS

START: Final = 1_772_442_000_000_000
"""2026-03-02T09:00:00Z, a Monday; the clocks change within the month."""
PEOPLE: Final = 4


class WorldEndedError(Exception):
    """The process dies here."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One call as the provider's own log has it."""

    step: int
    at: int
    message: Message
    outgoing: Outgoing
    arrived: bool
    """Whether the customer got it; a call that was refused or cut off before reached nobody."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """One commit of `leaving`, with who the customer was at that moment."""

    step: int
    at: int
    message: Message
    part_ids: frozenset[int]
    sequence: int
    """The newest event when it was decided again."""
    zone_told: str | None
    silent: tuple[str, ...]
    brakes: tuple[str, ...]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One event that was answered with success."""

    step: int
    at: int
    event_key: int
    name: str
    part_ids: frozenset[int]
    stops_marketing: bool
    entity: str
    """The legal entity that it names, if any."""
    in_flight: frozenset[str]


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was forgotten: by these parts they were known."""

    step: int
    at: int
    sequence: int
    """The newest event at that moment."""
    part_ids: frozenset[int]
    identifiers: frozenset[Identifier]


class World:
    """One seed's world."""

    def __init__(self, seed: int, open_store: Callable[[], Store]) -> None:
        """Take a seed, and how to open the store (again)."""
        self.random = random.Random(seed)
        self.open_store = open_store
        self.now = START
        self.step = 0
        self.store = open_store()
        self.engine = self._open_engine()
        self.providers = dict.fromkeys(CHANNELS, "up")
        self.pending: list[tuple[Message, Outgoing]] = []
        """Hand-overs that were committed as leaving and have not reached their provider yet."""
        self.called: list[tuple[Message, SendResult]] = []
        """Calls whose result was not told to the writer yet."""
        self.log: list[Received] = []
        self.left: list[Left] = []
        self.answered: list[Answered] = []
        self.erased: list[Erased] = []
        self.erased_events: list[StoredEvent] = []
        self.answers_differed: list[str] = []
        self.crashes = 0
        self._sent: list[tuple[str, WireItem]] = []
        self._item_count = 0

    # -- the process

    def _open_engine(self) -> Engine:
        engine = Engine(
            self.store,
            compile_larkmead(),
            secret=b"nobody outside of this world knows it",
            public_url="https://kept.example",
        )
        with self.store.transaction():
            recover(engine, self.now)
        for source in engine.bundle.stale_after:
            engine.heard_at.setdefault(source, self.now)
        return engine

    def crash(self) -> None:
        """Drop everything that is only in memory, and start again on what is durable."""
        self.crashes += 1
        # Calls that had begun may or may not arrive; nobody will hear of their results.
        for message, outgoing in self.pending:
            if self.random.random() < 0.5:
                self._call(message, outgoing)
        self.pending.clear()
        self.called.clear()
        self.store.close()
        self.store = self.open_store()
        self.engine = self._open_engine()

    def commit(self, job: Callable[[], Any], *, may_die: bool = True) -> Any:
        """Run a job in a transaction; now and then the process dies before it is durable."""
        dies = may_die and self.random.random() < 0.02
        try:
            with self.store.transaction():
                result = job()
                if dies:
                    raise WorldEndedError  # noqa: TRY301 - a crash has no better place
        except WorldEndedError:
            self.crash()
            return None
        return result

    def take_turn(self) -> None:
        """Let another process do what comes next, where there are several."""

    # -- what happens

    def run(self, steps: int) -> None:
        """Let the world go on for so many steps, and then come to rest."""
        doings: list[tuple[int, Callable[[], None]]] = [
            (30, self.say_something), (12, self.work), (14, self.call_provider),
            (12, self.report_result), (8, self.pass_time), (3, self.ask_everywhere),
            (2, self.change_providers), (2, self.pull_brake), (2, self.say_again),
            (2, self.feed_back), (1, self.crash), (1, self.outside_contact), (1, self.regroup),
        ]  # fmt: skip
        weights = [weight for weight, _ in doings]
        for _ in range(steps):
            self.step += 1
            (doing,) = self.random.choices([each for _, each in doings], weights)
            self.take_turn()
            doing()
        self.come_to_rest()

    def come_to_rest(self) -> None:
        """Mend everything, and let a month pass, so that whatever can end has ended."""
        self.providers = dict.fromkeys(CHANNELS, "up")
        for one in self.engine.controls.brakes:
            self._resume(one.brake, may_die=False)
        for _ in range(31 * 4):
            self.step += 1
            self.now += 6 * HOUR
            if self.random.random() < 0.2:
                self.hear("billing", WireItem(type="track", event="Heartbeat", user_id="billing"))
            for _ in range(3):
                self.work()
                while self.pending:
                    self.call_provider()
                while self.called:
                    self.report_result()

    def work(self) -> None:
        """Do what the writer does a few times a second."""
        self.take_turn()
        engine = self.engine

        def job() -> list[tuple[Message, Outgoing, Left]]:
            tick(engine, self.now)
            begun = deliver.take_due(engine, rooms=dict.fromkeys(CHANNELS, 5), now=self.now)
            left = [(*one, self._left_of(engine, one[0])) for one in begun]
            if self.random.random() < 0.05:
                housekeep(engine, self.now)
            return left

        for message, outgoing, left in self.commit(job) or []:
            self.left.append(msgspec.structs.replace(left, step=self.step))
            self.pending.append((message, outgoing))

    def _left_of(self, engine: Engine, message: Message) -> Left:
        customer = deliver.customer_of(engine, message)
        zone = customer.total(engine.plan).traits.get("zone")
        return Left(
            step=self.step,
            at=self.now,
            message=message,
            part_ids=frozenset(customer.parts),
            sequence=engine.store.last_sequence(),
            zone_told=None if zone is None else zone.value,
            silent=tuple(engine.stale_sources),
            brakes=tuple(one.brake for one in engine.controls.brakes),
        )

    def call_provider(self) -> None:
        """Let one waiting hand-over reach its provider, in any order."""
        if self.pending:
            message, outgoing = self.pending.pop(self.random.randrange(len(self.pending)))
            self.called.append((message, self._call(message, outgoing)))

    def _call(self, message: Message, outgoing: Outgoing) -> SendResult:
        result, arrived = self._result_of(message)
        self.log.append(
            Received(
                step=self.step, at=self.now, message=message, outgoing=outgoing, arrived=arrived
            )
        )
        return result

    def _result_of(self, message: Message) -> tuple[SendResult, bool]:
        match self.providers[message.channel]:
            case "down":
                return Postponed(detail="down"), False
            case "garbage":
                return Unclear(detail="garbage"), self.random.random() < 0.5
            case "refusing":
                return Refused(detail="no", closes_address=self.random.random() < 0.3), False
        return Accepted(provider_id=f"p-{message.message_id}-{message.attempt_count}"), True

    def report_result(self) -> None:
        """Tell the writer how one call went."""
        if self.called:
            message, result = self.called.pop(self.random.randrange(len(self.called)))
            number = message.attempt_count
            self.commit(
                lambda: deliver.settle(
                    self.engine, message.message_id, result, self.now, attempt=number
                )
            )

    def pass_time(self) -> None:
        """Let seconds, hours or days go by."""
        passes = self.random.choice([SECOND, MINUTE, 10 * MINUTE, HOUR, 5 * HOUR, DAY])
        while passes >= HOUR and self.pending:
            # No call takes an hour; what waits to be told of it may well wait.
            self.call_provider()
        self.now += passes
        self.work()

    def change_providers(self) -> None:
        """Break or mend one provider."""
        channel = self.random.choice(CHANNELS)
        self.providers[channel] = self.random.choice(["up", "up", "down", "garbage", "refusing"])

    def pull_brake(self) -> None:
        """Put a brake on, or take one off."""
        on = [one.brake for one in self.engine.controls.brakes]
        if on:
            self._resume(on[0], may_die=True)
        else:
            scope = self.random.choice(
                ["all", "channel:sms", "purpose:marketing", "action:lamp_offer", "cohort:buyer"]
            )
            self.commit(
                lambda: brake.pause(self.engine, scope, actor="world", because="", now=self.now)
            )

    def _resume(self, scope: str, *, may_die: bool) -> None:
        def job() -> None:
            brake.resume(self.engine, scope, actor="world", now=self.now)

        self.commit(job, may_die=may_die)

    def ask_everywhere(self) -> None:
        """Ask at two placements at the same moment: there is one answer."""
        person = self.random.randrange(PEOPLE)
        identifiers = {"user_id": f"u{person}"}

        def job() -> list[Answer]:
            return [
                ask(
                    self.engine,
                    Question(placement=placement, identifiers=identifiers),
                    source="shop",
                    now=self.now,
                )
                for placement in ("web", "desk")
            ]

        answers: list[Answer] = self.commit(job) or []
        tops = {shown.action for answer in answers for shown in answer.shown if shown.recommended}
        if len(tops) > 1:
            self.answers_differed.append(f"step {self.step}: {sorted(tops)}")
        for answer in answers:
            known = set(answer.asks) & set(answer.prefill)
            if known:
                self.answers_differed.append(f"step {self.step}: asks for {known} that it knows")

    def outside_contact(self) -> None:
        """Let another tool ask whether it may contact somebody, and do so if it may."""
        question = ContactQuestion(
            identifiers={"user_id": f"u{self.random.randrange(PEOPLE)}"},
            entity="shop",
            purpose="marketing",
            channel="email",
            reported=True,
        )
        self.commit(lambda: ask_contact(self.engine, question, source="shop", now=self.now))

    def regroup(self) -> None:
        """Let an operator merge or separate two people."""
        one, other = self.random.sample(range(PEOPLE), 2)
        pair = Identifier("email", f"e{one}@example.com"), Identifier("user_id", f"u{other}")
        verb = self.random.choice([merge, unmerge])
        if all(self.store.find_parts([(each, False) for each in pair])):

            def job() -> None:
                try:
                    verb(self.engine, *pair, actor="world", now=self.now)
                except ConflictError:
                    return

            self.commit(job)

    def feed_back(self) -> None:
        """Let a provider or a customer say something about a message that arrived."""
        arrived = [one for one in self.log if one.arrived]
        if not arrived:
            return
        message = self.random.choice(arrived).message
        outcome = self.random.choice(["delivered", "opened", "clicked", "bounced", "complained"])
        feedback = msgspec.convert(
            {
                "outcome": outcome,
                "message_id": message.message_id,
                "machine": False,
                "hard": self.random.random() < 0.3,
                "occurrence": str(self.random.randrange(3)),
            },
            Feedback,
        )
        if outcome == "bounced":
            self.log = [
                msgspec.structs.replace(one, arrived=False)
                if one.message.message_id == message.message_id
                else one
                for one in self.log
            ]
        self.commit(lambda: learn(self.engine, feedback, channel=message.channel, now=self.now))

    # -- what people and touchpoints say

    def say_something(self) -> None:
        """Let one touchpoint say one thing about one person."""
        source, item = self.invent()
        self.hear(source, item)

    def say_again(self) -> None:
        """Let a touchpoint repeat itself, as a retry does."""
        if self._sent:
            source, item = self.random.choice(self._sent[-30:])
            before = self.store.read_counts()["events"] if self.random.random() < 0.2 else None
            done = self.hear(source, item, note=False)
            if before is not None and done.duplicates:
                assert done.accepted == 0

    def hear(self, source: str, item: WireItem, *, note: bool = True) -> Ingested:
        """Take one item as the web layer would, and note what was answered."""
        event = self.engine.bundle.touchpoints[source].read(item, received_at=self.now)
        assert not isinstance(event, Rejected), (event, format_instant(self.now))

        def job() -> tuple[Ingested, frozenset[int]]:
            done = ingest(self.engine, [event], [], source=source, now=self.now)
            anchor = (event.identifiers[0], event.vouched_count == 0)
            part = self.store.find_parts([anchor])[0] if done.accepted else None
            customer = self.engine.customers.home_of(part) if part is not None else None
            return done, frozenset(customer.parts if customer is not None else ())

        # If it was not acknowledged, the touchpoint says it again.
        done, part_ids = self.commit(job) or self.commit(job, may_die=False)
        if note:
            self._sent.append((source, item))
        if done.accepted:
            self.answered.append(
                Answered(
                    step=self.step,
                    at=self.now,
                    event_key=event.event_key,
                    name=event.name,
                    part_ids=part_ids,
                    stops_marketing=_stops(item),
                    entity=(item.properties or {}).get("entity", ""),
                    in_flight=frozenset(one.message_id for one in done.in_flight),
                )
            )
        return cast("Ingested", done)

    def invent(self) -> tuple[str, WireItem]:
        """Return something that a touchpoint may say."""
        draw, number = self.random, self.random.randrange(PEOPLE)
        self._item_count += 1
        back = draw.choice([0, 0, 0, HOUR, 3 * DAY])
        told: dict[str, Any] = {
            "message_id": f"i{self._item_count}",
            "timestamp": (self.now - back) / SECOND,
        }
        (say,) = draw.choices([each for _, each in SAYINGS], [weight for weight, _ in SAYINGS])
        source, details = say(draw, number, self.now)
        return source, WireItem(**told | details)


def _stops(item: WireItem) -> bool:
    told = item.properties or {}
    is_opt_out = item.event in ("Consent Withdrawn", "Unsubscribed")
    return is_opt_out and told.get("purpose") == "marketing" and "channel" not in told
