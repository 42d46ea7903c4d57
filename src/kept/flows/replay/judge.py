"""Hold what a replay counted against the limits of the brand: pressure, hardship, bias.

* Pressure is contacts a customer and week. It worsens where it rises by more than the limit, over all
  customers or within a cohort.
* Hardship is the share of customers who meet a hard step (a measure, or an action of legal weight),
  and the share who lose days of grace or a service message.
* Bias is the impact ratio between groups: the lowest rate of a good outcome over the highest. Below
  four fifths it is taken for adverse (29 CFR 1607.4 D); it worsens where it also falls. The demographic
  parity difference, highest rate less lowest, is shown beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.brand.model import Limits
from kept.core.diff.worsening import Finding, Worsening
from kept.flows.replay.report import Pair, Report

Outcome: TypeAlias = Literal["favoured", "spared"]


class Bias(msgspec.Struct, frozen=True, kw_only=True):
    """How evenly one good outcome falls on the groups of one kind."""

    group: str
    outcome: Outcome
    """`favoured`: got an offer, an experience or grace; `spared`: met no hard step."""
    ratio_percent: Pair
    """The impact ratio: the lowest group's rate, of a hundred of the highest's."""
    difference_percent: Pair
    """The demographic parity difference, in percentage points."""
    left_out: int
    """Groups of too few customers."""


def judge(report: Report, limits: Limits) -> list[Finding]:
    """Return what worsens past its limit."""
    return [
        *_pressure(report, limits),
        *_hardship(report, limits),
        *_bias(report, limits),
        *_guarantees(report),
    ]


def _pressure(report: Report, limits: Limits) -> Iterator[Finding]:
    percent = limits.pressure_rise_percent
    means = {"all customers": (report.customers, report.pressure.mean)}
    means |= {
        name: (cohort.customers, cohort.pressure.mean) for name, cohort in report.cohorts.items()
    }
    for name, (customers, mean) in means.items():
        if customers >= limits.customers_least and _rises(mean, percent):
            yield _finding("pressure", f"contacts a customer and week, {name}", mean, percent)


def _hardship(report: Report, limits: Limits) -> Iterator[Finding]:
    percent = limits.hardship_rise_percent
    everybody = Pair(
        recorded=sum(cohort.hardship.recorded for cohort in report.cohorts.values()),
        tried=sum(cohort.hardship.tried for cohort in report.cohorts.values()),
    )
    met = {"all customers": (report.customers, everybody)}
    met |= {name: (cohort.customers, cohort.hardship) for name, cohort in report.cohorts.items()}
    for name, (customers, pair) in met.items():
        share = _share(pair, customers)
        if customers >= limits.customers_least and _rises(share, percent):
            yield _finding(
                "hardship", f"customers who meet a hard step (%), {name}", share, percent
            )
    for worse in ("loses grace", "loses a service message"):
        lost = _share(Pair(recorded=0, tried=report.worse_off.get(worse, 0)), report.customers)
        if report.customers >= limits.customers_least and lost.tried > percent:
            yield Finding(
                kind="hardship",
                what=f"customers of whom each {worse} (%)",
                before="0",
                after=f"{lost.tried:g}",
                limit=f"at most {percent} %",
            )


def _guarantees(report: Report) -> Iterator[Finding]:
    for name, count in report.violations.items():
        if count:
            yield Finding(
                kind="pressure",
                what=f"contacts that break {name} in the recount",
                before="0",
                after=str(count),
                limit="none",
            )


def measure_bias(report: Report, limits: Limits) -> list[Bias]:
    """Return how evenly good outcomes fall on each kind of groups."""
    found: list[Bias] = []
    for group in limits.groups:
        values = report.groups.get(group, {})
        judged = {
            value: counts
            for value, counts in values.items()
            if counts["all"].recorded >= limits.customers_least
        }
        if len(judged) > 1:
            found += _biases(group, judged, len(values) - len(judged))
    return found


def _biases(group: str, judged: Mapping[str, Mapping[str, Pair]], left_out: int) -> Iterator[Bias]:
    outcomes: tuple[Outcome, ...] = ("favoured", "spared")
    for outcome in outcomes:
        rates: dict[str, list[float]] = {"recorded": [], "tried": []}
        for counts in judged.values():
            everybody = counts["all"].recorded
            pair = counts.get("favoured" if outcome == "favoured" else "burdened", _NOBODY)
            for side, rate in (
                ("recorded", pair.recorded / everybody),
                ("tried", pair.tried / everybody),
            ):
                rates[side].append(rate if outcome == "favoured" else 1 - rate)
        yield Bias(
            group=group,
            outcome=outcome,
            ratio_percent=Pair(**{side: _ratio(found) for side, found in rates.items()}),
            difference_percent=Pair(
                **{side: round(100 * (max(found) - min(found)), 1) for side, found in rates.items()}
            ),
            left_out=left_out,
        )


_NOBODY: Final = Pair(recorded=0, tried=0)


def _ratio(rates: list[float]) -> float:
    # Where nobody gets anything, nobody gets less than others.
    return round(100 * min(rates) / max(rates), 1) if max(rates) else 100.0


def _bias(report: Report, limits: Limits) -> Iterator[Finding]:
    for one in measure_bias(report, limits):
        ratio = one.ratio_percent
        if ratio.tried < limits.bias_least_percent and ratio.tried < ratio.recorded:
            yield Finding(
                kind="bias",
                what=f"impact ratio between groups by {one.group}, {one.outcome} (%)",
                before=f"{ratio.recorded:g}",
                after=f"{ratio.tried:g}",
                limit=f"at least {limits.bias_least_percent} %",
            )


def _share(pair: Pair, customers: int) -> Pair:
    if not customers:
        return Pair(recorded=0.0, tried=0.0)
    return Pair(
        recorded=round(100 * pair.recorded / customers, 2),
        tried=round(100 * pair.tried / customers, 2),
    )


def _rises(pair: Pair, percent: int) -> bool:
    return pair.tried > pair.recorded and pair.tried > pair.recorded * (1 + percent / 100)


def _finding(kind: Worsening, what: str, pair: Pair, percent: int) -> Finding:
    return Finding(
        kind=kind,
        what=what,
        before=f"{pair.recorded:g}",
        after=f"{pair.tried:g}",
        limit=f"rises by at most {percent} %",
    )
