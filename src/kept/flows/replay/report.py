"""Two policies side by side: what was counted, as values for machines."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kept.core.values import format_instant
from kept.flows.replay.played import Period
from kept.flows.replay.tally import Tally


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One figure under the recorded policy and under the one that is tried."""

    recorded: int | float
    tried: int | float

    @property
    def change(self) -> float:
        """Return by how much it rises."""
        return self.tried - self.recorded


class Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts a customer and week, and how they are spread."""

    mean: Pair
    """Contacts a customer and week, to three decimals."""
    p95: Pair
    """Of a hundred customer-weeks, ninety-five have at most so many."""
    most: Pair
    weeks: Pair
    """How many customer-weeks were looked at."""


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """One cohort side by side: what story 36 asks for."""

    customers: int
    contacts: Pair
    pressure: Pressure
    silence_percent: Pair
    """Of a hundred looks at a customer, how many led to saying nothing."""
    grace_days: Pair
    graces: Pair
    fees: dict[str, Pair]
    """Measure -> how often it went ahead."""
    hardship: Pair
    """Customers who met at least one hard step."""


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """The contacts of one cohort, for one purpose and by one channel."""

    cohort: str
    purpose: str
    channel: str
    sent: Pair
    spared: int
    """Sent by the recorded policy alone."""
    added: int
    """Sent by the tried policy alone."""


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the record cannot tell, and which figures rest on it."""

    what: str
    count: int
    touches: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found."""

    recorded_version: str
    tried_version: str
    since: str
    until: str
    purpose: str
    entity: str
    signals: int
    customers: int
    left_out: int
    """Customers of whom nothing was read, for the purpose has no basis."""
    decisions: Pair
    reproduced: int
    """Of the recorded decisions, how many came out the same when they were made again."""
    differences: tuple[dict[str, Any], ...]
    """The first that did not."""
    contacts: Pair
    spared: int
    added: int
    crossed: tuple[Crossing, ...]
    """Contacts sent, spared and added by cohort, purpose and channel."""
    by_cohort: dict[str, Pair]
    by_purpose: dict[str, Pair]
    by_channel: dict[str, Pair]
    by_action: dict[str, Pair]
    pressure: Pressure
    cost_minor: Pair
    expected_minor: Pair
    currency: str
    cohorts: dict[str, Cohort]
    groups: dict[str, dict[str, dict[str, Pair]]]
    """Group -> value -> (all, favoured, burdened)."""
    worse_off: dict[str, int]
    worse_off_by_cohort: dict[str, dict[str, int]]
    examples: tuple[dict[str, Any], ...]
    violations: dict[str, int]
    """Guarantee -> how often the independent count found it broken under the tried policy."""
    unknown: tuple[Unknown, ...]


_TOUCHES: Final = {
    "contacts that were never made": "openings, answers, declines, opt-outs and purchases after them",
    "signals after a contact that is spared": "purchases and visits that it may have caused",
    "contacts that wait to be fetched": "contacts of inboxes and call lists",
    "contacts of tools that would have been refused": "contacts that other tools make",
    "contacts of tools that would have been allowed": "contacts that other tools make",
    "questions at placements that are gone": "what touchpoints would have shown",
}


def report_of(
    total: Tally,
    period: Period,
    *,
    versions: tuple[str, str],
    purpose: str,
    entity: str,
    currency: str,
) -> Report:
    """Return what a tally says.

    Args:
        total: the sum over all customers.
        period: what was played.
        versions: of the policy in force at the end of the record, and of the tried one.
        purpose: for what the record was read.
        entity: for which legal entity.
        currency: of amounts.
    """
    counts = total.counts
    cohorts = sorted({key[1] for key in counts if key[0] == "customers"})
    decisions = counts["recorded decisions",]
    return Report(
        recorded_version=versions[0],
        tried_version=versions[1],
        since=format_instant(period.since),
        until=format_instant(min(period.until, period.ends_at + 1)),
        purpose=purpose,
        entity=entity,
        signals=counts["run", "signals"],
        customers=sum(_sum_by(counts, "customers", 1).values()),
        left_out=counts["left out",],
        decisions=Pair(recorded=decisions, tried=counts["run", "decisions"]),
        reproduced=decisions - counts["not alike",],
        differences=tuple(map(msgspec.to_builtins, total.differences)),
        contacts=_pair(_sum_by(counts, "contacts", 1)),
        spared=sum(_sum_by(counts, "spared", 1).values()),
        added=sum(_sum_by(counts, "added", 1).values()),
        crossed=tuple(_crossings(counts)),
        by_cohort=_pairs(counts, "contacts", 2),
        by_purpose=_pairs(counts, "contacts", 3),
        by_channel=_pairs(counts, "contacts", 4),
        by_action=_pairs(counts, "contacts", 5),
        pressure=_pressure(counts, None),
        cost_minor=_pair({side: counts["cost", side] for side in _SIDES}),
        expected_minor=_pair({side: counts["expected", side] for side in _SIDES}),
        currency=currency,
        cohorts={cohort: _cohort(counts, cohort) for cohort in cohorts},
        groups=_groups(counts),
        worse_off=_sum_by(counts, "worse", 1),
        worse_off_by_cohort=_worse_by_cohort(counts),
        examples=tuple(map(msgspec.to_builtins, total.examples)),
        violations={name: counts["violations", name] for name in GUARANTEES},
        unknown=tuple(_unknown(counts)),
    )


GUARANTEES: Final = ("consent", "caps", "quiet hours")
_SIDES: Final = ("recorded", "tried")


def _sum_by(counts: Counter[tuple[str, ...]], kind: str, place: int) -> dict[str, int]:
    """Return sums of one kind of counts by one member of their keys."""
    sums: Counter[str] = Counter()
    for key, count in counts.items():
        if key[0] == kind:
            sums[key[place]] += count
    return dict(sorted(sums.items()))


def _pair(sums: Mapping[str, int]) -> Pair:
    return Pair(recorded=sums.get("recorded", 0), tried=sums.get("tried", 0))


def _pairs(counts: Counter[tuple[str, ...]], kind: str, place: int) -> dict[str, Pair]:
    sums: dict[str, Counter[str]] = {}
    for key, count in counts.items():
        if key[0] == kind:
            sums.setdefault(key[place], Counter())[key[1]] += count
    return {name: _pair(sides) for name, sides in sorted(sums.items())}


def _crossings(counts: Counter[tuple[str, ...]]) -> Iterable[Crossing]:
    """Yield what was sent, spared and added, in order of cohorts, purposes and channels."""
    sent: dict[tuple[str, ...], Counter[str]] = {}
    for key, count in counts.items():
        if key[0] == "contacts":
            sent.setdefault(key[2:5], Counter())[key[1]] += count
    for key, sides in sorted(sent.items()):
        cohort, purpose, channel = key
        yield Crossing(
            cohort=cohort,
            purpose=purpose,
            channel=channel,
            sent=_pair(sides),
            spared=counts["spared", cohort, purpose, channel],
            added=counts["added", cohort, purpose, channel],
        )


def _pressure(counts: Counter[tuple[str, ...]], cohort: str | None) -> Pressure:
    spread: dict[str, Counter[int]] = {side: Counter() for side in _SIDES}
    for key, count in counts.items():
        if key[0] == "weeks" and cohort in (None, key[2]):
            spread[key[1]][int(key[3])] += count
    weeks = {side: sum(found.values()) for side, found in spread.items()}
    made = {side: sum(n * count for n, count in found.items()) for side, found in spread.items()}
    return Pressure(
        mean=Pair(
            **{side: round(made[side] / weeks[side], 3) if weeks[side] else 0.0 for side in _SIDES}
        ),
        p95=Pair(**{side: _percentile(spread[side], 95) for side in _SIDES}),
        most=Pair(**{side: max(spread[side], default=0) for side in _SIDES}),
        weeks=_pair(weeks),
    )


def _percentile(spread: Mapping[int, int], percent: int) -> int:
    """Return the least number that so many of a hundred do not exceed (nearest rank)."""
    total, seen = sum(spread.values()), 0
    for number in sorted(spread):
        seen += spread[number]
        if seen * 100 >= total * percent:
            return number
    return 0


def _cohort(counts: Counter[tuple[str, ...]], cohort: str) -> Cohort:
    def pair(kind: str) -> Pair:
        return _pair({side: counts[kind, side, cohort] for side in _SIDES})

    contacts: Counter[str] = Counter()
    fees: dict[str, Counter[str]] = {}
    for key, count in counts.items():
        if key[0] == "contacts" and key[2] == cohort:
            contacts[key[1]] += count
        elif key[0] == "measures" and key[2] == cohort:
            fees.setdefault(key[3], Counter())[key[1]] += count
    looks, silences = pair("looks"), pair("silences")
    return Cohort(
        customers=counts["customers", cohort],
        contacts=_pair(contacts),
        pressure=_pressure(counts, cohort),
        silence_percent=Pair(
            recorded=_percent(silences.recorded, looks.recorded),
            tried=_percent(silences.tried, looks.tried),
        ),
        grace_days=pair("grace days"),
        graces=pair("graces"),
        fees={name: _pair(sides) for name, sides in sorted(fees.items())},
        hardship=pair("hardship"),
    )


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def _groups(counts: Counter[tuple[str, ...]]) -> dict[str, dict[str, dict[str, Pair]]]:
    sums: dict[str, dict[str, dict[str, Counter[str]]]] = {}
    for key, count in counts.items():
        if key[0] == "group":
            _, group, value, side, what = key
            values = sums.setdefault(group, {}).setdefault(value, {})
            values.setdefault(what, Counter())[side] += count
    return {
        group: {
            value: {what: _pair(sides) for what, sides in sorted(found.items())}
            for value, found in sorted(values.items())
        }
        for group, values in sorted(sums.items())
    }


def _worse_by_cohort(counts: Counter[tuple[str, ...]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for key, count in sorted(counts.items()):
        if key[0] == "worse":
            found.setdefault(key[1], {})[key[2]] = count
    return found


def _unknown(counts: Counter[tuple[str, ...]]) -> Iterable[Unknown]:
    for key, count in sorted(counts.items()):
        if key[0] != "unknown" or not count:
            continue
        name = key[1]
        if name.startswith("answers: "):
            what = f"{name.removeprefix('answers: ')}: said of contacts that are not made"
            yield Unknown(what=what, count=count, touches="openings, and what is derived from them")
        elif name.startswith("refusals: "):
            what = (
                f"{name.removeprefix('refusals: ')}: said in answer to contacts that are not made, "
                "and left in force"
            )
            yield Unknown(what=what, count=count, touches="contacts afterwards: there may be more")
        else:
            yield Unknown(what=name, count=count, touches=_TOUCHES.get(name, "everything after it"))
