"""Pressure, hardship and bias: what is counted, and where it passes its limit."""

from collections import Counter

import pytest

from kept.core.brand.model import Limits
from kept.flows.replay.judge import judge, measure_bias
from kept.flows.replay.played import Period
from kept.flows.replay.report import Pair, Report, report_of
from kept.flows.replay.tally import Tally
from kept.flows.replay.words import to_markdown, to_text

LIMITS = Limits(customers_least=10)


def report(counts: dict[tuple[str, ...], int]) -> Report:
    """Return the report on some counts."""
    return report_of(
        Tally(counts=Counter(counts)),
        Period(since=0, until=1, ends_at=1),
        versions=("a", "b"),
        purpose="service",
        entity="shop",
        currency="EUR",
    )


def weeks(
    cohort: str, *, recorded: dict[int, int], tried: dict[int, int]
) -> dict[tuple[str, ...], int]:
    """Return customer-weeks by how many contacts they had."""
    sides = {"recorded": recorded, "tried": tried}
    return {
        ("weeks", side, cohort, str(contacts)): count
        for side, spread in sides.items()
        for contacts, count in spread.items()
    }


def group(
    value: str, everybody: int, recorded: int, tried: int, what: str = "favoured"
) -> dict[tuple[str, ...], int]:
    """Return a group of customers by locale, and how many of them were favoured, or burdened."""
    found: dict[tuple[str, ...], int] = {
        ("group", "locale", value, side, "all"): everybody for side in ("recorded", "tried")
    }
    return found | {
        ("group", "locale", value, "recorded", what): recorded,
        ("group", "locale", value, "tried", what): tried,
    }


def test_pressure_is_contacts_a_customer_and_week() -> None:
    """The mean, the ninety-fifth of a hundred, and the most."""
    found = report(weeks("loyal", recorded={0: 90, 1: 10}, tried={0: 90, 1: 4, 2: 5, 7: 1}))
    assert (found.pressure.mean.recorded, found.pressure.mean.tried) == (0.1, 0.21)
    assert (found.pressure.p95.recorded, found.pressure.p95.tried) == (1, 2)
    assert (found.pressure.most.recorded, found.pressure.most.tried) == (1, 7)


def test_pressure_past_its_limit_is_found_in_a_cohort_too() -> None:
    """One cohort may carry what the mean of all hides."""
    counts = weeks("loyal", recorded={0: 100}, tried={0: 100})
    counts |= weeks("newcomer", recorded={1: 10}, tried={2: 10})
    counts |= {("customers", "loyal"): 100, ("customers", "newcomer"): 10}
    found = judge(report(counts), LIMITS)
    assert [one.what for one in found] == [
        "contacts a customer and week, all customers",
        "contacts a customer and week, newcomer",
    ]
    assert (found[1].before, found[1].after, found[1].limit) == ("1", "2", "rises by at most 10 %")


@pytest.mark.parametrize(("tried", "found_count"), [({1: 90, 2: 10}, 0), ({1: 89, 2: 11}, 2)])
def test_a_limit_is_what_it_says(tried: dict[int, int], found_count: int) -> None:
    """Ten of a hundred is within ten of a hundred, eleven is not."""
    counts = weeks("loyal", recorded={1: 100}, tried=tried) | {("customers", "loyal"): 100}
    assert len(judge(report(counts), LIMITS)) == found_count


def test_small_cohorts_are_not_judged() -> None:
    """Of nine customers nobody can tell."""
    counts = weeks("newcomer", recorded={1: 9}, tried={3: 9}) | {("customers", "newcomer"): 9}
    assert judge(report(counts), LIMITS) == []


def test_hardship_may_not_rise_at_all_by_default() -> None:
    """One customer more who meets a hard step is found."""
    counts: dict[tuple[str, ...], int] = {
        ("customers", "loyal"): 50,
        ("hardship", "recorded", "loyal"): 2,
        ("hardship", "tried", "loyal"): 3,
    }
    found = judge(report(counts), LIMITS)
    assert {one.kind for one in found} == {"hardship"}
    assert (found[0].before, found[0].after) == ("4", "6")


def test_who_loses_grace_meets_hardship() -> None:
    """Though no hard step was taken."""
    counts: dict[tuple[str, ...], int] = {
        ("customers", "loyal"): 50,
        ("worse", "loses grace", "loyal"): 1,
    }
    (found,) = judge(report(counts), LIMITS)
    assert found.what == "customers of whom each loses grace (%)"


def test_bias_is_the_impact_ratio_between_groups() -> None:
    """The lowest rate over the highest, below four fifths and falling."""
    counts = group("de", 100, 50, 50) | group("pt", 100, 45, 30) | group("en", 3, 0, 0)
    limits = Limits(groups=("locale",), customers_least=10)
    favoured, spared = measure_bias(report(counts), limits)
    assert (favoured.ratio_percent.recorded, favoured.ratio_percent.tried) == (90.0, 60.0)
    assert (favoured.difference_percent.recorded, favoured.difference_percent.tried) == (5.0, 20.0)
    assert favoured.left_out == 1
    assert spared.ratio_percent.tried == 100.0
    (found,) = judge(report(counts), limits)
    assert (found.kind, found.before, found.after) == ("bias", "90", "60")


def test_bias_that_was_there_and_does_not_grow_is_no_worsening() -> None:
    """What the recorded policy did alike is not the change's."""
    counts = group("de", 100, 50, 60) | group("pt", 100, 20, 24)
    assert judge(report(counts), Limits(groups=("locale",), customers_least=10)) == []


def test_burdens_are_judged_by_who_is_spared() -> None:
    """A hard step that falls on one group alone lowers the rate of those who are spared."""
    counts = group("de", 100, 0, 0, "burdened") | group("pt", 100, 0, 30, "burdened")
    found = judge(report(counts), Limits(groups=("locale",), customers_least=10))
    assert [one.after for one in found if one.kind == "bias"] == ["70"]


def test_a_broken_guarantee_always_fails() -> None:
    """Whatever the limits are."""
    (found,) = judge(report({("violations", "caps"): 2}), Limits(customers_least=1_000))
    assert (found.what, found.after) == ("contacts that break caps in the recount", "2")


def test_what_is_spared_is_told_by_cohort_purpose_and_channel() -> None:
    """Beside what is sent; one that is spared and one that is added do not cancel each other out."""
    counts: dict[tuple[str, ...], int] = {
        ("contacts", "recorded", "loyal", "marketing", "email", "lamp"): 3,
        ("contacts", "recorded", "loyal", "marketing", "email", "chair"): 1,
        ("contacts", "tried", "loyal", "marketing", "email", "chair"): 4,
        ("contacts", "recorded", "newcomer", "service", "sms", "bill"): 2,
        ("spared", "loyal", "marketing", "email"): 3,
        ("spared", "newcomer", "service", "sms"): 2,
        ("added", "loyal", "marketing", "email"): 3,
    }
    found = report(counts)
    assert (found.spared, found.added) == (5, 3)
    assert found.by_cohort == {
        "loyal": Pair(recorded=4, tried=4),
        "newcomer": Pair(recorded=2, tried=0),
    }
    assert [
        (
            one.cohort,
            one.purpose,
            one.channel,
            one.sent.recorded,
            one.sent.tried,
            one.spared,
            one.added,
        )
        for one in found.crossed
    ] == [("loyal", "marketing", "email", 4, 4, 3, 3), ("newcomer", "service", "sms", 2, 0, 2, 0)]
    lines = [line.split() for line in to_text(found).splitlines()]
    assert ["loyal,", "marketing,", "email", "4", "4", "3", "3"] in lines
    assert ["newcomer,", "service,", "sms", "2", "0", "2", "0"] in lines


def test_what_cannot_be_known_names_the_figures_that_rest_on_it() -> None:
    """A count, what it is, and what it touches; never a guess."""
    counts: dict[tuple[str, ...], int] = {
        ("unknown", "contacts that were never made"): 4,
        ("unknown", "answers: Message Opened"): 2,
        ("unknown", "contacts that wait to be fetched"): 0,
    }
    found = report(counts)
    assert [one.count for one in found.unknown] == [2, 4]
    text = to_text(found)
    assert "Cannot be known from this log:" in text
    assert "touches openings, answers, declines, opt-outs and purchases after them" in text
    assert "Cannot be known from this log:" in to_markdown(found)
