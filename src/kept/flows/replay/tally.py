"""Count what two policies did with the same customers: sums that may be added in any order."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.bundle import Bundle
from kept.core.diff.worsening import grace_fields_of
from kept.core.message import Message
from kept.core.values import DAY
from kept.flows.replay.occasions import kind_of
from kept.flows.replay.played import Answered, Component, Difference, Period, Played

WEEK: Final = 7 * DAY
EXAMPLES_MAX: Final = 5
DIFFERENCES_MAX: Final = 20
UNKNOWN_COHORT: Final = "not known"

Side: TypeAlias = Literal["recorded", "tried"]
Worse: TypeAlias = Literal[
    "more contacts", "loses a service message", "loses grace", "harder steps"
]


class Sent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One contact that may have reached somebody."""

    customer_id: int
    at: int
    action: str
    about: str
    kind: str
    purpose: str
    channel: str
    cohort: str
    is_promotional: bool
    is_hard: bool
    """Whether its action affects the customer's rights."""
    grace_days: int
    cost: int
    score: int
    message_id: str


class Example(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """One customer who would be worse off, by number alone."""

    worse: str
    customer: int
    cohort: str
    what: str


class Tally(msgspec.Struct, kw_only=True):
    """Everything that a report is made of."""

    counts: Counter[tuple[str, ...]] = msgspec.field(default_factory=Counter)
    examples: list[Example] = []
    differences: list[Difference] = []


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """What counting needs of the two policies."""

    grace_fields: frozenset[str]
    """Fields of objects until which a hold lasts: whoever sets one gives grace."""
    hard_actions: frozenset[str]
    """Actions of legal weight, and measures."""
    measures: frozenset[str]
    costs: Mapping[tuple[str, str], int]
    """(action, channel) -> what one contact costs, in minor units."""
    traits: tuple[str, ...]
    """Traits by which groups are compared."""


def measure_of(bundles: Iterable[Bundle], traits: Sequence[str]) -> Measure:
    """Return what counting needs of some policies."""
    grace: set[str] = set()
    hard: set[str] = set()
    measures: set[str] = set()
    costs: dict[tuple[str, str], int] = {}
    for bundle in bundles:
        grace |= grace_fields_of(bundle.brand)
        for name, action in bundle.brand.actions.items():
            if action.kind == "measure":
                measures.add(name)
            if action.kind == "measure" or action.legal_weight:
                hard.add(name)
        for rule in bundle.policy.actions:
            for channel in rule.channels:
                costs[rule.action, channel.channel] = rule.cost + channel.cost
    return Measure(
        grace_fields=frozenset(grace),
        hard_actions=frozenset(hard),
        measures=frozenset(measures),
        costs=costs,
        traits=tuple(traits),
    )


# -- one component


def tally(
    component: Component,
    played: Played,
    measure: Measure,
    period: Period,
    *,
    excluded: Collection[int],
    values: Mapping[int, Mapping[str, str]],
    base: Played | None = None,
) -> Tally:
    """Count a component on both sides.

    Args:
        component: what the record has of it.
        played: what the policy that is tried did.
        measure: what is counted.
        period: within which.
        excluded: customers of whom nothing may be read for the stated purpose.
        values: customer -> trait -> value, for comparing groups.
        base: what another policy did, to stand in the place of the recorded one.
    """
    counting = _Counting(component, measure, period, excluded=excluded, values=values)
    if counting.is_left_out:
        return Tally(counts=counting.counts)
    if base is None:
        counting.count_answers("recorded", counting.recorded_answers())
        scores = _scores_of(component)
        recorded = counting.count_sent("recorded", component.messages.values(), scores)
    else:
        counting.count_answers("recorded", base.answers)
        recorded = counting.count_sent("recorded", base.messages.values(), base.scores)
    counting.count_answers("tried", played.answers)
    tried = counting.count_sent("tried", played.messages.values(), played.scores)
    counting.count_people(recorded, tried)
    counting.count_unknown(played, recorded, tried)
    differences = counting.count_run(played)
    return Tally(
        counts=counting.counts, examples=sorted(counting.examples), differences=differences
    )


class _Counting:
    """The sums of one component."""

    def __init__(
        self,
        component: Component,
        measure: Measure,
        period: Period,
        *,
        excluded: Collection[int],
        values: Mapping[int, Mapping[str, str]],
    ) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.examples: list[Example] = []
        self._component = component
        self._measure = measure
        self._period = period
        self._excluded = excluded
        self._values = values
        self._homes = {part.part_id: part.customer_id for part in component.parts}
        self._cohorts: dict[int, list[tuple[int, str]]] = {}
        self._known_at: dict[int, int] = {}
        self._hard: dict[Side, Counter[int]] = {"recorded": Counter(), "tried": Counter()}
        for occasion in component.occasions:
            home = self._homes.get(occasion.part_id)
            if home is None:
                continue
            self._known_at.setdefault(home, occasion.now)
            for trace in occasion.traces:
                self._cohorts.setdefault(home, []).append((trace.decided_at, trace.cohort or ""))
        customers = {*self._homes.values()}
        left_out = customers & {*excluded}
        self.counts["left out",] = len(left_out)
        self.is_left_out = bool(customers) and left_out == customers
        """Whether nothing may be read of anybody in the component."""

    def _home(self, part_id: int) -> int | None:
        """Return a customer as they are at the end of the record, None where they are left out."""
        home = self._homes.get(part_id)
        return None if home is None or home in self._excluded else home

    def _may_count(self, part_id: int) -> bool:
        """Return whether something is counted: of whom nobody knew, nobody is left out."""
        return self._homes.get(part_id) not in self._excluded

    def count_run(self, played: Played) -> list[Difference]:
        """Count what was played, and how it differs from the record; return the differences."""
        counts, period = self.counts, self._period
        for name, by_part in (("signals", played.heard), ("decisions", played.decided)):
            counts["run", name] = sum(n for one, n in by_part.items() if self._may_count(one))
        for guarantee, _, part_id in played.violations:
            counts["violations", guarantee] += self._may_count(part_id)
        differences = [one for one in played.differences if self._may_count(one.part_id)]
        # Whatever was made beyond the record stands for none of its decisions.
        counts["not alike",] = sum(one.kind != "extra" for one in differences)
        counts["recorded decisions",] = sum(
            period.since <= trace.decided_at < period.until
            for occasion in self._component.occasions
            if self._may_count(occasion.part_id)
            for trace in occasion.traces
        )
        return differences

    def _cohort_at(self, customer_id: int, at: int) -> str:
        """Return the cohort that the record found last, on both sides alike."""
        known = self._cohorts.get(customer_id, ())
        last = next((name for when, name in reversed(known) if when <= at), None)
        if last is None:
            last = known[0][1] if known else UNKNOWN_COHORT
        return last or UNKNOWN_COHORT

    # -- answers

    def recorded_answers(self) -> Iterator[Answered]:
        """Yield what the record answered within the period."""
        for occasion in self._component.occasions:
            for trace in occasion.traces:
                kind = kind_of(trace)
                if kind == "hand_over":
                    continue
                if self._period.since <= trace.decided_at < self._period.until:
                    yield Answered(
                        at=trace.decided_at,
                        customer_id=occasion.part_id,
                        cohort=trace.cohort or "",
                        kind=trace.request.placement if kind == "asked" else kind,
                        chosen=tuple((one.action, one.about) for one in trace.chosen),
                    )

    def count_answers(self, side: Side, answers: Iterable[Answered]) -> None:
        """Count looks and silences, and the measures that went ahead."""
        counts = self.counts
        for one in answers:
            home = self._home(one.customer_id)
            if home is None:
                continue
            cohort = self._cohort_at(home, one.at)
            if one.kind == "look":
                counts["looks", side, cohort] += 1
                counts["silences", side, cohort] += not one.chosen
                continue
            for action, _ in one.chosen:
                if action in self._measure.measures:
                    counts["measures", side, cohort, action] += 1
                    self._hard[side][home] += 1

    # -- contacts

    def count_sent(
        self, side: Side, messages: Iterable[Message], scores: Mapping[tuple[int, str, str], int]
    ) -> list[Sent]:
        """Count contacts, and return them in order."""
        sent = sorted(self._sent(messages, scores), key=lambda one: (one.at, one.message_id))
        counts = self.counts
        for one in sent:
            key = (side, one.cohort, one.purpose, one.channel, one.action)
            counts["contacts", *key] += 1
            counts["cost", side] += one.cost
            if one.is_promotional:
                counts["expected", side] += one.score
            if one.grace_days:
                counts["grace days", side, one.cohort] += one.grace_days
                counts["graces", side, one.cohort] += 1
            if one.is_hard:
                self._hard[side][one.customer_id] += 1
        return sent

    def _sent(
        self, messages: Iterable[Message], scores: Mapping[tuple[int, str, str], int]
    ) -> Iterator[Sent]:
        measure = self._measure
        for one in messages:
            home = self._home(one.part_id)
            if home is None or not self._period.since <= one.attempted_at < self._period.until:
                continue
            if not may_have_reached(one):
                continue
            yield Sent(
                customer_id=home,
                at=one.attempted_at,
                action=one.action,
                about=one.about,
                kind=one.kind,
                purpose=one.purpose,
                channel=one.channel,
                cohort=self._cohort_at(home, one.attempted_at),
                is_promotional=one.promotional,
                is_hard=one.action in measure.hard_actions,
                grace_days=_grace_of(one, measure.grace_fields),
                cost=measure.costs.get((one.action, one.channel), 0),
                score=scores.get((one.decision_id, one.action, one.about), 0),
                message_id=one.message_id,
            )

    # -- people

    def count_people(self, recorded: Sequence[Sent], tried: Sequence[Sent]) -> None:
        """Count customers and their weeks, who is worse off, and who is favoured or burdened."""
        sides: dict[Side, dict[int, list[Sent]]] = {
            "recorded": _by_customer(recorded),
            "tried": _by_customer(tried),
        }
        since = self._period.since
        end = min(self._period.until, self._period.ends_at + 1)
        for home in sorted({*self._homes.values()} - {*self._excluded}):
            known_at = max(self._known_at.get(home, end), since)
            if known_at >= end:
                continue
            cohort = self._cohort_at(home, end)
            weeks = range((known_at - since) // WEEK, (end - 1 - since) // WEEK + 1)
            self.counts["customers", cohort] += 1
            for side, contacts in sides.items():
                mine = contacts.get(home, [])
                by_week = Counter((one.at - since) // WEEK for one in mine)
                for week in weeks:
                    self.counts["weeks", side, cohort, str(by_week[week])] += 1
                if self._hard[side][home]:
                    self.counts["hardship", side, cohort] += 1
                self._count_groups(side, home, cohort, mine)
            before, after = (sides[side].get(home, []) for side in ("recorded", "tried"))
            self._compare(home, cohort, before, after)

    def _count_groups(self, side: Side, home: int, cohort: str, sent: list[Sent]) -> None:
        values = {"cohort": cohort, **self._values.get(home, {})}
        is_favoured = any(one.kind in ("offer", "experience") or one.grace_days for one in sent)
        for group, value in values.items():
            self.counts["group", group, value, side, "all"] += 1
            self.counts["group", group, value, side, "favoured"] += is_favoured
            self.counts["group", group, value, side, "burdened"] += bool(self._hard[side][home])

    def _compare(self, home: int, cohort: str, before: list[Sent], after: list[Sent]) -> None:
        if len(after) > len(before):
            self._worse("more contacts", home, cohort, f"{len(after)} contacts, was {len(before)}")
        lost = {
            (one.action, one.about)
            for one in before
            if not one.is_promotional and one.kind == "service"
        } - {(one.action, one.about) for one in after}
        if lost:
            self._worse("loses a service message", home, cohort, min(lost)[0])
        days = [sum(one.grace_days for one in some) for some in (before, after)]
        if days[1] < days[0]:
            self._worse("loses grace", home, cohort, f"{days[1]} days of grace, was {days[0]}")
        hard = self._hard["recorded"][home], self._hard["tried"][home]
        if hard[1] > hard[0]:
            self._worse("harder steps", home, cohort, f"{hard[1]} hard steps, was {hard[0]}")

    def _worse(self, worse: Worse, home: int, cohort: str, what: str) -> None:
        self.counts["worse", worse, cohort] += 1
        self.examples.append(Example(worse=worse, customer=home, cohort=cohort, what=what))

    # -- what nobody knows

    def count_unknown(
        self, played: Played, recorded: Sequence[Sent], tried: Sequence[Sent]
    ) -> None:
        """Count contacts that only one side made: what customers answered the other is not known."""
        before, after = Counter(map(_same_contact, recorded)), Counter(map(_same_contact, tried))
        for kind, more in (("spared", before - after), ("added", after - before)):
            for _, cohort, purpose, channel, *_ in more.elements():
                self.counts[kind, cohort, purpose, channel] += 1
        left = {one.message_id for one in tried}
        alike = {recorded_id: tried_id for tried_id, recorded_id in played.kept_alike.items()}
        real = self._component.messages
        never = [
            one
            for one in tried
            if not may_have_reached_in(real, played.kept_alike.get(one.message_id))
        ]
        unmade = [
            one for one in self._sent(real.values(), {}) if alike.get(one.message_id) not in left
        ]
        self.counts["unknown", "contacts that were never made"] += len(never)
        self.counts["unknown", "signals after a contact that is spared"] += self._after(unmade)
        waiting = sum(
            1
            for one in played.messages.values()
            if one.state == "queued"
            and not one.attempted_at
            and one.message_id not in played.kept_alike
            and self._may_count(one.part_id)
        )
        self.counts["unknown", "contacts that wait to be fetched"] += waiting
        for (part_id, name), count in played.unknown.items():
            if self._may_count(part_id):
                self.counts["unknown", name] += count

    def _after(self, spared: Sequence[Sent]) -> int:
        """Return how many signals came within a week of a promotion that is spared."""
        spans: dict[int, list[int]] = {}
        for one in spared:
            if one.is_promotional:
                spans.setdefault(one.customer_id, []).append(one.at)
        if not spans:
            return 0
        return sum(
            1
            for occasion in self._component.occasions
            if occasion.kind == "heard"
            for home in (self._homes.get(occasion.part_id, 0),)
            if any(at < occasion.now <= at + WEEK for at in spans.get(home, ()))
        )


def _same_contact(one: Sent) -> tuple[int, str, str, str, str, str]:
    return one.customer_id, one.cohort, one.purpose, one.channel, one.action, one.about


def may_have_reached_in(messages: Mapping[str, Message], message_id: str | None) -> bool:
    """Return whether a message of the record, if it is one, may have reached somebody."""
    message = messages.get(message_id or "")
    return message is not None and may_have_reached(message)


def may_have_reached(message: Message) -> bool:
    """Return whether a message was handed over and may have arrived."""
    if not message.attempted_at:
        return False
    return message.may_have_arrived or message.state in ("delivered", "unknown", "leaving")


def _by_customer(sent: Iterable[Sent]) -> dict[int, list[Sent]]:
    found: dict[int, list[Sent]] = {}
    for one in sent:
        found.setdefault(one.customer_id, []).append(one)
    return found


def _scores_of(component: Component) -> dict[tuple[int, str, str], int]:
    return {
        (trace.decision_id, one.action, one.about): one.score
        for occasion in component.occasions
        for trace in occasion.traces
        for one in trace.chosen
    }


def _grace_of(message: Message, fields: frozenset[str]) -> int:
    """Return how many days of grace a message gives, in whole days from when it left."""
    days = 0
    for field, value in message.sets.items():
        if field in fields and isinstance(value, int) and not isinstance(value, bool):
            # Instants are µs; a date is a number of days since 1970.
            until = value if value > 1_000 * 366 else value * DAY
            days += max(0, (until - message.attempted_at) // DAY)
    return days


def add_all(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies, whatever their order."""
    total = Tally()
    for one in tallies:
        total.counts.update(one.counts)
        total.examples += one.examples
        total.differences += one.differences
    return shorten(total)


def shorten(total: Tally) -> Tally:
    """Keep of examples and differences only the first of each, in an order of their own."""
    kept: Counter[str] = Counter()
    examples: list[Any] = []
    for one in sorted(total.examples):
        kept[one.worse] += 1
        if kept[one.worse] <= EXAMPLES_MAX:
            examples.append(one)
    total.examples = examples
    total.differences = sorted(total.differences, key=lambda one: (one.at, one.decision_id))[
        :DIFFERENCES_MAX
    ]
    return total
