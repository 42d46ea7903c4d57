"""`facts.yaml`: planted mistakes, each found where it is."""

import pytest

from kept.core.brand.units import parse_duration
from kept.core.fold.compile import grain_of
from tests.unit.core.check.planted import assert_found, errors_in, notes_in, with_text

F = "facts.yaml"
VIEWS = "{count: Product Viewed, window: 7 days, grain: 1 day}"
SINCE = "{first: Subscription Started}"


@pytest.mark.parametrize(
    ("old", "new", "at", "says", "hint"),
    [
        (VIEWS, "{window: 7 days}", "views_7d:", "counts nothing", "count, sum"),
        (
            VIEWS,
            "{count: Product Viewed, last: Order Completed}",
            "views_7d:",
            "both count and last",
            "",
        ),
        (
            VIEWS,
            "{count: Product Vewed}",
            "count:",
            "no source may send `Product Vewed`",
            "Product Viewed",
        ),
        (
            VIEWS,
            "{count: [Product Viewed, Zzz]}",
            "Zzz",
            "no source may send `Zzz`",
            "`events` of a source",
        ),
        (VIEWS, "{count: [' Product Viewed']}", "' Product", "not the name of an event", ""),
        (
            VIEWS,
            "{dwell: Product Viewed, of: sku, by: top, type: text}",
            "type:",
            "a dwell is a int",
            "remove",
        ),
        (VIEWS, "{count: Product Viewed, of: sku}", "of:", "a count counts events", "distinct"),
        (
            VIEWS,
            "{count: Product Viewed, grain: 1 day}",
            "grain:",
            "a grain without a window",
            "window",
        ),
        (
            VIEWS,
            "{count: Product Viewed, window: 7 days, grain: 2 days}",
            "grain:",
            "no multiple",
            "",
        ),
        (
            VIEWS,
            "{count: Product Viewed, window: 60 hours}",
            "window:",
            "no multiple",
            "grain: 1 hour",
        ),
        (VIEWS, "{count: Product Viewed, window: 0 days}", "window:", "of no length", ""),
        (
            VIEWS,
            "{count: Product Viewed, window: 90 days, grain: 1 minute}",
            "grain:",
            "129,600 grains",
            "",
        ),
        (VIEWS, "{count: Product Viewed, gap: 1 minute}", "gap:", "a count has no gaps", ""),
        (VIEWS, "{count: Product Viewed, by: top}", "by:", "says nothing here", "dwell"),
        (VIEWS, "{count: Product Viewed, type: text}", "type:", "a count is a int", ""),
        (VIEWS, "{sum: Product Viewed, type: int}", "views_7d:", "needs the property", "of:"),
        (VIEWS, "{sum: Product Viewed, of: x}", "views_7d:", "needs the type", "type:"),
        (VIEWS, "{sum: Product Viewed, of: x, type: text}", "type:", "cannot be summed", ""),
        (SINCE, "{first: Subscription Started, type: date}", "type:", "a first is a timestamp", ""),
        ("paid: false", "paid: no_way", "paid:", "`no_way` is not a bool", "properties.no_way"),
        ("{paid: true}", "{payed: true}", "payed:", "no field of bill `payed`", "`paid`"),
        ("Bill Paid:", "Bill Payed:", "Bill Payed:", "no source may send", ""),
        ("{status: open}", "{status: open, opened: true}", "opened:", "no field of case", ""),
        (", de: Wie heissen Sie?}", "}", "ask:", "there is no text in `de`", "each locale"),
        ("de: Wie heissen Sie?}", "de: Wie?, pt: Como?}", "pt:", "no locale of the brand", "`de`"),
    ],
)
def test_a_mistake_in_the_facts_is_found(
    old: str, new: str, *, at: str, says: str, hint: str
) -> None:
    """The errors are at the word; others that it causes elsewhere are not reported."""
    texts = with_text(F, old, new)
    texts["sources.yaml"] = texts["sources.yaml"].replace('"Bill *"', "Bill Issued, Bill Paid")
    assert_found(texts, at=f"{F} {at}", says=says, hint=hint)


def test_an_object_has_fields_and_events() -> None:
    """Something without a state is no object."""
    bare = "objects:\n  thing: {key: id, fields: {}, events: {}}\n"
    texts = with_text(F, "objects:\n", bare)
    assert {problem.message for problem in errors_in(texts)} == {
        "`thing` has no fields",
        "nothing ever happens to a `thing`",
    }


def test_a_window_beyond_the_history_is_noted() -> None:
    """What is not kept cannot be counted."""
    texts = with_text(F, VIEWS, "{count: Product Viewed, window: 1100 days}")
    (note,) = notes_in(texts)
    assert "longer than the history of 1095 days" in note.message


def test_an_import_supplies_no_events() -> None:
    """The past was imported once; nothing new comes from it."""
    texts = with_text(F, VIEWS, "{count: Past Thing}")
    texts["sources.yaml"] += '  past: {kind: import, events: ["*"]}\n'
    assert_found(texts, at=f"{F} count:", says="no source may send `Past Thing`")


@pytest.mark.parametrize(
    ("window", "grain"),
    [
        ("10 seconds", "1 second"),
        ("119 seconds", "1 second"),
        ("2 minutes", "1 minute"),
        ("36 hours", "1 hour"),
        ("2 days", "1 day"),
        ("90 days", "1 day"),
    ],
)
def test_a_window_without_a_grain_has_at_least_two_buckets(window: str, grain: str) -> None:
    """The coarsest of day, hour, minute and second that goes into it twice."""
    assert grain_of(parse_duration(window)) == parse_duration(grain)
